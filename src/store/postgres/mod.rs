//! The store in a PostgreSQL database, which several relays may share.
//!
//! Three connections, each on a thread of its own: one receives, one writes everything else, one reads. Receiving only
//! adds rows and waits for nobody. Everything else is written in transactions of which there is one at a time over all
//! relays of a database, as with a single file: so what is decided and claimed never depends on how many relays there
//! are. SQL of this dialect stands in this folder and nowhere else.

mod address;
mod decisions;
mod directory;
mod erasing;
mod failure;
mod forgetting;
mod history;
mod ledger;
mod marks;
mod migrations;
mod moving;
mod outbox;
mod past;
mod payments;
mod queue;
mod receiver;
mod session;
mod tls;
mod values;
mod webhooks;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::outbox::{self as moves, Rows};
use super::threads::{Reader, Writer};
use super::{
    About, Attempt, Blocked, ByPerson, Claimed, Counts, Discarding, Erased, Erasing, EventFilter, EventRow, Forgetting,
    Forgotten, HeldFact, Known, Life, NewWebhook, PastEvent, PastWebhook, Pause, Receipt, Recovered, Row, SaidOfCodes,
    ScopedCustomer, Settled, Store, StoreError, Table, Wanted, Webhook, Work, WriteStats,
};
use crate::clock::{self, Clock};
use crate::decision::Reason;
use crate::facts::Scope;
use address::Address;
use receiver::Receiver;
use session::{Role, Session};

pub use address::is_one;
pub(super) use moving::Target;

/// What `check` wants to know of a database before it is used.
#[derive(Debug, Clone)]
pub struct Server {
    /// The server's version and where the tables are, for people.
    pub name: String,
    /// Whether the tables are there; `serve` makes them.
    pub has_tables: bool,
    /// Whether the server flushes to disk at all.
    pub flushes: bool,
}

impl Server {
    /// Asks the server that `database_url` names, and changes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or the database is not fit.
    pub fn ask(database_url: &str) -> Result<Self, StoreError> {
        let address = Address::parse(database_url)?;
        // On a thread of its own, because the one that asks may not block.
        let asking = std::thread::spawn(move || {
            let session = Session::new(address.clone(), Role::Read, clock::system())?;
            migrations::look(&session).map_err(|error| unreachable(&address, error))
        });
        asking.join().map_err(|_| StoreError::Panicked)?
    }
}

/// An open store. Dropping it finishes what is queued, and closes the connections.
pub struct Postgres {
    reader: Reader<Session>,
    writer: Writer<Session>,
    receiver: Receiver,
}

impl Postgres {
    /// Opens `postgres://…` or `postgresql://…`. The process that `serves` brings the tables up; commands need them as
    /// they are.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or the database is not fit.
    pub fn open(database_url: &str, serves: bool) -> Result<Self, StoreError> {
        Self::open_with(database_url, serves, clock::system())
    }

    /// The same for a relay that goes by this clock.
    pub fn open_with(database_url: &str, serves: bool, clock: Clock) -> Result<Self, StoreError> {
        let address = Address::parse(database_url)?;
        let writer = Writer::start({
            let (address, clock) = (address.clone(), clock.clone());
            move || {
                let session = Session::new(address.clone(), Role::Write, clock)?;
                migrations::run(&session, serves).map_err(|error| unreachable(&address, error))?;
                Ok(session)
            }
        })?;
        let receiver = Receiver::start({
            let (address, clock) = (address.clone(), clock.clone());
            move || Session::new(address, Role::Receive, clock)
        })?;
        let reader = Reader::start(move || Session::new(address, Role::Read, clock))?;
        Ok(Self { reader, writer, receiver })
    }
}

fn unreachable(address: &Address, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(problem) => {
            let fix = if problem.contains("(3D000)") {
                "create it, or correct its name in the address"
            } else if problem.contains("(28") || problem.contains("password missing") {
                "are user and password in the address right, and is this user let in from here?"
            } else {
                "is the server running, and are host, port and `sslmode` in the address right?"
            };
            StoreError::Open { path: address.name.clone(), problem: format!("{problem}; {fix}") }
        }
        other => other,
    }
}

#[async_trait]
impl Store for Postgres {
    fn is_shared(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.writer
            .run(|db| {
                db.execute("UPDATE probe SET writes = writes + 1", &[])?;
                // This is asked all the time, and so a good moment to tidy up.
                history::fold(db)
            })
            .await?;
        self.reader.run(|db| db.query_one("SELECT writes FROM probe", &[]).map(drop)).await
    }

