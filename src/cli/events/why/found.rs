//! What the store has about whoever or whatever is asked about: every decision with what came of it, oldest first.

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::super::output::{plain, time};
use super::super::show::{awaited, next};
use super::Asked;
use crate::cello::wire::{self, View};
use crate::decision::Reason;
use crate::store::{
    DecisionState, EventState, Life, LifeAttempt, LifeDecision, LifeEvent, ScopedCustomer, Store, StoreError,
    WebhookState,
};

/// Everything the answer rests on.
pub struct Past {
    pub customers: Vec<ScopedCustomer>,
    pub found: Vec<Found>,
}

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
    /// What happens to it next, or what a person can do.
    #[serde(skip)]
    pub next: String,
}

impl Past {
    pub async fn of(store: &dyn Store, asked: &Asked, now: Timestamp) -> Result<Self, StoreError> {
        let mut lives = store.life(asked.id()).await?;
        let mut customers = match asked {
            Asked::Invoice(_) => vec![],
            Asked::Customer(id) => {
                let mut known = store.customers(id).await?;
                known.retain(|known| known.customer.id == *id);
                known
            }
            Asked::User(id) => {
                let mut known = store.customers(id).await?;
                known.retain(|known| {
                    [&known.customer.user_id, &known.customer.organization_id].contains(&&Some(id.clone()))
                });
                known
            }
        };
        match asked {
            // Of an invoice only its customer is worth telling; of others all that their customers did.
            Asked::Invoice(_) => {
                let named: BTreeSet<(String, String)> = lives
                    .iter()
                    .flat_map(|life| life.decisions.iter().map(move |decision| (life, decision)))
                    .filter_map(|(life, decision)| Some((life.provider.clone(), decision.customer.clone()?)))
                    .collect();
                for (provider, customer) in named {
                    let known = store.customers(&customer).await?.into_iter();
                    customers.extend(known.filter(|one| one.customer.id == customer && one.scope.provider == provider));
                }
            }
            Asked::Customer(_) => {}
            Asked::User(_) => {
                for known in &customers {
                    lives.extend(store.life(&known.customer.id).await?);
                }
            }
        }
        lives.sort_by_key(|life| life.webhook_id);
        lives.dedup_by_key(|life| life.webhook_id);
        let mut found: Vec<Found> = lives.iter().flat_map(|life| of_life(life, &lives, now)).collect();
        // One webhook may tell of two invoices, or have brought a signup along that nobody asked about.
        if let Asked::Invoice(id) = asked {
            let of_invoice: Vec<Found> = found.iter().filter(|found| found.is_about(id)).cloned().collect();
            if !of_invoice.is_empty() {
                found = of_invoice;
            }
        }
        found.sort_by_key(|found| found.happened_at);
        Ok(Self { customers, found })
    }
}

impl Found {
    pub fn reason(&self) -> Option<Reason> {
        Reason::parse(self.reason.as_deref()?)
    }

    /// Whether it is the purchase or a refund of this invoice; one that does not say which is taken for its.
    fn is_about(&self, invoice: &str) -> bool {
        match self.fact.as_str() {
            "invoice-paid" => self.key.as_deref().is_some_and(|key| key.ends_with(&format!(":{invoice}"))),
            "payment-refunded" => self.invoice.as_deref().is_none_or(|named| named == invoice),
            _ => false,
        }
    }
}

fn of_life(life: &Life, all: &[Life], now: Timestamp) -> Vec<Found> {
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
        price: None,
        currency: None,
        referral_event: None,
    };
    let unfinished = match life.state {
        WebhookState::Undecided => Some("nothing was decided about it yet; is `cello-relay serve` running?".to_owned()),
        WebhookState::Unreadable => Some(format!("could not be read: {}", plain(life.note.as_deref().unwrap_or("")))),
        WebhookState::Held | WebhookState::Ignored | WebhookState::Mapped => None,
    };
    if let Some(outcome) = unfinished {
        let reason = (life.state == WebhookState::Unreadable).then(|| Reason::Unreadable.as_str().to_owned());
        return vec![Found { outcome, reason, ..base }];
    }
    life.decisions.iter().map(|decision| of_decision(life, decision, all, &base, now)).collect()
}

