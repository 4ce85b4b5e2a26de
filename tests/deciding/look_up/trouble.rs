//! Look-ups that fail, hang or are refused: what waits goes on waiting, and says for what.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Semaphore;

use super::{DAY, MINUTE, PAID, asking, asks, basil_paid, paid};
use crate::relay::Relay;
use crate::stripe_api::{Answer, StripeApi};
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

#[tokio::test]
async fn a_failing_look_up_holds_the_fact_and_asks_again_after_growing_pauses() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    relay.receive(&paid()).await;
    let failures = [Answer::Status(500), Answer::Status(429), Answer::Garbage, Answer::Status(503)];
    // Each pause is as long as all the waiting before it.
    for (failure, pause) in failures.into_iter().zip([1, 1, 2, 4]) {
        stripe.order("/customers/", failure);
        assert_eq!(relay.settle().await, 1);
        assert_eq!(relay.reason(PAID).await, "lookup_failed");
        relay.pass(MINUTE * pause - SignedDuration::from_secs(1));
        assert_eq!(relay.settle().await, 0, "not before the pause of {pause} min is over");
        relay.pass(SignedDuration::from_secs(1));
    }
    assert_eq!(relay.settle().await, 1);
    assert_eq!(stripe.paths().len(), 5);
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn a_look_up_that_keeps_failing_is_asked_every_six_hours_and_dropped_only_at_the_deadline() {
    let (stripe, relay) = asking().await;
    relay.receive(&paid()).await;
    relay.pass(DAY);
    for _ in 0..3 {
        stripe.order("/customers/", Answer::Status(500));
        assert_eq!(relay.settle().await, 1);
        relay.pass(MINUTE * 359);
        assert_eq!(relay.settle().await, 0);
        relay.pass(MINUTE);
    }
    relay.pass(DAY * 30);
    stripe.order("/customers/", Answer::Status(500));
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "hold_expired");
}

#[tokio::test]
async fn a_refused_key_is_named_with_the_permission_it_lacks() {
    let (stripe, relay) = asking().await;
    stripe.order("/customers/", Answer::Status(403));
    relay.receive(&paid()).await;
    relay.settle().await;
    let message = relay.decision(PAID).await.message;
    assert!(message.contains("refused the key (403)") && message.contains("it may read customers"), "{message}");
}

#[tokio::test]
async fn a_key_that_may_not_read_subscriptions_still_tells_the_customer_and_the_line_the_interval() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    stripe.order("/subscriptions/", Answer::Status(403));
    stripe.order("/prices/", Answer::Status(403));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m", "/v1/customers/cus_1"]);
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "monthly");
    let warnings = relay.warnings(PAID).await;
    assert_eq!(warnings, ["interval_derived"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_hangs_does_not_hold_up_a_stop_and_is_made_again() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    stripe.order("/customers/", Answer::When(Arc::new(Semaphore::new(0))));
    relay.receive(&paid()).await;
    let loops = relay.start_loops(&asks(&stripe)).await;
    stripe.arrival().await;
    tokio::time::timeout(Duration::from_secs(10), loops.stop()).await.expect("a stop before the look-up's own end");
    assert_eq!(relay.reason(PAID).await, "looking_up");
    relay.settle().await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn without_an_api_key_nothing_is_asked_and_the_message_says_what_helps() {
    let stripe = StripeApi::start().await;
    let mut config = asks(&stripe);
    config.stripe.api_key = None;
    let relay = Relay::with(&config);
    stripe.knows(&customer(referred()));
    relay.receive(&paid()).await;
    let decision = relay.decision(PAID).await;
    assert_eq!(decision.reason.as_deref(), Some("customer_unseen"));
    assert!(decision.message.contains("an API key"), "{}", decision.message);
    relay.pass(DAY);
    assert_eq!(relay.settle().await, 0);
    assert_eq!(stripe.paths(), [""; 0]);
}

#[tokio::test]
async fn a_wrong_key_holds_and_says_so() {
    let stripe = StripeApi::start().await;
    let mut config = asks(&stripe);
    config.stripe.api_key = Some("rk_test_other".to_owned().into());
    let relay = Relay::with(&config);
    relay.receive(&paid()).await;
    relay.settle().await;
    let message = relay.decision(PAID).await.message;
    assert!(message.contains("refused the key (401)"), "{message}");
    assert!(!message.contains("rk_test"), "{message}");
}
