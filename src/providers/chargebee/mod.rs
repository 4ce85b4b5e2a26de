//! Chargebee: from a request with Basic credentials to facts, for both product catalogues.
//!
//! Chargebee signs nothing, so the credentials are all that proves a webhook; a secret in the URL is never accepted in
//! their place. Nor do webhooks name their site: the credentials are also all that tells two sites apart, whose ids may
//! be alike. The whole customer travels inside most events, so no look-up is needed.

pub mod basic;
mod checked;
mod customer;
mod payment;
mod refund;
mod subscription;
#[cfg(test)]
mod testing;

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

pub const NAME: &str = "chargebee";

/// Where the ids stand that a person may ask by.
const MENTIONED: [&str; 17] = [
    "customer.id",
    "subscription.id",
    "subscription.customer_id",
    "invoice.id",
    "invoice.customer_id",
    "invoice.subscription_id",
    "invoice.line_items.subscription_id",
    "transaction.id",
    "transaction.customer_id",
    "transaction.subscription_id",
    "transaction.refunded_txn_id",
    "transaction.linked_invoices.invoice_id",
    "transaction.linked_credit_notes.cn_reference_invoice_id",
    "credit_note.id",
    "credit_note.customer_id",
    "credit_note.subscription_id",
    "credit_note.reference_invoice_id",
];

pub struct Chargebee {
    /// Of all sites, each under its place in `sites`.
    credentials: basic::Credentials,
    /// The unnamed one first.
    sites: Vec<Site>,
    /// The pair to sign with for replay: the first of the unnamed site, else of the first that has one.
    pair: Option<SecretString>,
    keys: Keys,
}

#[derive(Clone)]
struct Site {
    /// The account of everything it sends; empty for the unnamed one.
    name: String,
    /// Its webhooks do not say; the setting does.
    mode: Option<Mode>,
}

impl Chargebee {
    pub fn new(config: &Config) -> Self {
        let chargebee = &config.chargebee;
        Self {
            credentials: basic::Credentials::of_sites(chargebee.all_sites().map(|(_, site)| site.credentials)),
            sites: chargebee.all_sites().map(|(name, site)| Site { name: name.to_owned(), mode: site.mode }).collect(),
            pair: chargebee.sites_that_are_on().find_map(|(_, site)| site.credentials.first()).cloned(),
            keys: Keys::new(&config.metadata),
        }
    }

    /// The site that these credentials are of. A body from a file comes without and is of the unnamed one.
    fn site(&self, credential: Option<&str>) -> &Site {
        let place = self.credentials.site(credential).unwrap_or_default();
        self.sites.get(place).unwrap_or(&self.sites[0])
    }
}

#[async_trait]
impl Provider for Chargebee {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_on(&self) -> bool {
        self.pair.is_some()
    }

    fn credential_header(&self) -> &'static str {
        "authorization"
    }

    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal> {
        self.credentials.verify(credential)
    }

    fn authenticate(&self, credential: Option<&str>, body: &[u8], _: Timestamp) -> Result<(), Refusal> {
        self.credentials.verify(credential)?;
        if body.is_empty() { Err(Refusal::EmptyBody) } else { Ok(()) }
    }

    fn identify(&self, credential: Option<&str>, body: &[u8]) -> Result<Envelope, IdentifyError> {
        let site = self.site(credential);
        let head = only(body, &["id", "event_type", "occurred_at"])?;
        Ok(Envelope {
            event_id: head.owned("id").ok_or(IdentifyError::Missing("id"))?,
            kind: head.owned("event_type").unwrap_or_default(),
            account: site.name.clone(),
            mode: site.mode,
            at: head.time("occurred_at").unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn read(&self, body: &[u8]) -> Result<Reading, Unreadable> {
        let body: Value = serde_json::from_slice(body).map_err(ReadError::from)?;
        if body.text("api_version") != Some("v2") {
            return Ok(Reading::nothing(
                Reason::UnsupportedVersion,
                "only webhooks of Chargebee's API v2 are read; choose v2 in the webhook's settings",
            ));
        }
        let event = Event::new(&body, &self.keys)?;
        if event.is_demo() {
            return Ok(Reading::nothing(Reason::DemoData, "its ids begin with `cbdemo_`: Chargebee's sample data"));
        }
        let learned = event.learned();
        match event.reading() {
            Ok(reading) => Ok(reading.learning(learned)),
            Err(problem) => Err(Unreadable { problem, learned }),
        }
    }

    fn mentions(&self, body: &[u8]) -> Vec<String> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        ids(body.at("content").unwrap_or(&Value::Null), &MENTIONED)
    }

    fn can_look_up(&self) -> bool {
        false
    }

    async fn look_up(&self, _: &Question, _: Timestamp) -> Result<Vec<Learned>, LookUpError> {
        Ok(vec![])
    }

    fn sign(&self, _: &[u8], _: Timestamp) -> String {
        let pair = self.pair.as_ref().and_then(|pair| pair.expose_secret().split_once(':'));
        pair.map(|(user, password)| basic::header(user, password)).unwrap_or_default()
    }

    fn recognises(&self, body: &Value) -> bool {
        body.text("event_type").is_some() && (body.at("content").is_some() || body.at("api_version").is_some())
    }
}

/// An event, taken apart.
struct Event<'a> {
    id: &'a str,
    kind: &'a str,
    at: Timestamp,
    content: &'a Value,
    keys: &'a Keys,
}

