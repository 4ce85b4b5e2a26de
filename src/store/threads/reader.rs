//! The thread that reads, on a connection of its own that cannot write: a long look at the history never delays a
//! webhook.
//!
//! Each piece of work sees one moment of the store, the newest there is when it begins.

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::super::StoreError;
use super::job::{AnyJob, job};
use super::{Session, gone, join, start};

/// Reads that may wait; further ones wait for a place.
const QUEUE: usize = 64;

pub struct Reader<S> {
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<AnyJob<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Session> Reader<S> {
    pub fn start(open: impl FnOnce() -> Result<S, StoreError> + Send + 'static) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = start("store-reader", open, move |db| serve(db, jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        drop(self.queue.take());
        join(self.thread.take());
    }
}

fn serve<S: Session>(db: S, mut jobs: mpsc::Receiver<AnyJob<S>>) {
    while let Some(mut job) = jobs.blocking_recv() {
        let outcome = read(&db, &mut job);
        job.answer(outcome);
    }
}

fn read<S: Session>(db: &S, job: &mut AnyJob<S>) -> Result<(), StoreError> {
    db.begin_reading()?;
    let outcome = job.run(db);
    // Nothing was written, so there is nothing to keep; this ends the snapshot whatever happened.
    let ended = db.roll_back();
    outcome.and(ended)
}
