//! What was seen of each referral event while the history went on: what it said, when a person settled it, whether it
//! was ever blocked. What is told only in passing is remembered here for the checks at the end.

use std::collections::BTreeMap;

use cello_relay::store::{EventState, LifeEvent, Store};
use serde_json::Value;

use crate::world::World;

pub struct Seen {
    pub key: String,
    pub state: EventState,
    /// What it says now, and before that what was refused and replaced, oldest first.
    pub bodies: Vec<Body>,
    pub was_blocked: bool,
    /// How many referral events Cello had when a person first confirmed it.
    pub confirmed_at: Option<usize>,
    /// The same for when it was first given up.
    pub discarded_at: Option<usize>,
    /// Whether a person sent it again after it was confirmed.
    pub was_sent_again: bool,
}

pub struct Body {
    pub json: Value,
    /// How many attempts the event had had when this came.
    pub since: usize,
}

impl Seen {
    /// Of an event that was remade before anybody looked, the former bodies count as they are: how many attempts were
    /// whose is not known then, so a person looks before and after remaking.
    fn first(event: &LifeEvent) -> Self {
        Self {
            key: event.key.clone(),
            state: EventState::Waiting,
            bodies: vec![Body { json: bodies(event)[0].clone(), since: 0 }],
            was_blocked: false,
            confirmed_at: None,
            discarded_at: None,
            was_sent_again: false,
        }
    }

    /// Takes up what became of it since, or says what must not have.
    fn again(&mut self, event: &LifeEvent, received: usize) -> Result<(), String> {
        let key = &event.key;
        let bodies = bodies(event);
        if bodies.len() < self.bodies.len() || self.bodies.iter().zip(&bodies).any(|(was, is)| was.json != **is) {
            return Err(format!("the body of {key} changed"));
        }
        let new = bodies.into_iter().skip(self.bodies.len());
        self.bodies.extend(new.map(|json| Body { json: json.clone(), since: event.attempts.len() }));
        match &event.blocked_by {
            Some(blocker)
                if event.state != EventState::Waiting || event.due_at.is_some() || !blocker.state.blocks() =>
            {
                return Err(format!("{key} is {} and due at {:?}, blocked by {blocker:?}", event.state, event.due_at));
            }
            None if event.state == EventState::Waiting && event.due_at.is_none() => {
                return Err(format!("{key} waits, and neither for its time nor for another event"));
            }
            blocker => self.was_blocked |= blocker.is_some(),
        }
        match (self.state, event.state) {
            (EventState::Confirmed, EventState::Confirmed) | (EventState::Discarded, EventState::Discarded) => {}
            (_, EventState::Confirmed) => self.confirmed_at = self.confirmed_at.or(Some(received)),
            (_, EventState::Discarded) => self.discarded_at = self.discarded_at.or(Some(received)),
            (EventState::Confirmed, _) => self.was_sent_again = true,
            (EventState::Discarded | EventState::Delivered, is) if is != self.state => {
                return Err(format!("{key} was {}, and is {is}", self.state));
            }
            _ => {}
        }
        (self.key, self.state) = (key.clone(), event.state);
        Ok(())
    }

    /// What it said first.
    pub fn original(&self) -> &Value {
        &self.bodies[0].json
    }

    pub fn says(&self, body: &Value) -> bool {
        self.bodies.iter().any(|own| own.json == *body)
    }
}

/// All that an event ever said, oldest first.
fn bodies(event: &LifeEvent) -> Vec<&Value> {
    event.former_bodies.iter().map(|former| &former.body).chain([&event.body]).collect()
}

impl World<'_> {
    /// Looks at the store at a moment in which nothing happens.
    pub async fn look(&mut self) -> Result<(), String> {
        if let Some(problem) = self.store.wrong() {
            return Err(problem);
        }
        let counts = self.store.counts().await.unwrap();
        if !counts.add_up() {
            return Err(format!("the sums are wrong: {counts:?}"));
        }
        let received = self.cello.received().len();
        let events = self.lives().await;
        let mut blocked = 0;
        for event in &events {
            blocked += i64::from(event.blocked_by.is_some());
            self.seen.entry(event.id).or_insert_with(|| Seen::first(event)).again(event, received)?;
        }
        if self.store.blocked().await.unwrap().events != blocked {
            return Err(format!("{blocked} referral events are blocked, and the store counts others"));
        }
        Ok(())
    }

    /// All referral events there are, in the order of their numbers.
    pub async fn lives(&self) -> Vec<LifeEvent> {
        let lives = self.store.lives_after(0, None, 10_000).await.unwrap();
        let mut events: Vec<_> = lives.into_iter().flat_map(|life| life.referral_events).collect();
        events.sort_by_key(|event| event.id);
        events
    }

    /// The numbers of those that were seen in one of these states.
    pub fn seen_in(&self, states: &[EventState]) -> Vec<i64> {
        self.seen.iter().filter(|(_, seen)| states.contains(&seen.state)).map(|(id, _)| *id).collect()
    }

    /// What was first said under each key.
    pub fn originals(&self) -> BTreeMap<String, Value> {
        self.seen.values().map(|seen| (seen.key.clone(), seen.original().clone())).collect()
    }
}
