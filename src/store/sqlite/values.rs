//! How values and errors of this program are written in SQLite, and read back.
//!
//! A value that cannot be read back is an error that says which column; it is never replaced by a guess.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Error, ErrorCode, Row};
use serde::de::DeserializeOwned;

pub use super::super::values::{count, cut, json, latest_due, millis, millis_of, word};
use super::super::values::{mode, of_millis};
use super::super::{DecisionState, EventState, StoreError, WebhookState};
use crate::facts::{Mode, Scope};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match &error {
            Error::SqliteFailure(failure, message) => {
                let text = message.clone().unwrap_or_else(|| failure.to_string());
                match failure.code {
                    ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::FileLockingProtocolFailed => Self::Unavailable(text),
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                        Self::Damaged(format!("{text}; stop the relay and restore a backup"))
                    }
                    _ => Self::Damaged(text),
                }
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

pub fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, Millis>(column).map(|millis| millis.0)
}

pub fn optional_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<Millis>>(column).map(|millis| millis.map(|millis| millis.0))
}

pub fn scope(row: &Row<'_>) -> rusqlite::Result<Scope> {
    Ok(Scope { provider: row.get("provider")?, account: row.get("account")? })
}

pub fn from_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    from_json_value(serde_json::Value::String(word), row, column)
}

pub fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(row, column, error))
}

pub fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(row, column, error))).transpose()
}

/// A number that was written by [`count`].
pub fn size(row: &Row<'_>, column: &str) -> rusqlite::Result<usize> {
    let n: i64 = row.get(column)?;
    let index = row.as_ref().column_index(column).unwrap_or_default();
    usize::try_from(n).map_err(|_| Error::IntegralValueOutOfRange(index, n))
}

pub fn optional_size(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<usize>> {
    let is_there = row.get::<_, Option<i64>>(column)?.is_some();
    is_there.then(|| size(row, column)).transpose()
}

fn from_json_value<T: DeserializeOwned>(value: serde_json::Value, row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    serde_json::from_value(value).map_err(|error| unreadable(row, column, error))
}

fn unreadable(row: &Row<'_>, column: &str, error: serde_json::Error) -> Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}

struct Millis(Timestamp);

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = value.as_i64()?;
        of_millis(millis).map(Self).ok_or(FromSqlError::OutOfRange(millis))
    }
}

/// Enums that are stored as their word.
macro_rules! words {
    ($($name:ty: $parse:expr;)*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    )*};
}

words! {
    WebhookState: WebhookState::parse;
    EventState: EventState::parse;
    DecisionState: DecisionState::parse;
    Mode: mode;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_an_error_and_not_a_guess() {
        assert!(EventState::column_result(ValueRef::Text(b"lost")).is_err());
        assert!(Mode::column_result(ValueRef::Text(b"live")).is_ok());
    }
}
