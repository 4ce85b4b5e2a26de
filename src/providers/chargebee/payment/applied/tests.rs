//! Which payments a purchase names, and what a payment teaches.

use serde_json::json;

use super::*;
use crate::facts::{Detail, Reading};
use crate::providers::chargebee::testing::{changed, no_numbers, try_chargebee};
use crate::providers::testing::{Says, chargebee};

fn content(of_invoice: Value, of_transaction: Value) -> Value {
    let invoice = json!({ "id": "inv_1", "status": "paid", "currency_code": "EUR", "amount_paid": 900, "total": 900 });
    let transaction = json!({ "id": "txn_1", "type": "payment", "status": "success", "amount": 700 });
    json!({
        "customer": { "id": "cus_1" }, "invoice": changed(invoice, of_invoice),
        "transaction": changed(transaction, of_transaction),
    })
}

fn read(of_invoice: Value, of_transaction: Value) -> Reading {
    chargebee("payment_succeeded", content(of_invoice, of_transaction))
}

fn listed(payment: &str, amount: i64, total: Value) -> Value {
    json!({ "txn_id": payment, "txn_status": "success", "applied_amount": amount, "txn_amount": total })
}

fn link(invoice: &str, status: &str, amount: Value) -> Value {
    json!({ "invoice_id": invoice, "invoice_status": status, "applied_amount": amount })
}

fn applied(payment: &str, amount: Option<i64>, total: Option<i64>) -> Applied {
    Applied { payment: payment.into(), amount, total }
}

#[test]
fn a_purchase_names_the_payments_that_succeeded_with_what_the_invoice_took_of_each() {
    let failed = json!({ "txn_id": "txn_9", "txn_status": "failure", "applied_amount": 900 });
    let payments = json!([listed("txn_0", 200, json!(5000)), failed, listed("txn_1", 700, Value::Null)]);
    let reading = read(json!({ "linked_payments": payments }), json!({}));
    let expected = [applied("txn_0", Some(200), Some(5000)), applied("txn_1", Some(700), Some(700))];
    assert_eq!(reading.invoice().payments, expected, "its own total is that of the transaction");
    let steps = json!([listed("txn_1", 300, json!(700)), listed("txn_1", 400, json!(700))]);
    let reading = read(json!({ "linked_payments": steps }), json!({}));
    assert_eq!(reading.invoice().payments, [applied("txn_1", Some(700), Some(700))]);
    let untold = read(
        json!({ "linked_payments": [listed("txn_1", 700, json!(1)), listed("txn_0", 5, Value::Null)] }),
        json!({}),
    );
    assert_eq!(untold.invoice().payments, [applied("txn_1", Some(700), Some(1)), applied("txn_0", Some(5), None)]);
}

#[test]
fn the_payment_of_this_webhook_is_named_where_the_invoice_does_not_list_it() {
    let payments = |listed: Value, of_transaction: Value| {
        read(json!({ "linked_payments": listed }), of_transaction).invoice().payments.clone()
    };
    let links = json!({ "linked_invoices": [
        link("inv_2", "paid", json!(1)), link("inv_1", "paid", json!(250)), link("inv_1", "paid", json!(350)),
    ] });
    let first = |invoice: Value| {
        let reading = read(invoice, links.clone());
        let Detail::InvoicePaid(invoice) = &reading.facts[0].detail else { panic!() };
        invoice.payments.clone()
    };
    assert_eq!(first(json!({ "linked_payments": [] })), [applied("txn_1", Some(600), Some(700))]);
    assert_eq!(first(json!({})), [], "an invoice without a list does not say how it was paid");
    let failed = json!([{ "txn_id": "txn_1", "txn_status": "in_progress", "applied_amount": 5 }]);
    assert_eq!(payments(failed, json!({})), [applied("txn_1", None, Some(700))], "all that was paid");
    let others = json!([listed("txn_0", 200, json!(200))]);
    assert_eq!(
        payments(others, json!({})),
        [applied("txn_0", Some(200), Some(200)), applied("txn_1", Some(700), Some(700))]
    );
    assert_eq!(payments(json!([]), json!({ "amount": null })), [applied("txn_1", None, None)]);
    assert_eq!(payments(json!([]), json!({ "id": null })), []);
}

#[test]
fn a_payment_brought_no_less_than_its_invoices_took() {
    let links = json!([
        link("inv_1", "paid", json!(500)),
        link("inv_2", "paid", json!(400)),
        link("inv_3", "paid", json!("x"))
    ]);
    for (amount, brought) in [(json!(700), Some(900)), (json!(1000), Some(1000)), (Value::Null, None)] {
        let transaction = json!({ "amount": amount, "linked_invoices": links });
        assert_eq!(super::brought(&transaction).unwrap(), brought, "{amount}");
    }
}

