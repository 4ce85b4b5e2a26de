//! Whose purchase a refund of a payment gives back.

use super::*;
use crate::person::discarding;

#[tokio::test]
async fn the_refund_of_a_purchase_that_was_discarded_is_not_reported() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid")]).await;
    let events = relay.store.life("pi_1").await.unwrap().remove(0).referral_events;
    let purchase = events.iter().find(|event| event.key == "purchase:stripe:pi_1").unwrap().id;
    let discarded = relay.store.discard(discarding(vec![purchase], "ada", "a test"), relay.now()).await.unwrap();
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
