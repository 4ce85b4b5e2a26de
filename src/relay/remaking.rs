//! Remakes refused referral events for a person: tries out what would come of it, and does just that.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::decide::{Decided, Remade, Remaking, decide_discarded, remake};
use super::policy::Policy;
use crate::store::{Ledger, Store, StoreError};

/// What is not as it was shown.
const CHANGED: &str = "it changed meanwhile; look at it again";

/// Remakes events of one store by today's policy.
pub struct Remaker {
    pub store: Arc<dyn Store>,
    pub policy: Arc<Policy>,
    /// Who decides this.
    pub by: String,
    /// Whether that person says that Cello does not have what was sent without an answer.
    pub is_not_there: bool,
    pub now: Timestamp,
}

impl Remaker {
    /// What would come of remaking an event. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the store cannot do it.
    pub async fn try_out(&self, id: i64) -> Result<Remaking, StoreError> {
        self.remake(id, |_| false).await
    }

    /// Remakes an event, if what comes of it is what was `shown`; else says why not.
    ///
    /// # Errors
    ///
    /// When the store cannot do it.
    pub async fn apply(&self, shown: &Remade) -> Result<Result<(), String>, StoreError> {
        let (before, now) = (shown.before.body.clone(), shown.now.body.clone());
        let is_as_shown = move |remade: &Remade| remade.before.body == before && remade.now.body == now;
        Ok(match self.remake(shown.before.id, is_as_shown.clone()).await? {
            Ok(remade) if is_as_shown(&remade) => Ok(()),
            Ok(_) => Err(CHANGED.to_owned()),
            Err(why) => Err(why),
        })
    }

    async fn remake(
        &self,
        id: i64,
        is_kept: impl FnOnce(&Remade) -> bool + Send + 'static,
    ) -> Result<Remaking, StoreError> {
        let (policy, by, is_not_there, now) = (self.policy.clone(), self.by.clone(), self.is_not_there, self.now);
        in_transaction(&self.store, move |ledger| {
            let remaking = remake(ledger, &policy, id, &by, is_not_there, now)?;
            let is_kept = remaking.as_ref().is_ok_and(|remade| is_kept(remade));
            Ok((remaking, is_kept))
        })
        .await
    }
}

/// Decides what was discarded of webhooks again by `policy` at `now`, if that is possible; else says why not.
///
/// # Errors
///
/// When the store cannot do it.
pub async fn decide_what_was_discarded(
    store: &Arc<dyn Store>,
    policy: &Arc<Policy>,
    id: i64,
    is_only_tried: bool,
    now: Timestamp,
) -> Result<Result<Decided, String>, StoreError> {
    let policy = policy.clone();
    in_transaction(store, move |ledger| {
        let decided = decide_discarded(ledger, &policy, id, now)?;
        let is_kept = decided.is_ok() && !is_only_tried;
        Ok((decided, is_kept))
    })
    .await
}

/// Runs `work` in a transaction, brings its result along, and undoes the transaction unless it is to be kept.
async fn in_transaction<T: Send + 'static>(
    store: &Arc<dyn Store>,
    work: impl FnOnce(&mut dyn Ledger) -> Result<(T, bool), StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    let done = store.transact(Box::new(move |ledger| {
        let (result, is_kept) = work(ledger)?;
        // Whoever asked is waiting right below.
        let _ = answer.send(result);
        if is_kept { Ok(()) } else { Err(StoreError::Undone) }
    }));
    match done.await {
        Ok(()) | Err(StoreError::Undone) => {}
        Err(problem) => return Err(problem),
    }
    answered.await.map_err(|_| StoreError::Unavailable("the store ended while it was asked".to_owned()))
}
