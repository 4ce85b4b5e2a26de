//! Asks Stripe about what no webhook said: a customer, a subscription, a price, the invoices of a payment, the payments
//! of an invoice.
//!
//! The requests go through async-stripe's client core, over the HTTP client that is there anyway. The answers are read
//! by the same tolerant readers as webhooks, because the generated types refuse what they do not know. Only reads:
//! a restricted key with read access to customers, subscriptions, prices and invoices is enough.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use stripe_client_core::{CustomizedStripeRequest, RequestBuilder, StripeClient, StripeClientErr, StripeMethod};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{NAME, customer, invoice, subscription};
use crate::config::Config;
use crate::facts::Learned;
use crate::providers::json::Look;
use crate::providers::metadata::Keys;
use crate::providers::{LookUpError, Question};

const TIMEOUT: Duration = Duration::from_secs(20);

/// The most entries that one answer may list; without it Stripe lists ten.
const LIMIT: (&str, &str) = ("limit", "100");

/// Stripe's API with one key.
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: SecretString,
    version: String,
    pace: Mutex<Pace>,
}

impl Api {
    /// `None` when no API key is configured.
    pub fn from_config(config: &Config) -> Option<Self> {
        let stripe = &config.stripe;
        let base = stripe.api_base.trim_end_matches('/').to_owned();
        let http = crate::http::client(&reqwest::Url::parse(&base).ok()?, TIMEOUT).ok()?;
        Some(Self {
            http,
            base,
            key: stripe.api_key.clone()?,
            version: stripe.api_version.clone(),
            pace: Mutex::new(Pace::new(stripe.api_rate)),
        })
    }

    /// What Stripe answers `now`, as the directory learns it. An object that Stripe does not have teaches nothing.
    pub async fn ask(&self, question: &Question, keys: &Keys, now: Timestamp) -> Result<Vec<Learned>, LookUpError> {
        let version = now.as_millisecond();
        let learned = match question {
            Question::Customer { account, id } => {
                let answer = self.get(account, &["customers", id], &[], "customers").await?;
                answer.map(|object| learned_customer(&object, keys, version)).unwrap_or_default()
            }
            Question::Subscription { account, id } => {
                let query = [("expand[]", "customer")];
                let answer = self.get(account, &["subscriptions", id], &query, "subscriptions").await?;
                answer.map(|object| learned_subscription(&object, keys, version)).unwrap_or_default()
            }
            Question::Price { account, id } => {
                let answer = self.get(account, &["prices", id], &[], "prices").await?;
                answer.and_then(|object| subscription::plan(&object).ok()).map(Learned::Price).into_iter().collect()
            }
            Question::Payment { account, id } => {
                let kind = if id.starts_with("ch_") { "charge" } else { "payment_intent" };
                let which = format!("payment[{kind}]");
                let query = [("payment[type]", kind), (which.as_str(), id.as_str()), LIMIT];
                let answer = self.get(account, &["invoice_payments"], &query, "invoice payments").await?;
                answer.map(|object| learned_payment(&object, id)).unwrap_or_default()
            }
            Question::InvoicePayments { account, id } => {
                let query = [("invoice", id.as_str()), LIMIT];
                let answer = self.get(account, &["invoice_payments"], &query, "invoice payments").await?;
                answer.map(|object| learned_payments(&object, id)).unwrap_or_default()
            }
        };
        Ok(learned)
    }

    /// `None` when Stripe has no such object.
    async fn get(
        &self,
        account: &str,
        path: &[&str],
        query: &[(&str, &str)],
        what: &'static str,
    ) -> Result<Option<Value>, LookUpError> {
        let Some(path) = path.iter().map(|part| segment(part)).collect::<Option<String>>() else { return Ok(None) };
        let turn = self.pace.lock().await.turn(Instant::now());
        tokio::time::sleep_until(turn).await;
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&Query(query));
        let call = Call { api: self, account };
        match request.customize::<miniserde::json::Value>().send(&call).await {
            Ok(answer) => {
                let text = miniserde::json::to_string(&answer);
                serde_json::from_str(&text).map(Some).map_err(|problem| unavailable(problem.to_string()))
            }
            Err(Failure::Status(404)) => Ok(None),
            Err(Failure::Status(status @ (400 | 401 | 403))) => {
                Err(LookUpError::Refused { provider: NAME, status, what })
            }
            Err(Failure::Status(status)) => Err(unavailable(format!("status {status}"))),
            Err(Failure::Transport(problem)) => Err(unavailable(problem)),
        }
    }
}

/// Keeps requests to a rate, whoever makes them.
struct Pace {
    /// The shortest time between two requests.
    pause: Duration,
    next: Option<Instant>,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { pause: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// When a request wanted `now` may be made.
    fn turn(&mut self, now: Instant) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.pause);
        turn
    }
}

