//! The world of one history: what arrives when, and what goes wrong meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::cello::{Client, Sandbox};
use cello_relay::config::{Config, Delivery, Unsure};
use cello_relay::relay::breaker::Breaker;
use cello_relay::relay::deliverer::Deliverer;
use cello_relay::relay::pace::Pace;
use cello_relay::relay::take_up;
use cello_relay::store::{EventFilter, Sqlite, Store, StoreError};
use cello_relay::telemetry::Metrics;
use fastrand::Rng;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::Notify;

use crate::Relays;
use crate::cutting_proxy::{Cut, CuttingProxy};
use crate::disk::Disk;
use crate::expected::{Expected, expected};
use crate::generate;
use crate::in_front::Front;
use crate::links::Links;
use crate::relay::{Relay, Told, at};
use crate::seen::Seen;
use crate::webhooks::{Made, webhooks};

const DAY: i64 = 86_400;

pub struct World<'a> {
    pub relays: &'a Relays,
    pub seed: u64,
    pub rng: Rng,
    /// Whether the clock jumps and the rules change. In a steady history it is known what must be told.
    pub is_wild: bool,
    arrivals: Vec<Made>,
    /// What Cello must be told, as far as the order of arrival leaves it open.
    pub expected: Vec<Expected>,
    pub store: Arc<Front<Disk>>,
    pub cello: Sandbox,
    proxy: CuttingProxy,
    client: Client,
    delivery: Delivery,
    pub relay: Relay,
    deliverer: Arc<Deliverer>,
    /// How far the machine's clock is from the true time, in seconds.
    clock_error: i64,
    /// The true time.
    now: i64,
    /// Ids of the webhooks whose sender was told that they are stored.
    pub answered: BTreeSet<String>,
    /// Each referral event as it was seen in the store, by its number.
    pub seen: BTreeMap<i64, Seen>,
    /// Numbers of referral events that a person looked at, or that were blocked: others may have gone before them.
    pub set_aside: BTreeSet<i64>,
}

impl<'a> World<'a> {
    pub async fn new(relays: &'a Relays, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut history = generate::history(seed);
        // The relays are set up for people.
        history.organization_mode = false;
        let (expected, made) = (expected(&history), webhooks(&history));
        let mut arrivals = Vec::new();
        for (number, (made, _)) in made.iter().enumerate() {
            for _ in 0..if rng.u8(..4) == 0 { 2 } else { 1 } {
                let late = if rng.bool() { rng.i64(0..60) } else { rng.i64(0..3 * DAY - 60) };
                arrivals.push((made + late, number));
            }
        }
        Links::of(&made).order(&mut arrivals, &mut rng);
        let arrivals = arrivals.into_iter().map(|(at, number)| (at, made[number].1.clone())).collect();

        let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
        let proxy = CuttingProxy::start(&cello.base_url).await;
        let settings = cello.settings();
        let secret = settings.secret_access_key.clone().into();
        // Nothing here is slow, so this long only passes if something hangs.
        let client = Client::new(&proxy.base_url, &settings.access_key_id, secret, Duration::from_secs(30)).unwrap();
        let unsure = if rng.bool() { Unsure::Resend } else { Unsure::Hold };
        let requests_per_second = rng.bool().then_some(3);
        let delivery = Delivery { unsure, requests_per_second, ..Config::default().delivery };
        let is_wild = rng.u8(..3) == 0;
        // What a clock that jumps two days to and fro makes of fourteen days.
        let longest_blocked = SignedDuration::from_hours(if is_wild { 10 } else { 14 } * 24);
        let store = Arc::new(Disk::new(Arc::new(Sqlite::in_memory().unwrap()), rng.fork(), longest_blocked));
        let relay = relays.shipped.same_on(store.clone());
        let deliverer = deliverer(&relay, &client, &delivery);
        Self {
            relays,
            seed,
            is_wild,
            arrivals,
            expected,
            store,
            cello,
            proxy,
            client,
            delivery,
            relay,
            deliverer,
            clock_error: 0,
            now: 0,
            answered: BTreeSet::new(),
            seen: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            rng,
        }
    }

