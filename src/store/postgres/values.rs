//! How values of this program are written in PostgreSQL, and read back.
//!
//! PostgreSQL takes no NUL character in a text, and what providers send may hold one. So every text is written with NUL as
//! the two characters U+0001 U+0001, and U+0001 as U+0001 U+0002: nothing is lost, nothing looks like something else, and
//! the order of texts stays that of their bytes.

use std::borrow::Cow;
use std::error::Error;

use bytes::BytesMut;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

pub use super::super::values::{count, json, latest_due, millis, millis_of, word};
use super::super::values::{mode, of_millis};
use super::super::{DecisionState, EventState, StoreError, WebhookState};
use crate::facts::{Mode, Scope};

/// One value of a statement.
#[derive(Debug)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    Ints(Vec<i64>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Blobs(Vec<&'a [u8]>),
}

/// What can be a value of a statement.
pub trait Arg {
    fn value(&self) -> Value<'_>;
}

/// The values of a statement, in the order of `$1`, `$2` and so on.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$($crate::store::postgres::values::Arg::value(&$arg)),*] };
}
pub(super) use args;

/// A text without the character that PostgreSQL refuses.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\u{1}' if characters.next() == Some('\u{1}') => '\0',
            other => other,
        });
    }
    plain
}

impl Arg for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl Arg for u16 {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Arg for bool {
    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl Arg for str {
    fn value(&self) -> Value<'_> {
        Value::Text(escaped(self))
    }
}

impl Arg for String {
    fn value(&self) -> Value<'_> {
        self.as_str().value()
    }
}

impl Arg for [String] {
    fn value(&self) -> Value<'_> {
        Value::Texts(self.iter().map(|text| Some(escaped(text))).collect())
    }
}

impl Arg for Vec<&str> {
    fn value(&self) -> Value<'_> {
        Value::Texts(self.iter().map(|text| Some(escaped(text))).collect())
    }
}

impl Arg for Vec<Option<&str>> {
    fn value(&self) -> Value<'_> {
        Value::Texts(self.iter().map(|text| text.map(escaped)).collect())
    }
}

impl Arg for Vec<i64> {
    fn value(&self) -> Value<'_> {
        Value::Ints(self.clone())
    }
}

impl Arg for Vec<&[u8]> {
    fn value(&self) -> Value<'_> {
        Value::Blobs(self.clone())
    }
}

impl Arg for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<T: Arg> Arg for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Arg::value)
    }
}

impl<T: Arg + ?Sized> Arg for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql_checked(ty, out),
            Self::Bool(is) => is.to_sql_checked(ty, out),
            Self::Text(text) => text.as_ref().to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
            Self::Ints(numbers) => numbers.to_sql_checked(ty, out),
            Self::Texts(texts) => texts.to_sql_checked(ty, out),
            Self::Blobs(blobs) => blobs.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One row of an answer.
pub struct Row(pub tokio_postgres::Row);

/// What a column can be read as. A value that cannot be read is an error that says which column, never a guess.
pub trait Column: Sized {
    fn read(row: &Row, column: &str) -> Result<Self, StoreError>;
}

impl Row {
    pub fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        T::read(self, column)
    }

    fn raw<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T, StoreError> {
        self.0.try_get(column).map_err(|error| unreadable(column, error))
    }
}

macro_rules! columns {
    ($($name:ty),*) => {$(
        impl Column for $name {
            fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
                row.raw(column)
            }
        }
    )*};
}
columns!(i64, Option<i64>, bool, Option<bool>, Vec<u8>, Option<Vec<u8>>);

impl Column for String {
    fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
        row.raw::<&str>(column).map(unescaped)
    }
}

impl Column for Option<String> {
    fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
        Ok(row.raw::<Option<&str>>(column)?.map(unescaped))
    }
}

pub fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    of_millis(row.get(column)?).ok_or_else(|| unreadable(column, "beyond the end of time"))
}

pub fn optional_time(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.get(column)?;
    millis.map(|millis| of_millis(millis).ok_or_else(|| unreadable(column, "beyond the end of time"))).transpose()
}

pub fn scope(row: &Row) -> Result<Scope, StoreError> {
    Ok(Scope { provider: row.get("provider")?, account: row.get("account")? })
}

pub fn from_word<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    let word: String = row.get(column)?;
    serde_json::from_value(serde_json::Value::String(word)).map_err(|error| unreadable(column, error))
}

pub fn from_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

pub fn optional_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, error))).transpose()
}

/// A number as one of another width or without a sign.
pub fn number<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, StoreError> {
    let n: i64 = row.get(column)?;
    T::try_from(n).map_err(|_| unreadable(column, format_args!("{n} is out of range")))
}

fn unreadable(column: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("column {column}: {problem}"))
}

/// Enums that are stored as their word.
macro_rules! words {
    ($($name:ty: $parse:expr;)*) => {$(
        impl Arg for $name {
            fn value(&self) -> Value<'_> {
                Value::Text(self.as_str().into())
            }
        }

        impl Column for $name {
            fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(row.raw(column)?).ok_or_else(|| unreadable(column, "a word that is not known"))
            }
        }

        impl Column for Option<$name> {
            fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
                match row.raw::<Option<&str>>(column)? {
                    Some(_) => <$name>::read(row, column).map(Some),
                    None => Ok(None),
                }
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
    fn every_text_is_taken_comes_back_as_it_was_and_keeps_its_place_in_the_order() {
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = texts
                .iter()
                .flat_map(|text| ['\0', '\u{1}', '\u{2}', 'a', 'é'].map(|character| format!("{text}{character}")));
            texts.extend(longer.collect::<Vec<_>>());
        }
        texts.sort();
        texts.dedup();
        let kept: Vec<String> = texts.iter().map(|text| escaped(text).into_owned()).collect();
        assert!(kept.iter().all(|text| !text.contains('\0')));
        assert!(kept.is_sorted_by(|one, other| one.as_bytes() < other.as_bytes()));
        assert_eq!(kept.iter().map(|text| unescaped(text)).collect::<Vec<_>>(), texts);
    }
}
