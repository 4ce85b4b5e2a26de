//! Which line of an invoice decides, and what it says of period, product and seats.

use serde_json::json;

use super::*;
use crate::facts::{Invoice, Reading};
use crate::providers::chargebee::testing::{DAY, changed};
use crate::providers::testing::{AT, Says, chargebee};

/// A line for a stretch given in days after 1 January 2026.
fn line(kind: &str, entity: &str, amount: i64, from: i64, to: i64) -> Value {
    json!({
        "entity_type": kind, "entity_id": entity, "subscription_id": "sub_1", "amount": amount, "quantity": 3,
        "date_from": AT + from * DAY, "date_to": AT + to * DAY,
    })
}

fn plan(entity: &str, amount: i64, from: i64, to: i64) -> Value {
    line("plan_item_price", entity, amount, from, to)
}

fn item(kind: &str, price: &str, count: i64, unit: &str) -> Value {
    json!({
        "item_type": kind, "item_price_id": price, "quantity": 5, "billing_period": count, "billing_period_unit": unit,
    })
}

/// A purchase of these lines, with a yearly subscription of these items in the body.
fn read(lines: Value, items: Value) -> Reading {
    read_with(json!({ "line_items": lines }), json!({ "subscription_items": items }))
}

fn read_with(of_invoice: Value, of_subscription: Value) -> Reading {
    let invoice = json!({
        "id": "inv_1", "subscription_id": "sub_1", "recurring": true, "status": "paid", "currency_code": "EUR",
        "amount_paid": 1190, "total": 1190,
    });
    let subscription = json!({ "id": "sub_1", "status": "active", "billing_period": 1, "billing_period_unit": "year" });
    let content = json!({
        "customer": { "id": "cus_1" }, "transaction": { "id": "txn_1" },
        "invoice": changed(invoice, of_invoice), "subscription": changed(subscription, of_subscription),
    });
    chargebee("payment_succeeded", content)
}

fn invoice(lines: Value, items: Value) -> Invoice {
    read(lines, items).invoice().clone()
}

/// How a line for so many days is billed whose item has this period.
fn billed(days: i64, count: i64, unit: &str) -> Billing {
    invoice(json!([plan("p", 100, 0, days)]), json!([item("plan", "p", count, unit)])).billing
}

/// How lines of one price are billed, given as amount, first and last day.
fn billed_each(lines: &[(i64, i64, i64)], items: Value) -> Billing {
    let lines: Vec<Value> = lines.iter().map(|(amount, from, to)| plan("p", *amount, *from, *to)).collect();
    invoice(json!(lines), items).billing
}

const MONTHLY: Billing = Billing::Stretch(Some(Interval::Monthly));

#[test]
fn the_item_with_the_price_of_the_line_says_how_often_it_is_paid() {
    let without_own = json!({ "item_type": "addon", "item_price_id": "yearly-addon", "quantity": 7 });
    let items = json!([item("plan", "p", 1, "year"), item("addon", "a", 1, "month"), without_own]);
    for (entity, unit) in [("a", "month"), ("yearly-addon", "year")] {
        let invoice = invoice(json!([line("addon_item_price", entity, 2000, 0, 31)]), items.clone());
        assert_eq!((invoice.billing, invoice.plan.period), (Billing::Recurring, Period::parse(unit, 1)), "{entity}");
        assert_eq!((invoice.plan.price_id.as_deref(), invoice.seats), (Some(entity), Some(3)));
    }
    let first_catalogue =
        json!({ "plan_id": "gold", "plan_quantity": 4, "addons": [{ "id": "extra", "quantity": 6 }] });
    for (kind, entity, seats) in [("plan", "gold", 4), ("addon", "extra", 6)] {
        let lines = json!([changed(line(kind, entity, 100, 0, 365), json!({ "quantity": null }))]);
        let reading = read_with(json!({ "line_items": lines }), first_catalogue.clone());
        let invoice = reading.invoice();
        assert_eq!((invoice.billing, invoice.plan.period), (Billing::Recurring, Period::parse("year", 1)), "{entity}");
        assert_eq!(invoice.seats, Some(seats), "{entity}");
    }
}

