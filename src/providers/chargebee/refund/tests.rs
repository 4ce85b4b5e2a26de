//! Refunds of Chargebee: of which invoice each is, of how much, and under which key.

use serde_json::json;

use super::*;
use crate::facts::Detail;
use crate::providers::chargebee::testing::{changed, no_numbers, not_understood, try_chargebee};
use crate::providers::testing::{Says, chargebee};

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
    // It may never succeed, so nothing is promised.
    assert_eq!(chargebee("refund_initiated", json!({})).reason(), "not_of_interest");
}

#[test]
fn credit_notes_in_any_order_and_told_twice_have_the_same_keys() {
    let note = |invoice: &str, amount: i64| json!({ "applied_amount": amount, "cn_reference_invoice_id": invoice });
    let ids = |notes: [Value; 2]| -> Vec<String> {
        let reading = refunded(json!({ "linked_credit_notes": notes }), json!({}));
        reading.facts.iter().flat_map(|fact| fact.detail.mentions().into_iter().take(1)).collect()
    };
    let both = [note("inv_1", 200), note("inv_2", 300)];
    assert_eq!(ids(both.clone()), ["txn_9:inv_1", "txn_9:inv_2"]);
    let [first, second] = both;
    assert_eq!(ids([second, first]), ["txn_9:inv_1", "txn_9:inv_2"]);
}

#[test]
fn what_is_paid_out_of_a_credit_note_of_no_invoice_gives_back_no_purchase() {
    let notes = json!([{ "applied_amount": 200, "cn_reference_invoice_id": "inv_1" }, { "applied_amount": 300 }]);
    let reading = refunded(json!({ "linked_credit_notes": notes }), json!({}));
    assert_eq!((reading.refund().invoice.as_deref(), reading.refund().amount), (Some("inv_1"), Some(200)));
    // The credit note in the body tells what the link leaves out.
    let links = json!([{ "cn_id": "CN-1", "applied_amount": 500 }]);
    let note = json!({ "credit_note": { "id": "CN-1", "reference_invoice_id": "inv_2" } });
    let named = refunded(json!({ "linked_credit_notes": links }), note);
    assert_eq!((named.refund().invoice.as_deref(), named.refund().amount), (Some("inv_2"), Some(500)));
}

#[test]
fn a_credit_note_tells_nothing_of_another_one() {
    for (link, note) in [
        (json!({ "cn_id": "CN-1" }), json!({ "id": "CN-2", "reference_invoice_id": "inv_9" })),
        (json!({}), json!({ "reference_invoice_id": "inv_9" })),
    ] {
        let other = changed(link, json!({ "applied_amount": 300 }));
        let links = json!([{ "applied_amount": 200, "cn_reference_invoice_id": "inv_1" }, other]);
        let reading = refunded(json!({ "linked_credit_notes": links }), json!({ "credit_note": note }));
        assert_eq!((reading.refund().invoice.as_deref(), reading.refund().amount), (Some("inv_1"), Some(200)));
    }
}

#[test]
fn amounts_beyond_64_bits_stay_where_they_are() {
    let note = |invoice: &str| json!({ "applied_amount": i64::MAX, "cn_reference_invoice_id": invoice });
    let reading = refunded(json!({ "linked_credit_notes": [note("a"), note("a"), note("b")] }), json!({}));
    let Detail::PaymentRefunded(refund) = &reading.facts[0].detail else { panic!() };
    assert_eq!(refund.amount, Some(i64::MAX));
}

#[test]
fn each_part_has_the_subscription_and_the_customer_of_its_own_invoice() {
    let note = |invoice: &str| json!({ "applied_amount": 250, "cn_reference_invoice_id": invoice });
    let read = |payer: &str| {
        let content = json!({
            "customer": { "id": payer },
            "invoice": { "id": "inv_1", "customer_id": "cus_1", "subscription_id": "sub_1" },
            "credit_note": { "reference_invoice_id": "inv_2", "customer_id": "cus_2", "subscription_id": "sub_2" },
            "subscription": { "id": "sub_1" },
        });
        let notes = [note("inv_1"), note("inv_2"), note("inv_3")];
        let facts = refunded(json!({ "linked_credit_notes": notes }), content).facts.into_iter();
        let facts = facts.map(|fact| match fact.detail {
            Detail::PaymentRefunded(refund) => (fact.customer, refund.subscription),
            other => panic!("{other:?}"),
        });
        facts.collect::<Vec<_>>()
    };
    let of = |customer: &str, subscription: &str| (Some(customer.to_owned()), Some(subscription.to_owned()));
    let known = [of("cus_1", "sub_1"), of("cus_2", "sub_2")];
    assert_eq!(read("cus_1"), [known.to_vec(), vec![(Some("cus_1".to_owned()), None)]].concat());
    // Whose the third is nobody tells, since the customer in the body pays for another.
    assert_eq!(read("cus_parent"), [known.to_vec(), vec![(None, None)]].concat());
}

