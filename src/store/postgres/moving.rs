//! The database that a store is moved to: filled in one transaction, in which nobody else writes to it.

use jiff::Timestamp;

use super::super::Counts;
use super::super::StoreError;
use super::super::moving::{Row, TABLES, Table};
use super::super::threads::Session as _;
use super::address::Address;
use super::session::{Role, Session};
use super::values::{Value, args, escaped};
use super::{history, marks, migrations, unreachable};
use crate::clock;

pub struct Target(Session);

impl Target {
    /// Makes the tables where there are none.
    pub fn open(database_url: &str) -> Result<Self, StoreError> {
        let address = Address::parse(database_url).map_err(|error| match error {
            StoreError::Open { problem, .. } => StoreError::Open { path: "the address to move to".into(), problem },
            other => other,
        })?;
        let session = Session::new(address.clone(), Role::Write, clock::system())?;
        migrations::run(&session, true).map_err(|error| unreachable(&address, error))?;
        Ok(Self(session))
    }

    /// Without user and password.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Runs `work` in one transaction on an empty store, of which nothing remains when it fails.
    pub fn all_or_nothing<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = &self.0;
        db.patiently(|| {
            db.begin()?;
            // Receiving waits for no other lock. And while a large file is counted here, nothing is asked there.
            let ready = "LOCK TABLE webhook IN EXCLUSIVE MODE; SET LOCAL idle_in_transaction_session_timeout = 0";
            let done = db.batch(ready).and_then(|()| self.refuse_filled());
            let done = done.and_then(|()| work()).and_then(|done| {
                history::fold(db)?;
                Ok(done)
            });
            match done {
                Ok(done) => db.commit().map(|()| done),
                Err(problem) => {
                    let _ = db.roll_back();
                    Err(problem)
                }
            }
        })
    }

    fn refuse_filled(&self) -> Result<(), StoreError> {
        for table in TABLES {
            if self.rows(table.name)? > 0 {
                return Err(StoreError::Open {
                    path: self.name().to_owned(),
                    problem: format!(
                        "it is not empty: {} has rows. Two stores cannot be put together; choose an empty database, or \
                         another schema with `?options=-csearch_path%3DNAME`",
                        table.name
                    ),
                });
            }
        }
        Ok(())
    }

    pub fn write(&self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let list = |of: fn(usize, &str, &str) -> String| {
            let each = table.columns.iter().enumerate().map(|(n, (name, kind))| of(n + 1, name, kind));
            each.collect::<Vec<_>>().join(", ")
        };
        let sql = format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) AS t ({})",
            table.name,
            list(|_, name, _| name.to_owned()),
            list(|n, _, kind| format!("c{n}::{kind}")),
            list(|n, _, _| format!("${n}::text[]")),
            list(|n, _, _| format!("c{n}")),
        );
        let column = |n: usize| Value::Texts(rows.iter().map(|row| row[n].as_deref().map(escaped)).collect());
        let columns: Vec<Value<'_>> = (0..table.columns.len()).map(column).collect();
        self.0.execute_once(&sql, &columns)
    }

    pub fn write_bodies(&self, bodies: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
        let webhooks: Vec<i64> = bodies.iter().map(|(webhook, _)| *webhook).collect();
        let bytes: Vec<&[u8]> = bodies.iter().map(|(_, body)| body.as_slice()).collect();
        self.0.execute(
            "INSERT INTO webhook_body (webhook_id, body) SELECT * FROM unnest($1::bigint[], $2::bytea[])",
            args![webhooks, bytes],
        )?;
        Ok(())
    }

    pub fn write_duplicates(&self, duplicates: &[(i64, i64)]) -> Result<(), StoreError> {
        let (webhooks, times): (Vec<i64>, Vec<i64>) = duplicates.iter().copied().unzip();
        self.0.execute(
            "INSERT INTO webhook_again (webhook_id, times) SELECT * FROM unnest($1::bigint[], $2::bigint[])",
            args![webhooks, times],
        )?;
        Ok(())
    }

    /// New rows get numbers after those that were brought along.
    pub fn go_on_numbering(&self, table: &Table) -> Result<(), StoreError> {
        let name = table.name;
        self.0.batch(&format!(
            "SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)"
        ))
    }

    /// Refuses where relays have said that it is for another Cello.
    pub fn put_cello(&self, cello: &str, at: Timestamp) -> Result<(), StoreError> {
        let there = marks::goes_to(&self.0, cello, at)?;
        if there == cello {
            return Ok(());
        }
        Err(StoreError::Open {
            path: self.name().to_owned(),
            problem: format!("relays send to {there} from it, and to {cello} from the file; choose another database"),
        })
    }

    pub fn counts(&self) -> Result<Counts, StoreError> {
        history::counts(&self.0)
    }

    pub fn rows(&self, table: &str) -> Result<i64, StoreError> {
        self.0.count_rows(table)
    }
}
