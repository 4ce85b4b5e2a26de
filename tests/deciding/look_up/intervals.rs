//! The interval of an invoice that does not name it.

use serde_json::{Value, json};

use super::{DAY, MINUTE, PAID, asking, basil_paid, customer_created, other_basil_invoice, quarterly_subscription};
use crate::relay::Relay;
use crate::stripe_api::Answer;
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

#[tokio::test]
async fn a_basil_invoice_of_an_unknown_subscription_gets_the_exact_interval_without_a_warning() {
    let (stripe, relay) = asking().await;
    // The stretch of 30 days would say monthly.
    stripe.knows(&quarterly_subscription());
    relay.receive(&customer_created()).await;
    relay.receive(&basil_paid()).await;
    assert_eq!(relay.reason(PAID).await, "looking_up");
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1"]);
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "quarterly");
    assert_eq!(relay.warnings(PAID).await, [""; 0]);
}

#[tokio::test]
async fn without_a_word_for_the_stretch_a_failed_look_up_is_repeated() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_subscription());
    relay.receive(&customer_created()).await;
    stripe.order("/subscriptions/", Answer::Status(500));
    relay.receive(&event("invoice.paid", 20, proration(basil_invoice("in_1", 20, 400, 12)))).await;
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "lookup_failed");
    relay.pass(MINUTE);
    relay.settle().await;
    assert_eq!(relay.told().await[1].at("/context/subscription/interval"), "quarterly");
    let subscription = "/v1/subscriptions/sub_1";
    assert_eq!(stripe.paths(), [subscription, "/v1/prices/price_m", subscription], "a failure is not remembered");
}

/// What `GET /v1/prices/{id}` answers.
fn quarterly_price() -> Value {
    let mut price = price("price_m", "month", 3, 1000);
    price["object"] = json!("price");
    price
}

#[tokio::test]
async fn of_a_subscription_that_is_gone_the_price_still_tells_the_exact_interval() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_price());
    relay.receive(&customer_created()).await;
    relay.receive(&basil_paid()).await;
    assert_eq!(relay.settle().await, 1);
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m"]);
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "quarterly");
    assert_eq!(told[1].at("/context/subscription/productKey"), "prod_price_m");
    assert_eq!(relay.warnings(PAID).await, [""; 0]);

    // A price never changes: from now on the directory knows it.
    relay.pass(DAY * 20);
    relay.receive(&event("invoice.paid", 30, basil_invoice("in_2", 30, 1000, 30))).await;
    assert_eq!(relay.settle().await, 0);
    assert_eq!(relay.told().await[0].at("/context/subscription/interval"), "quarterly");
    assert_eq!(stripe.paths().len(), 2);
}

#[tokio::test]
async fn of_a_subscription_that_has_moved_to_another_price_the_old_price_is_asked_for() {
    let (stripe, relay) = asking().await;
    stripe.knows(&subscription("active", price("price_new", "year", 1, 9000), 7));
    stripe.knows(&quarterly_price());
    stripe.knows(&customer(referred()));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m"], "the customer came with the first");
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "quarterly");
    assert_eq!(told[1].at("/context/subscription/productKey"), "prod_price_m");
}

#[tokio::test]
async fn the_price_of_a_proration_tells_the_interval_that_its_stretch_cannot() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_price());
    relay.receive(&customer_created()).await;
    relay.receive(&event("invoice.paid", 20, proration(basil_invoice("in_1", 20, 400, 12)))).await;
    relay.settle().await;
    assert_eq!(relay.told().await[1].at("/context/subscription/interval"), "quarterly");
}

#[tokio::test]
async fn where_neither_subscription_nor_price_is_known_the_stretch_tells_with_a_warning() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m"]);
    assert_eq!(relay.told().await[1].at("/context/subscription/interval"), "monthly");
    assert_eq!(relay.warnings(PAID).await, ["interval_derived"]);
}

#[tokio::test]
async fn while_stripe_does_not_answer_an_invoice_waits_a_day_for_its_exact_interval() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_price());
    relay.receive(&customer_created()).await;
    relay.receive(&basil_paid()).await;
    stripe.order("/subscriptions/", Answer::Status(500));
    stripe.order("/prices/", Answer::Status(429));
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "lookup_failed", "though the stretch suggests a month");
    relay.pass(MINUTE);
    relay.settle().await;
    assert_eq!(relay.told().await[1].at("/context/subscription/interval"), "quarterly");

    relay.receive(&event("invoice.paid", 30, other_basil_invoice("in_2", "price_x"))).await;
    for pause in [DAY - MINUTE, MINUTE] {
        stripe.order("/subscriptions/", Answer::Status(500));
        stripe.order("/prices/", Answer::Status(500));
        relay.settle().await;
        assert_eq!(relay.reason("evt_invoice.paid_30").await, "lookup_failed");
        relay.pass(pause);
    }
    relay.pass(DAY);
    stripe.order("/subscriptions/", Answer::Status(500));
    stripe.order("/prices/", Answer::Status(500));
    relay.settle().await;
    assert_eq!(relay.told().await[0].at("/context/subscription/interval"), "monthly");
    assert_eq!(relay.warnings("evt_invoice.paid_30").await, ["interval_derived"]);
}

#[tokio::test]
async fn without_an_api_key_an_interval_that_nothing_tells_is_left_out_with_a_warning() {
    let relay = Relay::new();
    relay.receive(&customer_created()).await;
    relay.receive(&event("invoice.paid", 20, proration(basil_invoice("in_1", 20, 400, 12)))).await;
    let told = relay.told().await;
    assert_eq!(told[1].key, "purchase:stripe:in_1");
    assert_eq!(told[1].at("/context/subscription/interval"), Value::Null);
    assert_eq!(relay.warnings(PAID).await, ["interval_unknown"]);
}

#[tokio::test]
async fn what_is_billed_for_one_and_a_half_months_and_more_is_no_single_month() {
    for (days, warnings) in [(31, &[][..]), (44, &[]), (45, &["several_periods"]), (61, &["several_periods"])] {
        let relay = Relay::new();
        let monthly = subscription("active", monthly("price_m", 400), 1);
        relay.receive(&customer_created()).await;
        relay.receive(&event("customer.subscription.created", 10, monthly)).await;
        relay.receive(&event("invoice.paid", 20, basil_invoice("in_1", 20, 400, days))).await;
        assert_eq!(relay.warnings(PAID).await, warnings, "{days}");
    }
}

#[tokio::test]
async fn of_a_price_without_a_fixed_amount_the_line_tells_the_seats() {
    let relay = Relay::new();
    let (mut tiered, mut invoice) = (monthly("price_m", 400), basil_invoice("in_1", 20, 400, 30));
    tiered["unit_amount"] = Value::Null;
    invoice["lines"]["data"][0]["quantity"] = json!(5);
    relay.receive(&customer_created()).await;
    relay.receive(&event("customer.subscription.created", 10, subscription("active", tiered, 3))).await;
    relay.receive(&event("invoice.paid", 20, invoice)).await;
    let told = relay.told().await;
    assert_eq!(told.last().unwrap().at("/context/subscription/seatsUsed"), 5);
}
