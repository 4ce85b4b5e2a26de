//! Payments by themselves, and payments of which two webhooks may speak: reported once, and never by guess.

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
async fn an_invoice_that_a_sale_may_have_paid_waits_for_the_link() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    let held = relay.decision(INVOICE).await;
    assert_eq!(held.reason.as_deref(), Some("payment_link_unseen"));
    assert_eq!(held.waits_for.as_deref(), Some("payments:stripe:in_1"));
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

#[tokio::test]
async fn a_payment_of_somebody_unseen_waits_for_the_customer_before_its_invoice_is_asked_for() {
    let relay = Relay::with(&opted_in());
    receive(&relay, &[succeeded()]).await;
    assert_eq!(relay.reason(INTENT).await, "customer_unseen");
    receive(&relay, &[customer_created()]).await;
    assert_eq!(relay.reason(INTENT).await, "payment_link_unseen");
}

#[tokio::test]
async fn an_invoice_that_was_paid_outside_stripe_is_paid_anew_once_all_of_it_went_back() {
    let mut outside = invoice_paid();
    outside["data"]["object"]["paid_out_of_band"] = json!(true);
    let anew = |second: i64| {
        let mut invoice = basil_invoice("in_1", second, 9900, 365);
        let payment = json!({ "type": "payment_intent", "payment_intent": "pi_2" });
        invoice["payments"] = json!({ "data": [{ "status": "paid", "amount_paid": 9900, "payment": payment }] });
        event("invoice.paid", 70, invoice)
    };
    for (given_back, paid_at, expected) in
        [(9900, 70, ""), (9900, 40, "already_reported"), (9899, 70, "already_reported")]
    {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), outside.clone(), credit_note("in_1", given_back)]).await;
        receive(&relay, &[anew(paid_at)]).await;
        assert_eq!(relay.reason("evt_invoice.paid_70").await, expected, "{given_back} {paid_at}");
    }
}

const SALE: &str = "evt_checkout.session.completed_30";

#[tokio::test]
async fn only_an_invoice_that_a_sale_may_have_paid_holds_the_sale() {
    let in_dollars = |mut invoice: Value| {
        invoice["currency"] = json!("usd");
        invoice
    };
    let month_later = 30 + 30 * 86_400;
    for (invoice, expected) in [
        (basil_invoice("in_1", 40, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 40, 9901, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 40, 9899, 365), ""),
        (in_dollars(basil_invoice("in_1", 40, 9900, 365)), ""),
        (basil_invoice("in_1", 30, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 29, 9900, 365), ""),
        (basil_invoice("in_1", month_later, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", month_later + 1, 9900, 365), ""),
    ] {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), event("invoice.paid", 40, invoice.clone()), completed("paid")]).await;
        assert_eq!(relay.reason(SALE).await, expected, "{invoice}");
    }
}

#[tokio::test]
async fn a_link_that_comes_after_its_invoice_leaves_less_of_it_to_be_paid_by_a_sale() {
    let mut part = linked();
    part["data"]["object"]["amount_paid"] = json!(4000);
    for (amount, expected) in [(5900, "payment_link_unseen"), (5901, "")] {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), invoice_paid(), part.clone()]).await;
        receive(&relay, &[event("checkout.session.completed", 30, session("pi_2", "paid", amount))]).await;
        assert_eq!(relay.reason(SALE).await, expected, "{amount}");
    }
}

#[tokio::test]
async fn a_link_that_comes_after_both_reports_leaves_the_refund_with_the_sale() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    pass(&relay, DAY).await;
    receive(&relay, &[linked(), refunded(9900)]).await;
    let told = relay.told().await;
    let refund = told.iter().find(|told| told.key.starts_with("refund:")).unwrap();
    assert_eq!(refund.at("/context/subscription/invoiceId"), "pi_1");
}

#[tokio::test]
async fn a_refund_that_names_an_invoice_alone_goes_to_the_sale_that_reported_its_payment() {
    let relay = Relay::new();
    let mut whole = linked();
    whole["data"]["object"]["amount_paid"] = json!(9900);
    receive(&relay, &[customer_created(), completed("paid"), whole, invoice_paid(), credit_note("in_1", 400)]).await;
    assert_eq!(relay.reason(INVOICE).await, "already_reported");
    let told = relay.told().await;
    let refund = told.iter().find(|told| told.key == "refund:stripe:cn_1").unwrap();
    assert_eq!(
        (refund.at("/payload/price"), refund.at("/context/subscription/invoiceId")),
        (json!(400), json!("pi_1"))
    );
}

