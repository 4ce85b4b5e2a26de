//! Asking Cello: how long an answer holds, and what becomes of what waits for one that does not come.

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::config::CheckCodes;
use cello_relay::rules::Rules;
use jiff::SignedDuration;
use serde_json::json;

use super::{
    CREATED, DAY, MINUTE, PAID, PURCHASE, SIGNUP, UNKNOWN, checking, checks, paid, paid_at, settle, signed_up,
    with_code,
};
use crate::relay::Relay;
use crate::stripe_api::{Answer, KEY, StripeApi};
use crate::webhooks::CODE;
use crate::webhooks::stripe::*;

#[tokio::test]
async fn an_answer_is_relied_on_for_five_minutes_and_then_forgotten() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    relay.receive(&signed_up(CODE)).await;
    settle(&relay).await;
    relay.pass(MINUTE * 5 - SignedDuration::from_secs(1));
    relay.receive(&paid()).await;
    assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE], "nobody need be asked");

    relay.pass(SignedDuration::from_secs(1));
    relay.receive(&paid_at("in_2", 30)).await;
    assert_eq!(relay.reason("evt_invoice.paid_30").await, "looking_up");
    settle(&relay).await;
    assert_eq!(relay.told_keys().await, ["purchase:stripe:in_2"]);
    assert_eq!(cello.calls(Endpoint::Reads), 2);
}

#[tokio::test]
async fn a_failing_look_up_holds_asks_again_after_growing_pauses_and_drops_nothing() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    relay.receive(&signed_up(CODE)).await;
    let garbage = || Fault::answer(200, "not json");
    let undecided = || Fault::answer(200, r#"{"code":"Rf3rr3dAbcd"}"#);
    let failures = [Fault::status(500), Fault::status(429), garbage(), undecided(), Fault::status(404)];
    // Each pause is as long as all the waiting before it.
    for (failure, pause) in failures.into_iter().zip([1, 1, 2, 4, 8]) {
        cello.fail_next(Endpoint::Reads, failure);
        assert_eq!(relay.settle().await, 1);
        assert_eq!(relay.reason(CREATED).await, "lookup_failed");
        relay.pass(MINUTE * pause - SignedDuration::from_secs(1));
        assert_eq!(relay.settle().await, 0, "not before the pause of {pause} min is over");
        relay.pass(SignedDuration::from_secs(1));
    }
    assert_eq!(relay.settle().await, 1);
    assert_eq!(relay.told_keys().await, [SIGNUP]);
    assert_eq!(cello.calls(Endpoint::Reads), 6);
}

#[tokio::test]
async fn while_cello_is_down_it_is_asked_once_and_not_for_each_fact() {
    let (cello, relay) = checking(CheckCodes::Warn).await;
    for number in 0..9 {
        let mut customer = customer(json!({ "cello_ucc": format!("Rf3rr3dAbc{number}"), "new_user_id": number }));
        customer["id"] = json!(format!("cus_{number}"));
        relay.receive(&event("customer.created", number, customer)).await;
    }
    cello.fail_next(Endpoint::Reads, Fault::status(503));
    assert_eq!(relay.settle().await, 9);
    assert_eq!(cello.calls(Endpoint::Reads), 1);
    assert_eq!(relay.reason("evt_customer.created_8").await, "lookup_failed");
    relay.pass(MINUTE);
    settle(&relay).await;
    assert_eq!(relay.told().await.len(), 9);
    assert_eq!(cello.calls(Endpoint::Reads), 10);
}

#[tokio::test]
async fn trouble_with_one_code_is_not_trouble_with_the_next() {
    let (cello, relay) = checking(CheckCodes::Warn).await;
    cello.fail_next(Endpoint::Reads, Fault::status(404));
    relay.receive(&signed_up(CODE)).await;
    let mut other = customer(json!({ "cello_ucc": "Rf3rr3dAbc1", "new_user_id": "u124" }));
    other["id"] = json!("cus_2");
    relay.receive(&event("customer.created", 1, other)).await;
    relay.settle().await;
    assert_eq!(relay.told_keys().await, ["signup:u124"]);
    assert_eq!(relay.reason(CREATED).await, "lookup_failed");
}

#[tokio::test]
async fn what_cello_never_answers_about_is_told_after_thirty_days_with_a_warning() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    cello.fail_always(Some(Fault::status(503)));
    relay.receive(&signed_up(CODE)).await;
    relay.receive(&paid()).await;
    for _ in 0..31 {
        settle(&relay).await;
        relay.pass(DAY);
    }
    assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE]);
    assert_eq!(relay.warnings(PAID).await, ["code_unchecked"]);
}

#[tokio::test]
async fn what_has_not_the_form_of_a_code_is_unknown_when_cello_refuses_to_look_at_it() {
    for (ucc, status) in [("test", 400), ("test", 404), ("..", 500)] {
        let (cello, relay) = checking(CheckCodes::Withhold).await;
        cello.fail_next(Endpoint::Reads, Fault::status(status));
        relay.receive(&signed_up(ucc)).await;
        relay.settle().await;
        assert_eq!(relay.reason(CREATED).await, "code_unknown", "{ucc} {status}");
    }
}

#[tokio::test]
async fn after_the_check_was_switched_off_what_waits_for_it_goes_on() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    cello.fail_always(Some(Fault::status(503)));
    relay.receive(&signed_up(UNKNOWN)).await;
    relay.receive(&paid()).await;
    settle(&relay).await;
    let config = checks(&cello, CheckCodes::Off);
    let providers = cello_relay::providers::enabled(&config);
    let next = Relay::on(relay.store.clone(), &config, providers, Rules::shipped().unwrap());
    next.pass(DAY);
    settle(&next).await;
    assert_eq!(next.told_keys().await, [SIGNUP, PURCHASE]);
}

#[tokio::test]
async fn stripe_and_cello_are_both_asked_and_one_answer_does_not_undo_the_other() {
    let (cello, stripe) = (Sandbox::start("127.0.0.1:0").await.unwrap(), StripeApi::start().await);
    let mut config = checks(&cello, CheckCodes::Withhold);
    config.stripe.api_key = Some(KEY.to_owned().into());
    config.stripe.api_base = stripe.base_url.clone();
    let relay = Relay::with(&config);
    stripe.knows(&customer(with_code(CODE)));
    // The subscription may not be read, so that only the stretch tells the interval, each time anew.
    (0..9).for_each(|_| stripe.order("/subscriptions/", Answer::Status(403)));
    relay.receive(&event("invoice.paid", 20, basil_invoice("in_1", 20, 1000, 30))).await;
    relay.receive(&event("invoice.paid", 30, basil_invoice("in_2", 30, 1000, 30))).await;
    settle(&relay).await;
    assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE, "purchase:stripe:in_2"]);
    assert_eq!(cello.calls(Endpoint::Reads), 1);
}
