//! One thing that the store has about what is asked about: what happened, what was decided and what came of it, in words.
//!
//! Pure.

use jiff::Timestamp;
use serde::Serialize;

use super::super::super::output::{plain, time};
use super::super::show::{Moment, awaited, because, confirmed, next, waits_for};
use crate::cello::wire::{self, View};
use crate::decision::Reason;
use crate::store::{Blocker, DecisionState, EventState, Life, LifeAttempt, LifeDecision, LifeEvent, WebhookState};

/// One decision and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    pub happened_at: Timestamp,
    pub what: String,
    /// What became of it, in words.
    pub outcome: String,
    /// The rules' word for it; empty where the webhook states nothing of interest.
    pub fact: String,
    pub provider: String,
    /// The provider's id of the webhook that told of it.
    pub event_id: String,
    pub customer: Option<String>,
    pub key: Option<String>,
    pub decision: Option<DecisionState>,
    pub reason: Option<String>,
    pub message: String,
    /// What a held one waits for, in words.
    #[serde(skip)]
    pub waits: Option<String>,
    /// Of what is refunded, where that is told.
    #[serde(skip)]
    pub invoice: Option<String>,
    /// An invoice for which no money was collected.
    #[serde(skip)]
    pub is_free: bool,
    /// In minor units, of what was sent or is to be.
    pub price: Option<i64>,
    pub currency: Option<String>,
    pub referral_event: Option<Sent>,
}

/// The referral event that came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    pub id: i64,
    /// Whom Cello credits: the user, or the organization.
    pub subject: String,
    pub state: EventState,
    pub due_at: Option<Timestamp>,
    pub attempts: usize,
    /// When the last try was, and what Cello or the connection said.
    pub last_at: Option<Timestamp>,
    pub last_outcome: Option<String>,
    pub last_message: Option<String>,
    pub discarded_by: Option<String>,
    pub discard_reason: Option<String>,
    /// The dead or unsure referral event that it waits for.
    pub blocked_by: Option<Blocker>,
    /// Who said that Cello has it.
    pub confirmed_by: Option<String>,
    pub confirm_reason: Option<String>,
    pub confirmed_at: Option<Timestamp>,
    /// What happens to it next, or what a person can do.
    #[serde(skip)]
    pub next: String,
}

impl Sent {
    /// Whether Cello has it, as far as anybody knows.
    pub fn is_there(&self) -> bool {
        matches!(self.state, EventState::Delivered | EventState::Confirmed)
    }
}

impl Found {
    pub fn reason(&self) -> Option<Reason> {
        Reason::parse(self.reason.as_deref()?)
    }

    /// `the purchase of 1900 EUR, invoice in_1,`: for the beginning of a sentence that goes on with a verb.
    pub fn subject(&self) -> String {
        let comma = if self.what.contains(", ") { "," } else { "" };
        format!("the {}{comma}", self.what)
    }

    /// Whether it only says again what another webhook tells.
    pub fn is_repetition(&self) -> bool {
        matches!(
            self.reason(),
            Some(
                Reason::AlreadyReported
                    | Reason::AlreadyReceived
                    | Reason::NoCommercialChange
                    | Reason::NothingNew
                    | Reason::ReportedElsewhere
            )
        )
    }

    /// Whether it is a purchase: an invoice for which no money was collected is none, unless the rules make it one.
    pub fn is_purchase(&self) -> bool {
        self.fact == "invoice-paid" && (!self.is_free || self.referral_event.is_some())
    }

    /// Whether it is the purchase or a refund of this invoice; one that does not say which is taken for its.
    pub fn is_about(&self, invoice: &str) -> bool {
        match self.fact.as_str() {
            "invoice-paid" => {
                self.invoice.as_deref() == Some(invoice)
                    || self.key.as_deref().is_some_and(|key| key.ends_with(&format!(":{invoice}")))
            }
            "payment-refunded" => self.invoice.as_deref().is_none_or(|named| named == invoice),
            _ => false,
        }
    }
}

