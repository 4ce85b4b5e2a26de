//! What is on disk, and the one contract through which the rest of the program sees it.
//!
//! Everything that must be true at the same time is written in one transaction. No SQL stands outside this folder,
//! and nothing in it decides anything: it keeps what it is told and finds it again.

mod erasing;
mod forgetting;
mod history;
mod known_rows;
mod ledger;
mod moving;
mod outbox;
mod past;
mod postgres;
mod records;
mod sqlite;
mod statements;
mod threads;
mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::decision::Reason;
use crate::facts::{
    Carried, KnownCode, KnownCustomer, KnownPurchase, KnownSubscription, Payment, PaymentLink, Plan, Scope,
};

pub use erasing::*;
pub use forgetting::{Forgetting, Forgotten, ForgottenCustomer, InTheWay};
pub use history::*;
pub use known_rows::known_tables;
pub use moving::{Moved, Row, Table, move_to_server, moved_columns};
pub use past::*;
pub use postgres::{Postgres, Server};
pub use records::*;
pub use sqlite::{DecisionCount, Scratch, Sqlite};

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the store cannot be opened at {path}: {problem}")]
    Open { path: String, problem: String },
    #[error("no copy can be made at {path}: {problem}")]
    Copy { path: String, problem: String },
    #[error(
        "the store was written by a newer version of cello-relay (schema {found}, this one knows {known}); run that version, or restore a backup made before the upgrade"
    )]
    TooNew { found: i64, known: i64 },
    #[error("another cello-relay is running on {path}; stop it first, or give this one a `database_url` of its own")]
    InUse { path: String },
    #[error("the store cannot take it now: {0}")]
    Unavailable(String),
    #[error("the store holds something it should not: {0}")]
    Damaged(String),
    /// Nothing went wrong: work undid itself, because it was only to see what would come of it.
    #[error("it was only tried out, and undone")]
    Undone,
    /// A fault in this program: what was to be done is undone, and the store goes on.
    #[error("work in the store panicked and was undone; the log has the place")]
    Panicked,
}

/// Opens the store that `database_url` names. The process that `serves` creates what is missing; commands beside it open
/// what is there.
///
/// # Errors
///
/// When it cannot be used, with the reason and what to do; never with a password that is in `database_url`.
pub fn open(database_url: &str, serves: bool) -> Result<Arc<dyn Store>, StoreError> {
    if is_on_server(database_url) {
        return Ok(Arc::new(Postgres::open(database_url, serves)?));
    }
    Ok(Arc::new(Sqlite::open(database_url, serves)?))
}

/// A store that is not there, so that `serve` would begin with an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The file, or the database without its password.
    pub name: String,
    /// Whether something of an earlier store is still there.
    pub was_there: bool,
}

impl Missing {
    /// What `database_url` names, if it is not there; `None` too where that cannot be told, which opening it will.
    pub fn find(database_url: &str) -> Option<Self> {
        if is_on_server(database_url) {
            let server = Server::ask(database_url).ok().filter(|server| !server.has_tables)?;
            return Some(Self { name: server.name, was_there: false });
        }
        let (file, was_there) = Sqlite::missing(database_url)?;
        Some(Self { name: file.display().to_string(), was_there })
    }
}

/// Whether `database_url` names a server, and not a file.
pub fn is_on_server(database_url: &str) -> bool {
    postgres::is_one(database_url)
}

/// Work to be done in one transaction, atomically: all of it or, on an error, none.
pub type Work<T> = Box<dyn FnOnce(&mut dyn Ledger) -> Result<T, StoreError> + Send>;

