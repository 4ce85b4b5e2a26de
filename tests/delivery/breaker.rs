//! Delivery pauses while Cello as a whole is down.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::store::Store;

use crate::cutting_proxy::Cut;
use crate::stage::Stage;

const EIGHT: [&str; 8] =
    ["a/signup", "b/signup", "c/signup", "d/signup", "e/signup", "f/signup", "g/signup", "h/signup"];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn tries(stage: &Stage) -> Vec<usize> {
    let mut tries = Vec::new();
    for name in EIGHT {
        tries.push(stage.event(name).await.attempts.len());
    }
    tries
}

#[tokio::test]
async fn after_five_failures_in_a_row_sending_pauses_then_one_probe_decides() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    for _ in 0..6 {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    }

    assert_eq!(stage.drain().await, 5);
    assert!(stage.breaker_metric());
    stage.pass(secs(14));
    assert_eq!(stage.drain().await, 0, "while it is open nothing is claimed");
    assert_eq!(stage.counts().await.sending, 0);
    assert_eq!(tries(&stage).await, [1, 1, 1, 1, 1, 0, 0, 0], "and no attempts are used");

    stage.pass(secs(1));
    assert_eq!(stage.drain().await, 1, "one probe");
    assert_eq!(tries(&stage).await, [1, 1, 1, 1, 1, 1, 0, 0]);
    stage.pass(secs(29));
    assert_eq!(stage.drain().await, 0, "the pause is twice as long after it failed");

    stage.pass(secs(1));
    assert_eq!(stage.drain().await, 8, "the next probe succeeds, and with that everything goes");
    assert!(!stage.breaker_metric());
    assert_eq!(stage.counts().await.delivered, 8);
    stage.end().await;
}

#[tokio::test]
async fn since_when_it_is_paused_and_when_the_next_try_is_can_be_asked_beside_the_relay_until_it_goes_on() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    let begun = stage.now();
    stage.sandbox.fail_always(Some(Fault::answer(503, r#"{"message":"down for maintenance"}"#)));
    stage.drain().await;
    let pause = stage.store.pause().await.unwrap().unwrap();
    assert_eq!((pause.since, pause.until), (begun, begun + secs(15)));
    assert!(pause.problem.contains("down for maintenance"), "{}", pause.problem);

    stage.pass(secs(15));
    assert_eq!(stage.drain().await, 1);
    let pause = stage.store.pause().await.unwrap().unwrap();
    assert_eq!((pause.since, pause.until), (begun, begun + secs(15 + 30)), "the probe failed");

    stage.pass(secs(30));
    stage.sandbox.fail_always(None);
    stage.drain().await;
    assert_eq!(stage.store.pause().await.unwrap(), None);
    stage.end().await;
}

#[tokio::test]
async fn an_outage_of_days_costs_a_waiting_event_only_the_probes_it_was_used_for() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    stage.deliverer.client.token().await.unwrap();
    stage.sandbox.fail_always(Some(Fault::status(503)));
    let end = stage.now() + secs(48 * 3600);
    let mut all = 0;
    while stage.now() < end {
        all += stage.drain().await;
        stage.pass(secs(300));
    }
    stage.sandbox.fail_always(None);

    assert_eq!(stage.counts().await.waiting, 8, "none is dead");
    assert_eq!(tries(&stage).await.iter().sum::<usize>(), all);
    assert!(tries(&stage).await.iter().all(|tries| *tries <= 12), "{:?}", tries(&stage).await);
    stage.pass(secs(24 * 3600));
    stage.drain().await;
    assert_eq!(stage.counts().await.delivered, 8);
    stage.end().await;
}

#[tokio::test]
async fn an_answer_of_any_kind_begins_the_count_anew() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    for status in [503, 503, 503, 503, 400, 503, 503, 503] {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(status));
    }
    assert_eq!(stage.drain().await, 8);
    assert!(!stage.breaker_metric());
    assert_eq!(stage.counts().await.dead, 1);
    stage.end().await;
}

#[tokio::test]
async fn broken_connections_count_as_failures() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    for _ in 0..5 {
        stage.proxy.cut_next("/events", Cut::BeforeForwarding);
    }
    assert_eq!(stage.drain().await, 5);
    assert!(stage.breaker_metric());
    stage.pass(secs(15));
    assert_eq!(stage.drain().await, 8);
    stage.end().await;
}

#[tokio::test]
async fn when_cello_is_down_and_names_a_time_the_pause_is_as_long() {
    let stage = Stage::start().await;
    stage.add(&EIGHT).await;
    for _ in 0..5 {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(503).header("retry-after", "200"));
    }
    assert_eq!(stage.drain().await, 5);
    stage.pass(secs(199));
    assert_eq!(stage.drain().await, 0);
    stage.pass(secs(1));
    assert_eq!(stage.drain().await, 8);
    stage.end().await;
}

#[tokio::test]
async fn while_cello_comes_and_goes_everything_is_delivered_once_in_order_and_nothing_is_given_up() {
    let stage = Stage::start().await;
    let users = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let names: Vec<String> =
        ["signup", "purchase", "refund"].iter().flat_map(|what| users.map(|user| format!("{user}/{what}"))).collect();
    stage.add(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Back for one answer each time; fewer failures than one event has tries, whoever meets them.
    for bad in [5, 2, 1, 5] {
        for _ in 0..bad {
            stage.sandbox.fail_next(Endpoint::Events, Fault::status(502));
        }
        stage.sandbox.fail_next(Endpoint::Events, Fault::Delay(Duration::ZERO));
    }

    while stage.counts().await.waiting > 0 {
        stage.drain().await;
        stage.pass(secs(300));
    }

    let counts = stage.counts().await;
    assert_eq!((counts.delivered, counts.dead), (24, 0), "{counts:?}");
    let mut accepted = stage.accepted();
    for user in users {
        let own: Vec<_> = accepted.iter().filter(|name| name.starts_with(user)).collect();
        assert_eq!(own, ["signup", "purchase", "refund"].map(|what| format!("{user}/{what}")).each_ref());
    }
    accepted.sort();
    accepted.dedup();
    assert_eq!(accepted.len(), 24);
    stage.end().await;
}
