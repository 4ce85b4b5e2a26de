//! Events of one user go one at a time and in order; users do not wait for each other.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::store::{EventState, Store};

use crate::stage::Stage;

#[tokio::test]
async fn signup_purchase_and_refund_arrive_in_this_order() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup", "anna/refund", "bert/purchase"]).await;

    assert_eq!(stage.drain().await, 5);

    let of = |user: &str| stage.accepted().into_iter().filter(|name| name.starts_with(user)).collect::<Vec<_>>();
    assert_eq!(of("anna"), ["anna/signup", "anna/purchase", "anna/refund"]);
    assert_eq!(of("bert"), ["bert/signup", "bert/purchase"]);
    stage.end().await;
}

#[tokio::test]
async fn a_signup_that_fails_holds_back_the_purchase_of_its_own_user_and_of_no_other() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase", "bert/signup", "bert/purchase"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));

    assert_eq!(stage.drain().await, 3);
    assert_eq!(stage.accepted(), ["bert/signup", "bert/purchase"]);
    assert_eq!(stage.event("anna/purchase").await.attempts.len(), 0);

    stage.pass(Duration::from_secs(6));
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.accepted()[2..], ["anna/signup", "anna/purchase"]);
    stage.end().await;
}

#[tokio::test]
async fn a_dead_signup_does_not_block_the_purchase() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(400));

    assert_eq!(stage.drain().await, 2);

    assert_eq!(stage.state("anna/signup").await, EventState::Dead);
    assert_eq!(stage.accepted(), ["anna/purchase"]);
    stage.end().await;
}

#[tokio::test]
async fn a_discarded_event_lets_the_next_one_go() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
    assert_eq!(stage.drain().await, 1);

    let id = stage.event("anna/signup").await.id;
    stage.store.discard(vec![id], "ops".into(), "a test account".into(), stage.now()).await.unwrap();

    assert_eq!(stage.drain().await, 1);
    assert_eq!(stage.accepted(), ["anna/purchase"]);
    assert_eq!(stage.counts().await.discarded, 1);
    stage.end().await;
}
