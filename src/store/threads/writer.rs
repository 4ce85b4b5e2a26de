//! The one thread that writes.
//!
//! A flush to disk costs milliseconds, whether it carries one webhook or two hundred. So everything that waits is
//! written in one transaction and flushed once. Each piece of work has its own savepoint: one that fails undoes only
//! itself. Nobody gets an answer before the flush; if that fails, everybody in it gets an error and nothing of it
//! remains. No work, however wrong, may end the thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::super::{StoreError, WriteStats};
use super::job::{AnyJob, job};
use super::{Session, gone, join, reason_of, refused, start, take};

/// Work that may wait. Bodies are at most 1 MiB, so this bounds the memory they take.
pub const QUEUE: usize = 1024;
/// Work in one transaction: enough that the flush no longer matters, few enough that nobody waits long.
pub const BATCH: usize = 256;

pub struct Writer<S> {
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<AnyJob<S>>>,
    thread: Option<JoinHandle<()>>,
    totals: Arc<Totals>,
}

impl<S: Session> Writer<S> {
    pub fn start(open: impl FnOnce() -> Result<S, StoreError> + Send + 'static) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let totals = Arc::new(Totals::default());
        let thread = start("store-writer", open, {
            let totals = totals.clone();
            move |db| serve(db, jobs, &totals)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), totals })
    }

    /// Runs `work` and answers when it is on disk. Waits for a place in the queue: for work of the relay itself,
    /// whose loss would leave something undone.
    pub async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The same, but refuses at once when the queue is full.
    pub async fn run_or_refuse<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.try_send(job).map_err(refused)?;
        answer.await.map_err(|_| gone())?
    }

    pub fn stats(&self) -> WriteStats {
        self.totals.stats(self.queue.as_ref())
    }
}

/// Finishes what is queued, then closes the connection.
impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        drop(self.queue.take());
        join(self.thread.take());
    }
}

/// What a thread that writes has done so far.
#[derive(Default)]
pub struct Totals {
    flushes: AtomicU64,
    failed_flushes: AtomicU64,
    jobs: AtomicU64,
    flush_nanos: AtomicU64,
}

impl Totals {
    /// Counts a flush that began then and carried so many pieces of work.
    pub fn flushed(&self, began: Instant, jobs: usize) {
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.flush_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(u64::try_from(jobs).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failed_flushes.fetch_add(1, Ordering::Relaxed);
    }

    /// With what waits in `queue`.
    pub fn stats<T>(&self, queue: Option<&mpsc::Sender<T>>) -> WriteStats {
        let queued = queue.map_or(0, |queue| queue.max_capacity() - queue.capacity());
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        WriteStats {
            flushes: of(&self.flushes),
            failed_flushes: of(&self.failed_flushes),
            jobs: of(&self.jobs),
            flush_time: Duration::from_nanos(of(&self.flush_nanos)),
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
        }
    }
}

fn serve<S: Session>(db: S, mut jobs: mpsc::Receiver<AnyJob<S>>, totals: &Totals) {
    let mut waiting = VecDeque::with_capacity(BATCH);
    while take(&mut jobs, &mut waiting, |waiting| waiting.len() == BATCH) {
        // More than once only where a transaction broke before all of its work was done.
        while !waiting.is_empty() {
            write(&db, &mut waiting, totals);
        }
    }
    db.close();
}

/// Writes what waits in one transaction, and answers.
fn write<S: Session>(db: &S, waiting: &mut VecDeque<AnyJob<S>>, totals: &Totals) {
    if let Err(error) = db.begin() {
        totals.failed();
        refuse(waiting.drain(..), &error);
        return;
    }
    let mut done = Vec::with_capacity(waiting.len());
    while let Some(mut job) = waiting.pop_front() {
        let outcome = in_savepoint(db, &mut job);
        if !db.in_transaction() {
            // On a full disk SQLite may undo the whole transaction, and a connection that breaks always does: nothing
            // of what ran before remains.
            totals.failed();
            let error = outcome.err().unwrap_or_else(|| StoreError::Unavailable("the transaction was undone".into()));
            refuse(done.into_iter().map(|(job, _)| job).chain([job]), &error);
            return;
        }
        done.push((job, outcome));
    }
    let began = Instant::now();
    match db.commit() {
        Ok(()) => {
            totals.flushed(began, done.len());
            for (job, outcome) in done {
                job.answer(outcome);
            }
        }
        Err(error) => {
            totals.failed();
            let _ = db.roll_back();
            refuse(done.into_iter().map(|(job, _)| job), &error);
        }
    }
}

fn in_savepoint<S: Session>(db: &S, job: &mut AnyJob<S>) -> Result<(), StoreError> {
    db.savepoint()?;
    let outcome = job.run(db);
    if !db.in_transaction() {
        return outcome;
    }
    // Work may have hidden an error of the database, which then refuses to keep what was done.
    let outcome = outcome.and_then(|()| db.release());
    if outcome.is_err() && db.in_transaction() && db.undo().is_err() {
        // Half a piece of work must not be kept with that of others: all of it is undone.
        let _ = db.roll_back();
    }
    outcome
}

fn refuse<S>(jobs: impl Iterator<Item = AnyJob<S>>, error: &StoreError) {
    let reason = reason_of(error);
    for job in jobs {
        job.answer(Err(StoreError::Unavailable(reason.clone())));
    }
}
