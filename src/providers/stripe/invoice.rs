//! Paid invoices: how much, for what, how often.
//!
//! Since 2025-03-31 an invoice names its subscription under `parent`, its prices by id alone and its payments not at
//! all. What is missing then comes from the directory, later and elsewhere; here it is left open, never guessed.

#[cfg(test)]
mod tests;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::subscription::{is_metered, mixed_intervals, plan};
use super::{Event, customer_id};
use crate::decision::{Reason, Warning};
use crate::facts::{Billing, Detail, Fact, Invoice, InvoiceLine, Learned, PaymentLink, Plan, Reading, Source};
use crate::interval::Interval;
use crate::money::{Currency, share};
use crate::providers::ReadError;
use crate::providers::json::Look;
use crate::providers::metadata::Keys;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// An invoice that is fully paid.
pub fn paid(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let object = event.object;
    let id = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let learned = payments(object, &id);
    if object.text("status").is_some_and(|status| status != "paid") && object.flag("paid") != Some(true) {
        return Ok(Reading::nothing(Reason::NotFullyPaid, "the invoice's status is not `paid`").learning(learned));
    }
    let lines: Vec<Line> = object.list("lines.data").iter().map(Line::read).collect();
    let details =
        object.at("parent.subscription_details.metadata").or_else(|| object.at("subscription_details.metadata"));
    let mut warnings: Vec<Warning> = keys.warn_of_code_on(details, "subscription").into_iter().collect();
    warnings.extend(keys.warn_of_code_on(object.at("metadata"), "invoice"));
    if warnings.is_empty() {
        let mut on_lines = object.list("lines.data").iter().map(|line| line.at("metadata"));
        warnings.extend(on_lines.find_map(|metadata| keys.warn_of_code_on(metadata, "invoice's line")));
    }
    let recurring = lines.iter().filter(|line| !line.proration).filter_map(|line| line.plan.period);
    warnings.extend(mixed_intervals("lines", recurring));
    let fact = Fact {
        at: object.time("status_transitions.paid_at").filter(|at| *at > Timestamp::UNIX_EPOCH).unwrap_or(event.at),
        customer: customer_id(object),
        detail: Detail::InvoicePaid(Box::new(invoice(id, object, &lines))),
        warnings,
    };
    Ok(Reading::fact(fact).learning(learned))
}

/// `invoice_payment.paid` links a payment with its invoice, which refunds no longer do themselves.
pub fn payment(event: &Event) -> Reading {
    let object = event.object;
    let learned = object.id("invoice").map(|invoice| {
        let id = |key: &str| object.at("payment")?.id(key);
        links(id("payment_intent"), id("charge"), &invoice, object.int("amount_paid"))
    });
    Reading::nothing(Reason::ReportedElsewhere, "`invoice.paid` tells when the whole invoice is paid")
        .learning(learned.into_iter().flatten())
}

/// What links a payment with its invoice: under the id of its intent, and under that of its charge as another name for it.
pub fn links(intent: Option<String>, charge: Option<String>, invoice: &str, amount: Option<i64>) -> Vec<Learned> {
    let link = |payment: String, charge_of: Option<String>| {
        Learned::Link(PaymentLink { payment, invoice: invoice.to_owned(), amount, charge_of })
    };
    let of_charge = charge.map(|charge| link(charge, intent.clone()));
    intent.map(|intent| link(intent, None)).into_iter().chain(of_charge).collect()
}

fn payments(object: &Value, invoice: &str) -> Vec<Learned> {
    let listed = object.list("payments.data").iter().flat_map(|entry| {
        let id = |key: &str| entry.at("payment")?.id(key);
        links(id("payment_intent"), id("charge"), invoice, entry.int("amount_paid"))
    });
    links(object.id("payment_intent"), object.id("charge"), invoice, None).into_iter().chain(listed).collect()
}

fn invoice(id: String, object: &Value, lines: &[Line]) -> Invoice {
    // Payloads from before there was `amount_paid` are paid in full or not at all. What was paid by other ways than
    // Stripe (`paid_out_of_band`, `amount_paid_off_stripe`) is part of it: the merchant has that money as well.
    let amount_paid = object.int("amount_paid").or_else(|| object.int("amount_due")).unwrap_or(0);
    let total = object.int("total").unwrap_or(amount_paid);
    let net_total = object.int("total_excluding_tax").unwrap_or(total.saturating_sub(tax(object)));
    let main = deciding(lines);
    let subscription = object
        .id("subscription")
        .or_else(|| object.id("parent.subscription_details.subscription"))
        .or_else(|| main.filter(|line| line.recurring())?.subscription.clone());
    // Of a truncated invoice the line that tells may not be shown; the subscription then speaks, and neither an extra nor
    // a part of a former period for it.
    let of_subscription = subscription.is_some() || lines.iter().any(Line::recurring);
    let main = main.filter(|line| is_complete(object) || line.is_regular() || !of_subscription);
    let billing = billing(main, of_subscription && !only_one_off(object, lines));
    Invoice {
        id,
        currency: object.text("currency").and_then(Currency::parse),
        amount_paid,
        amount_paid_net: share(amount_paid, net_total, total).unwrap_or(amount_paid),
        total,
        tax: total.saturating_sub(net_total),
        billing,
        plan: main.map(|line| line.plan.clone()).unwrap_or_default(),
        price_ids: lines
            .iter()
            .filter(|line| line.is_regular())
            .filter_map(|line| line.plan.price_id.clone())
            .collect(),
        seats: main.filter(|line| line.recurring()).and_then(|line| seats(line, lines)),
        subscription,
        lines: lines.iter().map(Line::told).collect(),
        lines_complete: is_complete(object),
        country: object.country("customer_address.country"),
        email: object.owned("customer_email"),
        billing_reason: object.owned("billing_reason").unwrap_or_default(),
        source: Source::Invoice,
        payments: vec![],
        outside: 0,
        billed_days: None,
    }
}

