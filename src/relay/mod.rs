//! The loops that move webhooks down the river, and everything they decide by.
//!
//! - [`decide`]: one webhook, from its bytes to its decisions, in one transaction
//! - `learn`: what the directory takes from a webhook
//! - `verdict`, `purchase`, `refund`, `reported`, `judged`: what one fact comes to
//! - `payments`: which part of a purchase Cello does not know yet
//! - `code`: whether Cello counts a referral code, where that is to be asked
//! - `waiting`: what a fact waits for, and how long; `writing`: the referral event itself;
//!   `explaining`: how it came about
//! - [`look_up`]: what to ask a provider's API; [`answers`]: what it answered lately
//! - [`schedule`], [`breaker`], [`turns`], [`pace`]: when to try again, when to pause, what goes first, how fast; pure
//! - `recovering`: what becomes of events whose sender died
//! - [`decider`], [`deliverer`], [`eraser`]: the loops themselves; [`failing`]: what is said of rules that fail
//! - [`remaking`]: refused events, decided again for a person; `contribution`: what an event added to running totals
//! - [`remap`]: the past, decided again beside the store

pub mod answers;
pub mod breaker;
pub mod code;
mod contribution;
pub mod decide;
pub mod decider;
pub mod deliverer;
pub mod eraser;
mod explaining;
pub mod failing;
mod judged;
mod learn;
pub mod look_up;
pub mod pace;
mod payments;
pub mod policy;
mod purchase;
mod recovering;
mod refund;
pub mod remaking;
pub mod remap;
mod reported;
pub mod schedule;
pub mod turns;
mod verdict;
mod waiting;
mod writing;

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::cello::Client;
use crate::clock::Clock;
use crate::config::Delivery;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use breaker::Breaker;
use decider::Decider;
use deliverer::Deliverer;
use eraser::Eraser;
use pace::Pace;
use policy::Policy;
use recovering::recover;

/// What the loops are made of.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub policy: Policy,
    pub client: Client,
    pub delivery: Delivery,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Notified by the receiver when a webhook was stored.
    pub stored: Arc<Notify>,
}

/// The running loops.
pub struct Relay {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
}

impl Relay {
    /// Takes up what an earlier process left, then starts the loops.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn start(parts: Parts) -> Result<Self, StoreError> {
        take_up(parts.store.as_ref(), &parts.delivery, &parts.metrics, (parts.clock)()).await?;
        let (stop, stopped) = watch::channel(false);
        let decided = Arc::new(Notify::new());
        let settled_kept = parts.policy.bodies_kept;
        let decider = Arc::new(Decider {
            store: parts.store.clone(),
            policy: Arc::new(parts.policy),
            metrics: parts.metrics.clone(),
            clock: parts.clock.clone(),
            answers: answers::Answers::default(),
            failing: Arc::default(),
            left: decider::Left::default(),
            stored: parts.stored,
            cello: parts.client.clone(),
            held: Arc::new(Notify::new()),
            decided: decided.clone(),
        });
        let eraser = Eraser { store: parts.store.clone(), clock: parts.clock.clone(), settled_kept };
        let deliverer = Arc::new(Deliverer {
            store: parts.store,
            client: parts.client,
            pace: Mutex::new(Pace::new(parts.delivery.requests_per_second)),
            settings: parts.delivery,
            metrics: parts.metrics,
            clock: parts.clock,
            wake: decided,
            breaker: Mutex::new(Breaker::default()),
            turns: Mutex::default(),
        });
        let mut loops = JoinSet::new();
        loops.spawn(decider.clone().run(stopped.clone()));
        loops.spawn(decider.run_holds(stopped.clone()));
        loops.spawn(deliverer.run(stopped.clone()));
        loops.spawn(eraser.run(stopped));
        Ok(Self { stop, loops })
    }

    /// Returns when a loop has ended that nobody stopped, which only a fault in this program does.
    pub async fn broken(&mut self) {
        self.loops.join_next().await;
    }

    /// Finishes what is under way and returns when all loops have ended.
    pub async fn stop(mut self) {
        // A receiver is only missing when its loop has ended already.
        let _ = self.stop.send(true);
        while self.loops.join_next().await.is_some() {}
    }
}

/// Returns when the loops are to end: they were told to, or nobody is left who could tell them.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Takes up what an earlier process left: what it was sending, and the facts that a rule failed on, which are decided
/// again by the rules of this start.
///
/// # Errors
///
/// When the store cannot be written.
pub async fn take_up(
    store: &dyn Store,
    delivery: &Delivery,
    metrics: &Metrics,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Where this process is the only one that sends, whatever is in sending was left by one that died; else only what is
    // there for longer than its sender may take.
    let left_until = if store.is_shared() { now } else { Timestamp::MAX };
    recover(store, delivery.unsure, left_until, metrics).await?;
    // The first attempt will show whether Cello is available now.
    store.note_pause(None).await?;
    store
        .transact(Box::new(move |ledger| {
            for held in ledger.waiting_for(waiting::RULES_TOPIC)? {
                ledger.look_up_at(&held, now)?;
            }
            Ok(())
        }))
        .await
}
