//! Refunds: for whom, of which report, and what becomes of one whose purchase is not there.

use super::owner::standing;
use super::{Case, Judge, ignored};
use crate::decision::Reason;
use crate::facts::{Fact, Refund};
use crate::relay::judged::Judged;
use crate::relay::purchase;
use crate::relay::refund::amount::{self, Given};
use crate::relay::refund::{self, Purchase};
use crate::relay::writing::Resolved;
use crate::store::{Ledger, StoreError};

impl Judge<'_> {
    pub(super) fn refund(&self, ledger: &mut dyn Ledger, fact: &Fact, refund: &Refund) -> Result<Judged, StoreError> {
        let scope = &self.webhook.scope;
        let key = format!("refund:{}:{}", scope.prefix(), refund.id);
        if self.earlier(ledger, &key)?.is_some() {
            let message = format!("`{key}` was reported before");
            return Ok(ignored(Reason::AlreadyReported, message, Some(key)));
        }
        match refund::find(ledger, scope, refund)? {
            Purchase::Reported(found) => {
                let purchase_key = purchase::key(scope, &found.id);
                let Some(reported) = standing(Some(found.reported.clone())) else {
                    let message = format!("the purchase `{}` was discarded, so its refund is not reported", found.id);
                    return Ok(self.not_reported(message, key, purchase_key));
                };
                let what = format!("the purchase `{}`", found.id);
                let case = match self.case_of_report(ledger, fact, &reported, key.clone(), &what)? {
                    Some(case) => case,
                    None => match self.case_of_customer(ledger, fact, Some(key))? {
                        Ok(case) => case,
                        Err(judged) => return Ok(judged),
                    },
                };
                let given = amount::of_found(ledger, scope, refund, &found)?;
                let judged = self.of_purchase(ledger, case, given, purchase_key.clone())?;
                Ok(Judged { refunds: Some(purchase_key), ..judged })
            }
            Purchase::NotReported { message, again, or } => {
                Ok(Judged { other_topic: or, ..self.not_reported(message, key, again) })
            }
            Purchase::Undecided { message, waits_for } => {
                let look_up = if refund.invoice.is_none() { self.look_up_again() } else { None };
                Ok(self.hold(Reason::PurchaseUnseen, message, waits_for, Some(key), look_up))
            }
            Purchase::Unknown { invoice, message, waits_for } if !self.is_past(Reason::PurchaseUnseen) => {
                let judged = self.of_named_customer(ledger, fact, &key)?;
                let look_up = if invoice.is_none() { self.look_up_again() } else { None };
                Ok(match judged {
                    Some(judged) => Judged { other_topic: Some(waits_for), ..judged },
                    None => self.hold(Reason::PurchaseUnseen, message, waits_for, Some(key), look_up),
                })
            }
            Purchase::Unknown { invoice: Some(invoice), waits_for, .. } => {
                match self.case_of_customer(ledger, fact, Some(key))? {
                    Ok(case) => {
                        let given = amount::without_purchase(ledger, scope, refund, &invoice)?;
                        self.of_purchase(ledger, case, given, waits_for)
                    }
                    Err(judged) => Ok(Judged { other_topic: Some(waits_for), ..judged }),
                }
            }
            // Money that was given back is reported however late its purchase becomes known.
            Purchase::Unknown { invoice: None, waits_for, .. } => {
                let judged = match self.of_named_customer(ledger, fact, &key)? {
                    Some(judged) => judged,
                    None => {
                        let message = "neither the refund nor anything learned since names the invoice";
                        ignored(Reason::PurchaseUnknown, message, Some(key))
                    }
                };
                Ok(Judged { other_topic: Some(waits_for), ..judged })
            }
        }
    }

    fn of_purchase(
        &self,
        ledger: &mut dyn Ledger,
        case: Case,
        given: Given,
        purchase_key: String,
    ) -> Result<Judged, StoreError> {
        match given {
            Given::Known(resolution) => {
                let effects = resolution.effects.clone();
                let resolved = Resolved { refund: Some(resolution), ..Resolved::default() };
                let mut judged = self.rule(ledger, &case, resolved)?;
                judged.effects.extend(effects);
                Ok(judged)
            }
            Given::AlreadyReported => {
                let message = "this part of the charge is already reported as refunded";
                Ok(case.ignore(Reason::AlreadyReported, message))
            }
            Given::Unreported { message, effect } => {
                let judged = self.not_reported(message, case.key, purchase_key);
                Ok(Judged { effects: vec![effect], ..judged })
            }
        }
    }

    /// What the customer whom the webhook names makes of a refund while no decision on its purchase exists; `None` where
    /// it waits for the purchase.
    fn of_named_customer(&self, ledger: &mut dyn Ledger, fact: &Fact, key: &str) -> Result<Option<Judged>, StoreError> {
        let is_past = self.is_past(Reason::PurchaseUnseen);
        if fact.customer.is_none() {
            let message = "the refund names no customer, and nothing tells whose purchase it was";
            return Ok(is_past.then(|| ignored(Reason::NoCustomer, message, Some(key.to_owned()))));
        }
        Ok(self.case_of_customer(ledger, fact, Some(key.to_owned()))?.err())
    }

    fn not_reported(&self, message: String, key: String, again: String) -> Judged {
        Judged { again: Some(again), ..ignored(Reason::PurchaseNotReported, message, Some(key)) }
    }
}
