//! The login stands between the deliverer and Cello: its trouble is nobody's attempt.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::store::EventState;

use crate::stage::Stage;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn after_a_401_the_token_is_renewed_and_the_event_is_taken_once() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    stage.deliverer.client.token().await.unwrap();
    stage.sandbox.expire_tokens(true);

    assert_eq!(stage.drain().await, 1);

    assert_eq!(stage.accepted(), ["anna/signup"]);
    assert_eq!(stage.outcomes("anna/signup").await, ["delivered"]);
    assert_eq!((stage.sandbox.calls(Endpoint::Token), stage.sandbox.calls(Endpoint::Events)), (2, 2));
    assert!(!stage.breaker_metric());
    stage.end().await;
}

#[tokio::test]
async fn while_the_login_fails_no_attempts_are_used_and_nothing_is_lost() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup"]).await;
    let mut tries = 0;
    for _ in 0..20 {
        stage.sandbox.fail_next(Endpoint::Token, Fault::answer(401, r#"{"message":"no such key"}"#));
        tries += stage.drain().await;
        assert!(stage.breaker_metric());
        stage.pass(secs(300));
    }
    assert_eq!(tries, 20, "one at a time, to see whether it works again");
    assert_eq!(stage.sandbox.calls(Endpoint::Events), 0);
    let event = stage.event("anna/signup").await;
    assert_eq!((event.attempts[0].outcome.as_str(), event.attempts[0].status), ("retry", None));
    assert!(event.attempts[0].message.contains("no such key"), "{}", event.attempts[0].message);

    // The first try that counts is followed by the first pause of the schedule.
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    assert_eq!(stage.drain().await, 1);
    stage.pass(secs(300));
    assert_eq!(stage.drain().await, 3);
    assert_eq!(stage.counts().await.delivered, 3);
    assert!(!stage.breaker_metric());
    stage.end().await;
}

#[tokio::test]
async fn a_try_after_failed_logins_is_the_first_that_counts() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    for _ in 0..6 {
        stage.sandbox.fail_next(Endpoint::Token, Fault::status(500));
        assert_eq!(stage.drain().await, 1);
        stage.go_to(stage.due("anna/signup").await);
    }
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(400));
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    stage.add(&["bert/signup"]).await;
    assert_eq!(stage.drain().await, 2);

    assert_eq!(stage.state("anna/signup").await, EventState::Dead);
    let waits = stage.due("bert/signup").await.duration_since(stage.now());
    assert!(waits.as_secs() == 5, "{waits}");
    stage.end().await;
}

#[tokio::test]
async fn when_new_tokens_are_refused_too_it_is_a_matter_of_the_login_and_waits() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "bert/signup"]).await;
    for _ in 0..2 {
        stage.sandbox.fail_next(Endpoint::Events, Fault::answer(401, r#"{"message":"Unauthorized"}"#));
    }

    assert_eq!(stage.drain().await, 1, "the other one is not tried");

    let attempt = &stage.event("anna/signup").await.attempts[0];
    assert_eq!((attempt.outcome.as_str(), attempt.status), ("retry", Some(401)));
    stage.pass(secs(15));
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.counts().await.delivered, 2);
    stage.end().await;
}

#[tokio::test]
async fn a_login_that_asks_to_be_left_alone_is_left_alone() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "bert/signup"]).await;
    stage.sandbox.fail_next(Endpoint::Token, Fault::status(503).header("retry-after", "100"));
    assert_eq!(stage.drain().await, 1);

    stage.pass(secs(99));
    assert_eq!(stage.drain().await, 0);
    assert_eq!(stage.sandbox.calls(Endpoint::Token), 1);

    stage.pass(secs(1));
    assert_eq!(stage.drain().await, 2);
    stage.end().await;
}
