//! What a fact waits for, and how long.
//!
//! A held fact names what lets it go on, a deadline, and perhaps a look-up; an ignored one may name what has it decided
//! again. Waiting is never the end: at the deadline it goes on with a warning, or is ignored with that reason.

use jiff::{SignedDuration, Timestamp};

use super::judged::Judged;
use super::look_up::{Asked, link_question};
use super::policy::{HOLD, LINK_HOLD, REFUND_HOLD, STRETCH_HOLD};
use super::purchase;
use super::verdict::Judge;
use crate::attribution::{customer_topic, report_topic};
use crate::decision::{Reason, Verdict};
use crate::facts::{Fact, Invoice, Scope};

/// Held facts that a rule failed on wait for other rules, and so for the next start.
pub const RULES_TOPIC: &str = "rules";

/// When a held fact is to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    Now,
    Later,
}

impl Judge<'_> {
    pub fn is_past(&self, reason: Reason) -> bool {
        let now = self.now;
        self.held_until.is_some_and(|until| until <= now) && deadline(reason, self.webhook.received_at) <= now
    }

    fn has_waited(&self, limit: SignedDuration) -> bool {
        self.now.duration_since(self.webhook.received_at) >= limit
    }

    pub fn hold(
        &self,
        reason: Reason,
        message: String,
        waits_for: String,
        key: Option<String>,
        look_up: Option<LookUp>,
    ) -> Judged {
        Judged { look_up, ..Judged::new(Verdict::Hold { reason, message, waits_for }, key) }
    }

    /// Whether asking (again) could help.
    pub fn look_up_again(&self) -> Option<LookUp> {
        match self.looked_up.asked {
            Asked::NotYet => Some(LookUp::Now),
            Asked::Failed(_) | Asked::Refused(_) => Some(LookUp::Later),
            Asked::CannotAsk | Asked::Answered => None,
        }
    }

    /// Whether the provider's API has said how a payment and an invoice belong together.
    pub fn is_link_answered(&self, invoice: &Invoice) -> bool {
        self.looked_up.has_answered(&link_question(&self.webhook.scope, invoice))
    }

    /// Whether asking that (again) could help.
    pub fn look_link_up(&self) -> Option<LookUp> {
        // What was answered is another question.
        if self.looked_up.asked == Asked::Answered { Some(LookUp::Now) } else { self.look_up_again() }
    }

    pub fn unseen(&self, customer: &str, key: Option<String>) -> Judged {
        if self.is_past(Reason::CustomerUnseen) {
            let message = format!("nothing was learned of `{customer}` in 30 days");
            return Judged::new(Verdict::Ignore { reason: Reason::HoldExpired, message }, key);
        }
        let (reason, message) = match &self.looked_up.asked {
            Asked::NotYet => (Reason::LookingUp, format!("`{customer}` is being looked up")),
            Asked::Failed(problem) | Asked::Refused(problem) => {
                (Reason::LookupFailed, format!("`{customer}` was looked up: {problem}"))
            }
            Asked::Answered => {
                (Reason::CustomerUnseen, format!("the provider does not know `{customer}` (any more) either"))
            }
            Asked::CannotAsk => (
                Reason::CustomerUnseen,
                format!("no webhook has told of `{customer}` yet; an API key or a resent customer webhook settles it"),
            ),
        };
        self.hold(reason, message, customer_topic(&self.webhook.scope, customer), key, self.look_up_again())
    }

    /// Whether it is worth waiting for the provider to say how often this is billed: always once, again for a day where
    /// the provider has no answer now, and longer where the billed stretch has no word.
    pub fn wait_for_interval(
        &self,
        invoice: &Invoice,
        plan: &purchase::Resolution,
    ) -> Option<(Reason, String, Option<LookUp>)> {
        if invoice.subscription.is_none() && invoice.plan.price_id.is_none() {
            return None;
        }
        let worth_a_wait = !self.is_past(Reason::LookupFailed);
        match &self.looked_up.asked {
            Asked::NotYet => {
                let message = "how often this is billed is being looked up".to_owned();
                Some((Reason::LookingUp, message, Some(LookUp::Now)))
            }
            Asked::Failed(problem) | Asked::Refused(problem) if worth_a_wait && plan.has_no_word() => {
                let message = format!("how often this is billed was looked up: {problem}");
                Some((Reason::LookupFailed, message, Some(LookUp::Later)))
            }
            Asked::Failed(problem) if !self.has_waited(STRETCH_HOLD) => {
                let message = format!("how often this is billed was looked up: {problem}");
                Some((Reason::LookupFailed, message, Some(LookUp::Later)))
            }
            _ => None,
        }
    }
}

/// What may have an ignored fact decided again.
pub fn may_go_on(scope: &Scope, fact: &Fact, reason: Reason) -> Option<String> {
    match reason {
        // A signup is announced anew by the webhook that brings the code.
        _ if fact.is_signup() => None,
        Reason::NoCommercialChange => fact.detail.subscription().map(|known| report_topic(scope, &known.id)),
        // What was too late by what was known may turn out to be in time.
        _ if reason.is_open_to_late_code() || reason == Reason::TooLate => {
            fact.customer.as_deref().map(|customer| customer_topic(scope, customer))
        }
        _ => None,
    }
}

/// Counted from the arrival of the webhook, so that being held again does not prolong it.
pub fn deadline(reason: Reason, received_at: Timestamp) -> Timestamp {
    let limit = match reason {
        Reason::PurchaseUnseen => REFUND_HOLD,
        Reason::PaymentLinkUnseen => LINK_HOLD,
        _ => HOLD,
    };
    received_at.saturating_add(limit).unwrap_or(Timestamp::MAX)
}

/// What is still held at its deadline, such as a refund whose purchase is held itself, is looked at every hour.
pub fn in_an_hour(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX)
}

/// After as long again as it has waited already: a minute at the least, six hours at the most.
pub fn next_look_up(received_at: Timestamp, now: Timestamp) -> Timestamp {
    let waited = now.duration_since(received_at);
    let pause = waited.clamp(SignedDuration::from_mins(1), SignedDuration::from_hours(6));
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
