//! What a start must know of a file as a whole: that it is a copy, that another store goes on with it, which Cello it is
//! for, and that delivery is paused.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::values::of_json;
use super::super::{Pause, StoreError};
use super::values::{json, millis, time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A copy: what waited when it was made may have been sent since.
    Backup,
    /// Everything was taken to another store, which must be the only one that sends it.
    Moved,
    /// Which Cello its referral events go to.
    Cello,
    /// Delivery is paused.
    Paused,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Moved => "moved",
            Self::Cello => "cello",
            Self::Paused => "paused",
        }
    }
}

pub fn put(db: &Connection, mark: Mark, value: &str, at: Timestamp) -> Result<(), StoreError> {
    db.execute(
        "INSERT OR REPLACE INTO mark (name, value, at) VALUES (?1, ?2, ?3)",
        params![mark.name(), value, millis(at)],
    )?;
    Ok(())
}

/// Its value and when it was made.
pub fn find(db: &Connection, mark: Mark) -> Result<Option<(String, Timestamp)>, StoreError> {
    let mark = db
        .query_row("SELECT value, at FROM mark WHERE name = ?1", [mark.name()], |row| {
            Ok((row.get("value")?, time(row, "at")?))
        })
        .optional()?;
    Ok(mark)
}

pub fn remove(db: &Connection, mark: Mark) -> Result<(), StoreError> {
    db.execute("DELETE FROM mark WHERE name = ?1", [mark.name()])?;
    Ok(())
}

/// Which Cello this is for: `cello`, where nobody said so before.
pub fn goes_to(db: &Connection, cello: &str, now: Timestamp) -> Result<String, StoreError> {
    if let Some((cello, _)) = find(db, Mark::Cello)? {
        return Ok(cello);
    }
    put(db, Mark::Cello, cello, now)?;
    Ok(cello.to_owned())
}

pub fn note_pause(db: &Connection, pause: Option<&Pause>) -> Result<(), StoreError> {
    match pause {
        Some(pause) => put(db, Mark::Paused, &json(pause)?, pause.since),
        None => remove(db, Mark::Paused),
    }
}

pub fn pause(db: &Connection) -> Result<Option<Pause>, StoreError> {
    find(db, Mark::Paused)?.map(|(value, _)| of_json(&value)).transpose()
}

/// Refuses a file that another store goes on with.
pub fn refuse_moved(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let Some((to, at)) = find(db, Mark::Moved)? else { return Ok(()) };
    Err(StoreError::Open {
        path: path.display().to_string(),
        problem: format!(
            "its contents were moved to {to} at {at}, and two stores must not send the same; set `database_url` to that. \
             If that database is empty, moving did not come to its end: run `cello-relay move` again"
        ),
    })
}
