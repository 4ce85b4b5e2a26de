//! Codes whose standing changes: blocked after something was told, or valid after something was withheld.

use cello_relay::cello::sandbox::Endpoint;
use cello_relay::config::CheckCodes;
use serde_json::json;

use super::{
    DAY, OWN, PAID, PURCHASE, REFUND, SIGNUP, UNKNOWN, checking, next_answer, paid, paid_at, refunded, settle, settled,
    signed_up, with_code,
};
use crate::webhooks::CODE;
use crate::webhooks::stripe::*;

#[tokio::test]
async fn a_refund_of_what_was_told_is_told_although_the_code_was_blocked_since() {
    for owner in ["referrer", "u123"] {
        let (cello, relay) = checking(CheckCodes::Withhold).await;
        for webhook in [signed_up(CODE), settled(), paid()] {
            relay.receive(&webhook).await;
        }
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE]);

        relay.pass(DAY);
        next_answer(&cello, CODE, false, owner);
        relay.receive(&refunded()).await;
        relay.receive(&paid_at("in_2", 30)).await;
        assert_eq!(relay.told_keys().await, [REFUND], "and it waits for nobody");
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [""; 0]);
        let reason = if owner == "u123" { "self_referral" } else { "code_blocked" };
        assert_eq!(relay.reason("evt_invoice.paid_30").await, reason);
    }
}

#[tokio::test]
async fn the_end_of_a_subscription_that_was_told_is_told_although_the_code_was_blocked_since() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    let subscription = |status, seats| subscription(status, monthly("price_m", 1000), seats);
    relay.receive(&signed_up(CODE)).await;
    relay.receive(&event("customer.subscription.created", 10, subscription("active", 1))).await;
    settle(&relay).await;
    assert_eq!(relay.told_keys().await, [SIGNUP, "subscription-created:stripe:sub_1"]);

    relay.pass(DAY);
    next_answer(&cello, CODE, false, "referrer");
    let former = json!({ "items": { "data": [{ "id": "si_1", "quantity": 1 }] } });
    relay.receive(&updated("customer.subscription.updated", 30, subscription("active", 2), former)).await;
    relay.receive(&event("customer.subscription.deleted", 40, subscription("canceled", 2))).await;
    assert_eq!(relay.told_keys().await, [""; 0], "the end does not overtake the change");
    settle(&relay).await;
    assert_eq!(relay.reason("evt_customer.subscription.updated_30").await, "code_blocked");
    assert_eq!(relay.told_keys().await, ["subscription-canceled:stripe:sub_1"]);
}

#[tokio::test]
async fn what_was_withheld_goes_on_in_order_with_its_own_times_once_the_code_is_valid() {
    for owner in ["", "referrer"] {
        let (cello, relay) = checking(CheckCodes::Withhold).await;
        next_answer(&cello, CODE, false, owner);
        for webhook in [paid_at("in_2", 30), paid(), settled(), refunded(), signed_up(CODE)] {
            relay.receive(&webhook).await;
        }
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [""; 0]);

        relay.pass(DAY);
        relay.receive(&paid_at("in_3", 86_400)).await;
        settle(&relay).await;
        let told = relay.told().await;
        let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
        let later = ["purchase:stripe:in_2", "purchase:stripe:in_3"];
        assert_eq!(keys[..2], [SIGNUP, PURCHASE], "{keys:?}");
        assert_eq!(keys.iter().filter(|key| later.contains(key)).count(), 2, "{keys:?}");
        assert!(keys.contains(&REFUND) && keys.len() == 5, "{keys:?}");
        assert_eq!(told[0].at("/context/event/timestamp"), "2026-01-01T00:00:00Z");
        assert_eq!(told[1].at("/context/event/timestamp"), "2026-01-01T00:00:20Z");
        assert_eq!(cello.calls(Endpoint::Reads), 2);
    }
}

#[tokio::test]
async fn a_code_that_is_valid_only_after_thirty_days_comes_too_late_for_what_was_withheld() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    next_answer(&cello, CODE, false, "");
    relay.receive(&signed_up(CODE)).await;
    relay.receive(&paid()).await;
    settle(&relay).await;
    relay.pass(DAY * 31);
    relay.receive(&paid_at("in_2", 51 * 86_400)).await;
    settle(&relay).await;
    assert_eq!(relay.reason(PAID).await, "code_unknown");
    assert_eq!(relay.told_keys().await, [SIGNUP, "purchase:stripe:in_2"]);
}

#[tokio::test]
async fn what_was_withheld_for_one_code_goes_on_with_the_one_that_turns_out_to_be_the_first() {
    for wrong in [UNKNOWN, OWN] {
        let (_cello, relay) = checking(CheckCodes::Withhold).await;
        let overwritten = updated("customer.updated", 10, customer(with_code(wrong)), json!({ "email": "old@e.com" }));
        relay.receive(&overwritten).await;
        relay.receive(&paid()).await;
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [""; 0]);
        relay.receive(&signed_up(CODE)).await;
        settle(&relay).await;
        let told = relay.told().await;
        let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
        assert_eq!(keys, [SIGNUP, PURCHASE], "{wrong}");
        assert!(told.iter().all(|told| told.at("/payload/ucc") == CODE), "{told:?}");
    }
}

#[tokio::test]
async fn the_code_that_is_asked_about_is_the_one_that_would_be_told() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    relay.receive(&signed_up(CODE)).await;
    settle(&relay).await;
    // Another customer of the same user: the first code stays.
    let mut second = customer(with_code(UNKNOWN));
    second["id"] = json!("cus_2");
    relay.receive(&event("customer.created", 10, second)).await;
    let mut invoice = old_invoice("in_1", 20, 1000);
    invoice["customer"] = json!("cus_2");
    relay.receive(&event("invoice.paid", 20, invoice)).await;
    settle(&relay).await;
    assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE]);
    assert_eq!(cello.calls(Endpoint::Reads), 1);
}
