//! What must be true when everything has come to its end.

use std::collections::BTreeMap;

use cello_relay::store::{EventState, PastEvent, Store, WebhookState};
use serde_json::Value;

use crate::compare;
use crate::world::World;

pub async fn all(world: &World<'_>) -> Result<(), String> {
    sums(world).await?;
    conservation(world).await?;
    let events = events(world).await;
    let received: Vec<Value> = world.cello.received().into_iter().map(|event| event.body).collect();
    deliveries(world, &events, &received).await?;
    order(world, &events, &received)?;
    if !world.is_wild {
        undisturbed(world, &events).await?;
    }
    Ok(())
}

/// Both equations hold, and nothing is left to do.
async fn sums(world: &World<'_>) -> Result<(), String> {
    let counts = world.store.counts().await.unwrap();
    let left = [counts.undecided, counts.held, counts.waiting, counts.sending, counts.dead, counts.unsure];
    if !counts.add_up() || left != [0; 6] {
        return Err(format!("something is left, or the sums are wrong: {counts:?}"));
    }
    if counts.delivered + counts.discarded != counts.referral_events {
        return Err(format!("a referral event is neither delivered nor discarded: {counts:?}"));
    }
    Ok(())
}

/// Each webhook whose sender was answered is there, once, and came to an end.
async fn conservation(world: &World<'_>) -> Result<(), String> {
    let mut stored = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = world.store.webhooks_after(after, 100).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        for webhook in page {
            let id = webhook.webhook.unwrap().event_id;
            if stored.insert(id.clone(), webhook.state).is_some() {
                return Err(format!("{id} is stored twice"));
            }
        }
    }
    for id in &world.answered {
        match stored.get(id) {
            None => return Err(format!("{id} was answered and is not there")),
            Some(WebhookState::Unreadable) => return Err(format!("{id} was not understood")),
            Some(_) => {}
        }
    }
    Ok(())
}

async fn events(world: &World<'_>) -> Vec<PastEvent> {
    let mut events = Vec::new();
    for key in world.bodies.keys() {
        let page = world.store.referral_events_after("", 10_000).await.unwrap();
        events.extend(page.into_iter().find(|event| event.key == *key));
    }
    events.sort_by_key(|event| event.id);
    events
}

/// Cello has what is delivered, and nothing more often than the store says may be.
async fn deliveries(world: &World<'_>, events: &[PastEvent], received: &[Value]) -> Result<(), String> {
    for event in events {
        let times = received.iter().filter(|body| **body == event.body).count();
        let lives = world.store.life(&event.key).await.unwrap();
        let life = lives.iter().flat_map(|life| &life.referral_events).find(|of| of.id == event.id).unwrap();
        let unsure = life.attempts.iter().filter(|attempt| attempt.outcome == "unsure").count();
        if event.state == EventState::Delivered && times == 0 {
            return Err(format!("{} is delivered, and Cello never received it: {:?}", event.key, life.attempts));
        }
        // A person who sends an event again after Cello refused it may be wrong about that, and is not counted.
        let same = events.iter().filter(|other| other.body == event.body).count();
        if times > same * (1 + unsure) {
            return Err(format!("{} was received {times} times: {:?}", event.key, life.attempts));
        }
    }
    match received.iter().find(|body| !events.iter().any(|event| event.body == **body)) {
        Some(body) => Err(format!("Cello received what is in no store: {body}")),
        None => Ok(()),
    }
}

/// For each user in the order of the store, but for what a person had to look at.
fn order(world: &World<'_>, events: &[PastEvent], received: &[Value]) -> Result<(), String> {
    let mut last: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for event in events.iter().filter(|event| !world.set_aside.contains(&event.id)) {
        let Some(place) = received.iter().position(|body| *body == event.body) else { continue };
        let user = event.body["payload"]["newUserId"].to_string();
        if let Some((before, key)) = last.insert(user, (place, &event.key))
            && place < before
        {
            return Err(format!("{} reached Cello before {key}", event.key));
        }
    }
    Ok(())
}

/// With the same rules and a clock that is right, Cello is told what follows from the history, and trouble changes nothing
/// of it, save what depends on an event that a person discarded.
async fn undisturbed(world: &World<'_>, events: &[PastEvent]) -> Result<(), String> {
    let independent = |bodies: &BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        let of_discarded = |(key, body): &(&String, &Value)| depends_on_discarded(events, key, body);
        let left = bodies.iter().filter(|event| !of_discarded(event));
        left.map(|(key, body)| (key.clone(), body.clone())).collect()
    };
    let told = World::undisturbed(world.relays, world.seed).await;
    if let Some(problem) = compare::problem(&world.expected, &told) {
        return Err(format!("without any trouble: {problem}"));
    }
    let wanted = independent(&told.iter().map(|told| (told.key.clone(), told.json())).collect());
    let bodies = independent(&world.bodies);
    if wanted != bodies {
        let keys = |bodies: &BTreeMap<String, Value>| bodies.keys().cloned().collect::<Vec<_>>();
        return Err(format!(
            "without trouble Cello would be told otherwise:\n{:?}\n{:?}",
            keys(&wanted),
            keys(&bodies)
        ));
    }
    Ok(())
}

/// A refund whose purchase was discarded is not reported, and a change or an end whose start was discarded belongs to the
/// customer that its webhook names.
fn depends_on_discarded(events: &[PastEvent], key: &str, body: &Value) -> bool {
    let (on, id) = match key.split(':').next() {
        Some("refund") => ("purchase:", "/context/subscription/invoiceId"),
        Some("subscription-updated" | "subscription-canceled") => ("subscription-created:", "/context/subscription/id"),
        _ => return false,
    };
    events.iter().any(|event| {
        event.state == EventState::Discarded && event.key.starts_with(on) && event.body.pointer(id) == body.pointer(id)
    })
}
