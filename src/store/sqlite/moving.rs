//! The store that is moved away: read from one end to the other, while nobody else writes to it.

use std::fs::File;

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::moving::{Row, Table};
use super::super::{Counts, StoreError};
use super::file::{self, Place};
use super::history;
use super::marks::{self, Mark};

pub struct Source {
    // Before the lock, which outlasts it.
    db: Connection,
    _lock: Option<File>,
}

impl Source {
    /// With the lock of a process that serves, so that none does.
    pub fn open(database_url: &str) -> Result<Self, StoreError> {
        let refuse =
            |path: &str, problem: &str| StoreError::Open { path: path.to_owned(), problem: problem.to_owned() };
        let Place::File(path) = Place::parse(database_url)? else {
            return Err(refuse("`database_url`", "the store is in memory and ends with its process"));
        };
        let name = path.display().to_string();
        if !path.exists() {
            return Err(refuse(&name, "there is no such file, so there is nothing to move. Is `database_url` right?"));
        }
        let opened = file::claim(&path, true)?;
        let db = file::writing(&opened)?;
        if marks::find(&db, Mark::Backup)?.is_some() {
            let problem = "it is a backup on which no relay has started, so nobody has decided about what may have been \
                           sent since; start `cello-relay serve` on it once";
            return Err(refuse(&name, problem));
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { db, _lock: opened.lock })
    }

    /// All rows of a table, so many at a time.
    pub fn pages(
        &self,
        table: &Table,
        limit: usize,
        mut write: impl FnMut(&[Row]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let columns = table.columns.iter().map(|(name, _)| format!("CAST({name} AS TEXT)")).collect::<Vec<_>>();
        let mut statement = self.db.prepare(&format!("SELECT {} FROM {}", columns.join(", "), table.name))?;
        let mut rows = statement.query([])?;
        let mut page: Vec<Row> = Vec::with_capacity(limit);
        while let Some(row) = rows.next()? {
            page.push((0..columns.len()).map(|column| row.get(column)).collect::<Result<_, _>>()?);
            if page.len() == limit {
                write(&page)?;
                page.clear();
            }
        }
        if page.is_empty() { Ok(()) } else { write(&page) }
    }

    /// All bodies with the numbers of their webhooks, so many or so many bytes at a time.
    pub fn bodies(
        &self,
        limit: usize,
        bytes: usize,
        mut write: impl FnMut(&[(i64, Vec<u8>)]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.db.prepare("SELECT webhook_id, body FROM webhook_body")?;
        let mut rows = statement.query([])?;
        let (mut page, mut size): (Vec<(i64, Vec<u8>)>, usize) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let body: Vec<u8> = row.get(1)?;
            size += body.len();
            page.push((row.get(0)?, body));
            if page.len() == limit || size >= bytes {
                write(&page)?;
                page.clear();
                size = 0;
            }
        }
        if page.is_empty() { Ok(()) } else { write(&page) }
    }

    /// How often webhooks came again, of those that did.
    pub fn duplicates(
        &self,
        limit: usize,
        mut write: impl FnMut(&[(i64, i64)]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.db.prepare("SELECT id, duplicates FROM webhook WHERE duplicates > 0")?;
        let all: Vec<(i64, i64)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        all.chunks(limit).try_for_each(&mut write)
    }

    /// Which Cello it is for, and since when.
    pub fn cello(&self) -> Result<Option<(String, Timestamp)>, StoreError> {
        marks::find(&self.db, Mark::Cello)
    }

    pub fn counts(&self) -> Result<Counts, StoreError> {
        history::counts(&self.db)
    }

    pub fn rows(&self, table: &str) -> Result<i64, StoreError> {
        Ok(self.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
    }

    /// From now on, no relay starts on it.
    pub fn mark_as_moved(&self, to: &str, now: Timestamp) -> Result<(), StoreError> {
        marks::put(&self.db, Mark::Moved, to, now)?;
        Ok(self.db.execute_batch("COMMIT")?)
    }
}
