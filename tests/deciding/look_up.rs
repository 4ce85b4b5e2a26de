//! Look-ups at Stripe: the real provider over HTTP against a stand-in, the real store, a clock that is set.

use std::sync::Arc;
use std::time::Duration;

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
async fn what_waits_for_one_customer_is_asked_about_once() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    relay.receive(&event("invoice.paid", 30, old_invoice("in_2", 30, 2000))).await;
    relay.receive(&paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/customers/cus_1"]);
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "purchase:stripe:in_2"]);
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
async fn one_call_answers_for_the_subscription_and_its_customer() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_subscription());
    stripe.knows(&customer(referred()));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    let asked = stripe.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].query["expand[]"], "customer");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
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
async fn a_failing_look_up_holds_the_fact_and_asks_again_after_growing_pauses() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    relay.receive(&paid()).await;
    let failures = [Answer::Status(500), Answer::Status(429), Answer::Garbage, Answer::Status(503)];
    // Each pause is as long as all the waiting before it.
    for (failure, pause) in failures.into_iter().zip([1, 1, 2, 4]) {
        stripe.order("/customers/", failure);
        assert_eq!(relay.settle().await, 1);
        assert_eq!(relay.reason(PAID).await, "lookup_failed");
        relay.pass(MINUTE * pause - SignedDuration::from_secs(1));
        assert_eq!(relay.settle().await, 0, "not before the pause of {pause} min is over");
        relay.pass(SignedDuration::from_secs(1));
    }
    assert_eq!(relay.settle().await, 1);
    assert_eq!(stripe.paths().len(), 5);
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn a_look_up_that_keeps_failing_is_asked_every_six_hours_and_dropped_only_at_the_deadline() {
    let (stripe, relay) = asking().await;
    relay.receive(&paid()).await;
    relay.pass(DAY);
    for _ in 0..3 {
        stripe.order("/customers/", Answer::Status(500));
        assert_eq!(relay.settle().await, 1);
        relay.pass(MINUTE * 359);
        assert_eq!(relay.settle().await, 0);
        relay.pass(MINUTE);
    }
    relay.pass(DAY * 30);
    stripe.order("/customers/", Answer::Status(500));
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "hold_expired");
}

#[tokio::test]
async fn a_refused_key_is_named_with_the_permission_it_lacks() {
    let (stripe, relay) = asking().await;
    stripe.order("/customers/", Answer::Status(403));
    relay.receive(&paid()).await;
    relay.settle().await;
    let message = relay.decision(PAID).await.message;
    assert!(message.contains("refused the key (403)") && message.contains("it may read customers"), "{message}");
}

#[tokio::test]
async fn a_key_that_may_not_read_subscriptions_still_tells_the_customer_and_the_line_the_interval() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    stripe.order("/subscriptions/", Answer::Status(403));
    stripe.order("/prices/", Answer::Status(403));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m", "/v1/customers/cus_1"]);
    let told = relay.told().await;
    assert_eq!(told[1].at("/context/subscription/interval"), "monthly");
    let warnings = relay.warnings(PAID).await;
    assert_eq!(warnings, ["interval_derived"]);
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

/// For a price of its own, with a stretch of 30 days.
fn other_basil_invoice(id: &str, price: &str) -> Value {
    let mut invoice = basil_invoice(id, 30, 1000, 30);
    invoice["lines"]["data"][0]["pricing"]["price_details"]["price"] = json!(price);
    invoice
}

#[tokio::test]
async fn a_burst_about_one_thing_that_stripe_does_not_have_makes_one_call() {
    let (stripe, relay) = asking().await;
    for number in 0..20 {
        let invoice = old_invoice(&format!("in_{number}"), 20 + number, 1000);
        relay.receive(&event("invoice.paid", 20 + number, invoice)).await;
    }
    assert_eq!(relay.settle().await, 20);
    assert_eq!(stripe.paths(), ["/v1/customers/cus_1"]);

    // What arrives later is asked about anew only when the answer is out of date.
    for (second, pause, calls) in [(50, 4, 1), (51, 1, 2)] {
        relay.pass(MINUTE * pause);
        relay.receive(&event("invoice.paid", second, old_invoice(&format!("in_{second}"), second, 1000))).await;
        relay.settle().await;
        assert_eq!(stripe.paths().len(), calls);
    }
    // And none of it keeps the customer's own webhook from letting everything go on.
    relay.receive(&customer_created()).await;
    assert_eq!(relay.told_keys().await.len(), 1 + 22);
}

