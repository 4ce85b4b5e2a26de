//! Events of one user go one at a time and in order; users do not wait for each other.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::store::{EventState, Store};

use crate::person::discarding;
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
async fn a_purchase_waits_while_its_signup_is_dead_and_goes_after_it() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(400));

    assert_eq!(stage.drain().await, 1);
    assert_eq!(stage.state("anna/signup").await, EventState::Dead);
    stage.pass(Duration::from_secs(3600));
    assert_eq!(stage.drain().await, 0);

    let id = stage.event("anna/signup").await.id;
    stage.store.retry(vec![id], stage.now(), Duration::ZERO).await.unwrap();
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.accepted(), ["anna/signup", "anna/purchase"]);
    stage.end().await;
}

#[tokio::test]
async fn a_refund_does_not_overtake_its_dead_purchase_and_what_depends_on_neither_does() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    assert_eq!(stage.drain().await, 1);
    stage.add(&["anna/purchase", "anna/refund", "anna/renewal"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(400));
    assert_eq!(stage.drain().await, 2);
    assert_eq!(stage.accepted(), ["anna/signup", "anna/renewal"]);

    let id = stage.event("anna/purchase").await.id;
    stage.store.retry(vec![id], stage.now(), Duration::ZERO).await.unwrap();
    stage.drain().await;
    assert_eq!(stage.accepted()[2..], ["anna/purchase", "anna/refund"]);
    stage.end().await;
}

#[tokio::test]
async fn after_14_days_a_purchase_goes_without_its_dead_signup_and_before_cello_takes_it_no_more() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup", "anna/purchase"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::status(400));
    assert_eq!(stage.drain().await, 1);

    stage.pass(Duration::from_secs(14 * 86_400 - 60));
    assert_eq!(stage.drain().await, 0);
    stage.pass(Duration::from_secs(120));
    assert_eq!(stage.drain().await, 1);
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
    stage.store.discard(discarding(vec![id], "ops", "a test account"), stage.now()).await.unwrap();

    assert_eq!(stage.drain().await, 1);
    assert_eq!(stage.accepted(), ["anna/purchase"]);
    assert_eq!(stage.counts().await.discarded, 1);
    stage.end().await;
}
