//! Purchases: each payment's money once, whichever of a sale and an invoice arrives first.

use super::sale::unlinked;
use super::{Case, Judge};
use crate::attribution::{customer_topic, invoice_payments_topic, payment_topic, subscription_topic};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Applied, Detail, Fact, Invoice, KnownPurchase};
use crate::relay::judged::{Effect, Judged};
use crate::relay::look_up::Asked;
use crate::relay::payments::{Share, Sought, divide, links_come};
use crate::relay::purchase::{self, Answer};
use crate::relay::writing::Resolved;
use crate::store::{Ledger, Reported, StoreError};
use crate::trace::Told;

impl Judge<'_> {
    pub(super) fn purchase(
        &self,
        ledger: &mut dyn Ledger,
        case: Case,
        invoice: &Invoice,
    ) -> Result<Judged, StoreError> {
        let scope = &self.webhook.scope;
        let (id, case) = match self.earlier(ledger, &case.key)? {
            None => (invoice.id.clone(), case),
            Some(reported) => {
                let before = || case.ignore(Reason::AlreadyReported, format!("`{}` was reported before", case.key));
                let Some(payment) = self.paid_anew(ledger, invoice, case.fact, &reported)? else { return Ok(before()) };
                let id = format!("{}:{payment}", invoice.id);
                let key = purchase::key(scope, &id);
                if self.earlier(ledger, &key)?.is_some() {
                    return Ok(before());
                }
                (id, Case { key, ..case })
            }
        };
        let share = divide(ledger, scope, invoice, &id)?;
        if let (0, Some((other, _))) = (share.new, &share.reported) {
            let message = format!("`{other}` has reported this payment");
            return Ok(case.ignore(Reason::AlreadyReported, message));
        }
        let mut warnings = case.fact.warnings.clone();
        if let Some(other) = self.may_be_one_payment(ledger, &case, invoice, &share)? {
            if !self.is_past(Reason::PaymentLinkUnseen) {
                return Ok(self.wait_for_payment(case, invoice, &other));
            }
            warnings.push(unlinked(&other));
        }
        let plan = match purchase::resolve(ledger, scope, invoice)? {
            Answer::Known(plan) => plan,
            Answer::Stretch(plan) => match self.wait_for_interval(invoice, &plan) {
                Some((reason, message, look_up)) => {
                    let subscription = invoice.subscription.as_deref().map(|id| subscription_topic(scope, id));
                    let customer = case.customer.as_deref().unwrap_or_default();
                    let waits_for = subscription.unwrap_or_else(|| customer_topic(scope, customer));
                    return Ok(self.hold(reason, message, waits_for, Some(case.key), look_up));
                }
                None => plan,
            },
        };
        if let Some((other, amount)) = &share.reported {
            let message = format!("{amount} of {} are reported by `{other}`; this is the rest", invoice.amount_paid);
            warnings.push(Warning::new(WarningCode::PartlyReported, message));
        }
        let rest = share.of(invoice);
        let purchase = KnownPurchase {
            paid: rest.amount_paid,
            net: rest.amount_paid_net,
            refunded: 0,
            refunded_net: 0,
            customer: case.customer.clone(),
            currency: rest.currency.clone(),
            at: Some(case.fact.at),
            reported_at: Some(self.now),
            is_sale: invoice.stated_by.is_sale(),
            unlinked: if invoice.stated_by.is_sale() { 0 } else { share.unlinked },
        };
        let fact = Fact { detail: Detail::InvoicePaid(Box::new(rest)), warnings, ..case.fact.clone() };
        let mut judged = self.rule(ledger, &Case { fact: &fact, ..case }, Resolved { plan, ..Resolved::default() })?;
        if let Some((other, amount)) = &share.reported {
            let told = Told::directory(format!("`{other}` has reported so much of its payments"));
            judged.trace.values.push(told.of("reported before", Some(amount.to_string())));
        }
        judged.effects.push(Effect::Purchased { id, purchase: Box::new(purchase), carried: share.carried });
        Ok(judged)
    }

    /// The first payment of an invoice that is paid anew after its payment was taken off and given back. `None` where
    /// nothing new was paid, or where that cannot be told.
    fn paid_anew(
        &self,
        ledger: &mut dyn Ledger,
        invoice: &Invoice,
        fact: &Fact,
        reported: &Reported,
    ) -> Result<Option<String>, StoreError> {
        let scope = &self.webhook.scope;
        let Some(first) = ledger.purchase(scope, &invoice.id)? else { return Ok(None) };
        if ledger.carried_by_purchase(scope, &invoice.id)?.is_empty() {
            // No payment is known to stand for it: the money came from outside, or the report is of an earlier version.
            if first.refunded < first.paid || fact.at <= reported.at {
                return Ok(None);
            }
        } else if first.unlinked > 0 {
            return Ok(None);
        }
        let again = format!("{}:", invoice.id);
        let mut fresh = Vec::new();
        for Applied { payment, .. } in &invoice.payments {
            let carried = ledger.carried_of_payment(scope, payment)?;
            let is_of_this = carried.iter().any(|one| one.purchase == invoice.id || one.purchase.starts_with(&again));
            if !is_of_this {
                fresh.push(payment);
            }
        }
        Ok(fresh.into_iter().min().cloned())
    }

    /// A reported sale that may have paid this invoice, or a reported invoice that this sale may have paid, while nothing
    /// has said whether it did.
    fn may_be_one_payment(
        &self,
        ledger: &mut dyn Ledger,
        case: &Case,
        invoice: &Invoice,
        share: &Share,
    ) -> Result<Option<String>, StoreError> {
        let scope = &self.webhook.scope;
        let is_sale = invoice.stated_by.is_sale();
        let amount = if is_sale { share.new } else { share.unlinked };
        let (Some(customer), true) = (case.customer.as_deref(), amount > 0) else { return Ok(None) };
        if is_sale && !ledger.links_of_payment(scope, &invoice.id)?.is_empty() {
            return Ok(None);
        }
        let sought = Sought { scope, customer, currency: invoice.currency.as_ref(), at: case.fact.at, amount };
        let other = if is_sale { sought.invoice(ledger)? } else { sought.sale(ledger)? };
        if other.is_none() || self.is_link_answered(invoice) {
            return Ok(None);
        }
        let comes = self.looked_up.asked != Asked::CannotAsk || links_come(ledger, scope, self.now)?;
        Ok(other.filter(|_| comes))
    }

    fn wait_for_payment(&self, case: Case, invoice: &Invoice, other: &str) -> Judged {
        let scope = &self.webhook.scope;
        let (waits_for, what) = if invoice.stated_by.is_sale() {
            (payment_topic(scope, &invoice.id), "this sale may have paid the invoice")
        } else {
            (invoice_payments_topic(scope, &invoice.id), "this invoice may have been paid by the sale")
        };
        let message = format!("{what} `{other}`; waits a day at most for the webhook or the answer that links them");
        self.hold(Reason::PaymentLinkUnseen, message, waits_for, Some(case.key), self.look_link_up())
    }
}