fn tax(object: &Value) -> i64 {
    let sum = |path| object.list(path).iter().filter_map(|tax| tax.int("amount")).fold(0, i64::saturating_add);
    object.int("tax").unwrap_or_else(|| {
        if object.at("total_taxes").is_some() { sum("total_taxes") } else { sum("total_tax_amounts") }
    })
}

/// Whether the invoice of a subscriber is for extras alone. Of a truncated invoice that cannot be told.
fn only_one_off(object: &Value, lines: &[Line]) -> bool {
    is_complete(object) && !lines.is_empty() && lines.iter().all(|line| !line.recurring())
}

/// Long invoices are cut short in webhooks, normally after ten lines.
fn is_complete(object: &Value) -> bool {
    object.flag("lines.has_more") != Some(true)
}

fn billing(main: Option<&Line>, of_subscription: bool) -> Billing {
    match main {
        Some(line) if line.plan.period.is_some() => Billing::Recurring,
        Some(line) if line.recurring() => line.stretch(),
        _ if of_subscription => Billing::Stretch(None),
        _ => Billing::OneTime,
    }
}

/// The line that names plan, interval and seats: the largest recurring one that is no proration, else the largest
/// recurring one, else the largest.
fn deciding(lines: &[Line]) -> Option<&Line> {
    // `max_by_key` returns the last of equals; the first line is the one people see first.
    lines.iter().rev().max_by_key(|line| (line.recurring(), line.is_regular(), line.amount))
}

/// Units of the item that the line is for. A graduated price has a line for each tier, each with its part of them; of
/// a metered one the quantity is what was used, and nobody's seats.
fn seats(main: &Line, lines: &[Line]) -> Option<i64> {
    if main.metered {
        return None;
    }
    if main.proration || main.item.is_none() {
        return main.quantity;
    }
    lines
        .iter()
        .filter(|line| {
            !line.proration && line.item == main.item && line.plan == main.plan && line.period == main.period
        })
        .try_fold(0_i64, |sum, line| sum.checked_add(line.quantity?))
}

struct Line {
    plan: Plan,
    amount: i64,
    quantity: Option<i64>,
    proration: bool,
    of_subscription: bool,
    subscription: Option<String>,
    /// The subscription's item.
    item: Option<String>,
    /// Billed by use, as far as the line tells.
    metered: bool,
    /// What the line is for, in Unix seconds: start and end.
    period: Option<(i64, i64)>,
    description: Option<String>,
}

impl Line {
    fn read(line: &Value) -> Self {
        let price = line.at("price").or_else(|| line.at("plan")).filter(|price| price.is_object());
        let item = line.at("parent.subscription_item_details");
        let details = item.or_else(|| line.at("parent.invoice_item_details"));
        let (start, end) = (line.int("period.start"), line.int("period.end"));
        Self {
            plan: match price {
                Some(price) => plan(price),
                None => Plan {
                    period: None,
                    price_id: line.id("pricing.price_details.price").or_else(|| line.id("price")),
                    product_id: line.id("pricing.price_details.product"),
                    metered: false,
                },
            },
            amount: line.int("amount").unwrap_or(0),
            quantity: line.int("quantity"),
            proration: line.flag("proration").or_else(|| details?.flag("proration")).unwrap_or(false),
            of_subscription: item.is_some() || line.text("type") == Some("subscription"),
            subscription: line.id("subscription").or_else(|| details?.id("subscription")),
            item: line.id("subscription_item").or_else(|| item?.id("subscription_item")),
            metered: price.is_some_and(is_metered),
            period: start.zip(end),
            description: line.owned("description"),
        }
    }

    fn told(&self) -> InvoiceLine {
        InvoiceLine {
            amount: self.amount,
            quantity: self.quantity,
            price_id: self.plan.price_id.clone(),
            product_id: self.plan.product_id.clone(),
            recurring: self.recurring(),
            proration: self.proration,
            description: self.description.clone(),
        }
    }

    /// Only subscriptions are prorated, whatever the line says it comes from.
    fn recurring(&self) -> bool {
        self.plan.period.is_some() || self.of_subscription || self.proration
    }

    /// Recurring, and for a whole period.
    fn is_regular(&self) -> bool {
        self.recurring() && !self.proration
    }

    /// The word for the billed stretch. A prorated one is cut short and a free one is a trial: neither tells.
    fn stretch(&self) -> Billing {
        match self.period {
            Some((start, end)) if !self.proration && self.amount != 0 => Billing::Stretch(word(start, end)),
            _ => Billing::Stretch(None),
        }
    }
}

/// The word for the length of a billed stretch, given in Unix seconds.
///
/// Four weeks are as long as a short February, and a plan for every four weeks is not monthly: such a stretch is a month
/// only where it leads from a day to the same day of the next month, or to its last day. 364 days are 52 weeks; Stripe's
/// years have 365 or 366.
fn word(start: i64, end: i64) -> Option<Interval> {
    let days = end.saturating_sub(start).saturating_add(SECONDS_OF_A_DAY / 2) / SECONDS_OF_A_DAY;
    match days {
        28 if !is_a_month(day(start)?, day(end)?) => None,
        364 => None,
        days => Interval::of_days(days),
    }
}

fn is_a_month(start: Date, end: Date) -> bool {
    start.saturating_add(1.month()) == end || end.saturating_sub(1.month()) == start
}

fn day(seconds: i64) -> Option<Date> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date())
}
