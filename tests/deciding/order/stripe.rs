//! Histories of Stripe customers.

use serde_json::{Value, json};

use super::{Forgive, play, play_in_every_order};
use crate::relay::Relay;
use crate::webhooks::stripe::*;
use crate::webhooks::{CODE, OTHER_CODE, referred};

const CREATED: &str = "customer.created";
const UPDATED: &str = "customer.updated";
const SUB_CREATED: &str = "customer.subscription.created";
const SUB_UPDATED: &str = "customer.subscription.updated";
const SUB_DELETED: &str = "customer.subscription.deleted";
const PAID: &str = "invoice.paid";

fn signed_up() -> Value {
    event(CREATED, 0, customer(referred()))
}

fn without_code() -> Value {
    event(CREATED, 0, customer(json!({ "new_user_id": "usr_1" })))
}

fn code_added(second: i64) -> Value {
    updated(UPDATED, second, customer(referred()), json!({ "metadata": { "cello_ucc": null } }))
}

/// An update that changes nothing of interest, as Stripe sends with a first invoice.
fn refresh(second: i64) -> Value {
    updated(UPDATED, second, customer(referred()), json!({ "currency": null }))
}

fn pre_basil_charge(second: i64, invoice: &str, total: i64, former: i64) -> Value {
    let mut event = refund(second, invoice, total, Some(former));
    event["data"]["object"]["invoice"] = json!(invoice);
    event
}

#[tokio::test]
async fn purchases_partial_refunds_and_a_plan_change() {
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("active", monthly("price_m", 1000), 1)),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        updated(
            SUB_UPDATED,
            30,
            subscription("active", monthly("price_l", 2000), 1),
            json!({ "items": { "data": [{ "id": "si_1", "price": monthly("price_m", 1000), "quantity": 1 }] } }),
        ),
        pre_basil_charge(40, "in_1", 300, 0),
        pre_basil_charge(50, "in_1", 800, 300),
    ];
    let expected = [
        "signup:usr_1",
        "subscription-created:stripe:sub_1",
        "purchase:stripe:in_1",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_30",
        "refund:stripe:ch_in_1:300",
        "refund:stripe:ch_in_1:800",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_basil_invoice_its_payment_and_its_refund() {
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("active", monthly("price_m", 1000), 1)),
        event(PAID, 20, basil_invoice("in_1", 20, 1000, 30)),
        invoice_payment(22, "in_1"),
        refund(30, "in_1", 1000, Some(0)),
    ];
    let expected =
        ["signup:usr_1", "subscription-created:stripe:sub_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:1000"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn an_update_of_the_customer_that_says_nothing() {
    let history = [
        signed_up(),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        refresh(21),
        pre_basil_charge(30, "in_1", 1000, 0),
    ];
    let expected = ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:1000"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_prorated_invoice_takes_its_interval_from_its_subscription_if_that_is_known() {
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("active", monthly("price_m", 1000), 1)),
        event(PAID, 20, proration(basil_invoice("in_1", 20, 400, 12))),
        invoice_payment(21, "in_1"),
        refund(30, "in_1", 400, Some(0)),
    ];
    let expected =
        ["signup:usr_1", "subscription-created:stripe:sub_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:400"];
    play_in_every_order(&history, &expected, &[Forgive::Interval]).await;
    let told = play(&Relay::new(), &history).await;
    assert_eq!(told[2].at("/context/subscription/interval"), "monthly");
}

