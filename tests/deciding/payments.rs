//! Payments by themselves, and payments of which two webhooks may speak: reported once, and never by guess.

mod links;
mod refunds;

use cello_relay::config::Config;
use cello_relay::rules::Rules;
use cello_relay::trace::Told;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::{Relay, config};
use crate::stripe_api::{Answer, KEY, StripeApi};
use crate::webhooks::stripe::*;
use crate::webhooks::{chargebee, referred};

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

/// So much went back outside Stripe.
fn credit_note(invoice: &str, amount: i64) -> Value {
    let note = json!({
        "id": "cn_1", "object": "credit_note", "customer": "cus_1", "invoice": invoice, "currency": "eur",
        "out_of_band_amount": amount,
    });
    event("credit_note.created", 60, note)
}

fn opted_in() -> Config {
    let mut config = config();
    config.stripe.sales_without_invoice = true;
    config
}

/// The shipped rules with the price without tax.
fn net_rules() -> Rules {
    let net = Rules::shipped().unwrap().source().replace("= \"invoice.amount_paid\"", "= \"invoice.amount_paid_net\"");
    Rules::load(&net, "net.toml").unwrap()
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
async fn a_payment_of_somebody_who_is_not_known_yet_is_decided_again_with_its_session() {
    let relay = Relay::with(&opted_in());
    receive(&relay, &[succeeded(), completed("paid")]).await;
    assert_eq!(relay.reason(INTENT).await, "reported_elsewhere");
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
async fn a_capture_by_hand_takes_customer_and_tax_from_its_session() {
    let relay = Relay::ruled(&config(), net_rules());
    let (mut by_hand, mut taxed) = (succeeded(), completed("unpaid"));
    by_hand["data"]["object"]["capture_method"] = json!("manual");
    by_hand["data"]["object"]["customer"] = Value::Null;
    taxed["data"]["object"]["total_details"] = json!({ "amount_tax": 900 });
    receive(&relay, &[customer_created(), taxed, by_hand]).await;
    let told = relay.told().await;
    assert_eq!((told[1].key.as_str(), told[1].at("/payload/price")), ("purchase:stripe:pi_1", json!(9000)));
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
async fn a_payment_of_somebody_unseen_waits_for_the_customer_before_its_invoice_is_asked_for() {
    let relay = Relay::with(&opted_in());
    receive(&relay, &[succeeded()]).await;
    assert_eq!(relay.reason(INTENT).await, "customer_unseen");
    receive(&relay, &[customer_created()]).await;
    assert_eq!(relay.reason(INTENT).await, "payment_link_unseen");
}

#[tokio::test]
async fn a_payment_of_one_paid_and_two_open_invoices_has_a_decision_on_each() {
    let relay = Relay::new();
    let invoice = chargebee::invoice("inv_1", "paid", 3000);
    let mut paid = chargebee::payment(10, chargebee::customer(0, referred()), invoice);
    let open = |id: &str| json!({ "invoice_id": id, "invoice_status": "payment_due", "applied_amount": 100 });
    let links = paid["content"]["transaction"]["linked_invoices"].as_array_mut().unwrap();
    links.extend([open("inv_2"), open("inv_3")]);
    receive(&relay, &[paid]).await;
    let decisions = relay.decisions("ev_payment_succeeded_10").await;
    let mut keys: Vec<String> = decisions.into_iter().filter_map(|decision| decision.key).collect();
    keys.retain(|key| key.starts_with("purchase:"));
    keys.sort();
    assert_eq!(keys, ["purchase:chargebee:inv_1", "purchase:chargebee:inv_2", "purchase:chargebee:inv_3"]);
}

#[tokio::test]
async fn the_decision_on_an_invoice_says_what_it_is_and_where_the_address_is_from() {
    let relay = Relay::new();
    let mut frozen = invoice_paid();
    frozen["data"]["object"]["customer_email"] = json!("referred@example.com");
    receive(&relay, &[customer_created(), frozen]).await;
    let trace = relay.decision(INVOICE).await.trace.unwrap();
    let invoice = "the fully paid invoice `in_1` of the customer `cus_1`, for the subscription `sub_1`";
    assert_eq!(trace.recognised, format!("{invoice}: 9900 EUR collected"));
    let email = trace.values.into_iter().find(|value| value.name == "e-mail").unwrap();
    assert_eq!(email.told, Told::webhook("as frozen on the invoice"));
}

#[tokio::test]
async fn rules_see_what_a_chargebee_invoice_was_for_and_the_tax_in_it() {
    let shipped = Rules::shipped().unwrap();
    let rules = shipped.source().replace("= \"invoice.amount_paid\"", "= \"invoice.total - invoice.tax\"");
    let relay = Relay::ruled(&config(), Rules::load(&rules, "own.toml").unwrap());
    let mut invoice = chargebee::invoice("inv_1", "paid", 3000);
    (invoice["total"], invoice["tax"]) = (json!(4000), json!(570));
    receive(&relay, &[chargebee::payment(10, chargebee::customer(0, referred()), invoice)]).await;
    let told = relay.told().await;
    assert_eq!(told.last().unwrap().at("/payload/price"), 3430);
}
