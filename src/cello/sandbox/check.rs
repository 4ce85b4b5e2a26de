//! Checks a referral event field by field, as Cello's reference reads.
//!
//! What the schema refuses is an error; what Cello's pages call required and its schema does not is a warning, as
//! Cello's own Event Feed shows it. It must never be used to check what the relay is about to send, nor share anything
//! with `wire.rs`: it is written from the reference on its own, so that it finds what is wrong there.
//! Source: <https://docs.cello.so/api-reference/generic-events/send-event>.

use jiff::Timestamp;
use serde_json::Value;

use super::FieldWarning;

const CURRENT_TRIGGERS: [&str; 4] = ["new-signup", "demo-call-attended", "invoice-paid", "charge-refunded"];
const OLDER_TRIGGERS: [&str; 3] = ["subscription-created", "subscription-updated", "subscription-canceled"];
const INTERVALS: [&str; 10] = [
    "one-time",
    "weekly",
    "bi-weekly",
    "monthly",
    "quarterly",
    "semi-annual",
    "yearly",
    "biennial",
    "triennial",
    "lifetime",
];

/// The warnings for `body`, or every error in one message.
pub(super) fn check(body: &Value, current_triggers_only: bool, now: Timestamp) -> Result<Vec<FieldWarning>, String> {
    let mut check = Check { body, errors: Vec::new(), warnings: Vec::new() };
    if !body.is_object() {
        return Err("the body must be a JSON object".into());
    }
    if check.text("eventName", true).is_some_and(|name| name != "ReferralUpdated") {
        check.error("eventName", "must be ReferralUpdated");
    }
    let trigger = check.text("context.event.trigger", true).unwrap_or_default();
    let older: &[&str] = if current_triggers_only { &[] } else { &OLDER_TRIGGERS };
    if !trigger.is_empty() && !CURRENT_TRIGGERS.contains(&trigger) && !older.contains(&trigger) {
        let known = [&CURRENT_TRIGGERS, older].concat().join(", ");
        check.error("context.event.trigger", &format!("must be one of the following values: {known}"));
    }
    check.timestamp(now);
    check.who();
    check.money(matches!(trigger, "invoice-paid" | "charge-refunded"));
    check.subscription(trigger);
    if check.errors.is_empty() { Ok(check.warnings) } else { Err(check.errors.join("; ")) }
}

struct Check<'a> {
    body: &'a Value,
    errors: Vec<String>,
    warnings: Vec<FieldWarning>,
}

impl<'a> Check<'a> {
    fn timestamp(&mut self, now: Timestamp) {
        const FIELD: &str = "context.event.timestamp";
        let Some(text) = self.text(FIELD, true) else { return };
        // jiff also reads a blank in place of the `T`; Cello's v2 does not.
        match text.parse::<Timestamp>() {
            Ok(at) if text.as_bytes().get(10) == Some(&b'T') => {
                if at.as_second() > now.as_second() + 300 {
                    self.warn(FIELD, "lies in the future");
                }
            }
            _ => self.error(FIELD, "must be an RFC 3339 date-time with T and Z or an offset"),
        }
    }

    fn who(&mut self) {
        if let Some(ucc) = self.text("payload.ucc", true)
            && !(ucc.len() == 11 && ucc.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            self.warn("payload.ucc", "is not 11 letters and digits");
        }
        let credited = self.text("payload.newUserId", true);
        let user = self.text("context.newUser.id", true);
        let organization = self.text("context.newUser.organizationId", false);
        self.text("context.newUser.name", false);
        if credited.is_some() && credited != organization.or(user) {
            self.warn("payload.newUserId", "is neither the organization nor, without one, the user");
        }
        if self.text("context.newUser.email", false).is_some_and(|email| !email.contains('@')) {
            self.error("context.newUser.email", "must be an email");
        }
    }

