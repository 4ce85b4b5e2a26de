//! A third provider, as it would be added: one struct that keeps the contract. And a server to receive its webhooks.

use std::sync::Arc;

use async_trait::async_trait;
use cello_relay::facts::*;
use cello_relay::money::Currency;
use cello_relay::providers::{Envelope, IdentifyError, LookUpError, Provider, Question, ReadError, Refusal};
use cello_relay::server::{Handle, Parts, Server};
use cello_relay::telemetry::Metrics;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

use crate::relay::{Relay, config};
use crate::webhooks::at;

pub const SECRET: &str = "squeak";

/// Sells toys, one at a time.
pub struct Toy;

impl Toy {
    pub fn shared() -> Arc<dyn Provider> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Provider for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn is_on(&self) -> bool {
        true
    }

    fn credential_header(&self) -> &'static str {
        "toy-secret"
    }

    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal> {
        if credential == Some(SECRET) { Ok(()) } else { Err(Refusal::CredentialsWrong) }
    }

    fn authenticate(&self, credential: Option<&str>, _: &[u8], _: Timestamp) -> Result<(), Refusal> {
        self.admit(credential)
    }

    fn identify(&self, body: &[u8]) -> Result<Envelope, IdentifyError> {
        let body: Value = serde_json::from_slice(body)?;
        Ok(Envelope {
            event_id: text(&body, "no").ok_or(IdentifyError::Missing("no"))?,
            kind: text(&body, "toy").unwrap_or_default(),
            account: String::new(),
            mode: None,
            at: at(0),
        })
    }

    fn read(&self, body: &[u8]) -> Result<Reading, ReadError> {
        let body: Value = serde_json::from_slice(body)?;
        let missing = |field| ReadError::Missing { kind: "sale".into(), field };
        let who = text(&body, "who").ok_or_else(|| missing("who"))?;
        let cents = body["cents"].as_i64().ok_or_else(|| missing("cents"))?;
        let customer = Customer {
            id: who.clone(),
            referral: ReferralData { ucc: text(&body, "code"), user_id: Some(who.clone()), organization_id: None },
            email: Some(format!("{who}@example.com")),
            name: None,
            metadata: Default::default(),
            country: None,
            created_at: Some(at(0)),
            version: at(0).as_millisecond(),
            completed_at: None,
            replaced: None,
        };
        let invoice = Invoice {
            id: text(&body, "no").ok_or_else(|| missing("no"))?,
            subscription: None,
            currency: Currency::parse("eur"),
            amount_paid: cents,
            amount_paid_net: cents,
            total: cents,
            tax: 0,
            billing: Billing::OneTime,
            plan: Plan { product_id: Some("toys".into()), ..Plan::default() },
            price_ids: vec![],
            seats: None,
            lines: vec![],
            lines_complete: false,
            country: None,
            email: None,
            billing_reason: String::new(),
        };
        let detail = Detail::InvoicePaid(Box::new(invoice));
        let sale = Fact { at: at(0), customer: Some(who), detail, warnings: vec![] };
        Ok(Reading::fact(sale).learning([Learned::Customer(customer)]))
    }

    fn can_look_up(&self) -> bool {
        false
    }

    async fn look_up(&self, _: &Question) -> Result<Vec<Learned>, LookUpError> {
        Ok(vec![])
    }

    fn sign(&self, _: &[u8], _: Timestamp) -> String {
        SECRET.to_owned()
    }

    fn recognises(&self, body: &Value) -> bool {
        body.get("toy").is_some()
    }
}

fn text(body: &Value, key: &str) -> Option<String> {
    body[key].as_str().map(str::to_owned)
}

/// The real server, with the store of `relay`.
pub struct Serving {
    address: String,
    handle: Handle,
}

pub async fn serve(providers: Vec<Arc<dyn Provider>>, relay: &Relay) -> Serving {
    let mut config = config();
    config.server.bind = "127.0.0.1:0".into();
    config.admin.bind = "127.0.0.1:0".into();
    let now = relay.now();
    let parts = Parts {
        providers,
        store: relay.store.clone(),
        metrics: Arc::new(Metrics::new()),
        clock: cello_relay::clock::fixed(now),
        stored: Arc::new(Notify::new()),
    };
    let server = Server::build(&config, parts).unwrap();
    let serving = Serving { address: format!("http://{}", server.receive_address()), handle: server.handle() };
    tokio::spawn(server.run());
    serving
}

impl Serving {
    /// The status of the answer.
    pub async fn post(&self, path: &str, secret: &str, body: &str) -> u16 {
        let client = cello_relay::http::client(&self.address.parse().unwrap(), std::time::Duration::from_secs(20));
        let request = client.unwrap().post(format!("{}{path}", self.address)).header("toy-secret", secret);
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    }

    pub async fn stop(self) {
        self.handle.stop().await;
    }
}
