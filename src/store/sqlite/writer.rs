//! The one thread that writes.
//!
//! A flush to disk costs milliseconds, whether it carries one webhook or two hundred. So everything that waits is
//! written in one transaction and flushed once. Each piece of work has its own savepoint: one that fails undoes only
//! itself. Nobody gets an answer before the flush; if that fails, everybody in it gets an error and nothing of it
//! remains. No work, however wrong, may end the thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::super::{StoreError, WriteStats};
use super::job::{AnyJob, job};

/// Work that may wait. Bodies are at most 1 MiB, so this bounds the memory they take.
const QUEUE: usize = 1024;
/// Work in one transaction: enough that the flush no longer matters, few enough that nobody waits long.
const BATCH: usize = 256;

pub struct Writer {
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<AnyJob>>,
    thread: Option<JoinHandle<()>>,
    totals: Arc<Totals>,
}

impl Writer {
    pub fn start(db: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let totals = Arc::new(Totals::default());
        let thread = thread::Builder::new().name("store-writer".into()).spawn({
            let totals = totals.clone();
            move || serve(db, jobs, &totals)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), totals })
    }

    /// Runs `work` and answers when it is on disk. Waits for a place in the queue: for work of the relay itself,
    /// whose loss would leave something undone.
    pub async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The same, but refuses at once when the queue is full: for work that comes from outside, whose sender can wait
    /// better than this process can.
    pub async fn run_or_refuse<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.as_ref().ok_or_else(gone)?.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Unavailable(format!("{QUEUE} writes wait for the disk already"))
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answer.await.map_err(|_| gone())?
    }

    pub fn stats(&self) -> WriteStats {
        let queued = self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        WriteStats {
            flushes: of(&self.totals.flushes),
            failed_flushes: of(&self.totals.failed_flushes),
            jobs: of(&self.totals.jobs),
            flush_time: Duration::from_nanos(of(&self.totals.flush_nanos)),
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
        }
    }
}

/// Finishes what is queued, then closes the file.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        join(self.thread.take());
    }
}

/// Waits for a thread of the store to end, unless it is the one that asks: work may hold the last handle.
pub fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.thread().id() != thread::current().id()
    {
        let _ = thread.join();
    }
}

pub fn gone() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

#[derive(Default)]
struct Totals {
    flushes: AtomicU64,
    failed_flushes: AtomicU64,
    jobs: AtomicU64,
    flush_nanos: AtomicU64,
}

fn serve(db: Connection, mut jobs: mpsc::Receiver<AnyJob>, totals: &Totals) {
    let mut waiting = VecDeque::with_capacity(BATCH);
    while let Some(first) = jobs.blocking_recv() {
        waiting.push_back(first);
        while waiting.len() < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            waiting.push_back(next);
        }
        // More than once only where a transaction broke before all of its work was done.
        while !waiting.is_empty() {
            write(&db, &mut waiting, totals);
        }
    }
    // Leaves one file behind. Should it fail, the next start does it.
    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = db.close();
}

