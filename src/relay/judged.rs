//! A verdict on its way into the store, and what is remembered together with it.

use super::reported::ReportedStates;
use super::waiting::LookUp;
use crate::decision::{Decision, Verdict};
use crate::facts::{KnownPurchase, Scope};
use crate::store::{Ledger, StoreError};
use crate::trace::Trace;

/// A verdict with what belongs to it.
pub struct Judged {
    pub verdict: Verdict,
    /// Business key of the fact, whatever the verdict.
    pub key: Option<String>,
    /// What the directory keeps when the referral event is stored.
    pub effects: Vec<Effect>,
    /// Whether and when a held fact is to be looked up.
    pub look_up: Option<LookUp>,
    /// What has an ignored fact decided again, where its reason alone does not tell.
    pub again: Option<String>,
    pub trace: Trace,
}

impl Judged {
    pub fn new(verdict: Verdict, key: Option<String>) -> Self {
        Self { verdict, key, effects: vec![], look_up: None, again: None, trace: Trace::default() }
    }

    pub fn decision(self) -> Decision {
        Decision { verdict: self.verdict, trace: self.trace }
    }
}

/// Something to remember once a referral event is on its way.
pub enum Effect {
    /// The commercial state of a subscription that Cello is told, and its version.
    Reported { subscription: String, version: i64, state: String },
    /// A purchase, for the refunds that may follow.
    Purchased { invoice: String, paid: i64, net: i64 },
    /// So much of a purchase is refunded, with and without tax.
    GivenBack { invoice: String, amount: i64, net: i64 },
    /// This stretch of a charge's running total is refunded.
    Refunded { charge: String, from: i64, to: i64 },
}

impl Effect {
    pub fn apply(&self, ledger: &mut dyn Ledger, scope: &Scope) -> Result<(), StoreError> {
        match self {
            Self::Reported { subscription, version, state } => {
                if let Some(mut known) = ledger.subscription(scope, subscription)? {
                    let mut reported = ReportedStates::parse(known.reported.as_deref());
                    reported.add(*version, state);
                    known.reported = Some(reported.to_text());
                    ledger.put_subscription(scope, &known)?;
                }
                Ok(())
            }
            Self::Purchased { invoice, paid, net } => {
                let purchase = KnownPurchase { paid: *paid, net: *net, refunded: 0, refunded_net: 0 };
                ledger.put_purchase(scope, invoice, &purchase)
            }
            Self::GivenBack { invoice, amount, net } => match ledger.purchase(scope, invoice)? {
                Some(mut purchase) => {
                    purchase.refunded = purchase.refunded.saturating_add(*amount);
                    purchase.refunded_net = purchase.refunded_net.saturating_add(*net);
                    ledger.put_purchase(scope, invoice, &purchase)
                }
                None => Ok(()),
            },
            Self::Refunded { charge, from, to } => ledger.put_refunded(scope, charge, *from, *to),
        }
    }
}
