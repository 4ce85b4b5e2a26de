//! Which referral events a person means: by name, or those in one state that a filter leaves.
//!
//! A name that means several takes all of them, but never one that it does not stand in while it stands in others.

use anyhow::Result;
use serde_json::Value;

use super::super::output::plain;
use super::{Selection, unknown};
use crate::store::{EventFilter, EventRow, EventState, EventSummary, Life, LifeEvent, Store};

/// One that was chosen.
#[derive(Clone)]
pub struct Chosen {
    /// Among all that were chosen.
    pub place: usize,
    /// As it was named on the command line.
    pub name: Option<String>,
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
    pub discarded_by: Option<String>,
}

/// As they were named, or newest first.
pub async fn choose(store: &dyn Store, selection: &Selection) -> Result<Vec<Chosen>> {
    if let Some(state) = &selection.state {
        let (state, provider) = (Some(state.clone()), selection.provider.clone());
        let rows = store.list(EventFilter { state, provider, limit: usize::MAX }).await?;
        let events = rows.into_iter().filter_map(|row| meant(selection, row)).enumerate();
        return Ok(events.map(|(place, event)| Chosen { place, name: None, event: Ok(event.into()) }).collect());
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
            let twice = |one: &Chosen| number.is_some() && one.event.as_ref().map(|event| event.id).ok() == number;
            if !chosen.iter().any(twice) {
                chosen.push(Chosen { place: chosen.len(), name: Some(id.clone()), event });
            }
        }
    }
    Ok(chosen)
}

/// What came of a row, unless the selection leaves it out.
fn meant(selection: &Selection, row: EventRow) -> Option<EventSummary> {
    let event = row.referral_event?;
    let says = |text: &String| {
        let message = event.message.as_deref().unwrap_or_default();
        message.to_lowercase().contains(&text.to_lowercase())
    };
    let is_meant = selection.trigger.as_ref().is_none_or(|trigger| event.trigger == *trigger)
        && selection.since.is_none_or(|since| row.received_at >= since)
        && selection.until.is_none_or(|until| row.received_at < until)
        && selection.message.as_ref().is_none_or(says);
    is_meant.then_some(event)
}

impl From<EventSummary> for Found {
    fn from(event: EventSummary) -> Self {
        Self { id: event.id, key: event.key, trigger: event.trigger, state: event.state, discarded_by: None }
    }
}

impl From<&LifeEvent> for Found {
    fn from(event: &LifeEvent) -> Self {
        Self {
            id: event.id,
            key: event.key.clone(),
            trigger: event.trigger.clone(),
            state: event.state,
            discarded_by: event.discarded_by.clone(),
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
