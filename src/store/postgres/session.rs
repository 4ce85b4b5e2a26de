//! A connection to the server, made anew when it broke, on which every wait has an end.
//!
//! A transaction is never carried on over a new connection, and nothing in it is repeated: whoever asked gets an error
//! and decides. Only its first statement may go to a new connection, because nothing was done before it: so a server
//! that was restarted while nobody asked is noticed by nobody.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

use super::super::StoreError;
use super::super::threads;
use super::address::Address;
use super::failure::{Connection, Failure};
use super::migrations;
use super::tls::Tls;
use super::values::{Row, Value, millis};
use crate::clock::Clock;

/// Between two tries to connect: a server that is down is not asked by every webhook.
const PAUSE: Duration = Duration::from_millis(250);
/// How much longer than the server's own limit an answer is awaited: the server tells more than a silence does.
const GRACE: Duration = Duration::from_secs(2);

/// The longest that a transaction may wait for this process, with all others waiting for it.
const STANDSTILL: Duration = Duration::from_secs(10);

/// The longest that bringing up the tables may take.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keeps webhooks, beside all others that do.
    Receive,
    /// Writes everything else, one transaction at a time over all relays.
    Write,
    Read,
}

impl Role {
    fn begin(self) -> &'static str {
        match self {
            Self::Receive => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            // Each statement sees what is committed when it begins, so all after the lock see what its last holder did.
            // The number is the program's; the schema makes it the store's.
            Self::Write => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
                 SELECT pg_advisory_xact_lock(1130720367, hashtext(current_schema()));
                 SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
            }
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// The longest that one statement may take, waiting for others included.
    fn limit(self) -> Duration {
        match self {
            Self::Receive => Duration::from_secs(10),
            Self::Write | Self::Read => Duration::from_secs(30),
        }
    }
}

pub struct Session {
    address: Address,
    role: Role,
    tls: Tls,
    runtime: Runtime,
    open: RefCell<Option<Open>>,
    state: Cell<State>,
    limit: Cell<Duration>,
    /// When it was last tried in vain to connect.
    failed_at: Cell<Option<Instant>>,
    clock: Clock,
    ahead: Cell<i64>,
}

struct Open {
    client: Client,
    /// By their text; prepared when first used.
    statements: HashMap<&'static str, Statement>,
    connection: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// A statement failed: the server takes none until the savepoint or all of it is undone.
    Failed,
}