fn of_decision(life: &Life, decision: &LifeDecision, all: &[Life], base: &Found, now: Timestamp) -> Found {
    // Told before by another webhook: then that one carries the event.
    let events = || all.iter().flat_map(|life| &life.referral_events);
    let event = events().find(|event| Some(&event.key) == decision.key.as_ref());
    let own = event.filter(|_| decision.decision == DecisionState::Send);
    let money = own.map(|event| wire::view(&event.body)).unwrap_or_default();
    let amount = [money.price.as_str(), money.currency.as_str()].join(" ");
    Found {
        happened_at: decision.happened_at,
        what: what(life, decision, &plain(amount.trim())),
        outcome: outcome(life, decision, own),
        fact: decision.fact.clone(),
        customer: decision.customer.clone(),
        key: decision.key.clone(),
        decision: Some(decision.decision),
        reason: decision.reason.clone(),
        message: decision.message.clone(),
        price: money.price.parse().ok(),
        waits: waits(life, decision),
        referral_event: own.map(|event| sent(event, &money, now)),
        currency: Some(money.currency).filter(|currency| !currency.is_empty()),
        invoice: Some(money.invoice).filter(|invoice| !invoice.is_empty()),
        ..base.clone()
    }
}

fn sent(event: &LifeEvent, view: &View, now: Timestamp) -> Sent {
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
        next: next(event, now),
    }
}

/// The try that delivered it, else the last one.
fn told_last(event: &LifeEvent) -> Option<&LifeAttempt> {
    event.attempts.iter().find(|attempt| attempt.outcome == "delivered").or_else(|| event.attempts.last())
}

/// What happened: `purchase of 1900 EUR, invoice in_1`.
fn what(life: &Life, decision: &LifeDecision, amount: &str) -> String {
    let of = if amount.is_empty() { String::new() } else { format!(" of {amount}") };
    let at = if amount.is_empty() { String::new() } else { format!(" at {amount}") };
    let customer = decision.customer.as_deref().map(plain).unwrap_or_default();
    // A key is kind, provider with account, and ids; a signup's is the user.
    let id =
        decision.key.as_deref().and_then(|key| key.splitn(if life.account.is_empty() { 3 } else { 4 }, ':').last());
    let id = id.map(plain).unwrap_or_default();
    match (decision.fact.as_str(), decision.decision) {
        ("customer-seen", DecisionState::Send) => format!("signup of the customer {customer}"),
        ("customer-seen", _) => format!("news of the customer {customer} ({})", plain(&life.kind)),
        ("customer-deleted", _) => format!("deletion of the customer {customer}"),
        ("invoice-paid", _) => format!("purchase{of}, invoice {id}"),
        ("payment-refunded", _) => format!("refund{of}, {id}"),
        ("subscription-started", _) => format!("start of the subscription {id}{at}"),
        ("subscription-changed", _) => {
            format!("change of the subscription {}{at}", id.split(':').next().unwrap_or_default())
        }
        ("subscription-ended", _) => format!("end of the subscription {id}"),
        _ => format!("webhook {}", plain(&life.kind)),
    }
}

fn outcome(life: &Life, decision: &LifeDecision, event: Option<&LifeEvent>) -> String {
    match (decision.decision, event) {
        (DecisionState::Send, Some(event)) => {
            format!("reported as {}; referral event {}: {}", plain(&event.trigger), event.id, stands(event))
        }
        (DecisionState::Send, None) => "reported".to_owned(),
        (DecisionState::Hold, _) => {
            format!("held, waits for {}: {}", waits(life, decision).unwrap_or_default(), plain(&decision.message))
        }
        (DecisionState::Ignore, _) => format!("not reported: {}", plain(&decision.message)),
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
    let said = last.map(|attempt| format!(": {}", plain(&attempt.message))).unwrap_or_default();
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
