//! Webhooks that were there undecided when this process began: one of them may be what ended the one before.
//!
//! A panic is caught and undone, but nothing catches an abort, a stack that overflows or the lack of memory. So before
//! such webhooks are decided, that they are tried is written. The first time they are tried together; what is found
//! tried already is tried alone; and what was tried three times is set aside, so that the others go on. All this must
//! cost nothing once the relay has caught up: what arrives later is decided without it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Decider;
use crate::store::{StoreError, Webhook};

/// Processes that may end over one webhook.
const TRIES: u32 = 3;

#[derive(Default)]
pub struct Left {
    is_over: AtomicBool,
    /// How often each had been tried when this process found it: trying again because the store could not write is no
    /// other try.
    found: Mutex<HashMap<i64, u32>>,
}

impl Left {
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.found().clear();
    }

    fn tries_before(&self, webhook: &Webhook) -> u32 {
        *self.found().entry(webhook.id).or_insert(webhook.tries)
    }

    fn found(&self) -> std::sync::MutexGuard<'_, HashMap<i64, u32>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decider {
    pub(super) async fn decide_left(&self, webhooks: Vec<Webhook>) -> Result<(), StoreError> {
        let tries = |webhook: &Webhook| self.left.tries_before(webhook);
        for group in webhooks.chunk_by(|one, next| tries(one) == 0 && tries(next) == 0) {
            let before = tries(&group[0]);
            if before < TRIES {
                self.note_try(group, before + 1).await?;
                self.decide_together(group.to_vec()).await?;
            } else {
                self.set_aside_what_ends_us(&group[0]).await?;
            }
        }
        Ok(())
    }

    async fn note_try(&self, webhooks: &[Webhook], tries: u32) -> Result<(), StoreError> {
        let ids: Vec<i64> = webhooks.iter().map(|webhook| webhook.id).collect();
        self.store
            .transact(Box::new(move |ledger| ids.into_iter().try_for_each(|id| ledger.put_tries(id, tries))))
            .await
    }

    async fn set_aside_what_ends_us(&self, webhook: &Webhook) -> Result<(), StoreError> {
        tracing::error!(
            provider = webhook.scope.provider,
            event_id = webhook.event_id,
            "this program ended {TRIES} times while it decided a webhook; it is kept and set aside, the others go on, and \
             `cello-relay events decide` has it tried again"
        );
        let note = format!("the program ended {TRIES} times while it decided this");
        self.set_aside(webhook, note).await
    }
}
