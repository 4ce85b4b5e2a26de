//! What the sentences start from: a deliverer with all that it works with, and referral events for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cello_relay::cello::{self, Client, Sandbox, sandbox};
use cello_relay::clock::Clock;
use cello_relay::config::{Config, Delivery};
use cello_relay::facts::Scope;
use cello_relay::interval::Interval;
use cello_relay::money::Currency;
use cello_relay::referral_event::{ReferralEvent, Trigger};
use cello_relay::relay::breaker::Breaker;
use cello_relay::relay::deliverer::Deliverer;
use cello_relay::relay::pace::Pace;
use cello_relay::store::{
    After, Counts, EventFilter, EventState, LifeEvent, NewReferralEvent, NewWebhook, Sqlite, Store, WebhookState,
};
use cello_relay::telemetry::{Metrics, Scrape};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::cutting_proxy::CuttingProxy;
use crate::in_front::Front;
use crate::watched::Watched;

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a stage is to differ from the usual one.
pub struct Setup {
    pub delivery: Delivery,
    /// Of the client.
    pub request_timeout: Duration,
    pub sandbox: sandbox::Settings,
}

impl Default for Setup {
    fn default() -> Self {
        Self { delivery: Config::default().delivery, request_timeout: PATIENCE, sandbox: sandbox::Settings::default() }
    }
}

/// A deliverer with a store in memory, a stand-in for Cello behind a proxy, and a clock that stands still.
///
/// A test ends with [`end`](Self::end): one that does not fails.
pub struct Stage {
    pub sandbox: Sandbox,
    pub proxy: CuttingProxy,
    pub store: Arc<Front<Watched>>,
    pub deliverer: Arc<Deliverer>,
    pub metrics: Arc<Metrics>,
    now: Arc<Mutex<Timestamp>>,
    names: Mutex<HashMap<String, String>>,
    ended: bool,
}

impl Stage {
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let sandbox = Sandbox::start_with("127.0.0.1:0", setup.sandbox).await.unwrap();
        let proxy = CuttingProxy::start(&sandbox.base_url).await;
        let client = client_with(&sandbox, &proxy.base_url, setup.request_timeout);
        let now = Arc::new(Mutex::new("2026-05-01T10:00:00Z".parse().unwrap()));
        let clock: Clock = Arc::new({
            let now = now.clone();
            move || *now.lock().unwrap()
        });
        let store = Arc::new(Watched::new(Sqlite::in_memory().unwrap()));
        let metrics = Arc::new(Metrics::new());
        let pace = Mutex::new(Pace::new(setup.delivery.requests_per_second));
        let deliverer = Arc::new(Deliverer {
            store: store.clone(),
            client,
            settings: setup.delivery,
            metrics: metrics.clone(),
            clock,
            wake: Arc::new(Notify::new()),
            breaker: Mutex::new(Breaker::default()),
            turns: Mutex::default(),
            pace,
        });
        Self { sandbox, proxy, store, deliverer, metrics, now, names: Mutex::default(), ended: false }
    }

    // --- the past ---

    /// Adds referral events to deliver, in this order. A name is `user/what`, and the key of the event.
    pub async fn add(&self, names: &[&str]) {
        for name in names {
            self.add_text(name, &body(name)).await;
        }
    }

    /// Adds a referral event with exactly this body.
    pub async fn add_text(&self, name: &str, text: &str) {
        self.names.lock().unwrap().insert(text.to_owned(), name.to_owned());
        let now = self.now();
        let webhook = NewWebhook {
            scope: Scope { provider: "stripe".into(), account: String::new() },
            event_id: format!("evt_{name}"),
            kind: "toy".into(),
            mode: None,
            at: now,
            received_at: now,
            body: b"{}".to_vec(),
        };
        self.store.receive(webhook).await.unwrap();
        let webhook_id = self.store.undecided(1).await.unwrap()[0].id;
        let event = NewReferralEvent {
            key: name.into(),
            subject: name.split('/').next().unwrap().into(),
            trigger: trigger(name),
            webhook_id,
            at: now,
            invoice_id: None,
            subscription_id: None,
            price: None,
            currency: None,
            ucc: "AbC123dEf45".into(),
            user_id: "usr_1".into(),
            organization_id: None,
            customer: None,
            after: after(name),
            contribution: "[]".into(),
            body: text.into(),
            created_at: now,
        };
        self.store
            .transact(Box::new(move |ledger| {
                assert!(ledger.add_referral_event(&event)?);
                ledger.settle_webhook(webhook_id, WebhookState::Mapped, None)
            }))
            .await
            .unwrap();
    }

    // --- time ---

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub fn go_to(&self, then: Timestamp) {
        *self.now.lock().unwrap() = then;
    }

    pub fn pass(&self, time: Duration) {
        self.go_to(self.now() + time);
    }

    // --- the deed ---

    /// Sends what is due now; how many tries that were.
    pub async fn drain(&self) -> usize {
        self.deliverer.drain_due().await.unwrap()
    }

    // --- what became of it ---

    pub async fn event(&self, name: &str) -> LifeEvent {
        let lives = self.store.life(name).await.unwrap();
        lives.into_iter().flat_map(|life| life.referral_events).find(|event| event.key == name).unwrap()
    }

    pub async fn state(&self, name: &str) -> EventState {
        self.event(name).await.state
    }

    pub async fn due(&self, name: &str) -> Timestamp {
        self.event(name).await.due_at.unwrap()
    }

    /// Outcome of each try.
    pub async fn outcomes(&self, name: &str) -> Vec<String> {
        self.event(name).await.attempts.into_iter().map(|attempt| attempt.outcome).collect()
    }

    /// The names of what Cello accepted, in that order.
    pub fn accepted(&self) -> Vec<String> {
        let names = self.names.lock().unwrap();
        self.sandbox.received().iter().map(|received| names[&received.text].clone()).collect()
    }

    pub async fn counts(&self) -> Counts {
        self.store.counts().await.unwrap()
    }

    pub fn breaker_metric(&self) -> bool {
        let text = self.metrics.render(&Scrape::default());
        text.lines().find_map(|line| line.strip_prefix("cello_relay_breaker_open ")).unwrap() == "1"
    }

    /// Both equations hold, and the numbers in them are those of what is there.
    pub async fn end(mut self) {
        self.ended = true;
        let counts = self.counts().await;
        assert!(counts.add_up(), "{counts:?}");
        for (state, number) in [
            (EventState::Waiting, counts.waiting),
            (EventState::Sending, counts.sending),
            (EventState::Delivered, counts.delivered),
            (EventState::Unsure, counts.unsure),
            (EventState::Dead, counts.dead),
            (EventState::Discarded, counts.discarded),
        ] {
            let filter = EventFilter { state: Some(state.as_str().into()), limit: 10_000, ..EventFilter::default() };
            let there = self.store.list(filter).await.unwrap().len();
            assert_eq!(usize::try_from(number).unwrap(), there, "{state:?}");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        assert!(self.ended || std::thread::panicking(), "a test ends with `end`");
    }
}