    async fn goes_to(&self, cello: &str, now: Timestamp) -> Result<String, StoreError> {
        let cello = cello.to_owned();
        self.writer.run(move |db| marks::goes_to(db, &cello, now)).await
    }

    async fn note_pause(&self, pause: Option<Pause>) -> Result<(), StoreError> {
        self.writer.run(move |db| marks::note_pause(db, pause.as_ref())).await
    }

    async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        self.reader.run(marks::pause).await
    }

    fn stats(&self) -> WriteStats {
        let (written, received) = (self.writer.stats(), self.receiver.stats());
        WriteStats {
            flushes: written.flushes + received.flushes,
            failed_flushes: written.failed_flushes + received.failed_flushes,
            jobs: written.jobs + received.jobs,
            flush_time: written.flush_time + received.flush_time,
            queued: written.queued + received.queued,
        }
    }

    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        self.receiver.receive(webhook).await
    }

    async fn undecided(&self, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        self.reader.run(move |db| webhooks::undecided(db, limit)).await
    }

    async fn transact(&self, work: Work<()>) -> Result<(), StoreError> {
        self.writer.run(move |db| work(&mut ledger::Books(db))).await
    }

    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
        self.reader.run(move |db| decisions::due_holds(db, now, limit)).await
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
        self.reader.run(queue::next_due).await
    }

    async fn overdue_since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reader.run(outbox::overdue_since).await
    }

    async fn blocked(&self) -> Result<Blocked, StoreError> {
        self.reader.run(outbox::blocked).await
    }

    async fn pass_signups(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::pass_signups(db, before, now, limit)).await
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reader.run(queue::oldest_waiting).await
    }

    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.reader.run(decisions::held).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.reader.run(history::counts).await
    }

    async fn list(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.reader.run(move |db| history::list(db, &filter)).await
    }

    async fn life(&self, id: &str) -> Result<Vec<Life>, StoreError> {
        let id = id.to_owned();
        self.reader.run(move |db| history::life(db, &id)).await
    }

    async fn lives_after(&self, webhook: i64, since: Option<Timestamp>, limit: usize) -> Result<Vec<Life>, StoreError> {
        self.reader.run(move |db| history::lives_after(db, webhook, since, limit)).await
    }

    async fn webhooks_after(&self, webhook: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError> {
        self.reader.run(move |db| past::webhooks_after(db, webhook, limit)).await
    }

    async fn referral_events_after(&self, key: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError> {
        let key = key.to_owned();
        self.reader.run(move |db| past::referral_events_after(db, &key, limit)).await
    }

    async fn known(&self, scope: Scope, about: About) -> Result<Known, StoreError> {
        self.reader.run(move |db| past::known(db, &scope, &about)).await
    }

    async fn known_rows(
        &self,
        table: &'static Table,
        after: Vec<String>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.reader.run(move |db| past::known_rows(db, table, &after, limit)).await
    }

    async fn customers(&self, name: &str) -> Result<Vec<ScopedCustomer>, StoreError> {
        let name = name.to_owned();
        self.reader.run(move |db| past::customers(db, &name)).await
    }

    async fn said_of_codes(&self, faults: Vec<Reason>) -> Result<SaidOfCodes, StoreError> {
        self.reader.run(move |db| past::said_of_codes(db, &faults)).await
    }

    async fn retry(&self, ids: Vec<i64>, now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::retry(db, &ids, now, apart)).await
    }

    async fn decide_again(&self, webhooks: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| webhooks::decide_again(db, webhooks)).await
    }

    async fn discard(&self, discarding: Discarding, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::discard(db, &discarding, now)).await
    }

    async fn open_refunds(&self, purchase: i64) -> Result<Vec<i64>, StoreError> {
        let refunds = self.reader.run(move |db| db.open_refunds(purchase)).await?;
        Ok(refunds.into_iter().map(|(id, _)| id).collect())
    }

    async fn confirm(&self, ids: Vec<i64>, person: ByPerson, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.writer.run(move |db| moves::confirm(db, &ids, &person, now)).await
    }

    async fn erase_bodies(&self, erasing: Erasing, now: Timestamp) -> Result<Erased, StoreError> {
        self.writer
            .run(move |db| {
                history::fold(db)?;
                erasing::bodies(db, &erasing, now)
            })
            .await
    }

    async fn erase_settled(&self, settled: Settled, now: Timestamp) -> Result<Erased, StoreError> {
        self.writer.run(move |db| erasing::settled(db, &settled, now)).await
    }

    async fn forget(&self, forgetting: Forgetting, now: Timestamp) -> Result<Forgotten, StoreError> {
        self.writer.run(move |db| forgetting::forget(db, &forgetting, now)).await
    }
}