#[tokio::test]
async fn a_burst_of_invoices_for_one_unknown_subscription_and_price_makes_two_calls() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    for number in 0..20 {
        let invoice = basil_invoice(&format!("in_{number}"), 20 + number, 1000, 30);
        relay.receive(&event("invoice.paid", 20 + number, invoice)).await;
    }
    assert_eq!(relay.settle().await, 20);
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m"]);
    assert_eq!(relay.told_keys().await.len(), 1 + 20);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_hangs_does_not_hold_up_a_stop_and_is_made_again() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    stripe.order("/customers/", Answer::When(Arc::new(Semaphore::new(0))));
    relay.receive(&paid()).await;
    let loops = relay.start_loops(&asks(&stripe)).await;
    stripe.arrival().await;
    tokio::time::timeout(Duration::from_secs(10), loops.stop()).await.expect("a stop before the look-up's own end");
    assert_eq!(relay.reason(PAID).await, "looking_up");
    relay.settle().await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
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

#[tokio::test]
async fn the_connected_account_and_the_pinned_version_go_along() {
    let (stripe, relay) = asking().await;
    let mut of_account = paid();
    of_account["account"] = json!("acct_7");
    stripe.knows(&customer(referred()));
    relay.receive(&of_account).await;
    relay.receive(&event("invoice.paid", 30, old_invoice("in_2", 30, 1000))).await;
    relay.settle().await;
    let mut asked = stripe.asked();
    asked.sort_by_key(|asked| asked.account.clone());
    let accounts: Vec<_> = asked.iter().map(|asked| asked.account.as_deref()).collect();
    assert_eq!(accounts, [None, Some("acct_7")]);
    assert!(asked.iter().all(|asked| asked.version == Config::default().stripe.api_version), "{asked:?}");
    let told = relay.told_keys().await;
    assert!(told.contains(&"purchase:stripe:acct_7:in_1".to_owned()), "{told:?}");
}

#[tokio::test]
async fn an_id_with_odd_characters_stays_within_its_place() {
    let (stripe, relay) = asking().await;
    for (number, id) in ["../charges/ch_1?x=#y", "..", "a b"].into_iter().enumerate() {
        let mut invoice = old_invoice("in_1", 20, 1000);
        invoice["customer"] = json!(id);
        let mut webhook = event("invoice.paid", 20, invoice);
        webhook["id"] = json!(format!("evt_{number}"));
        relay.receive(&webhook).await;
    }
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/customers/..%2Fcharges%2Fch_1%3Fx%3D%23y", "/v1/customers/a%20b"]);
    assert_eq!(relay.reason("evt_1").await, "customer_unseen");
}

#[tokio::test]
async fn a_payment_with_odd_characters_stays_within_its_parameter() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    let mut refund = refund(40, "in_1", 300, Some(0));
    refund["data"]["object"]["payment_intent"] = json!("pi_1&limit=100#");
    relay.receive(&refund).await;
    relay.settle().await;
    let asked = stripe.asked();
    assert_eq!(asked[0].query["payment[payment_intent]"], "pi_1&limit=100#");
    assert_eq!(asked[0].query.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn without_an_api_key_nothing_is_asked_and_the_message_says_what_helps() {
    let stripe = StripeApi::start().await;
    let mut config = asks(&stripe);
    config.stripe.api_key = None;
    let relay = Relay::with(&config);
    stripe.knows(&customer(referred()));
    relay.receive(&paid()).await;
    let decision = relay.decision(PAID).await;
    assert_eq!(decision.reason.as_deref(), Some("customer_unseen"));
    assert!(decision.message.contains("an API key"), "{}", decision.message);
    relay.pass(DAY);
    assert_eq!(relay.settle().await, 0);
    assert_eq!(stripe.paths(), [""; 0]);
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
async fn a_wrong_key_holds_and_says_so() {
    let stripe = StripeApi::start().await;
    let mut config = asks(&stripe);
    config.stripe.api_key = Some("rk_test_other".to_owned().into());
    let relay = Relay::with(&config);
    relay.receive(&paid()).await;
    relay.settle().await;
    let message = relay.decision(PAID).await.message;
    assert!(message.contains("refused the key (401)"), "{message}");
    assert!(!message.contains("rk_test"), "{message}");
}
