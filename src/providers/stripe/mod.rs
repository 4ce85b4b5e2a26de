//! Stripe: from a signed request to facts, for every API version since 2018.
//!
//! Payloads keep the version their endpoint was created with, for ever. So nothing here looks at the version: each
//! reader looks at which fields exist. The break that matters is 2025-03-31 (basil), which moved the subscription, the
//! price and the payment of an invoice elsewhere or out of the webhook.

mod charge;
mod checkout;
mod credit_note;
mod customer;
mod invoice;
#[cfg(feature = "stripe-lookup")]
mod look_up;
#[cfg(not(feature = "stripe-lookup"))]
#[path = "no_look_up.rs"]
mod look_up;
mod payment;
pub mod signature;
mod subscription;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::json::{Look, NotUnderstood, only};
use super::metadata::Keys;
use super::{Envelope, IdentifyError, LookUpError, Provider, Question, ReadError, Refusal, Unreadable, ids};
use crate::config::Config;
use crate::decision::Reason;
use crate::facts::{Learned, Mode, Reading};
use crate::money::Currency;

pub const NAME: &str = "stripe";

/// Where the ids stand that a person may ask by, in whatever object.
const MENTIONED: [&str; 12] = [
    "id",
    "customer",
    "customer_account",
    "subscription",
    "parent.subscription_details.subscription",
    "lines.data.subscription",
    "invoice",
    "payment_intent",
    "charge",
    "latest_charge",
    "payment.payment_intent",
    "payment.charge",
];

pub struct Stripe {
    verifier: signature::Verifier,
    /// The secret to sign with for replay: the first.
    secret: Option<SecretString>,
    keys: Keys,
    api: Option<look_up::Api>,
}

impl Stripe {
    pub fn new(config: &Config) -> Self {
        Self {
            verifier: signature::Verifier::new(config.stripe.webhook_secrets.clone(), config.stripe.tolerance),
            secret: config.stripe.webhook_secrets.first().cloned(),
            keys: Keys::new(&config.metadata),
            api: look_up::Api::from_config(config),
        }
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_on(&self) -> bool {
        self.secret.is_some()
    }

    fn credential_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal> {
        // The signature covers the body, so all that can be told before it is its form.
        self.verifier.admit(credential)
    }

    fn authenticate(&self, credential: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
        self.verifier.verify(credential, body, now)
    }

    fn identify(&self, _: Option<&str>, body: &[u8]) -> Result<Envelope, IdentifyError> {
        let head = only(body, &["id", "type", "account", "livemode", "created"])?;
        // Thin events give their time as text.
        let at = head.time("created").or_else(|| head.text("created")?.parse().ok());
        Ok(Envelope {
            event_id: head.owned("id").ok_or(IdentifyError::Missing("id"))?,
            kind: head.owned("type").unwrap_or_default(),
            account: head.owned("account").unwrap_or_default(),
            mode: head.flag("livemode").map(|live| if live { Mode::Live } else { Mode::Test }),
            at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn read(&self, body: &[u8]) -> Result<Reading, Unreadable> {
        let body: Value = serde_json::from_slice(body).map_err(ReadError::from)?;
        if is_thin(&body) {
            return Ok(Reading::nothing(
                Reason::UnsupportedVersion,
                "a thin event carries only ids; register the endpoint for snapshot events",
            ));
        }
        let event = Event::new(&body)?;
        match event.kind {
            "customer.created" => customer::created(&event, &self.keys),
            "customer.updated" => customer::updated(&event, &self.keys),
            "customer.deleted" => customer::deleted(&event),
            "customer.subscription.created" => subscription::created(&event, &self.keys),
            "customer.subscription.updated" => subscription::updated(&event, &self.keys),
            "customer.subscription.deleted" => subscription::ended(&event, &self.keys),
            "invoice.paid" => invoice::paid(&event, &self.keys),
            "invoice.payment_succeeded" => Ok(invoice::payment_succeeded(&event)),
            "invoice_payment.paid" => invoice::payment(&event),
            "charge.refunded" => charge::refunded(&event),
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                Ok(charge::of_refund(&event))
            }
            "credit_note.created" => credit_note::created(&event),
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
                checkout::completed(&event, &self.keys)
            }
            "payment_intent.succeeded" => payment::succeeded(&event, &self.keys),
            "charge.succeeded" | "charge.captured" => payment::charged(&event, &self.keys),
            kind => Ok(Reading::nothing(Reason::NotOfInterest, format!("no referral event follows from `{kind}`"))),
        }
    }

    fn mentions(&self, body: &[u8]) -> Vec<String> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let object = body.at("data.object").or_else(|| body.at("related_object")).unwrap_or(&Value::Null);
        ids(object, &MENTIONED)
    }

    fn can_look_up(&self) -> bool {
        self.api.is_some()
    }

    async fn look_up(&self, question: &Question, now: Timestamp) -> Result<Vec<Learned>, LookUpError> {
        match &self.api {
            Some(api) => api.ask(question, &self.keys, now).await,
            None => Ok(vec![]),
        }
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> String {
        self.secret.as_ref().map(|secret| signature::sign(secret.expose_secret(), body, now)).unwrap_or_default()
    }

    fn recognises(&self, body: &Value) -> bool {
        let is_event = body.text("object") == Some("event") || is_thin(body);
        body.text("type").is_some() && (is_event || body.at("data.object").is_some())
    }
}

/// Whether it is one of the events of Stripe's second API, which carry ids alone.
fn is_thin(body: &Value) -> bool {
    body.text("object").is_some_and(|object| object.starts_with("v2.core.event"))
}

/// Whom an object is about: the customer or, from 2026 on, only the account behind it (Accounts v2).
fn customer_id(object: &Value) -> Option<String> {
    object.id("customer").or_else(|| object.id("customer_account"))
}

/// The currency at `path`; `None` only where there is none.
fn currency(object: &Value, path: &str) -> Result<Option<Currency>, NotUnderstood> {
    match object.at(path) {
        None => Ok(None),
        Some(code) => code.as_str().and_then(Currency::parse).map(Some).ok_or_else(|| NotUnderstood::at(path)),
    }
}

/// The time at `path`, in Unix seconds; `None` only where there is none.
fn moment(object: &Value, path: &str) -> Result<Option<Timestamp>, NotUnderstood> {
    let time = |seconds| Timestamp::from_second(seconds).map_err(|_| NotUnderstood::at(path));
    object.whole(path)?.map(time).transpose()
}

/// A snapshot event, taken apart.
struct Event<'a> {
    id: &'a str,
    kind: &'a str,
    at: Timestamp,
    object: &'a Value,
    /// Former values of what changed, on `…updated` events and refunds.
    former: Option<&'a Value>,
}

impl<'a> Event<'a> {
    fn new(body: &'a Value) -> Result<Self, ReadError> {
        let kind = body.text("type").unwrap_or_default();
        let missing = |field| ReadError::Missing { kind: kind.to_owned(), field };
        let at = moment(body, "created")
            .map_err(|problem| ReadError::NotUnderstood { kind: kind.to_owned(), field: problem.path })?;
        Ok(Self {
            id: body.text("id").ok_or_else(|| missing("id"))?,
            kind,
            at: at.ok_or_else(|| missing("created"))?,
            object: body.at("data.object").ok_or_else(|| missing("data.object"))?,
            former: body.at("data.previous_attributes"),
        })
    }

