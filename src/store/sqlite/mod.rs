//! The store in one SQLite file, or in memory.
//!
//! One thread writes and shares its flushes among all who wait; another reads, so that a long look at the history
//! never delays a webhook. SQL of this dialect stands in this folder and nowhere else.

mod backup;
#[cfg(test)]
mod broken_steps;
mod decisions;
mod directory;
mod erasing;
mod file;
mod forgetting;
mod history;
mod ledger;
mod marks;
mod migrations;
mod moving;
mod outbox;
mod past;
mod payments;
#[cfg(test)]
mod plans;
mod queue;
mod scratch;
mod session;
mod values;
mod webhooks;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::outbox::{self as moves, Rows};
use super::threads::{Reader, Writer};
use super::{
    About, Attempt, Blocked, ByPerson, Claimed, Counts, Discarding, Erased, Erasing, EventFilter, EventRow, Forgetting,
    Forgotten, HeldFact, Known, Life, NewWebhook, PastEvent, PastWebhook, Pause, Receipt, Recovered, Row, SaidOfCodes,
    ScopedCustomer, Settled, Store, StoreError, Table, Wanted, Webhook, Work, WriteStats,
};
use crate::decision::Reason;
use crate::facts::Scope;
use file::Place;

pub(super) use moving::Source;
pub use scratch::{DecisionCount, Scratch};

/// An open store. Dropping it finishes what is queued, and closes the file; that may take as long as a flush.
pub struct Sqlite {
    // In the order in which they must end: the last connection tidies up, and the lock outlasts both.
    /// `None` in memory, where there is one connection only.
    reader: Option<Reader<Connection>>,
    writer: Writer<Connection>,
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens `sqlite:PATH`, `sqlite://PATH` or `sqlite::memory:`.
    ///
    /// The process that `serves` creates the file where there is none, and refuses when another one serves from it.
    /// Commands beside it share the file safely.
    ///
    /// # Errors
    ///
    /// When it cannot be used, with the reason and what to do.
    pub fn open(database_url: &str, serves: bool) -> Result<Self, StoreError> {
        let path = match Place::parse(database_url)? {
            Place::Memory => return Self::in_memory(),
            Place::File(path) => path,
        };
        let opened = file::claim(&path, serves)?;
        let (writing, reading) = (file::writing(&opened)?, file::reading(&opened.path)?);
        marks::refuse_moved(&writing, &opened.path)?;
        let (writer, reader) = (Writer::start(move || Ok(writing))?, Reader::start(move || Ok(reading))?);
        Ok(Self { reader: Some(reader), writer, _lock: opened.lock })
    }

    /// The file that `database_url` names, whether or not it is there; `None` in memory.
    pub fn file(database_url: &str) -> Result<Option<PathBuf>, StoreError> {
        Ok(match Place::parse(database_url)? {
            Place::Memory => None,
            Place::File(path) => Some(path),
        })
    }

    /// The file that `database_url` names, if it is not there or empty, and whether an earlier one left something.
    pub(super) fn missing(database_url: &str) -> Option<(PathBuf, bool)> {
        let path = Self::file(database_url).ok().flatten()?;
        let is_there = path.metadata().is_ok_and(|file| file.len() > 0);
        let was_there = file::has_leftovers(&path);
        (!is_there).then_some((path, was_there))
    }

    /// A store that ends with this handle: for tests and throw-away relays.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self { reader: None, writer: Writer::start(file::in_memory)?, _lock: None })
    }

    /// Copies the file that `database_url` names to a new one, also while a relay serves from it.
    ///
    /// # Errors
    ///
    /// When there is such a file, or the copy is not sound; nothing is left then.
    pub fn back_up(database_url: &str, to: &Path, now: Timestamp) -> Result<Counts, StoreError> {
        backup::back_up(database_url, to, now)
    }

    /// Whether a process serves from the file that `database_url` names.
    pub fn is_served(database_url: &str) -> bool {
        matches!(Place::parse(database_url), Ok(Place::File(path)) if file::is_locked(&path))
    }

    /// A store that ends with the process, on disk where it does not fit into a bounded memory.
    ///
    /// # Errors
    ///
    /// When SQLite finds no folder for temporary files: it looks at `SQLITE_TMPDIR`, `TMPDIR`, `/var/tmp` and `/tmp`.
    pub fn temporary() -> Result<Self, StoreError> {
        Ok(Self { reader: None, writer: Writer::start(file::temporary)?, _lock: None })
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.reader {
            Some(reader) => reader.run(work).await,
            None => self.writer.run(work).await,
        }
    }
}

#[async_trait]
impl Store for Sqlite {
    fn is_shared(&self) -> bool {
        false
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.writer
            .run(|db| {
                db.prepare_cached("UPDATE probe SET writes = writes + 1")?.execute([])?;
                Ok(())
            })
            .await?;
        self.read(|db| Ok(db.query_row("SELECT writes FROM probe", [], |_| Ok(()))?)).await
    }

