//! Subscriptions and what is paid for by them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::interval::Period;
use crate::money::Currency;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub customer: Option<String>,
    pub phase: Phase,
    /// The recurring amount of one period in minor units; `None` for tiered or metered prices.
    pub amount: Option<i64>,
    pub currency: Option<Currency>,
    pub plan: Plan,
    pub seats: Option<i64>,
    /// See [`Customer::version`](super::Customer::version).
    pub version: i64,
    /// When it ended, where the webhook says so. Not kept in the directory.
    pub ended_at: Option<Timestamp>,
}

impl Subscription {
    /// Price, quantity, interval, product and whether it is on trial, as text to compare with.
    pub fn commercial_state(&self) -> String {
        let state = match self.phase {
            Phase::Trial => "trial",
            Phase::Ended => "ended",
            Phase::Pending | Phase::Running | Phase::Stalled => "paid",
        };
        let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        let period = self.plan.period.map(|period| period.to_string()).unwrap_or_default();
        let id = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            state.to_owned(),
            number(self.amount),
            number(self.seats),
            period,
            id(&self.plan.price_id),
            id(&self.plan.product_id),
        ]
        .join("|")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Incomplete, lying in the future, or stalled before it ever ran.
    Pending,
    Trial,
    Running,
    /// Running, but not active: past due, unpaid or paused.
    Stalled,
    Ended,
}

/// What is paid for, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    pub period: Option<Period>,
    /// Price or plan id.
    pub price_id: Option<String>,
    pub product_id: Option<String>,
    /// Billed by use: the quantity on its line is what was used, and nobody's seats.
    #[serde(default)]
    pub metered: bool,
}

impl Plan {
    /// What Cello is told as product: the product where the provider names one, else the price or plan.
    pub fn product_key(&self) -> Option<&str> {
        self.product_id.as_deref().or(self.price_id.as_deref())
    }
}

/// What the directory knows of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSubscription {
    pub subscription: Subscription,
    /// The commercial states reported to Cello, as text that only deciding reads.
    pub reported: Option<String>,
}