#[test]
fn a_line_whose_price_is_not_among_the_items_is_known_by_its_stretch() {
    let nameless = changed(plan("p", 100, 0, 31), json!({ "entity_id": null }));
    for (line, items) in [
        (plan("p", 100, 0, 31), json!([item("plan", "p-yearly", 1, "year")])),
        (plan("p", 100, 0, 31), json!([item("charge", "p", 1, "year"), item("plan", "other", 1, "year")])),
        (nameless, json!([{ "item_type": "plan", "quantity": 5, "billing_period": 1, "billing_period_unit": "year" }])),
        (
            plan("p", 100, 0, 31),
            json!([{ "item_type": "plan", "item_price_id": "p", "billing_period": 1, "billing_period_unit": "decade" }]),
        ),
    ] {
        let invoice = invoice(json!([line]), items);
        assert_eq!((invoice.billing, invoice.plan.period, invoice.seats), (MONTHLY, None, Some(3)));
    }
}

#[test]
fn seats_are_the_units_on_the_line_and_of_the_same_price_where_it_has_none() {
    let seats = |line: Value, items: Value| invoice(json!([changed(plan("p", 100, 0, 365), line)]), items).seats;
    let (same, other) = (json!([item("plan", "p", 1, "year")]), json!([item("plan", "q", 1, "year")]));
    assert_eq!(seats(json!({}), same.clone()), Some(3), "five by now");
    assert_eq!(seats(json!({ "quantity": null }), same.clone()), Some(5));
    assert_eq!(seats(json!({ "quantity": null }), other), None);
    assert_eq!(seats(json!({ "quantity": null, "quantity_in_decimal": "4.0" }), same), Some(4));
}

#[test]
fn lines_of_one_price_for_one_stretch_add_up_and_others_do_not() {
    let seats = |second: Value| {
        let main = plan("p", 100, 0, 365);
        let second = changed(plan("p", 40, 0, 365), changed(json!({ "quantity": 2 }), second));
        invoice(json!([second, main]), json!([item("plan", "p", 1, "year")])).seats
    };
    assert_eq!(seats(json!({})), Some(5));
    for other in [
        json!({ "date_from": AT + DAY }),
        json!({ "date_to": AT + 364 * DAY }),
        json!({ "subscription_id": "sub_2" }),
        json!({ "entity_id": "q" }),
        json!({ "metered": true }),
    ] {
        assert_eq!(seats(other.clone()), Some(3), "{other}");
    }
    for untold in [json!({ "quantity": null }), json!({ "quantity": i64::MAX })] {
        assert_eq!(seats(untold.clone()), Some(5), "those of the subscription: {untold}");
    }
    let nameless = changed(plan("p", 100, 0, 365), json!({ "entity_id": null }));
    assert_eq!(invoice(json!([nameless, nameless]), json!([])).seats, Some(3), "nothing says that they are alike");
}

#[test]
fn usage_is_nobodys_seats() {
    let by_item = |flags: Value| json!([changed(item("plan", "p", 1, "month"), flags)]);
    for (line, items) in [
        (json!({ "metered": true }), by_item(json!({}))),
        (json!({}), by_item(json!({ "metered": true }))),
        (json!({}), by_item(json!({ "item_price": { "metered": true } }))),
        (json!({ "quantity": null }), by_item(json!({ "metered": true }))),
        (json!({ "metered": true }), json!([])),
    ] {
        let invoice = invoice(json!([changed(plan("p", 100, 0, 31), line)]), items);
        assert_eq!((invoice.seats, invoice.plan.metered), (None, true));
    }
    let licensed = invoice(json!([changed(plan("p", 100, 0, 31), json!({ "metered": false }))]), by_item(json!({})));
    assert_eq!((licensed.seats, licensed.plan.metered), (Some(3), false));
}

