//! What is written and found again: webhooks, decisions, referral events, attempts, and the sums of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::{Warning, WarningCode};
use crate::facts::{Mode, Scope};
use crate::referral_event::Trigger;
use crate::trace::Trace;
use crate::words::words;

/// A webhook about to be stored.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub scope: Scope,
    pub event_id: String,
    pub kind: String,
    pub mode: Option<Mode>,
    /// The provider's time of the event.
    pub at: Timestamp,
    pub received_at: Timestamp,
    /// Byte for byte as received.
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    Stored,
    /// The same event id of the same provider and account is there already; its body is kept as it was.
    Duplicate,
}

/// A stored webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: i64,
    pub scope: Scope,
    pub event_id: String,
    pub kind: String,
    pub mode: Option<Mode>,
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub body: Vec<u8>,
    /// How often its deciding was begun by processes that found it left behind.
    pub tries: u32,
}

words! {
    /// Where a webhook stands. One that states several facts has the state of the most pending one.
    WebhookState {
        Undecided = "undecided",
        Held = "held",
        Ignored = "ignored",
        Unreadable = "unreadable",
        /// At least one referral event came of it and no fact is held.
        Mapped = "mapped",
    }
}

words! {
    /// Where a referral event stands.
    EventState {
        Waiting = "waiting",
        Sending = "sending",
        Delivered = "delivered",
        /// Written to the connection without an answer; waits for a person.
        Unsure = "unsure",
        Dead = "dead",
        Discarded = "discarded",
        /// A person says that Cello has it.
        Confirmed = "confirmed",
    }
}

impl EventState {
    /// Whether what depends on an event in this state waits for a person.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Dead | Self::Unsure)
    }

    /// Whether a person may decide about it: it is not over, and nobody is sending it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Unsure | Self::Dead)
    }

    /// Whether nothing is left to do: Cello has it, or it was given up.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Delivered | Self::Confirmed | Self::Discarded)
    }
}

/// A fact that waits, or one that was ignored and may be decided again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFact {
    pub webhook_id: i64,
    /// Position among the facts of its webhook, from 0.
    pub fact: usize,
    /// When it happened.
    pub at: Timestamp,
    /// What it waits for.
    pub topic: String,
    /// Until when; `None` for an ignored fact that may be decided again.
    pub deadline: Option<Timestamp>,
}

/// The stored decision on one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    pub webhook_id: i64,
    pub fact: usize,
    /// The rules' word for the fact; empty where the webhook states none.
    pub fact_kind: String,
    pub at: Timestamp,
    pub customer: Option<String>,
    /// Business key of the fact, whether or not an event came of it.
    pub key: Option<String>,
    /// Other ids a person may ask by: invoice, subscription, payment, charge, refund, user. Customer and key need
    /// not be repeated.
    pub mentions: Vec<String>,
    pub state: DecisionState,
    pub rule: Option<String>,
    /// Reason code, for what is held or ignored.
    pub reason: Option<String>,
    pub message: String,
    pub warnings: Vec<Warning>,
    /// How it came about.
    pub trace: Trace,
    /// What may cause it to be decided again.
    pub topic: Option<String>,
    /// Something else that may.
    pub other_topic: Option<String>,
    pub deadline: Option<Timestamp>,
    /// When a held fact is to be looked up again.
    pub look_up_at: Option<Timestamp>,
    pub decided_at: Timestamp,
}

words! {
    DecisionState {
        Send = "send",
        Hold = "hold",
        Ignore = "ignore",
    }
}

/// A referral event about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReferralEvent {
    /// Business key, unique.
    pub key: String,
    /// Whose events are sent one at a time and in order.
    pub subject: String,
    pub trigger: Trigger,
    pub webhook_id: i64,
    pub at: Timestamp,
    pub invoice_id: Option<String>,
    pub subscription_id: Option<String>,
    pub price: Option<i64>,
    pub currency: Option<String>,
    pub ucc: String,
    pub user_id: String,
    pub organization_id: Option<String>,
    /// The provider's id of the customer.
    pub customer: Option<String>,
    /// Business keys of the events that go before it, as far as they exist.
    pub after: After,
    /// What it adds to running totals, as JSON.
    pub contribution: String,
    /// The exact body that is sent, never rebuilt.
    pub body: String,
    pub created_at: Timestamp,
}

/// What a referral event depends on: while one of these is dead or unsure, it is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct After {
    /// The key of its user's signup; none of a signup itself.
    pub signup: Option<String>,
    /// Of a refund, the key of the purchase whose money goes back.
    pub purchase: Option<String>,
}

/// What later facts need of a referral event that exists: for whom it is, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub state: EventState,
    pub at: Timestamp,
    /// These are missing only of events from before they were kept, whose body did not show them.
    pub ucc: Option<String>,
    pub user_id: Option<String>,
    pub organization_id: Option<String>,
    /// The provider's id of the customer it was reported for.
    pub customer: Option<String>,
    pub invoice_id: Option<String>,
    pub subscription_id: Option<String>,
}

/// Which referral events to claim, of those that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// So many of those that have been due longest.
    pub longest_due: usize,
    /// So many besides of those that became due last.
    pub newest_due: usize,
    /// Whether the sender has nothing else under way.
    pub alone: bool,
}

impl Wanted {
    /// By one who has nothing under way.
    pub fn longest_due(limit: usize) -> Self {
        Self { longest_due: limit, newest_due: 0, alone: true }
    }
}

