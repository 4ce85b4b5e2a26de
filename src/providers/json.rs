//! Tolerant reading of JSON: what is absent, null or of another type is `None`, never an error.
//!
//! Providers add keys and values without notice and drop them between API versions, so readers ask for the few fields
//! they need by path and decide themselves what a missing one means.

use std::fmt;

use jiff::Timestamp;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Asks a JSON value for what lies below it. Paths are keys joined by dots.
pub trait Look {
    /// What lies at `path`; `None` for null as well.
    fn at(&self, path: &str) -> Option<&Value>;

    /// A text; blanks alone are none.
    fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_str().filter(|text| !text.trim().is_empty())
    }

    fn owned(&self, path: &str) -> Option<String> {
        self.text(path).map(str::to_owned)
    }

    /// A whole number. Amounts are 64 bits with a sign; a number with a fraction is no amount.
    fn int(&self, path: &str) -> Option<i64> {
        self.at(path)?.as_i64()
    }

    /// The same of a number that a fact rests on: `None` only where there is none.
    ///
    /// # Errors
    ///
    /// When something else stands there: a text, a fraction, or more than 64 bits.
    fn whole(&self, path: &str) -> Result<Option<i64>, NotUnderstood> {
        match self.at(path) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| NotUnderstood::at(path)),
        }
    }

    fn flag(&self, path: &str) -> Option<bool> {
        self.at(path)?.as_bool()
    }

    /// Unix seconds.
    fn time(&self, path: &str) -> Option<Timestamp> {
        Timestamp::from_second(self.int(path)?).ok()
    }

    /// An id, whether the provider gives the id or the whole object.
    fn id(&self, path: &str) -> Option<String> {
        let value = self.at(path)?;
        value.as_str().or_else(|| value.get("id")?.as_str()).filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// A country of an address: two letters, in upper case.
    fn country(&self, path: &str) -> Option<String> {
        let code = self.text(path)?.trim();
        (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| code.to_ascii_uppercase())
    }

    /// An empty slice where there is no list.
    fn list(&self, path: &str) -> &[Value] {
        self.at(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// A value that is there and is not of the kind it must be; names the place and never the value, which may be a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Keys joined by dots.
    pub path: String,
}

impl NotUnderstood {
    pub fn at(path: &str) -> Self {
        Self { path: path.to_owned() }
    }

    /// The same, seen from where `place` leads to the object that was looked at.
    pub fn below(self, place: &str) -> Self {
        Self { path: format!("{place}.{}", self.path) }
    }
}

impl Look for Value {
    fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, key| value.get(key)).filter(|value| !value.is_null())
    }
}

/// The values of `keys` at the top of a JSON object; the rest is checked to be JSON and passed over, since a webhook is
/// answered before anybody needs it.
pub fn only(body: &[u8], keys: &[&str]) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = json.deserialize_any(Only(keys))?;
    json.end()?;
    Ok(value)
}

/// A JSON value down to `levels` levels of objects; what lies deeper is checked to be JSON and left empty. For telling
/// what something is, at a third of the cost of parsing it.
pub fn outline(body: &[u8], levels: usize) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = Outline(levels).deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

struct Outline(usize);

