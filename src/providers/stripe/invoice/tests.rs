use serde_json::json;

use super::*;
use crate::interval::Period;
use crate::providers::testing::{AT, Says, stripe};

fn paid(changes: Value) -> Reading {
    let mut object = json!({
        "id": "in_1", "customer": "cus_1", "currency": "eur", "status": "paid", "amount_paid": 11_900,
        "total": 11_900, "total_excluding_tax": 10_000,
    });
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    stripe("invoice.paid", object)
}

/// A basil invoice with these lines.
fn basil(lines: Value) -> Reading {
    paid(json!({
        "parent": { "type": "subscription_details", "subscription_details": { "subscription": "sub_1" } },
        "lines": { "data": lines },
    }))
}

fn line(price: &str, amount: i64, days: i64, proration: bool) -> Value {
    json!({
        "amount": amount, "quantity": 2, "period": { "start": AT, "end": AT + days * 86_400 },
        "parent": { "subscription_item_details": { "subscription": "sub_1", "proration": proration } },
        "pricing": { "price_details": { "price": price, "product": "prod_1" } },
    })
}

fn old_line(amount: i64, unit: &str, count: i64) -> Value {
    json!({
        "amount": amount, "quantity": 1, "type": "subscription",
        "price": { "id": format!("{unit}{count}"), "recurring": { "interval": unit, "interval_count": count } },
    })
}

#[test]
fn net_is_the_share_of_the_money_that_is_no_tax() {
    for (changes, net, tax) in [
        (json!({}), 10_000, 1900),
        // Half of it was covered by credit.
        (json!({ "amount_paid": 5950 }), 5000, 1900),
        (json!({ "amount_paid": 0 }), 0, 1900),
        // Added up by version, exclusive or inclusive alike: the total holds both.
        (json!({ "total_excluding_tax": null, "total_taxes": [{ "amount": 900 }, { "amount": 1000 }] }), 10_000, 1900),
        (
            json!({ "total_excluding_tax": null, "total_tax_amounts": [{ "amount": 1900, "inclusive": true }] }),
            10_000,
            1900,
        ),
        (json!({ "total_excluding_tax": null, "tax": 1900 }), 10_000, 1900),
        (json!({ "total_excluding_tax": null, "tax": null }), 11_900, 0),
        (json!({ "total": 0, "total_excluding_tax": 0, "amount_paid": 0 }), 0, 0),
        // More was paid than was due.
        (json!({ "amount_paid": 23_800 }), 20_000, 1900),
        // Rounded, never cut.
        (json!({ "amount_paid": 100 }), 84, 1900),
    ] {
        let reading = paid(changes.clone());
        let invoice = reading.invoice();
        assert_eq!((invoice.amount_paid_net, invoice.tax), (net, tax), "{changes}");
    }
}

#[test]
fn only_a_fully_paid_invoice_is_a_purchase() {
    assert_eq!(paid(json!({ "status": "open" })).reason(), "not_fully_paid");
    for changes in [json!({ "status": null }), json!({ "status": null, "paid": true }), json!({ "status": "paid" })] {
        assert_eq!(paid(changes).invoice().amount_paid, 11_900);
    }
}

#[test]
fn it_happened_when_it_was_paid() {
    let reading = paid(json!({ "status_transitions": { "paid_at": AT - 60 } }));
    assert_eq!(reading.only_fact().at.as_second(), AT - 60);
    assert_eq!(paid(json!({})).only_fact().at.as_second(), AT);
}

#[test]
fn the_subscription_stands_in_one_of_three_places_as_an_id_or_whole() {
    for changes in [
        json!({ "subscription": "sub_1" }),
        json!({ "subscription": { "id": "sub_1" } }),
        json!({ "parent": { "subscription_details": { "subscription": "sub_1" } } }),
        json!({ "lines": { "data": [line("price_m", 100, 31, false)] } }),
    ] {
        assert_eq!(paid(changes.clone()).invoice().subscription.as_deref(), Some("sub_1"), "{changes}");
    }
    let whole = paid(json!({ "customer": { "id": "cus_1" } }));
    assert_eq!(whole.only_fact().customer.as_deref(), Some("cus_1"));
}