    /// Lets everything happen.
    pub async fn play(&mut self) -> Result<(), String> {
        for (at, webhook) in std::mem::take(&mut self.arrivals) {
            // What is due in between is sent when it is due, or a day later.
            while self.now + DAY < at {
                let wait = self.rng.i64(1..DAY);
                self.go_to(self.now + wait);
                self.something_happens().await?;
            }
            self.go_to(self.now.max(at));
            if !self.is_wild {
                // Whose time is up by now does not depend on when somebody looked.
                self.decide().await;
            }
            self.arrive(&webhook).await;
            for _ in 0..self.rng.u8(..4) {
                self.something_happens().await?;
            }
            if !self.is_wild {
                self.decide().await;
            }
            self.look().await?;
        }
        Ok(())
    }

    /// Ends all trouble, and lets pass the time that everything needs to come to its end.
    pub async fn make_peace(&mut self) -> Result<(), String> {
        self.store.fail(0);
        self.cello.fail_always(None);
        self.clock_error = 0;
        self.delivery.requests_per_second = None;
        self.start_again(false).await;
        // Longer than anything is held, and than anything is tried.
        for _ in 0..40 {
            self.go_to(self.now + DAY);
            self.decide().await;
            self.deliverer.drain_due().await.unwrap();
            self.look().await?;
        }
        // What is left is a person's to decide about. Trouble that was ordered and not met yet ends with the first tries.
        for _ in 0..40 {
            self.ask_a_person(false).await?;
            self.go_to(self.now + DAY);
            self.deliverer.drain_due().await.unwrap();
        }
        self.look().await
    }

    /// What a relay without any trouble tells of the same webhooks, in that order.
    pub async fn undisturbed(relays: &Relays, seed: u64) -> Vec<Told> {
        let mut world = World::new(relays, seed).await;
        for (at, webhook) in std::mem::take(&mut world.arrivals) {
            world.go_to(world.now.max(at));
            world.decide().await;
            world.arrive(&webhook).await;
            world.decide().await;
        }
        for _ in 0..40 {
            world.go_to(world.now + DAY);
            world.decide().await;
        }
        world.cello.stop().await;
        let mut events = world.store.referral_events_after("", 10_000).await.unwrap();
        events.sort_by_key(|event| event.id);
        events.into_iter().map(|event| Told { key: event.key, body: event.body.to_string() }).collect()
    }

    async fn something_happens(&mut self) -> Result<(), String> {
        match self.rng.u8(..16) {
            0..3 => self.decide_perhaps().await,
            3..8 => self.deliver_perhaps().await,
            8 => self.start_again(self.is_wild).await,
            9 => {
                let fault = self.rng.bool().then(|| Fault::status([500, 503, 429, 408][self.rng.usize(..4)]));
                self.cello.fail_always(fault);
            }
            10 => self.cello.expire_tokens(self.rng.bool()),
            11 => self.store.fail([0, 0, 10, 40, 100][self.rng.usize(..5)]),
            12 | 15 => self.ask_a_person(true).await?,
            13 if self.is_wild => {
                self.clock_error = self.rng.i64(-2 * DAY..2 * DAY);
                self.go_to(self.now);
            }
            14 if self.is_wild => {
                let wait = self.rng.i64(0..7200);
                self.go_to(self.now + wait);
            }
            _ => {}
        }
        let counts = self.store.counts().await.unwrap();
        if counts.add_up() { Ok(()) } else { Err(format!("the sums are wrong: {counts:?}")) }
    }

    /// The provider posts until it is told that the webhook is stored.
    async fn arrive(&mut self, webhook: &Value) {
        let mut tries = 0;
        while self.relay.try_store(webhook).await.is_err() {
            tries += 1;
            if tries > 5 {
                self.store.fail(0);
            }
        }
        self.answered.insert(webhook["id"].as_str().unwrap().to_owned());
    }

    /// Decides everything there is to decide at this moment.
    async fn decide(&mut self) {
        // What the process died of three times is quarantined, and a person has it decided again.
        let filter = EventFilter { state: Some("unreadable".into()), limit: 10_000, ..EventFilter::default() };
        let quarantined = self.store.list(filter).await.unwrap();
        self.store.decide_again(quarantined.into_iter().map(|row| row.webhook_id).collect()).await.unwrap();
        let mut failures = 0;
        loop {
            let done = async {
                while self.relay.decider.decide_all().await? > 0 {}
                while self.relay.decider.settle_holds().await? > 0 {}
                Ok::<_, StoreError>(())
            };
            if done.await.is_ok() {
                return;
            }
            failures += 1;
            if failures > 5 {
                self.store.fail(0);
            }
        }
    }

