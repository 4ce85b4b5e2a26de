//! The ids that stand in a body, for finding a webhook from which no fact was made.
//!
//! They are kept for longer than the body, so nothing may be among them that tells of a person: only what stands at the
//! places a provider names, and nothing there that looks like an address or like words.

use serde_json::Value;

use super::json::Look;

/// More than any id has; Stripe's longest have 255 characters.
const LONGEST: usize = 255;

/// The ids at `paths` of `value`, each once, in that order. A path goes into every entry of a list on its way.
pub fn ids(value: &Value, paths: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        collect(value, path, &mut found);
    }
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    if let Value::Array(entries) = value {
        return entries.iter().for_each(|entry| collect(entry, path, found));
    }
    match path.split_once('.') {
        Some((key, rest)) => value.at(key).into_iter().for_each(|below| collect(below, rest, found)),
        None => found.extend(value.id(path).filter(|id| is_id(id) && !found.contains(id))),
    }
}

/// Some merchants use addresses as ids of their customers.
fn is_id(text: &str) -> bool {
    text.len() <= LONGEST && !text.contains(|sign: char| sign == '@' || sign.is_whitespace() || sign.is_control())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_found_as_texts_as_objects_and_in_lists_each_once() {
        let value = json!({ "a": { "id": "a_1" }, "b": [{ "c": "c_1" }, { "c": "c_2" }, { "c": "a_1" }], "d": 7 });
        assert_eq!(ids(&value, &["a", "b.c", "d", "e.f"]), ["a_1", "c_1", "c_2"]);
    }

    #[test]
    fn no_address_and_nothing_with_words_is_an_id() {
        for text in ["jo@example.com", "Jo Doe", "", "a\u{1b}[2J", &"x".repeat(256)] {
            assert!(ids(&json!({ "id": text }), &["id"]).is_empty(), "{text}");
        }
        assert!(ids(&json!(null), &["id"]).is_empty());
    }
}
