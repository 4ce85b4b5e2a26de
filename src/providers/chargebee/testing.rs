//! For the tests of Chargebee's readers.

use serde_json::{Value, json};

use super::Chargebee;
use crate::config::Config;
use crate::facts::Reading;
use crate::providers::testing::AT;
use crate::providers::{Provider, ReadError, Unreadable};

pub const DAY: i64 = 86_400;

pub fn try_chargebee(kind: &str, content: Value) -> Result<Reading, Unreadable> {
    let event = json!({ "id": "ev_1", "api_version": "v2", "event_type": kind, "occurred_at": AT, "content": content });
    Chargebee::new(&Config::default()).read(event.to_string().as_bytes())
}

/// The field that makes an event unreadable, because what stands there is not understood.
pub fn not_understood(kind: &str, content: Value) -> String {
    match try_chargebee(kind, content).unwrap_err().problem {
        ReadError::NotUnderstood { field, .. } => field,
        other => panic!("{other}"),
    }
}

/// The object with other values under some of its keys.
pub fn changed(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// What is no whole number of 64 bits.
pub fn no_numbers() -> [Value; 3] {
    [json!("4900"), json!(49.5), json!(9_223_372_036_854_775_808_u64)]
}
