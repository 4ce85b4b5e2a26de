//! The referral data that operators put on their customers: which keys are looked for, and what counts as a value.

use serde_json::Value;

use crate::config;
use crate::decision::{Warning, WarningCode};
use crate::facts::{Metadata, ReferralData};

/// The keys to look for, with the spelling the operator configured.
#[derive(Debug, Clone)]
pub struct Keys {
    ucc: Vec<String>,
    user_id: Vec<String>,
    organization_id: Vec<String>,
    organization_mode: bool,
}

impl Keys {
    pub fn new(metadata: &config::Metadata) -> Self {
        Self {
            ucc: metadata.ucc.clone(),
            user_id: metadata.user_id.clone(),
            organization_id: metadata.organization_id.clone(),
            organization_mode: metadata.organization_mode,
        }
    }

    /// Reads all three values; `find` returns what stands under one key, already usable.
    pub fn read(&self, find: impl Fn(&str) -> Option<String>) -> ReferralData {
        let first = |keys: &[String]| keys.iter().find_map(|key| find(key));
        ReferralData {
            ucc: first(&self.ucc),
            user_id: first(&self.user_id),
            organization_id: first(&self.organization_id),
        }
    }

    /// Whether everything is there that a referral event needs.
    pub fn complete(&self, data: &ReferralData) -> bool {
        data.is_complete(self.organization_mode)
    }

    /// A warning where another object than the customer carries a code: nobody else reads it there either.
    pub fn warn_of_code_on(&self, metadata: Option<&Value>, place: &str) -> Option<Warning> {
        let metadata = metadata?;
        self.ucc.iter().find(|key| metadata.get(key.as_str()).and_then(usable).is_some()).map(|key| {
            Warning::new(
                WarningCode::MetadataOnWrongObject,
                format!("`{key}` stands in the metadata of the {place}; only the customer's metadata is read"),
            )
        })
    }
}

/// A usable value: text that is not blank, trimmed, or a whole number as its digits, also where it is written with a
/// fraction of nothing (`17.0`). From 2^53 on a number with a fraction no longer tells ids apart.
pub fn usable(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Value::Number(number) if number.is_f64() => {
            let float =
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0)?;
            Some(format!("{float:.0}"))
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// All that stands in an object of metadata as text, exactly as it stands: lists and objects are left out.
pub fn texts<'a>(members: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Metadata {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    members.into_iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blank_and_null_count_as_absent_and_numbers_become_their_digits() {
        assert_eq!(usable(&json!("  usr_1 ")).as_deref(), Some("usr_1"));
        assert_eq!(usable(&json!(10231)).as_deref(), Some("10231"));
        assert_eq!(usable(&json!(u64::MAX)).as_deref(), Some("18446744073709551615"));
        assert_eq!(usable(&json!(17.0)).as_deref(), Some("17"));
        let too_large = json!(9_007_199_254_740_992.0);
        for unusable in [json!(""), json!("   "), json!(null), json!({}), json!(1.5), too_large, json!(true)] {
            assert_eq!(usable(&unusable), None, "{unusable}");
        }
    }

    #[test]
    fn metadata_is_kept_as_text_and_what_is_none_is_left_out() {
        let metadata = json!({"tier": " pro ", "seats": 3, "paid": true, "gone": null, "list": [1], "deep": {}});
        let texts: Vec<_> = texts(metadata.as_object().unwrap()).into_iter().collect();
        let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
        assert_eq!(texts, [pair("paid", "true"), pair("seats", "3"), pair("tier", " pro ")]);
    }

    #[test]
    fn the_first_key_with_a_value_wins() {
        let keys = Keys::new(&config::Config::default().metadata);
        let metadata = json!({"new_user_id": " ", "productUserId": "usr_2", "newUserId": "usr_3", "cello_ucc": "aB3"});
        let data = keys.read(|key| metadata.get(key).and_then(usable));
        assert_eq!(data.user_id.as_deref(), Some("usr_2"));
        assert_eq!(data.ucc.as_deref(), Some("aB3"));
    }
}