/// The outer contract: what the loops and the commands call. In this order: the store itself; receiving and deciding;
/// delivering; sums; lists and lives; going through all of it; what a person changes; erasing.
///
/// What writes has reached the disk when it returns. An error means that nothing may be taken for done:
/// [`StoreError::Unavailable`] while the disk or the server cannot take it, so that the same may be tried again later;
/// [`StoreError::Damaged`] where it holds what this program never wrote. Numbers of webhooks and of referral events are
/// those of this store. A `limit` is the most that is returned.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether other processes may send from it at the same time.
    fn is_shared(&self) -> bool;

    /// Writes something and reads it back: fails where the store cannot do both.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Which Cello the referral events of this store go to: `cello`, unless the first who asked named another. What one
    /// was told the other does not know, so nobody sends from a store of another.
    async fn goes_to(&self, cello: &str, now: Timestamp) -> Result<String, StoreError>;

    /// Keeps that delivery is paused, for those who ask beside the relay; `None` that it goes on.
    async fn note_pause(&self, pause: Option<Pause>) -> Result<(), StoreError>;

    /// Whether delivery is paused, as the relay that looked last has kept it.
    async fn pause(&self) -> Result<Option<Pause>, StoreError>;

    /// What this process has written since it opened the store.
    fn stats(&self) -> WriteStats;

    /// Keeps a webhook. Many callers waiting at once share one flush; where too many wait already, it fails at once.
    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError>;

    /// The first webhooks, in order of arrival, that nothing was decided about yet.
    async fn undecided(&self, limit: usize) -> Result<Vec<Webhook>, StoreError>;

    /// Runs `work` in a transaction of its own; on an error nothing of it remains.
    async fn transact(&self, work: Work<()>) -> Result<(), StoreError>;

    /// Held facts that at `now` are past their deadline or due for another look-up, longest due first.
    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError>;

    /// Takes referral events that are due for sending, longest due first, at most one for each subject and none for a
    /// subject that has an earlier one unfinished or one in sending. They are leased until `lease_until`. What is due in
    /// more than 25 hours, which only a clock that was set back since can cause, is due. Where one is due whose last
    /// sender died, that one alone is taken by who is alone, and nothing by who is not.
    async fn claim(&self, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError>;

    /// Records one attempt and what follows from it. Where the lease was lost meanwhile, the attempt is kept but the
    /// referral event stays as it is, unless the attempt delivered it: what Cello has is delivered, whatever else
    /// was thought of it.
    async fn record(&self, attempt: Attempt) -> Result<(), StoreError>;

    /// Gives back what was claimed and not tried: due as before. What another claim holds by now stays with that.
    async fn give_back(&self, claimed: Vec<Claimed>) -> Result<(), StoreError>;

    /// Referral events whose lease ended by `now` without a record: their sender died while sending. Each becomes
    /// `unsure` when that was its `hold_after`th sender in a row, else waits again, due as before, with an attempt that
    /// says what happened and counts. `Timestamp::MAX` takes all that are in sending: for the start of the one process
    /// that sends. In a backup that is taken up for the first time, whatever waits may have been sent since: all of it
    /// becomes `unsure` where the first lost sender is enough for that.
    async fn recover(&self, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError>;

    /// When the next referral event that could be claimed is due, if any: one that waits for its turn within its
    /// subject is not counted.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// When the waiting referral event that has been due longest was first due: in the future where none is due, `None`
    /// where none waits or all that wait are blocked.
    async fn overdue_since(&self) -> Result<Option<Timestamp>, StoreError>;

    /// What is blocked by a dead or unsure referral event.
    async fn blocked(&self) -> Result<Blocked, StoreError>;

    /// Lets referral events go that have been blocked by their signup since `before` or longer, with a warning; returns
    /// their numbers.
    async fn pass_signups(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<i64>, StoreError>;

    /// When the oldest referral event that waits was decided, whether it is due or not; `None` where none waits.
    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The terms of both equations, at one moment.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// How many facts are held, by the code of their reason.
    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError>;

    /// Facts and what became of them, newest first: by webhook, or by referral event where the filter's state is one of
    /// those. Nothing for a word that is no state.
    async fn list(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError>;

    /// The lives of all webhooks about whatever `id` names, in order of arrival: a provider's event id, a business key,
    /// an invoice, customer, user or subscription id, or the number of a referral event.
    async fn life(&self, id: &str) -> Result<Vec<Life>, StoreError>;

    /// The lives of the webhooks after the one with the number `webhook`, in order of arrival, that first arrived at
    /// `since` or later. From the start with 0.
    async fn lives_after(&self, webhook: i64, since: Option<Timestamp>, limit: usize) -> Result<Vec<Life>, StoreError>;

    /// The webhooks after the one with the number `webhook`, in order of arrival, erased ones included. From the start
    /// with 0.
    async fn webhooks_after(&self, webhook: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError>;

    /// The referral events after the one with this key, in the order of their keys, compared byte by byte. From the
    /// start with an empty key.
    async fn referral_events_after(&self, key: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError>;

    /// What the directory knows of what is asked `about`, at one moment.
    async fn known(&self, scope: Scope, about: About) -> Result<Known, StoreError>;

    /// The next rows of a table of the directory, in the order of its key: after this one, or from the start with none.
    async fn known_rows(&self, table: &'static Table, after: Vec<String>, limit: usize)
    -> Result<Vec<Row>, StoreError>;

    /// The customers with this id, of whatever provider and account, and those who stand for this user or organization.
    async fn customers(&self, name: &str) -> Result<Vec<ScopedCustomer>, StoreError>;

    /// What Cello said of codes: the answers that are kept, and which facts were ignored for one of these reasons, or
    /// told with a warning of that name.
    async fn said_of_codes(&self, faults: Vec<Reason>) -> Result<SaidOfCodes, StoreError>;

    /// Lets dead, unsure, waiting and confirmed ones of these referral events be sent with a fresh count of attempts: the
    /// first of them `now`, each other so long after the one before. Returns those it applied to.
    async fn retry(&self, ids: Vec<i64>, now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError>;

    /// Lets unreadable webhooks be decided again, as if they had just arrived. Returns those it applied to: not those
    /// whose body is erased.
    async fn decide_again(&self, webhooks: Vec<i64>) -> Result<Vec<i64>, StoreError>;

    /// Gives up on waiting, unsure and dead ones of these referral events, in the name of a person. Returns those it
    /// applied to.
    async fn discard(&self, discarding: Discarding, now: Timestamp) -> Result<Vec<i64>, StoreError>;

    /// The refunds of a purchase that are neither delivered, confirmed nor discarded, oldest first.
    async fn open_refunds(&self, purchase: i64) -> Result<Vec<i64>, StoreError>;

    /// Takes waiting, unsure and dead ones of these referral events for delivered, because a person says that Cello has
    /// them. Returns those it applied to.
    async fn confirm(&self, ids: Vec<i64>, person: ByPerson, now: Timestamp) -> Result<Vec<i64>, StoreError>;

    /// Erases bodies of webhooks, in order of arrival. Everything else of a webhook stays, so that one that comes again
    /// is still recognised; its facts cannot be decided again.
    async fn erase_bodies(&self, erasing: Erasing, now: Timestamp) -> Result<Erased, StoreError>;

    /// The same for what is settled. The referral events that came of it keep all but the person in their bodies.
    async fn erase_settled(&self, settled: Settled, now: Timestamp) -> Result<Erased, StoreError>;

    /// Erases what is kept of a person, or says what it would: nothing, as long as something of theirs is not over.
    async fn forget(&self, forgetting: Forgetting, now: Timestamp) -> Result<Forgotten, StoreError>;
}

/// The inner contract: what deciding needs, within one transaction. Whoever gets an error hands it on, so that all of
/// the work is undone.
///
/// Ids are the provider's and hold within their scope. What is put takes the place of what stands there, unless it says
/// otherwise.
pub trait Ledger {
    fn customer(&mut self, scope: &Scope, id: &str) -> Result<Option<KnownCustomer>, StoreError>;
    fn put_customer(&mut self, scope: &Scope, customer: &KnownCustomer) -> Result<(), StoreError>;

    fn subscription(&mut self, scope: &Scope, id: &str) -> Result<Option<KnownSubscription>, StoreError>;
    fn put_subscription(&mut self, scope: &Scope, subscription: &KnownSubscription) -> Result<(), StoreError>;

    /// The period and product that a price stands for.
    fn price(&mut self, scope: &Scope, id: &str) -> Result<Option<Plan>, StoreError>;
    /// A price without an id is passed over.
    fn put_price(&mut self, scope: &Scope, plan: &Plan) -> Result<(), StoreError>;

    /// What is known of a payment itself.
    fn payment(&mut self, scope: &Scope, id: &str) -> Result<Option<Payment>, StoreError>;
    fn put_payment(&mut self, scope: &Scope, payment: &Payment) -> Result<(), StoreError>;

    /// The invoices that a payment, known by its own id or its charge's, settles: in the order of their ids.
    fn links_of_payment(&mut self, scope: &Scope, payment: &str) -> Result<Vec<PaymentLink>, StoreError>;
    /// The payments that settle an invoice, in the order of their ids.
    fn links_of_invoice(&mut self, scope: &Scope, invoice: &str) -> Result<Vec<PaymentLink>, StoreError>;
    /// Adds one; what the one that is there says more than this one stays.
    fn put_link(&mut self, scope: &Scope, link: &PaymentLink) -> Result<(), StoreError>;
    /// Whether any payment of this account was ever linked to an invoice.
    fn has_links(&mut self, scope: &Scope) -> Result<bool, StoreError>;

    /// Which reported purchases carry the money of a payment, in the order of their ids.
    fn carried_of_payment(&mut self, scope: &Scope, payment: &str) -> Result<Vec<Carried>, StoreError>;
    /// The payments whose money a reported purchase carries, in the order of their ids.
    fn carried_by_purchase(&mut self, scope: &Scope, purchase: &str) -> Result<Vec<Carried>, StoreError>;
    fn put_carried(&mut self, scope: &Scope, carried: &Carried) -> Result<(), StoreError>;

    /// Refunds of a payment's money that no purchase carried, with the amount of each in minor units.
    fn unreported_refunds(&mut self, scope: &Scope, payment: &str) -> Result<Vec<(String, i64)>, StoreError>;
    fn put_unreported_refund(
        &mut self,
        scope: &Scope,
        payment: &str,
        refund: &str,
        amount: i64,
    ) -> Result<(), StoreError>;

    /// A purchase that was reported: by its invoice, by its payment for a sale without one, or by `invoice:payment` for
    /// an invoice that was paid anew.
    fn purchase(&mut self, scope: &Scope, id: &str) -> Result<Option<KnownPurchase>, StoreError>;
    /// The reported purchases of a customer that were paid between two moments, both included, in the order of their times.
    fn purchases_between(
        &mut self,
        scope: &Scope,
        customer: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(String, KnownPurchase)>, StoreError>;
    fn put_purchase(&mut self, scope: &Scope, id: &str, purchase: &KnownPurchase) -> Result<(), StoreError>;
    fn remove_purchase(&mut self, scope: &Scope, id: &str) -> Result<(), StoreError>;
    /// Removes what this purchase carries of whatever payments.
    fn remove_carried(&mut self, scope: &Scope, purchase: &str) -> Result<(), StoreError>;
    fn remove_unreported_refund(&mut self, scope: &Scope, payment: &str, refund: &str) -> Result<(), StoreError>;
    /// Whether there is a reported purchase from before `before` for whose money no payment is known.
    fn has_unlinked_before(&mut self, scope: &Scope, before: Timestamp) -> Result<bool, StoreError>;

    /// A customer with a code that stands for this user: of several, the one that was complete first.
    fn customer_of_user(&mut self, scope: &Scope, user: &str) -> Result<Option<String>, StoreError>;

    /// What is known to be refunded of a charge: stretches `(from, to]` of its running total, in minor units.
    fn refunded(&mut self, scope: &Scope, charge: &str) -> Result<Vec<(i64, i64)>, StoreError>;
    /// Adds one to those.
    fn put_refunded(&mut self, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError>;

    /// Takes one out of those.
    fn remove_refunded(&mut self, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError>;

    /// The first code that was reported for a user.
    fn pinned_code(&mut self, user: &str) -> Result<Option<String>, StoreError>;
    /// Pins a code; a user that has one keeps it.
    fn pin_code(&mut self, user: &str, ucc: &str) -> Result<(), StoreError>;

    /// Cello's last answer about a code, if it was not forgotten since.
    fn code(&mut self, ucc: &str) -> Result<Option<KnownCode>, StoreError>;
    fn put_code(&mut self, code: &KnownCode) -> Result<(), StoreError>;
    /// Forgets the answers to what was asked before `before`.
    fn forget_codes(&mut self, before: Timestamp) -> Result<(), StoreError>;

    /// The referral event with this business key, whatever became of it.
    fn reported(&mut self, key: &str) -> Result<Option<Reported>, StoreError>;
    /// The newest decision on a fact with this business key.
    fn decision_on(&mut self, key: &str) -> Result<Option<DecisionState>, StoreError>;
    /// Whether nothing was decided about a webhook yet.
    fn is_undecided(&mut self, webhook: i64) -> Result<bool, StoreError>;
    /// Keeps how often the deciding of a webhook was begun; of one that was decided meanwhile, nothing.
    fn put_tries(&mut self, webhook: i64, tries: u32) -> Result<(), StoreError>;
    /// The decisions on all facts of a webhook.
    fn decision_states(&mut self, webhook: i64) -> Result<Vec<DecisionState>, StoreError>;

    fn webhook(&mut self, id: i64) -> Result<Option<Webhook>, StoreError>;
    /// Facts that wait for, or may be decided again by, `topic`, in the order in which they happened.
    fn waiting_for(&mut self, topic: &str) -> Result<Vec<HeldFact>, StoreError>;

    /// Has a held fact looked after at `at`: before its deadline, or after it where that has passed.
    fn look_up_at(&mut self, held: &HeldFact, at: Timestamp) -> Result<(), StoreError>;

    /// Writes the decision on one fact of a webhook, in place of an earlier one on the same fact.
    fn put_decision(&mut self, decision: &DecisionRecord) -> Result<(), StoreError>;
    /// Adds a referral event that is to be delivered. `false` when one with its key exists: nothing is added.
    fn add_referral_event(&mut self, event: &NewReferralEvent) -> Result<bool, StoreError>;
    /// The referral event with this number.
    fn referral_event(&mut self, id: i64) -> Result<Option<StoredEvent>, StoreError>;
    /// Puts what was decided now in the place of what an event said, and lets it be sent with a fresh count of attempts.
    /// What it said before is kept with its attempts, in the name of whom this is done `by`.
    fn replace_referral_event(
        &mut self,
        id: i64,
        event: &NewReferralEvent,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Lets another event have the business key of a discarded one.
    fn free_key(&mut self, id: i64, now: Timestamp) -> Result<(), StoreError>;
    /// Lets a webhook be found by this id, besides those of its decisions.
    fn mention(&mut self, webhook: i64, id: &str) -> Result<(), StoreError>;
    /// Sets the state of a webhook, with a note where it cannot be read.
    fn settle_webhook(&mut self, id: i64, state: WebhookState, note: Option<&str>) -> Result<(), StoreError>;
}
