//! Compares what Cello was told with what it must be told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expected::{Expected, Share, text};
use crate::relay::Told;

/// What is wrong, in words; `None` where nothing is.
pub fn problem(expected: &[Expected], told: &[Told]) -> Option<String> {
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, event) in expected.iter().enumerate() {
        for key in [&event.key].into_iter().chain(&event.other_keys) {
            by_key.entry(key).or_default().push(number);
        }
    }
    let mut once: BTreeMap<&str, &str> = BTreeMap::new();
    let mut codes: BTreeMap<String, String> = BTreeMap::new();
    let mut came: BTreeSet<usize> = BTreeSet::new();
    let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
    for event in told {
        if let Some(body) = once.insert(&event.key, &event.body) {
            if *body != event.body {
                return Some(format!("`{}` is told twice with different bodies", event.key));
            }
            continue;
        }
        let Some(wanted) = by_key.get(event.key.as_str()) else {
            return Some(format!("`{}` is told and should not be:\n{}", event.key, event.body));
        };
        let json = event.json();
        let fits = |number: &&usize| !came.contains(*number) && difference(&expected[**number], &json).is_none();
        let Some(number) = wanted.iter().find(fits) else {
            let bodies: Vec<String> = wanted.iter().map(|number| expected[*number].body.to_string()).collect();
            let bodies = bodies.join("\n    or ");
            return Some(format!("`{}` differs\ntold   {}\nwanted {bodies}", event.key, event.body));
        };
        came.insert(*number);
        if let Some(share) = &expected[*number].share {
            *sums.entry(share.payment).or_default() += event.at("/payload/price").as_i64().unwrap_or_default();
        }
        let (user, code) = (text(event.at("/payload/newUserId")), text(event.at("/payload/ucc")));
        if codes.insert(user.clone(), code.clone()).is_some_and(|first| first != code) {
            return Some(format!("{user} is told with two codes"));
        }
    }
    let groups: BTreeSet<&str> = came.iter().map(|number| expected[*number].group.as_str()).collect();
    if let Some(missing) = expected.iter().find(|event| event.required && !groups.contains(event.group.as_str())) {
        return Some(format!("`{}` is not told", missing.key));
    }
    for Share { payment, least, most } in expected.iter().filter_map(|event| event.share.as_ref()) {
        let sum = sums.get(payment).copied().unwrap_or_default();
        if !(*least..=*most).contains(&sum) {
            return Some(format!(
                "the purchases that share the payment {payment} come to {sum}, not {least} to {most}"
            ));
        }
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
    if wanted.share.is_some() {
        take(&mut body, "/payload/price");
        take(&mut told, "/payload/price");
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
