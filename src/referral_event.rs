//! One message for Cello, in our own terms. What it looks like on the wire is known to `cello/` alone.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::interval::Interval;
use crate::money::Currency;

/// The happenings Cello can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    NewSignup,
    DemoCallAttended,
    InvoicePaid,
    ChargeRefunded,
    SubscriptionCreated,
    SubscriptionUpdated,
    SubscriptionCanceled,
}

impl Trigger {
    pub const ALL: [Self; 7] = [
        Self::NewSignup,
        Self::DemoCallAttended,
        Self::InvoicePaid,
        Self::ChargeRefunded,
        Self::SubscriptionCreated,
        Self::SubscriptionUpdated,
        Self::SubscriptionCanceled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewSignup => "new-signup",
            Self::DemoCallAttended => "demo-call-attended",
            Self::InvoicePaid => "invoice-paid",
            Self::ChargeRefunded => "charge-refunded",
            Self::SubscriptionCreated => "subscription-created",
            Self::SubscriptionUpdated => "subscription-updated",
            Self::SubscriptionCanceled => "subscription-canceled",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == word)
    }

    /// Whether Cello's newest schema still lists this trigger; the others are only in its older reference.
    pub fn is_current(self) -> bool {
        !matches!(self, Self::SubscriptionCreated | Self::SubscriptionUpdated | Self::SubscriptionCanceled)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything Cello is told about one happening. Nothing else about a customer ever leaves the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralEvent {
    pub trigger: Trigger,
    /// When it happened at the provider, not when it was sent.
    pub at: Timestamp,
    /// The referral code.
    pub ucc: String,
    /// The new user's id in the operator's product; never the provider's customer id.
    pub user_id: String,
    /// Set in organization mode only: the reward is then credited to the organization.
    pub organization_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// In the provider's minor unit, positive for purchases and refunds alike.
    pub price: Option<i64>,
    pub currency: Option<Currency>,
    pub subscription_id: Option<String>,
    pub invoice_id: Option<String>,
    pub interval: Option<Interval>,
    pub product_key: Option<String>,
    pub seats: Option<i64>,
}

impl ReferralEvent {
    /// Whom Cello credits: the organization in organization mode, else the user. Events of one subject are
    /// delivered one at a time and in order.
    pub fn subject(&self) -> &str {
        self.organization_id.as_deref().unwrap_or(&self.user_id)
    }
}
