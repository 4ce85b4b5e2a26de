//! A store that stands in front of another: what it does not do itself, that one does. So a test says only what is
//! different about its store.

use std::ops::Deref;
use std::time::Duration;

use async_trait::async_trait;
use cello_relay::decision::Reason;
use cello_relay::facts::Scope;
use cello_relay::store::*;
use jiff::Timestamp;

/// Makes a store of what stands in front of one: a trait for all would be another crate's trait for any type.
pub struct Front<T>(pub T);

impl<T> Deref for Front<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

macro_rules! in_front {
    ($(async fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        pub trait InFront: Send + Sync {
            fn behind(&self) -> &dyn Store;

            fn is_shared(&self) -> bool {
                self.behind().is_shared()
            }
            fn stats(&self) -> WriteStats {
                self.behind().stats()
            }
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.behind().$name($($argument),*).await
            })*
        }

        #[async_trait]
        impl<T: InFront> Store for Front<T> {
            fn is_shared(&self) -> bool {
                self.0.is_shared()
            }
            fn stats(&self) -> WriteStats {
                self.0.stats()
            }
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.0.$name($($argument),*).await
            })*
        }
    };
}

in_front! {
    async fn probe() -> ();
    async fn goes_to(cello: &str, now: Timestamp) -> String;
    async fn note_pause(pause: Option<Pause>) -> ();
    async fn pause() -> Option<Pause>;
    async fn receive(webhook: NewWebhook) -> Receipt;
    async fn undecided(limit: usize) -> Vec<Webhook>;
    async fn transact(work: Work<()>) -> ();
    async fn due_holds(now: Timestamp, limit: usize) -> Vec<HeldFact>;
    async fn claim(now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Vec<Claimed>;
    async fn record(attempt: Attempt) -> ();
    async fn give_back(claimed: Vec<Claimed>) -> ();
    async fn recover(now: Timestamp, hold_after: u32) -> Recovered;
    async fn next_due() -> Option<Timestamp>;
    async fn overdue_since() -> Option<Timestamp>;
    async fn blocked() -> Blocked;
    async fn pass_signups(before: Timestamp, now: Timestamp, limit: usize) -> Vec<i64>;
    async fn oldest_waiting() -> Option<Timestamp>;
    async fn counts() -> Counts;
    async fn held() -> Vec<(String, i64)>;
    async fn list(filter: EventFilter) -> Vec<EventRow>;
    async fn life(id: &str) -> Vec<Life>;
    async fn lives_after(webhook: i64, since: Option<Timestamp>, limit: usize) -> Vec<Life>;
    async fn webhooks_after(webhook: i64, limit: usize) -> Vec<PastWebhook>;
    async fn referral_events_after(key: &str, limit: usize) -> Vec<PastEvent>;
    async fn known(scope: Scope, about: About) -> Known;
    async fn known_rows(table: &'static Table, after: Vec<String>, limit: usize) -> Vec<Row>;
    async fn customers(name: &str) -> Vec<ScopedCustomer>;
    async fn said_of_codes(faults: Vec<Reason>) -> SaidOfCodes;
    async fn retry(ids: Vec<i64>, now: Timestamp, apart: Duration) -> Vec<i64>;
    async fn decide_again(webhooks: Vec<i64>) -> Vec<i64>;
    async fn discard(discarding: Discarding, now: Timestamp) -> Vec<i64>;
    async fn open_refunds(purchase: i64) -> Vec<i64>;
    async fn confirm(ids: Vec<i64>, person: ByPerson, now: Timestamp) -> Vec<i64>;
    async fn erase_bodies(erasing: Erasing, now: Timestamp) -> Erased;
    async fn erase_settled(settled: Settled, now: Timestamp) -> Erased;
    async fn forget(forgetting: Forgetting, now: Timestamp) -> Forgotten;
}
