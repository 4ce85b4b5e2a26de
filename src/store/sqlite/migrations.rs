//! The steps by which the tables came to be what they are, oldest first.
//!
//! A step that was released is never changed: what follows is a new one at the end. Each runs in a transaction of its
//! own with the version it leads to, so a file is never between two versions.

use rusqlite::Connection;

use super::super::StoreError;

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_rules.sql"),
    include_str!("migrations/0003_codes_and_erased_bodies.sql"),
    include_str!("migrations/0004_trace.sql"),
    include_str!("migrations/0005_keeping.sql"),
    include_str!("migrations/0006_tries.sql"),
    include_str!("migrations/0007_marks.sql"),
    include_str!("migrations/0008_payments.sql"),
    include_str!("migrations/0009_outbox.sql"),
];

/// The version this program reads and writes.
pub fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

pub fn found(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the tables to the version this program knows.
pub fn run(db: &Connection) -> Result<(), StoreError> {
    // A table that another refers to cannot be made anew while that is enforced, and within a transaction nothing turns
    // it off.
    let enforced: bool = db.pragma_query_value(None, "foreign_keys", |row| row.get(0))?;
    db.pragma_update(None, "foreign_keys", false)?;
    let done = missing_steps(db);
    db.pragma_update(None, "foreign_keys", enforced)?;
    done
}

fn missing_steps(db: &Connection) -> Result<(), StoreError> {
    while found(db)? != known() {
        db.execute_batch("BEGIN IMMEDIATE")?;
        // Asked within the transaction: another process may have done the step meanwhile.
        let step = step(db);
        db.execute_batch(if matches!(step, Ok(true)) { "COMMIT" } else { "ROLLBACK" })?;
        step?;
    }
    Ok(())
}

fn step(db: &Connection) -> Result<bool, StoreError> {
    let found = found(db)?;
    if found > known() {
        return Err(StoreError::TooNew { found, known: known() });
    }
    let Some(sql) = usize::try_from(found).ok().and_then(|found| STEPS.get(found)) else {
        return Ok(false);
    };
    db.execute_batch(sql)?;
    db.pragma_update(None, "user_version", found + 1)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_the_first_version_keeps_what_it_has() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(STEPS[0]).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute_batch(
            "INSERT INTO customer (provider, account, id, ucc, version, deleted, reported)
             VALUES ('stripe', '', 'cus_1', 'AbC123dEf45', 1, 0, 1)",
        )
        .unwrap();
        run(&db).unwrap();
        assert_eq!(found(&db).unwrap(), known());
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let kept: (String, String, Option<String>) =
            db.query_row("SELECT ucc, metadata, country FROM customer", [], row).unwrap();
        assert_eq!(kept, ("AbC123dEf45".to_owned(), "{}".to_owned(), None));
    }
}
