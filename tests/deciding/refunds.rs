//! Running totals that become refunds: none told twice, none lost, whatever the webhooks leave out.

use serde_json::{Value, json};

use crate::order::play_in_every_order;
use crate::relay::Relay;
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

/// A relay that has told one purchase of 10.00.
async fn with_a_purchase() -> Relay {
    let relay = Relay::new();
    relay.receive(&event("customer.created", 0, customer(referred()))).await;
    relay.receive(&event("invoice.paid", 20, old_invoice("in_1", 20, 1000))).await;
    relay.told().await;
    relay
}

/// The amounts told for these (running total, former total), each a webhook of its own.
async fn refunds(totals: &[(i64, Option<i64>)]) -> Vec<i64> {
    let relay = with_a_purchase().await;
    for (number, (total, former)) in totals.iter().enumerate() {
        relay.receive(&refund(30 + number as i64, "in_1", *total, *former)).await;
    }
    relay.told().await.iter().map(|told| told.at("/payload/price").as_i64().unwrap()).collect()
}

#[tokio::test]
async fn each_webhook_tells_its_own_part() {
    assert_eq!(refunds(&[(300, Some(0)), (800, Some(300)), (1000, Some(800))]).await, [300, 500, 200]);
}

#[tokio::test]
async fn without_former_totals_a_part_is_what_was_not_told_before() {
    assert_eq!(refunds(&[(300, None), (800, None)]).await, [300, 500]);
    assert_eq!(refunds(&[(300, Some(0)), (800, None), (1000, Some(800))]).await, [300, 500, 200]);
    assert_eq!(refunds(&[(600, Some(400)), (1000, None)]).await, [200, 400], "only what came after the newest total");
}

#[tokio::test]
async fn the_same_part_in_another_webhook_is_told_once() {
    assert_eq!(refunds(&[(300, Some(0)), (300, Some(0)), (300, None)]).await, [300]);
}

#[tokio::test]
async fn parts_that_overlap_are_not_told_twice() {
    assert_eq!(refunds(&[(800, None), (300, Some(0))]).await, [800], "the first was in the second");
    assert_eq!(refunds(&[(500, Some(200)), (800, Some(300))]).await, [300, 300], "they contradict each other");
    assert_eq!(refunds(&[(800, Some(300)), (300, Some(0))]).await, [500, 300], "they touch");
}

/// Stripe takes it off the running total, and Cello cannot be told: what comes after it counts from below again.
#[tokio::test]
async fn after_a_refund_that_failed_what_was_not_told_yet_is_told() {
    assert_eq!(refunds(&[(300, Some(0)), (1000, Some(0))]).await, [300, 700], "the first failed");
    assert_eq!(refunds(&[(1000, Some(0)), (300, Some(0))]).await, [1000], "and came last");
    assert_eq!(
        refunds(&[(300, Some(0)), (800, Some(300)), (1000, Some(300))]).await,
        [300, 500, 200],
        "the second did"
    );
    assert_eq!(refunds(&[(200, Some(0)), (600, Some(400)), (1000, Some(0))]).await, [200, 200, 600], "in two pieces");
    assert_eq!(refunds(&[(500, Some(0)), (300, Some(0)), (500, Some(300))]).await, [500], "less than was told");
}

#[tokio::test]
async fn a_refund_that_failed_stays_in_the_list_and_is_not_told_again() {
    let relay = with_a_purchase().await;
    let mut listed = refund(40, "in_1", 1000, None);
    let refunds = json!([{ "amount": 1000, "created": 40 }, { "amount": 300, "created": 30, "status": "failed" }]);
    listed["data"]["object"]["refunds"] = json!({ "data": refunds });
    for webhook in [refund(30, "in_1", 300, Some(0)), listed] {
        relay.receive(&webhook).await;
    }
    let amounts: Vec<Value> = relay.told().await.iter().map(|told| told.at("/payload/price")).collect();
    assert_eq!(amounts, [300, 700]);
}

#[tokio::test]
async fn a_derived_amount_is_worth_a_word() {
    let relay = with_a_purchase().await;
    relay.receive(&refund(30, "in_1", 300, None)).await;
    relay.receive(&refund(40, "in_1", 800, Some(0))).await;
    relay.receive(&refund(50, "in_1", 1000, Some(800))).await;
    for (webhook, warnings) in [(30, &["refund_amount_derived"][..]), (40, &["refund_amount_derived"]), (50, &[])] {
        assert_eq!(relay.warnings(&format!("evt_charge.refunded_{webhook}")).await, warnings, "{webhook}");
    }
    let repeated = relay.decision("evt_charge.refunded_40").await;
    assert!(repeated.warnings[0].message.starts_with("the webhook says 800, and 300 of it"), "{repeated:?}");
    let values = &repeated.trace.as_ref().unwrap().values;
    let before = "the running total of `ch_in_1` is 800 now, and 300 of it were refunded before";
    assert!(values.iter().any(|value| value.told.by == before), "{values:?}");
}

#[tokio::test]
async fn a_refund_of_a_purchase_that_was_not_told_is_not_told_either() {
    let relay = Relay::new();
    relay.receive(&event("customer.created", 0, customer(referred()))).await;
    relay.receive(&event("invoice.paid", 20, old_invoice("in_1", 20, 0))).await;
    relay.receive(&refund(30, "in_1", 300, Some(0))).await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_not_reported");
}

