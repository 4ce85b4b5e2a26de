//! What must be true when everything has come to its end.

use std::collections::BTreeMap;

use cello_relay::store::{EventState, Store, WebhookState};
use serde_json::Value;

use crate::seen::Seen;
use crate::world::World;
use crate::{compare, dependencies};

pub async fn all(world: &World<'_>) -> Result<(), String> {
    sums(world).await?;
    conservation(world).await?;
    let received: Vec<Value> = world.cello.received().into_iter().map(|event| event.body).collect();
    deliveries(world, &received).await?;
    dependencies::of_received(world.store.as_ref(), &world.seen, &received).await?;
    order(world, &received)?;
    if !world.is_wild {
        undisturbed(world).await?;
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
    if counts.delivered + counts.discarded + counts.confirmed != counts.referral_events {
        return Err(format!("a referral event is neither delivered nor discarded nor confirmed: {counts:?}"));
    }
    for (id, seen) in world.seen.iter().filter(|(_, seen)| seen.state == EventState::Discarded) {
        let open = world.store.open_refunds(*id).await.unwrap();
        if !open.is_empty() {
            return Err(format!("{} is discarded, and its refunds are not: {open:?}", seen.key));
        }
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

/// Cello has what is delivered, and nothing more often than the store says may be. Of what a person confirmed it may
/// have nothing. Each body of an event that was remade is one of its own.
async fn deliveries(world: &World<'_>, received: &[Value]) -> Result<(), String> {
    /// An event's body, and how many attempts at it were unsure.
    struct Sent<'a>(&'a Value, usize);

    let mut sent = Vec::new();
    for event in world.lives().await {
        let seen = &world.seen[&event.id];
        let mut last = false;
        for (number, body) in seen.bodies.iter().enumerate() {
            let until = seen.bodies.get(number + 1).map_or(event.attempts.len(), |next| next.since);
            let attempts = &event.attempts[body.since..until];
            sent.push(Sent(&body.json, attempts.iter().filter(|attempt| attempt.outcome == "unsure").count()));
            last = received.contains(&body.json);
        }
        if event.state == EventState::Delivered && !last {
            return Err(format!("{} is delivered, and Cello never received it: {:?}", event.key, event.attempts));
        }
    }
    for body in received {
        let times = received.iter().filter(|other| *other == body).count();
        // A person who sends an event again after Cello refused it may be wrong about that, and is not counted.
        let allowed: usize = sent.iter().filter(|sent| sent.0 == body).map(|sent| 1 + sent.1).sum();
        if allowed == 0 {
            return Err(format!("Cello received what is in no store: {body}"));
        }
        if times > allowed {
            return Err(format!("received {times} times, and not {allowed} times at most: {body}"));
        }
    }
    Ok(())
}

/// For each user in the order of the store, but for what a person looked at or what was blocked.
fn order(world: &World<'_>, received: &[Value]) -> Result<(), String> {
    let mut last: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    let in_line = |(id, seen): &(&i64, &Seen)| !world.set_aside.contains(id) && !seen.was_blocked;
    for (_, event) in world.seen.iter().filter(in_line) {
        let Some(place) = received.iter().position(|body| event.says(body)) else { continue };
        let user = event.original()["payload"]["newUserId"].to_string();
        if let Some((before, key)) = last.insert(user, (place, &event.key))
            && place < before
        {
            return Err(format!("{} reached Cello before {key}", event.key));
        }
    }
    Ok(())
}

/// With the same rules and a clock that is right, Cello is told what follows from the history, and trouble changes nothing
/// of it, save what depends on an event that a person discarded. What a person had remade is compared as it was before.
async fn undisturbed(world: &World<'_>) -> Result<(), String> {
    let independent = |bodies: &BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        let of_discarded = |(key, body): &(&String, &Value)| depends_on_discarded(world, key, body);
        let left = bodies.iter().filter(|event| !of_discarded(event));
        left.map(|(key, body)| (key.clone(), body.clone())).collect()
    };
    let told = World::undisturbed(world.relays, world.seed).await;
    if let Some(problem) = compare::problem(&world.expected, &told) {
        return Err(format!("without any trouble: {problem}"));
    }
    let wanted = independent(&told.iter().map(|told| (told.key.clone(), told.json())).collect());
    let bodies = independent(&world.originals());
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
fn depends_on_discarded(world: &World<'_>, key: &str, body: &Value) -> bool {
    let (on, id) = match key.split(':').next() {
        Some("refund") => ("purchase:", "/context/subscription/invoiceId"),
        Some("subscription-updated" | "subscription-canceled") => ("subscription-created:", "/context/subscription/id"),
        _ => return false,
    };
    world.seen.values().any(|event| {
        event.state == EventState::Discarded
            && event.key.starts_with(on)
            && event.original().pointer(id) == body.pointer(id)
    })
}
