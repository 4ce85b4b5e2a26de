//! How values of this program are written in any store.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use crate::facts::Mode;

/// Milliseconds since 1970, UTC; anything finer is cut off.
pub fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

pub fn millis_of(time: Option<Timestamp>) -> Option<i64> {
    time.map(millis)
}

/// The reverse of [`millis`]; `None` beyond the ends of time.
pub fn of_millis(millis: i64) -> Option<Timestamp> {
    // Not `from_millisecond`: it refuses the last second, in which `Timestamp::MAX` lies.
    let nanos = i32::try_from(millis.rem_euclid(1000) * 1_000_000).ok()?;
    Timestamp::new(millis.div_euclid(1000), nanos).ok()
}

/// A time as it comes back from the store.
pub fn cut(time: Timestamp) -> Timestamp {
    of_millis(millis(time)).unwrap_or(time)
}

/// The latest time for which a referral event can be put off at `now`: longer than any pause and any `Retry-After` that
/// is obeyed. What is due later was put off by a clock that has been set back since.
pub fn latest_due(now: Timestamp) -> Timestamp {
    now.saturating_add(Duration::from_secs(25 * 3600)).unwrap_or(Timestamp::MAX)
}

/// The word serde has for a unit variant, for enums that have no other.
pub fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Damaged("a value that has no word".into())),
    }
}

pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub fn of_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub fn mode(word: &str) -> Option<Mode> {
    [Mode::Live, Mode::Test].into_iter().find(|mode| mode.as_str() == word)
}

/// What is kept of a try whose sender did not live to tell, as so many before it in a row.
pub fn sender_died(deaths: u32) -> String {
    let times = if deaths > 1 { format!(", {deaths} times in a row") } else { String::new() };
    format!("The sender stopped while it was sending{times}; whether Cello has it is not known.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_to_the_millisecond_up_to_the_ends_of_time() {
        for time in ["1969-12-31T23:59:59.999Z", "2026-11-21T08:31:24.007Z", "9999-12-30T22:00:00.999Z"] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(of_millis(millis(time)), Some(time));
        }
        for time in [Timestamp::MAX, Timestamp::MIN] {
            assert!(of_millis(millis(time)).is_some(), "{time}");
        }
        assert!(of_millis(i64::MAX).is_none());
    }
}