/// Every decision about a webhook; `all` are the webhooks that may carry what was sent.
pub fn of_life(life: &Life, all: &[Life], moment: &Moment) -> Vec<Found> {
    let base = Found {
        happened_at: life.happened_at,
        what: format!("webhook {}", plain(&life.kind)),
        outcome: String::new(),
        fact: String::new(),
        provider: life.provider.clone(),
        event_id: life.event_id.clone(),
        customer: None,
        key: None,
        decision: None,
        reason: None,
        message: String::new(),
        waits: None,
        invoice: None,
        is_free: false,
        price: None,
        currency: None,
        referral_event: None,
    };
    let unfinished = match life.state {
        WebhookState::Undecided => Some("nothing was decided about it yet; is `cello-relay serve` running?".to_owned()),
        WebhookState::Unreadable => {
            Some(format!("could not be read{}", because(life.note.as_deref().unwrap_or_default())))
        }
        WebhookState::Held | WebhookState::Ignored | WebhookState::Mapped => None,
    };
    if let Some(outcome) = unfinished {
        let reason = (life.state == WebhookState::Unreadable).then(|| Reason::Unreadable.as_str().to_owned());
        return vec![Found { outcome, reason, ..base }];
    }
    life.decisions.iter().map(|decision| of_decision(life, decision, all, &base, moment)).collect()
}

fn of_decision(life: &Life, decision: &LifeDecision, all: &[Life], base: &Found, moment: &Moment) -> Found {
    // Told before by another webhook: then that one carries the event.
    let events = || all.iter().flat_map(|life| &life.referral_events);
    let event = events().find(|event| Some(&event.key) == decision.key.as_ref());
    let own = event.filter(|_| decision.decision == DecisionState::Send);
    let money = own.map(|event| wire::view(&event.body)).unwrap_or_default();
    let amount = if money.price.is_empty() { String::new() } else { [money.price.as_str(), &money.currency].join(" ") };
    let is_free = decision.trace.as_ref().and_then(|trace| trace.collected).is_some_and(|collected| collected <= 0);
    Found {
        happened_at: decision.happened_at,
        what: what(life, decision, &plain(amount.trim()), is_free),
        outcome: outcome(life, decision, own),
        fact: decision.fact.clone(),
        customer: decision.customer.clone(),
        is_free,
        key: decision.key.clone(),
        decision: Some(decision.decision),
        reason: decision.reason.clone(),
        message: decision.message.clone(),
        price: money.price.parse().ok(),
        waits: waits(life, decision),
        referral_event: own.map(|event| sent(event, &money, moment)),
        currency: Some(money.currency).filter(|currency| !currency.is_empty()),
        invoice: Some(money.invoice).filter(|invoice| !invoice.is_empty()),
        ..base.clone()
    }
}

fn sent(event: &LifeEvent, view: &View, moment: &Moment) -> Sent {
    let last = told_last(event);
    Sent {
        id: event.id,
        subject: view.subject.clone(),
        state: event.state,
        due_at: event.due_at,
        attempts: event.attempts.len(),
        last_at: last.map(|attempt| attempt.at),
        last_outcome: last.map(|attempt| attempt.outcome.clone()),
        last_message: last.map(|attempt| attempt.message.clone()),
        discarded_by: event.discarded_by.clone(),
        discard_reason: event.discard_reason.clone(),
        blocked_by: event.blocked_by.clone(),
        confirmed_by: event.confirmed_by.clone(),
        confirm_reason: event.confirm_reason.clone(),
        confirmed_at: event.confirmed_at,
        next: next(event, moment),
    }
}

/// The try that delivered it, else the last one.
fn told_last(event: &LifeEvent) -> Option<&LifeAttempt> {
    event.attempts.iter().find(|attempt| attempt.outcome == "delivered").or_else(|| event.attempts.last())
}