#[test]
fn a_refund_without_a_currency_has_that_of_its_credit_note_else_of_its_invoice() {
    let currency = |content: Value| refunded(json!({ "currency_code": null }), content).refund().currency.clone();
    let (note, invoice) = (json!({ "currency_code": "GBP" }), json!({ "currency_code": "EUR" }));
    assert_eq!(currency(json!({ "credit_note": note, "invoice": invoice })).unwrap().as_str(), "GBP");
    assert_eq!(currency(json!({ "invoice": invoice })).unwrap().as_str(), "EUR");
    assert_eq!(currency(json!({ "invoice": { "base_currency_code": "USD" } })), None);
}

#[test]
fn an_invoice_that_only_stands_beside_a_refund_of_a_payment_is_not_taken_for_the_refunded_one() {
    let beside = json!({ "invoice": { "id": "inv_3", "customer_id": "cus_3", "subscription_id": "sub_3" } });
    let of_payment = refunded(json!({ "refunded_txn_id": "txn_1" }), beside.clone());
    assert_eq!(of_payment.refund().invoice, None, "the payment decides which report carried it");
    assert_eq!(
        (of_payment.refund().payments.as_slice(), &of_payment.refund().subscription),
        (&["txn_1".to_owned()][..], &None)
    );
    for links in [json!([]), json!([{ "cn_id": "CN-9", "applied_amount": 500 }])] {
        let of_payment = refunded(json!({ "refunded_txn_id": "txn_1", "linked_credit_notes": links }), beside.clone());
        assert_eq!((&of_payment.refund().invoice, of_payment.refund().amount), (&None, Some(500)));
    }
    let noted = changed(beside, json!({ "credit_note": { "reference_invoice_id": "inv_2" } }));
    let of_note = refunded(json!({ "refunded_txn_id": "txn_1" }), noted);
    assert_eq!(of_note.refund().invoice.as_deref(), Some("inv_2"), "a credit note names its invoice all the same");
    assert_eq!(refunded(json!({}), json!({})).refund().payments, [""; 0]);
}

#[test]
fn a_refund_that_names_no_customer_is_a_refund_all_the_same() {
    let of = |transaction: Value, content: Value| {
        let reading = refunded(transaction, changed(json!({ "customer": null }), content));
        assert_eq!(reading.refund().amount, Some(500));
        reading.only_fact().customer.clone()
    };
    assert_eq!(of(json!({}), json!({})), None);
    assert_eq!(of(json!({ "customer_id": "cus_1" }), json!({})).as_deref(), Some("cus_1"));
    let invoice = json!({ "invoice": { "id": "inv_1", "customer_id": "cus_child" } });
    assert_eq!(of(json!({}), invoice.clone()).as_deref(), Some("cus_child"), "its invoice names one");
    // Of another invoice than the one in the body only the payer is known.
    let links = json!([{ "applied_amount": 500, "cn_reference_invoice_id": "inv_2" }]);
    assert_eq!(of(json!({ "customer_id": "cus_1", "linked_credit_notes": links }), invoice), None);
}

#[test]
fn a_refund_whose_amount_or_currency_is_not_understood_is_unreadable() {
    let content = |transaction: Value| {
        let transaction = changed(json!({ "id": "txn_9", "type": "refund", "amount": 500 }), transaction);
        json!({ "customer": { "id": "cus_1" }, "transaction": transaction })
    };
    let note = |invoice: &str, amount: Value| json!({ "applied_amount": amount, "cn_reference_invoice_id": invoice });
    for wrong in no_numbers() {
        let field = not_understood("payment_refunded", content(json!({ "amount": wrong })));
        assert_eq!(field, "content.transaction.amount");
        let parts = json!({ "linked_credit_notes": [note("inv_1", json!(200)), note("inv_2", wrong.clone())] });
        let field = not_understood("payment_refunded", content(parts));
        assert_eq!(field, "content.transaction.linked_credit_notes.applied_amount");
        // Of one invoice all is, whatever its credit note says.
        let whole = refunded(json!({ "linked_credit_notes": [note("inv_1", wrong)] }), json!({}));
        assert_eq!(whole.refund().amount, Some(500));
    }
    let currency = content(json!({ "currency_code": "euro" }));
    assert_eq!(not_understood("payment_refunded", currency), "content.transaction.currency_code");
}

#[test]
fn a_part_of_a_refund_without_an_amount_is_not_a_refund_of_nothing() {
    let notes = json!([
        { "applied_amount": 200, "cn_reference_invoice_id": "inv_1" }, { "cn_reference_invoice_id": "inv_2" },
    ]);
    let transaction = json!({ "id": "txn_9", "type": "refund", "amount": 500, "linked_credit_notes": notes });
    let content = json!({ "customer": { "id": "cus_1" }, "transaction": transaction });
    let problem = try_chargebee("payment_refunded", content).unwrap_err().problem.to_string();
    assert!(problem.contains("`content.transaction.linked_credit_notes.applied_amount`"), "{problem}");
}
