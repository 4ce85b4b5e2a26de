//! Histories of Chargebee customers, who travel whole in most webhooks.

use serde_json::{Value, json};

use super::{Forgive, play_in_every_order};
use crate::relay::START;
use crate::webhooks::chargebee::*;
use crate::webhooks::{OTHER_CODE, referred};

const CREATED: &str = "customer_created";
const CHANGED: &str = "customer_changed";

fn known() -> Value {
    customer(0, referred())
}

fn about(kind: &str, second: i64, customer: Value, subscription: Value) -> Value {
    event(kind, second, json!({ "customer": customer, "subscription": subscription }))
}

#[tokio::test]
async fn a_trial_that_is_paid_and_refunded_in_parts() {
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        about("subscription_created", 1, known(), subscription(1, "in_trial", 3)),
        about("subscription_activated", 5, known(), subscription(5, "active", 3)),
        payment(6, known(), invoice("inv_1", "paid", 3000)),
        refund(10, known(), "inv_1", 1000),
        refund(20, known(), "inv_1", 500),
    ];
    let expected = [
        "signup:usr_1",
        "subscription-created:chargebee:cbsub_1",
        "subscription-updated:chargebee:cbsub_1:ev_subscription_activated_5",
        "purchase:chargebee:inv_1",
        "refund:chargebee:txn_10",
        "refund:chargebee:txn_20",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_code_that_comes_between_two_payments() {
    let before = || customer(0, json!({ "new_user_id": "usr_1" }));
    let after = || customer(20, referred());
    let history = [
        event(CREATED, 0, json!({ "customer": before() })),
        payment(10, before(), invoice("inv_1", "paid", 3000)),
        event(CHANGED, 20, json!({ "customer": after() })),
        payment(30, after(), invoice("inv_2", "paid", 3000)),
        refund(40, after(), "inv_1", 1000),
    ];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "purchase:chargebee:inv_2", "refund:chargebee:txn_40"];
    play_in_every_order(&history, &expected, &[Forgive::SignupTime]).await;
}

/// A change does not say of what: one that arrives first may have brought the code.
#[tokio::test]
async fn a_change_that_arrives_before_the_customer_was_announced() {
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        payment(10, known(), invoice("inv_1", "paid", 3000)),
        event(CHANGED, 20, json!({ "customer": customer(20, referred()) })),
        refund(30, known(), "inv_1", 1000),
    ];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "refund:chargebee:txn_30"];
    play_in_every_order(&history, &expected, &[Forgive::SignupTime]).await;
}

#[tokio::test]
async fn a_code_that_never_comes() {
    let nobody = || customer(0, json!({ "new_user_id": "usr_1" }));
    let history = [
        event(CREATED, 0, json!({ "customer": nobody() })),
        about("subscription_created", 1, nobody(), subscription(1, "active", 3)),
        payment(10, nobody(), invoice("inv_1", "paid", 3000)),
        event(CHANGED, 20, json!({ "customer": customer(20, json!({})) })),
        refund(30, nobody(), "inv_1", 1000),
    ];
    play_in_every_order(&history, &[], &[]).await;
}