#[test]
fn a_paid_line_decides_before_a_free_one_then_a_plan_then_the_largest_then_the_first() {
    let product = |lines: Value| invoice(lines, json!([])).plan.price_id.unwrap();
    let addon = |entity: &str, amount: i64| line("addon_item_price", entity, amount, 0, 31);
    assert_eq!(product(json!([addon("a", 9000), plan("p", 100, 0, 31)])), "p");
    assert_eq!(product(json!([plan("p", 100, 0, 31), plan("q", 200, 0, 31), addon("a", 9000)])), "q");
    assert_eq!(product(json!([plan("p", 0, 0, 31), addon("a", 1), addon("b", 2)])), "b");
    assert_eq!(product(json!([addon("a", 0), plan("p", 0, 0, 31)])), "p");
    assert_eq!(product(json!([plan("p", 100, 0, 31), plan("q", 100, 0, 31)])), "p");
    let adhoc = line("adhoc", "x", 500, 0, 0);
    let once = read_with(json!({ "recurring": false, "line_items": [plan("p", 100, 0, 31), adhoc] }), json!({}));
    assert_eq!(once.invoice().plan.price_id.as_deref(), Some("x"), "of a one-off invoice the largest, whatever it is");
}

#[test]
fn the_line_that_decides_names_the_subscription_before_the_invoice_does() {
    let of = |line: Value, of_invoice: Value| {
        let invoice = changed(json!({ "line_items": [changed(plan("p", 100, 0, 31), line)] }), of_invoice);
        read_with(invoice, json!({})).invoice().subscription.clone()
    };
    assert_eq!(of(json!({ "subscription_id": "sub_2" }), json!({})).as_deref(), Some("sub_2"));
    assert_eq!(of(json!({ "subscription_id": null }), json!({ "subscription_id": "sub_3" })).as_deref(), Some("sub_3"));
    assert_eq!(of(json!({ "subscription_id": null }), json!({ "subscription_id": null })), None);
}

#[test]
fn the_subscription_in_the_body_speaks_only_for_an_invoice_of_several_that_it_recurs_on() {
    let large = changed(plan("large", 900, 0, 31), json!({ "subscription_id": "sub_2" }));
    let decides = |small: Value, named: Value| {
        let invoice = json!({ "subscription_id": named, "line_items": [small, large] });
        let reading = read_with(invoice, json!({ "subscription_items": [item("plan", "small", 1, "month")] }));
        reading.invoice().plan.price_id.clone().unwrap()
    };
    assert_eq!(decides(plan("small", 100, 0, 31), Value::Null), "small");
    assert_eq!(decides(plan("small", 100, 0, 31), json!("sub_2")), "large", "the invoice names another one");
    assert_eq!(decides(line("adhoc", "small", 100, 0, 0), Value::Null), "large", "only an extra is its own");
}

#[test]
fn several_whole_periods_of_one_price_are_no_single_period() {
    let monthly = || json!([item("plan", "p", 1, "month")]);
    for items in [monthly(), json!([])] {
        let billed = |lines: &[(i64, i64, i64)]| billed_each(lines, items.clone());
        let one = if items == json!([]) { MONTHLY } else { Billing::Recurring };
        let several = Billing::SeveralPeriods;
        assert_eq!(billed(&[(2900, 0, 31), (2900, 31, 62), (2900, 62, 93)]), several, "equal amounts");
        assert_eq!(billed(&[(2900, 0, 31), (3100, 31, 59)]), several, "a price that rises with the month");
        assert_eq!(billed(&[(2900, 0, 31)]), one);
        assert_eq!(billed(&[(2900, 0, 31), (2900, 0, 31)]), one, "the same period twice");
        assert_eq!(billed(&[(0, 0, 31), (2900, 31, 59)]), one, "a free month first");
        assert_eq!(billed(&[(2710, 2, 31), (2900, 31, 59)]), one, "the rest of a month, as long as a short one");
        assert_eq!(billed(&[(1000, 20, 31), (2900, 31, 59)]), one);
        assert_eq!(billed(&[(2900, 31, 59), (2900, 0, 11)]), one, "as dear, and shorter");
        for other in [json!({ "entity_id": "q" }), json!({ "subscription_id": "sub_2" })] {
            let lines = json!([plan("p", 2900, 0, 31), changed(plan("p", 2900, 31, 59), other)]);
            assert_eq!(invoice(lines, items.clone()).billing, one);
        }
    }
    // Without an item both must be for equally long.
    assert_eq!(billed_each(&[(2900, 0, 31), (2900, 31, 121)], json!([])), MONTHLY);
    // A period of which neither line is.
    assert_eq!(billed_each(&[(9, 0, 31), (9, 31, 59)], json!([item("plan", "p", 3, "month")])), Billing::Recurring);
    assert_eq!(billed_each(&[(9, 0, 40), (9, 40, 80)], json!([])), Billing::Stretch(None));
}

