//! How many webhooks a second a store keeps on disk, beside a plain file to which one after the other is written and
//! flushed; and how many a second are decided and told to a Cello that answers at once.
//!
//! `cargo bench --bench throughput`, or with other numbers `-- --webhooks 20000 --senders 8 --rounds 5`. PostgreSQL is a
//! server of its own beside it, on the same cores and the same disk. It judges nothing: what it says depends on both.

#[path = "../tests/common/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "of a person's whole story this needs the beginning")]
#[path = "../tests/process/webhooks.rs"]
mod webhooks;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cello_relay::cello::{Client, Sandbox};
use cello_relay::config::Config;
use cello_relay::facts::Scope;
use cello_relay::providers::{self, Provider};
use cello_relay::relay::policy::Policy;
use cello_relay::relay::{Parts, Relay};
use cello_relay::rules::Rules;
use cello_relay::store::{self, NewWebhook, Store};
use cello_relay::{clock, telemetry::Metrics};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;

/// To a plain file fewer are written: it says as much, and takes long enough.
const PLAINLY: usize = 500;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, default: usize| given(name).map_or(default, |text| text.parse().unwrap());
    let (webhooks, senders, rounds) = (number("--webhooks", 5000), number("--senders", 64), number("--rounds", 3));
    println!("{webhooks} webhooks, {senders} at a time, best of {rounds} rounds\n");

    // Turn by turn, so that whatever else the machine does meets all of them.
    let mut best = [0_f64; 5];
    for _ in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", folder.path().join("relay.db").display());
        let plain = plainly(folder.path());
        let on_file = there_and_on(&file, webhooks, senders).await;
        let on_server = there_and_on(&postgres::database(), webhooks, senders).await;
        let measured = [plain, on_file, on_server].concat();
        best.iter_mut().zip(measured).for_each(|(best, measured)| *best = best.max(measured));
    }
    let told = ["plain file, one flush each", "SQLite, kept", "SQLite, told", "PostgreSQL, kept", "PostgreSQL, told"];
    for (what, a_second) in told.iter().zip(best) {
        println!("{what:<28} {a_second:8.0} webhooks/s {:8.1} times the plain file", a_second / best[0]);
    }
}

fn a_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn plainly(folder: &Path) -> Vec<f64> {
    let mut file = File::create(folder.join("plain")).unwrap();
    let began = Instant::now();
    for number in 0..PLAINLY {
        file.write_all(webhooks::customer_created(number, false).as_bytes()).unwrap();
        file.sync_data().unwrap();
    }
    vec![a_second(PLAINLY, began.elapsed())]
}

/// How many a second are kept, and then how many of those a second arrive.
async fn there_and_on(database_url: &str, webhooks: usize, senders: usize) -> Vec<f64> {
    let config = Config::default();
    let store = store::open(database_url, true).unwrap();
    let provider = providers::all(&config).into_iter().find(|provider| provider.name() == "stripe").unwrap();
    let all: Vec<NewWebhook> = (0..webhooks).map(|number| webhook(provider.as_ref(), number)).collect();

    let began = Instant::now();
    let send = |part: Vec<NewWebhook>| {
        let store = store.clone();
        tokio::spawn(async move {
            for webhook in part {
                store.receive(webhook).await.unwrap();
            }
        })
    };
    join_all(all.chunks(webhooks.div_ceil(senders)).map(|part| send(part.to_vec()))).await;
    let kept = a_second(webhooks, began.elapsed());

    let began = Instant::now();
    tell(&store, config, webhooks).await;
    vec![kept, a_second(webhooks, began.elapsed())]
}

/// Returns when Cello was told of so many.
async fn tell(store: &Arc<dyn Store>, config: Config, webhooks: usize) {
    let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
    let settings = cello.settings();
    let secret = settings.secret_access_key.clone().into();
    let relay = Relay::start(Parts {
        store: store.clone(),
        policy: Policy::new(&config, providers::all(&config), Rules::shipped().unwrap()),
        client: Client::new(&cello.base_url, &settings.access_key_id, secret, Duration::from_secs(20)).unwrap(),
        delivery: config.delivery,
        metrics: Arc::new(Metrics::new()),
        clock: clock::system(),
        stored: Arc::new(Notify::new()),
    })
    .await
    .unwrap();
    cello.wait_for(webhooks).await;
    relay.stop().await;
    cello.stop().await;
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.delivered, i64::try_from(webhooks).unwrap());
}

fn webhook(provider: &dyn Provider, number: usize) -> NewWebhook {
    let body = webhooks::customer_created(number, false).into_bytes();
    let envelope = provider.identify(None, &body).unwrap();
    NewWebhook {
        scope: Scope { provider: provider.name().to_owned(), account: envelope.account },
        event_id: envelope.event_id,
        kind: envelope.kind,
        mode: envelope.mode,
        at: envelope.at,
        received_at: Timestamp::now(),
        body,
    }
}
