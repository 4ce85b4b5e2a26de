//! Paddle Billing, as it would be added: the folder an engineer copies to `src/providers/` to write another provider.
//!
//! It reads what referrals need of Paddle's webhooks, over the contract every provider keeps, with the readers they
//! share. It is no finished product: it knows no look-ups, no credit, and no lines that are billed but not recurring.
//!
//! <https://developer.paddle.com/webhooks/overview>

mod customer;
mod payment;
mod signature;
mod subscription;

use async_trait::async_trait;
use cello_relay::config::Config;
use cello_relay::decision::Reason;
use cello_relay::facts::{Learned, Reading};
use cello_relay::providers::json::{Look, only};
use cello_relay::providers::metadata::Keys;
use cello_relay::providers::{
    Envelope, IdentifyError, LookUpError, Provider, Question, ReadError, Refusal, Unreadable, ids,
};
use jiff::Timestamp;
use serde_json::Value;

pub struct Paddle {
    /// The secret of the notification destination; empty for off.
    secret: String,
    keys: Keys,
}

impl Paddle {
    pub fn new(secret: &str, config: &Config) -> Self {
        Self { secret: secret.to_owned(), keys: Keys::new(&config.metadata) }
    }
}

impl Paddle {
    fn facts(&self, body: &[u8]) -> Result<Reading, ReadError> {
        let body: Value = serde_json::from_slice(body)?;
        let event = Event::new(&body)?;
        match event.kind {
            "customer.created" | "customer.updated" => customer::seen(&event, &self.keys),
            "subscription.created" => subscription::created(&event),
            "subscription.activated" | "subscription.updated" => subscription::changed(&event),
            "subscription.canceled" => subscription::ended(&event),
            "transaction.completed" => payment::completed(&event),
            // A refund is requested first and approved later, or at once.
            "adjustment.created" | "adjustment.updated" => payment::adjusted(&event),
            kind => Ok(Reading::nothing(Reason::NotOfInterest, format!("no referral event follows from `{kind}`"))),
        }
    }
}

#[async_trait]
impl Provider for Paddle {
    fn name(&self) -> &'static str {
        "paddle"
    }

    fn is_on(&self) -> bool {
        !self.secret.is_empty()
    }

    fn credential_header(&self) -> &'static str {
        "paddle-signature"
    }

    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal> {
        signature::Header::parse(credential).map(drop)
    }

    fn authenticate(&self, credential: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
        signature::verify(&self.secret, credential, body, now)
    }

    fn identify(&self, _: Option<&str>, body: &[u8]) -> Result<Envelope, IdentifyError> {
        let head = only(body, &["event_id", "event_type", "occurred_at"])?;
        Ok(Envelope {
            event_id: head.owned("event_id").ok_or(IdentifyError::Missing("event_id"))?,
            kind: head.owned("event_type").unwrap_or_default(),
            account: String::new(),
            mode: None,
            at: time(&head, "occurred_at").unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn read(&self, body: &[u8]) -> Result<Reading, Unreadable> {
        Ok(self.facts(body)?)
    }

    fn mentions(&self, body: &[u8]) -> Vec<String> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        ids(&body, &["data.id", "data.customer_id", "data.subscription_id", "data.transaction_id"])
    }

    fn can_look_up(&self) -> bool {
        false
    }

    async fn look_up(&self, _: &Question, _: Timestamp) -> Result<Vec<Learned>, LookUpError> {
        Ok(vec![])
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> String {
        signature::sign(&self.secret, body, now)
    }

    fn recognises(&self, body: &Value) -> bool {
        body.text("notification_id").is_some() && body.at("data").is_some()
    }
}

/// An event, taken apart.
struct Event<'a> {
    id: &'a str,
    kind: &'a str,
    at: Timestamp,
    data: &'a Value,
}

impl<'a> Event<'a> {
    fn new(body: &'a Value) -> Result<Self, ReadError> {
        let kind = body.text("event_type").unwrap_or_default();
        let missing = |field| ReadError::Missing { kind: kind.to_owned(), field };
        Ok(Self {
            id: body.text("event_id").ok_or_else(|| missing("event_id"))?,
            kind,
            at: time(body, "occurred_at").ok_or_else(|| missing("occurred_at"))?,
            data: body.at("data").ok_or_else(|| missing("data"))?,
        })
    }

    fn id(&self) -> Result<String, ReadError> {
        self.data.owned("id").ok_or_else(|| self.missing("data.id"))
    }

    /// Milliseconds: when what travels in the event last changed.
    fn version(&self) -> i64 {
        time(self.data, "updated_at").unwrap_or(self.at).as_millisecond()
    }

    fn missing(&self, field: &'static str) -> ReadError {
        ReadError::Missing { kind: self.kind.to_owned(), field }
    }
}

/// Times are RFC 3339 texts, to the microsecond.
fn time(value: &Value, path: &str) -> Option<Timestamp> {
    value.text(path)?.parse().ok()
}

/// Amounts are texts of whole minor units.
fn amount(value: &Value, path: &str) -> Option<i64> {
    value.text(path)?.parse().ok()
}
