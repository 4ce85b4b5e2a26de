//! The loop that erases what is no longer needed of people who were not referred.
//!
//! Most customers of most merchants were never referred. Their webhooks are needed for as long as a code may still
//! appear, and for nothing after that; that they came, when, and what was decided stays, so that a repeated webhook is
//! still recognised. It must never erase what may yet become a referral event, nor what Cello was told.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use super::policy::REFUND_HOLD;
use super::stopped;
use crate::attribution::LATE_CODE_LIMIT;
use crate::clock::Clock;
use crate::decision::Reason;
use crate::store::{Erasing, Store, StoreError};

/// Webhooks looked at in one transaction: few enough that nobody waits for it.
const BATCH: usize = 256;

/// How often it is looked for what may be erased.
const EVERY: Duration = Duration::from_secs(3600);

/// Undecided for longer than this, webhooks pile up, and one of them may bring the code that others still need.
const BEHIND: SignedDuration = SignedDuration::from_mins(1);

/// How long a body is kept from its arrival: as long as a code may appear late, and the provider may repeat the webhook
/// that brings it.
pub fn kept() -> SignedDuration {
    LATE_CODE_LIMIT + REFUND_HOLD
}

pub struct Eraser {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
}

impl Eraser {
    /// Erases until `stop` is true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let erased = tokio::select! {
                () = stopped(&mut stop) => break,
                erased = self.erase() => erased,
            };
            match erased {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "bodies of webhooks that are nobody's referral were erased"),
                Err(problem) => tracing::error!(%problem, "old bodies could not be erased; it is tried again"),
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Erases all there is to erase now, in small steps, and returns how many bodies that were.
    pub async fn erase(&self) -> Result<usize, StoreError> {
        let now = (self.clock)();
        let undecided = self.store.undecided(1).await?;
        if undecided.iter().any(|webhook| now.duration_since(webhook.received_at) > BEHIND) {
            return Ok(0);
        }
        let Ok(before) = now.checked_sub(kept()) else { return Ok(0) };
        let mut count = 0;
        let mut after = None;
        loop {
            let erasing = Erasing {
                before,
                after,
                limit: BATCH,
                reasons: Reason::ALL.iter().copied().filter(|reason| reason.is_nobodys_referral()).collect(),
                reasons_of_strangers: vec![Reason::HoldExpired, Reason::NoCommercialChange, Reason::NotStarted],
            };
            let erased = self.store.erase_bodies(erasing, now).await?;
            count += erased.bodies;
            if erased.last.is_none() {
                return Ok(count);
            }
            after = erased.last;
        }
    }
}
