//! What is not known is said: a break after the request was written leaves an event unsure, one before does not.

use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault, Settings};
use cello_relay::config::{Config, Delivery, Unsure};
use cello_relay::store::{EventState, Store};

use crate::cutting_proxy::Cut;
use crate::stage::{Setup, Stage, client};

async fn holding() -> Stage {
    let delivery = Delivery { unsure: Unsure::Hold, ..Config::default().delivery };
    Stage::start_with(Setup { delivery, ..Setup::default() }).await
}

#[tokio::test]
async fn without_a_connection_nothing_was_written_and_it_is_tried_again() {
    let mut stage = holding().await;
    stage.add(&["anna/signup"]).await;
    // Straight to the stand-in, and with no connection kept open after the login.
    let client = client(&stage.sandbox, &stage.sandbox.base_url);
    let login = Fault::answer(201, r#"{"accessToken":"a"}"#).header("connection", "close");
    stage.sandbox.fail_next(Endpoint::Token, login);
    client.token().await.unwrap();
    std::sync::Arc::get_mut(&mut stage.deliverer).unwrap().client = client;
    stage.sandbox.stop().await;

    assert_eq!(stage.drain().await, 1);

    let event = stage.event("anna/signup").await;
    assert_eq!((event.state, event.attempts[0].outcome.as_str()), (EventState::Waiting, "retry"));
    assert!(event.attempts[0].message.contains("no connection to Cello"), "{}", event.attempts[0].message);

    let address = stage.sandbox.base_url.strip_prefix("http://").unwrap().to_owned();
    stage.sandbox = Sandbox::start_with(&address, Settings::default()).await.unwrap();
    stage.go_to(event.due_at.unwrap());
    assert_eq!(stage.drain().await, 1);
    assert_eq!(stage.accepted(), ["anna/signup"]);
    stage.end().await;
}

#[tokio::test]
async fn with_resend_an_unsure_event_is_sent_again_on_schedule_and_its_history_says_so() {
    for (cut, accepted) in [(Cut::BeforeForwarding, 1), (Cut::BeforeAnswer, 2), (Cut::WithinAnswer, 2)] {
        let stage = Stage::start().await;
        stage.add(&["anna/signup"]).await;
        stage.proxy.cut_next("/events", cut);

        assert_eq!(stage.drain().await, 1);
        assert_eq!(stage.state("anna/signup").await, EventState::Waiting);
        let waits = stage.due("anna/signup").await.duration_since(stage.now());
        assert_eq!(waits.as_secs(), 5, "{cut:?}");
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.drain().await, 1);

        assert_eq!(stage.outcomes("anna/signup").await, ["unsure", "delivered"], "{cut:?}");
        assert_eq!(stage.accepted().len(), accepted, "{cut:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn with_hold_an_unsure_event_waits_for_a_person_and_blocks_nothing_but_what_depends_on_it() {
    let stage = holding().await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup"]).await;
    stage.proxy.cut_next("/events", Cut::BeforeForwarding);

    assert_eq!(stage.drain().await, 2);
    let event = stage.event("anna/signup").await;
    assert_eq!((event.state, event.due_at), (EventState::Unsure, None));
    assert_eq!(stage.accepted(), ["bert/signup"]);
    stage.pass(Duration::from_secs(13 * 86_400));
    assert_eq!(stage.drain().await, 0, "it waits for as long as it takes");

    stage.store.retry(vec![event.id], stage.now(), Duration::ZERO).await.unwrap();
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.accepted()[1..], ["anna/signup", "anna/purchase"]);
    assert_eq!(stage.outcomes("anna/signup").await, ["unsure", "delivered"]);
    stage.end().await;
}

#[tokio::test]
async fn an_event_that_stays_unsure_to_the_end_of_the_schedule_is_dead() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    while stage.state("anna/signup").await == EventState::Waiting {
        stage.go_to(stage.due("anna/signup").await);
        stage.proxy.cut_next("/events", Cut::BeforeForwarding);
        assert_eq!(stage.drain().await, 1);
    }
    assert_eq!(stage.state("anna/signup").await, EventState::Dead);
    assert_eq!(stage.outcomes("anna/signup").await, ["unsure"; 14]);
    stage.end().await;
}
