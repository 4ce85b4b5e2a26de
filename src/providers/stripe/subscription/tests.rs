//! Subscriptions of Stripe: which updates are changes, and what a subscription costs.

use super::item::{amount, times};
use super::*;
use crate::facts::{Detail, Plan};
use crate::providers::testing::{AT, Says, stripe, stripe_after, try_stripe};

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
        ("active", "paused", "no_commercial_change"),
        ("active", "trialing", "no_commercial_change"),
        ("past_due", "unpaid", "no_commercial_change"),
        ("active", "incomplete", "not_started"),
        ("incomplete", "incomplete_expired", "not_started"),
        ("active", "incomplete_expired", "not_started"),
        ("incomplete", "canceled", "not_started"),
        ("active", "canceled", "reported_elsewhere"),
        ("trialing", "canceled", "reported_elsewhere"),
        ("active", "a_word_of_tomorrow", "no_commercial_change"),
    ] {
        assert_eq!(told(seats(now), json!({ "status": was })), expected, "{was} to {now}");
    }
    assert_eq!(told(seats("incomplete"), json!({ "metadata": {} })), "not_started");
    assert_eq!(told(seats("incomplete_expired"), json!({ "metadata": {} })), "not_started");
    assert_eq!(told(seats("canceled"), json!({ "metadata": {} })), "reported_elsewhere");
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

fn known(object: &Value) -> Subscription {
    subscription(object, 1).unwrap().unwrap()
}

fn read_items(items: Value) -> Subscription {
    known(&with_items("active", items))
}

#[test]
fn the_largest_item_names_plan_and_seats_and_all_of_one_period_the_amount() {
    let two = read_items(json!([item("si_1", price("price_a", 500), 2), item("si_2", price("price_m", 5000), 3)]));
    assert_eq!((two.amount, two.seats), (Some(16_000), Some(3)));
    assert_eq!(two.plan.price_id.as_deref(), Some("price_m"));
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
    assert_eq!(amount(&plan, 11), Ok(Some(2000)));
    for size in [0, -10] {
        assert_eq!(amount(&json!({ "amount": 1000, "transform_usage": { "divide_by": size } }), 11), Ok(None));
    }
}

#[test]
fn an_amount_in_another_currency_or_of_items_not_shown_is_unknown() {
    let mut dollars = seats("active");
    dollars["items"]["data"][0]["price"]["currency"] = json!("USD");
    let euros = known(&dollars);
    assert_eq!((euros.amount, euros.currency.unwrap().as_str(), euros.seats), (None, "EUR", Some(3)));
    dollars["currency"] = json!("usd");
    assert_eq!(known(&dollars).amount, Some(3000));
    dollars["items"]["has_more"] = json!(true);
    assert_eq!(known(&dollars).amount, None);
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
    assert_eq!(known(&seats("trialing")).amount, Some(0));
    let metered = json!({ "id": "si_1", "price": {
        "id": "price_u", "unit_amount": 7, "recurring": { "interval": "month", "usage_type": "metered" },
    } });
    assert_eq!(known(&with_items("trialing", json!([metered]))).amount, Some(0), "what is used then is free as well");
    assert_eq!(known(&with_items("trialing", json!([]))).amount, Some(0), "whatever it is for");
}

#[test]
fn a_subscription_without_items_has_one_plan_and_a_currency_from_it() {
    let old = known(&planned("active"));
    assert_eq!((old.amount, old.seats), (Some(3000), Some(3)));
    assert_eq!(old.currency.unwrap().as_str(), "USD");
    assert_eq!(old.plan.period, Period::parse("month", 1));
}

