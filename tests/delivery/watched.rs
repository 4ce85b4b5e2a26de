//! The real store, with trouble on order and a count of how often it is asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cello_relay::decision::Reason;
use cello_relay::facts::Scope;
use cello_relay::store::*;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

pub struct Watched {
    store: Sqlite,
    /// How many of the next claims and records fail.
    failing: Mutex<(usize, usize)>,
    /// How many claims and records have failed.
    failed: watch::Sender<(usize, usize)>,
    asked: AtomicUsize,
    /// Told when something was claimed; the answer waits as long as the test holds `answer`.
    pub claimed: Notify,
    pub answer: tokio::sync::Mutex<()>,
}

impl Watched {
    pub fn new(store: Sqlite) -> Self {
        Self {
            store,
            failing: Mutex::default(),
            failed: watch::Sender::default(),
            asked: AtomicUsize::new(0),
            claimed: Notify::new(),
            answer: tokio::sync::Mutex::default(),
        }
    }

    /// The store as another process would have it.
    pub fn of_another(&self) -> &Sqlite {
        &self.store
    }

    /// The next `count` claims fail.
    pub fn fail_claims(&self, count: usize) {
        self.failing.lock().unwrap().0 = count;
    }

    /// The next `count` records fail.
    pub fn fail_records(&self, count: usize) {
        self.failing.lock().unwrap().1 = count;
    }

    /// Returns when `count` claims have failed.
    pub async fn claims_failed(&self, count: usize) {
        self.failed.subscribe().wait_for(|failed| failed.0 >= count).await.unwrap();
    }

    /// Returns when `count` records have failed.
    pub async fn records_failed(&self, count: usize) {
        self.failed.subscribe().wait_for(|failed| failed.1 >= count).await.unwrap();
    }

    /// How often it was asked what is due, with or without claiming it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn trouble(&self, which: impl Fn(&mut (usize, usize)) -> &mut usize) -> Result<(), StoreError> {
        let mut failing = self.failing.lock().unwrap();
        let failing = which(&mut failing);
        if *failing == 0 {
            return Ok(());
        }
        *failing -= 1;
        self.failed.send_modify(|failed| *which(failed) += 1);
        Err(StoreError::Unavailable("ordered trouble".into()))
    }
}

#[async_trait]
impl Store for Watched {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn claim(&self, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.trouble(|(claims, _)| claims)?;
        let claimed = self.store.claim(now, lease_until, wanted).await;
        self.claimed.notify_one();
        let _answer = self.answer.lock().await;
        claimed
    }
    async fn record(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.trouble(|(_, records)| records)?;
        self.store.record(attempt).await
    }
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.next_due().await
    }

    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        self.store.receive(webhook).await
    }
    async fn undecided(&self, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        self.store.undecided(limit).await
    }
    async fn transact(&self, work: Work<()>) -> Result<(), StoreError> {
        self.store.transact(work).await
    }
    async fn give_back(&self, claimed: Vec<Claimed>) -> Result<(), StoreError> {
        self.store.give_back(claimed).await
    }
    async fn recover(&self, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError> {
        self.store.recover(now, hold_after).await
    }
    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.oldest_waiting().await
    }
    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
        self.store.due_holds(now, limit).await
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
    }
    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.store.held().await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.store.probe().await
    }
    fn stats(&self) -> WriteStats {
        self.store.stats()
    }
    async fn list(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.store.list(filter).await
    }
    async fn life(&self, id: &str) -> Result<Vec<Life>, StoreError> {
        self.store.life(id).await
    }
    async fn webhooks_after(&self, webhook: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError> {
        self.store.webhooks_after(webhook, limit).await
    }
    async fn referral_events_after(&self, key: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError> {
        self.store.referral_events_after(key, limit).await
    }
    async fn known(&self, scope: Scope, about: About) -> Result<Known, StoreError> {
        self.store.known(scope, about).await
    }
    async fn customers(&self, name: &str) -> Result<Vec<ScopedCustomer>, StoreError> {
        self.store.customers(name).await
    }

    async fn said_of_codes(&self, faults: Vec<Reason>) -> Result<SaidOfCodes, StoreError> {
        self.store.said_of_codes(faults).await
    }
    async fn retry(&self, ids: Vec<i64>, now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError> {
        self.store.retry(ids, now, apart).await
    }
    async fn discard(&self, ids: Vec<i64>, by: String, reason: String, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.store.discard(ids, by, reason, now).await
    }
    async fn erase_bodies(&self, erasing: Erasing, now: Timestamp) -> Result<Erased, StoreError> {
        self.store.erase_bodies(erasing, now).await
    }

    async fn erase_settled(&self, settled: Settled, now: Timestamp) -> Result<Erased, StoreError> {
        self.store.erase_settled(settled, now).await
    }
    async fn lives_after(&self, webhook: i64, since: Option<Timestamp>, limit: usize) -> Result<Vec<Life>, StoreError> {
        self.store.lives_after(webhook, since, limit).await
    }
    async fn forget(&self, forgetting: Forgetting, now: Timestamp) -> Result<Forgotten, StoreError> {
        self.store.forget(forgetting, now).await
    }
}