    /// Milliseconds, for telling older states from newer ones.
    fn version(&self) -> i64 {
        self.at.as_millisecond()
    }

    fn missing(&self, field: &'static str) -> ReadError {
        ReadError::Missing { kind: self.kind.to_owned(), field }
    }

    /// A number of the object that the fact rests on; `None` only where there is none.
    fn whole(&self, path: &str) -> Result<Option<i64>, ReadError> {
        self.object.whole(path).map_err(|problem| self.not_understood(problem))
    }

    /// The same of a former value.
    fn former_whole(&self, path: &str) -> Result<Option<i64>, ReadError> {
        let former = self.former.map_or(Ok(None), |former| former.whole(path));
        former.map_err(|problem| self.not_understood_at("data.previous_attributes", problem))
    }

    /// A problem somewhere in the object.
    fn not_understood(&self, problem: NotUnderstood) -> ReadError {
        self.not_understood_at("data.object", problem)
    }

    fn not_understood_at(&self, place: &str, problem: NotUnderstood) -> ReadError {
        ReadError::NotUnderstood { kind: self.kind.to_owned(), field: problem.below(place).path }
    }

    /// The reading with what the webhook teaches, which is kept where the rest is not understood.
    fn conclude(&self, reading: Result<Reading, ReadError>, learned: Vec<Learned>) -> Result<Reading, Unreadable> {
        match reading {
            Ok(reading) => Ok(reading.learning(learned)),
            Err(problem) => Err(Unreadable { problem, learned }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Says, stripe, try_stripe};
    use super::*;

    #[test]
    fn a_time_that_is_there_and_no_time_makes_the_event_unreadable() {
        let read = |created: Value| {
            let event = json!({ "id": "evt_1", "type": "x", "created": created, "data": { "object": {} } });
            Stripe::new(&Config::default()).read(event.to_string().as_bytes()).map_err(|problem| problem.to_string())
        };
        assert!(read(json!(1)).is_ok());
        for wrong in [json!("1767225600"), json!(1.5), json!(i64::MAX)] {
            assert!(read(wrong.clone()).unwrap_err().contains("`created` that is not understood"), "{wrong}");
        }
        assert!(read(json!(null)).unwrap_err().contains("without `created`"));
    }

    #[test]
    fn a_currency_that_is_there_is_three_letters() {
        let object = json!({ "a": "eur", "b": null, "c": "euro", "d": 978, "e": "" });
        assert_eq!(currency(&object, "a"), Ok(Currency::parse("EUR")));
        assert_eq!([currency(&object, "b"), currency(&object, "z")], [Ok(None), Ok(None)]);
        for path in ["c", "d", "e"] {
            assert_eq!(currency(&object, path), Err(NotUnderstood::at(path)));
        }
    }

    #[test]
    fn ids_and_words_of_tomorrow_never_fail() {
        let odd = json!({ "id": "in_1", "customer": 17, "status": "paid", "billing_reason": {}, "lines": "none" });
        assert_eq!(stripe("invoice.paid", odd).only_fact().customer, None);
        assert!(try_stripe("invoice.paid", json!({}), Value::Null).is_err(), "save the id that makes it one purchase");
    }
}
