//! Paid invoices: how much, for what, how often.
//!
//! Since 2025-03-31 an invoice names its subscription under `parent`, its prices by id alone and its payments not at
//! all. What is missing then comes from the directory, later and elsewhere; here it is left open, never guessed.

mod line;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::subscription::mixed_intervals;
use super::{Event, currency, customer_id, moment};
use crate::decision::{Reason, Warning};
use crate::facts::{Applied, Billing, Detail, Fact, Invoice, Learned, PaymentLink, Reading, StatedBy};
use crate::money::share;
use crate::providers::json::{Look, NotUnderstood};
use crate::providers::metadata::Keys;
use crate::providers::{ReadError, Unreadable};

use line::Line;

/// An invoice that is fully paid.
pub fn paid(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let id = event.object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let learned = payments(event.object, &id);
    event.conclude(purchase(event, keys, id), learned)
}

/// `invoice.payment_succeeded` comes with `invoice.paid`, save for what was paid outside Stripe.
pub fn payment_succeeded(event: &Event) -> Reading {
    match event.object.id("id").filter(|_| !is_paid(event.object)) {
        Some(invoice) => of_part(&invoice),
        None => Reading::nothing(
            Reason::ReportedElsewhere,
            "`invoice.paid` comes with it and reports the same payment; reporting both would count it twice",
        ),
    }
}

/// `invoice_payment.paid` links a payment with its invoice, which refunds no longer do themselves.
pub fn payment(event: &Event) -> Result<Reading, Unreadable> {
    let object = event.object;
    let Some(invoice) = object.id("invoice") else {
        return Ok(Reading::nothing(Reason::NotFullyPaid, "a payment of an invoice that it does not name"));
    };
    let amount = event.whole("amount_paid")?;
    let learned = links(object.id("payment.payment_intent"), object.id("payment.charge"), &invoice, amount);
    Ok(of_part(&invoice).learning(learned))
}

fn of_part(invoice: &str) -> Reading {
    let message = format!("a payment of the invoice `{invoice}`, which is decided on when it is fully paid");
    Reading::nothing(Reason::NotFullyPaid, message).part_of(invoice)
}

/// What links a payment with its invoice: under the id of its intent, and under that of its charge as another name for it.
pub fn links(intent: Option<String>, charge: Option<String>, invoice: &str, amount: Option<i64>) -> Vec<Learned> {
    let link = |payment: String, charge_of: Option<String>| {
        Learned::Link(PaymentLink { payment, invoice: invoice.to_owned(), amount, charge_of })
    };
    let of_charge = charge.map(|charge| link(charge, intent.clone()));
    intent.map(|intent| link(intent, None)).into_iter().chain(of_charge).collect()
}

/// The links of an entry in a list of invoice payments; none where its amount is not understood.
pub fn entry_links(entry: &Value, invoice: &str) -> Vec<Learned> {
    let (intent, charge) = (entry.id("payment.payment_intent"), entry.id("payment.charge"));
    entry.whole("amount_paid").map(|amount| links(intent, charge, invoice, amount)).unwrap_or_default()
}

/// Whether an entry in the payments of an invoice brought nothing: not yet, or never.
pub fn is_idle(entry: &Value) -> bool {
    matches!(entry.text("status"), Some("open" | "canceled"))
}

fn payments(object: &Value, invoice: &str) -> Vec<Learned> {
    let listed = object.list("payments.data").iter().filter(|entry| !is_idle(entry));
    let named = links(object.id("payment_intent"), object.id("charge"), invoice, None);
    named.into_iter().chain(listed.flat_map(|entry| entry_links(entry, invoice))).collect()
}

fn is_paid(object: &Value) -> bool {
    object.text("status").is_none_or(|status| status == "paid") || object.flag("paid") == Some(true)
}

