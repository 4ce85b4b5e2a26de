//! Subscriptions: when one starts, what changes commercially, when it has ended.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Event, currency, customer_id, moment};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Change, Detail, Fact, Learned, Phase, Plan, Reading, Subscription};
use crate::interval::Period;
use crate::money::Currency;
use crate::providers::json::{Look, NotUnderstood, overlay};
use crate::providers::metadata::Keys;
use crate::providers::{ReadError, Unreadable};

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
        // What stands in the object was understood before.
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

struct Item {
    plan: Plan,
    /// `None` where the price is billed by use.
    quantity: Option<i64>,
    /// Of one period, in minor units; `None` where only usage or a tier decides it, or where it is stated in another
    /// currency than the subscription's.
    amount: Option<i64>,
    currency: Option<Currency>,
    /// A trial offer is on: see [`offered_price`].
    on_offer: bool,
}

fn items(object: &Value) -> Result<Vec<Item>, NotUnderstood> {
    let entries = object.list("items.data");
    let currency = object.text("currency");
    if entries.is_empty() {
        // Before there were items, a subscription had one plan and one quantity.
        let Some(plan) = object.at("plan") else { return Ok(vec![]) };
        return Ok(vec![item(object, ("plan", plan), currency)?]);
    }
    let mut items = vec![];
    for entry in entries {
        let Some((key, own)) = price(entry) else { continue };
        let problem = |problem: NotUnderstood| problem.below("items.data");
        let on_offer = entry.at("current_trial").is_some();
        items.push(match offered_price(entry) {
            Some(offered) if offered.is_object() => {
                Item { on_offer, ..item(entry, (OFFERED_PRICE, offered), currency).map_err(problem)? }
            }
            // Only its id is there: nothing says what it costs, unless it is the item's own price.
            Some(offered) if offered.as_str() != own.text("id") => Item {
                plan: Plan { price_id: offered.as_str().map(str::to_owned), ..Plan::default() },
                quantity: entry.whole("quantity").map_err(problem)?,
                amount: None,
                currency: None,
                on_offer,
            },
            Some(_) => Item { on_offer, ..item(entry, (key, own), currency).map_err(problem)? },
            None => {
                let item = item(entry, (key, own), currency).map_err(problem)?;
                let is_unknown = on_offer && status(object) == "trialing";
                Item { amount: item.amount.filter(|_| !is_unknown), on_offer, ..item }
            }
        });
    }
    Ok(items)
}

/// The price of an item, which is a plan before 2020, and the key it stands under.
fn price(entry: &Value) -> Option<(&'static str, &Value)> {
    ["price", "plan"].into_iter().find_map(|key| Some((key, entry.at(key)?)))
}

const OFFERED_PRICE: &str = "current_trial.trial_offer.price";

/// What an item costs while a trial offer (since 2026-09-30) is on: the price, or its id, where the webhook holds the
/// offer and not its id alone. Such a trial can cost money, and have another interval than what follows.
fn offered_price(entry: &Value) -> Option<&Value> {
    entry.at(OFFERED_PRICE)
}

/// `price` may be a price or, before 2020, a plan, and stands in `entry` at the key. One price may be sold in several
/// currencies and then states its amount in its first one, whatever the `of_subscription` is.
fn item(entry: &Value, (key, price): (&str, &Value), of_subscription: Option<&str>) -> Result<Item, NotUnderstood> {
    let below = |problem: NotUnderstood| problem.below(key);
    let plan = plan(price).map_err(below)?;
    let quantity = if plan.metered { None } else { entry.whole("quantity")? };
    let stated = currency(price, "currency").map_err(below)?;
    let foreign = stated
        .as_ref()
        .zip(of_subscription)
        .is_some_and(|(stated, currency)| !stated.as_str().eq_ignore_ascii_case(currency));
    let amount = if plan.metered || foreign { None } else { amount(price, quantity.unwrap_or(1)).map_err(below)? };
    Ok(Item { plan, quantity, amount, currency: stated, on_offer: false })
}

/// `licensed` or `metered`, where a price or plan says so.
pub fn usage_type(price: &Value) -> Option<&str> {
    price.text("recurring.usage_type").or_else(|| price.text("usage_type"))
}

/// What a price or plan object says of period, price and product.
///
/// # Errors
///
/// When the number of units in its period is not understood.
pub fn plan(price: &Value) -> Result<Plan, NotUnderstood> {
    let (recurring, place) = match price.at("recurring") {
        Some(recurring) => (recurring, "recurring.interval_count"),
        None => (price, "interval_count"),
    };
    let period = match recurring.text("interval") {
        Some(unit) => Period::parse(unit, price.whole(place)?.unwrap_or(1)),
        None => None,
    };
    Ok(Plan {
        period,
        price_id: price.owned("id"),
        product_id: price.id("product"),
        metered: usage_type(price) == Some("metered"),
    })
}

fn amount(price: &Value, quantity: i64) -> Result<Option<i64>, NotUnderstood> {
    if price.text("billing_scheme") == Some("tiered") {
        return Ok(None);
    }
    let Some(quantity) = packages(price, quantity)? else { return Ok(None) };
    for key in ["unit_amount", "amount"] {
        if let Some(unit) = price.whole(key)? {
            return Ok(unit.checked_mul(quantity));
        }
    }
    for key in ["unit_amount_decimal", "amount_decimal"] {
        if let Some(unit) = price.at(key) {
            let decimal = unit.as_str().filter(|text| is_decimal(text)).ok_or_else(|| NotUnderstood::at(key))?;
            return Ok(times(decimal, quantity));
        }
    }
    Ok(None)
}

/// How many times the unit amount is due: a price may be for packages of units, rounded up or down to whole ones.
fn packages(price: &Value, quantity: i64) -> Result<Option<i64>, NotUnderstood> {
    let transform = ["transform_quantity", "transform_usage"].into_iter().find_map(|key| Some((key, price.at(key)?)));
    let Some((key, transform)) = transform else { return Ok(Some(quantity)) };
    let size = transform.whole("divide_by").map_err(|problem| problem.below(key))?;
    let Some(size) = size.filter(|size| size.is_positive()) else { return Ok(None) };
    let rounded_up = transform.text("round") == Some("up");
    let whole = quantity.checked_div_euclid(size).zip(quantity.checked_rem_euclid(size));
    Ok(whole.map(|(whole, rest)| if rest > 0 && rounded_up { whole + 1 } else { whole }))
}

/// Digits with a sign and a point at most.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
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
