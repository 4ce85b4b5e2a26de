//! Subscriptions of Chargebee: what each kind of webhook states, and what a subscription costs.

use serde_json::json;

use super::*;
use crate::providers::chargebee::testing::{changed, no_numbers, not_understood, try_chargebee};
use crate::providers::testing::{Says, chargebee};

fn about(kind: &str, changes: Value) -> Reading {
    let mut subscription = json!({
        "id": "sub_1", "customer_id": "cus_1", "status": "active", "currency_code": "EUR", "started_at": 1,
        "billing_period": 1, "billing_period_unit": "month",
        "subscription_items": [
            { "item_type": "plan", "item_price_id": "plan-m", "unit_price": 1000, "quantity": 4, "amount": 1000 },
        ],
    });
    for (key, value) in changes.as_object().unwrap() {
        subscription[key] = value.clone();
    }
    chargebee(kind, json!({ "customer": { "id": "cus_1" }, "subscription": subscription }))
}

fn known(changes: Value) -> Subscription {
    about("subscription_created", changes).subscription().clone()
}

/// Of the first product catalogue.
fn planned(changes: Value) -> Subscription {
    let mut all = json!({ "subscription_items": null, "plan_id": "gold", "plan_unit_price": 500, "plan_quantity": 3 });
    for (key, value) in changes.as_object().unwrap() {
        all[key] = value.clone();
    }
    known(all)
}

#[test]
fn a_status_is_a_phase_and_unknown_ones_run() {
    for (status, phase) in [
        ("active", Phase::Running),
        ("non_renewing", Phase::Running),
        ("in_trial", Phase::Trial),
        ("paused", Phase::Stalled),
        ("a_word_of_tomorrow", Phase::Running),
    ] {
        assert_eq!(known(json!({ "status": status })).phase, phase, "{status}");
    }
}

#[test]
fn every_kind_of_webhook_states_its_fact_backdated_or_not() {
    for (kind, fact) in [
        ("subscription_created", "subscription-started"),
        ("subscription_created_with_backdating", "subscription-started"),
        ("subscription_started", "subscription-started"),
        ("subscription_activated", "subscription-changed"),
        ("subscription_activated_with_backdating", "subscription-changed"),
        ("subscription_changed", "subscription-changed"),
        ("subscription_changed_with_backdating", "subscription-changed"),
        ("subscription_reactivated", "subscription-changed"),
        ("subscription_reactivated_with_backdating", "subscription-changed"),
        ("subscription_resumed", "subscription-changed"),
        ("subscription_cancelled", "subscription-ended"),
        ("subscription_canceled_with_backdating", "subscription-ended"),
        ("subscription_deleted", "subscription-ended"),
    ] {
        assert_eq!(about(kind, json!({})).only_fact().detail.kind(), fact, "{kind}");
    }
    for kind in [
        "subscription_renewed",
        "subscription_items_renewed",
        "subscription_cancellation_scheduled",
        "subscription_scheduled_cancellation_removed",
        "subscription_changes_scheduled",
        "subscription_paused",
        "subscription_pause_scheduled",
        "subscription_cancellation_reminder",
        "a_word_of_tomorrow",
    ] {
        assert_eq!(about(kind, json!({})).reason(), "not_of_interest", "{kind}");
    }
}

#[test]
fn what_lies_in_the_future_has_neither_started_nor_changed_nor_ended() {
    let future = json!({ "status": "future", "started_at": null });
    let cancelled = json!({ "status": "cancelled", "started_at": null, "created_at": 1, "cancelled_at": 2 });
    for (kind, state) in [
        ("subscription_created", &future),
        ("subscription_changed", &future),
        ("subscription_deleted", &future),
        ("subscription_cancelled", &cancelled),
    ] {
        assert_eq!(about(kind, state.clone()).reason(), "not_started", "{kind}");
    }
    // One that was on trial has begun, and one without any times does not say that it never did.
    for began in [json!({ "created_at": 1, "trial_start": 1 }), json!({ "cancelled_at": 2 })] {
        let mut cancelled = json!({ "status": "cancelled", "started_at": null });
        for (key, value) in began.as_object().unwrap() {
            cancelled[key] = value.clone();
        }
        assert_eq!(about("subscription_cancelled", cancelled).subscription().phase, Phase::Ended, "{began}");
    }
}

