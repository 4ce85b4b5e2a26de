//! What differs between what is expected of a case and what came of it, entry by entry and field by field.

use serde_json::Value;

use super::case::{Entry, is_unsent};

/// One field that differs, or a whole entry.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// From 1, in the expected file; `None` for what nobody expects.
    pub entry: Option<usize>,
    /// The webhook that what came stems from.
    pub webhook: Option<String>,
    /// From 0, among all that came of the case.
    #[serde(skip)]
    pub came: Option<usize>,
    /// Keys joined by dots; empty for a whole entry.
    pub path: String,
    pub expected: Option<Value>,
    pub got: Option<Value>,
}

/// What differs. Where the expected entries say nothing of what is not sent, that need not be expected.
pub fn differences(expected: &[Entry], got: &[Entry]) -> Vec<Difference> {
    let all = expected.iter().any(is_unsent);
    let mut differences = Vec::new();
    for (wanted, came) in aligned(expected, got) {
        let mut differ = |path: String, expected: Option<&Value>, got: Option<&Value>| {
            let (entry, expected, got) = (wanted.map(|at| at + 1), expected.cloned(), got.cloned());
            differences.push(Difference { entry, webhook: None, came, path, expected, got });
        };
        match (wanted.map(|at| &expected[at]), came.map(|at| &got[at])) {
            (Some(wanted), Some(came)) if is_unsent(wanted) || is_unsent(came) => {
                if wanted != came {
                    differ(String::new(), Some(wanted), Some(came));
                }
            }
            (Some(wanted), Some(came)) => fields(wanted, came, &mut String::new(), &mut differ),
            (None, Some(came)) if is_unsent(came) && !all => {}
            (wanted, came) => differ(String::new(), wanted, came),
        }
    }
    differences
}

/// Calls `differ` for each field that is not the same.
fn fields(
    expected: &Value,
    got: &Value,
    path: &mut String,
    differ: &mut impl FnMut(String, Option<&Value>, Option<&Value>),
) {
    let (Value::Object(wanted), Value::Object(came)) = (expected, got) else {
        if expected != got {
            differ(path.clone(), Some(expected), Some(got));
        }
        return;
    };
    for key in wanted.keys().chain(came.keys().filter(|key| !wanted.contains_key(*key))) {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        match (wanted.get(key), came.get(key)) {
            (Some(wanted), Some(came)) => fields(wanted, came, path, differ),
            (wanted, came) => differ(path.clone(), wanted, came),
        }
        path.truncate(length);
    }
}

/// Which expected entry belongs to which one that came, in order, so that one too few or too many does not make all
/// that follow differ. The pairs with the greatest likeness in sum; any two are more alike than nothing.
fn aligned(expected: &[Entry], came: &[Entry]) -> Vec<(Option<usize>, Option<usize>)> {
    let width = came.len() + 1;
    let mut best = vec![0_u32; (expected.len() + 1) * width];
    for (i, wanted) in expected.iter().enumerate().rev() {
        for (j, came) in came.iter().enumerate().rev() {
            let paired = likeness(wanted, came) + best[(i + 1) * width + j + 1];
            best[i * width + j] = paired.max(best[(i + 1) * width + j]).max(best[i * width + j + 1]);
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < expected.len() && j < came.len() {
        let here = best[i * width + j];
        if here == likeness(&expected[i], &came[j]) + best[(i + 1) * width + j + 1] {
            pairs.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            pairs.push((Some(i), None));
            i += 1;
        } else {
            pairs.push((None, Some(j)));
            j += 1;
        }
    }
    pairs.extend((i..expected.len()).map(|i| (Some(i), None)));
    pairs.extend((j..came.len()).map(|j| (None, Some(j))));
    pairs
}

fn likeness(expected: &Entry, came: &Entry) -> u32 {
    let same =
        |pointer: &str| expected.pointer(pointer).is_some() && expected.pointer(pointer) == came.pointer(pointer);
    if expected == came {
        return 16;
    }
    match (is_unsent(expected), is_unsent(came)) {
        (false, false) => {
            2 + 6 * u32::from(same("/context/event/trigger")) + 4 * u32::from(same("/context/subscription/invoiceId"))
        }
        (true, true) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(trigger: &str, invoice: &str, price: i64) -> Entry {
        json!({
            "eventName": "ReferralUpdated",
            "payload": { "price": price },
            "context": { "event": { "trigger": trigger }, "subscription": { "invoiceId": invoice } },
        })
    }

    fn told(expected: &[&Entry], got: &[&Entry]) -> Vec<String> {
        let entries = |entries: &[&Entry]| entries.iter().map(|entry| (*entry).clone()).collect::<Vec<_>>();
        let text = |value: &Option<Value>| match value {
            Some(value) if value.is_object() => "…".to_owned(),
            Some(value) => value.to_string(),
            None => "nothing".to_owned(),
        };
        let line = |difference: &Difference| {
            let entry = difference.entry.map_or("-".to_owned(), |entry| entry.to_string());
            format!("{entry} {}: {} {}", difference.path, text(&difference.expected), text(&difference.got))
        };
        differences(&entries(expected), &entries(got)).iter().map(line).collect()
    }

    #[test]
    fn a_field_is_named_by_its_keys() {
        let mut other = event("invoice-paid", "in_1", 80);
        other["payload"]["currency"] = json!("EUR");
        let mut wanted = event("invoice-paid", "in_1", 100);
        wanted["payload"]["newUserId"] = json!("u");
        let lines =
            ["1 payload.price: 100 80", "1 payload.newUserId: \"u\" nothing", "1 payload.currency: nothing \"EUR\""];
        assert_eq!(told(&[&wanted], &[&other]), lines);
    }

    #[test]
    fn one_too_few_or_too_many_leaves_the_others_as_they_are() {
        let [a, b, c] =
            [event("new-signup", "", 0), event("invoice-paid", "in_1", 1), event("invoice-paid", "in_2", 2)];
        assert_eq!(told(&[&a, &b, &c], &[&a, &c]), ["2 : … nothing"]);
        assert_eq!(told(&[&a, &c], &[&a, &b, &c]), ["- : nothing …"]);
        assert_eq!(told(&[], &[&a]), ["- : nothing …"]);
        let dearer = event("invoice-paid", "in_2", 3);
        assert_eq!(told(&[&a, &c], &[&a, &b, &dearer]), ["- : nothing …", "2 payload.price: 2 3"]);
    }

    #[test]
    fn what_is_not_sent_is_compared_only_where_it_is_expected() {
        let (sent, ignored) = (event("new-signup", "", 0), json!({ "ignore": "no_rule_matched" }));
        assert_eq!(told(&[&sent], &[&ignored, &sent]), [""; 0]);
        assert_eq!(told(&[], &[&ignored]), [""; 0]);
        assert_eq!(told(&[&ignored, &sent], &[&ignored, &sent]), [""; 0]);
        let held = json!({ "hold": "rule_failed" });
        assert_eq!(told(&[&ignored, &sent], &[&held, &sent]), ["1 : … …"]);
        assert_eq!(told(&[&sent], &[&ignored]), ["1 : … …"], "with what came of it instead");
        assert_eq!(told(&[&sent], &[&ignored, &sent, &ignored]), [""; 0]);
        assert_eq!(told(&[&ignored], &[&sent]), ["1 : … …"]);
    }
}