impl Session {
    /// Not connected yet. `clock` is that of whoever says what time it is.
    pub fn new(address: Address, role: Role, clock: Clock) -> Result<Self, StoreError> {
        let name = address.name.clone();
        let problem = |problem: String| StoreError::Open { path: name.clone(), problem };
        let tls = Tls::new(address.trust).map_err(|error| problem(format!("TLS cannot be used: {error}")))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| problem(error.to_string()))?;
        Ok(Self {
            role,
            tls,
            runtime,
            open: RefCell::new(None),
            state: Cell::new(State::Idle),
            limit: Cell::new(role.limit()),
            failed_at: Cell::new(None),
            clock,
            ahead: Cell::new(0),
            address,
        })
    }

    pub fn name(&self) -> &str {
        &self.address.name
    }

    /// What the server's clock was ahead of this relay's when the transaction began, in milliseconds: whole seconds,
    /// because the answer takes its time.
    pub fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// Runs one statement with `args` for `$1` and so on; returns how many rows it changed.
    pub fn execute(&self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.prepared(sql)?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        Ok(self.ask(async |client| client.execute(&statement, &args).await)?)
    }

    pub fn query(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepared(sql)?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        let rows = self.ask(async |client| client.query(&statement, &args).await)?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// Runs a statement whose text is not known before, and does not keep it.
    pub fn execute_once(&self, sql: &str, args: &[Value<'_>]) -> Result<(), StoreError> {
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        self.ask(async |client| client.execute(sql, &args).await)?;
        Ok(())
    }

    /// The same for one that answers.
    pub fn query_once(&self, sql: &str, args: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        let rows = self.ask(async |client| client.query(sql, &args).await)?;
        Ok(rows.into_iter().map(Row).collect())
    }

    pub fn count_rows(&self, table: &str) -> Result<i64, StoreError> {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        Row(self.ask(async |client| client.query_one(sql.as_str(), &[]).await)?).get("n")
    }

    /// The first row, if there is one.
    pub fn query_one(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, args)?.into_iter().next())
    }

    /// Runs statements without arguments, one after the other.
    pub fn batch(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.run(sql)?)
    }

    /// Lets every statement of `work` take its time.
    pub fn patiently<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.batch("SET statement_timeout = 0")?;
        self.limit.set(PATIENCE);
        let done = work();
        self.limit.set(self.role.limit());
        self.batch(&self.statement_timeout())?;
        done
    }

    fn statement_timeout(&self) -> String {
        format!("SET statement_timeout = {}", self.role.limit().as_millis())
    }

    fn run(&self, sql: &str) -> Result<(), Failure> {
        self.ask(async |client| client.batch_execute(sql).await)
    }

    /// Connects where there is no connection, without looking at the tables.
    pub fn connect(&self) -> Result<(), StoreError> {
        if self.open.borrow().is_some() {
            return Ok(());
        }
        if let Some(pause) = self.failed_at.get().and_then(|at| PAUSE.checked_sub(at.elapsed())) {
            thread::sleep(pause);
        }
        let connecting = self.within(self.address.limit(), async {
            let (client, connection) = self.address.config.connect(self.tls.clone()).await?;
            // It speaks only while this thread waits for an answer; what it has to say at its end, statements say too.
            let connection = tokio::spawn(async move { drop(connection.await) });
            Ok((client, connection))
        });
        let made = connecting.map_err(|failure| failure.error).and_then(|(client, connection)| {
            *self.open.borrow_mut() = Some(Open { client, statements: HashMap::new(), connection });
            // Whatever the server or the address say otherwise, what was answered is on disk, and a relay that stands
            // still with the lock loses it before the others give up.
            self.batch(&format!(
                "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = {}; {}",
                STANDSTILL.as_millis(),
                self.statement_timeout()
            ))
        });
        if made.is_err() {
            self.disconnect();
            self.failed_at.set(Some(Instant::now()));
        }
        made
    }

    fn try_begin(&self) -> Result<(), Failure> {
        if self.open.borrow().is_none() {
            let checked = self.connect().and_then(|()| migrations::check(self));
            checked.map_err(|error| {
                self.disconnect();
                Failure { error, connection: Connection::Kept }
            })?;
        }
        let told = self.ask(async |client| client.simple_query(self.role.begin()).await)?;
        self.state.set(State::InTransaction);
        if let Some(time) = told.iter().rev().find_map(server_time) {
            let ahead = time - millis((self.clock)());
            self.ahead.set((ahead + 500).div_euclid(1000) * 1000);
        }
        Ok(())
    }

    fn begin_anew(&self) -> Result<(), StoreError> {
        if self.state.get() != State::Idle && threads::Session::roll_back(self).is_err() {
            self.disconnect();
        }
        let begun = match self.try_begin() {
            Err(Failure { connection: Connection::Closed, .. }) => self.try_begin(),
            begun => begun,
        };
        if begun.is_err() && self.open.borrow().is_some() {
            // The lock may not have been had within a transaction that was begun.
            let _ = self.run("ROLLBACK");
        }
        Ok(begun?)
    }

    fn prepared(&self, sql: &'static str) -> Result<Statement, StoreError> {
        let known = self.open.borrow().as_ref().and_then(|open| open.statements.get(sql).cloned());
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.ask(async |client| client.prepare(sql).await)?;
        if let Some(open) = self.open.borrow_mut().as_mut() {
            open.statements.insert(sql, statement.clone());
        }
        Ok(statement)
    }

    fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Failure> {
        let result = {
            let open = self.open.borrow();
            let Some(open) = open.as_ref() else {
                return Err(Failure::unavailable("the connection to PostgreSQL broke".into(), Connection::Kept));
            };
            self.within(self.limit.get() + GRACE, question(&open.client))
        };
        match &result {
            Ok(_) => {}
            Err(failure) if failure.connection != Connection::Kept => self.disconnect(),
            Err(_) if self.state.get() == State::InTransaction => self.state.set(State::Failed),
            Err(_) => {}
        }
        result
    }

    /// Waits for an answer, but not for ever.
    fn within<T>(&self, limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        match self.runtime.block_on(async { tokio::time::timeout(limit, answer).await }) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => {
                Err(Failure::unavailable(format!("PostgreSQL did not answer within {limit:?}"), Connection::Useless))
            }
        }
    }

    fn disconnect(&self) {
        if let Some(open) = self.open.take() {
            open.connection.abort();
        }
        self.state.set(State::Idle);
    }
}

/// What the beginning of a transaction that writes ends with.
fn server_time(message: &SimpleQueryMessage) -> Option<i64> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    }
}

impl threads::Session for Session {
    fn begin(&self) -> Result<(), StoreError> {
        self.begin_anew()
    }

    fn begin_reading(&self) -> Result<(), StoreError> {
        self.begin_anew()
    }

    fn in_transaction(&self) -> bool {
        self.state.get() != State::Idle
    }

    fn savepoint(&self) -> Result<(), StoreError> {
        self.batch("SAVEPOINT job")
    }

    fn release(&self) -> Result<(), StoreError> {
        self.batch("RELEASE job")
    }

    fn undo(&self) -> Result<(), StoreError> {
        self.batch("ROLLBACK TO job; RELEASE job")?;
        self.state.set(State::InTransaction);
        Ok(())
    }

    fn commit(&self) -> Result<(), StoreError> {
        if self.state.get() == State::Failed {
            // The server would answer COMMIT without an error, and undo everything.
            self.roll_back()?;
            return Err(StoreError::Unavailable("the transaction was undone after an error".into()));
        }
        let committed = self.batch("COMMIT");
        self.state.set(State::Idle);
        committed
    }

    fn roll_back(&self) -> Result<(), StoreError> {
        if self.state.get() == State::Idle {
            return Ok(());
        }
        let undone = self.batch("ROLLBACK");
        if undone.is_err() {
            self.disconnect();
        }
        self.state.set(State::Idle);
        undone
    }

    fn close(self) {
        // Without its client the connection says goodbye and ends.
        if let Some(Open { client, connection, .. }) = self.open.take() {
            drop(client);
            let _ = self.runtime.block_on(async { tokio::time::timeout(GRACE, connection).await });
        }
    }
}
