//! What a process finds that begins where another one died.

use std::sync::Arc;

use cello_relay::config::{Config, Delivery, Unsure};
use cello_relay::relay::policy::Policy;
use cello_relay::relay::{Parts, Relay};
use cello_relay::rules::Rules;
use cello_relay::store::{EventState, Store, Wanted};
use cello_relay::telemetry::Scrape;
use tokio::sync::Notify;

use crate::stage::{Setup, Stage};

/// The whole relay on what the stage has.
async fn start(stage: &Stage) -> Relay {
    let parts = Parts {
        store: stage.store.clone(),
        policy: Policy::new(&Config::default(), vec![], Rules::shipped().unwrap()),
        client: stage.deliverer.client.clone(),
        delivery: stage.deliverer.settings.clone(),
        metrics: stage.metrics.clone(),
        clock: stage.deliverer.clock.clone(),
        stored: Arc::new(Notify::new()),
    };
    Relay::start(parts).await.unwrap()
}

/// Two users' events, of which those at the front were being sent when the process died.
async fn died_while_sending(unsure: Unsure) -> Stage {
    let delivery = Delivery { unsure, ..Config::default().delivery };
    let stage = Stage::start_with(Setup { delivery, ..Setup::default() }).await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup"]).await;
    let lease = stage.now() + stage.deliverer.settings.lease;
    assert_eq!(stage.store.claim(stage.now(), lease, Wanted::longest_due(10)).await.unwrap().len(), 2);
    stage
}

#[tokio::test]
async fn with_resend_what_was_being_sent_is_sent_again_and_its_history_says_unsure() {
    let stage = died_while_sending(Unsure::Resend).await;

    let relay = start(&stage).await;
    stage.sandbox.wait_for(3).await;
    relay.stop().await;

    assert_eq!(stage.counts().await.delivered, 3);
    for name in ["anna/signup", "bert/signup"] {
        assert_eq!(stage.outcomes(name).await, ["unsure", "delivered"]);
    }
    assert_eq!(stage.outcomes("anna/purchase").await, ["delivered"]);
    let metrics = stage.metrics.render(&Scrape::default());
    assert!(metrics.contains("cello_relay_recovered_total{then=\"waiting\"} 2"), "{metrics}");
    stage.end().await;
}

#[tokio::test]
async fn with_hold_what_was_being_sent_waits_for_a_person_and_what_does_not_depend_on_it_goes_on() {
    let stage = died_while_sending(Unsure::Hold).await;
    stage.add(&["carl/purchase"]).await;

    let relay = start(&stage).await;
    stage.sandbox.wait_for(1).await;
    relay.stop().await;

    assert_eq!(stage.accepted(), ["carl/purchase"]);
    assert_eq!(stage.event("anna/purchase").await.blocked_by.unwrap().state, EventState::Unsure);
    for name in ["anna/signup", "bert/signup"] {
        assert_eq!(stage.state(name).await, EventState::Unsure);
        assert_eq!(stage.outcomes(name).await, ["unsure"]);
    }
    stage.end().await;
}

#[tokio::test]
async fn the_try_that_was_cut_short_counts_so_the_next_pause_is_the_second() {
    let stage = died_while_sending(Unsure::Resend).await;
    stage.store.recover(jiff::Timestamp::MAX, 3).await.unwrap();
    stage
        .sandbox
        .fail_next(cello_relay::cello::sandbox::Endpoint::Events, cello_relay::cello::sandbox::Fault::status(503));

    assert_eq!(stage.drain().await, 2);

    let waits = stage.due("anna/signup").await.duration_since(stage.now()).as_secs();
    assert!((30..=33).contains(&waits), "{waits} s");
    assert_eq!(stage.accepted(), ["bert/signup"]);
    stage.end().await;
}
