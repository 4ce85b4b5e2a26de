//! Subscriptions of Chargebee: what each kind of webhook states, and what a subscription costs.

use serde_json::json;

use super::*;
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
    for kind in ["subscription_renewed", "subscription_items_renewed"] {
        assert_eq!(about(kind, json!({})).reason(), "reported_elsewhere");
    }
    for kind in [
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
fn a_change_of_an_ended_one_is_told_by_its_end() {
    assert_eq!(about("subscription_changed", json!({ "status": "cancelled" })).reason(), "reported_elsewhere");
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
    assert_eq!((known.plan.price_id.as_deref(), known.seats), (Some("p"), Some(2)));
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