fn purchase(event: &Event, keys: &Keys, id: String) -> Result<Reading, ReadError> {
    let object = event.object;
    if !is_paid(object) {
        let nothing = Reading::nothing(Reason::NotFullyPaid, "the invoice's status is not `paid`");
        return Ok(nothing.part_of(&id));
    }
    let lines: Result<Vec<Line>, NotUnderstood> = object.list("lines.data").iter().map(Line::read).collect();
    let lines = lines.map_err(|problem| event.not_understood(problem.below("lines.data")))?;
    let invoice = invoice(id, object, &lines).map_err(|problem| event.not_understood(problem))?;
    let paid_at = moment(object, "status_transitions.paid_at").map_err(|problem| event.not_understood(problem))?;
    Ok(Reading::fact(Fact {
        at: paid_at.filter(|at| *at > Timestamp::UNIX_EPOCH).unwrap_or(event.at),
        customer: customer_id(object),
        warnings: warnings(object, keys, &lines, &invoice),
        detail: Detail::InvoicePaid(Box::new(invoice)),
    }))
}

fn warnings(object: &Value, keys: &Keys, lines: &[Line], invoice: &Invoice) -> Vec<Warning> {
    let details =
        object.at("parent.subscription_details.metadata").or_else(|| object.at("subscription_details.metadata"));
    let mut warnings: Vec<Warning> = keys.warn_of_code_on(details, "subscription").into_iter().collect();
    warnings.extend(keys.warn_of_code_on(object.at("metadata"), "invoice"));
    if warnings.is_empty() {
        let mut on_lines = object.list("lines.data").iter().map(|line| line.at("metadata"));
        warnings.extend(on_lines.find_map(|metadata| keys.warn_of_code_on(metadata, "invoice's line")));
    }
    if invoice.billing != Billing::OneTime {
        let recurring = lines.iter().filter(|line| !line.proration).filter_map(|line| line.plan.period);
        warnings.extend(mixed_intervals("lines", recurring));
    }
    warnings
}

fn invoice(id: String, object: &Value, lines: &[Line]) -> Result<Invoice, NotUnderstood> {
    // Payloads from before there was `amount_paid` are paid in full or not at all. What was paid by other ways than
    // Stripe is part of it: the merchant has that money as well.
    let amount_paid = match object.whole("amount_paid")? {
        Some(amount) => amount,
        None => object.whole("amount_due")?.unwrap_or(0),
    };
    let total = object.whole("total")?.unwrap_or(amount_paid);
    let net_total = match object.whole("total_excluding_tax")? {
        Some(net) => net,
        None => total.saturating_sub(tax(object)?),
    };
    let made_at = match object.whole("created")? {
        Some(at) => Some(at),
        // The name until 2019.
        None => object.whole("date")?,
    };
    let one_off = is_one_off(object, lines);
    let main = if one_off { largest_one_off(lines) } else { deciding(lines) };
    let subscription = object
        .id("subscription")
        .or_else(|| object.id("parent.subscription_details.subscription"))
        .or_else(|| main.filter(|line| line.recurring())?.subscription.clone());
    // Of a truncated invoice the line that decides may not be shown; the subscription then speaks, and neither an extra
    // nor a part of a former period for it.
    let recurs = !one_off && (subscription.is_some() || is_of_cadence(object) || lines.iter().any(Line::recurring));
    let main = main.filter(|line| is_complete(object) || line.is_regular() || !recurs);
    let seats = main.filter(|line| line.recurring()).map_or(Ok(None), |line| line.seats(lines, made_at));
    let outside = outside(object, amount_paid)?;
    Ok(Invoice {
        id,
        currency: currency(object, "currency")?,
        amount_paid,
        amount_paid_net: share(amount_paid, net_total, total).unwrap_or(amount_paid),
        total,
        tax: total.saturating_sub(net_total),
        billing: billing(object, main, lines, recurs),
        plan: main.map(|line| line.plan.clone()).unwrap_or_default(),
        price_ids: lines
            .iter()
            .filter(|line| line.is_regular())
            .filter_map(|line| line.plan.price_id.clone())
            .collect(),
        seats: seats.map_err(|problem| problem.below("lines.data"))?,
        subscription,
        lines: lines.iter().map(Line::stated).collect(),
        lines_complete: is_complete(object),
        country: object.country("customer_address.country"),
        email: object.owned("customer_email"),
        billing_reason: object.owned("billing_reason").unwrap_or_default(),
        stated_by: StatedBy::Invoice,
        payments: applied(object, outside < amount_paid || outside == 0)?,
        outside,
        billed_days: main.and_then(Line::billed_days),
    })
}

