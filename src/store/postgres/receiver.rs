//! The thread that receives: it does nothing but keep webhooks, on a connection of its own, so that no answer waits for
//! deciding or delivering.
//!
//! All webhooks that wait go to the server in one statement and share one flush. Nobody gets an answer before that; if it
//! fails for them together, each is tried alone, so that one that cannot be kept harms no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::super::threads::{self, BATCH, QUEUE, Session as _, Totals};
use super::super::{NewWebhook, Receipt, StoreError, WriteStats};
use super::session::Session;
use super::webhooks;

/// Bytes of bodies in one statement: beyond it the next webhooks wait for the next one.
const BYTES: usize = 16 * 1024 * 1024;

pub struct Receiver {
    /// `None` only while being dropped.
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    totals: Arc<Totals>,
}

struct Waiting {
    webhook: NewWebhook,
    answer: oneshot::Sender<Result<Receipt, StoreError>>,
}

impl Receiver {
    pub fn start(open: impl FnOnce() -> Result<Session, StoreError> + Send + 'static) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let totals = Arc::new(Totals::default());
        let thread = threads::start("store-receiver", open, {
            let totals = totals.clone();
            move |db| serve(db, waiting, &totals)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), totals })
    }

    /// Returns when the webhook is on disk; refuses at once when too many wait.
    pub async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        let (answer, receipt) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(threads::gone)?;
        queue.try_send(Waiting { webhook, answer }).map_err(threads::refused)?;
        receipt.await.map_err(|_| threads::gone())?
    }

    pub fn stats(&self) -> WriteStats {
        self.totals.stats(self.queue.as_ref())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.queue.take());
        threads::join(self.thread.take());
    }
}

fn serve(db: Session, mut queue: mpsc::Receiver<Waiting>, totals: &Totals) {
    let mut waiting = VecDeque::with_capacity(BATCH);
    let enough = |waiting: &VecDeque<Waiting>| {
        waiting.len() == BATCH || waiting.iter().map(|waiting| waiting.webhook.body.len()).sum::<usize>() >= BYTES
    };
    while threads::take(&mut queue, &mut waiting, enough) {
        let batch: Vec<Waiting> = waiting.drain(..).collect();
        match keep(&db, &batch, totals) {
            Ok(receipts) => answer(batch, receipts),
            Err(StoreError::Unavailable(reason)) => {
                for Waiting { answer, .. } in batch {
                    let _ = answer.send(Err(StoreError::Unavailable(reason.clone())));
                }
            }
            Err(_) => {
                for one in batch {
                    let receipt = keep(&db, std::slice::from_ref(&one), totals);
                    let _ = one.answer.send(receipt.map(|receipts| receipts[0]));
                }
            }
        }
    }
    db.close();
}

fn answer(batch: Vec<Waiting>, receipts: Vec<Receipt>) {
    for (Waiting { answer, .. }, receipt) in batch.into_iter().zip(receipts) {
        // Whoever asked may have gone away; what was kept stays kept.
        let _ = answer.send(Ok(receipt));
    }
}

fn keep(db: &Session, batch: &[Waiting], totals: &Totals) -> Result<Vec<Receipt>, StoreError> {
    let kept = in_transaction(db, batch, totals);
    if kept.is_err() {
        totals.failed();
        let _ = db.roll_back();
    }
    kept
}

fn in_transaction(db: &Session, batch: &[Waiting], totals: &Totals) -> Result<Vec<Receipt>, StoreError> {
    db.begin()?;
    let webhooks: Vec<&NewWebhook> = batch.iter().map(|waiting| &waiting.webhook).collect();
    let receipts = webhooks::receive(db, &webhooks)?;
    let began = Instant::now();
    db.commit()?;
    totals.flushed(began, batch.len());
    Ok(receipts)
}
