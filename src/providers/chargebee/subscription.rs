//! Subscriptions of both product catalogues: plans and addons (1.0), items (2.0).

mod items;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::checked::{Checked, Place, currency};
use super::{Event, customer};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Change, Detail, Fact, Phase, Plan, Reading, Subscription};
use crate::interval::Period;
use crate::providers::ReadError;
use crate::providers::json::{Look, NotUnderstood};

pub use items::{Item, is_metered, quantity};

/// A new subscription, unless it lies in the future: then `subscription_started` reports its start.
pub fn created(event: &Event) -> Result<Reading, ReadError> {
    let read = required(event)?;
    match read.subscription.phase {
        Phase::Pending | Phase::Ended => Ok(not_started(event)),
        _ => fact(event, read, Detail::SubscriptionStarted),
    }
}

/// A future subscription that begins.
pub fn started(event: &Event) -> Result<Reading, ReadError> {
    let read = required(event)?;
    match read.subscription.phase {
        Phase::Ended => Ok(not_started(event)),
        _ => fact(event, read, Detail::SubscriptionStarted),
    }
}

/// A trial that became paid.
pub fn activated(event: &Event) -> Result<Reading, ReadError> {
    let read = required(event)?;
    fact(event, read, change(event, Change::Commercial))
}

/// A change. Chargebee does not say of what, so the state last known decides whether it matters.
pub fn changed(event: &Event) -> Result<Reading, ReadError> {
    let read = required(event)?;
    match read.subscription.phase {
        Phase::Pending => Ok(not_started(event)),
        // Of a transferred one no other webhook may come, and a cancelled one may have ended before webhooks were sent.
        Phase::Ended => {
            let message = format!("its status is `{}`; a change after the end is not reported", status(event));
            Ok(Reading::nothing(Reason::NotOfInterest, message))
        }
        _ => fact(event, read, change(event, Change::Unsaid)),
    }
}

/// Cancelled or deleted; both are the end, and it is reported once. One that lay in the future has not ended: it never
/// began, and nothing was reported of it.
pub fn ended(event: &Event) -> Result<Reading, ReadError> {
    let mut read = required(event)?;
    if never_began(read.object) {
        return Ok(Reading::nothing(Reason::NotStarted, "it ended before it began"));
    }
    // One that is reactivated ends again, and each end is reported.
    let ended_at = Place::new(read.object, items::SUBSCRIPTION).moment("cancelled_at");
    read.subscription.ended_at = read.doubts.settle(ended_at);
    fact(event, read, Detail::SubscriptionEnded)
}

/// Its status says so, or times that say when it was made and not when it began. One without any times leaves that open,
/// and its end is reported.
fn never_began(object: &Value) -> bool {
    let began = ["started_at", "activated_at", "trial_start", "current_term_start"];
    let has_begun = began.into_iter().any(|key| object.at(key).is_some());
    !has_begun && (object.text("status") == Some("future") || object.at("created_at").is_some())
}

fn change(event: &Event, change: Change) -> impl FnOnce(Subscription) -> Detail {
    let event_id = event.id.to_owned();
    move |subscription| Detail::SubscriptionChanged { subscription, change, event_id }
}

fn fact(event: &Event, read: Read, detail: impl FnOnce(Subscription) -> Detail) -> Result<Reading, ReadError> {
    let Some(customer) = customer::owner(event, Some(read.object)) else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    if let Some(problem) = read.doubts.first {
        return Err(event.not_understood(problem));
    }
    let warnings = read.left_out.into_iter().collect();
    Ok(Reading::fact(Fact { at: event.at, customer: Some(customer), detail: detail(read.subscription), warnings }))
}

fn not_started(event: &Event) -> Reading {
    Reading::nothing(Reason::NotStarted, format!("its status is `{}`", status(event)))
}

fn status<'a>(event: &Event<'a>) -> &'a str {
    event.content.text("subscription.status").unwrap_or_default()
}

fn required<'a>(event: &Event<'a>) -> Result<Read<'a>, ReadError> {
    read(event).ok_or_else(|| event.missing("content.subscription"))
}

