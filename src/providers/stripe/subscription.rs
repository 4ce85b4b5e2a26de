//! Subscriptions: when one starts, what changes commercially, when it has ended.

mod item;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Event, currency, customer_id, moment};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Change, Detail, Fact, Learned, Phase, Reading, Subscription};
use crate::interval::Period;
use crate::providers::json::{Look, NotUnderstood, overlay};
use crate::providers::metadata::Keys;
use crate::providers::{ReadError, Unreadable};

use item::{Item, items, offered_price, price};
pub use item::{plan, usage_type};

/// A new subscription: reported when it is trialing or active. An incomplete one waits for its first payment, and so does
/// one that is past due, unpaid or paused from the start.
pub fn created(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
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
/// scheduled cancellation, a pause or its end.
pub fn updated(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let subscription = read(event)?;
    let learned = learned(event.object, &subscription);
    event.conclude(update(event, keys, subscription), learned)
}

fn update(event: &Event, keys: &Keys, subscription: Subscription) -> Result<Reading, ReadError> {
    let nothing = |reason, message: &str| Ok(Reading::nothing(reason, message));
    let was = event.former.and_then(|former| former.text("status")).map(phase);
    match (was, subscription.phase) {
        (_, Phase::Pending) => nothing(Reason::NotStarted, "the first payment is still missing"),
        // No webhook but this one says that a subscription has expired.
        (_, Phase::Ended) if status(event.object) == EXPIRED => nothing(Reason::NotStarted, NEVER_PAID),
        (Some(Phase::Pending), Phase::Ended) => nothing(Reason::NotStarted, NEVER_PAID),
        (_, Phase::Ended) => {
            nothing(Reason::ReportedElsewhere, "`customer.subscription.deleted` reports the end of a subscription")
        }
        (Some(Phase::Pending), _) => {
            let customer = subscription.customer.clone();
            Ok(Reading::fact(fact(event, keys, customer, Detail::SubscriptionStarted(subscription))))
        }
        (was, _) => match change(event, &subscription, was)? {
            Some(change) => {
                let customer = subscription.customer.clone();
                let event_id = event.id.to_owned();
                let detail = Detail::SubscriptionChanged { subscription, change, event_id };
                Ok(Reading::fact(fact(event, keys, customer, detail)))
            }
            None => nothing(Reason::NoCommercialChange, "price, quantity, interval and product are as before"),
        },
    }
}

/// The end of a subscription; when it was only scheduled, an update said so before.
pub fn ended(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let subscription = Subscription { phase: Phase::Ended, ..read(event)? };
    let learned = learned(event.object, &subscription);
    if matches!(status(event.object), "incomplete" | EXPIRED) {
        return Ok(Reading::nothing(Reason::NotStarted, NEVER_PAID).learning(learned));
    }
    let ended_at = moment(event.object, "ended_at").map_err(|problem| event.not_understood(problem));
    let reading = ended_at.map(|ended_at| {
        let customer = subscription.customer.clone();
        let detail = Detail::SubscriptionEnded(Subscription { ended_at, ..subscription });
        Reading::fact(fact(event, keys, customer, detail))
    });
    event.conclude(reading, learned)
}

const EXPIRED: &str = "incomplete_expired";
const NEVER_PAID: &str = "the first payment never came";

fn fact(event: &Event, keys: &Keys, customer: Option<String>, detail: Detail) -> Fact {
    let elsewhere = keys.warn_of_code_on(event.object.at("metadata"), "subscription");
    let periods = items(event.object).unwrap_or_default().into_iter().filter_map(|item| item.plan.period);
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

fn change(event: &Event, now: &Subscription, was: Option<Phase>) -> Result<Option<Change>, ReadError> {
    let Some(former) = event.former else { return Ok(None) };
    let before = subscription(&overlay(event.object, &without_stale_items(event.object, former)), now.version)
        // The object itself was read above, so only its former values can fail here.
        .map_err(|problem| event.not_understood_at("data.previous_attributes", problem))?;
    let items_differ = before.is_some_and(|before| {
        // On trial the amount is 0, whatever the price.
        let priced = before.phase != Phase::Trial && now.phase != Phase::Trial;
        before.plan != now.plan || before.seats != now.seats || (priced && before.amount != now.amount)
    });
    Ok(match (was, now.phase) {
        (Some(Phase::Trial), Phase::Running) => Some(Change::Commercial),
        _ if items_differ => Some(Change::Commercial),
        (Some(Phase::Stalled), Phase::Running) => Some(Change::Active),
        _ => None,
    })
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
    prices(object).into_iter().chain([Learned::Subscription(subscription.clone())]).collect()
}

/// The prices that the items state whole, as far as they are understood.
fn prices(object: &Value) -> Vec<Learned> {
    let entries = object.list("items.data");
    let own = entries.iter().flat_map(|entry| [price(entry).map(|(_, price)| price), offered_price(entry)]);
    let of_old = object.at("plan").filter(|_| entries.is_empty());
    let stated = own.flatten().chain(of_old).filter(|price| price.is_object());
    stated.filter_map(|price| plan(price).ok()).filter(|plan| plan.price_id.is_some()).map(Learned::Price).collect()
}

fn read(event: &Event) -> Result<Subscription, Unreadable> {
    match subscription(event.object, event.version()) {
        Ok(subscription) => Ok(subscription.ok_or_else(|| event.missing("data.object.id"))?),
        Err(problem) => Err(Unreadable { problem: event.not_understood(problem), learned: prices(event.object) }),
    }
}

/// Reads a subscription object, from a webhook or a look-up. `None` without an id.
///
/// # Errors
///
/// When a number or currency in it is not understood, with its path from the object on.
pub fn subscription(object: &Value, version: i64) -> Result<Option<Subscription>, NotUnderstood> {
    let Some(id) = object.owned("id") else { return Ok(None) };
    let items = items(object)?;
    let phase = phase(status(object));
    // `max_by_key` returns the last of equals; an invoice is decided by the first of them too.
    let main = items.iter().rev().max_by_key(|item| (item.plan.period.is_some(), item.amount.unwrap_or(0)));
    Ok(Some(Subscription {
        id,
        customer: customer_id(object),
        phase,
        amount: match main {
            _ if phase == Phase::Trial && !items.iter().any(|item| item.on_offer) => Some(0),
            // Items that are not shown cannot be added.
            _ if object.flag("items.has_more") == Some(true) => None,
            main => main.and_then(|main| amount_of_period(&items, main.plan.period, phase)),
        },
        currency: match currency(object, "currency")? {
            Some(currency) => Some(currency),
            None => main.and_then(|item| item.currency.clone()),
        },
        plan: main.map(|item| item.plan.clone()).unwrap_or_default(),
        seats: main.and_then(|item| item.quantity),
        version,
        ended_at: None,
    }))
}

/// What is due each `period`: the items with it, added up. A metered one has no amount of its own and does not make the
/// rest unknown, as a tiered one does. On trial only what a trial offer sells is due.
fn amount_of_period(items: &[Item], period: Option<Period>, phase: Phase) -> Option<i64> {
    let is_as_long = |item: &&Item| match (item.plan.period, period) {
        (Some(own), Some(period)) => own.is_as_long_as(period),
        (own, period) => own == period,
    };
    let mut due = items.iter().filter(|item| !item.plan.metered).filter(is_as_long).peekable();
    due.peek()?;
    due.try_fold(0_i64, |sum, item| {
        let is_free = phase == Phase::Trial && !item.on_offer;
        sum.checked_add(if is_free { 0 } else { item.amount? })
    })
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