#[tokio::test]
async fn an_invoice_paid_in_parts_and_sent_twice() {
    let second_part = payment(20, known(), invoice("inv_1", "paid", 3000));
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        payment(10, known(), invoice("inv_1", "payment_due", 1000)),
        second_part.clone(),
        second_part,
        refund(30, known(), "inv_1", 3000),
    ];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "refund:chargebee:txn_30"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn one_payment_for_two_invoices_and_the_refund_of_the_one_that_is_only_named() {
    let mut both = payment(10, known(), invoice("inv_1", "paid", 3000));
    both["content"]["transaction"]["linked_invoices"] = json!([
        { "invoice_id": "inv_1", "invoice_status": "paid", "applied_amount": 3000 },
        { "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": 1500 },
        { "invoice_id": "inv_3", "invoice_status": "payment_due", "applied_amount": 10 },
    ]);
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        both,
        refund(20, known(), "inv_2", 1500),
        refund(30, known(), "inv_1", 500),
    ];
    let expected = [
        "signup:usr_1",
        "purchase:chargebee:inv_1",
        "purchase:chargebee:inv_2",
        "refund:chargebee:txn_20",
        "refund:chargebee:txn_30",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_subscription_that_starts_later_and_ends_under_two_names() {
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        about("subscription_created", 1, known(), subscription(1, "future", 3)),
        about("subscription_started", 5, known(), subscription(5, "active", 3)),
        payment(6, known(), invoice("inv_1", "paid", 3000)),
        about("subscription_cancelled", 20, known(), subscription(20, "cancelled", 3)),
        about("subscription_deleted", 30, known(), subscription(30, "cancelled", 3)),
    ];
    let mut expected = vec![
        "signup:usr_1",
        "subscription-created:chargebee:cbsub_1",
        "purchase:chargebee:inv_1",
        "subscription-canceled:chargebee:cbsub_1",
    ];
    play_in_every_order(&history[..5], &expected, &[]).await;
    // Whichever name of the end arrives first gives it its time.
    expected.truncate(4);
    let told = super::play(&crate::relay::Relay::new(), &history).await;
    assert_eq!(told.iter().map(|told| told.key.as_str()).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn seats_that_change_among_changes_of_nothing_and_a_return() {
    let history = [
        about("subscription_created", 1, known(), subscription(1, "active", 3)),
        about("subscription_changed", 10, known(), subscription(10, "active", 3)),
        about("subscription_changed", 20, known(), subscription(20, "active", 5)),
        about("subscription_cancelled", 40, known(), subscription(40, "cancelled", 5)),
        about("subscription_reactivated", 50, known(), subscription(50, "active", 5)),
    ];
    let expected = [
        "subscription-created:chargebee:cbsub_1",
        "subscription-updated:chargebee:cbsub_1:ev_subscription_changed_20",
        "subscription-canceled:chargebee:cbsub_1",
        "subscription-updated:chargebee:cbsub_1:ev_subscription_reactivated_50",
    ];
    play_in_every_order(&history, &expected, &[Forgive::UpdateTeller]).await;
}

#[tokio::test]
async fn a_subscription_that_ends_returns_and_ends_again() {
    let ended = |second: i64| {
        let mut subscription = subscription(second, "cancelled", 3);
        subscription["cancelled_at"] = json!(START + second);
        about("subscription_cancelled", second, known(), subscription)
    };
    let history = [
        about("subscription_created", 1, known(), subscription(1, "active", 3)),
        ended(40),
        about("subscription_reactivated", 50, known(), subscription(50, "active", 3)),
        ended(60),
    ];
    let end = |second: i64| format!("subscription-canceled:chargebee:cbsub_1:{}", START + second);
    let (first, second) = (end(40), end(60));
    let expected = [
        "subscription-created:chargebee:cbsub_1",
        &first,
        "subscription-updated:chargebee:cbsub_1:ev_subscription_reactivated_50",
        &second,
    ];
    play_in_every_order(&history, &expected, &[Forgive::UpdateTeller]).await;
}

/// The completing payment may arrive before the first part, and both may tell of the paid invoice.
#[tokio::test]
async fn two_payments_of_one_invoice_whose_webhooks_both_say_that_it_is_paid() {
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        payment(10, known(), invoice("inv_1", "paid", 3000)),
        payment(11, known(), invoice("inv_1", "paid", 3000)),
        refund(30, known(), "inv_1", 400),
    ];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "refund:chargebee:txn_30"];
    play_in_every_order(&history, &expected, &[]).await;
}

/// A refund of two invoices, told twice, of which one is only named by the payment and the other is paid later.
#[tokio::test]
async fn one_refund_of_two_invoices_that_are_reported_by_different_payments() {
    let mut first = payment(10, known(), invoice("inv_1", "payment_due", 1000));
    first["content"]["transaction"]["linked_invoices"] = json!([
        { "invoice_id": "inv_1", "invoice_status": "payment_due", "applied_amount": 1000 },
        { "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": 1500 },
    ]);
    let mut both = refund(30, known(), "inv_1", 900);
    both["content"]["transaction"]["linked_credit_notes"] = json!([
        { "cn_id": "cn_1", "applied_amount": 400, "cn_reference_invoice_id": "inv_1" },
        { "cn_id": "cn_2", "applied_amount": 500, "cn_reference_invoice_id": "inv_2" },
    ]);
    let mut again = both.clone();
    again["id"] = json!("ev_again");
    let history = [
        event(CREATED, 0, json!({ "customer": known() })),
        first,
        payment(20, known(), invoice("inv_1", "paid", 3000)),
        both,
        again,
    ];
    let expected = [
        "signup:usr_1",
        "purchase:chargebee:inv_2",
        "purchase:chargebee:inv_1",
        "refund:chargebee:txn_30:inv_1",
        "refund:chargebee:txn_30:inv_2",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

/// A parent account pays for its child: the customer in the body of the payment is not the one who bought.
#[tokio::test]
async fn a_purchase_that_another_account_pays() {
    let parent = || {
        let mut parent = customer(0, json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_parent" }));
        parent["id"] = json!("cb_parent");
        parent
    };
    let mut childs = invoice("inv_1", "paid", 3000);
    childs["customer_id"] = json!("cb_1");
    let mut paid = payment(10, parent(), childs.clone());
    paid["content"]["transaction"]["customer_id"] = json!("cb_parent");
    let mut back = refund(20, parent(), "inv_1", 500);
    back["content"]["invoice"] = childs;
    let history = [event(CREATED, 0, json!({ "customer": known() })), paid, back];
    let expected = ["signup:usr_1", "purchase:chargebee:inv_1", "refund:chargebee:txn_20"];
    play_in_every_order(&history, &expected, &[]).await;
}
