//! Subscriptions of Stripe: which updates are changes, and what a subscription costs.

use super::*;
use crate::facts::Detail;
use crate::providers::testing::{Says, stripe, stripe_after};

const UPDATED: &str = "customer.subscription.updated";

fn price(id: &str, amount: i64) -> Value {
    json!({
        "id": id, "product": "prod_1", "currency": "eur", "unit_amount": amount,
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
    })
}

fn item(id: &str, price: Value, quantity: i64) -> Value {
    json!({ "id": id, "price": price, "quantity": quantity, "current_period_start": 1, "current_period_end": 2 })
}

fn with_items(status: &str, items: Value) -> Value {
    json!({ "id": "sub_1", "customer": "cus_1", "status": status, "currency": "eur", "items": { "data": items } })
}

/// Three seats at 10.00.
fn seats(status: &str) -> Value {
    with_items(status, json!([item("si_1", price("price_m", 1000), 3)]))
}

/// A plan of 50.00 and two add-ons at 5.00.
fn with_addon(status: &str) -> Value {
    with_items(status, json!([item("si_1", price("price_m", 5000), 1), item("si_2", price("price_a", 500), 2)]))
}

/// From before there were items: one plan, one quantity.
fn planned(status: &str) -> Value {
    json!({
        "id": "sub_1", "customer": "cus_1", "status": status, "quantity": 3,
        "plan": { "id": "gold", "product": "prod_1", "amount": 1000, "currency": "usd", "interval": "month" },
    })
}

/// From the years in which the only item's plan and quantity stood beside the items as well.
fn with_plan_and_item() -> Value {
    let mut object = planned("active");
    object["items"] = json!({ "data": [{ "id": "si_1", "plan": object["plan"], "quantity": 3 }] });
    object
}

/// What an update comes to, in one word.
fn told(object: Value, former: Value) -> &'static str {
    let reading = stripe_after(UPDATED, object, former);
    match reading.facts.first().map(|fact| &fact.detail) {
        Some(Detail::SubscriptionStarted(_)) => "started",
        Some(Detail::SubscriptionChanged { change: Change::Commercial, .. }) => "commercial",
        Some(Detail::SubscriptionChanged { change: Change::Active, .. }) => "active",
        Some(other) => panic!("{other:?}"),
        None => reading.reason(),
    }
}

#[test]
fn price_product_interval_and_quantity_are_changes_however_the_former_values_are_given() {
    for (what, object, former) in [
        ("whole items", seats("active"), json!({ "items": { "data": [item("si_1", price("price_s", 500), 3)] } })),
        ("a quantity in part", seats("active"), json!({ "items": { "data": [{ "id": "si_1", "quantity": 2 }] } })),
        ("a price in part", seats("active"), json!({ "items": { "data": [{ "price": { "id": "price_s" } }] } })),
        (
            "plan and items",
            seats("active"),
            json!({
                "plan": { "id": "price_s" }, "items": { "data": [item("si_1", price("price_s", 500), 3)] },
            }),
        ),
        (
            "quantity and items",
            seats("active"),
            json!({ "quantity": 3, "items": { "data": [item("si_1", price("price_s", 500), 3)] } }),
        ),
        ("plan alone, beside items", with_plan_and_item(), json!({ "plan": { "id": "silver", "amount": 500 } })),
        ("quantity alone", planned("active"), json!({ "quantity": 2 })),
        ("quantity alone, with items", seats("active"), json!({ "quantity": 2 })),
        ("plan alone", planned("active"), json!({ "plan": { "id": "silver", "amount": 500, "interval": "month" } })),
        ("another interval", planned("active"), json!({ "plan": { "id": "gold", "interval": "year" } })),
        (
            "an item less",
            with_addon("active"),
            json!({ "items": { "data": [item("si_1", price("price_m", 5000), 1)] } }),
        ),
        (
            "an item more",
            seats("active"),
            json!({
                "items": { "data": [item("si_1", price("price_m", 1000), 3), item("si_2", price("price_a", 500), 2)] },
            }),
        ),
        ("more of an add-on", with_addon("active"), json!({ "items": { "data": [{ "id": "si_2", "quantity": 1 }] } })),
        (
            "an add-on while a payment fails",
            with_addon("past_due"),
            json!({
                "status": "active", "items": { "data": [item("si_1", price("price_m", 5000), 1)] },
            }),
        ),
        ("seats on trial", seats("trialing"), json!({ "items": { "data": [{ "id": "si_1", "quantity": 2 }] } })),
    ] {
        assert_eq!(told(object, former), "commercial", "{what}");
    }
}