#[tokio::test]
async fn a_code_that_comes_after_the_first_purchase() {
    let history = [
        without_code(),
        event(SUB_CREATED, 10, subscription("active", monthly("price_m", 1000), 1)),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        code_added(30),
        pre_basil_charge(40, "in_1", 1000, 0),
    ];
    let expected =
        ["signup:usr_1", "subscription-created:stripe:sub_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:1000"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_code_that_comes_in_two_steps_and_is_seen_again_later() {
    let code_alone = json!({ "cello_ucc": CODE });
    let history = [
        event(CREATED, 0, customer(json!({}))),
        updated(UPDATED, 10, customer(code_alone), json!({ "metadata": { "cello_ucc": null } })),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        updated(UPDATED, 30, customer(referred()), json!({ "metadata": { "new_user_id": null } })),
        refresh(40),
    ];
    let expected = ["signup:usr_1", "purchase:stripe:in_1"];
    play_in_every_order(&history, &expected, &[Forgive::SignupTime]).await;
}

#[tokio::test]
async fn a_code_that_never_comes() {
    let history = [
        without_code(),
        event(SUB_CREATED, 10, subscription("active", monthly("price_m", 1000), 1)),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        updated(UPDATED, 30, customer(json!({ "new_user_id": "usr_1" })), json!({ "email": "old@example.com" })),
        pre_basil_charge(40, "in_1", 1000, 0),
    ];
    play_in_every_order(&history, &[], &[]).await;
}

#[tokio::test]
async fn a_code_that_is_overwritten() {
    let other = json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_1" });
    let history = [
        signed_up(),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        updated(UPDATED, 30, customer(other), json!({ "metadata": { "cello_ucc": CODE } })),
        event(PAID, 40, old_invoice("in_2", 40, 1000)),
        event(SUB_DELETED, 50, subscription("canceled", monthly("price_m", 1000), 1)),
    ];
    let expected =
        ["signup:usr_1", "purchase:stripe:in_1", "purchase:stripe:in_2", "subscription-canceled:stripe:sub_1"];
    play_in_every_order(&history, &expected, &[]).await;
}

/// Where the first webhook to arrive shows only the second code, that one is reported, and then it stays: one user,
/// one code.
#[tokio::test]
async fn a_code_that_is_overwritten_before_the_first_is_seen_is_one_code_all_the_same() {
    let other = json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_1" });
    let history = [
        signed_up(),
        updated(UPDATED, 30, customer(other.clone()), json!({ "metadata": { "cello_ucc": CODE } })),
        updated(UPDATED, 40, customer(other), json!({ "email": "old@example.com" })),
        event(PAID, 50, old_invoice("in_1", 50, 1000)),
        event(PAID, 60, old_invoice("in_2", 60, 1000)),
    ];
    let relay = Relay::new();
    for order in super::orders(history.len()) {
        let webhooks: Vec<Value> = order.iter().map(|place| history[*place].clone()).collect();
        let codes: Vec<Value> = play(&relay, &webhooks).await.iter().map(|told| told.at("/payload/ucc")).collect();
        assert!(codes.len() == 3 && codes.iter().all(|code| *code == codes[0]), "{order:?}: {codes:?}");
    }
}

#[tokio::test]
async fn the_life_of_a_subscription_with_a_trial_and_seats_that_come_and_go() {
    let price = || monthly("price_m", 1000);
    let seats = |second, now: i64, former: i64| {
        updated(
            SUB_UPDATED,
            second,
            subscription("active", price(), now),
            json!({
                "quantity": former, "items": { "data": [{ "id": "si_1", "price": price(), "quantity": former }] },
            }),
        )
    };
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("trialing", price(), 1)),
        updated(SUB_UPDATED, 20, subscription("active", price(), 1), json!({ "status": "trialing" })),
        seats(30, 3, 1),
        seats(40, 1, 3),
        event(SUB_DELETED, 50, subscription("canceled", price(), 1)),
    ];
    let expected = [
        "signup:usr_1",
        "subscription-created:stripe:sub_1",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_20",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_30",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_40",
        "subscription-canceled:stripe:sub_1",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_trial_that_fails_to_be_paid_at_first() {
    let price = || monthly("price_m", 1000);
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("trialing", price(), 1)),
        updated(SUB_UPDATED, 20, subscription("past_due", price(), 1), json!({ "status": "trialing" })),
        updated(SUB_UPDATED, 30, subscription("active", price(), 1), json!({ "status": "past_due" })),
        updated(SUB_UPDATED, 50, subscription("active", price(), 1), json!({ "status": "past_due" })),
    ];
    let expected = [
        "signup:usr_1",
        "subscription-created:stripe:sub_1",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_30",
    ];
    play_in_every_order(&history, &expected, &[Forgive::UpdateTeller]).await;
}

#[tokio::test]
async fn a_subscription_that_is_past_due_unpaid_or_paused_from_the_start_starts_when_it_becomes_active() {
    let price = || monthly("price_m", 1000);
    for status in ["past_due", "unpaid", "paused"] {
        let history = [
            signed_up(),
            event(SUB_CREATED, 10, subscription(status, price(), 1)),
            updated(SUB_UPDATED, 21, subscription("active", price(), 1), json!({ "status": status })),
            event(SUB_DELETED, 50, subscription("canceled", price(), 1)),
        ];
        let expected = ["signup:usr_1", "subscription-created:stripe:sub_1", "subscription-canceled:stripe:sub_1"];
        play_in_every_order(&history, &expected, &[]).await;
    }
}

