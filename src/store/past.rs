//! What the store gives away page by page for going through all of it again, and what its directory knows.
//!
//! All of it only reads. A page is limited, so that a long history never has to fit into memory.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{DecisionState, EventState, NewWebhook, WebhookState};
use crate::decision::Reason;
use crate::facts::{CodeAnswer, KnownCustomer, KnownSubscription, PaymentLink, Plan, Scope};

/// A stored webhook, ready to be received by another store, and when its facts were decided here.
#[derive(Debug, Clone)]
pub struct PastWebhook {
    /// Number of the webhook in this store.
    pub id: i64,
    /// `None` where the body is no longer kept.
    pub webhook: Option<NewWebhook>,
    pub state: WebhookState,
    /// By position among its facts.
    pub decisions: Vec<PastDecision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastDecision {
    /// Position among the facts of its webhook.
    pub fact: usize,
    pub state: DecisionState,
    /// When it was decided last.
    pub decided_at: Timestamp,
}

/// A referral event as far as comparing it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    pub id: i64,
    pub key: String,
    pub trigger: String,
    /// The webhook it came of.
    pub webhook_id: i64,
    /// When it happened at the provider.
    pub at: Timestamp,
    pub created_at: Timestamp,
    pub state: EventState,
    pub body: serde_json::Value,
}

/// What to ask the directory about, all within one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub prices: Vec<String>,
    pub payments: Vec<String>,
    /// The invoice whose payments are asked for.
    pub invoice: Option<String>,
}

/// What the directory knows of it; what it does not know is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub customer: Option<KnownCustomer>,
    pub subscription: Option<KnownSubscription>,
    pub prices: Vec<Plan>,
    /// Which invoices the payments settle.
    pub links: Vec<PaymentLink>,
}

/// What Cello is known to have said of codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaidOfCodes {
    /// The answers that are still kept, by code.
    pub answers: BTreeMap<String, CodeAnswer>,
    /// What was wrong with a code, by the business key of what was kept back for it or told with a warning.
    pub faults: BTreeMap<String, Reason>,
}

/// A customer of the directory and where its id is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedCustomer {
    pub scope: Scope,
    pub customer: KnownCustomer,
}
