//! Payments of Chargebee: which make a purchase, of whom, of how much and for how long.

use serde_json::json;

use super::*;
use crate::facts::{Detail, Plan};
use crate::interval::{Interval, Period};
use crate::providers::chargebee::testing::{changed, no_numbers, not_understood};
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
fn an_invoice_that_one_payment_is_applied_to_twice_is_one_purchase_of_both_amounts() {
    let link = |amount: i64| json!({ "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": amount });
    let reading = |amounts: [i64; 2]| {
        let reading = paid_by(json!({ "status": "payment_due" }), json!({ "linked_invoices": amounts.map(link) }));
        reading.invoice().amount_paid
    };
    assert_eq!(reading([300, 400]), 700);
    assert_eq!(reading([i64::MAX, 1]), i64::MAX);
}

#[test]
fn an_invoice_of_which_only_a_part_is_known_is_told_with_a_warning() {
    let warnings = |total: Value| {
        let link =
            json!({ "invoice_id": "i", "invoice_status": "paid", "applied_amount": 300, "invoice_total": total });
        let due = json!({ "status": "payment_due" });
        paid_by(due, json!({ "linked_invoices": [link] })).warnings().join(",")
    };
    assert_eq!(warnings(json!(301)), "part_of_invoice");
    for whole in [json!(300), Value::Null] {
        assert_eq!(warnings(whole), "");
    }
}

#[test]
fn a_purchase_is_of_the_customer_whose_invoice_it_is_whoever_pays() {
    let link = |id: &str| json!({ "invoice_id": id, "invoice_status": "paid", "applied_amount": 1190 });
    let read = |of_invoice: Value, mut of_transaction: Value| {
        of_transaction["linked_invoices"] = json!([link("inv_1"), link("inv_2")]);
        let told = paid_by(of_invoice, of_transaction).facts.into_iter();
        let told = told.map(|fact| (fact.customer, fact.warnings.first().map(|warning| warning.code.clone())));
        told.collect::<Vec<_>>()
    };
    let own = (Some("cus_1".to_owned()), None);
    for names in [json!({}), json!({ "customer_id": "cus_1", "payment_owner": "cus_1" })] {
        assert_eq!(read(names, json!({ "customer_id": "cus_1" })), [own.clone(), own.clone()]);
    }
    let warned = Some("paid_by_another".to_owned());
    // The customer in the body, `cus_1`, only pays.
    let childs = (Some("cus_child".to_owned()), warned.clone());
    assert_eq!(read(json!({ "customer_id": "cus_child" }), json!({})), [childs, (None, None)]);
    // The customer in the body has the invoice, and another one pays.
    let parents = [(Some("cus_1".to_owned()), warned), (None, None)];
    let id = json!({ "customer_id": "cus_1" });
    assert_eq!(read(id.clone(), json!({ "customer_id": "cus_parent" })), parents);
    assert_eq!(read(json!({ "customer_id": "cus_1", "payment_owner": "cus_parent" }), id), parents);
}

#[test]
fn money_that_is_not_summed_up_is_that_of_the_payments_that_succeeded() {
    let payment = |status: &str, amount: i64| json!({ "txn_status": status, "applied_amount": amount });
    let payments = json!([payment("success", 600), payment("failure", 600), payment("success", 590)]);
    assert_eq!(paid(json!({ "amount_paid": null, "linked_payments": payments })).invoice().amount_paid, 1190);
    assert_eq!(paid(json!({ "amount_paid": 7, "linked_payments": payments })).invoice().amount_paid, 7);
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
        (7 * day - hour - 1, Interval::Weekly),
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
    for prorated in [0, 12 * day, 13 * day, 15 * day, 20 * day, 28 * day - 2 * hour, 60 * day, 200 * day, i64::MIN] {
        assert_eq!(stretch(prorated), Billing::Stretch(None), "{prorated} s");
    }
}

