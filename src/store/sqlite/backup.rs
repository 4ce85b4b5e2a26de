//! A copy of the file, made while a relay works on it.
//!
//! The copy is of one moment, is looked through before it gets its name, and is marked, so that a relay that starts on it
//! knows that it does not know what was sent since. It never replaces a file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::super::{Counts, StoreError};
use super::file::{self, Place};
use super::marks::{self, Mark};
use super::{history, migrations};

pub fn back_up(database_url: &str, to: &Path, now: Timestamp) -> Result<Counts, StoreError> {
    let refuse = |problem: &str| StoreError::Copy { path: to.display().to_string(), problem: problem.into() };
    let Place::File(path) = Place::parse(database_url)? else {
        return Err(refuse("the store is in memory and ends with its process, so there is nothing to copy"));
    };
    let store = file::reading(&file::claim(&path, false)?.path)?;
    file::refuse_other_version(&store, &path)?;
    if to.exists() {
        return Err(refuse("there is such a file already; name another, or move it away"));
    }
    let partial = beside(to, ".partial");
    // Another name would be written to than the one that is looked through.
    let name = partial.to_str().ok_or_else(|| refuse("SQLite takes a name in UTF-8 only; name another file"))?;
    file::touch_new(&partial).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => refuse(&format!(
            "{} is there: another copy is being made, or one broke off; delete it if none is",
            partial.display()
        )),
        _ => refuse(&format!("{error}; is there such a folder, and may files be made in it?")),
    })?;
    let made = copy(&store, name).and_then(|()| examine(&partial, now)).and_then(|counts| {
        fs::rename(&partial, to).map_err(|error| refuse(&error.to_string()))?;
        file::flush_folder_of(to).map_err(|error| refuse(&format!("its folder cannot be flushed to disk: {error}")))?;
        Ok(counts)
    });
    made.map_err(|error| {
        // SQLite leaves its journal where it could not write.
        for left in [beside(&partial, "-journal"), partial] {
            let _ = fs::remove_file(left);
        }
        match error {
            StoreError::Unavailable(problem) => refuse(&problem),
            other => other,
        }
    })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn copy(store: &Connection, to: &str) -> Result<(), StoreError> {
    // It writes to the copy and reads from the store, which this pragma would take for one.
    store.execute_batch("PRAGMA query_only = OFF")?;
    store.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// Looks through all of the copy, and marks it.
fn examine(path: &Path, now: Timestamp) -> Result<Counts, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags)?;
    copy.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON")?;
    let wrong = |problem: String| Err(StoreError::Damaged(format!("the copy is not sound ({problem}); try it again")));
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return wrong(found);
    }
    if copy.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return wrong("something in it belongs to what is not there".into());
    }
    let counts = history::counts(&copy)?;
    if !counts.add_up() {
        return wrong("its numbers do not add up".into());
    }
    if migrations::found(&copy)? != migrations::known() {
        return wrong("it is of another version".into());
    }
    marks::put(&copy, Mark::Backup, "", now)?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(counts)
}
