//! What the command line shows of the store: lists, and the whole life of one webhook.

use jiff::Timestamp;
use serde::Serialize;

use super::{DecisionState, EventState, WebhookState};
use crate::decision::Warning;
use crate::facts::Mode;
use crate::trace::Trace;

/// Which lines of the list are wanted: those of which everything holds that is given here.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// A state of webhooks or of referral events.
    pub state: Option<String>,
    pub provider: Option<String>,
    pub trigger: Option<String>,
    /// When the webhook was first received: then or later.
    pub since: Option<Timestamp>,
    /// When the webhook was first received: before then.
    pub until: Option<Timestamp>,
    /// The provider's id of a customer.
    pub customer: Option<String>,
    /// A user or organization in the operator's product.
    pub user: Option<String>,
    /// A referral code.
    pub code: Option<String>,
    /// The provider's id of an invoice.
    pub invoice: Option<String>,
    /// A part of what the last attempt said, in upper or lower case.
    pub message: Option<String>,
    /// The code of the reason or of a warning of a decision, or a person's reason to discard or confirm, word for word.
    pub reason: Option<String>,
    /// The most lines to return; 0 returns none.
    pub limit: usize,
}

impl EventFilter {
    /// How many rows have to be read for as many lines as are wanted.
    pub(super) fn read_limit(&self) -> usize {
        if self.message.is_some() { usize::MAX } else { self.limit }
    }

    /// Of the rows that were read, those that are wanted: each database has its own idea of upper and lower case.
    pub(super) fn pick(&self, mut rows: Vec<EventRow>) -> Vec<EventRow> {
        if let Some(wanted) = self.message.as_ref().map(|text| text.to_lowercase()) {
            let says = |event: &EventSummary| {
                event.message.as_deref().unwrap_or_default().to_lowercase().contains(wanted.as_str())
            };
            rows.retain(|row| row.referral_event.as_ref().is_some_and(says));
            rows.truncate(self.limit);
        }
        rows
    }
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
    /// Who gave it up.
    pub discarded_by: Option<String>,
    /// Who said that Cello has it.
    pub confirmed_by: Option<String>,
    /// The number of the dead or unsure referral event that it waits for.
    pub blocked_by: Option<i64>,
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
    /// The dead or unsure referral event that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Blocker>,
    pub body: serde_json::Value,
    pub discarded_by: Option<String>,
    pub discard_reason: Option<String>,
    /// Who said that Cello has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// Of a discarded one: when its webhook was decided again, so that another event could have its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_again_at: Option<Timestamp>,
    /// Bodies that were refused and replaced, oldest first; the attempts until then were theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub former_bodies: Vec<FormerBody>,
    pub attempts: Vec<LifeAttempt>,
}

/// What a blocked referral event waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    pub id: i64,
    pub trigger: String,
    pub state: EventState,
    /// When it was last tried, and what that came to.
    pub since: Option<Timestamp>,
    pub message: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FormerBody {
    pub body: serde_json::Value,
    pub replaced_at: Timestamp,
    pub replaced_by: String,
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
