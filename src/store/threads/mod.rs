//! The threads that own the connections of a store, and the work they are given.
//!
//! Drivers block while they wait for the disk or the server, so none of that may happen where requests are answered.
//! What a transaction is, each kind of store says in its [`Session`]; nothing here knows SQL.

mod job;
mod reader;
mod writer;

use std::collections::VecDeque;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::StoreError;

pub use reader::Reader;
pub use writer::{BATCH, QUEUE, Totals, Writer};

/// A connection as its thread sees it. There is at most one transaction at a time, with at most one savepoint.
pub trait Session: 'static {
    /// Begins a transaction that may write. One that was left over is undone first.
    fn begin(&self) -> Result<(), StoreError>;
    /// Begins one that sees a single moment and writes nothing.
    fn begin_reading(&self) -> Result<(), StoreError>;
    /// Whether a transaction is open: on an error the database may have undone all of it.
    fn in_transaction(&self) -> bool;
    fn savepoint(&self) -> Result<(), StoreError>;
    /// Keeps what was done since the savepoint.
    fn release(&self) -> Result<(), StoreError>;
    /// Undoes what was done since the savepoint.
    fn undo(&self) -> Result<(), StoreError>;
    /// Returns when everything in the transaction is on disk. On an error nothing of it may be taken for written.
    fn commit(&self) -> Result<(), StoreError>;
    /// Undoes the whole transaction.
    fn roll_back(&self) -> Result<(), StoreError>;
    /// Called when no more work will come.
    fn close(self);
}

/// Runs `serve` on a thread of its own with what `open` makes there; returns when that is open.
pub fn start<S: 'static>(
    name: &str,
    open: impl FnOnce() -> Result<S, StoreError> + Send + 'static,
    serve: impl FnOnce(S) + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let (opened, is_open) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(name.into()).spawn(move || match open() {
        Ok(session) => {
            let _ = opened.send(Ok(()));
            serve(session);
        }
        Err(problem) => {
            let _ = opened.send(Err(problem));
        }
    });
    let thread = thread.map_err(|error| StoreError::Unavailable(format!("no thread can be started: {error}")))?;
    is_open.recv().map_err(|_| StoreError::Panicked)??;
    Ok(thread)
}

/// Waits for a piece of work and takes what else is there already, until `enough`. `false` when no more will come.
pub fn take<T>(queue: &mut mpsc::Receiver<T>, into: &mut VecDeque<T>, enough: impl Fn(&VecDeque<T>) -> bool) -> bool {
    let Some(first) = queue.blocking_recv() else { return false };
    into.push_back(first);
    while !enough(into)
        && let Ok(next) = queue.try_recv()
    {
        into.push_back(next);
    }
    true
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

/// For work from outside, whose sender can wait better than this process can.
pub fn refused<T>(error: mpsc::error::TrySendError<T>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(_) => {
            StoreError::Unavailable(format!("{QUEUE} writes wait for the disk already"))
        }
        mpsc::error::TrySendError::Closed(_) => gone(),
    }
}

/// `StoreError` cannot be copied; what the callers need of it is that it failed, and why.
pub fn reason_of(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(reason) => reason.clone(),
        other => other.to_string(),
    }
}
