//! What became of a webhook, in one line for the log: `invoice.paid in_1 held: customer_unseen`.

use std::fmt;

use super::Deciding;
use crate::decision::{Decision, Verdict};
use crate::facts::Fact;
use crate::store::{Webhook, WebhookState};

/// Names the webhook, and no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub provider: String,
    pub event_id: String,
    pub kind: String,
    /// The provider's id of what it is about; empty where it names nothing.
    pub about: String,
    pub outcome: String,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, about, outcome, .. } = self;
        let line = if about.is_empty() { format!("{kind} {outcome}") } else { format!("{kind} {about} {outcome}") };
        let plain = |char: char| if char.is_control() { ' ' } else { char };
        f.write_str(&line.chars().map(plain).collect::<String>())
    }
}

impl Deciding<'_> {
    /// Notes the decisions on a webhook; `about` is the id of its object.
    pub(super) fn note(&mut self, webhook: &Webhook, about: Option<String>, decisions: &[Decision]) {
        self.push(webhook, about, outcome(decisions));
    }

    /// Notes that a webhook cannot be read, and why.
    pub(super) fn note_unreadable(&mut self, webhook: &Webhook, about: Option<String>, problem: &str) {
        self.push(webhook, about, format!("{}: {problem}", WebhookState::Unreadable));
    }

    fn push(&mut self, webhook: &Webhook, about: Option<String>, outcome: String) {
        self.decided.settled.push(Settled {
            provider: webhook.scope.provider.clone(),
            event_id: webhook.event_id.clone(),
            kind: webhook.kind.clone(),
            about: about.unwrap_or_default(),
            outcome,
        });
    }
}

/// The provider's id of what a fact is about: its own, else its customer's.
pub(super) fn about(fact: &Fact) -> Option<String> {
    fact.detail.mentions().into_iter().next().or_else(|| fact.customer.clone())
}

/// A webhook has the state of its most pending fact, so only facts in that state are named.
fn outcome(decisions: &[Decision]) -> String {
    let of = |pick: fn(&Verdict) -> Option<String>| {
        let mut words: Vec<String> = decisions.iter().filter_map(|decision| pick(&decision.verdict)).collect();
        words.dedup();
        words.join(", ")
    };
    let held = of(|verdict| match verdict {
        Verdict::Hold { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    let sent = of(|verdict| match verdict {
        Verdict::Send(sending) => Some(sending.event.trigger.to_string()),
        _ => None,
    });
    let ignored = of(|verdict| match verdict {
        Verdict::Ignore { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    match (held.is_empty(), sent.is_empty()) {
        (false, _) => format!("{}: {held}", WebhookState::Held),
        (true, false) => format!("{}: {sent}", WebhookState::Mapped),
        (true, true) => format!("{}: {ignored}", WebhookState::Ignored),
    }
}
