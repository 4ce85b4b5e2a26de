//! Subscriptions of both product catalogues: plans and addons (1.0), items (2.0).

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Event, customer};
use crate::decision::Reason;
use crate::facts::{Change, Detail, Fact, Phase, Plan, Reading, Subscription};
use crate::interval::Period;
use crate::money::Currency;
use crate::providers::ReadError;
use crate::providers::json::Look;

/// A new subscription, unless it lies in the future: then `subscription_started` tells.
pub fn created(event: &Event) -> Result<Reading, ReadError> {
    let subscription = required(event)?;
    Ok(match subscription.phase {
        Phase::Pending => not_started("future"),
        Phase::Ended => not_started("cancelled"),
        _ => fact(event, Detail::SubscriptionStarted(subscription)),
    })
}

/// A future subscription that begins.
pub fn started(event: &Event) -> Result<Reading, ReadError> {
    let subscription = required(event)?;
    Ok(match subscription.phase {
        Phase::Ended => not_started("cancelled"),
        _ => fact(event, Detail::SubscriptionStarted(subscription)),
    })
}

/// A trial that became paid.
pub fn activated(event: &Event) -> Result<Reading, ReadError> {
    Ok(fact(event, change(event, Change::Commercial)?))
}

/// A change. Chargebee does not say of what, so the state last known decides whether it matters.
pub fn changed(event: &Event) -> Result<Reading, ReadError> {
    Ok(match required(event)?.phase {
        Phase::Pending => not_started("future"),
        Phase::Ended => {
            let status = event.content.text("subscription.status").unwrap_or_default();
            let message = format!("its status is `{status}`; where it has ended, `subscription_cancelled` tells");
            Reading::nothing(Reason::ReportedElsewhere, message)
        }
        _ => fact(event, change(event, Change::Unsaid)?),
    })
}

/// Cancelled or deleted; both are the end, and it is reported once. One that lay in the future has not ended: it never
/// began, and nothing was reported of it.
pub fn ended(event: &Event) -> Result<Reading, ReadError> {
    let subscription = required(event)?;
    if event.content.at("subscription").is_some_and(never_began) {
        return Ok(Reading::nothing(Reason::NotStarted, "it ended before it began"));
    }
    Ok(fact(event, Detail::SubscriptionEnded(subscription)))
}

/// Told by its status, or by times that say when it was made and not when it began. One without any times tells
/// nothing, and its end is not kept from Cello for that.
fn never_began(object: &Value) -> bool {
    let began = ["started_at", "activated_at", "trial_start", "current_term_start"];
    let has_begun = began.into_iter().any(|key| object.at(key).is_some());
    !has_begun && (object.text("status") == Some("future") || object.at("created_at").is_some())
}

fn change(event: &Event, change: Change) -> Result<Detail, ReadError> {
    Ok(Detail::SubscriptionChanged { subscription: required(event)?, change, event_id: event.id.to_owned() })
}

fn fact(event: &Event, detail: Detail) -> Reading {
    let Some(customer) = customer::owner(event, event.content.at("subscription")) else {
        return Reading::nothing(Reason::NoCustomer, "there is no customer in the event");
    };
    Reading::fact(Fact { at: event.at, customer: Some(customer), detail, warnings: vec![] })
}

fn not_started(status: &str) -> Reading {
    Reading::nothing(Reason::NotStarted, format!("its status is `{status}`"))
}

fn required(event: &Event) -> Result<Subscription, ReadError> {
    in_content(event).ok_or_else(|| event.missing("content.subscription"))
}

/// The subscription that travels in the event.
pub fn in_content(event: &Event) -> Option<Subscription> {
    let object = event.content.at("subscription")?;
    let main = plan_item(object);
    let phase = phase(object.text("status").unwrap_or_default());
    let ended = matches!(event.action(), "subscription_cancelled" | "subscription_canceled" | "subscription_deleted");
    Some(Subscription {
        id: object.owned("id")?,
        customer: object.owned("customer_id").or_else(|| event.content.owned("customer.id")),
        phase: if ended { Phase::Ended } else { phase },
        amount: if phase == Phase::Trial { Some(0) } else { recurring_amount(object) },
        currency: object
            .text("currency_code")
            .or_else(|| event.content.text("invoice.currency_code"))
            .and_then(Currency::parse),
        plan: Plan {
            period: main.and_then(period).or_else(|| period(object)),
            price_id: main.map_or_else(|| object.owned("plan_id"), |item| item.owned("item_price_id")),
            product_id: None,
            metered: false,
        },
        seats: main.map_or_else(
            || quantity(object, "plan_quantity", "plan_quantity_in_decimal"),
            |item| quantity(item, "quantity", "quantity_in_decimal"),
        ),
        version: event.version(object),
        ended_at: None,
    })
}

fn plan_item(subscription: &Value) -> Option<&Value> {
    let items = subscription.list("subscription_items");
    items.iter().find(|item| item.text("item_type") == Some("plan")).or_else(|| items.first())
}

fn period(object: &Value) -> Option<Period> {
    Period::parse(object.text("billing_period_unit")?, object.int("billing_period")?)
}

/// A whole number of seats, also where only the decimal form is given.
fn quantity(object: &Value, whole: &str, decimal: &str) -> Option<i64> {
    object.int(whole).or_else(|| {
        let text = object.text(decimal)?;
        let (units, fraction) = text.split_once('.').unwrap_or((text, ""));
        fraction.bytes().all(|digit| digit == b'0').then(|| units.parse().ok())?
    })
}

/// Minor units of one period: plan and addons; one-off charges left out. The given amount is used before unit price
/// times quantity, since free units and tiers make them differ.
fn recurring_amount(subscription: &Value) -> Option<i64> {
    let items = subscription.list("subscription_items");
    let mut amounts: Vec<Option<i64>> =
        items.iter().filter(|item| item.text("item_type") != Some("charge")).map(|item| cost(item, "")).collect();
    if items.is_empty() {
        amounts.push(cost(subscription, "plan_"));
        amounts.extend(subscription.list("addons").iter().map(|addon| cost(addon, "")));
    }
    amounts.into_iter().try_fold(0_i64, |sum, amount| sum.checked_add(amount?))
}

/// What an item, addon or plan costs for one period; the names of its fields begin with `prefix`.
fn cost(object: &Value, prefix: &str) -> Option<i64> {
    let field = |name: &str| format!("{prefix}{name}");
    // `None` for a fraction of a unit, which has no price in whole minor units.
    let units = |name: &str, if_absent: i64| {
        let (whole, decimal) = (field(name), field(&format!("{name}_in_decimal")));
        let absent = object.at(&whole).is_none() && object.at(&decimal).is_none();
        if absent { Some(if_absent) } else { quantity(object, &whole, &decimal) }
    };
    object.int(&field("amount")).or_else(|| {
        let to_pay = units("quantity", 1)?.saturating_sub(units("free_quantity", 0)?.max(0)).max(0);
        object.int(&field("unit_price"))?.checked_mul(to_pay)
    })
}

fn phase(status: &str) -> Phase {
    match status {
        "future" => Phase::Pending,
        "in_trial" => Phase::Trial,
        "paused" => Phase::Stalled,
        "cancelled" | "transferred" => Phase::Ended,
        // `active`, `non_renewing`, and words that do not exist yet.
        _ => Phase::Running,
    }
}
