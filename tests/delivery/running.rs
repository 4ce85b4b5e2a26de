//! The loop itself: it wakes, it stops, it never spins, and it survives a store in trouble.

use std::sync::Arc;
use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::config::{Config, Delivery};
use cello_relay::store::EventState;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::leases::{claimed_by_another, lease};
use crate::stage::{Setup, Stage};

/// The running loop and what stops it.
pub struct Run {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Run {
    pub fn begin(stage: &Stage) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(stage.deliverer.clone().run(stopped)) }
    }

    pub async fn end(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_added_while_it_sleeps_is_sent_when_it_is_woken() {
    let stage = Stage::start().await;
    let run = Run::begin(&stage);
    for (number, name) in ["anna/signup", "bert/signup", "anna/purchase"].into_iter().enumerate() {
        stage.add(&[name]).await;
        stage.deliverer.wake.notify_one();
        stage.sandbox.wait_for(number + 1).await;
    }
    run.end().await;
    assert_eq!(stage.accepted(), ["anna/signup", "bert/signup", "anna/purchase"]);
    assert_eq!(stage.counts().await.delivered, 3);
    stage.end().await;
}

#[tokio::test]
async fn one_user_who_waits_for_an_answer_holds_up_neither_others_nor_the_order_of_its_own() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup", "bert/purchase"]).await;
    let mut held = stage.proxy.hold_next("/events");
    let run = Run::begin(&stage);
    held.arrived().await;
    stage.sandbox.wait_for(2).await;

    let (slow, quick) = if stage.accepted()[0] == "bert/signup" { ("anna", "bert") } else { ("bert", "anna") };
    assert_eq!(stage.accepted(), [format!("{quick}/signup"), format!("{quick}/purchase")]);
    assert_eq!(stage.event(&format!("{slow}/purchase")).await.attempts.len(), 0);
    assert_eq!(stage.state(&format!("{slow}/purchase")).await, EventState::Waiting);

    drop(held);
    stage.sandbox.wait_for(4).await;
    run.end().await;
    assert_eq!(stage.accepted()[2..], [format!("{slow}/signup"), format!("{slow}/purchase")]);
    stage.end().await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_claims_nothing_more() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    let mut held = stage.proxy.hold_next("/events");
    let run = Run::begin(&stage);
    held.arrived().await;

    run.stop.send(true).unwrap();
    drop(held);
    run.task.await.unwrap();

    assert_eq!(stage.state("anna/signup").await, EventState::Delivered);
    assert_eq!(stage.state("anna/purchase").await, EventState::Waiting);
    assert_eq!(stage.accepted(), ["anna/signup"]);
    stage.end().await;
}

#[tokio::test]
async fn a_stop_between_claiming_and_sending_gives_back_what_was_claimed() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "bert/signup"]).await;
    let answer = stage.store.answer.lock().await;
    let run = Run::begin(&stage);
    stage.store.claimed.notified().await;
    assert_eq!(stage.counts().await.sending, 2);

    run.stop.send(true).unwrap();
    drop(answer);
    run.task.await.unwrap();

    assert_eq!(stage.counts().await.waiting, 2);
    assert_eq!(stage.due("anna/signup").await, stage.now(), "due as before");
    assert_eq!(stage.sandbox.calls(Endpoint::Events), 0);
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.outcomes("anna/signup").await, ["delivered"]);
    stage.end().await;
}