#[test]
fn a_subscription_in_the_body_speaks_only_for_its_own_invoice_and_for_the_price_it_still_has() {
    let yearly = |id: &str, price: &str| {
        json!({
            "id": id, "status": "active", "billing_period": 1, "billing_period_unit": "year",
            "subscription_items": [{ "item_type": "plan", "item_price_id": price, "quantity": 5 }],
        })
    };
    let read = |id: &str, price: &str, of_invoice: Value| {
        let content = json!({
            "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "subscription": yearly(id, price),
            "invoice": changed(invoice(), of_invoice),
        });
        chargebee("payment_succeeded", content).invoice().clone()
    };
    let own = read("sub_1", "plan-m", json!({}));
    assert_eq!((own.billing, own.plan.period, own.seats), (Billing::Recurring, Period::parse("year", 1), Some(5)));
    for (id, price) in [("sub_2", "plan-m"), ("sub_1", "plan-y")] {
        let other = read(id, price, json!({}));
        assert_eq!((other.billing, other.seats), (Billing::Stretch(Some(Interval::Monthly)), None), "{id} {price}");
        assert_eq!((other.plan.price_id.as_deref(), other.plan.period), (Some("plan-m"), None), "{id} {price}");
    }
    let one_off = read("sub_1", "plan-m", json!({ "recurring": false }));
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
fn the_subscription_in_the_body_speaks_for_an_invoice_of_several_that_are_billed_alike() {
    let read = |body: Value, days: i64| {
        let lines = json!([
            line("plan_item_price", "plan-m", "sub_1", 1000, 31),
            line("plan_item_price", "plan-other", "sub_2", 3000, days),
        ]);
        let subscription = json!({
            "id": body, "status": "active", "billing_period": 1, "billing_period_unit": "month",
            "subscription_items": [{ "item_type": "plan", "item_price_id": "plan-m", "quantity": 5 }],
        });
        let content = json!({
            "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "subscription": subscription,
            "invoice": changed(invoice(), json!({ "subscription_id": null, "line_items": lines })),
        });
        let invoice = chargebee("payment_succeeded", content).invoice().clone();
        (invoice.subscription.unwrap(), invoice.plan.price_id.unwrap(), invoice.seats)
    };
    let (own, largest) = (("sub_1".into(), "plan-m".into(), Some(5)), ("sub_2".into(), "plan-other".into(), None));
    assert_eq!(read(json!("sub_1"), 30), own);
    assert_eq!(read(json!("sub_1"), 365), largest, "billed differently");
    assert_eq!(read(json!("sub_3"), 30), largest, "none of the invoice's");
}

#[test]
fn a_one_off_invoice_that_names_no_subscription_is_the_subscribers() {
    let read = |recurring: bool, named: Value| {
        let of_invoice = json!({
            "recurring": recurring, "subscription_id": named, "line_items": [{ "entity_type": "plan", "amount": 5 }],
        });
        let content = json!({
            "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "subscription": { "id": "sub_7" },
            "invoice": changed(invoice(), of_invoice),
        });
        chargebee("payment_succeeded", content).invoice().subscription.clone()
    };
    assert_eq!(read(false, Value::Null).as_deref(), Some("sub_7"));
    assert_eq!(read(false, json!("sub_1")).as_deref(), Some("sub_1"));
    assert_eq!(read(true, Value::Null), None);
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
fn an_invoice_without_a_currency_has_that_of_its_payment() {
    let reading = paid_by(json!({ "currency_code": null }), json!({ "currency_code": "GBP" }));
    assert_eq!(reading.invoice().currency.as_ref().unwrap().as_str(), "GBP");
    // The site's own currency is no currency of a payment.
    let books = json!({ "currency_code": null, "base_currency_code": "USD", "exchange_rate": 1.2 });
    assert_eq!(paid_by(books.clone(), books).invoice().currency, None);
}

#[test]
fn an_invoice_that_is_only_named_has_the_currency_of_its_payment() {
    let links = json!([{ "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": 5 }]);
    let due = |currency: Value| json!({ "status": "payment_due", "currency_code": currency });
    let currency = |of_invoice: Value, of_transaction: Value| {
        let transaction = json!({ "linked_invoices": links, "currency_code": of_transaction });
        paid_by(of_invoice, transaction).invoice().currency.clone().map(|currency| currency.to_string())
    };
    assert_eq!(currency(due(Value::Null), json!("KWD")).as_deref(), Some("KWD"));
    assert_eq!(currency(due(json!("JPY")), Value::Null).as_deref(), Some("JPY"));
}

#[test]
fn a_recurring_invoice_is_told_by_its_plan_else_by_an_addon_and_by_nothing_else() {
    let of = |lines: Value| paid(json!({ "line_items": lines })).invoice().clone();
    let addon = line("addon_item_price", "addon-m", "sub_1", 100, 31);
    let fee = line("charge_item_price", "fee", "sub_1", 9000, 31);
    let told = of(json!([addon, fee]));
    assert_eq!(told.plan.price_id.as_deref(), Some("addon-m"));
    assert_eq!(told.billing, Billing::Stretch(Some(Interval::Monthly)));
    let of_tomorrow = line("a_kind_of_tomorrow", "entity", "sub_1", 9000, 31);
    let unknown = of(json!([of_tomorrow, fee]));
    assert_eq!((unknown.plan, unknown.billing), (Plan::default(), Billing::Stretch(None)));
}

#[test]
fn a_subscription_that_does_not_say_how_often_it_is_billed_leaves_that_to_the_line() {
    let content = json!({
        "customer": { "id": "cus_1" }, "invoice": invoice(), "subscription": { "id": "sub_1", "status": "active" },
        "transaction": { "id": "txn_1", "type": "payment", "status": "success" },
    });
    let reading = chargebee("payment_succeeded", content);
    assert_eq!(reading.invoice().billing, Billing::Stretch(Some(Interval::Monthly)));
    assert_eq!(reading.invoice().plan.price_id.as_deref(), Some("plan-m"));
}

#[test]
fn a_line_recurs_where_its_invoice_does_and_it_is_of_a_plan_or_an_addon() {
    let of = |recurring: bool| -> Vec<bool> {
        let kinds = ["plan_item_price", "addon", "charge_item_price", "adhoc"];
        let lines = kinds.map(|kind| line(kind, "entity", "sub_1", 100, 31));
        let reading = paid(json!({ "recurring": recurring, "line_items": lines }));
        reading.invoice().lines.iter().map(|line| line.recurring).collect()
    };
    assert_eq!(of(true), [true, true, false, false]);
    assert_eq!(of(false), [false; 4]);
}

#[test]
fn a_part_payment_leaves_a_decision_on_each_invoice_that_it_does_not_complete() {
    let parts = |of_invoice: Value, linked: Value| {
        let reading = paid_by(of_invoice, json!({ "linked_invoices": linked }));
        let parts = reading.nothing.into_iter().map(|nothing| (nothing.reason.as_str(), nothing.part_of));
        (reading.facts.len(), parts.collect::<Vec<_>>())
    };
    let part = |invoice: &str| ("not_fully_paid", Some(invoice.to_owned()));
    let due = |changes: Value| changed(json!({ "status": "payment_due" }), changes);
    let link = |id: Value, status: &str| json!({ "invoice_id": id, "invoice_status": status, "applied_amount": 5 });
    let links = json!([link(json!("inv_2"), "payment_due"), link(json!("inv_1"), "payment_due")]);
    assert_eq!(parts(due(json!({})), links.clone()), (0, vec![part("inv_1"), part("inv_2")]));
    assert_eq!(parts(due(json!({ "id": null })), links.clone()), (0, vec![part("inv_2"), part("inv_1")]));
    let unnamed = json!([link(Value::Null, "payment_due")]);
    assert_eq!(parts(due(json!({ "id": null })), unnamed), (0, vec![("not_fully_paid", None)]));
    assert_eq!(parts(json!({}), links), (1, vec![part("inv_2")]), "the body says that its invoice is paid");
    let both = json!([link(json!("inv_1"), "payment_due"), link(json!("inv_2"), "paid")]);
    assert_eq!(parts(due(json!({})), both), (1, vec![part("inv_1")]));
    assert_eq!(parts(json!({}), json!([])), (0, vec![("money_on_account", None)]));
}

#[test]
fn a_number_time_or_currency_that_a_purchase_rests_on_is_never_guessed() {
    let content = |of_invoice: Value, of_line: Value, of_transaction: Value| {
        let line = changed(line("plan_item_price", "plan-m", "sub_1", 1000, 31), of_line);
        let invoice = changed(changed(invoice(), json!({ "line_items": [line] })), of_invoice);
        let transaction = changed(json!({ "id": "txn_1", "amount": 1190 }), of_transaction);
        json!({ "customer": { "id": "cus_1" }, "invoice": invoice, "transaction": transaction })
    };
    let refused = |content: Value| not_understood("payment_succeeded", content);
    for wrong in no_numbers() {
        for key in ["amount_paid", "total", "tax", "paid_at"] {
            assert_eq!(refused(content(json!({ key: wrong }), json!({}), json!({}))), format!("content.invoice.{key}"));
        }
        for key in ["amount", "quantity", "date_from", "date_to"] {
            let field = refused(content(json!({}), json!({ key: wrong }), json!({})));
            assert_eq!(field, format!("content.invoice.line_items.{key}"));
        }
        for key in ["amount", "date"] {
            let field = refused(content(json!({}), json!({}), json!({ key: wrong })));
            assert_eq!(field, format!("content.transaction.{key}"));
        }
        let payment = json!({ "txn_id": "txn_1", "txn_status": "success", "applied_amount": wrong });
        let listed = content(json!({ "linked_payments": [payment] }), json!({}), json!({}));
        assert_eq!(refused(listed), "content.invoice.linked_payments.applied_amount");
        for key in ["applied_amount", "invoice_total"] {
            let link = json!({ "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": 5 });
            let linked = json!({ "linked_invoices": [changed(link, json!({ key: wrong }))] });
            let field = refused(content(json!({ "status": "payment_due" }), json!({}), linked));
            assert_eq!(field, format!("content.transaction.linked_invoices.{key}"));
        }
        let old =
            json!({ "amount_paid": null, "linked_payments": [{ "txn_status": "success", "applied_amount": wrong }] });
        assert_eq!(refused(content(old, json!({}), json!({}))), "content.invoice.linked_payments.applied_amount");
    }
    let currency = json!({ "currency_code": "euro" });
    assert_eq!(refused(content(currency.clone(), json!({}), json!({}))), "content.invoice.currency_code");
    let links = json!([{ "invoice_id": "inv_2", "invoice_status": "paid", "applied_amount": 5 }]);
    let linked = json!({ "linked_invoices": links, "currency_code": "euro" });
    let field = refused(content(json!({ "status": "payment_due" }), json!({}), linked));
    assert_eq!(field, "content.transaction.currency_code");
}

#[test]
fn what_a_purchase_does_not_use_may_be_anything() {
    for wrong in no_numbers() {
        let unused = json!({
            "amount_due": wrong, "credits_applied": wrong, "issued_credit_notes": [{ "cn_total": wrong }],
            "linked_payments": [{ "txn_id": "txn_0", "txn_status": "failure", "applied_amount": wrong }],
        });
        let due = json!({ "invoice_id": "inv_2", "invoice_status": "payment_due", "applied_amount": wrong });
        let transaction = json!({ "linked_invoices": [due], "amount_unused": wrong, "exchange_rate": "1" });
        assert_eq!(paid_by(unused, transaction).invoice().amount_paid, 1190, "{wrong}");
        // Nothing is decided about a part payment, so its amounts are not used.
        let part = paid_by(json!({ "status": "payment_due", "amount_paid": wrong }), json!({ "amount": wrong }));
        assert_eq!(part.reason(), "not_fully_paid");
        let lines = json!([
            changed(line("adhoc", "fee", "sub_1", 5, 0), json!({ "date_from": wrong, "quantity": wrong })),
            line("plan_item_price", "plan-m", "sub_1", 1000, 31),
        ]);
        assert_eq!(paid(json!({ "line_items": lines })).invoice().billing, Billing::Stretch(Some(Interval::Monthly)));
        // The transaction's time is asked only where the invoice has none.
        assert_eq!(paid_by(json!({ "paid_at": AT }), json!({ "date": wrong })).only_fact().at.as_second(), AT);
        // A subscription that is only learned.
        let items = json!([{ "item_type": "plan", "item_price_id": "plan-m", "amount": wrong, "quantity": 2 }]);
        let content = json!({
            "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "invoice": invoice(),
            "subscription": {
                "id": "sub_1", "subscription_items": items, "billing_period": 1, "billing_period_unit": "month",
            },
        });
        let reading = chargebee("payment_succeeded", content);
        assert_eq!(reading.invoice().seats, Some(2));
        let learned = reading.learned.iter().find_map(|learned| match learned {
            crate::facts::Learned::Subscription(subscription) => Some(subscription.amount),
            _ => None,
        });
        assert_eq!(learned, Some(None), "an unknown amount");
    }
}

#[test]
fn the_item_that_speaks_for_the_line_must_be_understood() {
    for wrong in no_numbers() {
        let item = json!({ "item_type": "plan", "item_price_id": "plan-m", "quantity": 2 });
        let subscription = json!({ "id": "sub_1", "billing_period": 1, "billing_period_unit": "month" });
        let content = |of_item: Value, of_subscription: Value| {
            let items = json!({ "subscription_items": [changed(item.clone(), of_item)] });
            json!({
                "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" }, "invoice": invoice(),
                "subscription": changed(changed(subscription.clone(), items), of_subscription),
            })
        };
        let refused = |content: Value| not_understood("payment_succeeded", content);
        assert_eq!(
            refused(content(json!({ "quantity": wrong }), json!({}))),
            "content.subscription.subscription_items.quantity"
        );
        let own = json!({ "billing_period": wrong, "billing_period_unit": "month" });
        assert_eq!(refused(content(own, json!({}))), "content.subscription.subscription_items.billing_period");
        assert_eq!(
            refused(content(json!({}), json!({ "billing_period": wrong }))),
            "content.subscription.billing_period"
        );
    }
}