    /// Decides, unless the disk or death comes in between.
    async fn decide_perhaps(&mut self) {
        let polls = self.polls();
        let decider = self.relay.decider.clone();
        let work = async {
            let _ = decider.decide_all().await;
            let _ = decider.settle_holds().await;
        };
        if !lives_through(work, polls).await {
            self.start_again(false).await;
        }
    }

    /// Delivers what is due, unless Cello, the network, the disk or death comes in between.
    async fn deliver_perhaps(&mut self) {
        let is_due = self.store.next_due().await.unwrap().is_some_and(|due| due <= self.relay.now());
        match self.rng.u8(..12) {
            // Trouble that nothing meets would only come later, all of it at once.
            _ if !is_due => {}
            0 => self.proxy.cut_next("/events", Cut::BeforeForwarding),
            1 => self.proxy.cut_next("/events", Cut::BeforeAnswer),
            2 => self.proxy.cut_next("/events", Cut::WithinAnswer),
            3 => self.cello.fail_next(Endpoint::Events, Fault::status([400, 401, 302, 500, 429][self.rng.usize(..5)])),
            4 => self.cello.fail_next(Endpoint::Events, Fault::answer(200, ["", "{}", "<p>"][self.rng.usize(..3)])),
            5 => self.cello.fail_next(Endpoint::Token, Fault::status([401, 403, 500][self.rng.usize(..3)])),
            // Refused, so that a signup or a purchase is dead while others wait for it.
            6 | 7 => (0..self.rng.u8(1..3)).for_each(|_| self.cello.fail_next(Endpoint::Events, Fault::status(400))),
            _ => {}
        }
        let polls = self.polls();
        let deliverer = self.deliverer.clone();
        let work = async {
            let _ = deliverer.drain_due().await;
        };
        if !lives_through(work, polls).await {
            self.start_again(false).await;
        }
    }

    /// After how many steps death comes, if it does.
    fn polls(&mut self) -> Option<usize> {
        (self.rng.u8(..4) == 0).then(|| self.rng.usize(0..30))
    }

    /// The process ends and another one takes up what it left, perhaps with other rules.
    async fn start_again(&mut self, other_rules: bool) {
        let rules = if other_rules { self.rng.u8(..3) } else { 0 };
        let like = [&self.relays.shipped, &self.relays.broken, &self.relays.silent][usize::from(rules)];
        self.relay = like.same_on(self.store.clone());
        self.go_to(self.now);
        self.deliverer = deliverer(&self.relay, &self.client, &self.delivery);
        let mut failures = 0;
        while take_up(self.store.as_ref(), &self.delivery, &self.relay.decider.metrics, self.relay.now()).await.is_err()
        {
            failures += 1;
            if failures > 5 {
                self.store.fail(0);
            }
        }
    }

    fn go_to(&mut self, time: i64) {
        self.now = time;
        self.relay.pass(at(time + self.clock_error).duration_since(self.relay.now()));
    }
}

fn deliverer(relay: &Relay, client: &Client, settings: &Delivery) -> Arc<Deliverer> {
    Arc::new(Deliverer {
        store: relay.store.clone(),
        client: client.clone(),
        settings: settings.clone(),
        metrics: Arc::new(Metrics::new()),
        clock: relay.decider.clock.clone(),
        wake: Arc::new(Notify::new()),
        breaker: Mutex::new(Breaker::default()),
        turns: Mutex::default(),
        pace: Mutex::new(Pace::new(settings.requests_per_second)),
    })
}

/// Whether `work` came to its end before it was taken up `polls` times; if not, it ends in the middle.
async fn lives_through(work: impl Future<Output = ()>, polls: Option<usize>) -> bool {
    let Some(mut left) = polls else {
        work.await;
        return true;
    };
    let mut work = pin!(work);
    std::future::poll_fn(move |context| match left.checked_sub(1) {
        None => Poll::Ready(false),
        Some(fewer) => {
            left = fewer;
            work.as_mut().poll(context).map(|()| true)
        }
    })
    .await
}
