//! Payments by themselves, and payments of which two webhooks may speak: reported once, and never by guess.

use cello_relay::config::Config;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::{Relay, config};
use crate::stripe_api::{Answer, KEY, StripeApi};
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const INTENT: &str = "evt_payment_intent.succeeded_20";
const INVOICE: &str = "evt_invoice.paid_40";
const REFUND: &str = "evt_charge.refunded_60";

fn customer_created() -> Value {
    event("customer.created", 0, customer(referred()))
}

fn succeeded() -> Value {
    event("payment_intent.succeeded", 20, intent("pi_1", 9900))
}

fn completed(status: &str) -> Value {
    event("checkout.session.completed", 30, session("pi_1", status, 9900))
}

fn invoice_paid() -> Value {
    event("invoice.paid", 40, basil_invoice("in_1", 40, 9900, 365))
}

fn linked() -> Value {
    event("invoice_payment.paid", 50, paid_by("in_1", "pi_1"))
}

fn refunded(amount: i64) -> Value {
    let charge = json!({
        "id": "ch_1", "object": "charge", "customer": "cus_1", "currency": "eur", "payment_intent": "pi_1",
        "amount": 9900, "amount_captured": 9900, "amount_refunded": amount,
    });
    updated("charge.refunded", 60, charge, json!({ "amount_refunded": 0 }))
}

fn opted_in() -> Config {
    let mut config = config();
    config.stripe.sales_without_invoice = true;
    config
}

fn asking(stripe: &StripeApi, mut config: Config) -> Config {
    config.stripe.api_key = Some(KEY.to_owned().into());
    config.stripe.api_base = stripe.base_url.clone();
    config.stripe.api_rate = 100;
    config
}

async fn receive(relay: &Relay, webhooks: &[Value]) {
    for webhook in webhooks {
        relay.receive(webhook).await;
    }
}

async fn pass(relay: &Relay, time: SignedDuration) {
    relay.pass(time);
    while relay.settle().await > 0 {}
}

#[tokio::test]
async fn a_payment_by_itself_is_reported_once_stripe_answers_that_no_invoice_stands_behind_it() {
    let stripe = StripeApi::start().await;
    let relay = Relay::with(&asking(&stripe, opted_in()));
    receive(&relay, &[customer_created(), succeeded()]).await;
    assert_eq!(relay.reason(INTENT).await, "payment_link_unseen");

    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/invoice_payments"]);
    let told = relay.told().await;
    assert_eq!(told.iter().map(|told| told.key.as_str()).collect::<Vec<_>>(), ["signup:usr_1", "purchase:stripe:pi_1"]);
    assert_eq!(told[1].at("/payload/price"), 9900);
    assert_eq!(told[1].at("/context/subscription/interval"), "one-time");
}

#[tokio::test]
async fn a_payment_that_settles_an_invoice_by_stripes_answer_is_reported_by_the_invoice_alone() {
    let stripe = StripeApi::start().await;
    stripe.knows(&paid_by("in_1", "pi_1"));
    let relay = Relay::with(&asking(&stripe, opted_in()));
    receive(&relay, &[customer_created(), succeeded()]).await;
    relay.settle().await;
    assert_eq!(relay.reason(INTENT).await, "not_fully_paid");

    receive(&relay, &[invoice_paid()]).await;
    pass(&relay, DAY).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn a_payment_that_nothing_explains_within_a_day_is_never_sent_by_guess() {
    let stripe = StripeApi::start().await;
    let trouble = Relay::with(&asking(&stripe, opted_in()));
    for _ in 0..50 {
        stripe.order("invoice_payments", Answer::Status(500));
    }
    for relay in [Relay::with(&opted_in()), trouble] {
        receive(&relay, &[customer_created(), succeeded()]).await;
        pass(&relay, DAY - HOUR).await;
        assert_eq!(relay.reason(INTENT).await, "payment_link_unseen");
        pass(&relay, HOUR).await;
        assert_eq!(relay.reason(INTENT).await, "payment_link_unknown");
        assert_eq!(relay.told_keys().await, ["signup:usr_1"]);

        receive(&relay, &[invoice_paid(), linked()]).await;
        pass(&relay, HOUR).await;
        assert_eq!(relay.told_keys().await, ["purchase:stripe:in_1"], "its invoice is still reported");
    }
}

#[tokio::test]
async fn a_payment_that_says_itself_that_it_has_no_invoice_waits_for_nobody() {
    let mut older = succeeded();
    older["data"]["object"]["invoice"] = Value::Null;
    let relay = Relay::with(&opted_in());
    receive(&relay, &[customer_created(), older.clone()]).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);

    let relay = Relay::new();
    receive(&relay, &[customer_created(), older]).await;
    assert_eq!(relay.reason(INTENT).await, "sale_without_invoice", "without the setting it is none");
}

#[tokio::test]
async fn nobody_is_asked_about_a_payment_of_somebody_who_was_not_referred() {
    let stripe = StripeApi::start().await;
    let relay = Relay::with(&asking(&stripe, opted_in()));
    receive(&relay, &[event("customer.created", 0, customer(json!({}))), succeeded()]).await;
    relay.settle().await;
    assert_eq!((relay.reason(INTENT).await.as_str(), stripe.paths().len()), ("not_referred", 0));
}

#[tokio::test]
async fn an_ignored_payment_is_decided_again_with_its_session() {
    let relay = Relay::new();
    let mut by_hand = succeeded();
    by_hand["data"]["object"]["capture_method"] = json!("manual");
    receive(&relay, &[customer_created(), by_hand]).await;
    assert_eq!(relay.reason(INTENT).await, "sale_without_invoice");
    receive(&relay, &[completed("unpaid")]).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);

    let relay = Relay::new();
    receive(&relay, &[customer_created(), succeeded(), completed("paid")]).await;
    assert_eq!(relay.reason(INTENT).await, "reported_elsewhere", "by the session, which says so itself");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);
}