#[test]
fn what_rolls_over_or_is_only_scheduled_is_no_change() {
    for former in [
        json!({ "items": { "data": [{ "id": "si_1", "current_period_start": 0, "current_period_end": 1 }] } }),
        json!({ "items": { "data": [item("si_1", price("price_m", 1000), 3)] }, "latest_invoice": "in_0" }),
        json!({ "current_period_start": 0, "current_period_end": 1, "latest_invoice": "in_0" }),
        json!({ "metadata": { "team": null } }),
        json!({ "cancel_at": null }),
        json!({ "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null }),
        json!({ "cancellation_details": { "feedback": null } }),
        json!({ "default_payment_method": null }),
        json!({ "schedule": null }),
        json!({ "discounts": [] }),
        json!({ "quantity": 3 }),
    ] {
        assert_eq!(told(seats("active"), former.clone()), "no_commercial_change", "{former}");
    }
    assert_eq!(told(planned("active"), json!({ "quantity": 3 })), "no_commercial_change");
    assert_eq!(told(seats("active"), Value::Null), "no_commercial_change", "without former values");
}

#[test]
fn a_change_of_status_is_a_start_a_change_a_return_or_nothing() {
    for (was, now, expected) in [
        ("incomplete", "active", "started"),
        ("incomplete", "trialing", "started"),
        ("incomplete", "past_due", "started"),
        ("trialing", "active", "commercial"),
        ("past_due", "active", "active"),
        ("unpaid", "active", "active"),
        ("paused", "active", "active"),
        ("trialing", "past_due", "no_commercial_change"),
        ("trialing", "paused", "no_commercial_change"),
        ("active", "past_due", "no_commercial_change"),
        ("active", "trialing", "no_commercial_change"),
        ("past_due", "unpaid", "no_commercial_change"),
        ("active", "incomplete", "not_started"),
        ("incomplete", "incomplete_expired", "not_started"),
        ("active", "canceled", "reported_elsewhere"),
        ("trialing", "canceled", "reported_elsewhere"),
        ("active", "a_word_of_tomorrow", "no_commercial_change"),
    ] {
        assert_eq!(told(seats(now), json!({ "status": was })), expected, "{was} to {now}");
    }
    assert_eq!(told(seats("incomplete"), json!({ "metadata": {} })), "not_started");
}

#[test]
fn a_new_subscription_starts_when_it_is_on_trial_or_active() {
    for (status, phase) in [
        ("active", Some(Phase::Running)),
        ("trialing", Some(Phase::Trial)),
        ("incomplete", None),
        ("past_due", Some(Phase::Pending)),
        ("unpaid", Some(Phase::Pending)),
        ("paused", Some(Phase::Pending)),
    ] {
        let reading = stripe("customer.subscription.created", seats(status));
        match (reading.facts.first().map(|fact| &fact.detail), phase) {
            (Some(Detail::SubscriptionStarted(subscription)), Some(phase)) => assert_eq!(subscription.phase, phase),
            (None, None) => assert_eq!(reading.reason(), "not_started"),
            (other, _) => panic!("{status}: {other:?}"),
        }
        assert!(!reading.learned.is_empty(), "the directory learns of it in either case");
    }
}

#[test]
fn one_that_never_started_does_not_end_either() {
    let ended = |status| stripe("customer.subscription.deleted", seats(status));
    assert_eq!(ended("canceled").subscription().phase, Phase::Ended);
    assert_eq!(ended("active").subscription().phase, Phase::Ended, "whatever its status says");
    assert_eq!(ended("incomplete_expired").reason(), "not_started");
}

fn read_items(items: Value) -> Subscription {
    subscription(&with_items("active", items), 1).unwrap()
}

#[test]
fn the_largest_item_names_plan_and_seats_and_all_of_them_the_amount() {
    let known = read_items(json!([item("si_1", price("price_a", 500), 2), item("si_2", price("price_m", 5000), 3)]));
    assert_eq!((known.amount, known.seats), (Some(16_000), Some(3)));
    assert_eq!(known.plan.price_id.as_deref(), Some("price_m"));
    let equal = read_items(json!([item("si_1", price("price_a", 500), 1), item("si_2", price("price_b", 500), 1)]));
    assert_eq!(equal.plan.price_id.as_deref(), Some("price_a"), "the first of equals");
}

#[test]
fn usage_is_left_out_of_the_amount_and_a_tier_makes_it_unknown() {
    let metered = json!({ "id": "si_2", "price": {
        "id": "price_u", "unit_amount": 7, "recurring": { "interval": "month", "usage_type": "metered" },
    } });
    let tiered = json!({ "id": "si_2", "quantity": 4, "price": {
        "id": "price_t", "billing_scheme": "tiered", "unit_amount": null, "recurring": { "interval": "month" },
    } });
    let flat = item("si_1", price("price_m", 1000), 3);
    assert_eq!(read_items(json!([flat, metered])).amount, Some(3000));
    assert_eq!(read_items(json!([flat, tiered])).amount, None);
    assert_eq!(read_items(json!([metered])).amount, None);
    assert_eq!(read_items(json!([])).amount, None);
}

#[test]
fn packages_are_counted_whole() {
    let sold = |quantity: i64, how: &str| {
        let mut price = price("price_m", 1000);
        price["transform_quantity"] = json!({ "divide_by": 10, "round": how });
        read_items(json!([item("si_1", price, quantity)])).amount
    };
    assert_eq!(
        (sold(25, "up"), sold(25, "down"), sold(30, "up"), sold(0, "up")),
        (Some(3000), Some(2000), Some(3000), Some(0))
    );
    let plan = json!({ "amount": 1000, "transform_usage": { "divide_by": 10, "round": "up" } });
    assert_eq!(amount(&plan, 11), Some(2000));
    for size in [0, -10] {
        assert_eq!(amount(&json!({ "amount": 1000, "transform_usage": { "divide_by": size } }), 11), None);
    }
}

#[test]
fn an_amount_in_another_currency_or_of_items_not_shown_is_unknown() {
    let mut dollars = seats("active");
    dollars["items"]["data"][0]["price"]["currency"] = json!("USD");
    let known = subscription(&dollars, 1).unwrap();
    assert_eq!((known.amount, known.currency.unwrap().as_str(), known.seats), (None, "EUR", Some(3)));
    dollars["currency"] = json!("usd");
    assert_eq!(subscription(&dollars, 1).unwrap().amount, Some(3000));
    dollars["items"]["has_more"] = json!(true);
    assert_eq!(subscription(&dollars, 1).unwrap().amount, None);
}

#[test]
fn items_of_different_periods_are_worth_a_word() {
    let mut yearly = price("price_y", 5000);
    yearly["recurring"]["interval"] = json!("year");
    let items = json!([item("si_1", price("price_m", 1000), 1), item("si_2", yearly, 1)]);
    let reading = stripe("customer.subscription.created", with_items("active", items));
    assert_eq!(reading.warnings(), ["interval_mixed"]);
    assert_eq!(stripe("customer.subscription.created", with_addon("active")).warnings(), [""; 0]);
}

#[test]
fn nothing_is_due_on_trial() {
    assert_eq!(subscription(&seats("trialing"), 1).unwrap().amount, Some(0));
}

#[test]
fn a_subscription_without_items_has_one_plan_and_a_currency_from_it() {
    let known = subscription(&planned("active"), 1).unwrap();
    assert_eq!((known.amount, known.seats), (Some(3000), Some(3)));
    assert_eq!(known.currency.unwrap().as_str(), "USD");
    assert_eq!(known.plan.period, Period::parse("month", 1));
}

#[test]
fn a_customer_may_be_given_whole() {
    let mut object = seats("active");
    object["customer"] = json!({ "id": "cus_1", "object": "customer" });
    assert_eq!(subscription(&object, 1).unwrap().customer.as_deref(), Some("cus_1"));
}

#[test]
fn fractions_of_a_minor_unit_count_only_where_they_add_up() {
    assert_eq!(times("0.5", 1000), Some(500));
    assert_eq!(times("12", 3), Some(36));
    assert_eq!(times("0.5", 3), None);
    assert_eq!(times("x", 3), None);
    assert_eq!(times("-0.5", 2), Some(-1));
    assert_eq!(times(&"9".repeat(60), 1), None);
}
