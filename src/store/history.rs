//! What the command line shows of the store: lists, and the whole life of one webhook.

use jiff::Timestamp;
use serde::Serialize;

use super::{DecisionState, EventState, WebhookState};
use crate::decision::Warning;
use crate::facts::Mode;
use crate::trace::Trace;

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// A state of webhooks or of referral events.
    pub state: Option<String>,
    pub provider: Option<String>,
    /// The most lines to return; 0 returns none.
    pub limit: usize,
}

/// One line of `events list`: a fact of a webhook and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct EventRow {
    /// Number of the webhook in this store.
    pub webhook_id: i64,
    pub provider: String,
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub received_at: Timestamp,
    pub webhook_state: WebhookState,
    pub decision: Option<DecisionState>,
    pub reason: Option<String>,
    /// The referral event that came of it.
    pub referral_event: Option<EventSummary>,
}

#[derive(Debug, Clone, Serialize)]
pub struct EventSummary {
    pub id: i64,
    pub key: String,
    pub trigger: String,
    pub price: Option<i64>,
    pub currency: Option<String>,
    pub state: EventState,
    /// How often it was tried, whether or not that counted.
    pub attempts: i64,
    /// What the last of those tries said: Cello's message or the transport's problem.
    pub message: Option<String>,
}

/// The whole life of one webhook: for `events show`.
#[derive(Debug, Clone, Serialize)]
pub struct Life {
    /// Number of the webhook in this store.
    pub webhook_id: i64,
    pub provider: String,
    pub account: String,
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub mode: Option<Mode>,
    pub happened_at: Timestamp,
    pub received_at: Timestamp,
    pub bytes: usize,
    /// How often it came again.
    pub duplicates: i64,
    pub state: WebhookState,
    /// When the body was erased.
    pub body_erased_at: Option<Timestamp>,
    /// Why it could not be read.
    pub note: Option<String>,
    pub decisions: Vec<LifeDecision>,
    pub referral_events: Vec<LifeEvent>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LifeDecision {
    pub fact: String,
    /// When it happened at the provider.
    pub happened_at: Timestamp,
    /// The provider's id of the customer.
    pub customer: Option<String>,
    pub decision: DecisionState,
    pub rule: Option<String>,
    pub reason: Option<String>,
    pub message: String,
    pub key: Option<String>,
    pub warnings: Vec<Warning>,
    /// How it came about; `None` where it was decided before this was kept.
    pub trace: Option<Trace>,
    pub waits_for: Option<String>,
    pub deadline: Option<Timestamp>,
    pub decided_at: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
pub struct LifeEvent {
    pub id: i64,
    pub key: String,
    pub trigger: String,
    pub state: EventState,
    pub due_at: Option<Timestamp>,
    pub body: serde_json::Value,
    pub discarded_by: Option<String>,
    pub discard_reason: Option<String>,
    pub attempts: Vec<LifeAttempt>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LifeAttempt {
    pub at: Timestamp,
    pub duration_ms: i64,
    pub outcome: String,
    pub status: Option<u16>,
    pub message: String,
    pub request_id: Option<String>,
}