/// Of one that was there before the relay was, nobody knows whether its start was reported.
#[tokio::test]
async fn a_return_to_active_is_no_start_where_the_beginning_was_not_seen_or_was_reported() {
    let price = || monthly("price_m", 1000);
    let again =
        |second| updated(SUB_UPDATED, second, subscription("active", price(), 1), json!({ "status": "past_due" }));
    let history = [signed_up(), again(20)];
    play_in_every_order(&history, &["signup:usr_1"], &[]).await;

    let relay = Relay::new();
    let history = [signed_up(), event(SUB_CREATED, 10, subscription("past_due", price(), 1)), again(20), again(40)];
    assert_eq!(play(&relay, &history).await.len(), 2, "it starts once");
    let seats = updated(
        SUB_UPDATED,
        60,
        subscription("active", price(), 3),
        json!({ "items": { "data": [{
        "id": "si_1", "price": price(), "quantity": 1 }] } }),
    );
    let history = [history.to_vec(), vec![seats]].concat();
    let keys: Vec<String> = play(&Relay::new(), &history).await.into_iter().map(|told| told.key).collect();
    assert_eq!(keys[2], "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_60");
}

#[tokio::test]
async fn an_incomplete_subscription_that_becomes_active_and_ends() {
    let price = || monthly("price_m", 1000);
    let history = [
        signed_up(),
        event(SUB_CREATED, 10, subscription("incomplete", price(), 1)),
        event(PAID, 20, basil_invoice("in_1", 20, 1000, 31)),
        updated(SUB_UPDATED, 21, subscription("active", price(), 1), json!({ "status": "incomplete" })),
        event(SUB_DELETED, 50, subscription("canceled", price(), 1)),
    ];
    let expected = [
        "signup:usr_1",
        "purchase:stripe:in_1",
        "subscription-created:stripe:sub_1",
        "subscription-canceled:stripe:sub_1",
    ];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn one_invoice_told_by_several_webhooks() {
    let mut other_id = event(PAID, 20, old_invoice("in_1", 20, 1000));
    other_id["id"] = json!("evt_again");
    let history = [
        signed_up(),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        // The same webhook once more, and the same thing in another.
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        other_id,
        pre_basil_charge(30, "in_1", 1000, 0),
    ];
    let expected = ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:1000"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_one_time_sale_that_is_paid_later_and_refunded() {
    let session = |status: &str| {
        json!({
            "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": status,
            "amount_total": 5000, "currency": "eur", "customer": "cus_1", "payment_intent": "pi_sale",
        })
    };
    let history = [
        signed_up(),
        event("checkout.session.completed", 10, session("unpaid")),
        event("checkout.session.async_payment_succeeded", 20, session("paid")),
        refund(30, "sale", 2000, Some(0)),
        refund(40, "sale", 5000, Some(2000)),
    ];
    let expected =
        ["signup:usr_1", "purchase:stripe:pi_sale", "refund:stripe:ch_sale:2000", "refund:stripe:ch_sale:5000"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_new_e_mail_address() {
    let mut moved = customer(referred());
    moved["email"] = json!("moved@example.com");
    let history = [
        signed_up(),
        event(PAID, 20, old_invoice("in_1", 20, 1000)),
        updated(UPDATED, 30, moved, json!({ "email": "referred@example.com" })),
        event(PAID, 40, old_invoice("in_2", 40, 1000)),
    ];
    let expected = ["signup:usr_1", "purchase:stripe:in_1", "purchase:stripe:in_2"];
    play_in_every_order(&history, &expected, &[Forgive::Email]).await;
}

/// Without the former amounts only the running total is known: the parts follow the order of arrival, and add up.
#[tokio::test]
async fn refunds_without_former_amounts_add_up_in_any_order() {
    let bare = |second, total| {
        let mut event = refund(second, "in_1", total, None);
        event["data"]["object"]["invoice"] = json!("in_1");
        event
    };
    let history = [signed_up(), event(PAID, 20, old_invoice("in_1", 20, 1000)), bare(30, 300), bare(40, 800)];
    let relay = Relay::new();
    for order in super::orders(history.len()) {
        let webhooks: Vec<Value> = order.iter().map(|place| history[*place].clone()).collect();
        let told = play(&relay, &webhooks).await;
        let refunds = told.iter().filter(|told| told.key.starts_with("refund:"));
        let sum: i64 = refunds.map(|told| told.at("/payload/price").as_i64().unwrap()).sum();
        assert_eq!(sum, 800, "{order:?}");
    }
}
