//! What a referral event added to running totals, kept with it so that it can be taken off again.
//!
//! A person may have a refused event decided anew, or a discarded one. What the new decision adds must take the place of
//! what the old one added, and never come on top of it.

use serde::{Deserialize, Serialize};

use super::judged::Effect;
use super::reported::ReportedStates;
use crate::facts::{KnownPurchase, Scope};
use crate::store::{Ledger, StoreError};

/// One addition. Amounts are in minor units; ids are the provider's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Contribution {
    /// A purchase, with what it carries of its payments.
    Purchase { id: String },
    /// The commercial state of a subscription at this version.
    State { subscription: String, version: i64, state: String },
    /// So much went back of what a purchase brought.
    GivenBack { purchase: String, amount: i64, net: i64 },
    /// A stretch of a charge's running total is refunded.
    Refunded { charge: String, from: i64, to: i64 },
    /// A part of a refund was of money that no purchase carried.
    Unreported { payment: String, refund: String },
}

impl From<&Effect> for Contribution {
    fn from(effect: &Effect) -> Self {
        match effect.clone() {
            Effect::Purchased { id, .. } => Self::Purchase { id },
            Effect::Reported { subscription, version, state } => Self::State { subscription, version, state },
            Effect::GivenBack { invoice, amount, net } => Self::GivenBack { purchase: invoice, amount, net },
            Effect::Refunded { charge, from, to } => Self::Refunded { charge, from, to },
            Effect::UnreportedRefund { payment, refund, .. } => Self::Unreported { payment, refund },
        }
    }
}

impl Contribution {
    /// As it is kept with the referral event.
    pub fn text(effects: &[Effect]) -> String {
        let all: Vec<Self> = effects.iter().map(Self::from).collect();
        // Texts and numbers always have a form.
        serde_json::to_string(&all).unwrap_or_default()
    }

    /// # Errors
    ///
    /// When it is none of the forms that [`Contribution::text`] writes.
    pub fn parse(text: &str) -> Result<Vec<Self>, StoreError> {
        serde_json::from_str(text).map_err(|problem| StoreError::Damaged(format!("column contribution: {problem}")))
    }

    /// Takes it off. Returns the purchase that was removed with its id, if it was one.
    pub fn withdraw(
        &self,
        ledger: &mut dyn Ledger,
        scope: &Scope,
    ) -> Result<Option<(String, KnownPurchase)>, StoreError> {
        match self {
            Self::Purchase { id } => {
                let purchase = ledger.purchase(scope, id)?;
                ledger.remove_carried(scope, id)?;
                ledger.remove_purchase(scope, id)?;
                return Ok(purchase.map(|purchase| (id.clone(), purchase)));
            }
            Self::State { subscription, version, state } => {
                if let Some(mut known) = ledger.subscription(scope, subscription)? {
                    let mut states = ReportedStates::parse(known.reported.as_deref());
                    states.remove(*version, state);
                    known.reported = (!states.is_empty()).then(|| states.to_text());
                    ledger.put_subscription(scope, &known)?;
                }
            }
            Self::GivenBack { purchase: id, amount, net } => {
                if let Some(mut purchase) = ledger.purchase(scope, id)? {
                    purchase.refunded = purchase.refunded.saturating_sub(*amount).max(0);
                    purchase.refunded_net = purchase.refunded_net.saturating_sub(*net).max(0);
                    ledger.put_purchase(scope, id, &purchase)?;
                }
            }
            Self::Refunded { charge, from, to } => ledger.remove_refunded(scope, charge, *from, *to)?,
            Self::Unreported { payment, refund } => ledger.remove_unreported_refund(scope, payment, refund)?,
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back_as_it_was_written() {
        let id = || "x".to_owned();
        let effects = [
            Effect::Purchased { id: id(), purchase: Box::default(), carried: vec![] },
            Effect::Reported { subscription: id(), version: 7, state: id() },
            Effect::GivenBack { invoice: id(), amount: 5, net: 4 },
            Effect::Refunded { charge: id(), from: 1, to: 2 },
            Effect::UnreportedRefund { payment: id(), refund: id(), amount: 3 },
        ];
        let all: Vec<Contribution> = effects.iter().map(Contribution::from).collect();
        assert_eq!(Contribution::parse(&Contribution::text(&effects)).unwrap(), all);
        assert!(Contribution::parse("{}").is_err());
    }
}
