//! Numbers, times and currencies that a fact rests on: each is either absent or understood.
//!
//! A price that came as text would otherwise be reported as 0, or a purchase dated by the wrong time. Whatever the fact
//! does not use is read tolerantly and never fails.

use jiff::Timestamp;
use serde_json::Value;

use crate::money::Currency;
use crate::providers::json::{Look, NotUnderstood};

/// `None` where there is no value.
pub type Checked<T> = Result<Option<T>, NotUnderstood>;

/// An object of the event, with its full path for the message.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub object: &'a Value,
    path: &'static str,
}

impl<'a> Place<'a> {
    pub fn new(object: &'a Value, path: &'static str) -> Self {
        Self { object, path }
    }

    pub fn whole(&self, key: &str) -> Checked<i64> {
        self.object.whole(key).map_err(|problem| problem.below(self.path))
    }

    /// Unix seconds.
    pub fn moment(&self, key: &str) -> Checked<Timestamp> {
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| NotUnderstood::at(key).below(self.path));
        self.whole(key)?.map(moment).transpose()
    }
}

/// The first of `places` in the event that names a currency. A site with one currency may leave it out of some; a
/// transaction is always in the currency of its invoice. That of the site's books (`base_currency_code`) is never asked.
pub fn currency(content: &Value, places: &[&str]) -> Checked<Currency> {
    let Some((place, code)) = places.iter().find_map(|place| Some((place, content.at(place).filter(|it| !blank(it))?)))
    else {
        return Ok(None);
    };
    let currency = code.as_str().and_then(Currency::parse);
    currency.map(Some).ok_or_else(|| NotUnderstood::at(place).below("content"))
}

fn blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_currency_that_is_there_must_be_one_and_a_blank_one_is_absent() {
        let places = ["invoice.currency_code", "transaction.currency_code"];
        let read = |first: Value, second: Value| {
            let content = json!({ "invoice": { "currency_code": first }, "transaction": { "currency_code": second } });
            currency(&content, &places).map(|currency| currency.map(|currency| currency.to_string()))
        };
        assert_eq!(read(json!("EUR"), json!("GBP")), Ok(Some("EUR".to_owned())));
        for absent in [Value::Null, json!(""), json!("  ")] {
            assert_eq!(read(absent.clone(), json!("GBP")), Ok(Some("GBP".to_owned())));
            assert_eq!(read(absent, Value::Null), Ok(None));
        }
        for wrong in [json!("euro"), json!(978), json!({})] {
            let problem = read(wrong, json!("GBP")).unwrap_err();
            assert_eq!(problem.path, "content.invoice.currency_code");
        }
        assert_eq!(read(Value::Null, json!("£££")).unwrap_err().path, "content.transaction.currency_code");
    }

    #[test]
    fn a_time_is_in_seconds_and_one_that_no_calendar_has_is_not_understood() {
        let object = json!({ "paid_at": 1_767_225_600, "date": 1_767_225_600_000_000_i64, "text": "today" });
        let place = Place::new(&object, "content.invoice");
        assert_eq!(place.moment("paid_at").unwrap().unwrap().as_second(), 1_767_225_600);
        assert_eq!(place.moment("updated_at"), Ok(None));
        assert_eq!(place.moment("date").unwrap_err().path, "content.invoice.date");
        assert_eq!(place.moment("text").unwrap_err().path, "content.invoice.text");
    }
}
