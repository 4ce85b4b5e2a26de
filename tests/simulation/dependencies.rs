//! What depends on what: everything of a user on that user's signup, a refund on the event that reported its purchase.
//!
//! Checked twice: at each claim by the states in the store, so that no moment is missed; and at the end by what Cello
//! received, which takes the store's word for nothing but what people did and for the warning.

use std::collections::BTreeMap;

use cello_relay::store::{Claimed, EventState, PastEvent, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::seen::Seen;

const WARNING: &str = "signup_not_delivered";

/// What one event depends on, as numbers. A refund may go by an invoice that was reported more than once: it depends on
/// one of these reports.
pub struct Dependencies {
    pub signup: Option<i64>,
    pub purchases: Vec<i64>,
}

impl Dependencies {
    /// Of an event with this key and body, by those that were there before it, oldest first.
    fn of<'a>(key: &str, body: &Value, before: impl Iterator<Item = (i64, &'a str, &'a Value)>) -> Self {
        let signup = format!("signup:{}", body["payload"]["newUserId"].as_str().unwrap_or_default());
        let mut found = Self { signup: None, purchases: vec![] };
        for (id, other, says) in before {
            let other = other.split(" (").next().unwrap_or_default();
            if other == signup && key != signup {
                // One that was decided again takes the place of the one that was given up.
                found.signup = Some(id);
            }
            if key.starts_with("refund:") && other.starts_with("purchase:") && is_of(body, other, says) {
                found.purchases.push(id);
            }
        }
        found
    }
}

/// Whether a refund is of this purchase: a sale without an invoice goes by its payment, which ends its key.
fn is_of(refund: &Value, key: &str, purchase: &Value) -> bool {
    let invoice = |body: &Value| body.pointer("/context/subscription/invoiceId").cloned();
    match invoice(refund) {
        Some(Value::String(of)) => invoice(purchase) == Some(of.clone().into()) || key.ends_with(&format!(":{of}")),
        _ => false,
    }
}

/// Whether what was just claimed may be sent: nothing that it depends on is open, save a signup that has been dead or
/// unsure for `longest`.
pub async fn of_claimed(
    store: &dyn Store,
    claimed: &[Claimed],
    now: Timestamp,
    longest: SignedDuration,
) -> Result<(), String> {
    let mut events = store.referral_events_after("", 10_000).await.unwrap();
    events.sort_by_key(|event| event.id);
    let of = |id: i64| events.iter().find(|event| event.id == id).unwrap();
    for event in claimed.iter().map(|claimed| of(claimed.id)) {
        let before = events.iter().take_while(|before| before.id < event.id);
        let before = before.map(|before| (before.id, before.key.as_str(), &before.body));
        let Dependencies { signup, .. } = Dependencies::of(&event.key, &event.body, before);
        if let Some(signup) = signup.map(of).filter(|signup| !signup.state.is_over()) {
            let is_passed = signup.state.blocks() && is_warned(store, &event.key).await;
            if !is_passed || now.duration_since(event.created_at) < longest {
                return Err(format!("{} is sent while {} is {}", event.key, signup.key, signup.state));
            }
        }
        for purchase in events.iter().filter(|purchase| !purchase.state.is_over()) {
            if refunds(store, purchase, event).await {
                return Err(format!("{} is sent while {} is {}", event.key, purchase.key, purchase.state));
            }
        }
    }
    Ok(())
}

async fn refunds(store: &dyn Store, purchase: &PastEvent, refund: &PastEvent) -> bool {
    let is_one = purchase.key.starts_with("purchase:") && refund.key.starts_with("refund:");
    is_one && store.open_refunds(purchase.id).await.unwrap().contains(&refund.id)
}

async fn is_warned(store: &dyn Store, key: &str) -> bool {
    let lives = store.life(key).await.unwrap();
    let of_it = lives.iter().flat_map(|life| &life.decisions).filter(|decision| decision.key.as_deref() == Some(key));
    of_it.flat_map(|decision| &decision.warnings).any(|warning| warning.code == WARNING)
}

/// Whether Cello received nothing before what it depends on.
pub async fn of_received(store: &dyn Store, seen: &BTreeMap<i64, Seen>, received: &[Value]) -> Result<(), String> {
    for (place, body) in received.iter().enumerate() {
        let mut problem = None;
        for (id, event) in seen.iter().filter(|(_, event)| event.says(body)) {
            problem = too_early(store, seen, (*id, event), body, &received[..place]).await;
            if problem.is_none() {
                break;
            }
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
    }
    Ok(())
}

/// What is wrong with sending an event when Cello had received these before.
async fn too_early(
    store: &dyn Store,
    seen: &BTreeMap<i64, Seen>,
    (id, event): (i64, &Seen),
    body: &Value,
    received: &[Value],
) -> Option<String> {
    let before = seen
        .range(..id)
        .flat_map(|(id, seen)| seen.bodies.iter().map(move |body| (*id, seen.key.as_str(), &body.json)));
    let Dependencies { signup, purchases } = Dependencies::of(&event.key, body, before);
    let has = |id: &i64| received.iter().any(|body| seen[id].says(body));
    let is_by_now = |at: Option<usize>| at.is_some_and(|at| at <= received.len());
    if let Some(id) = signup
        && !has(&id)
        && !is_by_now(seen[&id].confirmed_at)
        && !is_by_now(seen[&id].discarded_at)
        && !is_warned(store, &event.key).await
    {
        return Some(format!("Cello received {} before {}", event.key, seen[&id].key));
    }
    let is_let_go = |id: &i64| {
        // Who sends a confirmed refund again may have given up its purchase meanwhile.
        is_by_now(seen[id].confirmed_at) || seen[id].state == EventState::Discarded && event.was_sent_again
    };
    if !purchases.is_empty() && !purchases.iter().any(|id| has(id) || is_let_go(id)) {
        return Some(format!("Cello received {} before {}", event.key, seen[&purchases[0]].key));
    }
    None
}
