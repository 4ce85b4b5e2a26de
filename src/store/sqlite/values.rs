//! How values and errors of this program are written in SQLite, and read back.
//!
//! A value that cannot be read back is an error that says which column; it is never replaced by a guess.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Error, ErrorCode, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
                    _ => Self::Damaged(text),
                }
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// Milliseconds since 1970, UTC; anything finer is cut off.
pub fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

pub fn millis_of(time: Option<Timestamp>) -> Option<i64> {
    time.map(millis)
}

/// A time as it comes back from the store.
pub fn cut(time: Timestamp) -> Timestamp {
    Millis::of(millis(time)).map_or(time, |millis| millis.0)
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

/// The word serde has for a unit variant, for enums that have no other.
pub fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Damaged("a value that has no word".into())),
    }
}

pub fn from_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    from_json_value(serde_json::Value::String(word), row, column)
}

pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(row, column, error))
}

pub fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(row, column, error))).transpose()
}

pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number that was written by [`count`].
pub fn size(row: &Row<'_>, column: &str) -> rusqlite::Result<usize> {
    let n: i64 = row.get(column)?;
    let index = row.as_ref().column_index(column).unwrap_or_default();
    usize::try_from(n).map_err(|_| Error::IntegralValueOutOfRange(index, n))
}

fn from_json_value<T: DeserializeOwned>(value: serde_json::Value, row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    serde_json::from_value(value).map_err(|error| unreadable(row, column, error))
}

fn unreadable(row: &Row<'_>, column: &str, error: serde_json::Error) -> Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}

struct Millis(Timestamp);

impl Millis {
    fn of(millis: i64) -> Option<Self> {
        // Not `from_millisecond`: it refuses the last second, in which `Timestamp::MAX` lies.
        let nanos = i32::try_from(millis.rem_euclid(1000) * 1_000_000).ok()?;
        Timestamp::new(millis.div_euclid(1000), nanos).ok().map(Self)
    }
}

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = value.as_i64()?;
        Self::of(millis).ok_or(FromSqlError::OutOfRange(millis))
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
    Mode: |word| [Mode::Live, Mode::Test].into_iter().find(|mode| mode.as_str() == word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_to_the_millisecond_up_to_the_ends_of_time() {
        for time in ["1969-12-31T23:59:59.999Z", "2026-11-21T08:31:24.007Z", "9999-12-30T22:00:00.999Z"] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(Millis::column_result(ValueRef::Integer(millis(time))).unwrap().0, time);
        }
        for time in [Timestamp::MAX, Timestamp::MIN] {
            assert!(Millis::column_result(ValueRef::Integer(millis(time))).is_ok(), "{time}");
        }
        assert!(Millis::column_result(ValueRef::Integer(i64::MAX)).is_err());
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error_and_not_a_guess() {
        assert!(EventState::column_result(ValueRef::Text(b"lost")).is_err());
        assert!(Mode::column_result(ValueRef::Text(b"live")).is_ok());
    }
}
