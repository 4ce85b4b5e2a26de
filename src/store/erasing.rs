//! What is erased of what was kept, and what of it stays.

use jiff::Timestamp;

use super::WebhookState;
use crate::decision::Reason;
use crate::referral_event::Impersonal;

/// Which bodies to erase: those of ignored webhooks, received long enough ago, of which every decision concerns no fact
/// at all or has one of these reasons.
#[derive(Debug, Clone)]
pub struct Erasing {
    /// Only what was first received before this.
    pub before: Timestamp,
    /// Only what comes after this place: see [`Erased::last`].
    pub after: Option<Arrival>,
    /// The most webhooks to look at, whether or not they are erased.
    pub limit: usize,
    pub reasons: Vec<Reason>,
    /// Reasons that count only where the directory knows no code of the customer.
    pub reasons_of_strangers: Vec<Reason>,
}

/// Which bodies to erase of webhooks that are settled, whosever they are: nothing of them is held, and every referral
/// event that came of them is delivered or discarded.
#[derive(Debug, Clone)]
pub struct Settled {
    /// `Ignored` or `Mapped`; in any other state nothing is settled.
    pub state: WebhookState,
    /// Only what was first received before this.
    pub before: Timestamp,
    /// Only what comes after this place: see [`Erased::last`].
    pub after: Option<Arrival>,
    /// The most webhooks to look at, whether or not they are erased.
    pub limit: usize,
    pub without_person: WithoutPerson,
}

/// Takes what only identifies a person out of the body of a referral event; `None` where there is nothing to take out.
pub type WithoutPerson = fn(&str) -> Option<Impersonal>;

/// The place of a webhook in the order of arrival: when it was received, and its number.
pub type Arrival = (Timestamp, i64);

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub bodies: usize,
    /// The last webhook that was looked at; `None` when there is no further one.
    pub last: Option<Arrival>,
}