#[test]
fn an_invoice_that_is_only_named_was_settled_by_this_payment() {
    let links = [link("inv_2", "paid", json!(300)), link("inv_2", "paid", json!(50))];
    let due = json!({ "status": "payment_due" });
    let reading = read(due.clone(), json!({ "linked_invoices": links }));
    assert_eq!(reading.invoice().payments, [applied("txn_1", Some(350), Some(700))]);
    let nameless = read(due, json!({ "linked_invoices": links, "id": null }));
    assert_eq!((nameless.invoice().amount_paid, nameless.invoice().payments.len()), (350, 0));
}

#[test]
fn an_invoice_that_is_named_without_an_amount_has_no_price() {
    let linked = |amounts: [Value; 2]| {
        let links = amounts.map(|amount| link("inv_2", "paid", amount));
        let links = json!([link("inv_3", "paid", json!(5)), links[0], links[1]]);
        let facts = read(json!({ "status": "payment_due" }), json!({ "linked_invoices": links })).facts;
        facts.len()
    };
    assert_eq!(linked([Value::Null, Value::Null]), 1);
    assert_eq!(linked([json!(300), Value::Null]), 2);
    assert_eq!(linked([Value::Null, json!(300)]), 2);
}

/// The payment and the links that an event teaches, as text.
fn taught(learned: &[Learned]) -> Vec<String> {
    let shown = |amount: Option<i64>| amount.map_or_else(|| "all".to_owned(), |amount| amount.to_string());
    let learned = learned.iter().filter_map(|learned| match learned {
        Learned::Payment(payment) => {
            assert_eq!(payment.session, None);
            Some(format!("{} {}", payment.id, shown(payment.amount)))
        }
        Learned::Link(link) => {
            assert_eq!(link.charge_of, None);
            Some(format!("{}->{} {}", link.payment, link.invoice, shown(link.amount)))
        }
        _ => None,
    });
    learned.collect()
}

#[test]
fn every_payment_that_succeeded_teaches_what_it_brought_and_which_invoices_took_it() {
    let links = json!({ "linked_invoices": [
        link("inv_2", "payment_due", json!(100)), link("inv_1", "paid", json!(250)), link("inv_1", "paid", json!(350)),
    ] });
    let failed = json!({ "txn_id": "txn_9", "txn_status": "failure", "applied_amount": 900 });
    let payments = json!({ "linked_payments": [
        listed("txn_0", 100, json!(400)), listed("txn_0", 200, json!(400)), failed, listed("txn_1", 1, json!(700)),
    ] });
    let all = ["txn_1 700", "txn_1->inv_2 100", "txn_1->inv_1 600", "txn_0->inv_1 300"];
    for status in ["paid", "payment_due"] {
        let of_invoice = changed(payments.clone(), json!({ "status": status }));
        assert_eq!(taught(&read(of_invoice, links.clone()).learned), all, "{status}");
    }
    let on_account = read(json!({}), json!({ "linked_invoices": [] }));
    assert_eq!((on_account.reason(), taught(&on_account.learned)), ("money_on_account", vec!["txn_1 700".to_owned()]));
    let without_amount = json!({ "amount": null, "linked_invoices": [link("inv_1", "paid", Value::Null)] });
    assert_eq!(taught(&read(json!({}), without_amount).learned), ["txn_1 all", "txn_1->inv_1 all"]);
    let nobodys = changed(content(json!({}), links), json!({ "customer": null }));
    let nobodys = chargebee("payment_succeeded", nobodys);
    assert_eq!((nobodys.reason(), nobodys.learned.len()), ("no_customer", 3));
}

#[test]
fn no_other_webhook_teaches_of_a_payment() {
    for transaction in [json!({ "type": "refund" }), json!({ "status": "failure" }), json!({ "id": null })] {
        assert_eq!(taught(&read(json!({ "status": "payment_due" }), transaction).learned), [""; 0]);
    }
    let updated = chargebee("transaction_updated", content(json!({}), json!({})));
    assert_eq!(taught(&updated.learned), [""; 0]);
}

#[test]
fn what_a_payment_teaches_is_kept_where_a_part_of_it_is_not_understood() {
    for wrong in no_numbers() {
        let links = json!({ "linked_invoices": [
            link("inv_1", "paid", json!(5)), link("inv_1", "paid", wrong.clone()), link("inv_2", "paid", json!(100)),
        ] });
        let unreadable = try_chargebee("payment_succeeded", content(json!({}), links.clone())).unwrap_err();
        assert_eq!(unreadable.to_string(), unreadable.problem.to_string());
        assert!(unreadable.to_string().contains("`content.transaction.linked_invoices.applied_amount`"));
        assert_eq!(taught(&unreadable.learned), ["txn_1 700", "txn_1->inv_2 100"]);
        let amount = json!({ "amount": wrong, "linked_invoices": [link("inv_1", "paid", json!(5))] });
        let unreadable = try_chargebee("payment_succeeded", content(json!({}), amount)).unwrap_err();
        assert_eq!(taught(&unreadable.learned), ["txn_1 all", "txn_1->inv_1 5"]);
        assert!(matches!(unreadable.learned[0], Learned::Customer(_)), "the customer as well");
    }
}
