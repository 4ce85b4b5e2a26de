//! A relay without its loops: a real store in memory, the real deciding, driven by hand, with a clock that is set.

use std::sync::{Arc, Mutex};

use cello_relay::cello::Client;
use cello_relay::clock;
use cello_relay::config::Config;
use cello_relay::facts::Scope;
use cello_relay::providers::{self, Provider};
use cello_relay::relay::answers::Answers;
use cello_relay::relay::decider::{Decider, Left};
use cello_relay::relay::policy::Policy;
use cello_relay::relay::{Parts, Relay as Loops};
use cello_relay::rules::Rules;
use cello_relay::store::{Attempt, LifeDecision, NewWebhook, Receipt, Sqlite, Store, StoreError, Then, Wanted};
use cello_relay::telemetry::Metrics;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;

/// So many seconds after the start of all tests.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// What Cello would be told, in the order in which it would be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub key: String,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What stands at a JSON pointer; null where nothing does.
    pub fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }
}

pub struct Relay {
    pub store: Arc<dyn Store>,
    pub decider: Arc<Decider>,
    providers: Vec<Arc<dyn Provider>>,
    now: Arc<Mutex<Timestamp>>,
}

/// Both providers on, and the shipped rules.
pub fn config() -> Config {
    let mut config = Config::default();
    config.stripe.webhook_secrets = vec!["whsec_test".to_owned().into()];
    config.chargebee.credentials = vec!["relay:test".to_owned().into()];
    config
}

/// Cello as the settings have it; without an address, one where nobody answers.
fn client(config: &Config) -> Client {
    let cello = &config.cello;
    let base_url = if cello.base_url.is_empty() { "http://127.0.0.1:9" } else { &cello.base_url };
    let secret = cello.secret_access_key.clone();
    Client::new(base_url, &cello.access_key_id, secret, std::time::Duration::from_secs(1)).unwrap()
}

impl Relay {
    pub fn new() -> Self {
        Self::with(&config())
    }

    pub fn with(config: &Config) -> Self {
        Self::ruled(config, Rules::shipped().unwrap())
    }

    pub fn ruled(config: &Config, rules: Rules) -> Self {
        Self::made_of(config, providers::enabled(config), rules)
    }

    pub fn made_of(config: &Config, providers: Vec<Arc<dyn Provider>>, rules: Rules) -> Self {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        Self::on(store, config, providers, rules)
    }

    /// On a store that may have been another relay's.
    pub fn on(store: Arc<dyn Store>, config: &Config, providers: Vec<Arc<dyn Provider>>, rules: Rules) -> Self {
        let policy = Arc::new(Policy::new(config, providers.clone(), rules));
        Self::put_together(store, policy, providers, client(config))
    }

    /// One that has the same settings and knows nothing: loading the rules is what takes long.
    pub fn fresh(&self) -> Self {
        self.same_on(Arc::new(Sqlite::in_memory().unwrap()))
    }

    /// One that has the same settings, on a store that may have been another relay's.
    pub fn same_on(&self, store: Arc<dyn Store>) -> Self {
        let (policy, cello) = (self.decider.policy.clone(), self.decider.cello.clone());
        Self::put_together(store, policy, self.providers.clone(), cello)
    }

    fn put_together(
        store: Arc<dyn Store>,
        policy: Arc<Policy>,
        providers: Vec<Arc<dyn Provider>>,
        cello: Client,
    ) -> Self {
        let now = Arc::new(Mutex::new(at(20 * 86_400)));
        let clock = now.clone();
        let decider = Arc::new(Decider {
            store: store.clone(),
            policy,
            metrics: Arc::new(Metrics::new()),
            clock: Arc::new(move || *clock.lock().unwrap()),
            answers: Answers::default(),
            failing: Arc::default(),
            left: Left::default(),
            cello,
            stored: Arc::new(Notify::new()),
            held: Arc::new(Notify::new()),
            decided: Arc::new(Notify::new()),
        });
        Self { store, decider, providers, now }
    }

    /// The real loops, with the shipped rules, on this store and at this time, as a next process would start them.
    /// Nobody takes what they send.
    pub async fn start_loops(&self, config: &Config) -> Loops {
        let parts = Parts {
            store: self.store.clone(),
            policy: Policy::new(config, providers::enabled(config), Rules::shipped().unwrap()),
            client: client(config),
            delivery: config.delivery.clone(),
            metrics: Arc::new(Metrics::new()),
            clock: clock::fixed(self.now()),
            stored: Arc::new(Notify::new()),
        };
        Loops::start(parts).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub fn pass(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now += time;
    }

    /// Stores a webhook of whichever provider knows its shape, and decides it.
    pub async fn receive(&self, body: &Value) {
        self.store_only(body).await;
        while self.decider.decide_all().await.unwrap() > 0 {}
    }

    pub async fn store_only(&self, body: &Value) -> Receipt {
        self.try_store(body).await.unwrap()
    }

    pub async fn try_store(&self, body: &Value) -> Result<Receipt, StoreError> {
        let provider = self.providers.iter().find(|provider| provider.recognises(body)).unwrap();
        let bytes = body.to_string().into_bytes();
        let envelope = provider.identify(None, &bytes).unwrap();
        let webhook = NewWebhook {
            scope: Scope { provider: provider.name().to_owned(), account: envelope.account },
            event_id: envelope.event_id,
            kind: envelope.kind,
            mode: envelope.mode,
            at: envelope.at,
            received_at: self.now(),
            body: bytes,
        };
        self.store.receive(webhook).await
    }

    /// Looks after held facts once, and says how many wanted it.
    pub async fn settle(&self) -> usize {
        self.decider.settle_holds().await.unwrap()
    }

    /// Delivers everything, each user's events one after the other, and returns what was not told before.
    pub async fn told(&self) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let now = self.now();
            let claimed =
                self.store.claim(now, now + SignedDuration::from_mins(1), Wanted::longest_due(1000)).await.unwrap();
            if claimed.is_empty() {
                assert!(self.store.counts().await.unwrap().add_up());
                return told;
            }
            for event in claimed {
                let delivered = Attempt {
                    event_id: event.id,
                    lease: event.lease,
                    started_at: now,
                    duration_ms: 1,
                    outcome: "delivered",
                    status: Some(200),
                    message: String::new(),
                    request_id: None,
                    then: Then::Delivered,
                    counts: true,
                };
                self.store.record(delivered).await.unwrap();
                told.push(Told { key: event.key, body: event.body });
            }
        }
    }

    /// The keys of what would be told now.
    pub async fn told_keys(&self) -> Vec<String> {
        self.told().await.into_iter().map(|told| told.key).collect()
    }

    /// The decisions on the facts of one webhook.
    pub async fn decisions(&self, event_id: &str) -> Vec<LifeDecision> {
        let mut lives = self.store.life(event_id).await.unwrap();
        assert_eq!(lives.len(), 1, "{event_id}");
        lives.remove(0).decisions
    }

    /// The decision on the only fact of a webhook.
    pub async fn decision(&self, event_id: &str) -> LifeDecision {
        let mut decisions = self.decisions(event_id).await;
        assert_eq!(decisions.len(), 1, "{decisions:?}");
        decisions.remove(0)
    }

    /// Why the only fact of a webhook is held or ignored; empty where it is sent.
    pub async fn reason(&self, event_id: &str) -> String {
        self.decision(event_id).await.reason.unwrap_or_default()
    }

    pub async fn warnings(&self, event_id: &str) -> Vec<String> {
        let decisions = self.decisions(event_id).await;
        decisions.into_iter().flat_map(|decision| decision.warnings).map(|warning| warning.code).collect()
    }
}