#[tokio::test]
async fn a_delayed_payment_is_left_to_its_session_for_a_day() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("unpaid"), succeeded()]).await;
    assert_eq!(relay.reason(INTENT).await, "payment_link_unseen");
    let later = event("checkout.session.async_payment_succeeded", 35, session("pi_1", "paid", 9900));
    receive(&relay, &[later]).await;
    assert_eq!(relay.reason(INTENT).await, "reported_elsewhere");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);

    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("unpaid"), succeeded()]).await;
    pass(&relay, DAY).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"], "where none speaks, by its own word");
}

#[tokio::test]
async fn an_invoice_that_a_sale_may_have_paid_waits_for_the_link() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    assert_eq!(relay.reason(INVOICE).await, "payment_link_unseen");
    receive(&relay, &[linked()]).await;
    assert_eq!(relay.reason(INVOICE).await, "already_reported");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);
}

#[tokio::test]
async fn without_a_link_within_a_day_an_invoice_is_sent_with_a_warning() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    pass(&relay, DAY).await;
    assert!(relay.warnings(INVOICE).await.contains(&"payment_link_unseen".to_owned()));
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn stripes_answer_links_a_sale_and_an_invoice_or_parts_them() {
    for (is_linked, expected) in [(true, "already_reported"), (false, "")] {
        let stripe = StripeApi::start().await;
        let relay = Relay::with(&asking(&stripe, config()));
        let mut subscription = subscription("active", price("price_m", "year", 1, 9900), 1);
        subscription["customer"] = json!("cus_1");
        let started = event("customer.subscription.created", 10, subscription);
        if is_linked {
            stripe.knows(&paid_by("in_1", "pi_1"));
        }
        receive(&relay, &[customer_created(), started, completed("paid"), invoice_paid()]).await;
        assert_eq!(relay.reason(INVOICE).await, "payment_link_unseen");
        while relay.settle().await > 0 {}
        assert_eq!(relay.reason(INVOICE).await, expected);
        assert_eq!(stripe.paths(), ["/v1/invoice_payments"]);
        assert_eq!(stripe.asked()[0].query.get("invoice").map(String::as_str), Some("in_1"));
    }
}

#[tokio::test]
async fn where_an_account_never_links_its_payments_no_invoice_waits_for_it() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), event("invoice.paid", 10, basil_invoice("in_0", 10, 500, 365))]).await;
    relay.pass(DAY + DAY);
    receive(&relay, &[completed("paid"), invoice_paid()]).await;
    assert_eq!(relay.reason(INVOICE).await, "");
    assert_eq!(relay.told_keys().await.len(), 4);
}

#[tokio::test]
async fn only_a_sale_that_may_have_paid_an_invoice_holds_it() {
    let sale = |amount: i64, change: Value| {
        let mut sale = session("pi_1", "paid", amount);
        sale.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        sale
    };
    let other = event("customer.created", 1, {
        let mut other = customer(json!({ "cello_ucc": "0th3rC0d3xy", "new_user_id": "usr_2" }));
        other["id"] = json!("cus_2");
        other
    });
    let month_before = 40 - 30 * 86_400;
    for (second, sale, expected) in [
        (30, sale(9900, json!({})), "payment_link_unseen"),
        (30, sale(4000, json!({})), "payment_link_unseen"),
        (30, sale(9901, json!({})), ""),
        (30, sale(9900, json!({ "currency": "usd" })), ""),
        (30, sale(9900, json!({ "customer": "cus_2" })), ""),
        (month_before, sale(9900, json!({})), "payment_link_unseen"),
        (month_before - 1, sale(9900, json!({})), ""),
        (40, sale(9900, json!({})), "payment_link_unseen"),
        (41, sale(9900, json!({})), ""),
    ] {
        let relay = Relay::new();
        let sold = event("checkout.session.completed", second, sale.clone());
        receive(&relay, &[customer_created(), other.clone(), sold, invoice_paid()]).await;
        assert_eq!(relay.reason(INVOICE).await, expected, "{second} {sale}");
    }
}

#[tokio::test]
async fn the_refund_of_a_purchase_that_was_discarded_is_not_reported() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid")]).await;
    let events = relay.store.life("pi_1").await.unwrap().remove(0).referral_events;
    let purchase = events.iter().find(|event| event.key == "purchase:stripe:pi_1").unwrap().id;
    let discarded = relay.store.discard(vec![purchase], "ada".into(), "a test".into(), relay.now()).await.unwrap();
    assert_eq!(discarded, [purchase]);
    receive(&relay, &[refunded(9900)]).await;
    assert_eq!(relay.reason(REFUND).await, "purchase_not_reported");
    assert_eq!(relay.told_keys().await, ["signup:usr_1"]);
}

#[tokio::test]
async fn a_refund_goes_back_to_whom_its_purchase_was_reported_for() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid")]).await;
    let mut moved = refunded(9900);
    moved["data"]["object"]["customer"] = json!("cus_2");
    let mut other = customer(json!({ "cello_ucc": "0th3rC0d3xy", "new_user_id": "usr_2" }));
    other["id"] = json!("cus_2");
    receive(&relay, &[event("customer.created", 50, other), moved]).await;
    let told = relay.told().await;
    let refund = told.iter().find(|told| told.key.starts_with("refund:")).unwrap();
    assert_eq!(refund.at("/payload/newUserId"), "usr_1");
    assert_eq!(refund.at("/payload/ucc"), "Rf3rr3dAbcd");
    assert_eq!(refund.at("/context/newUser/email"), "referred@example.com");
}