#[test]
fn a_stretch_has_the_word_for_its_length_in_days() {
    let month = Billing::Stretch(Some(Interval::Monthly));
    for (days, billing) in [
        (7, Billing::Stretch(Some(Interval::Weekly))),
        (14, Billing::Stretch(Some(Interval::BiWeekly))),
        (28, month),
        (31, month),
        (92, Billing::Stretch(Some(Interval::Quarterly))),
        (183, Billing::Stretch(Some(Interval::SemiAnnual))),
        (365, Billing::Stretch(Some(Interval::Yearly))),
        (366, Billing::Stretch(Some(Interval::Yearly))),
        (731, Billing::Stretch(Some(Interval::Biennial))),
        (1096, Billing::Stretch(Some(Interval::Triennial))),
        // A day, two months, and 52 weeks.
        (1, Billing::Stretch(None)),
        (61, Billing::Stretch(None)),
        (364, Billing::Stretch(None)),
    ] {
        assert_eq!(basil(json!([line("price_m", 100, days, false)])).invoice().billing, billing, "{days} days");
    }
}

#[test]
fn prorated_free_and_unseen_lines_tell_no_interval() {
    for lines in [
        json!([line("price_m", 100, 31, true)]),
        json!([line("price_m", 0, 31, false)]),
        json!([]),
        json!([{ "amount": 1, "parent": { "subscription_item_details": { "subscription": "sub_1" } } }]),
    ] {
        assert_eq!(basil(lines.clone()).invoice().billing, Billing::Stretch(None), "{lines}");
    }
}

#[test]
fn the_largest_recurring_line_that_is_no_proration_decides() {
    let reading = basil(json!([
        { "amount": 90_000, "parent": { "type": "invoice_item_details", "invoice_item_details": {} } },
        line("price_s", 9000, 31, true),
        line("price_m", 300, 31, false),
        line("price_l", 700, 365, false),
    ]));
    let invoice = reading.invoice();
    assert_eq!(invoice.plan.price_id.as_deref(), Some("price_l"));
    assert_eq!((invoice.billing, invoice.seats), (Billing::Stretch(Some(Interval::Yearly)), Some(2)));
    assert_eq!(invoice.price_ids, ["price_m", "price_l"]);
}

#[test]
fn lines_that_carry_their_prices_tell_the_exact_period_and_whether_they_differ() {
    let reading = paid(json!({ "lines": { "data": [old_line(300, "month", 1), old_line(900, "month", 3)] } }));
    let invoice = reading.invoice();
    assert_eq!((invoice.billing, invoice.plan.period), (Billing::Recurring, Period::parse("month", 3)));
    assert_eq!(reading.warnings(), ["interval_mixed"]);
    let same = paid(json!({ "lines": { "data": [old_line(300, "month", 1), old_line(900, "month", 1)] } }));
    assert_eq!(same.warnings(), [""; 0]);
}

#[test]
fn extras_alone_are_a_one_time_sale_without_seats_even_of_a_subscriber() {
    let extra = json!({ "amount": 500, "quantity": 4, "type": "invoiceitem", "price": { "id": "extra" } });
    let reading = paid(json!({ "subscription": "sub_1", "lines": { "data": [extra] } }));
    assert_eq!((reading.invoice().billing, reading.invoice().seats), (Billing::OneTime, None));
    let cut = paid(json!({ "subscription": "sub_1", "lines": { "has_more": true, "data": [extra] } }));
    assert_eq!(cut.invoice().billing, Billing::Stretch(None), "of a truncated invoice it cannot be told");
    let nobody = paid(json!({ "lines": { "data": [extra] } }));
    assert_eq!(nobody.invoice().billing, Billing::OneTime);
}

#[test]
fn payments_are_learned_wherever_they_are_named() {
    let reading = paid(json!({
        "charge": "ch_1", "payment_intent": { "id": "pi_1" },
        "payments": { "data": [{ "payment": { "type": "payment_intent", "payment_intent": "pi_2" } }] },
    }));
    let payments: Vec<&str> = reading
        .learned
        .iter()
        .map(|learned| match learned {
            Learned::Payment { payment, invoice } if invoice == "in_1" => payment.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(payments, ["pi_1", "ch_1", "pi_2"]);
}

#[test]
fn a_code_on_the_subscription_or_the_invoice_is_worth_a_word() {
    let code = json!({ "cello_ucc": "Rf3rr3dAbcd" });
    for changes in [
        json!({ "metadata": code }),
        json!({ "subscription_details": { "metadata": code } }),
        json!({ "parent": { "subscription_details": { "metadata": code } } }),
    ] {
        assert_eq!(paid(changes.clone()).warnings(), ["metadata_on_wrong_object"], "{changes}");
    }
}

#[test]
fn the_oldest_invoices_know_only_what_is_due() {
    let reading = stripe("invoice.paid", json!({ "id": "in_1", "amount_due": 500, "paid": true, "currency": "usd" }));
    assert_eq!((reading.invoice().amount_paid, reading.invoice().total), (500, 500));
}
