//! What a lease is for where several send from one store: one that stands still is overtaken, and does not send late.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cello_relay::config::Config;
use cello_relay::store::{Attempt, Claimed, Store, Then, Wanted};
use futures_util::future::join;

use crate::running::Run;
use crate::stage::Stage;

pub fn lease() -> Duration {
    Config::default().delivery.lease
}

pub async fn claimed_by_another(stage: &Stage) -> Claimed {
    stage.store.of_another().claim(stage.now(), stage.now() + lease(), Wanted::longest_due(1)).await.unwrap().remove(0)
}

async fn delivered_by_another(stage: &Stage) {
    let event = claimed_by_another(stage).await;
    let attempt = Attempt {
        event_id: event.id,
        lease: event.lease,
        started_at: stage.now(),
        duration_ms: 1,
        outcome: "delivered",
        status: Some(200),
        message: String::new(),
        request_id: None,
        then: Then::Delivered,
        counts: true,
    };
    stage.store.record(attempt).await.unwrap();
}

#[tokio::test]
async fn what_was_claimed_before_a_standstill_is_not_sent_after_it() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    let answer = stage.store.answer.lock().await;
    let meanwhile = async {
        stage.store.claimed.notified().await;
        stage.pass(lease());
        stage.store.recover(stage.now(), 3).await.unwrap();
        delivered_by_another(&stage).await;
        delivered_by_another(&stage).await;
        drop(answer);
    };
    join(stage.drain(), meanwhile).await;

    assert_eq!(stage.accepted(), [""; 0], "another has sent it, and what comes after it");
    assert_eq!(stage.outcomes("anna/signup").await, ["unsure", "delivered"]);
    stage.end().await;
}

#[tokio::test]
async fn what_was_claimed_too_slowly_is_given_back_and_sent_on_another_lease() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    let answer = stage.store.answer.lock().await;
    let slow = async {
        stage.store.claimed.notified().await;
        stage.pass(lease() * 3 / 4);
        drop(answer);
    };
    join(stage.drain(), slow).await;

    assert_eq!(stage.accepted(), ["anna/signup"]);
    assert_eq!(stage.outcomes("anna/signup").await, ["delivered"], "giving back is no try");
    stage.end().await;
}

#[tokio::test]
async fn one_that_is_never_idle_still_takes_what_another_left() {
    let stage = Stage::start().await;
    stage.store.is_shared.store(true, Ordering::Relaxed);
    stage.add(&["anna/signup"]).await;
    claimed_by_another(&stage).await;
    stage.pass(lease() - Duration::from_secs(1));
    stage.add(&["bert/signup"]).await;
    let mut held = stage.proxy.hold_next("/events");
    let run = Run::begin(&stage);
    held.arrived().await;

    stage.pass(Duration::from_secs(1));
    stage.sandbox.wait_for(1).await;
    assert_eq!(stage.accepted(), ["anna/signup"]);
    drop(held);
    run.end().await;
    assert_eq!(stage.outcomes("anna/signup").await, ["unsure", "delivered"]);
    stage.end().await;
}
