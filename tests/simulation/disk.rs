//! A disk with moods: the real store, some of whose calls fail before they are done, or are done and never say so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cello_relay::store::*;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::dependencies;
use crate::in_front::{Front, InFront};

pub struct Disk {
    store: Arc<dyn Store>,
    /// The chance of it, and how many calls in a hundred fail.
    mood: Mutex<(Rng, u8)>,
    /// For how long a signup must have been dead or unsure before anything is sent without it.
    longest_blocked: SignedDuration,
    /// What was claimed and must not have been.
    wrong: Mutex<Option<String>>,
}

impl Disk {
    pub fn new(store: Arc<dyn Store>, rng: Rng, longest_blocked: SignedDuration) -> Front<Self> {
        Front(Self { store, mood: Mutex::new((rng, 0)), longest_blocked, wrong: Mutex::default() })
    }

    /// The store itself.
    pub fn real(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// What was claimed and must not have been, if anything.
    pub fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap().clone()
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
impl InFront for Disk {
    fn behind(&self) -> &dyn Store {
        self.store.as_ref()
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
        result.map_err(|problem| match problem {
            StoreError::Undone => StoreError::Undone,
            problem => StoreError::Unavailable(problem.to_string()),
        })
    }
    async fn claim(&self, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError> {
        let work = async {
            let claimed = self.store.claim(now, lease_until, wanted).await?;
            let store = self.store.as_ref();
            if let Err(problem) = dependencies::of_claimed(store, &claimed, now, self.longest_blocked).await {
                self.wrong.lock().unwrap().get_or_insert(problem);
            }
            Ok(claimed)
        };
        self.perhaps(work).await
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
    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
        self.perhaps(self.store.due_holds(now, limit)).await
    }
    async fn retry(&self, ids: Vec<i64>, now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError> {
        self.perhaps(self.store.retry(ids, now, apart)).await
    }
    async fn discard(&self, discarding: Discarding, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.perhaps(self.store.discard(discarding, now)).await
    }
    async fn confirm(&self, ids: Vec<i64>, person: ByPerson, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.perhaps(self.store.confirm(ids, person, now)).await
    }
}