pub fn client(sandbox: &Sandbox, base_url: &str) -> Client {
    client_with(sandbox, base_url, PATIENCE)
}

fn client_with(sandbox: &Sandbox, base_url: &str, timeout: Duration) -> Client {
    let settings = sandbox.settings();
    Client::new(base_url, &settings.access_key_id, settings.secret_access_key.clone().into(), timeout).unwrap()
}

/// A body that Cello accepts.
pub fn body(name: &str) -> String {
    let user = name.split('/').next().unwrap();
    let trigger = trigger(name);
    let money = matches!(trigger, Trigger::InvoicePaid | Trigger::ChargeRefunded | Trigger::SubscriptionUpdated);
    let event = ReferralEvent {
        trigger,
        at: "2026-05-01T09:30:00Z".parse().unwrap(),
        ucc: "AbC123dEf45".into(),
        user_id: user.into(),
        organization_id: None,
        email: Some(format!("{user}@example.com")),
        name: None,
        price: money.then_some(4900),
        currency: Currency::parse("eur").filter(|_| money),
        subscription_id: money.then(|| format!("sub_{user}")),
        invoice_id: money.then(|| format!("in_{name}")),
        interval: Some(Interval::Monthly).filter(|_| money),
        product_key: None,
        seats: None,
    };
    cello::body(&event).to_string()
}

/// Everything of a user comes after the signup, and a refund after the purchase, where these are there.
fn after(name: &str) -> After {
    let (user, what) = name.split_once('/').unwrap();
    After {
        signup: (what != "signup").then(|| format!("{user}/signup")),
        purchase: (what == "refund").then(|| format!("{user}/purchase")),
    }
}

fn trigger(name: &str) -> Trigger {
    match name.split('/').nth(1).unwrap() {
        "signup" => Trigger::NewSignup,
        "purchase" | "renewal" => Trigger::InvoicePaid,
        "refund" => Trigger::ChargeRefunded,
        "update" => Trigger::SubscriptionUpdated,
        other => panic!("{other}"),
    }
}
