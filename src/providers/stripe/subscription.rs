//! Subscriptions: when one starts, what changes commercially, when it has ended.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Event, customer_id};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Change, Detail, Fact, Learned, Phase, Plan, Reading, Subscription};
use crate::interval::Period;
use crate::money::Currency;
use crate::providers::ReadError;
use crate::providers::json::{Look, overlay};
use crate::providers::metadata::Keys;

/// A new subscription: reported when it is trialing or active. An incomplete one waits for its first payment, and so does
/// one that is past due, unpaid or paused from the start.
pub fn created(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let subscription = read(event)?;
    let learned = learned(event.object, &subscription);
    let reading = match subscription.phase {
        Phase::Trial | Phase::Running => {
            Reading::fact(fact(event, keys, subscription.customer.clone(), Detail::SubscriptionStarted(subscription)))
        }
        // Kept as a fact, because nothing in the update that makes it active for the first time says that it is the first.
        Phase::Stalled => {
            let waiting = Subscription { phase: Phase::Pending, ..subscription };
            Reading::fact(fact(event, keys, waiting.customer.clone(), Detail::SubscriptionStarted(waiting)))
        }
        Phase::Pending | Phase::Ended => {
            Reading::nothing(Reason::NotStarted, format!("its status is `{}`", status(event.object)))
        }
    };
    Ok(reading.learning(learned))
}

/// A changed subscription. Most updates change nothing commercial: a new period, metadata, a payment method, a
/// scheduled cancellation.
pub fn updated(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let subscription = read(event)?;
    let learned = learned(event.object, &subscription);
    let nothing = |reason, message: &str| Reading::nothing(reason, message);
    let was = event.former.and_then(|former| former.text("status")).map(phase);
    let reading = match (was, subscription.phase) {
        (_, Phase::Pending) => nothing(Reason::NotStarted, "the first payment is still missing"),
        (Some(Phase::Pending), Phase::Ended) => nothing(Reason::NotStarted, "the first payment never came"),
        (_, Phase::Ended) => {
            nothing(Reason::ReportedElsewhere, "`customer.subscription.deleted` tells that a subscription has ended")
        }
        (Some(Phase::Pending), _) => {
            Reading::fact(fact(event, keys, subscription.customer.clone(), Detail::SubscriptionStarted(subscription)))
        }
        (was, _) => match change(event, &subscription, was) {
            Some(change) => {
                let customer = subscription.customer.clone();
                let event_id = event.id.to_owned();
                let detail = Detail::SubscriptionChanged { subscription, change, event_id };
                Reading::fact(fact(event, keys, customer, detail))
            }
            None => nothing(Reason::NoCommercialChange, "price, quantity, interval and product are as before"),
        },
    };
    Ok(reading.learning(learned))
}

/// The end of a subscription; when it was only scheduled, an update said so before.
pub fn ended(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let subscription = Subscription { phase: Phase::Ended, ..read(event)? };
    let learned = learned(event.object, &subscription);
    if matches!(status(event.object), "incomplete" | "incomplete_expired") {
        return Ok(Reading::nothing(Reason::NotStarted, "the first payment never came").learning(learned));
    }
    let customer = subscription.customer.clone();
    Ok(Reading::fact(fact(event, keys, customer, Detail::SubscriptionEnded(subscription))).learning(learned))
}

fn fact(event: &Event, keys: &Keys, customer: Option<String>, detail: Detail) -> Fact {
    let elsewhere = keys.warn_of_code_on(event.object.at("metadata"), "subscription");
    let periods = items(event.object).into_iter().filter_map(|item| item.plan.period);
    let warnings = elsewhere.into_iter().chain(mixed_intervals("items", periods)).collect();
    Fact { at: event.at, customer, detail, warnings }
}

/// A warning where not all of the `periods` of these `parts` have the same length.
pub fn mixed_intervals(parts: &str, mut periods: impl Iterator<Item = Period>) -> Option<Warning> {
    let first = periods.next()?;
    let other = periods.find(|period| !period.is_as_long_as(first))?;
    let message = format!("{parts} are billed every {first} and every {other}; the largest decides");
    Some(Warning::new(WarningCode::IntervalMixed, message))
}

fn change(event: &Event, now: &Subscription, was: Option<Phase>) -> Option<Change> {
    let former = event.former?;
    let before = subscription(&overlay(event.object, &without_stale_items(event.object, former)), now.version);
    let items_differ = before.is_some_and(|before| {
        // On trial the amount is 0, whatever the price.
        let priced = before.phase != Phase::Trial && now.phase != Phase::Trial;
        before.plan != now.plan || before.seats != now.seats || (priced && before.amount != now.amount)
    });
    match (was, now.phase) {
        (Some(Phase::Trial), Phase::Running) => Some(Change::Commercial),
        _ if items_differ => Some(Change::Commercial),
        (Some(Phase::Stalled), Phase::Running) => Some(Change::Active),
        _ => None,
    }
}

/// Older versions give former `plan` and `quantity` beside, or instead of, the former items. Where the items are
/// missing, those two speak for the single item there was.
fn without_stale_items(now: &Value, former: &Value) -> Value {
    let mut former = former.clone();
    let has_plan = former.at("plan").or_else(|| now.at("plan")).is_some();
    let single = match former.at("quantity") {
        _ if former.at("items").is_some() => None,
        Some(quantity) if !has_plan => Some(json!({ "data": [{ "quantity": quantity }] })),
        None if former.at("plan").is_none() => None,
        _ => Some(Value::Null),
    };
    if let (Value::Object(keys), Some(items)) = (&mut former, single) {
        keys.insert("items".to_owned(), items);
    }
    former
}