/// What happened: `purchase of 1900 EUR, invoice in_1`.
fn what(life: &Life, decision: &LifeDecision, amount: &str, is_free: bool) -> String {
    let with = |before: &str, text: &str| if text.is_empty() { String::new() } else { format!("{before}{text}") };
    let (of, at) = (with(" of ", amount), with(" at ", amount));
    let customer = with(" ", &decision.customer.as_deref().map(plain).unwrap_or_default());
    // A key is kind, provider with account, and ids; a signup's is the user.
    let id =
        decision.key.as_deref().and_then(|key| key.splitn(if life.account.is_empty() { 3 } else { 4 }, ':').last());
    let id = id.map(plain).unwrap_or_default();
    let subscription = with(" ", id.split(':').next().unwrap_or_default());
    let kind = with(" ", &plain(&life.kind));
    match (decision.fact.as_str(), decision.decision) {
        ("customer-seen", DecisionState::Send) => format!("signup of the customer{customer}"),
        ("customer-seen", _) => format!("news of the customer{customer} ({})", kind.trim()),
        ("customer-deleted", _) => format!("deletion of the customer{customer}"),
        ("invoice-paid", DecisionState::Hold | DecisionState::Ignore) if is_free => {
            format!("invoice{}, for which no money was collected", with(" ", &id))
        }
        ("invoice-paid", _) => format!("purchase{of}{}", with(", invoice ", &id)),
        ("payment-refunded", _) => format!("refund{of}{}", with(", ", &id)),
        ("subscription-started", _) => format!("start of the subscription{subscription}{at}"),
        ("subscription-changed", _) => format!("change of the subscription{subscription}{at}"),
        ("subscription-ended", _) => format!("end of the subscription{subscription}"),
        _ => format!("webhook{kind}"),
    }
}

fn outcome(life: &Life, decision: &LifeDecision, event: Option<&LifeEvent>) -> String {
    let because = because(&decision.message);
    match (decision.decision, event) {
        (DecisionState::Send, Some(event)) => {
            format!("reported as {}; referral event {}: {}", plain(&event.trigger), event.id, stands(event))
        }
        (DecisionState::Send, None) => "reported".to_owned(),
        (DecisionState::Hold, _) => {
            format!("held, waits for {}{because}", waits(life, decision).unwrap_or_else(|| "more news".to_owned()))
        }
        (DecisionState::Ignore, _) if decision.fact.is_empty() => format!("ignored{because}"),
        (DecisionState::Ignore, _) => format!("not reported{because}"),
    }
}

/// What a held fact waits for, and how long; `None` for one that is not held.
fn waits(life: &Life, decision: &LifeDecision) -> Option<String> {
    if decision.decision != DecisionState::Hold {
        return None;
    }
    let until = decision.deadline.map(|at| format!(", until {} at the longest", time(at))).unwrap_or_default();
    let what = decision.waits_for.as_deref().map_or("more news".to_owned(), |topic| awaited(life, topic));
    Some(format!("{what}{until}"))
}

/// How a referral event stands, in words.
fn stands(event: &LifeEvent) -> String {
    let last = told_last(event);
    let said = last.map(|attempt| because(&attempt.message)).unwrap_or_default();
    let tried = match event.attempts.len() {
        0 => "not tried yet".to_owned(),
        1 => format!("tried once{said}"),
        times => format!("tried {times} times, the last time{said}"),
    };
    match event.state {
        EventState::Delivered => {
            let since = last.map(|attempt| format!(" since {}", time(attempt.at))).unwrap_or_default();
            format!("Cello has it{since}")
        }
        EventState::Confirmed => confirmed(event),
        EventState::Waiting if let Some(blocker) = &event.blocked_by => waits_for(blocker),
        EventState::Waiting => {
            let due = event.due_at.map(|due| format!(", due {}", time(due))).unwrap_or_default();
            format!("waits to be sent{due}, {tried}")
        }
        EventState::Sending => "is being sent right now".to_owned(),
        EventState::Unsure => format!("unsure whether Cello has it, {tried}"),
        EventState::Dead => format!("given up, {tried}"),
        EventState::Discarded => {
            let by = event.discarded_by.as_deref().map_or("a person".to_owned(), plain);
            format!("discarded by {by} ({})", plain(event.discard_reason.as_deref().unwrap_or("no reason given")))
        }
    }
}
