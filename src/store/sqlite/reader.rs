//! The thread that reads, on a connection of its own that cannot write: a long look at the history never delays a
//! webhook.
//!
//! Each piece of work sees one moment of the store, the newest there is when it begins.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::super::StoreError;
use super::job::{AnyJob, job};
use super::writer::{gone, join};

/// Reads that may wait; further ones wait for a place.
const QUEUE: usize = 64;

pub struct Reader {
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<AnyJob>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub fn start(db: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("store-reader".into()).spawn(move || serve(&db, jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.queue.take());
        join(self.thread.take());
    }
}

fn serve(db: &Connection, mut jobs: mpsc::Receiver<AnyJob>) {
    while let Some(mut job) = jobs.blocking_recv() {
        let outcome = read(db, &mut job);
        job.answer(outcome);
    }
}

fn read(db: &Connection, job: &mut AnyJob) -> Result<(), StoreError> {
    db.execute_batch("BEGIN DEFERRED")?;
    let outcome = job.run(db);
    // Nothing was written, so there is nothing to keep; this ends the snapshot whatever happened.
    db.execute_batch("ROLLBACK")?;
    outcome
}
