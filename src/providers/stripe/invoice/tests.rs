//! Invoices of Stripe: which are purchases, of how much, for which interval, plan and seats.

use serde_json::json;

use super::line::word as word_of;
use super::*;
use crate::facts::Plan;
use crate::interval::{Interval, Period};
use crate::providers::testing::{AT, Says, stripe, try_stripe};

fn object(changes: Value) -> Value {
    let mut object = json!({
        "id": "in_1", "customer": "cus_1", "currency": "eur", "status": "paid", "amount_paid": 11_900,
        "total": 11_900, "total_excluding_tax": 10_000,
    });
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn paid(changes: Value) -> Reading {
    stripe("invoice.paid", object(changes))
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
    let open = paid(json!({ "status": "open" }));
    assert_eq!(open.reason(), "not_fully_paid");
    assert_eq!(open.only_nothing().part_of.as_deref(), Some("in_1"));
    for changes in [
        json!({ "status": null }),
        json!({ "status": null, "paid": true }),
        json!({ "status": "paid" }),
        json!({ "status": "a_word_of_tomorrow", "paid": true }),
    ] {
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
        assert_eq!(word_of(day(from), day(to)), word, "{from} to {to}");
    }
    assert_eq!(word_of(i64::MIN, i64::MAX), None);
    assert_eq!(word_of(i64::MAX - 28 * 86_400, i64::MAX), None, "a time that no calendar has");
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
fn what_was_paid_outside_stripe_is_part_of_what_was_paid() {
    for (changes, outside) in [
        (json!({ "paid_out_of_band": true }), 11_900),
        (json!({ "paid_out_of_band": false }), 0),
        (json!({ "amount_paid_off_stripe": 2000 }), 2000),
        (json!({ "amount_paid_off_stripe": 0 }), 0),
        (json!({ "amount_paid_off_stripe": 20_000 }), 11_900),
        (json!({ "amount_paid_off_stripe": -1 }), 0),
        (json!({ "amount_paid_off_stripe": 2000, "paid_out_of_band": true }), 2000),
    ] {
        let reading = paid(changes.clone());
        assert_eq!((reading.invoice().amount_paid, reading.invoice().outside), (11_900, outside), "{changes}");
    }
}

#[test]
fn an_invoice_names_each_of_its_payments_once() {
    let applied = |payment: &str, amount: Option<i64>| Applied { payment: payment.into(), amount, total: None };
    let entry = |payment: Value, amount: Value, status: &str| json!({ "payment": payment, "amount_paid": amount, "status": status });
    let intent = |id: &str| json!({ "type": "payment_intent", "payment_intent": id });
    for (changes, expected) in [
        (json!({}), vec![]),
        (json!({ "payment_intent": "pi_1", "charge": "ch_1" }), vec![applied("pi_1", None)]),
        (json!({ "charge": "ch_1" }), vec![applied("ch_1", None)]),
        (json!({ "amount_paid": 0, "payment_intent": "pi_1" }), vec![applied("pi_1", None)]),
        (json!({ "payment_intent": "pi_1", "paid_out_of_band": true }), vec![]),
        (json!({ "payment_intent": "pi_1", "amount_paid_off_stripe": 11_899 }), vec![applied("pi_1", None)]),
        (
            json!({ "payment_intent": "pi_1", "payments": { "data": [
                entry(intent("pi_1"), json!(9000), "paid"),
                entry(json!({ "type": "charge", "charge": "ch_2" }), json!(2900), "paid"),
                entry(intent("pi_1"), json!(9000), "paid"),
                entry(intent("pi_3"), json!(500), "open"),
                entry(intent("pi_4"), json!(500), "canceled"),
                entry(intent("pi_5"), json!(null), "paid"),
                entry(json!({ "type": "payment_record" }), json!(500), "paid"),
            ] } }),
            vec![applied("pi_1", Some(9000)), applied("ch_2", Some(2900))],
        ),
    ] {
        assert_eq!(paid(changes.clone()).invoice().payments, expected, "{changes}");
    }
}

#[test]
fn payments_are_learned_wherever_they_are_named() {
    let reading = paid(json!({
        "charge": "ch_1", "payment_intent": { "id": "pi_1" },
        "payments": { "data": [
            { "payment": { "type": "payment_intent", "payment_intent": "pi_2" } },
            { "payment": { "payment_intent": "pi_3" }, "status": "open" },
            { "payment": { "payment_intent": "pi_4" }, "status": "canceled" },
        ] },
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

#[test]
fn a_payment_of_an_invoice_links_both_and_completes_nothing() {
    let object = json!({
        "id": "inpay_1", "invoice": "in_1", "amount_paid": 4000, "payment": { "payment_intent": "pi_1" },
    });
    let reading = stripe("invoice_payment.paid", object.clone());
    let nothing = reading.only_nothing();
    assert_eq!((reading.reason(), nothing.part_of.as_deref()), ("not_fully_paid", Some("in_1")));
    assert!(nothing.message.contains("`in_1`, which is decided on when it is fully paid"));
    let link = PaymentLink { payment: "pi_1".into(), invoice: "in_1".into(), amount: Some(4000), charge_of: None };
    assert_eq!(reading.learned, [Learned::Link(link)]);

    let unnamed = stripe("invoice_payment.paid", json!({ "id": "inpay_1", "payment": { "payment_intent": "pi_1" } }));
    assert_eq!((unnamed.reason(), unnamed.learned.len()), ("not_fully_paid", 0));
    assert_eq!(unnamed.only_nothing().part_of, None);

    let mut odd = object;
    odd["amount_paid"] = json!("4000");
    let unreadable = try_stripe("invoice_payment.paid", odd, Value::Null).unwrap_err();
    assert!(unreadable.to_string().contains("`data.object.amount_paid`"));
}

#[test]
fn a_succeeded_payment_is_reported_by_the_invoice_that_it_completes() {
    assert_eq!(stripe("invoice.payment_succeeded", object(json!({}))).reason(), "reported_elsewhere");
    assert_eq!(stripe("invoice.payment_succeeded", json!({ "status": "open" })).reason(), "reported_elsewhere");
    let part = stripe("invoice.payment_succeeded", object(json!({ "status": "open" })));
    assert_eq!((part.reason(), part.only_nothing().part_of.as_deref()), ("not_fully_paid", Some("in_1")));
}

/// A line of what was sold once.
fn extra(price: &str, amount: i64) -> Value {
    json!({
        "amount": amount, "quantity": 4, "period": { "start": AT, "end": AT },
        "parent": { "type": "invoice_item_details", "invoice_item_details": { "subscription": "sub_1" } },
        "pricing": { "price_details": { "price": price, "product": "prod_extra" } },
    })
}

#[test]
fn a_line_that_costs_nothing_does_not_make_an_extra_recurring() {
    let free = line("price_m", 0, 14, false);
    let reading = basil(json!([free, extra("small", 100), extra("large", 900), extra("other", 900)]));
    let invoice = reading.invoice();
    assert_eq!((invoice.billing, invoice.seats, invoice.billed_days), (Billing::OneTime, None, None));
    assert_eq!(invoice.plan.price_id.as_deref(), Some("large"), "the first of the largest");
    assert_eq!(invoice.subscription.as_deref(), Some("sub_1"));

    for lines in [
        json!([free, extra("extra", 0)]),
        json!([free, extra("extra", -500)]),
        json!([free, line("price_m", 1, 31, false), extra("extra", 900)]),
        json!([free, line("price_m", -1, 31, false), extra("extra", 900)]),
        json!([free, line("price_m", 300, 12, true), extra("extra", 900)]),
        json!([line("price_m", 300, 12, true), extra("extra", 900)]),
    ] {
        assert_ne!(basil(lines.clone()).invoice().billing, Billing::OneTime, "{lines}");
    }
    let cut = paid(json!({ "subscription": "sub_1", "lines": { "has_more": true, "data": [free, extra("a", 900)] } }));
    assert_eq!(
        (cut.invoice().billing, cut.invoice().plan.price_id.as_deref()),
        (Billing::Stretch(None), Some("price_m"))
    );
    let refunded_extra = basil(json!([extra("extra", -500)]));
    assert_eq!(refunded_extra.invoice().billing, Billing::OneTime, "extras alone, whatever they cost");
}

#[test]
fn lines_that_cost_nothing_beside_an_extra_are_no_mixed_intervals() {
    let free = |unit: &str| old_line(0, unit, 1);
    let extra = json!({ "amount": 900, "type": "invoiceitem", "price": { "id": "extra" } });
    let mixed = paid(json!({ "lines": { "data": [free("month"), free("year"), extra] } }));
    assert_eq!((mixed.invoice().billing, mixed.warnings().len()), (Billing::OneTime, 0));
}

#[test]
fn a_pricing_plan_recurs_by_a_period_that_nothing_states() {
    let of = |kind: &str| {
        json!({
            "amount": 9900, "quantity": 3, "period": { "start": AT, "end": AT + 31 * 86_400 },
            "parent": { "type": kind, kind: { "pricing_plan_subscription": "bpps_1" } },
            "pricing": { "type": "license_fee_details", "unit_amount_decimal": "9900" },
        })
    };
    for kind in ["license_fee_subscription_details", "rate_card_subscription_details", "a_word_of_tomorrow"] {
        let reading = paid(json!({ "lines": { "data": [of(kind), extra("extra", 20_000)] } }));
        let invoice = reading.invoice();
        assert_eq!((invoice.billing, invoice.seats), (Billing::Stretch(None), None), "{kind}");
        assert!(invoice.lines[0].recurring && invoice.plan.price_id.is_none());
    }
    for kind in ["subscription_item_details", "invoice_item_details"] {
        let reading = paid(json!({ "lines": { "data": [of(kind)] } }));
        assert_eq!(reading.invoice().lines[0].recurring, kind == "subscription_item_details", "{kind}");
    }
}

#[test]
fn what_a_billing_cadence_makes_is_never_a_one_time_sale() {
    let of = |kind: &str, line: Value| {
        let reading = paid(json!({ "parent": { "type": kind }, "lines": { "data": [line] } }));
        reading.invoice().billing
    };
    let month = line("price_m", 100, 31, false);
    assert_eq!(of("billing_cadence_details", extra("extra", 900)), Billing::Stretch(None));
    assert_eq!(of("billing_cadence_details", month.clone()), Billing::Stretch(None));
    assert_eq!(of("subscription_details", month), Billing::Stretch(Some(Interval::Monthly)));
    assert_eq!(of("quote_details", extra("extra", 900)), Billing::OneTime);
    let empty = paid(json!({ "parent": { "type": "billing_cadence_details" } }));
    assert_eq!(empty.invoice().billing, Billing::Stretch(None));
}

#[test]
fn what_was_billed_when_its_period_was_over_is_use_and_nobodys_seats() {
    let made = |created: i64, line: Value| {
        let reading = paid(json!({ "created": created, "lines": { "data": [line] } }));
        reading.invoice().seats
    };
    let month = || line("price_u", 900, 31, false);
    let end = AT + 31 * 86_400;
    assert_eq!([made(end, month()), made(end + 60, month())], [None; 2]);
    assert_eq!([made(end - 1, month()), made(AT, month())], [Some(2); 2]);
    let old = paid(json!({ "date": end, "lines": { "data": [month()] } }));
    assert_eq!(old.invoice().seats, None, "the name of the time until 2019");

    let mut priced = old_line(900, "month", 1);
    priced["period"] = json!({ "start": AT, "end": end });
    assert_eq!(made(end, priced.clone()), None);
    priced["price"]["recurring"]["usage_type"] = json!("licensed");
    assert_eq!(made(end, priced.clone()), Some(1), "its own price knows better");
    priced["price"]["recurring"]["usage_type"] = json!("metered");
    assert_eq!(made(AT, priced), None);
    let mut cut_short = month();
    cut_short["parent"]["subscription_item_details"]["proration"] = json!(true);
    assert_eq!(made(end, cut_short), Some(2), "a proration may be for the past");
}

#[test]
fn a_metered_price_is_said_to_be() {
    let mut used = old_line(300, "month", 1);
    used["price"]["recurring"]["usage_type"] = json!("metered");
    assert!(paid(json!({ "lines": { "data": [used] } })).invoice().plan.metered);
    assert!(!paid(json!({ "lines": { "data": [old_line(300, "month", 1)] } })).invoice().plan.metered);
}

/// A line of this price for the month that begins so many months of 30 days from now.
fn ahead(price: &str, amount: i64, months: i64) -> Value {
    let mut line = line(price, amount, 30, false);
    let start = AT + months * 30 * 86_400;
    line["period"] = json!({ "start": start, "end": start + 30 * 86_400 });
    line["parent"]["subscription_item_details"]["subscription_item"] = json!("si_1");
    line
}

#[test]
fn lines_for_one_period_after_the_other_of_a_price_bill_several_at_once() {
    let billing = |lines: Value| basil(lines).invoice().billing;
    let several = basil(json!([ahead("price_m", 900, 0), ahead("price_m", 900, 1), ahead("price_m", 900, 2)]));
    assert_eq!(several.invoice().billing, Billing::SeveralPeriods);
    assert_eq!((several.invoice().billed_days, several.invoice().seats), (Some(30), Some(2)), "of the first line");

    let month = Billing::Stretch(Some(Interval::Monthly));
    let mut of_other_item = ahead("price_m", 900, 1);
    of_other_item["parent"]["subscription_item_details"]["subscription_item"] = json!("si_2");
    let mut of_other_subscription = ahead("price_m", 900, 1);
    of_other_subscription["parent"]["subscription_item_details"]["subscription"] = json!("sub_2");
    let mut prorated = ahead("price_m", 900, 1);
    prorated["parent"]["subscription_item_details"]["proration"] = json!(true);
    let mut timeless = ahead("price_m", 900, 1);
    timeless["period"] = json!(null);
    for other in [
        ahead("price_m", 900, 0),
        ahead("price_m", 0, 1),
        ahead("price_s", 900, 1),
        of_other_item,
        of_other_subscription,
        prorated,
        timeless,
        extra("price_m", 900),
    ] {
        assert_eq!(billing(json!([ahead("price_m", 900, 0), other])), month, "{other}");
    }
    let mut unpriced = [ahead("price_m", 900, 0), ahead("price_m", 900, 1)];
    unpriced.iter_mut().for_each(|line| line["pricing"] = json!(null));
    assert_eq!(billing(json!(unpriced)), month, "of no known price");
    let mut itemless = [ahead("price_m", 900, 0), ahead("price_m", 900, 1)];
    itemless.iter_mut().for_each(|line| line["parent"]["subscription_item_details"]["subscription_item"] = json!(null));
    assert_eq!(billing(json!(itemless)), Billing::SeveralPeriods, "the subscription stands for its only item");
}

#[test]
fn a_line_much_longer_than_the_period_of_its_price_bills_several_at_once() {
    for (unit, count, days, several) in [
        ("month", 1, 31, false),
        ("month", 1, 44, false),
        ("month", 1, 45, true),
        ("month", 1, 90, true),
        ("month", 3, 92, false),
        ("month", 3, 184, true),
        ("year", 1, 366, false),
        ("year", 1, 730, true),
        ("week", 1, 10, false),
        ("week", 1, 11, true),
        ("day", 1, 1, false),
        ("day", 1, 2, true),
        ("month", i64::MAX, 31, false),
    ] {
        let mut line = old_line(900, unit, count);
        line["period"] = json!({ "start": AT, "end": AT + days * 86_400 });
        let reading = paid(json!({ "lines": { "data": [line] } }));
        let expected = if several { Billing::SeveralPeriods } else { Billing::Recurring };
        assert_eq!(reading.invoice().billing, expected, "{count} {unit} in {days} days");
        assert_eq!(reading.invoice().billed_days, Some(days));
    }
    let mut trial = old_line(0, "month", 1);
    trial["period"] = json!({ "start": AT, "end": AT + 90 * 86_400 });
    assert_eq!(paid(json!({ "lines": { "data": [trial] } })).invoice().billing, Billing::Recurring, "a long trial");
}

#[test]
fn the_days_are_those_of_the_deciding_line() {
    let days = |lines: Value| basil(lines).invoice().billed_days;
    assert_eq!(days(json!([line("price_s", 100, 31, false), line("price_l", 900, 365, false)])), Some(365));
    for lines in [
        json!([line("price_m", 900, 31, true)]),
        json!([line("price_m", 0, 14, false)]),
        json!([line("price_m", 900, 0, false)]),
        json!([extra("extra", 900)]),
        json!([]),
    ] {
        assert_eq!(days(lines.clone()), None, "{lines}");
    }
}

#[test]
fn numbers_times_and_currencies_that_are_not_understood_make_it_unreadable() {
    let one = |line: Value| json!({ "lines": { "data": [line] } });
    let with = |key: &str, value: Value| {
        let mut line = line("price_m", 900, 31, false);
        line[key] = value;
        one(line)
    };
    let mut counted = old_line(900, "month", 1);
    counted["price"]["recurring"]["interval_count"] = json!("1");
    let mut planned = json!({ "amount": 900, "type": "subscription", "plan": { "id": "gold", "interval": "month" } });
    planned["plan"]["interval_count"] = json!(1.5);
    let mut of_item = ahead("price_m", 900, 0);
    of_item["quantity"] = json!(2.5);
    let payment =
        |amount: Value| json!({ "payment": { "payment_intent": "pi_1" }, "status": "paid", "amount_paid": amount });
    for (changes, field) in [
        (json!({ "amount_paid": "11900" }), "amount_paid"),
        (json!({ "amount_paid": 11900.5 }), "amount_paid"),
        (json!({ "amount_paid": i64::MAX as u64 + 1 }), "amount_paid"),
        (json!({ "amount_paid": null, "amount_due": "11900" }), "amount_due"),
        (json!({ "total": "11900" }), "total"),
        (json!({ "total_excluding_tax": "10000" }), "total_excluding_tax"),
        (json!({ "total_excluding_tax": null, "tax": "1900" }), "tax"),
        (json!({ "total_excluding_tax": null, "total_taxes": [{ "amount": "1900" }] }), "total_taxes.amount"),
        (
            json!({ "total_excluding_tax": null, "total_tax_amounts": [{ "amount": "1900" }] }),
            "total_tax_amounts.amount",
        ),
        (json!({ "amount_paid_off_stripe": "1" }), "amount_paid_off_stripe"),
        (json!({ "currency": "euro" }), "currency"),
        (json!({ "created": "today" }), "created"),
        (json!({ "status_transitions": { "paid_at": "today" } }), "status_transitions.paid_at"),
        (json!({ "status_transitions": { "paid_at": i64::MAX } }), "status_transitions.paid_at"),
        (json!({ "payments": { "data": [payment(json!("4000"))] } }), "payments.data.amount_paid"),
        (with("amount", json!("900")), "lines.data.amount"),
        (with("quantity", json!("2")), "lines.data.quantity"),
        (one(of_item), "lines.data.quantity"),
        (with("period", json!({ "start": "today", "end": AT })), "lines.data.period.start"),
        (with("period", json!({ "start": AT, "end": "today" })), "lines.data.period.end"),
        (one(counted), "lines.data.price.recurring.interval_count"),
        (one(planned), "lines.data.plan.interval_count"),
    ] {
        let unreadable = try_stripe("invoice.paid", object(changes.clone()), Value::Null).unwrap_err();
        assert!(unreadable.to_string().contains(&format!("`data.object.{field}`")), "{unreadable}");
    }
    let odd = object(json!({ "amount_paid": "11900", "payment_intent": "pi_1" }));
    let unreadable = try_stripe("invoice.paid", odd, Value::Null).unwrap_err();
    assert_eq!(unreadable.learned.len(), 1, "the payment is linked all the same");
}

#[test]
fn what_a_purchase_does_not_use_does_not_fail() {
    let mut odd_extra = extra("extra", 100);
    odd_extra["quantity"] = json!("4");
    odd_extra["period"] = json!({ "start": "x", "end": "y" });
    let mut prorated = line("price_m", 50, 12, true);
    prorated["period"] = json!("soon");
    let reading = paid(json!({
        "tax": "1900", "subtotal": "x", "due_date": "never", "amount_due": "y",
        "lines": { "data": [line("price_m", 900, 31, false), odd_extra, prorated] },
    }));
    assert_eq!((reading.invoice().amount_paid, reading.invoice().seats), (11_900, Some(2)));
    assert_eq!(reading.invoice().lines[1].quantity, None);
    assert_eq!(paid(json!({ "currency": null })).invoice().currency, None);
    assert_eq!(paid(json!({ "status": "open", "total": "x" })).reason(), "not_fully_paid");
}
