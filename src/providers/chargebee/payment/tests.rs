use serde_json::json;

use super::*;
use crate::facts::Detail;
use crate::interval::Period;
use crate::providers::testing::{AT, Says, chargebee};

/// 11.90, tax included, for a month.
fn invoice() -> Value {
    json!({
        "id": "inv_1", "subscription_id": "sub_1", "recurring": true, "status": "paid", "currency_code": "EUR",
        "amount_paid": 1190, "total": 1190, "tax": 190, "line_items": [line("plan_item_price", "plan-m", "sub_1", 1000, 31)],
    })
}

fn line(kind: &str, entity: &str, subscription: &str, amount: i64, days: i64) -> Value {
    json!({
        "entity_type": kind, "entity_id": entity, "subscription_id": subscription, "amount": amount,
        "date_from": AT, "date_to": AT + days * 86_400,
    })
}

fn changed(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn paid(of_invoice: Value) -> Reading {
    paid_by(of_invoice, json!({}))
}

fn paid_by(of_invoice: Value, of_transaction: Value) -> Reading {
    let transaction = changed(json!({ "id": "txn_1", "type": "payment", "status": "success" }), of_transaction);
    let content = json!({
        "customer": { "id": "cus_1" }, "invoice": changed(invoice(), of_invoice), "transaction": transaction,
    });
    chargebee("payment_succeeded", content)
}

fn refunded(transaction: Value, content: Value) -> Reading {
    let transaction = changed(
        json!({ "id": "txn_9", "type": "refund", "status": "success", "amount": 500, "currency_code": "EUR" }),
        transaction,
    );
    chargebee(
        "payment_refunded",
        changed(json!({ "customer": { "id": "cus_1" }, "transaction": transaction }), content),
    )
}

#[test]
fn net_is_the_share_of_the_money_that_is_no_tax() {
    for (changes, net) in [
        (json!({}), 1000),
        (json!({ "amount_paid": 595, "credits_applied": [{ "applied_amount": 595 }] }), 500),
        (json!({ "tax": null }), 1190),
        (json!({ "amount_paid": 1 }), 1),
        (json!({ "amount_paid": 0, "total": 0, "tax": 0 }), 0),
    ] {
        assert_eq!(paid(changes.clone()).invoice().amount_paid_net, net, "{changes}");
    }
}

#[test]
fn only_a_payment_that_succeeded_is_one() {
    for transaction in [
        json!({ "type": "authorization" }),
        json!({ "type": "payment_reversal" }),
        json!({ "status": "in_progress" }),
        json!({ "status": "late_failure" }),
        json!({ "status": "a_word_of_tomorrow" }),
    ] {
        assert_eq!(paid_by(json!({}), transaction.clone()).reason(), "not_successful", "{transaction}");
    }
    for status in ["posted", "payment_due", "not_paid", "voided", "pending"] {
        assert_eq!(paid(json!({ "status": status })).reason(), "not_fully_paid", "{status}");
    }
    assert_eq!(paid_by(json!({}), json!({ "linked_invoices": [] })).reason(), "money_on_account");
}

#[test]
fn each_invoice_the_payment_completes_is_a_purchase_and_those_partly_paid_are_not() {
    let link = |id: &str, status: &str, amount: i64| json!({ "invoice_id": id, "invoice_status": status, "applied_amount": amount });
    let links = json!([
        link("inv_1", "paid", 1190),
        link("inv_2", "paid", 300),
        link("inv_3", "payment_due", 20),
        link("inv_4", "paid", 7),
    ]);
    let told = |of_invoice: Value| -> Vec<(String, i64, Billing)> {
        let reading = paid_by(of_invoice, json!({ "linked_invoices": links }));
        let facts = reading.facts.into_iter().map(|fact| match fact.detail {
            Detail::InvoicePaid(invoice) => (invoice.id, invoice.amount_paid, invoice.billing),
            other => panic!("{other:?}"),
        });
        facts.collect()
    };
    let month = Billing::Stretch(Some(Interval::Monthly));
    let others = [("inv_2".to_owned(), 300, Billing::Stretch(None)), ("inv_4".to_owned(), 7, Billing::Stretch(None))];
    assert_eq!(told(json!({})), [vec![("inv_1".to_owned(), 1190, month)], others.to_vec()].concat());
    assert_eq!(told(json!({ "status": "payment_due" })), others);
}

#[test]
fn it_happened_when_the_invoice_was_paid_else_at_the_transaction_else_at_the_event() {
    let at = |reading: Reading| reading.only_fact().at.as_second() - AT;
    assert_eq!(at(paid_by(json!({ "paid_at": AT - 30 }), json!({ "date": AT - 20 }))), -30);
    assert_eq!(at(paid_by(json!({}), json!({ "date": AT - 20 }))), -20);
    assert_eq!(at(paid(json!({}))), 0);
}

#[test]
fn a_stretch_has_the_word_for_its_days_across_summer_time_and_with_either_end() {
    let stretch = |seconds: i64| {
        let line = json!({ "entity_type": "plan", "entity_id": "p", "date_from": AT, "date_to": AT + seconds });
        paid(json!({ "line_items": [line] })).invoice().billing
    };
    let (hour, day) = (3600, 86_400);
    for (seconds, word) in [
        (7 * day, Interval::Weekly),
        (7 * day - 1, Interval::Weekly),
        (14 * day, Interval::BiWeekly),
        (28 * day, Interval::Monthly),
        (31 * day - 1, Interval::Monthly),
        // A month with the night that is an hour shorter, or longer.
        (31 * day - hour - 1, Interval::Monthly),
        (31 * day + hour, Interval::Monthly),
        (90 * day, Interval::Quarterly),
        (184 * day - 1, Interval::SemiAnnual),
        (364 * day, Interval::Yearly),
        (365 * day - 1, Interval::Yearly),
        (731 * day, Interval::Biennial),
        (1096 * day - 1, Interval::Triennial),
    ] {
        assert_eq!(stretch(seconds), Billing::Stretch(Some(word)), "{seconds} s");
    }
    for prorated in [0, 12 * day, 20 * day, 60 * day, 200 * day] {
        assert_eq!(stretch(prorated), Billing::Stretch(None), "{prorated} s");
    }
}

#[test]
fn a_subscription_in_the_body_speaks_only_for_its_own_invoice() {
    let yearly = |id: &str| {
        json!({
            "id": id, "status": "active", "billing_period": 1, "billing_period_unit": "year",
            "subscription_items": [{ "item_type": "plan", "item_price_id": "plan-y", "quantity": 5 }],
        })
    };
    let read = |id: &str, of_invoice: Value| {
        let content = json!({
            "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "subscription": yearly(id),
            "invoice": changed(invoice(), of_invoice),
        });
        chargebee("payment_succeeded", content).invoice().clone()
    };
    let own = read("sub_1", json!({}));
    assert_eq!((own.billing, own.plan.period, own.seats), (Billing::Recurring, Period::parse("year", 1), Some(5)));
    let other = read("sub_2", json!({}));
    assert_eq!((other.billing, other.seats), (Billing::Stretch(Some(Interval::Monthly)), None));
    assert_eq!(other.plan.price_id.as_deref(), Some("plan-m"));
    let one_off = read("sub_1", json!({ "recurring": false }));
    assert_eq!((one_off.billing, one_off.seats), (Billing::OneTime, None));
}

#[test]
fn an_invoice_for_several_subscriptions_is_told_by_its_largest_plan() {
    let lines = |days| {
        json!([
            line("addon_item_price", "addon", "sub_1", 9000, 31),
            line("plan_item_price", "plan-m", "sub_1", 1000, 31),
            line("plan_item_price", "plan-q", "sub_2", 3000, days),
            line("charge_item_price", "setup", "sub_2", 99_000, 0),
        ])
    };
    let mixed = paid(json!({ "subscription_id": null, "line_items": lines(91) }));
    let invoice = mixed.invoice();
    assert_eq!(invoice.subscription.as_deref(), Some("sub_2"));
    assert_eq!(invoice.plan.price_id.as_deref(), Some("plan-q"));
    assert_eq!(invoice.billing, Billing::Stretch(Some(Interval::Quarterly)));
    assert_eq!(mixed.warnings(), ["interval_mixed"]);
    let alike = paid(json!({ "subscription_id": null, "line_items": lines(30) }));
    assert_eq!(alike.warnings(), [""; 0], "31 and 30 days are both a month");
}

#[test]
fn a_one_off_invoice_is_named_by_its_largest_line() {
    let lines = json!([line("adhoc", "small", "", 10, 0), line("charge_item_price", "large", "", 20, 0)]);
    let reading = paid(json!({ "recurring": false, "line_items": lines }));
    assert_eq!(reading.invoice().plan.price_id.as_deref(), Some("large"));
    let bare = paid(json!({ "recurring": false, "line_items": [{ "entity_type": "adhoc", "amount": 5 }] }));
    assert_eq!(bare.invoice().plan.price_id.as_deref(), Some("adhoc"));
}

#[test]
fn a_refund_names_its_invoice_in_one_of_three_places() {
    let linked = json!({ "linked_credit_notes": [{ "applied_amount": 500, "cn_reference_invoice_id": "inv_1" }] });
    let noted = json!({ "credit_note": { "reference_invoice_id": "inv_2" }, "invoice": { "id": "inv_3" } });
    let invoice_of = |transaction: Value, content: Value| refunded(transaction, content).refund().invoice.clone();
    assert_eq!(invoice_of(linked, noted.clone()).as_deref(), Some("inv_1"));
    assert_eq!(invoice_of(json!({}), noted).as_deref(), Some("inv_2"));
    assert_eq!(invoice_of(json!({}), json!({ "invoice": { "id": "inv_3" } })).as_deref(), Some("inv_3"));
    assert_eq!(invoice_of(json!({}), json!({})), None);
}

#[test]
fn a_refund_of_several_invoices_is_one_for_each_with_its_own_part() {
    let note = |invoice: &str, amount: i64| json!({ "applied_amount": amount, "cn_reference_invoice_id": invoice });
    let notes = json!([note("inv_1", 200), note("inv_2", 250), note("inv_1", 50)]);
    let reading = refunded(json!({ "linked_credit_notes": notes }), json!({}));
    let refunds: Vec<(&str, Option<i64>)> = reading
        .facts
        .iter()
        .map(|fact| match &fact.detail {
            Detail::PaymentRefunded(refund) => (refund.id.as_str(), refund.amount),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(refunds, [("txn_9:inv_1", Some(250)), ("txn_9:inv_2", Some(250))]);

    // Two notes of one invoice are one refund: the whole transaction.
    let one = refunded(json!({ "linked_credit_notes": [note("inv_1", 200), note("inv_1", 250)] }), json!({}));
    assert_eq!((one.refund().id.as_str(), one.refund().amount), ("txn_9", Some(500)));
}

#[test]
fn only_a_refund_that_succeeded_is_one() {
    for transaction in [json!({ "status": "in_progress" }), json!({ "type": "payment" })] {
        assert_eq!(refunded(transaction, json!({})).reason(), "not_successful");
    }
    assert_eq!(chargebee("refund_initiated", json!({})).reason(), "reported_elsewhere");
}

#[test]
fn an_invoice_without_a_currency_has_that_of_its_payment() {
    let reading = paid_by(json!({ "currency_code": null }), json!({ "currency_code": "GBP" }));
    assert_eq!(reading.invoice().currency.as_ref().unwrap().as_str(), "GBP");
}