#[test]
fn a_whole_period_leads_from_a_day_to_the_same_day_or_the_last_one() {
    let is_whole = |from: i64, to: i64, count: i64, unit: &str| {
        // The other line is as long as this one, dearer, and of another time.
        let lines = [(200, 10_000 + from, 10_000 + to), (100, from, to)];
        billed_each(&lines, json!([item("plan", "p", count, unit)])) == Billing::SeveralPeriods
    };
    for (from, to, count, unit) in [
        (0, 7, 1, "week"),
        (1, 15, 2, "week"),
        (0, 31, 1, "month"),
        (30, 58, 1, "month"),
        (58, 89, 1, "month"),
        (0, 90, 3, "month"),
        (0, 181, 6, "month"),
        (0, 365, 1, "year"),
        (0, 730, 2, "year"),
        (0, 1096, 3, "year"),
    ] {
        assert!(is_whole(from, to, count, unit), "days {from} to {to}, every {count} {unit}");
    }
    for (from, to, count, unit) in [
        (1, 31, 1, "month"),
        (1, 90, 3, "month"),
        (61, 243, 6, "month"),
        (1, 365, 1, "year"),
        (366, 1096, 2, "year"),
        (1, 1096, 3, "year"),
        (0, 59, 2, "month"),
    ] {
        assert!(!is_whole(from, to, count, unit), "days {from} to {to}, every {count} {unit}");
    }
    // The last second of a period may be given instead of the next one's first.
    let last_second = changed(plan("p", 100, 0, 31), json!({ "date_to": AT + 31 * DAY - 1 }));
    let lines = json!([last_second, plan("p", 200, 31, 59)]);
    assert_eq!(invoice(lines, json!([item("plan", "p", 1, "month")])).billing, Billing::SeveralPeriods);
}

#[test]
fn a_period_without_a_word_is_recognised_by_about_its_length() {
    let two_months = |days: i64| {
        let items = json!([item("plan", "p", 2, "month")]);
        billed_each(&[(100, 0, days), (100, days, 2 * days)], items) == Billing::SeveralPeriods
    };
    assert_eq!([54, 55, 60, 66, 67].map(two_months), [false, true, true, true, false]);
}

#[test]
fn a_line_for_one_and_a_half_of_its_items_periods_is_for_several() {
    for (days, count, unit) in [(14, 10, "day"), (20, 2, "week"), (45, 1, "month"), (547, 1, "year")] {
        assert_eq!(billed(days, count, unit), Billing::Recurring, "{days} days, every {count} {unit}");
        assert_eq!(billed(days + 1, count, unit), Billing::SeveralPeriods, "{} days, every {count} {unit}", days + 1);
    }
    assert_eq!(billed(12, 1, "month"), Billing::Recurring, "prorated");
    let undated = changed(plan("p", 100, 0, 31), json!({ "date_to": null }));
    let invoice = invoice(json!([undated]), json!([item("plan", "p", 1, "month")]));
    assert_eq!((invoice.billing, invoice.billed_days), (Billing::Recurring, None));
}