#[tokio::test]
async fn a_refund_whose_purchase_never_arrives_is_told_after_three_days_with_a_warning() {
    let relay = Relay::new();
    relay.receive(&event("customer.created", 0, customer(referred()))).await;
    relay.told().await;
    let mut named = refund(30, "in_0", 300, Some(0));
    named["data"]["object"]["invoice"] = json!("in_0");
    relay.receive(&named).await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_unseen");
    relay.pass(jiff::SignedDuration::from_hours(3 * 24));
    relay.settle().await;
    let told = relay.told().await;
    assert_eq!((told.len(), told[0].at("/context/subscription/invoiceId")), (1, json!("in_0")));
    assert_eq!(relay.warnings("evt_charge.refunded_30").await, ["refund_without_purchase"]);
}

#[tokio::test]
async fn a_refund_carries_no_interval_and_the_subscription_of_its_purchase() {
    let relay = with_a_purchase().await;
    relay.receive(&refund(30, "in_1", 300, Some(0))).await;
    let told = relay.told().await;
    assert_eq!(told[0].at("/context/subscription"), json!({ "id": "sub_1", "invoiceId": "in_1" }));
    assert_eq!(told[0].at("/context/subscription/interval"), Value::Null);
}

#[tokio::test]
async fn of_one_payment_for_two_invoices_the_refund_goes_to_the_first_by_its_id_whichever_link_came_first() {
    let link = |second, invoice: &str| {
        let mut link = invoice_payment(second, invoice);
        link["data"]["object"]["payment"]["payment_intent"] = json!("pi_both");
        link
    };
    let links = [link(22, "in_1"), link(23, "in_2")];
    for order in [[0, 1], [1, 0]] {
        let relay = Relay::new();
        relay.receive(&event("customer.created", 0, customer(referred()))).await;
        for (second, invoice) in [(20, "in_1"), (21, "in_2")] {
            relay.receive(&event("invoice.paid", second, basil_invoice(invoice, second, 1000, 30))).await;
        }
        for place in order {
            relay.receive(&links[place]).await;
        }
        relay.told().await;
        relay.receive(&refund(30, "both", 400, Some(0))).await;
        let told = relay.told().await;
        assert_eq!((told.len(), told[0].at("/context/subscription/invoiceId")), (1, json!("in_1")), "{order:?}");
        assert!(relay.warnings("evt_charge.refunded_30").await.is_empty());
        relay.receive(&refund(40, "both", 2000, Some(400))).await;
        assert_eq!(relay.warnings("evt_charge.refunded_40").await, ["refund_over_purchase"], "it was of both");
    }
}

/// A refund that names nobody.
fn anonymous(second: i64, invoice: &str, total: i64) -> Value {
    let mut refund = refund(second, invoice, total, Some(0));
    refund["data"]["object"]["customer"] = Value::Null;
    refund
}

#[tokio::test]
async fn a_refund_that_names_no_customer_is_of_whose_subscription_was_paid() {
    let history = [
        event("customer.created", 0, customer(referred())),
        event("customer.subscription.created", 10, subscription("active", monthly("price_m", 1000), 1)),
        event("invoice.paid", 20, basil_invoice("in_1", 20, 1000, 30)),
        invoice_payment(22, "in_1"),
        anonymous(30, "in_1", 400),
    ];
    let expected =
        ["signup:usr_1", "subscription-created:stripe:sub_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:400"];
    play_in_every_order(&history, &expected, &[]).await;
}

#[tokio::test]
async fn a_refund_that_names_no_customer_waits_three_days_for_a_purchase() {
    let relay = with_a_purchase().await;
    relay.receive(&anonymous(30, "in_9", 400)).await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_unseen");
    relay.pass(jiff::SignedDuration::from_hours(3 * 24));
    relay.settle().await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "no_customer");
}

#[tokio::test]
async fn a_refund_of_a_guests_sale_is_nobodys() {
    let relay = Relay::new();
    let session = json!({
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 500, "currency": "eur",
        "payment_intent": "pi_sale",
    });
    relay.receive(&anonymous(30, "sale", 400)).await;
    relay.receive(&event("checkout.session.completed", 10, session)).await;
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "purchase_not_reported");
}

#[tokio::test]
async fn a_refund_that_names_no_customer_is_told_once_the_invoice_it_names_arrives_however_late() {
    let relay = with_a_purchase().await;
    let mut named = anonymous(30, "in_9", 400);
    named["data"]["object"]["invoice"] = json!("in_9");
    relay.receive(&named).await;
    relay.pass(jiff::SignedDuration::from_hours(3 * 24));
    relay.settle().await;
    let given_up = relay.decision("evt_charge.refunded_30").await;
    assert_eq!(given_up.reason.as_deref(), Some("no_customer"));
    assert_eq!(given_up.waits_for.as_deref(), Some("purchase:stripe:in_9"));
    relay.receive(&event("invoice.paid", 21, old_invoice("in_9", 21, 1000))).await;
    let keys = relay.told_keys().await;
    assert_eq!(keys, ["purchase:stripe:in_9", "refund:stripe:ch_in_9:400"]);
}

#[tokio::test]
async fn a_refund_that_names_somebody_who_was_not_referred_follows_a_purchase_that_comes_later() {
    let relay = Relay::new();
    let mut stranger = customer(json!({}));
    stranger["id"] = json!("cus_2");
    let mut named = refund(30, "in_1", 300, Some(0));
    named["data"]["object"]["customer"] = json!("cus_2");
    for webhook in [event("customer.created", 0, customer(referred())), event("customer.created", 1, stranger), named] {
        relay.receive(&webhook).await;
    }
    assert_eq!(relay.reason("evt_charge.refunded_30").await, "not_referred");
    relay.receive(&event("invoice.paid", 20, old_invoice("in_1", 20, 1000))).await;
    let expected = ["signup:usr_1", "purchase:stripe:in_1", "refund:stripe:ch_in_1:300"];
    assert_eq!(relay.told_keys().await, expected);
}
