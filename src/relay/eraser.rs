//! The loop that erases what is no longer needed.
//!
//! Most customers of most merchants were never referred. Their webhooks are needed for as long as a code may still
//! appear, and for nothing after that; what is settled of the others is kept for as long as the settings say. That a
//! webhook came, when, what was decided and what Cello was told stays, so that a repeated webhook is still recognised
//! and a refund finds its purchase. It must never erase what may yet become a referral event, nor one that is not over.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::policy::REFUND_HOLD;
use super::stopped;
use crate::attribution::LATE_CODE_LIMIT;
use crate::cello::wire;
use crate::clock::Clock;
use crate::decision::Reason;
use crate::store::{Arrival, Erased, Erasing, Settled, Store, StoreError, WebhookState};

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
    /// How long the body of a webhook that is settled is kept from its arrival.
    pub settled_kept: SignedDuration,
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
                Ok(count) => {
                    tracing::info!(count, "bodies of old webhooks were erased; what was decided and sent stays")
                }
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
        let nobodys = self.all(|after| self.nobodys(now, after)).await?;
        let ignored = self.all(|after| self.settled(WebhookState::Ignored, now, after)).await?;
        let mapped = self.all(|after| self.settled(WebhookState::Mapped, now, after)).await?;
        Ok(nobodys + ignored + mapped)
    }

    /// Takes one step after the other until there is nothing more to look at.
    async fn all<F>(&self, step: impl Fn(Option<Arrival>) -> F) -> Result<usize, StoreError>
    where
        F: Future<Output = Result<Erased, StoreError>>,
    {
        let (mut count, mut after) = (0, None);
        loop {
            let erased = step(after).await?;
            count += erased.bodies;
            if erased.last.is_none() {
                return Ok(count);
            }
            after = erased.last;
        }
    }

    async fn nobodys(&self, now: Timestamp, after: Option<Arrival>) -> Result<Erased, StoreError> {
        let erasing = Erasing {
            before: now.checked_sub(kept()).unwrap_or(Timestamp::MIN),
            after,
            limit: BATCH,
            reasons: Reason::ALL.iter().copied().filter(|reason| reason.is_nobodys_referral()).collect(),
            reasons_of_strangers: vec![
                Reason::HoldExpired,
                Reason::NoCommercialChange,
                Reason::NotStarted,
                Reason::PurchaseNotReported,
                Reason::PurchaseUnknown,
                Reason::ReportedElsewhere,
                Reason::NotFullyPaid,
                Reason::SaleWithoutInvoice,
                Reason::PaymentLinkUnknown,
            ],
        };
        self.store.erase_bodies(erasing, now).await
    }

    async fn settled(&self, state: WebhookState, now: Timestamp, after: Option<Arrival>) -> Result<Erased, StoreError> {
        let before = now.checked_sub(self.settled_kept).unwrap_or(Timestamp::MIN);
        let settled = Settled { state, before, after, limit: BATCH, without_person: wire::without_person };
        self.store.erase_settled(settled, now).await
    }
}
