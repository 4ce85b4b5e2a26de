//! Subscriptions: when one starts, what changes, when it has ended.

use cello_relay::decision::Reason;
use cello_relay::facts::{Change, Detail, Fact, Learned, Phase, Plan, Reading, Subscription};
use cello_relay::interval::Period;
use cello_relay::money::Currency;
use cello_relay::providers::ReadError;
use cello_relay::providers::json::Look;
use serde_json::Value;

use super::{Event, amount};

pub fn created(event: &Event) -> Result<Reading, ReadError> {
    told(event, Detail::SubscriptionStarted)
}

/// `subscription.activated` follows `subscription.created` also without a trial; only after one it tells something.
pub fn changed(event: &Event) -> Result<Reading, ReadError> {
    let change = if event.kind == "subscription.activated" { Change::Active } else { Change::Unsaid };
    let event_id = event.id.to_owned();
    let reading = told(event, |subscription| Detail::SubscriptionChanged { subscription, change, event_id })?;
    // The update that comes with the end says nothing that `subscription.canceled` does not.
    if event.data.text("status") == Some("canceled") {
        let learned = reading.learned;
        return Ok(Reading::nothing(Reason::ReportedElsewhere, "`subscription.canceled` tells it").learning(learned));
    }
    Ok(reading)
}

pub fn ended(event: &Event) -> Result<Reading, ReadError> {
    told(event, Detail::SubscriptionEnded)
}

fn told(event: &Event, detail: impl FnOnce(Subscription) -> Detail) -> Result<Reading, ReadError> {
    let subscription = read(event)?;
    let learned = Learned::Subscription(subscription.clone());
    let customer = subscription.customer.clone();
    Ok(Reading::fact(Fact { at: event.at, customer, detail: detail(subscription), warnings: vec![] })
        .learning([learned]))
}

fn read(event: &Event) -> Result<Subscription, ReadError> {
    let data = event.data;
    let items = data.list("items");
    let main = main_item(items);
    let cost = |item: &Value| amount(item, "price.unit_price.amount")?.checked_mul(item.int("quantity").unwrap_or(1));
    let recurring = items.iter().filter(|item| item.at("price.billing_cycle").is_some());
    let phase = match data.text("status") {
        Some("trialing") => Phase::Trial,
        Some("past_due" | "paused") => Phase::Stalled,
        Some("canceled") => Phase::Ended,
        _ => Phase::Running,
    };
    Ok(Subscription {
        id: event.id()?,
        customer: data.owned("customer_id"),
        phase,
        amount: recurring.map(cost).try_fold(0_i64, |sum, cost| sum.checked_add(cost?)),
        currency: data.text("currency_code").and_then(Currency::parse),
        plan: main.map(plan).unwrap_or_default(),
        seats: main.and_then(|item| item.int("quantity")),
        version: event.version(),
        ended_at: None,
    })
}

/// The recurring item with the largest price, else the first.
pub fn main_item(items: &[Value]) -> Option<&Value> {
    let size = |item: &&Value| (item.at("price.billing_cycle").is_some(), amount(item, "price.unit_price.amount"));
    items.iter().rev().max_by_key(size)
}

pub fn plan(item: &Value) -> Plan {
    let cycle = item.at("price.billing_cycle");
    Plan {
        period: cycle.and_then(|cycle| Period::parse(cycle.text("interval")?, cycle.int("frequency")?)),
        price_id: item.owned("price.id"),
        product_id: item.owned("price.product_id"),
        metered: false,
    }
}
