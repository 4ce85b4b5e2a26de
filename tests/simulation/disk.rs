//! A disk with moods: the real store, some of whose calls fail before they are done, or are done and never say so.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use cello_relay::decision::Reason;
use cello_relay::facts::Scope;
use cello_relay::store::*;
use fastrand::Rng;
use jiff::Timestamp;

pub struct Disk {
    store: Arc<dyn Store>,
    /// The chance of it, and how many calls in a hundred fail.
    mood: Mutex<(Rng, u8)>,
}

impl Disk {
    pub fn new(store: Arc<dyn Store>, rng: Rng) -> Self {
        Self { store, mood: Mutex::new((rng, 0)) }
    }

    /// So many calls in a hundred fail from now on.
    pub fn fail(&self, percent: u8) {
        self.mood.lock().unwrap().1 = percent;
    }

    /// Does the work, or does not, or does it and says nothing of it.
    async fn perhaps<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let (fails, done) = {
            let (rng, percent) = &mut *self.mood.lock().unwrap();
            (rng.u8(..100) < *percent, rng.bool())
        };
        if !fails {
            return work.await;
        }
        if done {
            work.await?;
        }
        // Not `Unavailable`: a sender would try that again after a second of real time.
        Err(StoreError::Damaged("ordered trouble".into()))
    }
}

#[async_trait]
impl Store for Disk {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }
    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        self.perhaps(self.store.receive(webhook)).await
    }
    async fn undecided(&self, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        self.perhaps(self.store.undecided(limit)).await
    }
    async fn transact(&self, work: Work<()>) -> Result<(), StoreError> {
        // What is damaged would be set aside, rightly; a disk that is full for a moment is another thing.
        let result = self.perhaps(self.store.transact(work)).await;
        result.map_err(|problem| StoreError::Unavailable(problem.to_string()))
    }
    async fn claim(&self, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError> {
        self.perhaps(self.store.claim(now, lease_until, wanted)).await
    }
    async fn record(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.perhaps(self.store.record(attempt)).await
    }
    async fn give_back(&self, claimed: Vec<Claimed>) -> Result<(), StoreError> {
        self.perhaps(self.store.give_back(claimed)).await
    }
    async fn recover(&self, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError> {
        self.perhaps(self.store.recover(now, hold_after)).await
    }
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due().await
    }
    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.oldest_waiting().await
    }
    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
        self.perhaps(self.store.due_holds(now, limit)).await
    }
    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.store.held().await
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
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
