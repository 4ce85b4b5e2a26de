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
    let cancelled = json!({ "status": "cancelled", "started_at": null, "cancelled_at": 2 });
    for (kind, state) in [
        ("subscription_created", &future),
        ("subscription_changed", &future),
        ("subscription_deleted", &future),
        ("subscription_cancelled", &cancelled),
    ] {
        assert_eq!(about(kind, state.clone()).reason(), "not_started", "{kind}");
    }
    // One that was on trial has begun.
    let tried = json!({ "status": "cancelled", "started_at": null, "trial_start": 1 });
    assert_eq!(about("subscription_cancelled", tried).subscription().phase, Phase::Ended);
}

#[test]
fn a_change_of_an_ended_one_is_told_by_its_end() {
    assert_eq!(about("subscription_changed", json!({ "status": "cancelled" })).reason(), "reported_elsewhere");
    assert_eq!(about("subscription_created", json!({ "status": "cancelled" })).reason(), "not_started");
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
    assert_eq!(known(json!({})).version, crate::providers::testing::AT * 1000);
}