impl<'de> DeserializeSeed<'de> for Outline {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outline {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        if self.0 == 0 {
            while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        } else {
            while let Some(key) = object.next_key()? {
                members.insert(key, object.next_value_seed(Outline(self.0 - 1))?);
            }
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(vec![]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

struct Only<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Only<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the JSON object of an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if self.0.contains(&key.as_str()) {
                found.insert(key, object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(found))
    }
}

/// `now` with `former` laid over it, the way providers state former values: objects key by key, everything else
/// whole. A null in `former` means that the key was not there. Lists are whole, but an entry that is still there is
/// laid over its present self, in case only what changed of it is given.
pub fn overlay(now: &Value, former: &Value) -> Value {
    match (now, former) {
        (Value::Object(now), Value::Object(former)) => {
            let mut merged = now.clone();
            for (key, former) in former {
                let value = merged.get(key).map_or_else(|| former.clone(), |now| overlay(now, former));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(now), Value::Array(former)) => Value::Array(
            former
                .iter()
                .enumerate()
                .map(|(index, entry)| match present(now, entry, index) {
                    Some(present) => overlay(present, entry),
                    None => entry.clone(),
                })
                .collect(),
        ),
        _ => former.clone(),
    }
}

/// The present self of a former list entry: the one with its id, else the one in its place.
fn present<'a>(now: &'a [Value], former: &Value, index: usize) -> Option<&'a Value> {
    match former.id("id") {
        Some(id) => now.iter().find(|entry| entry.id("id").as_ref() == Some(&id)),
        None => now.get(index).filter(|_| former.is_object()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_null_or_of_another_type_is_absent() {
        let value = json!({"a": null, "b": {"c": 1.5, "d": "x", "e": "", "g": " \t"}, "f": {"id": "obj"}});
        assert_eq!(value.at("a"), None);
        assert_eq!(value.int("b.c"), None);
        assert_eq!([value.text("b.e"), value.text("b.g")], [None; 2]);
        assert_eq!(value.text("b.d.e"), None);
        assert_eq!(value.id("f").as_deref(), Some("obj"));
        assert_eq!(value.id("b.d").as_deref(), Some("x"));
        assert!(value.list("b").is_empty());
    }

    #[test]
    fn a_number_that_is_there_and_is_no_whole_number_is_never_taken_for_an_absent_one() {
        let value = json!({"a": 7, "b": null, "c": {"d": "7", "e": 7.5, "f": 9_223_372_036_854_775_808_u64}});
        assert_eq!([value.whole("a"), value.whole("b"), value.whole("g.h")], [Ok(Some(7)), Ok(None), Ok(None)]);
        for path in ["c", "c.d", "c.e", "c.f"] {
            assert_eq!(value.whole(path), Err(NotUnderstood::at(path)));
        }
        assert_eq!(NotUnderstood::at("e").below("c").path, "c.e");
    }

    #[test]
    fn a_country_is_two_letters_in_upper_case() {
        let value = json!({"a": "de", "b": "Germany", "c": "", "d": 49, "e": " GB ", "f": "4X"});
        let read = |path| value.country(path);
        assert_eq!([read("a"), read("e")], [Some("DE".to_owned()), Some("GB".to_owned())]);
        assert_eq!([read("b"), read("c"), read("d"), read("f"), read("g")], [const { None::<String> }; 5]);
    }

    #[test]
    fn only_what_is_asked_for_is_kept_and_all_of_it_must_be_json() {
        let body = br#"{"data": {"id": "inner", "deep": [1, {"x": null}]}, "id": "evt_1", "type": "t"}"#;
        assert_eq!(only(body, &["id", "created"]).unwrap(), json!({"id": "evt_1"}));
        for broken in
            ["", "[]", "\"evt_1\"", "{\"id\": \"evt_1\"", "{\"id\": \"evt_1\"} {}", "{\"id\": \"evt_1\", \"a\": nul}"]
        {
            assert!(only(broken.as_bytes(), &["id"]).is_err(), "{broken}");
        }
        let message = only(b"[]", &["id"]).unwrap_err().to_string();
        assert!(message.contains("expected the JSON object of an event"), "{message}");
    }

    #[test]
    fn an_outline_is_what_stands_at_the_top_and_all_of_it_must_be_json() {
        let body = br#"{"a": {"b": {"c": 1}, "d": [2], "e": null, "f": "x"}, "g": -1, "h": 1.5, "i": true, "j": 7}"#;
        let outline = |body: &[u8]| super::outline(body, 2);
        let expected = json!({"a": {"b": {}, "d": [], "e": null, "f": "x"}, "g": -1, "h": 1.5, "i": true, "j": 7});
        assert_eq!(outline(body).unwrap(), expected);
        assert_eq!(outline(b"[{\"a\": 1}]").unwrap(), json!([]));
        for broken in ["", "{", "{\"a\": {\"b\": {\"c\": nul}}}", "{} {}", "[1,]"] {
            assert!(outline(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn former_values_are_laid_over_key_by_key_and_lists_whole() {
        let now = json!({"metadata": {"a": "1", "b": "2"}, "items": {"data": [1, 2]}, "status": "active"});
        let former = json!({"metadata": {"b": null}, "items": {"data": [3]}});
        assert_eq!(
            overlay(&now, &former),
            json!({"metadata": {"a": "1", "b": null}, "items": {"data": [3]}, "status": "active"})
        );
    }
}