#[tokio::test]
async fn a_refund_of_a_payment_that_no_report_carries_goes_to_the_invoice_it_is_linked_with() {
    let relay = Relay::new();
    let mut outside = invoice_paid();
    outside["data"]["object"]["paid_out_of_band"] = json!(true);
    receive(&relay, &[customer_created(), outside, linked(), refunded(400)]).await;
    let told = relay.told().await;
    let refund = told.iter().find(|told| told.key.starts_with("refund:")).unwrap();
    assert_eq!(refund.at("/context/subscription/invoiceId"), "in_1");
}

#[tokio::test]
async fn a_refund_whose_invoice_was_not_reported_follows_a_later_report_of_its_payment() {
    let relay = Relay::new();
    let mut named = refunded(400);
    named["data"]["object"]["invoice"] = json!("in_1");
    receive(&relay, &[customer_created(), event("invoice.paid", 40, basil_invoice("in_1", 40, 0, 365)), named]).await;
    assert_eq!(relay.reason(REFUND).await, "purchase_not_reported");
    receive(&relay, &[completed("paid")]).await;
    assert!(relay.told_keys().await.contains(&"refund:stripe:ch_1:400".to_owned()));
}

#[tokio::test]
async fn a_late_code_brings_the_refund_that_names_an_invoice_alone() {
    let relay = Relay::new();
    let coded = updated("customer.updated", 70, customer(referred()), json!({ "metadata": { "cello_ucc": null } }));
    let stranger = event("customer.created", 0, customer(json!({ "new_user_id": "usr_1" })));
    receive(&relay, &[stranger, invoice_paid(), credit_note("in_1", 400)]).await;
    assert_eq!(relay.reason("evt_credit_note.created_60").await, "purchase_not_reported");
    receive(&relay, &[coded]).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:cn_1"]);
}

#[tokio::test]
async fn a_session_that_cost_nothing_waits_for_no_invoice() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), invoice_paid()]).await;
    receive(&relay, &[event("checkout.session.completed", 30, session("pi_1", "paid", 0))]).await;
    assert_eq!(relay.reason(SALE).await, "no_rule_matched");
}

#[tokio::test]
async fn an_invoice_is_not_paid_anew_while_part_of_its_money_has_no_known_payment() {
    let relay = Relay::new();
    let mut part = linked();
    part["data"]["object"]["amount_paid"] = json!(4000);
    let applied = |payment: &str, amount: i64| {
        let payment = json!({ "type": "payment_intent", "payment_intent": payment });
        json!({ "status": "paid", "amount_paid": amount, "payment": payment })
    };
    let mut again = basil_invoice("in_1", 70, 9900, 365);
    again["payments"] = json!({ "data": [applied("pi_1", 4000), applied("pi_2", 0)] });
    receive(&relay, &[customer_created(), invoice_paid(), part, event("invoice.paid", 70, again)]).await;
    assert_eq!(relay.reason("evt_invoice.paid_70").await, "already_reported");
}

#[tokio::test]
async fn the_decision_on_a_refund_says_where_the_address_is_known_from() {
    let relay = Relay::new();
    let person = || chargebee::customer(0, referred());
    let paid = chargebee::payment(10, person(), chargebee::invoice("inv_1", "paid", 3000));
    receive(&relay, &[customer_created(), completed("paid"), refunded(400)]).await;
    receive(&relay, &[paid, chargebee::refund(20, person(), "inv_1", 400)]).await;
    for (refund, expected) in [
        (REFUND, Told::directory("the newest known of the customer `cus_1`")),
        ("ev_payment_refunded_20", Told::webhook("this webhook shows it")),
    ] {
        let trace = relay.decision(refund).await.trace.unwrap();
        let email = trace.values.into_iter().find(|value| value.name == "e-mail").unwrap();
        assert_eq!(email.told, expected, "{refund}");
    }
}

