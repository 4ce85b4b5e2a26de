//! Invoices of Stripe: which are purchases, of how much, for which interval, plan and seats.

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
        (
            json!({ "total_excluding_tax": null, "total_taxes": [{ "amount": i64::MAX }, { "amount": i64::MAX }] }),
            11_900 - i64::MAX,
            i64::MAX,
        ),
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
    for unknown in [json!({}), json!({ "status_transitions": { "paid_at": 0 } })] {
        assert_eq!(paid(unknown).only_fact().at.as_second(), AT);
    }
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
        (29, month),
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
fn four_weeks_are_a_month_only_on_the_calendar_and_fifty_two_are_no_year() {
    for (from, to, word) in [
        ("2026-02-10", "2026-03-10", Some(Interval::Monthly)),
        ("2026-01-31", "2026-02-28", Some(Interval::Monthly)),
        ("2026-03-03", "2026-03-31", None),
        ("2026-04-01", "2026-07-01", Some(Interval::Quarterly)),
        ("2026-08-31", "2026-11-30", Some(Interval::Quarterly)),
        ("2026-02-28", "2026-03-28", Some(Interval::Monthly)),
        ("2026-03-03", "2026-06-02", Some(Interval::Quarterly)),
        ("2027-08-31", "2028-02-29", Some(Interval::SemiAnnual)),
        ("2026-03-03", "2026-09-01", Some(Interval::SemiAnnual)),
        ("2026-03-03", "2027-03-02", None),
    ] {
        let day = |day: &str| format!("{day}T06:00:00Z").parse::<Timestamp>().unwrap().as_second();
        assert_eq!(super::word(day(from), day(to)), word, "{from} to {to}");
    }
    assert_eq!(super::word(i64::MIN, i64::MAX), None);
    assert_eq!(super::word(i64::MAX - 28 * 86_400, i64::MAX), None, "a time that no calendar has");
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
    for (unit, count, other_unit, other_count) in [("month", 1, "month", 1), ("year", 1, "month", 12)] {
        let lines = json!([old_line(300, unit, count), old_line(900, other_unit, other_count)]);
        assert_eq!(paid(json!({ "lines": { "data": lines } })).warnings(), [""; 0]);
    }
    let without_words = json!([old_line(300, "month", 2), old_line(900, "month", 5)]);
    assert_eq!(paid(json!({ "lines": { "data": without_words } })).warnings(), ["interval_mixed"]);
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
fn a_truncated_invoice_that_shows_extras_alone_leaves_plan_and_seats_to_the_subscription() {
    let extra = json!({
        "amount": 500, "quantity": 4, "parent": { "type": "invoice_item_details", "invoice_item_details": {} },
        "pricing": { "price_details": { "price": "extra", "product": "prod_extra" } },
    });
    let reading = paid(json!({
        "parent": { "subscription_details": { "subscription": "sub_1" } },
        "lines": { "has_more": true, "data": [extra] },
    }));
    let invoice = reading.invoice();
    assert_eq!((invoice.billing, &invoice.plan, invoice.seats), (Billing::Stretch(None), &Plan::default(), None));
}

#[test]
fn a_truncated_invoice_that_shows_prorations_alone_leaves_plan_and_seats_to_the_subscription() {
    let old = |proration: bool| {
        let mut line = old_line(900, "month", 1);
        line["proration"] = json!(proration);
        line
    };
    let cut = |lines: Value| {
        let reading = paid(json!({ "subscription": "sub_1", "lines": { "has_more": true, "data": lines } }));
        let invoice = reading.invoice();
        (invoice.billing, invoice.plan.price_id.clone(), invoice.seats)
    };
    let open = (Billing::Stretch(None), None, None);
    assert_eq!(cut(json!([old(true), old(true)])), open);
    assert_eq!(cut(json!([line("price_s", 900, 12, true)])), open);
    assert_eq!(cut(json!([old(true), old(false)])), (Billing::Recurring, Some("month1".into()), Some(1)));

    let unnamed = paid(json!({ "lines": { "has_more": true, "data": [old(true)] } }));
    assert_eq!(unnamed.invoice().billing, Billing::Stretch(None), "a proration is no one-time sale");
    let extra = json!({ "amount": 500, "quantity": 4, "type": "invoiceitem", "price": { "id": "extra" } });
    let nobody = paid(json!({ "lines": { "has_more": true, "data": [extra] } }));
    let invoice = nobody.invoice();
    assert_eq!((invoice.billing, invoice.plan.price_id.as_deref()), (Billing::OneTime, Some("extra")));
}

#[test]
fn a_proration_tells_plan_and_seats_wherever_it_says_that_it_comes_from() {
    let prorated = |price: &str, amount: i64, seats: i64| {
        json!({
            "amount": amount, "quantity": seats,
            "parent": { "type": "invoice_item_details", "invoice_item_details": { "proration": true } },
            "pricing": { "price_details": { "price": price, "product": "prod_1" } },
        })
    };
    let reading = basil(json!([prorated("price_s", -500, 2), prorated("price_l", 900, 3)]));
    let invoice = reading.invoice();
    assert_eq!((invoice.plan.price_id.as_deref(), invoice.seats), (Some("price_l"), Some(3)));
    assert_eq!(invoice.billing, Billing::Stretch(None));
}

#[test]
fn seats_are_added_over_the_tiers_of_one_item_and_never_told_from_use() {
    let mut tiers = [line("price_t", 5000, 31, false), line("price_t", 2400, 31, false)];
    tiers.iter_mut().for_each(|line| {
        line["parent"]["subscription_item_details"]["subscription_item"] = json!("si_1");
    });
    let mut other = line("price_t", 10, 31, false);
    other["parent"]["subscription_item_details"]["subscription_item"] = json!("si_2");
    assert_eq!(basil(json!([tiers[0], tiers[1], other])).invoice().seats, Some(4));

    let mut before = tiers[0].clone();
    before["period"] = json!({ "start": AT - 31 * 86_400, "end": AT });
    assert_eq!(basil(json!([tiers[0], before])).invoice().seats, Some(2), "of another period");
    tiers[0]["quantity"] = json!(i64::MAX);
    assert_eq!(basil(json!([tiers[0], tiers[1]])).invoice().seats, None, "too many to be added");

    let mut used = old_line(300, "month", 1);
    used["price"]["recurring"]["usage_type"] = json!("metered");
    let planned = json!({ "amount": 300, "quantity": 9, "type": "subscription",
        "plan": { "id": "gold", "interval": "month", "usage_type": "metered" } });
    for lines in [json!([used]), json!([planned])] {
        assert_eq!(paid(json!({ "lines": { "data": lines } })).invoice().seats, None);
    }
}

#[test]
fn an_account_stands_for_its_customer_where_no_customer_is_named() {
    let of_account = paid(json!({ "customer": null, "customer_account": "acct_1" }));
    assert_eq!(of_account.only_fact().customer.as_deref(), Some("acct_1"));
    let of_both = paid(json!({ "customer_account": "acct_1" }));
    assert_eq!(of_both.only_fact().customer.as_deref(), Some("cus_1"));
}

#[test]
fn what_was_paid_by_other_ways_is_part_of_what_was_paid() {
    for elsewhere in [json!({ "paid_out_of_band": true }), json!({ "amount_paid_off_stripe": 2000 })] {
        assert_eq!(paid(elsewhere).invoice().amount_paid, 11_900);
    }
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
            Learned::Link(link) if link.invoice == "in_1" => link.payment.as_str(),
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
        json!({ "lines": { "data": [{ "amount": 1 }, { "amount": 1, "metadata": code }] } }),
        json!({ "metadata": code, "lines": { "data": [{ "amount": 1, "metadata": code }] } }),
    ] {
        assert_eq!(paid(changes.clone()).warnings(), ["metadata_on_wrong_object"], "{changes}");
    }
}