#[tokio::test]
async fn it_ends_when_nobody_is_left_who_could_stop_it() {
    let stage = Stage::start().await;
    let Run { stop, task } = Run::begin(&stage);
    drop(stop);
    task.await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn while_a_probe_is_under_way_the_store_is_not_asked_over_and_over() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "bert/signup", "carl/signup"]).await;
    stage.sandbox.fail_next(Endpoint::Token, Fault::status(503));
    assert_eq!(stage.drain().await, 1);
    stage.pass(Duration::from_secs(15));
    stage.sandbox.fail_next(Endpoint::Events, Fault::Delay(Duration::from_millis(500)));
    let before = stage.store.asked();

    let run = Run::begin(&stage);
    stage.sandbox.wait_for(1).await;
    let asked = stage.store.asked() - before;
    assert!(asked <= 5, "{asked} times in half a second");

    stage.sandbox.wait_for(3).await;
    run.end().await;
    assert_eq!(stage.counts().await.delivered, 3);
    stage.end().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_claimed_from_is_asked_again_after_a_pause() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    stage.store.fail_claims(2);

    let run = Run::begin(&stage);
    stage.store.claims_failed(1).await;
    let at_once = tokio::time::timeout(Duration::from_millis(500), stage.store.claims_failed(2)).await;
    assert!(at_once.is_err(), "not within half a second");

    stage.sandbox.wait_for(1).await;
    run.end().await;
    stage.end().await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_at_once_is_recorded_later_and_the_event_not_sent_again() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    stage.store.fail_records(1);

    assert_eq!(stage.drain().await, 1);

    assert_eq!(stage.outcomes("anna/signup").await, ["delivered"]);
    assert_eq!(stage.state("anna/signup").await, EventState::Delivered);
    assert_eq!(stage.accepted().len(), 1);
    stage.end().await;
}

/// With a lease of three seconds, the shortest that can be set.
async fn briefly_leased() -> Stage {
    let delivery = Delivery { lease: LEASE, concurrency: 1, ..Config::default().delivery };
    let request_timeout = Duration::from_millis(1400);
    Stage::start_with(Setup { delivery, request_timeout, ..Setup::default() }).await
}

const LEASE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_while_the_lease_runs_is_recorded_after_it() {
    let stage = briefly_leased().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    stage.store.fail_records(4);
    let run = Run::begin(&stage);
    stage.store.records_failed(4).await;
    stage.pass(LEASE);
    stage.sandbox.wait_for(2).await;
    run.end().await;

    assert_eq!(stage.accepted(), ["anna/signup", "anna/purchase"]);
    assert_eq!(stage.outcomes("anna/signup").await, ["delivered"]);
    stage.end().await;
}

#[tokio::test]
async fn after_trouble_with_the_store_others_have_time_to_record_before_anything_is_taken_from_them() {
    let stage = briefly_leased().await;
    stage.add(&["anna/signup", "bert/signup"]).await;
    stage.store.fail_claims(1);
    let run = Run::begin(&stage);
    stage.store.claims_failed(1).await;
    claimed_by_another(&stage).await;
    stage.pass(lease());

    stage.sandbox.wait_for(2).await;
    run.end().await;
    assert_eq!(stage.accepted(), ["bert/signup", "anna/signup"]);
    stage.end().await;
}

#[tokio::test]
async fn a_store_that_stays_away_does_not_keep_it_from_ending() {
    let stage = briefly_leased().await;
    stage.add(&["anna/signup"]).await;
    stage.store.fail_records(1000);
    let run = Run::begin(&stage);
    stage.store.records_failed(1).await;
    run.end().await;
    assert_eq!(stage.state("anna/signup").await, EventState::Sending);
    stage.end().await;
}

#[tokio::test]
async fn many_users_at_once_are_all_delivered_once_and_each_in_order() {
    let delivery = Delivery { concurrency: 8, ..Config::default().delivery };
    let stage = Arc::new(Stage::start_with(Setup { delivery, ..Setup::default() }).await);
    for user in 0..20 {
        for what in ["signup", "purchase", "refund"] {
            stage.add(&[&format!("user{user}/{what}")]).await;
        }
    }
    let run = Run::begin(&stage);
    stage.sandbox.wait_for(60).await;
    run.end().await;

    let accepted = stage.accepted();
    assert_eq!(accepted.len(), 60);
    for user in 0..20 {
        let of: Vec<_> = accepted.iter().filter(|name| name.starts_with(&format!("user{user}/"))).collect();
        assert_eq!(of, ["signup", "purchase", "refund"].map(|what| format!("user{user}/{what}")).each_ref());
    }
    assert_eq!(stage.sandbox.calls(Endpoint::Token), 1);
    Arc::into_inner(stage).unwrap().end().await;
}