#[test]
fn one_that_is_over_has_not_started() {
    for kind in ["subscription_created", "subscription_started"] {
        assert_eq!(about(kind, json!({ "status": "cancelled" })).reason(), "not_started", "{kind}");
    }
}

#[test]
fn it_is_of_the_customer_it_names() {
    let of = |id: Value| about("subscription_changed", json!({ "customer_id": id })).only_fact().customer.clone();
    assert_eq!(of(json!("cus_child")).as_deref(), Some("cus_child"));
    assert_eq!(of(Value::Null).as_deref(), Some("cus_1"));
}

#[test]
fn a_code_on_the_subscription_is_worth_a_word_and_is_not_read() {
    for changes in [json!({ "meta_data": { "cello_ucc": "code" } }), json!({ "cf_cello_ucc": "code" })] {
        assert_eq!(about("subscription_created", changes).warnings(), ["metadata_on_wrong_object"]);
    }
    assert_eq!(about("subscription_created", json!({ "meta_data": { "team": "code" } })).warnings(), [""; 0]);
}

#[test]
fn a_change_of_an_ended_one_is_not_reported_and_no_other_webhook_is_promised() {
    for (kind, status) in [
        ("subscription_changed", "cancelled"),
        ("subscription_changed", "transferred"),
        ("subscription_reactivated", "cancelled"),
        ("subscription_resumed", "transferred"),
    ] {
        let reading = about(kind, json!({ "status": status }));
        let nothing = reading.only_nothing();
        assert_eq!(nothing.reason.as_str(), "not_of_interest", "{kind} {status}");
        assert!(nothing.message.contains(&format!("`{status}`")), "{}", nothing.message);
    }
}

#[test]
fn what_has_not_started_says_its_status() {
    for (kind, status) in [
        ("subscription_created", "future"),
        ("subscription_created", "transferred"),
        ("subscription_started", "cancelled"),
        ("subscription_changed", "future"),
    ] {
        let reading = about(kind, json!({ "status": status }));
        let nothing = reading.only_nothing();
        assert_eq!(
            (nothing.reason.as_str(), nothing.message.clone()),
            ("not_started", format!("its status is `{status}`"))
        );
    }
}

#[test]
fn an_end_says_when_so_that_one_that_was_reactivated_ends_twice() {
    let ended_at = |kind: &str, at: Value| {
        let subscription = about(kind, json!({ "status": "cancelled", "cancelled_at": at })).subscription().clone();
        subscription.ended_at.map(|at| at.as_second())
    };
    for kind in ["subscription_cancelled", "subscription_canceled_with_backdating", "subscription_deleted"] {
        assert_eq!(ended_at(kind, json!(1_767_000_000)), Some(1_767_000_000), "{kind}");
        assert_eq!(ended_at(kind, Value::Null), None, "{kind}");
    }
    let running = about("subscription_changed", json!({ "status": "non_renewing", "cancelled_at": 1_767_000_000 }));
    assert_eq!(running.subscription().ended_at, None, "its end is only scheduled");
}

#[test]
fn without_a_customer_in_the_body_there_is_nothing_to_tell() {
    let alone = chargebee("subscription_created", json!({ "subscription": { "id": "sub_1", "status": "active" } }));
    assert_eq!(alone.reason(), "no_customer");
}

#[test]
fn the_amount_is_that_of_plan_and_addons_and_goes_before_unit_price_times_quantity() {
    let plan = json!({ "item_type": "plan", "item_price_id": "p", "unit_price": 1000, "quantity": 4, "amount": 1000 });
    let addon = json!({ "item_type": "addon", "item_price_id": "a", "unit_price": 200, "quantity": 3 });
    let charge = json!({ "item_type": "charge", "item_price_id": "c", "amount": 9900 });
    let amount = |items: Value| known(json!({ "subscription_items": items })).amount;
    assert_eq!(amount(json!([plan])), Some(1000), "free units are free");
    assert_eq!(amount(json!([plan, addon, charge])), Some(1600));
    assert_eq!(amount(json!([{ "item_type": "plan", "item_price_id": "p" }])), None);
    assert_eq!(known(json!({ "status": "in_trial" })).amount, Some(0));
}