#[test]
fn a_customer_may_be_given_whole() {
    let mut object = seats("active");
    object["customer"] = json!({ "id": "cus_1", "object": "customer" });
    assert_eq!(known(&object).customer.as_deref(), Some("cus_1"));
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

fn every(unit: &str, id: &str, amount: i64) -> Value {
    let mut price = price(id, amount);
    price["recurring"]["interval"] = json!(unit);
    price
}

#[test]
fn items_of_another_period_than_the_deciding_one_are_no_part_of_the_amount() {
    let yearly = item("si_1", every("year", "price_y", 9000), 2);
    let monthly = item("si_2", price("price_m", 700), 1);
    let twelve = {
        let mut price = price("price_12", 500);
        price["recurring"]["interval_count"] = json!(12);
        item("si_3", price, 1)
    };
    let mixed = read_items(json!([monthly, yearly, twelve]));
    assert_eq!((mixed.amount, mixed.plan.period), (Some(18_500), Period::parse("year", 1)));
    assert_eq!(mixed.seats, Some(2));

    let mut tiered = monthly.clone();
    tiered["price"]["billing_scheme"] = json!("tiered");
    assert_eq!(read_items(json!([yearly, tiered])).amount, Some(18_000), "a tier of another period leaves it known");

    let mut decades = item("si_4", every("decade", "price_d", 100), 1);
    assert_eq!(read_items(json!([monthly, decades])).amount, Some(700));
    assert_eq!(read_items(json!([decades])).amount, Some(100), "of a unit that nobody knows");
    decades["quantity"] = json!(i64::MAX);
    assert_eq!(read_items(json!([decades])).amount, None, "too much to be added");
}

#[test]
fn use_is_nobodys_seats_and_its_price_is_remembered_as_metered() {
    let metered = json!({ "id": "si_2", "quantity": "many", "price": {
        "id": "price_u", "recurring": { "interval": "month", "usage_type": "metered" },
    } });
    let object = with_items("active", json!([metered]));
    let of_use = known(&object);
    assert_eq!((of_use.seats, of_use.plan.metered), (None, true));
    let Learned::Price(plan) = &learned(&object, &of_use)[0] else { panic!() };
    assert!(plan.metered);
    let planned = json!({ "id": "gold", "interval": "month", "usage_type": "metered" });
    assert!(plan_of(&planned).metered);
    assert!(!known(&seats("active")).plan.metered);
}

fn plan_of(price: &Value) -> Plan {
    plan(price).unwrap()
}

#[test]
fn an_end_says_when_it_was() {
    let ended = |at: Value| {
        let mut object = seats("canceled");
        object["ended_at"] = at;
        try_stripe("customer.subscription.deleted", object, Value::Null)
    };
    let at = ended(json!(AT - 5)).unwrap().subscription().ended_at;
    assert_eq!(at.map(|at| at.as_second()), Some(AT - 5));
    assert_eq!(ended(json!(null)).unwrap().subscription().ended_at, None);
    let unreadable = ended(json!("now")).unwrap_err();
    assert!(unreadable.to_string().contains("`data.object.ended_at`"));
    assert_eq!(unreadable.learned.len(), 2, "the price and the subscription");
    let mut running = seats("active");
    running["ended_at"] = json!("never");
    assert!(stripe("customer.subscription.created", running).subscription().ended_at.is_none());
}

/// A trial of three seats with this in `current_trial`.
fn offered(status: &str, current_trial: Value) -> Value {
    let mut object = seats(status);
    object["items"]["data"][0]["current_trial"] = current_trial;
    object
}

#[test]
fn a_paid_trial_offer_costs_what_it_says_and_not_what_follows() {
    let offer = |price: Value| json!({ "trial_offer": { "id": "to_1", "price": price }, "end_date": 2 });
    for status in ["trialing", "active"] {
        let paid = known(&offered(status, offer(every("week", "price_w", 100))));
        assert_eq!((paid.amount, paid.seats), (Some(300), Some(3)), "{status}");
        assert_eq!((paid.plan.price_id.as_deref(), paid.plan.period), (Some("price_w"), Period::parse("week", 1)));
        let own = known(&offered(status, offer(json!("price_m"))));
        assert_eq!((own.amount, own.plan.period), (Some(3000), Period::parse("month", 1)), "the item's own price");
        let other = known(&offered(status, offer(json!("price_w"))));
        assert_eq!((other.amount, other.plan.period, other.seats), (None, None, Some(3)));
        assert_eq!(other.plan.price_id.as_deref(), Some("price_w"));
    }
    let object = offered("trialing", offer(every("week", "price_w", 100)));
    let ids = |learned: &Learned| match learned {
        Learned::Price(plan) => plan.price_id.clone(),
        _ => None,
    };
    let prices: Vec<_> = learned(&object, &known(&object)).iter().filter_map(ids).collect();
    assert_eq!(prices, ["price_m", "price_w"], "both will be billed");
    let free = known(&offered("trialing", offer(every("week", "price_0", 0))));
    assert_eq!(free.amount, Some(0));
}

#[test]
fn a_trial_offer_that_is_only_named_leaves_the_amount_of_a_trial_open() {
    for only_named in [json!("ct_1"), json!({ "trial_offer": "to_1" }), json!({ "trial_offer": { "id": "to_1" } })] {
        let trial = known(&offered("trialing", only_named.clone()));
        assert_eq!((trial.amount, trial.plan.price_id.as_deref()), (None, Some("price_m")), "{only_named}");
        assert_eq!(known(&offered("active", only_named)).amount, Some(3000), "of an active one the item is billed");
    }
    assert_eq!(known(&offered("trialing", Value::Null)).amount, Some(0));
}

#[test]
fn beside_a_trial_offer_the_other_items_of_a_trial_are_free() {
    let mut object = with_addon("trialing");
    object["items"]["data"][1]["current_trial"] = json!({ "trial_offer": { "price": price("price_t", 100) } });
    assert_eq!(known(&object).amount, Some(200));
    object["items"]["has_more"] = json!(true);
    assert_eq!(known(&object).amount, None);
}

#[test]
fn numbers_and_currencies_that_are_not_understood_make_it_unreadable() {
    let with = |path: &[&str], value: Value| {
        let mut object = seats("active");
        let mut place = &mut object;
        for key in path {
            place = if *key == "0" { &mut place[0] } else { &mut place[*key] };
        }
        *place = value;
        object
    };
    let item = ["items", "data", "0"];
    let at = |more: &[&'static str]| item.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    for (path, value) in [
        (at(&["quantity"]), json!("3")),
        (at(&["quantity"]), json!(3.5)),
        (at(&["price", "unit_amount"]), json!("1000")),
        (at(&["price", "unit_amount"]), json!(i64::MAX as u64 + 1)),
        (at(&["price", "recurring", "interval_count"]), json!("1")),
        (at(&["price", "currency"]), json!("euro")),
        (vec!["currency"], json!("euro")),
    ] {
        let unreadable =
            try_stripe("customer.subscription.created", with(&path, value.clone()), Value::Null).unwrap_err();
        let field = path.iter().filter(|key| **key != "0").copied().collect::<Vec<_>>().join(".");
        assert!(unreadable.to_string().contains(&format!("`data.object.{field}`")), "{unreadable}");
    }
    let unreadable = try_stripe("customer.subscription.updated", with(&["currency"], json!(1)), Value::Null);
    assert_eq!(unreadable.unwrap_err().learned.len(), 1, "its price is understood");
    let former = json!({ "items": { "data": [{ "id": "si_1", "quantity": "2" }] } });
    let unreadable = try_stripe(UPDATED, seats("active"), former).unwrap_err().to_string();
    assert!(unreadable.contains("`data.previous_attributes.items.data.quantity`"), "{unreadable}");
    let offer = json!({ "trial_offer": { "price": { "id": "price_t", "unit_amount": "1" } } });
    let unreadable = try_stripe(UPDATED, offered("active", offer), Value::Null).unwrap_err().to_string();
    assert!(unreadable.contains("`data.object.items.data.current_trial.trial_offer.price.unit_amount`"));
    let mut old = planned("active");
    old["plan"]["amount"] = json!("1000");
    let unreadable = try_stripe(UPDATED, old, Value::Null).unwrap_err().to_string();
    assert!(unreadable.contains("`data.object.plan.amount`"));
    for wrong in [json!(12.5), json!("x"), json!("1."), json!("-"), json!("1.2.3"), json!("1e3")] {
        let price = json!({ "unit_amount_decimal": wrong });
        assert_eq!(amount(&price, 1), Err(NotUnderstood::at("unit_amount_decimal")), "{wrong}");
    }
    assert_eq!(amount(&json!({ "amount_decimal": "-0.5" }), 2), Ok(Some(-1)));
    assert_eq!(amount(&json!({}), 2), Ok(None));
    let package = json!({ "unit_amount": 1, "transform_quantity": { "divide_by": "10" } });
    assert_eq!(amount(&package, 1), Err(NotUnderstood::at("transform_quantity.divide_by")));
}

#[test]
fn what_the_amount_does_not_use_does_not_fail() {
    let mut foreign = seats("active");
    foreign["items"]["data"][0]["price"]["currency"] = json!("usd");
    foreign["items"]["data"][0]["price"]["unit_amount"] = json!("1000");
    assert_eq!(known(&foreign).amount, None);
    let mut odd = seats("active");
    odd["canceled_at"] = json!("never");
    odd["latest_invoice"] = json!(17);
    assert_eq!(known(&odd).amount, Some(3000));
    assert_eq!(subscription(&json!({ "currency": "euro" }), 1), Ok(None), "without an id nothing is read");
}
