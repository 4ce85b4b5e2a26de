//! What random histories have found (see `tests/confluence`), each as short as it can be.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Forgive, play, play_in_every_order};
use crate::relay::Relay;
use crate::webhooks::stripe::*;
use crate::webhooks::{chargebee, referred};

const DAY: i64 = 86_400;

fn signed_up() -> Value {
    event("customer.created", 0, customer(referred()))
}

fn code_added(second: i64) -> Value {
    updated("customer.updated", second, customer(referred()), json!({ "metadata": { "cello_ucc": null } }))
}

fn without_code() -> Value {
    event("customer.created", 0, customer(json!({ "new_user_id": "usr_1" })))
}

/// By the last webhook alone the code came 40 days after the purchase, and then it turns out to have been 22.
#[tokio::test]
async fn what_was_too_late_by_what_was_known_may_turn_out_to_be_in_time() {
    let history = [
        without_code(),
        event("invoice.paid", 3 * DAY, old_invoice("in_1", 3 * DAY, 1000)),
        code_added(25 * DAY),
        updated("customer.updated", 43 * DAY, customer(referred()), json!({ "currency": null })),
    ];
    play_in_every_order(&history, &["signup:usr_1", "purchase:stripe:in_1"], &[Forgive::SignupTime]).await;
}

/// Of one second, the refund is decided again before its purchase.
#[tokio::test]
async fn a_late_code_brings_a_purchase_and_the_refund_of_the_same_second() {
    let mut refunded = refund(20, "in_1", 300, Some(0));
    refunded["data"]["object"]["invoice"] = json!("in_1");
    let history = [without_code(), event("invoice.paid", 20, old_invoice("in_1", 20, 1000)), refunded, code_added(30)];
    let expected = ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:300"];
    play_in_every_order(&history, &expected, &[]).await;
}

/// Both were stored, and nothing decided them for three days.
#[tokio::test]
async fn a_refund_does_not_expire_while_its_purchase_stands_behind_it_in_the_queue() {
    for invoice in [json!("in_1"), Value::Null] {
        let relay = Relay::new();
        let mut refunded = refund(30, "in_1", 300, Some(0));
        refunded["data"]["object"]["invoice"] = invoice;
        for webhook in [signed_up(), refunded, event("invoice.paid", 20, old_invoice("in_1", 20, 1000))] {
            relay.store_only(&webhook).await;
        }
        relay.pass(SignedDuration::from_hours(4 * 24));
        while relay.decider.decide_all().await.unwrap() > 0 {}
        assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:300"]);
    }
}

#[tokio::test]
async fn a_refund_of_which_nothing_was_known_for_three_days_is_told_when_its_sale_becomes_known() {
    let relay = Relay::new();
    relay.receive(&signed_up()).await;
    relay.receive(&refund(30, "sale", 300, Some(0))).await;
    relay.pass(SignedDuration::from_hours(3 * 24));
    relay.settle().await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_unknown");
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "amount_total": 5000,
        "currency": "eur", "customer": "cus_1", "payment_intent": "pi_sale",
    });
    relay.receive(&event("checkout.session.completed", 20, session)).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_sale", "refund:stripe:ch_sale:300"]);
}

/// What the webhook itself shows comes before what other webhooks have told.
#[tokio::test]
async fn an_e_mail_address_is_that_of_the_time_where_the_webhook_carries_it() {
    let mut old = chargebee::customer(0, referred());
    old["email"] = json!("old@example.com");
    let moved = chargebee::customer(20, referred());
    let history = [
        chargebee::event("customer_created", 0, json!({ "customer": old.clone() })),
        chargebee::payment(10, old.clone(), chargebee::invoice("inv_1", "paid", 3000)),
        chargebee::event("customer_changed", 20, json!({ "customer": moved.clone() })),
        chargebee::refund(30, moved, "inv_1", 1000),
    ];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "refund:chargebee:txn_30"];
    let relay = Relay::new();
    let told = play(&relay, &history).await;
    assert_eq!(told.iter().map(|told| told.key.as_str()).collect::<Vec<_>>(), expected);
    let emails: Vec<Value> = told.iter().map(|told| told.at("/context/newUser/email")).collect();
    assert_eq!(emails, ["old@example.com", "old@example.com", "referred@example.com"]);
    for order in super::orders(history.len()) {
        let webhooks: Vec<Value> = order.iter().map(|place| history[*place].clone()).collect();
        let told = play(&relay, &webhooks).await;
        let purchase = told.iter().find(|told| told.key == expected[1]).unwrap();
        assert_eq!(purchase.at("/context/newUser/email"), "old@example.com", "{order:?}");
    }
}

#[tokio::test]
async fn after_a_deletion_no_e_mail_address_is_told_wherever_it_stands() {
    let relay = Relay::new();
    relay.receive(&signed_up()).await;
    relay.told().await;
    relay.receive(&event("customer.deleted", 10, customer(referred()))).await;
    let mut invoice = old_invoice("in_1", 5, 1000);
    invoice["customer_email"] = json!("referred@example.com");
    relay.receive(&event("invoice.paid", 5, invoice)).await;
    let told = relay.told().await;
    assert_eq!((told.len(), told[0].at("/context/newUser")), (1, json!({ "id": "usr_1" })));
}

