//! Lets the webhooks of a history arrive: in any order, some twice, with restarts in between.

use std::sync::Arc;
use std::time::Duration;

use cello_relay::store::{Sqlite, Store, Wanted};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::links::Links;
use crate::relay::{Relay, Told, at};
use crate::webhooks::Made;

const DAY: i64 = 86_400;

/// How webhooks arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// One after the other, as they were made.
    Natural,
    /// All at once, after everything has happened, in any order.
    Heap,
    /// Each within the three days in which providers try again; where a payment is attached to an invoice, links as
    /// `Links` says.
    Late,
}

/// What Cello is told when `webhooks` arrive in the order that `rng` chooses.
pub async fn play(like: &Relay, webhooks: &[Made], manner: Manner, rng: &mut Rng) -> Vec<Told> {
    let end = webhooks.iter().map(|(made, _)| *made).max().unwrap_or_default() + 4 * DAY;
    let mut arrivals: Vec<(i64, usize)> = Vec::new();
    for (number, (made, _)) in webhooks.iter().enumerate() {
        let times = if manner != Manner::Natural && rng.u8(..5) == 0 { 2 } else { 1 };
        for _ in 0..times {
            let at = match manner {
                Manner::Natural => *made,
                Manner::Heap => end,
                Manner::Late if rng.bool() => made + rng.i64(0..60),
                Manner::Late => made + rng.i64(0..3 * DAY - 60),
            };
            arrivals.push((at, number));
        }
    }
    let links = Links::of(webhooks);
    match manner {
        Manner::Natural => links.put_before_their_invoices(&mut arrivals),
        Manner::Heap => {
            rng.shuffle(&mut arrivals);
            links.put_before_their_invoices(&mut arrivals);
        }
        Manner::Late => links.order(&mut arrivals, rng),
    }
    // Opening a file takes longer than all the rest.
    let on_disk = manner != Manner::Natural && rng.u8(..20) == 0;
    let mut place = Place::new(like, on_disk);
    let restless = manner != Manner::Natural && rng.bool();
    let mut told = Vec::new();
    for (at, number) in arrivals {
        let (_, webhook) = &webhooks[number];
        place.wait_until(super::relay::at(at));
        place.relay.store_only(webhook).await;
        if restless {
            match rng.u8(..6) {
                // Decided and not delivered.
                0 => {
                    place.decide().await;
                    place.restart(like).await;
                }
                // Neither.
                1 => place.restart(like).await,
                // Sent, and the answer was not written down.
                2 => {
                    place.decide().await;
                    told.extend(place.send_and_forget().await);
                    place.restart(like).await;
                }
                _ => {}
            }
        }
        if rng.bool() {
            place.decide().await;
        }
        if rng.u8(..5) == 0 {
            told.extend(place.relay.told().await);
        }
    }
    place.decide().await;
    // What is held is looked after at each of its deadlines.
    for days in [0, 3, 30] {
        place.wait_until(at(end + days * DAY + 3600 * days));
        place.decide().await;
        told.extend(place.relay.told().await);
    }
    told
}

/// A relay, and the file it keeps.
struct Place {
    relay: Relay,
    folder: Option<tempfile::TempDir>,
}

impl Place {
    fn new(like: &Relay, on_disk: bool) -> Self {
        if !on_disk {
            return Self { relay: like.fresh(), folder: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let relay = like.same_on(open(&folder));
        Self { relay, folder: Some(folder) }
    }

    fn wait_until(&self, time: Timestamp) {
        self.relay.pass(time.duration_since(self.relay.now()));
    }

    /// What the relay does between two arrivals.
    async fn decide(&self) {
        while self.relay.decider.decide_all().await.unwrap() > 0 {}
        while self.relay.settle().await > 0 {}
    }

    /// As after the end of the process: what was being sent is taken up again.
    async fn restart(&mut self, like: &Relay) {
        let now = self.relay.now();
        let memory = Arc::new(Sqlite::in_memory().unwrap());
        let store = std::mem::replace(&mut self.relay, like.same_on(memory)).store;
        let store = match &self.folder {
            Some(folder) => {
                drop(store);
                open(folder)
            }
            None => store,
        };
        let recovered = store.recover(Timestamp::MAX, 3).await.unwrap();
        // What three processes died over waits for a person, who has it sent again.
        store.retry(recovered.unsure, now, Duration::ZERO).await.unwrap();
        self.relay = like.same_on(store);
        self.wait_until(now);
    }

    /// Sends the events whose turn it is.
    async fn send_and_forget(&self) -> Vec<Told> {
        let now = self.relay.now();
        let claimed =
            self.relay.store.claim(now, now + SignedDuration::from_mins(1), Wanted::longest_due(1000)).await.unwrap();
        claimed.into_iter().map(|event| Told { key: event.key, body: event.body }).collect()
    }
}

fn open(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    let path = folder.path().join("relay.db");
    Arc::new(Sqlite::open(&format!("sqlite:{}", path.display()), true).unwrap())
}