/// One part of a path, with everything escaped that could make it another path: ids come out of webhooks. `None` for
/// what cannot be a part of its own, escaped or not, and so is no id of Stripe's.
fn segment(part: &str) -> Option<String> {
    if matches!(part, "" | "." | "..") {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    Some(part.bytes().fold("/".to_owned(), |mut path, byte| {
        if plain(byte) {
            path.push(char::from(byte))
        } else {
            path.push_str(&format!("%{byte:02X}"))
        }
        path
    }))
}

fn learned_customer(object: &Value, keys: &Keys, version: i64) -> Vec<Learned> {
    if object.flag("deleted") == Some(true) {
        return customer::gone(object);
    }
    let customer = customer::customer(object, keys, version);
    customer.map(|customer| customer::learned(object, customer)).unwrap_or_default()
}

fn learned_subscription(object: &Value, keys: &Keys, version: i64) -> Vec<Learned> {
    let subscription = subscription::subscription(object, version).ok().flatten();
    let mut learned = subscription.map(|subscription| subscription::learned(object, &subscription)).unwrap_or_default();
    if let Some(customer) = object.at("customer").filter(|customer| customer.is_object()) {
        learned.extend(learned_customer(customer, keys, version));
    }
    learned
}

/// The invoices of a payment. An entry that is open names the invoice that the payment is for.
fn learned_payment(object: &Value, payment: &str) -> Vec<Learned> {
    let entries = object.list("data").iter().filter(|entry| entry.text("status") != Some("canceled"));
    let links = entries.filter_map(|entry| {
        let amount = entry.whole("amount_paid").ok()?;
        Some(invoice::links(Some(payment.to_owned()), None, &entry.id("invoice")?, amount))
    });
    links.flatten().collect()
}

/// The payments of an invoice, save those that brought nothing.
fn learned_payments(object: &Value, invoice: &str) -> Vec<Learned> {
    let entries = object.list("data").iter().filter(|entry| !invoice::is_idle(entry));
    entries.flat_map(|entry| invoice::entry_links(entry, invoice)).collect()
}

fn unavailable(problem: String) -> LookUpError {
    LookUpError::Unavailable { provider: NAME, problem }
}

/// Pairs, written as a map because that is what the query serializer takes.
struct Query<'a>(&'a [(&'a str, &'a str)]);

impl Serialize for Query<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// One request, on behalf of one account.
struct Call<'a> {
    api: &'a Api,
    account: &'a str,
}

enum Failure {
    Status(u16),
    Transport(String),
}

impl StripeClientErr for Failure {
    fn deserialize_err(problem: impl std::fmt::Display) -> Self {
        Self::Transport(format!("its answer could not be read: {problem}"))
    }
}

impl StripeClient for Call<'_> {
    type Err = Failure;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<bytes::Bytes, Failure> {
        let (request, _) = request.into_pieces();
        let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}/v1{}{query}", self.api.base, request.path);
        let mut call = self
            .api
            .http
            .get(url)
            .bearer_auth(self.api.key.expose_secret())
            .header("Stripe-Version", &self.api.version);
        if !self.account.is_empty() {
            call = call.header("Stripe-Account", self.account);
        }
        let transport = |problem: reqwest::Error| Failure::Transport(problem.without_url().to_string());
        let answer = call.send().await.map_err(transport)?;
        match answer.status().as_u16() {
            200..=299 => answer.bytes().await.map_err(transport),
            status => Err(Failure::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::PaymentLink;

    fn link(payment: &str, invoice: &str, amount: Option<i64>) -> Learned {
        Learned::Link(PaymentLink { payment: payment.into(), invoice: invoice.into(), amount, charge_of: None })
    }

    #[test]
    fn the_invoices_of_a_payment_are_learned_with_what_each_took() {
        let answer = json!({ "data": [
            { "invoice": "in_1", "amount_paid": 4000, "status": "paid" },
            { "invoice": "in_2", "amount_paid": null, "status": "open" },
            { "invoice": "in_3", "amount_paid": 4000, "status": "canceled" },
            { "invoice": "in_4", "amount_paid": "4000", "status": "paid" },
            { "invoice": null, "amount_paid": 4000, "status": "paid" },
        ] });
        let expected = [link("pi_1", "in_1", Some(4000)), link("pi_1", "in_2", None)];
        assert_eq!(learned_payment(&answer, "pi_1"), expected);
    }

    #[test]
    fn the_payments_of_an_invoice_are_learned_where_they_brought_money() {
        let entry = |payment: Value, amount: Value, status: &str| json!({ "invoice": "in_1", "payment": payment, "amount_paid": amount, "status": status });
        let answer = json!({ "data": [
            entry(json!({ "type": "payment_intent", "payment_intent": { "id": "pi_1" } }), json!(4000), "paid"),
            entry(json!({ "type": "charge", "charge": "ch_2" }), json!(900), "paid"),
            entry(json!({ "payment_intent": "pi_3" }), json!(null), "open"),
            entry(json!({ "payment_intent": "pi_4" }), json!(4000), "canceled"),
            entry(json!({ "payment_intent": "pi_5" }), json!("4000"), "paid"),
            entry(json!({ "type": "payment_record", "payment_record": "pr_6" }), json!(4000), "paid"),
        ] });
        let expected = [link("pi_1", "in_1", Some(4000)), link("ch_2", "in_1", Some(900))];
        assert_eq!(learned_payments(&answer, "in_1"), expected);
    }

    #[test]
    fn requests_keep_to_the_rate_and_a_rest_earns_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(20);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let turns: Vec<Instant> = (0..3).map(|_| pace.turn(start)).collect();
        assert_eq!(turns, [at(0), at(50), at(100)]);
        assert_eq!(pace.turn(at(400)), at(400));
        assert_eq!(pace.turn(at(400)), at(450));
    }

    #[test]
    fn whatever_stands_in_an_id_stays_within_its_part_of_the_path() {
        assert_eq!(segment("cus_9aZ-._~").as_deref(), Some("/cus_9aZ-._~"));
        assert_eq!(segment("../v1/charges?x=1#é").as_deref(), Some("/..%2Fv1%2Fcharges%3Fx%3D1%23%C3%A9"));
        for none in ["", ".", ".."] {
            assert_eq!(segment(none), None);
        }
    }
}
