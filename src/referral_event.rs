//! One message for Cello, in our own terms. What it looks like on the wire is known to `cello/` alone.

use jiff::Timestamp;

use crate::interval::Interval;
use crate::money::Currency;
use crate::words::words;

words! {
    /// The happenings Cello can be told of.
    Trigger {
        NewSignup = "new-signup",
        DemoCallAttended = "demo-call-attended",
        InvoicePaid = "invoice-paid",
        ChargeRefunded = "charge-refunded",
        SubscriptionCreated = "subscription-created",
        SubscriptionUpdated = "subscription-updated",
        SubscriptionCanceled = "subscription-canceled",
    }
}

impl Trigger {
    /// Whether Cello's newest schema still lists this trigger; the others are only in its older reference.
    pub fn is_current(self) -> bool {
        !matches!(self, Self::SubscriptionCreated | Self::SubscriptionUpdated | Self::SubscriptionCanceled)
    }

    /// Whether Cello documents the price as required.
    pub fn needs_price(self) -> bool {
        matches!(self, Self::InvoicePaid | Self::ChargeRefunded)
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

/// Replaces personal data in an answer of Cello's.
pub const TAKEN: &str = "[erased]";

/// The body of a referral event without the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonal {
    pub body: String,
    /// What was taken out of it. Cello may have repeated it in its answers, so it is taken out of those, too.
    pub taken: Vec<String>,
}
