//! Look-ups at Stripe: the real provider over HTTP against a stand-in, the real store, a clock that is set.

mod calls;
mod intervals;
mod trouble;

use std::sync::Arc;

use cello_relay::config::Config;
use cello_relay::store::DecisionState;
use cello_relay::trace::Source;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::relay::{Relay, config};
use crate::stripe_api::{Answer, KEY, StripeApi};
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn asking() -> (StripeApi, Relay) {
    let stripe = StripeApi::start().await;
    let relay = Relay::with(&asks(&stripe));
    (stripe, relay)
}

fn asks(stripe: &StripeApi) -> Config {
    let mut config = config();
    config.stripe.api_key = Some(KEY.to_owned().into());
    config.stripe.api_base = stripe.base_url.clone();
    config.stripe.api_rate = 100;
    config
}

fn customer_created() -> Value {
    event("customer.created", 0, customer(referred()))
}

fn paid() -> Value {
    event("invoice.paid", 20, old_invoice("in_1", 20, 1000))
}

/// With a stretch of 30 days.
fn basil_paid() -> Value {
    event("invoice.paid", 20, basil_invoice("in_1", 20, 1000, 30))
}

/// For a price of its own, with a stretch of 30 days.
fn other_basil_invoice(id: &str, price: &str) -> Value {
    let mut invoice = basil_invoice(id, 30, 1000, 30);
    invoice["lines"]["data"][0]["pricing"]["price_details"]["price"] = json!(price);
    invoice
}

fn quarterly_subscription() -> Value {
    subscription("active", price("price_m", "month", 3, 1000), 2)
}

const PAID: &str = "evt_invoice.paid_20";

#[tokio::test]
async fn an_invoice_of_an_unseen_customer_is_held_looked_up_and_sent_after_the_signup() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    relay.receive(&paid()).await;
    assert_eq!(relay.reason(PAID).await, "looking_up");
    assert_eq!(stripe.paths(), [""; 0], "deciding asks nobody");

    assert_eq!(relay.settle().await, 1);
    assert_eq!(stripe.paths(), ["/v1/customers/cus_1"]);
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
    assert_eq!(relay.settle().await, 0, "and it is not asked again");
}

#[tokio::test]
async fn a_customer_who_turns_out_not_to_be_referred_ends_the_wait() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(json!({ "new_user_id": "usr_1" })));
    relay.receive(&paid()).await;
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "not_referred");
}

#[tokio::test]
async fn a_customer_whom_the_subscription_shows_as_deleted_is_not_asked_for() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_subscription());
    stripe.knows(&json!({ "id": "cus_1", "object": "customer", "deleted": true }));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1"]);
    assert_eq!(relay.reason(PAID).await, "customer_unseen");
}

#[tokio::test]
async fn the_webhook_that_was_asked_about_may_come_first_and_then_nobody_is_asked() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    relay.receive(&basil_paid()).await;
    relay.receive(&event("customer.subscription.created", 21, quarterly_subscription())).await;
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "quarterly");
    assert_eq!(relay.settle().await, 0);
    assert_eq!(stripe.paths(), [""; 0]);
}

#[tokio::test]
async fn a_deleted_customer_stays_held_until_the_deadline_and_is_then_ignored() {
    let (stripe, relay) = asking().await;
    stripe.knows(&json!({ "id": "cus_1", "object": "customer", "deleted": true }));
    relay.receive(&paid()).await;
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "customer_unseen");

    relay.pass(DAY * 30 - MINUTE);
    assert_eq!(relay.settle().await, 0, "it is not asked about in between");
    relay.pass(MINUTE);
    assert_eq!(relay.settle().await, 1);
    let decision = relay.decision(PAID).await;
    assert_eq!((decision.decision, decision.reason.as_deref()), (DecisionState::Ignore, Some("hold_expired")));
    assert_eq!(relay.told_keys().await, [""; 0]);
}

#[tokio::test]
async fn a_customer_stripe_does_not_have_is_waited_for_all_the_same() {
    let (_stripe, relay) = asking().await;
    relay.receive(&paid()).await;
    relay.settle().await;
    let decision = relay.decision(PAID).await;
    assert_eq!(decision.reason.as_deref(), Some("customer_unseen"));
    assert!(decision.message.contains("does not know"), "{}", decision.message);
    relay.receive(&customer_created()).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn a_decision_says_which_values_a_look_up_told_and_which_the_webhook() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_subscription());
    stripe.knows(&customer(referred()));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    let decisions = relay.decisions(PAID).await;
    let purchase = decisions.iter().find(|decision| decision.fact == "invoice-paid").unwrap();
    let trace = purchase.trace.as_ref().unwrap();
    let source = |name: &str| trace.values.iter().find(|origin| origin.name == name).map(|origin| origin.told.source);
    assert_eq!(source("referral code"), Some(Source::LookUp));
    assert_eq!(source("interval"), Some(Source::LookUp));
    assert_eq!(source("price"), Some(Source::Rule));
    assert_eq!(source("currency"), Some(Source::Webhook));
}

#[tokio::test]
async fn while_a_look_up_is_under_way_webhooks_are_decided_and_its_answer_changes_nothing_that_was_sent() {
    let (stripe, relay) = asking().await;
    let permit = Arc::new(Semaphore::new(0));
    stripe.knows(&customer(referred()));
    stripe.order("/customers/", Answer::When(permit.clone()));
    relay.receive(&paid()).await;

    let decider = relay.decider.clone();
    let settling = tokio::spawn(async move { decider.settle_holds().await });
    stripe.arrival().await;
    relay.receive(&customer_created()).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
    permit.add_permits(1);
    assert_eq!(settling.await.unwrap().unwrap(), 1);

    let decisions = relay.decisions(PAID).await;
    assert!(decisions.iter().all(|decision| decision.decision == DecisionState::Send), "{decisions:?}");
    assert_eq!(relay.told_keys().await, [""; 0]);
}

#[tokio::test]
async fn a_refund_on_basil_finds_its_invoice_by_its_payment() {
    let (stripe, relay) = asking().await;
    stripe.knows(&json!({
        "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
        "payment": { "type": "payment_intent", "payment_intent": "pi_in_1" },
    }));
    relay.receive(&customer_created()).await;
    relay.receive(&event("customer.subscription.created", 1, quarterly_subscription())).await;
    relay.receive(&basil_paid()).await;
    relay.told().await;
    relay.receive(&refund(40, "in_1", 300, Some(0))).await;
    assert_eq!(relay.reason("evt_charge.refunded_40").await, "purchase_unseen");
    relay.settle().await;
    let asked = stripe.asked();
    assert_eq!(asked[0].path, "/v1/invoice_payments");
    assert_eq!(asked[0].query["payment[type]"], "payment_intent");
    assert_eq!(asked[0].query["payment[payment_intent]"], "pi_in_1");
    let told = relay.told().await;
    assert_eq!(told[0].key, "refund:stripe:ch_in_1:300");
    assert_eq!(told[0].at("/context/subscription/invoiceId"), "in_1");
}

#[tokio::test]
async fn a_refund_of_nothing_known_is_asked_about_once_and_ignored_after_three_days() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    relay.receive(&refund(40, "in_1", 300, Some(0))).await;
    relay.settle().await;
    relay.pass(DAY * 3);
    relay.settle().await;
    assert_eq!(relay.reason("evt_charge.refunded_40").await, "purchase_unknown");
    assert_eq!(stripe.paths(), ["/v1/invoice_payments", "/v1/invoice_payments"], "and once more at the deadline");
}