    async fn goes_to(&self, cello: &str, now: Timestamp) -> Result<String, StoreError> {
        let cello = cello.to_owned();
        self.writer.run(move |db| marks::goes_to(db, &cello, now)).await
    }

    async fn note_pause(&self, pause: Option<Pause>) -> Result<(), StoreError> {
        self.writer.run(move |db| marks::note_pause(db, pause.as_ref())).await
    }

    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        self.read(marks::pause).await
    }

    fn stats(&self) -> WriteStats {
        self.writer.stats()
    }

    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        self.writer.run_or_refuse(move |db| webhooks::receive(db, &webhook)).await
    }

    async fn undecided(&self, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        self.read(move |db| webhooks::undecided(db, limit)).await
    }

    async fn transact(&self, work: Work<()>) -> Result<(), StoreError> {
        self.writer.run(move |db| work(&mut ledger::Books(db))).await
    }

    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
        self.read(move |db| decisions::due_holds(db, now, limit)).await
    }

    async fn claim(&self, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError> {
        self.writer.run(move |db| queue::claim(db, now, lease_until, wanted)).await
    }

    async fn record(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.writer.run(move |db| queue::record(db, &attempt)).await
    }

    async fn give_back(&self, claimed: Vec<Claimed>) -> Result<(), StoreError> {
        self.writer.run(move |db| queue::give_back(db, &claimed)).await
    }

    async fn recover(&self, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError> {
        self.writer.run(move |db| queue::recover(db, now, hold_after)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(queue::next_due).await
    }

    async fn overdue_since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(outbox::overdue_since).await
    }

    async fn blocked(&self) -> Result<Blocked, StoreError> {
        self.read(outbox::blocked).await
    }

    async fn pass_signups(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::pass_signups(db, before, now, limit)).await
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(queue::oldest_waiting).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(history::counts).await
    }

    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.read(decisions::held).await
    }

    async fn list(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.read(move |db| history::list(db, &filter)).await
    }

    async fn life(&self, id: &str) -> Result<Vec<Life>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| history::life(db, &id)).await
    }

    async fn lives_after(&self, webhook: i64, since: Option<Timestamp>, limit: usize) -> Result<Vec<Life>, StoreError> {
        self.read(move |db| history::lives_after(db, webhook, since, limit)).await
    }

    async fn webhooks_after(&self, webhook: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError> {
        self.read(move |db| past::webhooks_after(db, webhook, limit)).await
    }

    async fn referral_events_after(&self, key: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError> {
        let key = key.to_owned();
        self.read(move |db| past::referral_events_after(db, &key, limit)).await
    }

    async fn known(&self, scope: Scope, about: About) -> Result<Known, StoreError> {
        self.read(move |db| past::known(db, &scope, &about)).await
    }

    async fn known_rows(
        &self,
        table: &'static Table,
        after: Vec<String>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.read(move |db| past::known_rows(db, table, &after, limit)).await
    }

    async fn customers(&self, name: &str) -> Result<Vec<ScopedCustomer>, StoreError> {
        let name = name.to_owned();
        self.read(move |db| past::customers(db, &name)).await
    }

    async fn said_of_codes(&self, faults: Vec<Reason>) -> Result<SaidOfCodes, StoreError> {
        self.read(move |db| past::said_of_codes(db, &faults)).await
    }

    async fn retry(&self, ids: Vec<i64>, now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::retry(db, &ids, now, apart)).await
    }

    async fn decide_again(&self, webhooks: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| webhooks::decide_again(db, &webhooks)).await
    }

    async fn discard(&self, discarding: Discarding, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::discard(db, &discarding, now)).await
    }

    async fn open_refunds(&self, purchase: i64) -> Result<Vec<i64>, StoreError> {
        let refunds = self.read(move |db| db.open_refunds(purchase)).await?;
        Ok(refunds.into_iter().map(|(id, _)| id).collect())
    }

    async fn confirm(&self, ids: Vec<i64>, person: ByPerson, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::confirm(db, &ids, &person, now)).await
    }

    async fn erase_bodies(&self, erasing: Erasing, now: Timestamp) -> Result<Erased, StoreError> {
        self.writer.run(move |db| erasing::bodies(db, &erasing, now)).await
    }

    async fn erase_settled(&self, settled: Settled, now: Timestamp) -> Result<Erased, StoreError> {
        self.writer.run(move |db| erasing::settled(db, &settled, now)).await
    }

    async fn forget(&self, forgetting: Forgetting, now: Timestamp) -> Result<Forgotten, StoreError> {
        self.writer.run(move |db| forgetting::forget(db, &forgetting, now)).await
    }
}
