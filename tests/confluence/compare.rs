//! Compares what Cello was told with what it must be told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expected::{Expected, text};
use crate::relay::Told;

/// What is wrong, in words; `None` where nothing is.
pub fn problem(expected: &[Expected], told: &[Told]) -> Option<String> {
    let by_key: BTreeMap<&str, &Expected> = expected.iter().map(|event| (event.key.as_str(), event)).collect();
    let mut once: BTreeMap<&str, &str> = BTreeMap::new();
    let mut codes: BTreeMap<String, String> = BTreeMap::new();
    for event in told {
        if once.insert(&event.key, &event.body).is_some_and(|body| body != event.body) {
            return Some(format!("`{}` is told twice with different bodies", event.key));
        }
        let Some(wanted) = by_key.get(event.key.as_str()) else {
            return Some(format!("`{}` is told and should not be:\n{}", event.key, event.body));
        };
        if let Some(difference) = difference(wanted, &event.json()) {
            return Some(format!("`{}`: {difference}\ntold   {}\nwanted {}", event.key, event.body, wanted.body));
        }
        let (user, code) = (text(event.at("/payload/newUserId")), text(event.at("/payload/ucc")));
        if codes.insert(user.clone(), code.clone()).is_some_and(|first| first != code) {
            return Some(format!("{user} is told with two codes"));
        }
    }
    let groups: BTreeSet<&str> = once.keys().map(|key| by_key[*key].group.as_str()).collect();
    if let Some(missing) = expected.iter().find(|event| event.required && !groups.contains(event.group.as_str())) {
        return Some(format!("`{}` is not told", missing.key));
    }
    order(told)
}

fn difference(wanted: &Expected, told: &Value) -> Option<String> {
    let (mut body, mut told) = (wanted.body.clone(), told.clone());
    for (pointer, values) in &wanted.open {
        let value = told.pointer(pointer).cloned().unwrap_or_default();
        if values.contains(&text(value)) {
            take(&mut body, pointer);
            take(&mut told, pointer);
        }
    }
    (body != told).then(|| "it differs".to_owned())
}

fn take(body: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    if let Some(parent) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        parent.shift_remove(key);
    }
}

/// For each user the signup, then purchases, then their refunds.
fn order(told: &[Told]) -> Option<String> {
    let place = |wanted: &str, pointer: &str, value: &Value| {
        told.iter().position(|told| told.key.starts_with(wanted) && told.at(pointer) == *value)
    };
    for (number, event) in told.iter().enumerate() {
        let (user, invoice) = (event.at("/payload/newUserId"), event.at("/context/subscription/invoiceId"));
        if event.key.starts_with("purchase:")
            && place("signup:", "/payload/newUserId", &user).is_none_or(|signup| number < signup)
        {
            return Some(format!("`{}` is told before the signup", event.key));
        }
        let paid = place("purchase:", "/context/subscription/invoiceId", &invoice);
        if event.key.starts_with("refund:") && paid.is_some_and(|paid| number < paid) {
            return Some(format!("`{}` is told before its purchase", event.key));
        }
    }
    None
}
