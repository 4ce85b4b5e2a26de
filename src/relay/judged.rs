//! A verdict on its way into the store, and what is remembered together with it.

use super::reported::ReportedStates;
use super::waiting::LookUp;
use crate::decision::{Decision, Verdict};
use crate::facts::{Carried, KnownPurchase, Scope};
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
    /// Something else that has a held or ignored fact decided again.
    pub other_topic: Option<String>,
    /// The customer that the referral event is for: not always the one that the webhook names.
    pub customer: Option<String>,
    /// Of a refund: the key of the purchase whose money goes back.
    pub refunds: Option<String>,
    pub trace: Trace,
}

impl Judged {
    pub fn new(verdict: Verdict, key: Option<String>) -> Self {
        Self {
            verdict,
            key,
            effects: vec![],
            look_up: None,
            again: None,
            other_topic: None,
            customer: None,
            refunds: None,
            trace: Trace::default(),
        }
    }

    /// The payments that a purchase carries to Cello.
    pub fn carried(&self) -> impl Iterator<Item = &str> {
        self.effects
            .iter()
            .flat_map(|effect| match effect {
                Effect::Purchased { carried, .. } => &carried[..],
                _ => &[],
            })
            .map(|(payment, _)| payment.as_str())
    }

    pub fn decision(self) -> Decision {
        Decision { verdict: self.verdict, trace: self.trace }
    }
}

/// Something to remember once a referral event is on its way.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The commercial state of a subscription that Cello is told, and its version.
    Reported { subscription: String, version: i64, state: String },
    /// A purchase, for the refunds that may follow, and which payments it carries.
    Purchased { id: String, purchase: Box<KnownPurchase>, carried: Vec<(String, i64)> },
    /// So much of a payment went back that no purchase had carried.
    UnreportedRefund { payment: String, refund: String, amount: i64 },
    /// So much of a purchase is refunded, with and without tax.
    GivenBack { invoice: String, amount: i64, net: i64 },
    /// This stretch of a charge's running total is refunded.
    Refunded { charge: String, from: i64, to: i64 },
}

impl Effect {
    /// Whether it is remembered though nothing is sent.
    pub fn concerns_what_is_ignored(&self, verdict: &Verdict) -> bool {
        matches!((self, verdict), (Self::UnreportedRefund { .. }, Verdict::Ignore { .. }))
    }

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
            Self::Purchased { id, purchase, carried } => {
                for (payment, amount) in carried {
                    let (payment, purchase) = (payment.clone(), id.clone());
                    ledger.put_carried(scope, &Carried { payment, purchase, amount: *amount })?;
                }
                ledger.put_purchase(scope, id, purchase)
            }
            Self::UnreportedRefund { payment, refund, amount } => {
                ledger.put_unreported_refund(scope, payment, refund, *amount)
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