fn tax(object: &Value) -> Result<i64, NotUnderstood> {
    if let Some(tax) = object.whole("tax")? {
        return Ok(tax);
    }
    let path = if object.at("total_taxes").is_some() { "total_taxes" } else { "total_tax_amounts" };
    object.list(path).iter().try_fold(0_i64, |sum, tax| {
        let amount = tax.whole("amount").map_err(|problem| problem.below(path))?;
        Ok(sum.saturating_add(amount.unwrap_or(0)))
    })
}

/// Of what was paid, the part that no payment of Stripe's stands for.
fn outside(object: &Value, amount_paid: i64) -> Result<i64, NotUnderstood> {
    let all = if object.flag("paid_out_of_band") == Some(true) { amount_paid } else { 0 };
    let stated = object.whole("amount_paid_off_stripe")?;
    Ok(stated.map_or(all, |stated| stated.min(amount_paid)).max(0))
}

/// The payments that the invoice names itself, each once. One that only leads the invoice was not used where all was
/// paid outside Stripe.
fn applied(object: &Value, by_stripe: bool) -> Result<Vec<Applied>, NotUnderstood> {
    let mut applied: Vec<Applied> = vec![];
    for entry in object.list("payments.data").iter().filter(|entry| entry.text("status") == Some("paid")) {
        let payment = entry.id("payment.payment_intent").or_else(|| entry.id("payment.charge"));
        let amount = entry.whole("amount_paid").map_err(|problem| problem.below("payments.data"))?;
        if let Some(payment) = payment.filter(|payment| applied.iter().all(|other| other.payment != *payment))
            && amount.is_some()
        {
            applied.push(Applied { payment, amount, total: None });
        }
    }
    if applied.is_empty() && by_stripe {
        let named = object.id("payment_intent").or_else(|| object.id("charge"));
        applied.extend(named.map(|payment| Applied { payment, amount: None, total: None }));
    }
    Ok(applied)
}

/// Whether nothing was paid for that recurs, although the customer may subscribe: extras alone, or beside lines that cost
/// nothing, such as a setup fee at the start of a trial. Of a truncated invoice that cannot be known.
fn is_one_off(object: &Value, lines: &[Line]) -> bool {
    let mut recurring = lines.iter().filter(|line| line.recurring()).peekable();
    let costs = |line: &Line| line.amount != 0;
    let sells_extras = match recurring.peek() {
        None => !lines.is_empty(),
        Some(_) => lines.iter().any(|line| !line.recurring() && line.amount > 0),
    };
    is_complete(object) && !is_of_cadence(object) && sells_extras && !recurring.any(costs)
}

/// Long invoices are cut short in webhooks, normally after ten lines.
fn is_complete(object: &Value) -> bool {
    object.flag("lines.has_more") != Some(true)
}

/// Made by a billing cadence, for pricing plans: recurring, by a period that no webhook states.
fn is_of_cadence(object: &Value) -> bool {
    object.text("parent.type") == Some("billing_cadence_details")
}

fn billing(object: &Value, main: Option<&Line>, lines: &[Line], recurs: bool) -> Billing {
    match main {
        Some(line) if line.is_one_of_several_periods(lines) => Billing::SeveralPeriods,
        Some(line) if line.plan.period.is_some() => Billing::Recurring,
        Some(line) if line.recurring() && !is_of_cadence(object) => line.stretch(),
        _ if recurs => Billing::Stretch(None),
        _ => Billing::OneTime,
    }
}

/// The line that names plan, interval and seats: the largest recurring one that is no proration, else the largest
/// recurring one, else the largest.
fn deciding(lines: &[Line]) -> Option<&Line> {
    // `max_by_key` returns the last of equals; the first line is the one people see first.
    lines.iter().rev().max_by_key(|line| (line.recurring(), line.is_regular(), line.amount))
}

fn largest_one_off(lines: &[Line]) -> Option<&Line> {
    lines.iter().rev().filter(|line| !line.recurring()).max_by_key(|line| line.amount)
}
