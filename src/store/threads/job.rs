//! A piece of work on its way to a thread that owns a connection, and the answer on its way back.
//!
//! The answer is kept back until the thread says what became of the transaction: nobody may be told that something
//! is stored before it is. Work that panics must not take the thread with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::super::StoreError;

pub type AnyJob<S> = Box<dyn Job<S>>;

/// Work whose result type is forgotten, so that different work can wait in one queue.
pub trait Job<S>: Send {
    /// Does the work and keeps its result. An error says that what it wrote must be undone.
    fn run(&mut self, db: &S) -> Result<(), StoreError>;

    /// Tells whoever waits: the kept result when `outcome` is good, else the error.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// Work and the place where its answer will appear.
pub fn job<S, T, F>(work: F) -> (AnyJob<S>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    (Box::new(Task { work: Some(work), result: None, sender }), receiver)
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<T>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<S, T, F> Job<S> for Task<T, F>
where
    T: Send,
    F: FnOnce(&S) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &S) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Panicked)?;
        // Nothing the work touched is looked at after a panic but the connection, whose writes are rolled back.
        let result = catch_unwind(AssertUnwindSafe(|| work(db))).map_err(|_| StoreError::Panicked)??;
        self.result = Some(result);
        Ok(())
    }

    fn answer(mut self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = outcome.and_then(|()| self.result.take().ok_or(StoreError::Panicked));
        // Whoever asked may have gone away; what was done stays done.
        let _ = self.sender.send(answer);
    }
}