#[test]
fn free_units_are_not_multiplied_where_no_amount_is_given() {
    let amount = |changes: Value| {
        let mut item = json!({ "item_type": "plan", "item_price_id": "p", "unit_price": 1000, "quantity": 4 });
        for (key, value) in changes.as_object().unwrap() {
            item[key] = value.clone();
        }
        known(json!({ "subscription_items": [item] })).amount
    };
    assert_eq!(amount(json!({ "free_quantity": 3 })), Some(1000));
    assert_eq!(amount(json!({ "free_quantity_in_decimal": "3.0" })), Some(1000));
    assert_eq!(amount(json!({ "free_quantity_in_decimal": "0.5" })), None);
    assert_eq!(amount(json!({ "free_quantity": 9 })), Some(0));
    assert_eq!(amount(json!({ "free_quantity": -1 })), Some(4000));
    assert_eq!(amount(json!({ "quantity": null })), Some(1000), "one, where no quantity is given");
    assert_eq!(planned(json!({ "plan_free_quantity": 1 })).amount, Some(1000));
}

#[test]
fn amounts_beyond_64_bits_are_unknown_amounts() {
    let item = |price: i64, quantity: i64| json!({ "item_type": "plan", "item_price_id": "p", "unit_price": price, "quantity": quantity });
    assert_eq!(known(json!({ "subscription_items": [item(i64::MAX, 2)] })).amount, None);
    assert_eq!(known(json!({ "subscription_items": [item(i64::MAX, 1), item(1, 1)] })).amount, None);
    assert_eq!(known(json!({ "subscription_items": [item(1, i64::MAX)] })).seats, Some(i64::MAX));
}

#[test]
fn decimal_quantities_are_seats_and_factors_only_where_they_are_whole() {
    let item = |quantity: &str| {
        let item = json!({
            "item_type": "plan", "item_price_id": "p", "unit_price": 1000, "quantity_in_decimal": quantity,
        });
        let known = known(json!({ "subscription_items": [item] }));
        (known.seats, known.amount)
    };
    assert_eq!(item("3"), (Some(3), Some(3000)));
    assert_eq!(item("3.000"), (Some(3), Some(3000)));
    assert_eq!(item("2.5"), (None, None));
    assert_eq!(item("many"), (None, None));
}

#[test]
fn the_plan_items_own_period_goes_before_that_of_the_subscription() {
    let items = json!([
        { "item_type": "addon", "item_price_id": "a", "amount": 9000, "billing_period": 1, "billing_period_unit": "week" },
        {
            "item_type": "plan", "item_price_id": "p", "amount": 1000, "quantity": 2,
            "billing_period": 3, "billing_period_unit": "month",
        },
    ]);
    let known = known(json!({ "subscription_items": items }));
    assert_eq!(known.plan.period, Period::parse("month", 3));
    assert_eq!((known.plan.price_id.as_deref(), known.seats, known.amount), (Some("p"), Some(2), Some(1000)));
}

#[test]
fn the_first_catalogue_counts_plan_and_addons() {
    let addons = json!([{ "id": "extra", "unit_price": 100, "quantity": 2 }, { "id": "flat", "amount": 50 }]);
    assert_eq!(planned(json!({ "addons": addons })).amount, Some(1750));
    assert_eq!(planned(json!({ "plan_amount": 900 })).amount, Some(900));
    let known = planned(json!({}));
    assert_eq!((known.plan.price_id.as_deref(), known.seats, known.amount), (Some("gold"), Some(3), Some(1500)));
    assert_eq!(planned(json!({ "plan_quantity": null, "plan_quantity_in_decimal": "1.5" })).amount, None);
}

#[test]
fn the_resources_own_version_tells_older_states_from_newer_ones() {
    assert_eq!(known(json!({ "resource_version": 1_702_645_601_123_i64 })).version, 1_702_645_601_123);
    for none in [Value::Null, json!(0), json!(-1)] {
        let version = known(json!({ "resource_version": none })).version;
        assert_eq!(version, crate::providers::testing::AT * 1000, "{none}");
    }
}

