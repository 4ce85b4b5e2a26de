//! Which referral events a person means: by name, or those that a filter leaves.
//!
//! A name that means several takes all of them, but never one that it does not stand in while it stands in others.

use anyhow::Result;
use serde_json::Value;

use super::super::output::plain;
use super::{Selection, unknown};
use crate::store::{EventState, EventSummary, Life, LifeEvent, Store, StoreError};

/// One that was chosen.
#[derive(Clone)]
pub struct Chosen {
    /// Among all that were chosen.
    pub place: usize,
    /// As it was named on the command line.
    pub name: Option<String>,
    /// Of a refund: the number of the purchase that it goes with.
    pub with: Option<i64>,
    /// What was found, or why nothing was.
    pub event: Result<Found, String>,
}

/// A referral event, as far as deciding about it needs.
#[derive(Clone)]
pub struct Found {
    pub id: i64,
    pub key: String,
    pub trigger: String,
    pub state: EventState,
    /// The number of the dead or unsure referral event that it waits for.
    pub blocked_by: Option<i64>,
    pub discarded_by: Option<String>,
    pub confirmed_by: Option<String>,
}

/// As they were named, or newest first. Without a state, a filter chooses among those in one of `states`.
pub async fn choose(store: &dyn Store, selection: &Selection, states: &[EventState]) -> Result<Vec<Chosen>> {
    if selection.ids.is_empty() {
        return Ok(filtered(store, selection, states).await?);
    }
    let mut chosen: Vec<Chosen> = Vec::new();
    for id in &selection.ids {
        let lives = store.life(id).await?;
        let mut found: Vec<Result<Found, String>> =
            named(&lives, id).into_iter().map(|event| Ok(event.into())).collect();
        if lives.is_empty() {
            found.push(Err(unknown(id)));
        } else if found.is_empty() {
            let id = plain(id);
            found.push(Err(format!("no referral event came of `{id}`; `cello-relay events show {id}` tells why")));
        }
        for event in found {
            let number = event.as_ref().map(|event| event.id).ok();
            if number.is_none_or(|number| !includes(&chosen, number)) {
                chosen.push(Chosen { place: chosen.len(), name: Some(id.clone()), with: None, event });
            }
        }
    }
    Ok(chosen)
}

async fn filtered(store: &dyn Store, selection: &Selection, states: &[EventState]) -> Result<Vec<Chosen>, StoreError> {
    let states = match &selection.state {
        Some(state) => vec![state.as_str()],
        None => states.iter().map(|state| state.as_str()).collect(),
    };
    let mut rows = Vec::new();
    for state in states {
        let filter = selection.filter.of(Some(state.to_owned()), selection.reason.clone(), usize::MAX);
        rows.extend(store.list(filter).await?.into_iter().filter_map(|row| row.referral_event));
    }
    rows.sort_by_key(|event| std::cmp::Reverse(event.id));
    let chosen = rows.into_iter().enumerate();
    Ok(chosen.map(|(place, event)| Chosen { place, name: None, with: None, event: Ok(event.into()) }).collect())
}

/// The refunds that Cello does not have of those among these that are purchases, each behind its purchase and once.
pub async fn with_refunds(store: &dyn Store, chosen: Vec<Chosen>) -> Result<Vec<Chosen>, StoreError> {
    let mut refunds = Vec::new();
    for purchase in chosen.iter().filter_map(|one| one.event.as_ref().ok()) {
        for refund in store.open_refunds(purchase.id).await? {
            if !includes(&chosen, refund) {
                let lives = store.life(&refund.to_string()).await?;
                let found = lives.iter().flat_map(|life| &life.referral_events).find(|event| event.id == refund);
                refunds.extend(found.map(|event| (purchase.id, Found::from(event))));
            }
        }
    }
    let mut all = Vec::with_capacity(chosen.len() + refunds.len());
    for one in chosen {
        let purchase = one.event.as_ref().map(|event| event.id).ok();
        all.push(one);
        let of_it = refunds.iter().filter(|(of, _)| Some(*of) == purchase);
        all.extend(of_it.map(|(of, event)| Chosen { place: 0, name: None, with: Some(*of), event: Ok(event.clone()) }));
    }
    all.iter_mut().enumerate().for_each(|(place, one)| one.place = place);
    Ok(all)
}

fn includes(chosen: &[Chosen], number: i64) -> bool {
    chosen.iter().any(|one| one.event.as_ref().is_ok_and(|event| event.id == number))
}

impl From<EventSummary> for Found {
    fn from(event: EventSummary) -> Self {
        Self {
            id: event.id,
            key: event.key,
            trigger: event.trigger,
            state: event.state,
            blocked_by: event.blocked_by,
            discarded_by: event.discarded_by,
            confirmed_by: event.confirmed_by,
        }
    }
}

impl From<&LifeEvent> for Found {
    fn from(event: &LifeEvent) -> Self {
        Self {
            id: event.id,
            key: event.key.clone(),
            trigger: event.trigger.clone(),
            state: event.state,
            blocked_by: event.blocked_by.as_ref().map(|blocker| blocker.id),
            discarded_by: event.discarded_by.clone(),
            confirmed_by: event.confirmed_by.clone(),
        }
    }
}

/// The one with this number, else the one with this key; else those of a webhook with this event id and those that hold
/// it as a value; else all of the webhooks that it names.
fn named<'a>(lives: &'a [Life], id: &str) -> Vec<&'a LifeEvent> {
    let all = || lives.iter().flat_map(|life| life.referral_events.iter().map(move |event| (life, event)));
    let number: Option<i64> = id.parse().ok();
    let by_number = all().find(|(_, event)| Some(event.id) == number);
    if let Some((_, event)) = by_number.or_else(|| all().find(|(_, event)| event.key == id)) {
        return vec![event];
    }
    let within = |(life, event): &(&Life, &LifeEvent)| life.event_id == id || holds(&event.body, id);
    let within: Vec<_> = all().filter(within).map(|(_, event)| event).collect();
    if within.is_empty() { all().map(|(_, event)| event).collect() } else { within }
}

/// Whether `text` stands in `body` as a whole value.
pub fn holds(body: &Value, text: &str) -> bool {
    match body {
        Value::String(value) => value == text,
        Value::Array(values) => values.iter().any(|value| holds(value, text)),
        Value::Object(fields) => fields.values().any(|value| holds(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