#[test]
fn an_invoice_says_for_how_many_days_its_deciding_line_is() {
    let days = |lines: Value| invoice(lines, json!([])).billed_days;
    assert_eq!(days(json!([plan("p", 100, 0, 92), plan("q", 5, 0, 31)])), Some(92));
    assert_eq!(days(json!([changed(plan("p", 100, 0, 92), json!({ "date_from": null }))])), None);
    assert_eq!(days(json!([line("adhoc", "x", 100, 0, 0)])), None);
}

#[test]
fn a_free_line_beside_a_paid_extra_does_not_make_an_invoice_recurring() {
    let fee = |kind: &str| line(kind, "setup", 4900, 0, 0);
    for kind in ["plan_setup", "charge_item_price", "adhoc"] {
        for lines in [json!([plan("p", 0, 0, 14), fee(kind)]), json!([fee(kind)])] {
            let invoice = invoice(lines, json!([item("plan", "p", 1, "month")]));
            assert_eq!((invoice.billing, invoice.seats, invoice.billed_days), (Billing::OneTime, None, None));
            assert_eq!(invoice.plan, Plan { price_id: Some("setup".into()), ..Plan::default() });
            assert_eq!(invoice.subscription.as_deref(), Some("sub_1"));
        }
    }
    let items = || json!([item("plan", "p", 1, "month")]);
    for lines in [
        json!([plan("p", 1, 0, 31), fee("adhoc")]),
        json!([plan("p", -1, 0, 31), fee("adhoc")]),
        json!([plan("p", 0, 0, 31)]),
        json!([plan("p", 0, 0, 31), fee("a_kind_of_tomorrow")]),
        json!([plan("p", 0, 0, 31), line("adhoc", "x", 0, 0, 0)]),
    ] {
        assert_eq!(invoice(lines.clone(), items()).billing, Billing::Recurring, "{lines}");
    }
    let cut_short = json!({ "line_items": [plan("p", 0, 0, 31), fee("adhoc")], "line_items_next_offset": "x" });
    let cut_short = read_with(cut_short, json!({ "subscription_items": items() }));
    assert_eq!(cut_short.invoice().billing, Billing::Recurring, "the paid line may not be shown");
    assert!(!cut_short.invoice().lines_complete);
    let shown = invoice(json!([plan("p", 0, 0, 14), fee("adhoc")]), items()).lines;
    assert_eq!(shown.iter().map(|line| line.recurring).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_paid_line_of_an_item_with_another_period_is_worth_a_warning() {
    let items = json!([item("plan", "p", 1, "year"), item("addon", "m", 1, "month"), item("addon", "y", 12, "month")]);
    let warnings = |main: &str, entity: &str, amount: i64, changes: Value| {
        let other = changed(line("addon_item_price", entity, amount, 0, 31), changes);
        read(json!([plan(main, 1000, 0, 365), other]), items.clone()).warnings().join(",")
    };
    assert_eq!(warnings("p", "m", 100, json!({})), "interval_mixed");
    for (main, entity, amount, changes) in [
        ("p", "y", 100, json!({})),
        ("p", "m", 0, json!({})),
        ("p", "unknown", 100, json!({})),
        ("unknown", "m", 100, json!({})),
        ("p", "m", 100, json!({ "subscription_id": "sub_2" })),
        ("p", "m", 100, json!({ "entity_type": "charge_item_price" })),
    ] {
        assert_eq!(warnings(main, entity, amount, changes.clone()), "", "{main} {entity} {amount} {changes}");
    }
    let lines = json!([plan("p", 1000, 0, 365), line("addon_item_price", "m", 100, 0, 31)]);
    assert_eq!(
        read(lines, items).only_fact().warnings[0].message,
        "lines are billed every 1 year and every 1 month; the largest decides"
    );
}