/// What became of the referral events of senders that died.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// How many wait again.
    pub waiting: usize,
    /// Those that wait for a person.
    pub unsure: Vec<i64>,
}

/// A referral event that its holder may send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub id: i64,
    /// Which claim of this referral event it is; goes back with the attempt.
    pub lease: i64,
    pub key: String,
    pub body: String,
    /// Since when it was to be sent.
    pub due_at: Timestamp,
    /// How many of its last senders in a row died while they sent it: where there are any, nothing may be sent beside it.
    pub deaths: u32,
    /// Tries so far that count towards giving up.
    pub attempts: u32,
    /// When the first try that counts was made, if any: the end of all retries counts from it.
    pub first_attempt_at: Option<Timestamp>,
}

/// One try and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub event_id: i64,
    /// The claim it was made under: see [`Claimed::lease`].
    pub lease: i64,
    pub started_at: Timestamp,
    pub duration_ms: i64,
    /// `delivered`, `retry`, `rejected` or `unsure`.
    pub outcome: &'static str,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Cello's message or the transport's problem.
    pub message: String,
    /// `apigw-requestid`, the only correlation id Cello returns.
    pub request_id: Option<String>,
    pub then: Then,
    /// Whether the try counts towards giving up.
    pub counts: bool,
}

/// Where a referral event goes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Delivered,
    WaitUntil(Timestamp),
    Unsure,
    Dead,
}

/// The terms of the two equations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Requests answered 200, duplicates included.
    pub received: i64,
    pub duplicate: i64,
    pub undecided: i64,
    pub held: i64,
    pub ignored: i64,
    pub unreadable: i64,
    pub mapped: i64,
    /// All referral events there are.
    pub referral_events: i64,
    pub waiting: i64,
    pub sending: i64,
    pub delivered: i64,
    pub unsure: i64,
    pub dead: i64,
    pub discarded: i64,
    pub confirmed: i64,
}

impl Counts {
    /// Whether both equations hold.
    pub fn add_up(&self) -> bool {
        self.received == self.duplicate + self.undecided + self.held + self.ignored + self.unreadable + self.mapped
            && self.referral_events
                == self.waiting
                    + self.sending
                    + self.delivered
                    + self.unsure
                    + self.dead
                    + self.discarded
                    + self.confirmed
    }

    /// A term by the name it has in the store.
    pub(super) fn term(&mut self, name: &str) -> Option<&mut i64> {
        Some(match name {
            "received" => &mut self.received,
            "duplicate" => &mut self.duplicate,
            "undecided" => &mut self.undecided,
            "held" => &mut self.held,
            "ignored" => &mut self.ignored,
            "unreadable" => &mut self.unreadable,
            "mapped" => &mut self.mapped,
            "referral_events" => &mut self.referral_events,
            "waiting" => &mut self.waiting,
            "sending" => &mut self.sending,
            "delivered" => &mut self.delivered,
            "unsure" => &mut self.unsure,
            "dead" => &mut self.dead,
            "discarded" => &mut self.discarded,
            "confirmed" => &mut self.confirmed,
            _ => return None,
        })
    }
}

/// What waits for a dead or unsure referral event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Blocked {
    pub events: i64,
    /// When the first of them was blocked; `None` where there is none.
    pub since: Option<Timestamp>,
}

/// Delivery is paused, because Cello as a whole does not take referral events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub since: Timestamp,
    /// When the next try is.
    pub until: Timestamp,
    /// What Cello or the connection said, without personal data.
    pub problem: String,
}

/// In whose name a person decides about referral events, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByPerson {
    pub by: String,
    pub reason: String,
}

/// What is said of an event that is sent although its signup is not delivered.
pub(super) fn signup_passed() -> Warning {
    Warning::new(
        WarningCode::SignupNotDelivered,
        "its user's signup is still not delivered, and Cello takes nothing that is older than 30 days",
    )
}

/// Which referral events to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarding {
    pub ids: Vec<i64>,
    /// Refunds that go if their purchase does, and only then. A purchase stays as it is where Cello may yet be sent a
    /// refund of it that is in neither list.
    pub with: Vec<i64>,
    pub person: ByPerson,
}

/// A referral event, as far as deciding it anew needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub id: i64,
    pub key: String,
    pub subject: String,
    pub trigger: String,
    pub webhook_id: i64,
    /// Position of its fact among those of its webhook; `None` where no decision names it any more.
    pub fact: Option<usize>,
    pub state: EventState,
    pub price: Option<i64>,
    pub currency: Option<String>,
    pub user_id: Option<String>,
    pub organization_id: Option<String>,
    /// What it added to running totals, as JSON; `None` where that was not kept.
    pub contribution: Option<String>,
    pub body: String,
    /// Whether an attempt ended without an answer, so that Cello may have it.
    pub was_unsure: bool,
}

/// The work of the store's writer since it was opened. All but `queued` only ever grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteStats {
    /// Transactions that reached the disk. Those that share one count once.
    pub flushes: u64,
    /// Transactions that could not be begun or flushed; everything in them was refused.
    pub failed_flushes: u64,
    /// Pieces of work that were in the flushed ones: divided by `flushes`, the size of a batch.
    pub jobs: u64,
    /// Time spent in flushing alone.
    pub flush_time: Duration,
    /// Pieces of work that wait for their turn right now.
    pub queued: u64,
}
