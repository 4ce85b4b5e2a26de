//! A rule that fails on a fact: nothing is guessed and nothing dropped; the next start, with the rule mended, decides.

use std::time::Duration;

use cello_relay::providers;
use cello_relay::rules::Rules;
use cello_relay::store::DecisionState;
use jiff::SignedDuration;

use super::{paid, signed_up, stripe};
use crate::relay::{Relay, config};

/// Fails on an invoice of exactly 10.00.
const FAILING: &str = "
    [[rule]]
    name = 'signup'
    on = 'customer-seen'
    trigger = 'new-signup'

    [[rule]]
    name = 'share'
    on = 'invoice-paid'
    trigger = 'invoice-paid'
    price = 'invoice.amount_paid / (invoice.amount_paid - 1000)'";

const FAILING_SIGNUP: &str = "
    [[rule]]
    name = 'signup'
    on = 'customer-seen'
    when = 'int(customer.user_id) > 0'
    trigger = 'new-signup'

    [[rule]]
    name = 'purchase'
    on = 'invoice-paid'
    trigger = 'invoice-paid'
    price = 'invoice.amount_paid'";

fn ruled(text: &str) -> Relay {
    Relay::ruled(&config(), Rules::load(text, "own.toml").unwrap())
}

const PAID: &str = "evt_invoice.paid_20";

#[tokio::test]
async fn the_fact_is_held_with_the_rule_and_the_place_that_failed() {
    let relay = ruled(FAILING);
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    let decision = relay.decision(PAID).await;
    assert_eq!((decision.decision, decision.reason.as_deref()), (DecisionState::Hold, Some("rule_failed")));
    assert!(decision.message.contains("rule share failed: price:"), "{}", decision.message);
    assert!(decision.message.contains("division by zero"), "{}", decision.message);
    // Others are not held up by it.
    relay.receive(&stripe::event("invoice.paid", 30, stripe::old_invoice("in_2", 30, 2000))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_2"]);
}

#[tokio::test]
async fn a_refund_waits_with_its_purchase() {
    let relay = ruled(&format!(
        "{FAILING}\n[[rule]]\nname='refund'\non='payment-refunded'\ntrigger='charge-refunded'\nprice='refund.amount'"
    ));
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    relay.receive(&stripe::refund(30, "in_1", 300, Some(0))).await;
    relay.pass(SignedDuration::from_hours(24 * 4));
    relay.settle().await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_unseen");
    let mended = Relay::on(relay.store.clone(), &config(), providers::enabled(&config()), Rules::shipped().unwrap());
    mended.pass(SignedDuration::from_hours(24 * 31));
    while mended.settle().await > 0 {}
    assert_eq!(mended.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:300"]);
}

#[tokio::test]
async fn a_purchase_waits_with_its_signup() {
    let relay = ruled(FAILING_SIGNUP);
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    assert_eq!(relay.reason("evt_customer.created_0").await, "rule_failed");
    let decision = relay.decision(PAID).await;
    assert_eq!(decision.reason.as_deref(), Some("rule_failed"));
    assert!(decision.message.contains("rule signup failed"), "{}", decision.message);
    assert_eq!(relay.told_keys().await, [""; 0]);
}

#[tokio::test]
async fn after_thirty_days_it_is_given_up() {
    let relay = ruled(FAILING);
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    relay.pass(SignedDuration::from_hours(24 * 30));
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "hold_expired");
}

/// The real loops at their start, on the store that an earlier process left.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_decides_it_by_the_mended_rules() {
    for failing in [FAILING, FAILING_SIGNUP] {
        let relay = ruled(failing);
        relay.receive(&signed_up()).await;
        relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
        let loops = relay.start_loops(&config()).await;
        let decided = async {
            while relay.decisions(PAID).await.iter().any(|decision| decision.decision == DecisionState::Hold) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), decided).await.expect("a decision within 20 seconds");
        loops.stop().await;
        let keys: Vec<String> =
            [relay.store.life("signup:usr_1").await.unwrap(), relay.store.life(PAID).await.unwrap()]
                .into_iter()
                .flatten()
                .flat_map(|life| life.referral_events)
                .map(|event| event.key)
                .collect();
        assert!(
            keys.contains(&"signup:usr_1".to_owned()) && keys.contains(&"purchase:stripe:in_1".to_owned()),
            "{keys:?}"
        );
        assert_eq!(relay.store.counts().await.unwrap().referral_events, 2);
    }
}