/// An item of the second catalogue with a period of its own.
fn every(kind: &str, amount: i64, count: i64, unit: &str) -> Value {
    json!({
        "item_type": kind, "item_price_id": kind, "amount": amount, "quantity": 2,
        "billing_period": count, "billing_period_unit": unit,
    })
}

#[test]
fn the_amount_is_that_of_one_period_and_items_of_another_are_left_out_with_a_warning() {
    let read = |items: Value| {
        let reading = about("subscription_created", json!({ "subscription_items": items }));
        (reading.subscription().amount, reading.warnings().join(","))
    };
    let (plan, without_own) = (every("plan", 120_000, 1, "year"), json!({ "item_type": "addon", "amount": 7 }));
    let mixed = (Some(120_000), "interval_mixed".to_owned());
    assert_eq!(read(json!([plan, every("addon", 2_000, 1, "month")])), mixed);
    assert_eq!(read(json!([every("addon", 2_000, 1, "month"), plan])), mixed, "the plan decides, wherever it stands");
    assert_eq!(read(json!([plan, every("addon", 2_000, 12, "month")])), (Some(122_000), String::new()));
    // The subscription is monthly.
    assert_eq!(read(json!([plan, without_own])), mixed);
    assert_eq!(read(json!([every("plan", 100, 1, "month"), without_own])), (Some(107), String::new()));
    assert_eq!(read(json!([every("plan", 100, 1, "month"), every("addon", 5, 1, "decade")])).1, "interval_mixed");
    assert_eq!(
        read(json!([every("plan", 100, 1, "decade"), every("addon", 5, 1, "decade")])),
        (Some(105), String::new())
    );
    let message = |items: Value| {
        about("subscription_created", json!({ "subscription_items": items })).only_fact().warnings[0].message.clone()
    };
    assert_eq!(
        message(json!([plan, every("addon", 5, 1, "month")])),
        "items are billed every 1 year and every 1 month; the amount is that of items with the plan's period"
    );
    assert_eq!(
        message(json!([plan, every("addon", 5, 1, "decade")])),
        "items are billed every 1 year and an unknown period; the amount is that of items with the plan's period"
    );
}

#[test]
fn half_a_period_of_an_items_own_is_none() {
    for half in [json!({ "billing_period": 3 }), json!({ "billing_period_unit": "year" })] {
        let item = changed(json!({ "item_type": "plan", "item_price_id": "p", "amount": 5 }), half);
        assert_eq!(known(json!({ "subscription_items": [item] })).plan.period, Period::parse("month", 1));
    }
}

#[test]
fn what_is_used_has_neither_seats_nor_an_amount_and_leaves_that_of_the_rest_as_it_is() {
    let metered = |kind: &str| json!({ "item_type": kind, "item_price_id": "used", "quantity": 900, "metered": true });
    let plan = every("plan", 4900, 1, "month");
    let read = |items: Value| {
        let reading = about("subscription_created", json!({ "subscription_items": items }));
        assert_eq!(reading.warnings(), [""; 0]);
        let subscription = reading.subscription();
        (subscription.amount, subscription.seats, subscription.plan.metered)
    };
    assert_eq!(read(json!([plan, metered("addon")])), (Some(4900), Some(2), false));
    assert_eq!(read(json!([metered("plan"), every("addon", 700, 1, "month")])), (Some(700), None, true));
    assert_eq!(read(json!([metered("plan")])), (None, None, true), "no amount is fixed");
    let by_price = json!({ "item_type": "plan", "quantity": 900, "amount": 5, "item_price": { "metered": true } });
    assert_eq!(read(json!([by_price])), (None, None, true));
    let licensed = changed(plan, json!({ "metered": false, "item_price": { "metered": false } }));
    assert_eq!(read(json!([licensed])), (Some(4900), Some(2), false));
    // Nothing is left out of the amount with usage of another period.
    let yearly = changed(metered("addon"), json!({ "billing_period": 1, "billing_period_unit": "year" }));
    assert_eq!(read(json!([every("plan", 4900, 1, "month"), yearly])), (Some(4900), Some(2), false));
}

#[test]
fn without_a_plan_the_first_addon_speaks_for_the_subscription() {
    let (first, second) =
        (every("addon", 700, 1, "month"), changed(every("addon", 900, 1, "month"), json!({ "item_price_id": "b" })));
    let known = known(json!({ "subscription_items": [first, second] }));
    assert_eq!((known.plan.price_id.as_deref(), known.seats, known.amount), (Some("addon"), Some(2), Some(1600)));
}