    fn money(&mut self, required: bool) {
        let price = self.body.pointer("/payload/price");
        match price.map(Value::as_i64) {
            None if required => self.error("payload.price", "is required for this trigger"),
            None => {}
            Some(None) => self.error("payload.price", "must be an integer in the currency's minor unit"),
            Some(Some(price)) if price < 0 => self.error("payload.price", "must not be negative"),
            Some(Some(0)) if required => self.warn("payload.price", "is zero"),
            Some(Some(_)) => {}
        }
        // An example of Cello's own sends an empty currency with a signup.
        if !required && self.body.pointer("/payload/currency").is_some_and(|currency| currency == "") {
            return;
        }
        match self.text("payload.currency", required) {
            Some(currency) if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                self.error("payload.currency", "must be an upper-case ISO 4217 code");
            }
            None if price.is_some_and(|price| *price != 0) && !required => {
                self.warn("payload.currency", "is missing beside a price");
            }
            _ => {}
        }
    }

    fn subscription(&mut self, trigger: &str) {
        if self.body.pointer("/context/subscription").is_some_and(|subscription| !subscription.is_object()) {
            self.error("context.subscription", "must be an object");
            return;
        }
        self.text("context.subscription.id", false);
        self.text("context.subscription.invoiceId", matches!(trigger, "invoice-paid" | "charge-refunded"));
        let interval = self.text("context.subscription.interval", false);
        if interval.is_some_and(|interval| !INTERVALS.contains(&interval)) {
            let known = INTERVALS.join(", ");
            self.error("context.subscription.interval", &format!("must be one of the following values: {known}"));
        }
        let product = self.text("context.subscription.productKey", false);
        match self.body.pointer("/context/subscription/seatsUsed") {
            Some(seats) if !seats.is_i64() => self.error("context.subscription.seatsUsed", "must be an integer"),
            _ => {}
        }
        if trigger == "invoice-paid" {
            let email = self.body.pointer("/context/newUser/email").is_some();
            for (field, is_there) in [
                ("context.newUser.email", email),
                ("context.subscription.interval", interval.is_some()),
                ("context.subscription.productKey", product.is_some()),
            ] {
                if !is_there {
                    self.warn(field, "is missing; Cello's pages call it required for invoice-paid");
                }
            }
        }
    }

    /// The text at `field`. An error where it is required and absent, or something else than a text with content.
    fn text(&mut self, field: &str, required: bool) -> Option<&'a str> {
        match self.body.pointer(&format!("/{}", field.replace('.', "/"))) {
            None if required => self.error(field, "is required"),
            None => {}
            Some(Value::String(text)) if text.trim().is_empty() => self.error(field, "should not be empty"),
            Some(Value::String(text)) => return Some(text),
            Some(_) => self.error(field, "must be a string"),
        }
        None
    }

    fn error(&mut self, field: &str, problem: &str) {
        self.errors.push(format!("{field} {problem}"));
    }

    fn warn(&mut self, field: &'static str, problem: &str) {
        self.warnings.push(FieldWarning { field, message: problem.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_complete_purchase_passes_without_a_warning() {
        assert_eq!(check_now(&purchase()), Ok(vec![]));
    }

    #[test]
    fn what_the_schema_refuses_is_refused_and_the_field_named() {
        for (path, wrong) in [
            ("/eventName", json!("referralUpdated")),
            ("/payload/ucc", json!("")),
            ("/payload/ucc", json!(12345678901_i64)),
            ("/payload/newUserId", Value::Null),
            ("/payload/price", json!(49.99)),
            ("/payload/price", json!(4900.0)),
            ("/payload/price", json!("4900")),
            ("/payload/price", json!(-1)),
            ("/payload/currency", json!("eur")),
            ("/payload/currency", json!("")),
            ("/context/event/trigger", json!("invoice_paid")),
            ("/context/event/timestamp", json!("2026-05-01 09:30:00Z")),
            ("/context/event/timestamp", json!("2026-05-01T09:30:00")),
            ("/context/event/timestamp", json!(1777627800)),
            ("/context/newUser/id", json!(1001)),
            ("/context/newUser/email", json!("nobody")),
            ("/context/subscription/invoiceId", json!("  ")),
            ("/context/subscription/interval", json!("month")),
            ("/context/subscription/productKey", Value::Null),
            ("/context/subscription/seatsUsed", json!("3")),
            ("/context/subscription", json!([])),
        ] {
            let mut body = purchase();
            *body.pointer_mut(path).unwrap() = wrong.clone();
            let message = check_now(&body).expect_err(&format!("{path} {wrong}"));
            assert!(message.contains(&path[1..].replace('/', ".")), "{path}: {message}");
        }
        assert!(check_now(&json!([])).is_err());
    }

    #[test]
    fn what_money_needs_is_required_and_what_only_the_pages_want_is_a_warning() {
        for (parent, key, refused) in [
            ("/payload", "price", true),
            ("/payload", "currency", true),
            ("/context/subscription", "invoiceId", true),
            ("/context/newUser", "email", false),
            ("/context/subscription", "interval", false),
            ("/context/subscription", "productKey", false),
        ] {
            let mut body = purchase();
            body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            match check_now(&body) {
                Ok(warnings) => assert!(!refused && warnings[0].field.ends_with(key), "{key}: {warnings:?}"),
                Err(message) => assert!(refused && message.contains(key), "{key}: {message}"),
            }
        }
    }

    #[test]
    fn the_older_triggers_are_known_or_not_as_the_account_is() {
        for trigger in OLDER_TRIGGERS {
            let mut body = purchase();
            body["context"]["event"]["trigger"] = json!(trigger);
            assert_eq!(check_now(&body), Ok(vec![]));
            assert!(check(&body, true, now()).unwrap_err().starts_with("context.event.trigger"));
        }
    }

    #[test]
    fn a_signup_needs_no_money_and_tolerates_the_empty_money_of_the_official_example() {
        let mut body = purchase();
        body["context"]["event"]["trigger"] = json!("new-signup");
        body["payload"]["price"] = json!(0);
        body["payload"]["currency"] = json!("");
        assert_eq!(check_now(&body), Ok(vec![]));
    }

    fn check_now(body: &Value) -> Result<Vec<FieldWarning>, String> {
        check(body, false, now())
    }

    fn now() -> Timestamp {
        "2026-05-02T00:00:00Z".parse().unwrap()
    }

    fn purchase() -> Value {
        json!({
            "eventName": "ReferralUpdated",
            "payload": { "ucc": "AbC123dEf45", "newUserId": "u_1001", "price": 4900, "currency": "EUR" },
            "context": {
                "event": { "trigger": "invoice-paid", "timestamp": "2026-05-01T09:30:00Z" },
                "newUser": { "id": "u_1001", "email": "buyer@example.com" },
                "subscription": {
                    "id": "sub_1", "invoiceId": "in_1", "interval": "monthly", "productKey": "Pro", "seatsUsed": 3
                }
            }
        })
    }
}