impl<'a> Event<'a> {
    fn new(body: &'a Value, keys: &'a Keys) -> Result<Self, ReadError> {
        let kind = body.text("event_type").unwrap_or_default();
        let missing = |field| ReadError::Missing { kind: kind.to_owned(), field };
        Ok(Self {
            id: body.text("id").ok_or_else(|| missing("id"))?,
            kind,
            at: body.time("occurred_at").ok_or_else(|| missing("occurred_at"))?,
            // Without content there is nothing to tell, but a type nobody knows must not fail for it.
            content: body.at("content").unwrap_or(&Value::Null),
            keys,
        })
    }

    /// The event's type without the mark of a backdated one, which says the same thing of another day.
    fn action(&self) -> &'a str {
        self.kind.strip_suffix("_with_backdating").unwrap_or(self.kind)
    }

    fn reading(&self) -> Result<Reading, ReadError> {
        let mut reading = match self.action() {
            "customer_created" | "customer_changed" => customer::seen(self)?,
            "customer_deleted" => customer::deleted(self)?,
            "subscription_created" => subscription::created(self)?,
            "subscription_started" => subscription::started(self)?,
            "subscription_activated" => subscription::activated(self)?,
            "subscription_changed" | "subscription_reactivated" | "subscription_resumed" => {
                subscription::changed(self)?
            }
            "subscription_cancelled" | "subscription_canceled" | "subscription_deleted" => subscription::ended(self)?,
            "payment_succeeded" => payment::succeeded(self)?,
            "payment_refunded" => refund::refunded(self)?,
            // A renewal may be free, paid from credits or never be paid at all.
            "subscription_renewed" | "subscription_items_renewed" => Reading::nothing(
                Reason::NotOfInterest,
                "nothing was paid by this webhook; if a payment follows, `payment_succeeded` reports it",
            ),
            "refund_initiated" => Reading::nothing(
                Reason::NotOfInterest,
                "no money has moved yet; if the refund succeeds, `payment_refunded` reports it",
            ),
            _ => Reading::nothing(Reason::NotOfInterest, format!("no referral event follows from `{}`", self.kind)),
        };
        if let Some(elsewhere) = customer::code_elsewhere(self) {
            reading.facts.iter_mut().for_each(|fact| fact.warnings.push(elsewhere.clone()));
        }
        Ok(reading)
    }

    fn is_demo(&self) -> bool {
        ["customer", "subscription", "invoice", "transaction"].into_iter().any(|object| {
            self.content.at(object).and_then(|object| object.text("id")).is_some_and(|id| id.starts_with("cbdemo_"))
        })
    }

    /// Milliseconds: the resource's own version, else the time of the event. Resources unchanged since September 2016
    /// have none of their own.
    fn version(&self, resource: &Value) -> i64 {
        resource.int("resource_version").filter(|version| *version > 0).unwrap_or(self.at.as_millisecond())
    }

    /// Customer and subscription travel in most events, whatever these report. A deleted customer teaches nothing.
    fn learned(&self) -> Vec<Learned> {
        if self.action() == "customer_deleted" {
            return vec![];
        }
        let customer = customer::in_content(self).map(|(customer, _)| Learned::Customer(customer));
        let subscription = subscription::in_content(self).map(Learned::Subscription);
        let payment = if self.action() == "payment_succeeded" { payment::learned(self) } else { vec![] };
        customer.into_iter().chain(subscription).chain(payment).collect()
    }

    fn missing(&self, field: &'static str) -> ReadError {
        ReadError::Missing { kind: self.kind.to_owned(), field }
    }

    fn not_understood(&self, NotUnderstood { path }: NotUnderstood) -> ReadError {
        ReadError::NotUnderstood { kind: self.kind.to_owned(), field: path }
    }
}