/// The subscription that travels in the event, for the directory: what is not understood is unknown.
pub fn in_content(event: &Event) -> Option<Subscription> {
    read(event).map(|read| read.subscription)
}

/// A subscription as far as it is understood.
struct Read<'a> {
    object: &'a Value,
    subscription: Subscription,
    /// A warning where its amount is not that of all items.
    left_out: Option<Warning>,
    doubts: Doubts,
}

/// What was there and was not understood: it fails a fact about the subscription, and nothing else.
#[derive(Default)]
struct Doubts {
    first: Option<NotUnderstood>,
}

impl Doubts {
    fn settle<T>(&mut self, value: Checked<T>) -> Option<T> {
        value.unwrap_or_else(|problem| {
            self.first.get_or_insert(problem);
            None
        })
    }
}

fn read<'a>(event: &Event<'a>) -> Option<Read<'a>> {
    let object = event.content.at("subscription")?;
    let (items, mut doubts) = (Item::all(object), Doubts::default());
    let main = Item::main(&items);
    let period = main.and_then(|main| doubts.settle(main.period()));
    let mut recurring = Recurring::default();
    for item in items.iter().filter(|item| !item.is_metered()) {
        let other = doubts.settle(item.period());
        if is_as_long(period, other) { recurring.counted.push(item) } else { recurring.left_out.push(other) }
    }
    let phase = phase(object.text("status").unwrap_or_default());
    let amount = if phase == Phase::Trial { Some(0) } else { recurring.amount(&mut doubts) };
    let ended = matches!(event.action(), "subscription_cancelled" | "subscription_canceled" | "subscription_deleted");
    let subscription = Subscription {
        id: object.owned("id")?,
        customer: object.owned("customer_id").or_else(|| event.content.owned("customer.id")),
        phase: if ended { Phase::Ended } else { phase },
        amount,
        currency: doubts.settle(currency(event.content, &["subscription.currency_code", "invoice.currency_code"])),
        plan: Plan {
            period,
            price_id: main.and_then(|main| main.price_id.clone()),
            product_id: None,
            metered: main.is_some_and(Item::is_metered),
        },
        seats: main.and_then(|main| doubts.settle(main.seats())),
        version: event.version(object),
        ended_at: None,
    };
    Some(Read { object, subscription, left_out: recurring.warning(period), doubts })
}

/// The items of a subscription that have a fixed amount. Metered items add nothing to it.
#[derive(Default)]
struct Recurring<'i, 'a> {
    /// Those with the period that decides.
    counted: Vec<&'i Item<'a>>,
    /// The periods of all others, `None` where it is one nobody knows.
    left_out: Vec<Option<Period>>,
}

impl Recurring<'_, '_> {
    /// Minor units of one period; `None` where none has a fixed amount, or one has an unknown one.
    fn amount(&self, doubts: &mut Doubts) -> Option<i64> {
        let costs: Vec<Option<i64>> = self.counted.iter().map(|item| doubts.settle(item.cost())).collect();
        costs.into_iter().try_fold(0_i64, |sum, cost| sum.checked_add(cost?)).filter(|_| !self.counted.is_empty())
    }

    fn warning(&self, period: Option<Period>) -> Option<Warning> {
        let other = *self.left_out.first()?;
        Some(mixed_intervals("items", period, other, "the amount is that of items with the plan's period"))
    }
}

/// A warning that `parts` have different periods.
pub fn mixed_intervals(parts: &str, period: Option<Period>, other: Option<Period>, so: &str) -> Warning {
    let every =
        |period: Option<Period>| period.map_or_else(|| "an unknown period".to_owned(), |it| format!("every {it}"));
    let message = format!("{parts} are billed {} and {}; {so}", every(period), every(other));
    Warning::new(WarningCode::IntervalMixed, message)
}

/// Whether both have the same length, or both are unknown.
pub fn is_as_long(period: Option<Period>, other: Option<Period>) -> bool {
    match (period, other) {
        (Some(period), Some(other)) => period.is_as_long_as(other),
        (period, other) => period == other,
    }
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