#[test]
fn the_oldest_invoices_know_only_what_is_due() {
    let reading = stripe("invoice.paid", json!({ "id": "in_1", "amount_due": 500, "paid": true, "currency": "usd" }));
    assert_eq!((reading.invoice().amount_paid, reading.invoice().total), (500, 500));
}

#[test]
fn a_week_across_the_change_to_summer_time_is_a_week() {
    let mut week = line("price_1", 1000, 7, false);
    week["period"]["end"] = json!(AT + 7 * 86_400 - 3600);
    assert_eq!(basil(json!([week])).invoice().billing, Billing::Stretch(Some(Interval::Weekly)));
}

#[test]
fn a_subscribers_invoice_of_prorations_alone_is_no_one_time_sale() {
    let proration = json!({
        "amount": 300, "parent": { "invoice_item_details": { "subscription": "sub_1", "proration": true } },
    });
    assert_eq!(basil(json!([proration])).invoice().billing, Billing::Stretch(None));
}

#[test]
fn a_price_that_is_only_named_is_known_by_its_id() {
    let lines = json!({ "data": [{ "amount": 100, "type": "subscription", "price": "price_1" }] });
    assert_eq!(paid(json!({ "lines": lines })).invoice().plan.price_id.as_deref(), Some("price_1"));
}
