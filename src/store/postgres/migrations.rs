//! The steps by which the tables came to be what they are, oldest first.
//!
//! A step that was released is never changed: what follows is a new one at the end. All that are missing run in one
//! transaction, under a lock, so that relays can start together and none ever sees half of it.

use super::super::StoreError;
use super::Server;
use super::session::Session;
use super::values::Row;

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_keeping.sql"),
    include_str!("migrations/0003_tries.sql"),
    include_str!("migrations/0004_marks.sql"),
    include_str!("migrations/0005_payments.sql"),
    include_str!("migrations/0006_outbox.sql"),
];

/// The version this program reads and writes.
pub fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Brings the tables to the version this program knows. A command, which may run beside relays of another version or
/// with a wrong address, does not: it is refused where they are not of that version.
pub fn run(db: &Session, serves: bool) -> Result<(), StoreError> {
    db.connect()?;
    refuse_unfit(db)?;
    if serves {
        // As long as it takes: tables may be large, or another relay is at it.
        db.patiently(|| {
            db.batch("BEGIN; SELECT pg_advisory_xact_lock(1130720368, hashtext(current_schema()))")?;
            let ran = missing_steps(db);
            db.batch(if ran.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
            ran
        })
    } else {
        check(db)
    }
}

/// Refuses tables that are not of the version this program knows.
pub fn check(db: &Session) -> Result<(), StoreError> {
    match found(db)? {
        Some(found) if found > known() => Err(StoreError::TooNew { found, known: known() }),
        Some(found) if found == known() => Ok(()),
        Some(_) => {
            Err(refuse(db, "its tables are of an older version; `cello-relay serve` of this version brings them up"))
        }
        None => Err(refuse(
            db,
            "it has no tables of cello-relay; `cello-relay serve` creates them. Is `database_url` right?",
        )),
    }
}

fn missing_steps(db: &Session) -> Result<(), StoreError> {
    let found = match found(db)? {
        Some(found) => found,
        None => {
            db.batch("CREATE TABLE cello_relay_schema (version BIGINT NOT NULL)")
                .and_then(|()| db.batch("INSERT INTO cello_relay_schema (version) VALUES (0)"))
                .map_err(|error| {
                    refuse(db, &format!("no tables can be made: {}; let its user create tables", told(error)))
                })?;
            0
        }
    };
    if found > known() {
        return Err(StoreError::TooNew { found, known: known() });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        db.batch(step).map_err(|error| {
            refuse(
                db,
                &format!(
                    "its tables cannot be brought up to date: {}; give cello-relay a schema of its own",
                    told(error)
                ),
            )
        })?;
    }
    db.batch(&format!("UPDATE cello_relay_schema SET version = {}", known()))
}

/// `None` where there are no tables of this program.
fn found(db: &Session) -> Result<Option<i64>, StoreError> {
    let is_there = db.query_one("SELECT to_regclass('cello_relay_schema') IS NOT NULL AS is_there", &[])?;
    if !is_there.map(|row| row.get("is_there")).transpose()?.unwrap_or(false) {
        return Ok(None);
    }
    let version = db.query_one("SELECT version FROM cello_relay_schema", &[])?;
    version.map(|row| row.get("version")).transpose()
}

/// A database in which what is stored would not be what was given.
fn refuse_unfit(db: &Session) -> Result<(), StoreError> {
    let ask = "SELECT current_setting('server_encoding') AS encoding, current_schema() IS NOT NULL AS has_schema";
    let answer = db.query_one(ask, &[])?;
    let get = |column: fn(&Row) -> Result<bool, StoreError>| answer.as_ref().map_or(Ok(false), column);
    if !get(|row| Ok(row.get::<String>("encoding")? == "UTF8"))? {
        return Err(refuse(db, "its encoding is not UTF8; create the database with `ENCODING 'UTF8'`"));
    }
    if !get(|row| row.get("has_schema"))? {
        return Err(refuse(db, "no schema of its `search_path` exists; create it, or choose another"));
    }
    Ok(())
}

/// What there is, without changing it.
pub fn look(db: &Session) -> Result<Server, StoreError> {
    db.connect()?;
    refuse_unfit(db)?;
    let ask = "SELECT current_setting('server_version') AS version, current_schema()::text AS schema,
        current_setting('fsync') AS fsync";
    let row = db.query_one(ask, &[])?.ok_or_else(|| StoreError::Damaged("a server without settings".into()))?;
    let (version, schema): (String, String) = (row.get("version")?, row.get("schema")?);
    Ok(Server {
        name: format!("PostgreSQL {version}, schema {schema} of {}", db.name()),
        has_tables: found(db)?.is_some(),
        flushes: row.get::<String>("fsync")? == "on",
    })
}

/// Without the words for a store that worked before.
fn told(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(problem) | StoreError::Damaged(problem) => problem,
        other => other.to_string(),
    }
}

fn refuse(db: &Session, problem: &str) -> StoreError {
    StoreError::Open { path: db.name().to_owned(), problem: problem.to_owned() }
}
