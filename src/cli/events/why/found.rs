//! What the store has about whoever or whatever is asked about: every decision with what came of it, oldest first.

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::super::output::{plain, time};
use super::super::choose::holds;
use super::super::show::{awaited, because, next};
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
    /// What happens to it next, or what a person can do.
    #[serde(skip)]
    pub next: String,
}

impl Past {
    pub async fn of(store: &dyn Store, asked: &Asked, now: Timestamp) -> Result<Self, StoreError> {
        let mut lives = named(store, asked.id()).await?;
        let mut customers = match asked {
            Asked::Invoice(_) => vec![],
            Asked::Customer(id) | Asked::User(id) => store.customers(id).await?,
        };
        customers.retain(|known| match asked {
            Asked::User(id) => [&known.customer.user_id, &known.customer.organization_id].contains(&&Some(id.clone())),
            Asked::Customer(id) | Asked::Invoice(id) => known.customer.id == *id,
        });
        if let Asked::User(_) = asked {
            for known in &customers {
                lives.extend(named(store, &known.customer.id).await?);
            }
        }
        let asked_about: BTreeSet<i64> = lives.iter().map(|life| life.webhook_id).collect();
        let elsewhere = told_elsewhere(&lives);
        for key in &elsewhere {
            lives.extend(store.life(key).await?);
        }
        lives.sort_by_key(|life| life.webhook_id);
        lives.dedup_by_key(|life| life.webhook_id);
        let of_another = |life: &Life, found: &Found| {
            !asked_about.contains(&life.webhook_id) && !found.key.as_ref().is_some_and(|key| elsewhere.contains(key))
        };
        let mut found: Vec<Found> = lives
            .iter()
            .flat_map(|life| of_life(life, &lives, now).into_iter().filter(move |found| !of_another(life, found)))
            .collect();
        match asked {
            Asked::Invoice(id) => {
                only_of_invoice(&mut found, id);
                customers = whose(store, &found).await?;
            }
            Asked::Customer(id) => only_of_customers(&mut found, &BTreeSet::from([id.as_str()]), None),
            Asked::User(id) => {
                let ids = customers.iter().map(|known| known.customer.id.as_str()).collect();
                only_of_customers(&mut found, &ids, Some(id));
            }
        }
        found.sort_by_key(|found| found.happened_at);
        Ok(Self { customers, found })
    }
}

/// The webhooks that are kept under `id`, without the one of which the referral event with that number came: an invoice
/// may have such a number, too.
async fn named(store: &dyn Store, id: &str) -> Result<Vec<Life>, StoreError> {
    let mut lives = store.life(id).await?;
    let number: Option<i64> = id.parse().ok();
    lives.retain(|life| {
        let names = |decision: &LifeDecision| {
            decision.customer.as_deref() == Some(id)
                || decision.key.as_deref().is_some_and(|key| key.split(':').any(|part| part == id))
        };
        let is_numbered = life.referral_events.iter().any(|event| Some(event.id) == number);
        let is_named = || {
            life.event_id == id
                || life.decisions.iter().any(names)
                || life.referral_events.iter().any(|event| holds(&event.body, id))
        };
        !is_numbered || is_named()
    });
    Ok(lives)
}

/// The keys of what these webhooks repeat and none of them was told for.
fn told_elsewhere(lives: &[Life]) -> BTreeSet<String> {
    let told: BTreeSet<&String> = lives.iter().flat_map(|life| &life.referral_events).map(|event| &event.key).collect();
    let repeated = lives.iter().flat_map(|life| &life.decisions);
    let repeated = repeated.filter(|one| one.reason.as_deref() == Some(Reason::AlreadyReported.as_str()));
    repeated.filter_map(|one| one.key.clone()).filter(|key| !told.contains(key)).collect()
}

/// One webhook may tell of two invoices, or have brought a signup along that nobody asked about. Where the id is not that
/// of an invoice, everything stays.
fn only_of_invoice(found: &mut Vec<Found>, id: &str) {
    if found.iter().any(|one| one.is_about(id)) {
        found.retain(|one| one.fact.is_empty() || one.is_about(id));
    }
}

/// A webhook may tell of several customers, and of something that it does not say whose it is: that is only told of who
/// is named by it and has no other part in it.
fn only_of_customers(found: &mut Vec<Found>, ids: &BTreeSet<&str>, user: Option<&String>) {
    let is_theirs = |one: &Found| {
        one.customer.as_deref().is_some_and(|customer| ids.contains(customer))
            || one.referral_event.as_ref().is_some_and(|sent| Some(&sent.subject) == user)
    };
    let theirs: BTreeSet<String> = found.iter().filter(|one| is_theirs(one)).map(|one| one.event_id.clone()).collect();
    found.retain(|one| is_theirs(one) || one.customer.is_none() && !ids.is_empty() && !theirs.contains(&one.event_id));
}

async fn whose(store: &dyn Store, found: &[Found]) -> Result<Vec<ScopedCustomer>, StoreError> {
    let named: BTreeSet<_> = found.iter().filter_map(|one| Some((&one.provider, one.customer.as_ref()?))).collect();
    let mut customers = Vec::new();
    for (provider, customer) in named {
        let known = store.customers(customer).await?.into_iter();
        customers.extend(known.filter(|one| one.customer.id == *customer && one.scope.provider == *provider));
    }
    Ok(customers)
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
    life.decisions.iter().map(|decision| of_decision(life, decision, all, &base, now)).collect()
}

fn of_decision(life: &Life, decision: &LifeDecision, all: &[Life], base: &Found, now: Timestamp) -> Found {
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