#[tokio::test]
async fn a_refund_of_a_payment_that_did_not_settle_its_invoice_is_not_taken_for_that_of_the_one_that_did() {
    for (named, expected) in [(Value::Null, "purchase_unseen"), (json!("in_1"), "purchase_not_reported")] {
        let relay = Relay::new();
        let other = event("invoice_payment.paid", 51, paid_by("in_1", "pi_2"));
        let mut refund = refunded(400);
        refund["data"]["object"]["payment_intent"] = json!("pi_2");
        refund["data"]["object"]["invoice"] = named;
        receive(&relay, &[customer_created(), invoice_paid(), linked(), other, refund]).await;
        assert_eq!(relay.reason(REFUND).await, expected);
    }
}

#[tokio::test]
async fn the_decision_on_a_refund_says_how_its_purchase_is_known() {
    let mut outside = invoice_paid();
    outside["data"]["object"]["paid_out_of_band"] = json!(true);
    let sale = Told::directory("a sale without an invoice goes by its payment");
    for (purchases, named, expected) in [
        (&[completed("paid")][..], Value::Null, sale.clone()),
        (&[completed("paid")], json!("in_1"), sale),
        (&[invoice_paid(), linked()], Value::Null, Told::directory("it reported the payment `pi_1`")),
        (&[invoice_paid(), linked()], json!("in_1"), Told::webhook("the refund names it")),
        (&[outside, linked()], Value::Null, Told::directory("the payment `pi_1` settled it")),
    ] {
        let relay = Relay::new();
        let mut refund = refunded(400);
        refund["data"]["object"]["invoice"] = named;
        receive(&relay, &[customer_created()]).await;
        receive(&relay, purchases).await;
        receive(&relay, &[refund]).await;
        let decision = relay.decision(REFUND).await;
        let values = decision.trace.unwrap().values;
        assert!(values.iter().any(|value| value.told == expected), "{expected:?}: {values:?}");
    }
}

#[tokio::test]
async fn a_refund_of_an_invoice_that_is_known_by_its_link_alone_is_sent_after_three_days() {
    let relay = Relay::new();
    let (mut naming, mut later) = (refunded(400), refunded(900));
    naming["data"]["object"]["invoice"] = json!("in_1");
    later["id"] = json!("evt_later");
    later["data"]["previous_attributes"] = json!({ "amount_refunded": 400 });
    receive(&relay, &[customer_created(), naming, later]).await;
    pass(&relay, DAY * 3).await;
    assert_eq!(relay.warnings("evt_later").await, ["refund_without_purchase"]);
    let told = relay.told().await;
    let refund = told.iter().find(|told| told.key == "refund:stripe:ch_1:900").unwrap();
    assert_eq!(refund.at("/context/subscription/invoiceId"), "in_1");
}

#[tokio::test]
async fn of_an_invoice_that_a_sale_has_paid_in_part_the_rest_is_sent() {
    for rules in [Rules::shipped().unwrap(), net_rules()] {
        let relay = Relay::ruled(&config(), rules);
        let mut part = linked();
        part["data"]["object"]["amount_paid"] = json!(4000);
        let sale = event("checkout.session.completed", 30, session("pi_1", "paid", 4000));
        receive(&relay, &[customer_created(), sale, part, invoice_paid()]).await;
        assert!(relay.warnings(INVOICE).await.contains(&"partly_reported".to_owned()));
        let told = relay.told().await;
        let rest = told.iter().find(|told| told.key == "purchase:stripe:in_1").unwrap();
        assert_eq!(rest.at("/payload/price"), 5900);
    }
}

#[tokio::test]
async fn a_refund_whose_invoice_was_not_reported_follows_another_that_takes_its_payment() {
    let relay = Relay::new();
    let mut named = refunded(400);
    named["data"]["object"]["invoice"] = json!("in_1");
    let link = event("invoice_payment.paid", 30, paid_by("in_2", "pi_1"));
    let free = event("invoice.paid", 40, basil_invoice("in_1", 40, 0, 365));
    receive(&relay, &[customer_created(), link, free, named]).await;
    assert_eq!(relay.reason(REFUND).await, "purchase_not_reported");
    receive(&relay, &[event("invoice.paid", 50, basil_invoice("in_2", 50, 9900, 365))]).await;
    assert!(relay.told_keys().await.contains(&"refund:stripe:ch_1:400".to_owned()));
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