#[test]
fn one_off_charges_are_no_items() {
    let charge = json!({ "item_type": "charge", "item_price_id": "c", "amount": 9900, "quantity": 7 });
    let alone = known(json!({ "subscription_items": [charge] }));
    assert_eq!((alone.amount, alone.seats, alone.plan.price_id), (None, None, None));
}

#[test]
fn a_number_or_currency_that_a_fact_rests_on_must_be_understood() {
    let content = |changes: Value| {
        let item = json!({ "item_type": "plan", "item_price_id": "p", "amount": 1000, "quantity": 4 });
        let subscription = json!({
            "id": "sub_1", "status": "active", "currency_code": "EUR", "started_at": 1, "billing_period": 1,
            "billing_period_unit": "month", "subscription_items": [item],
        });
        json!({ "customer": { "id": "cus_1" }, "subscription": changed(subscription, changes) })
    };
    let item = |changes: Value| {
        let item = json!({ "item_type": "plan", "item_price_id": "p", "unit_price": 1000, "quantity": 4 });
        content(json!({ "subscription_items": [changed(item, changes)] }))
    };
    for wrong in no_numbers() {
        for key in ["amount", "unit_price", "quantity", "free_quantity", "billing_period"] {
            let changes = changed(json!({ "billing_period_unit": "month" }), json!({ key: wrong }));
            let field = not_understood("subscription_created", item(changes));
            assert_eq!(field, format!("content.subscription.subscription_items.{key}"));
        }
        let period = content(json!({ "billing_period": wrong }));
        assert_eq!(not_understood("subscription_changed", period), "content.subscription.billing_period");
        let plan = json!({ "subscription_items": null, "plan_id": "gold", "plan_amount": wrong });
        assert_eq!(not_understood("subscription_activated", content(plan)), "content.subscription.plan_amount");
        let addons =
            json!({ "subscription_items": null, "plan_amount": 5, "addons": [{ "id": "a", "amount": wrong }] });
        assert_eq!(not_understood("subscription_started", content(addons)), "content.subscription.addons.amount");
        let end = content(json!({ "cancelled_at": wrong }));
        assert_eq!(not_understood("subscription_cancelled", end), "content.subscription.cancelled_at");
        // What no fact uses is no problem: on trial the amount is 0, the amount goes before the unit price, and nothing
        // is decided about one that lies in the future.
        for fine in [
            content(
                json!({ "mrr": wrong, "due_invoices_count": wrong, "resource_version": "1", "cancelled_at": wrong }),
            ),
            content(json!({ "status": "in_trial", "subscription_items": [{ "item_type": "plan", "amount": wrong }] })),
            item(json!({ "amount": 5, "unit_price": wrong, "free_quantity": wrong })),
        ] {
            assert_eq!(chargebee("subscription_created", fine).facts.len(), 1, "{wrong}");
        }
        let future = content(json!({ "status": "future", "billing_period": wrong }));
        assert_eq!(chargebee("subscription_created", future).reason(), "not_started");
    }
    let currency = content(json!({ "currency_code": "euro" }));
    assert_eq!(not_understood("subscription_created", currency), "content.subscription.currency_code");
    let of_invoice = changed(content(json!({ "currency_code": null })), json!({ "invoice": { "currency_code": 978 } }));
    assert_eq!(not_understood("subscription_created", of_invoice), "content.invoice.currency_code");
}

#[test]
fn what_an_unreadable_event_teaches_is_kept() {
    let content = json!({
        "customer": { "id": "cus_1" },
        "subscription": { "id": "sub_1", "plan_id": "gold", "plan_amount": "4900", "plan_quantity": 3 },
    });
    let unreadable = try_chargebee("subscription_created", content).unwrap_err();
    let [crate::facts::Learned::Customer(customer), crate::facts::Learned::Subscription(subscription)] =
        unreadable.learned.as_slice()
    else {
        panic!("{:?}", unreadable.learned)
    };
    assert_eq!((customer.id.as_str(), subscription.amount, subscription.seats), ("cus_1", None, Some(3)));
}
