//! A clock that is wrong, and is put right while the relay runs.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use tokio::sync::watch;

use crate::stage::Stage;

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

#[tokio::test]
async fn when_a_clock_that_was_a_year_ahead_is_set_back_nothing_waits_for_that_year() {
    let stage = Stage::start().await;
    let right = stage.now();
    stage.pass(YEAR);
    stage.add(&["a/signup", "a/purchase", "b/signup", "c/signup", "d/signup", "e/signup", "f/signup"]).await;
    for _ in 0..5 {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    }
    assert_eq!(stage.drain().await, 5);
    assert!(stage.breaker_metric());

    stage.go_to(right);

    assert_eq!(stage.drain().await, 7, "neither the pause nor the times of the next tries are kept");
    assert!(!stage.breaker_metric());
    assert_eq!(stage.counts().await.delivered, 7);
    stage.end().await;
}

#[tokio::test]
async fn when_a_clock_that_was_a_year_behind_is_set_ahead_what_waits_is_due_and_nothing_is_given_up() {
    let stage = Stage::start().await;
    stage.add(&["a/signup", "a/purchase", "b/signup"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    assert_eq!(stage.drain().await, 2);

    stage.pass(YEAR);

    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.outcomes("a/signup").await, ["retry", "delivered"]);
    assert_eq!(stage.counts().await.delivered, 3);
    stage.end().await;
}

#[tokio::test]
async fn a_clock_that_jumps_both_ways_while_something_is_under_way_has_nothing_sent_again() {
    let stage = Stage::start().await;
    stage.add(&["a/signup", "a/purchase"]).await;
    let mut held = stage.proxy.hold_next("/events");
    let (stop, stopped) = watch::channel(false);
    let run = tokio::spawn(stage.deliverer.clone().run(stopped));
    held.arrived().await;

    let right = stage.now();
    for (wrong, is_woken) in [(right + YEAR, true), (right - YEAR, true), (right + YEAR, false)] {
        stage.go_to(wrong);
        let before = stage.store.asked();
        if is_woken {
            stage.deliverer.wake.notify_one();
        }
        // By itself it looks after some seconds.
        while stage.store.asked() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stage.go_to(right);
    drop(held);
    stage.sandbox.wait_for(2).await;
    stop.send(true).unwrap();
    run.await.unwrap();

    assert_eq!(stage.accepted(), ["a/signup", "a/purchase"]);
    assert_eq!(stage.outcomes("a/signup").await, ["delivered"]);
    stage.end().await;
}