/// What the directory learns: the subscription, and the period of each of its prices.
pub fn learned(object: &Value, subscription: &Subscription) -> Vec<Learned> {
    let prices = items(object).into_iter().map(|item| item.plan).filter(|plan| plan.price_id.is_some());
    prices.map(Learned::Price).chain([Learned::Subscription(subscription.clone())]).collect()
}

fn read(event: &Event) -> Result<Subscription, ReadError> {
    subscription(event.object, event.version()).ok_or_else(|| event.missing("data.object.id"))
}

/// Reads a subscription object, from a webhook or a look-up. `None` without an id.
pub fn subscription(object: &Value, version: i64) -> Option<Subscription> {
    let items = items(object);
    let phase = phase(status(object));
    // `max_by_key` returns the last of equals; an invoice is told by the first of them too.
    let main = items.iter().rev().max_by_key(|item| (item.plan.period.is_some(), item.amount.unwrap_or(0)));
    // A metered item has no quantity and so no amount of its own; it does not make the rest unknown, as a tiered one does.
    let licensed: Vec<&Item> = items.iter().filter(|item| !item.metered).collect();
    let amount = licensed.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.amount?));
    // Items that are not shown cannot be added.
    let amount = amount.filter(|_| !licensed.is_empty() && object.flag("items.has_more") != Some(true));
    Some(Subscription {
        id: object.owned("id")?,
        customer: customer_id(object),
        phase,
        amount: if phase == Phase::Trial { Some(0) } else { amount },
        currency: object.text("currency").or_else(|| main?.currency.as_deref()).and_then(Currency::parse),
        plan: main.map(|item| item.plan.clone()).unwrap_or_default(),
        seats: main.and_then(|item| item.quantity),
        version,
        ended_at: None,
    })
}

struct Item {
    plan: Plan,
    quantity: Option<i64>,
    /// Billed by use.
    metered: bool,
    /// Of one period, in minor units; `None` where only usage or a tier decides it, or where it is stated in another
    /// currency than the subscription's.
    amount: Option<i64>,
    currency: Option<String>,
}

fn items(object: &Value) -> Vec<Item> {
    let items = object.list("items.data");
    let currency = object.text("currency");
    if items.is_empty() {
        // Before there were items, a subscription had one plan and one quantity.
        return object.at("plan").map(|plan| item(plan, object.int("quantity"), currency)).into_iter().collect();
    }
    items
        .iter()
        .filter_map(|entry| {
            Some(item(entry.at("price").or_else(|| entry.at("plan"))?, entry.int("quantity"), currency))
        })
        .collect()
}

/// `price` may be a price or, before 2020, a plan. One price may be sold in several currencies and then states its
/// amount in its first one, whatever the subscription's `currency` is.
fn item(price: &Value, quantity: Option<i64>, currency: Option<&str>) -> Item {
    let metered = is_metered(price);
    let stated = price.text("currency");
    let foreign = stated.zip(currency).is_some_and(|(stated, currency)| !stated.eq_ignore_ascii_case(currency));
    let amount = if metered || foreign { None } else { amount(price, quantity.unwrap_or(1)) };
    Item { plan: plan(price), quantity, metered, amount, currency: stated.map(str::to_owned) }
}

/// Whether a price or plan is billed by use.
pub fn is_metered(price: &Value) -> bool {
    [price.text("recurring.usage_type"), price.text("usage_type")].contains(&Some("metered"))
}

/// What a price or plan object says of period, price and product.
pub fn plan(price: &Value) -> Plan {
    let recurring = price.at("recurring").unwrap_or(price);
    Plan {
        period: recurring
            .text("interval")
            .and_then(|unit| Period::parse(unit, recurring.int("interval_count").unwrap_or(1))),
        price_id: price.owned("id"),
        product_id: price.id("product"),
        metered: is_metered(price),
    }
}

fn amount(price: &Value, quantity: i64) -> Option<i64> {
    if price.text("billing_scheme") == Some("tiered") {
        return None;
    }
    let quantity = packages(price, quantity)?;
    let whole = price.int("unit_amount").or_else(|| price.int("amount"));
    let decimal = || price.text("unit_amount_decimal").or_else(|| price.text("amount_decimal"));
    match whole {
        Some(unit) => unit.checked_mul(quantity),
        None => times(decimal()?, quantity),
    }
}

/// How many times the unit amount is due: a price may be for packages of units, rounded up or down to whole ones.
fn packages(price: &Value, quantity: i64) -> Option<i64> {
    let Some(transform) = price.at("transform_quantity").or_else(|| price.at("transform_usage")) else {
        return Some(quantity);
    };
    let size = transform.int("divide_by").filter(|size| size.is_positive())?;
    let (whole, rest) = (quantity.checked_div_euclid(size)?, quantity.checked_rem_euclid(size)?);
    Some(if rest > 0 && transform.text("round") == Some("up") { whole + 1 } else { whole })
}

/// `decimal × quantity` where that is a whole number of minor units: Stripe's `unit_amount_decimal` may hold
/// fractions of one.
fn times(decimal: &str, quantity: i64) -> Option<i64> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(i128::from(quantity))?;
    (product % scale == 0).then(|| i64::try_from(product / scale).ok())?
}

fn status(object: &Value) -> &str {
    object.text("status").unwrap_or("active")
}

fn phase(status: &str) -> Phase {
    match status {
        "incomplete" => Phase::Pending,
        "trialing" => Phase::Trial,
        "past_due" | "unpaid" | "paused" => Phase::Stalled,
        "canceled" | "incomplete_expired" => Phase::Ended,
        // `active`, and words that do not exist yet: a subscription nobody ended runs.
        _ => Phase::Running,
    }
}
