//! The real store, with trouble on order and a count of how often it is asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use cello_relay::store::*;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::in_front::{Front, InFront};

pub struct Watched {
    store: Sqlite,
    /// Whether it says that others send from it, too.
    pub is_shared: AtomicBool,
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
    pub fn new(store: Sqlite) -> Front<Self> {
        Front(Self {
            store,
            is_shared: AtomicBool::new(false),
            failing: Mutex::default(),
            failed: watch::Sender::default(),
            asked: AtomicUsize::new(0),
            claimed: Notify::new(),
            answer: tokio::sync::Mutex::default(),
        })
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
impl InFront for Watched {
    fn behind(&self) -> &dyn Store {
        &self.store
    }

    fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
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
}
