//! What a start must know of a database as a whole: which Cello it is for.

use jiff::Timestamp;

use super::super::StoreError;
use super::session::Session;
use super::values::{args, millis};

/// Which Cello this is for: `cello`, where nobody said so before.
pub fn goes_to(db: &Session, cello: &str, now: Timestamp) -> Result<String, StoreError> {
    if let Some(row) = db.query_one("SELECT value FROM mark WHERE name = 'cello'", &[])? {
        return row.get("value");
    }
    db.execute("INSERT INTO mark (name, value, at) VALUES ('cello', $1, $2)", args![cello, millis(now)])?;
    Ok(cello.to_owned())
}
