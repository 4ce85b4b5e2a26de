//! What there is to know of a database as a whole: which Cello it is for, and that delivery is paused.

use jiff::Timestamp;

use super::super::values::of_json;
use super::super::{Pause, StoreError};
use super::session::Session;
use super::values::{args, json, millis};

/// Which Cello this is for: `cello`, where nobody said so before.
pub fn goes_to(db: &Session, cello: &str, now: Timestamp) -> Result<String, StoreError> {
    if let Some(row) = db.query_one("SELECT value FROM mark WHERE name = 'cello'", &[])? {
        return row.get("value");
    }
    db.execute("INSERT INTO mark (name, value, at) VALUES ('cello', $1, $2)", args![cello, millis(now)])?;
    Ok(cello.to_owned())
}

pub fn note_pause(db: &Session, pause: Option<&Pause>) -> Result<(), StoreError> {
    let Some(pause) = pause else {
        db.execute("DELETE FROM mark WHERE name = 'paused'", &[])?;
        return Ok(());
    };
    db.execute(
        "INSERT INTO mark (name, value, at) VALUES ('paused', $1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at",
        args![json(pause)?, millis(pause.since)],
    )?;
    Ok(())
}

pub fn pause(db: &Session) -> Result<Option<Pause>, StoreError> {
    let row = db.query_one("SELECT value FROM mark WHERE name = 'paused'", &[])?;
    row.map(|row| of_json(&row.get::<String>("value")?)).transpose()
}