/// Writes what waits in one transaction, and answers.
fn write(db: &Connection, waiting: &mut VecDeque<AnyJob>, totals: &Totals) {
    if let Err(error) = begin(db) {
        totals.failed_flushes.fetch_add(1, Ordering::Relaxed);
        refuse(waiting.drain(..), &error);
        return;
    }
    let mut done = Vec::with_capacity(waiting.len());
    while let Some(mut job) = waiting.pop_front() {
        let outcome = in_savepoint(db, &mut job);
        if db.is_autocommit() {
            // On a full disk SQLite may undo the whole transaction: nothing of what ran before remains.
            totals.failed_flushes.fetch_add(1, Ordering::Relaxed);
            let error = outcome.err().unwrap_or_else(|| StoreError::Unavailable("the transaction was undone".into()));
            refuse(done.into_iter().map(|(job, _)| job).chain([job]), &error);
            return;
        }
        done.push((job, outcome));
    }
    let began = Instant::now();
    let flushed = db.execute_batch("COMMIT");
    match flushed {
        Ok(()) => {
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            totals.flush_nanos.fetch_add(nanos, Ordering::Relaxed);
            totals.flushes.fetch_add(1, Ordering::Relaxed);
            totals.jobs.fetch_add(u64::try_from(done.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            for (job, outcome) in done {
                job.answer(outcome);
            }
        }
        Err(error) => {
            totals.failed_flushes.fetch_add(1, Ordering::Relaxed);
            let _ = db.execute_batch("ROLLBACK");
            refuse(done.into_iter().map(|(job, _)| job), &error.into());
        }
    }
}

fn begin(db: &Connection) -> Result<(), StoreError> {
    if !db.is_autocommit() {
        // Left over from a rollback that failed.
        db.execute_batch("ROLLBACK")?;
    }
    // Immediate: to find out now, not in the middle, that another process is writing.
    Ok(db.execute_batch("BEGIN IMMEDIATE")?)
}

fn in_savepoint(db: &Connection, job: &mut AnyJob) -> Result<(), StoreError> {
    db.prepare_cached("SAVEPOINT job")?.execute([])?;
    let outcome = job.run(db);
    if db.is_autocommit() {
        return outcome;
    }
    if outcome.is_err() {
        db.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    db.prepare_cached("RELEASE job")?.execute([])?;
    outcome
}

/// `StoreError` cannot be copied; what the callers need of it is that it failed, and why.
fn refuse(jobs: impl Iterator<Item = AnyJob>, error: &StoreError) {
    let reason = match error {
        StoreError::Unavailable(reason) => reason.clone(),
        other => other.to_string(),
    };
    for job in jobs {
        job.answer(Err(StoreError::Unavailable(reason.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    /// Queues `work` behind something that keeps the writer busy, so that all of it shares one transaction.
    async fn together(writer: &Writer, work: &[&'static str]) -> Vec<Result<(), StoreError>> {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let busy = writer.run(move |_| {
            begun.send(()).unwrap();
            gate.recv().unwrap();
            Ok(())
        });
        let all = async {
            has_begun.await.unwrap();
            let work = work.iter().map(|sql| writer.run(|db| Ok(db.execute_batch(sql)?)));
            tokio::join!(futures_util::future::join_all(work), async { open.send(()).unwrap() }).0
        };
        let (_, results) = tokio::join!(busy, all);
        results
    }

    async fn number(writer: &Writer, sql: &'static str) -> i64 {
        writer.run(move |db| Ok(db.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }

    const PIN: &str = "INSERT INTO pinned_code VALUES (hex(randomblob(8)), 'code')";
    const PINNED: &str = "SELECT count(*) FROM pinned_code";

    #[tokio::test]
    async fn work_that_fails_undoes_itself_and_not_its_neighbours() {
        let writer = Writer::start(file::in_memory().unwrap()).unwrap();
        let half = "INSERT INTO pinned_code VALUES ('half', 'code'); INSERT INTO nowhere VALUES (1)";
        let results = together(&writer, &[PIN, half, PIN]).await;
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(number(&writer, PINNED).await, 2);
    }

    #[tokio::test]
    async fn when_the_flush_fails_nobody_is_told_otherwise_and_nothing_remains() {
        let writer = Writer::start(file::in_memory().unwrap()).unwrap();
        // Checked at the commit only, and wrong.
        let broken = "PRAGMA defer_foreign_keys = ON; INSERT INTO webhook_body VALUES (77, x'00')";
        let results = together(&writer, &[PIN, broken, PIN]).await;
        for result in results {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        }
        assert_eq!(writer.stats().failed_flushes, 1);
        assert_eq!(number(&writer, PINNED).await, 0);
        assert!(together(&writer, &[PIN]).await[0].is_ok(), "and it goes on");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_the_store_works_again_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let opened = file::claim(&folder.path().join("relay.db"), true).unwrap();
        let writer = Writer::start(file::writing(&opened).unwrap()).unwrap();
        let limit = |pages: i64| {
            writer.run(move |db| Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?))
        };
        limit(1).await.unwrap(); // It cannot be less than there are.
        let large = "INSERT INTO pinned_code VALUES (hex(randomblob(8)), hex(randomblob(100000)))";
        for result in together(&writer, &[large, large]).await {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        }
        assert_eq!(number(&writer, PINNED).await, 0);

        limit(1_000_000).await.unwrap();
        assert!(together(&writer, &[large]).await[0].is_ok());
        assert_eq!(number(&writer, PINNED).await, 1);
    }

    #[tokio::test]
    async fn settings_that_durability_depends_on_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let opened = file::claim(&folder.path().join("relay.db"), true).unwrap();
        let writer = Writer::start(file::writing(&opened).unwrap()).unwrap();
        assert_eq!(number(&writer, "SELECT synchronous FROM pragma_synchronous").await, 2);
        assert_eq!(number(&writer, "SELECT journal_mode = 'wal' FROM pragma_journal_mode").await, 1);
        assert_eq!(number(&writer, "SELECT foreign_keys FROM pragma_foreign_keys").await, 1);

        let reader = file::reading(&opened.path).unwrap();
        assert!(reader.execute_batch(PIN).is_err(), "the reader cannot write");
    }
}