/// The start is too long ago for the code, and what changed nothing is not: it must not pass for the news of it.
#[tokio::test]
async fn a_late_code_brings_no_change_of_a_subscription_where_nothing_had_changed() {
    let relay = Relay::new();
    let event = |kind: &str, second: i64, code: Value| {
        let (customer, subscription) =
            (chargebee::customer(second, code), chargebee::subscription(second, "active", 3));
        chargebee::event(kind, second, json!({ "customer": customer, "subscription": subscription }))
    };
    relay.receive(&event("subscription_created", 0, json!({}))).await;
    relay.receive(&event("subscription_changed", 20 * DAY, json!({}))).await;
    assert_eq!(relay.reason(&format!("ev_subscription_changed_{}", 20 * DAY)).await, "no_commercial_change");
    relay.pass(SignedDuration::from_hours(24 * 25));
    let customer = chargebee::customer(45 * DAY, referred());
    relay.receive(&chargebee::event("customer_changed", 45 * DAY, json!({ "customer": customer }))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1"]);
}

/// The refund names the invoice, whose report carries the payment that was taken off; its own payment comes last.
#[tokio::test]
async fn a_refund_of_an_invoice_paid_anew_waits_for_the_report_of_its_own_payment() {
    let customer = || chargebee::customer(0, referred());
    let paid = |second: i64| {
        let mut invoice = chargebee::invoice("inv_1", "paid", 3000);
        // With its list, as Chargebee sends it: it says how the invoice was paid.
        invoice["linked_payments"] = json!([]);
        chargebee::payment(second, customer(), invoice)
    };
    let back = |second: i64, payment: &str, noted: bool| {
        let mut refund = chargebee::refund(second, customer(), "inv_1", 3000);
        refund["content"]["transaction"]["refunded_txn_id"] = json!(payment);
        if !noted {
            refund["content"]["transaction"]["linked_credit_notes"] = json!([]);
        }
        refund
    };
    let created = chargebee::event("customer_created", 0, json!({ "customer": customer() }));
    let history = [created, paid(10), back(20, "txn_10", false), paid(30), back(40, "txn_30", true)];
    let relay = Relay::new();
    for order in super::orders(history.len()) {
        let webhooks: Vec<Value> = order.iter().map(|place| history[*place].clone()).collect();
        let told = play(&relay, &webhooks).await;
        let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
        assert_eq!(keys.len(), 5, "{order:?}: {keys:?}");
        for refund in ["refund:chargebee:txn_20", "refund:chargebee:txn_40"] {
            assert!(keys.contains(&refund), "{order:?}: {keys:?}");
        }
    }
}

fn links(invoice: &str, payments: &[(&str, i64)]) -> Vec<Value> {
    let link = |(second, (payment, amount)): (i64, &(&str, i64))| {
        let mut link = paid_by(invoice, payment);
        link["amount_paid"] = json!(amount);
        event("invoice_payment.paid", second, link)
    };
    (19 * DAY..).zip(payments).map(link).collect()
}

fn sale_refunded(second: i64, amount: i64) -> Value {
    let charge = json!({
        "id": "ch_1", "object": "charge", "customer": "cus_1", "currency": "eur", "payment_intent": "pi_1",
        "amount": 900, "amount_captured": 900, "amount_refunded": amount,
    });
    updated("charge.refunded", second, charge, json!({ "amount_refunded": 0 }))
}

/// The sale itself came too long before the code; the invoice that its payment was attached to did not.
#[tokio::test]
async fn a_refund_is_decided_again_when_another_purchase_carries_its_payment() {
    let relay = Relay::new();
    let sold = event("checkout.session.completed", 10, session("pi_1", "paid", 900));
    for webhook in [without_code(), sold, sale_refunded(20 * DAY, 600), code_added(38 * DAY)] {
        relay.receive(&webhook).await;
    }
    let refund = format!("evt_charge.refunded_{}", 20 * DAY);
    assert_eq!(relay.reason(&refund).await, "purchase_not_reported");
    for link in links("in_1", &[("pi_1", 900), ("pi_2", 6800)]) {
        relay.receive(&link).await;
    }
    relay.receive(&event("invoice.paid", 19 * DAY, basil_invoice("in_1", 19 * DAY, 7700, 365))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_1:600"]);
}

/// The relay was not deciding for two days, and the first of the webhooks that waited releases the invoice.
#[tokio::test]
async fn no_deadline_passes_while_what_is_waited_for_is_already_stored() {
    let relay = Relay::new();
    let sold = event("checkout.session.completed", 10, session("pi_1", "paid", 8800));
    let paid = event("invoice.paid", 19 * DAY, basil_invoice("in_1", 19 * DAY, 18_700, 365));
    for webhook in [signed_up(), sold, paid] {
        relay.receive(&webhook).await;
    }
    relay.pass(SignedDuration::from_hours(1));
    for link in links("in_1", &[("pi_2", 9900), ("pi_1", 8800)]) {
        relay.store_only(&link).await;
    }
    relay.pass(SignedDuration::from_hours(48));
    while relay.decider.decide_all().await.unwrap() > 0 {}
    let prices: Vec<Value> = relay.told().await.iter().map(|told| told.at("/payload/price")).collect();
    assert_eq!(prices, [Value::Null, json!(8800), json!(9900)]);
}
