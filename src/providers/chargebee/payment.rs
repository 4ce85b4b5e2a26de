//! Payments and refunds: which invoices a transaction completes, and which it gives back.
//!
//! One payment can settle several invoices, and several payments one invoice. An invoice is reported once, by the
//! payment that completes it, with all the money collected for it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Event, subscription};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Billing, Detail, Fact, Invoice, InvoiceLine, Plan, Reading, Refund};
use crate::interval::Interval;
use crate::money::{Currency, share};
use crate::providers::ReadError;
use crate::providers::json::Look;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// A successful payment: one fact for each invoice it completes.
pub fn succeeded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "payment") {
        return Ok(reading);
    }
    let Some(customer) = event.content.owned("customer.id") else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    let linked = transaction.list("linked_invoices");
    let on_account = transaction.at("linked_invoices").is_some() && linked.is_empty();
    let body_invoice = event.content.at("invoice").filter(|_| !on_account);
    if body_invoice.is_none() && linked.is_empty() {
        return Ok(Reading::nothing(Reason::MoneyOnAccount, "the payment is applied to no invoice"));
    }
    let paid_at = |invoice: Option<&Value>| {
        invoice.and_then(|invoice| invoice.time("paid_at")).or_else(|| transaction.time("date")).unwrap_or(event.at)
    };
    let mut facts = Vec::new();
    let mut add = |at: Timestamp, invoice: Invoice, warnings: Vec<Warning>| {
        let detail = Detail::InvoicePaid(Box::new(invoice));
        facts.push(Fact { at, customer: Some(customer.clone()), detail, warnings });
    };
    if let Some(object) = body_invoice.filter(|invoice| invoice.text("status") == Some("paid")) {
        let id = object.owned("id").ok_or_else(|| event.missing("content.invoice.id"))?;
        let (invoice, warnings) = whole_invoice(event, id, object);
        add(paid_at(Some(object)), invoice, warnings);
    }
    let elsewhere = linked.iter().filter(|link| link.text("invoice_status") == Some("paid"));
    for link in elsewhere.filter(|link| link.text("invoice_id") != body_invoice.and_then(|invoice| invoice.text("id")))
    {
        if let (Some(id), Some(amount)) = (link.owned("invoice_id"), link.int("applied_amount")) {
            add(paid_at(None), linked_invoice(id, amount, transaction), vec![]);
        }
    }
    if facts.is_empty() {
        return Ok(Reading::nothing(
            Reason::NotFullyPaid,
            "a part payment; the payment that completes the invoice is reported, with all the money collected for it",
        ));
    }
    Ok(Reading { facts, ..Reading::default() })
}

/// Money given back: one fact for each invoice it was for.
pub fn refunded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "refund") {
        return Ok(reading);
    }
    let Some(customer) = event.content.owned("customer.id") else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    let id = transaction.owned("id").ok_or_else(|| event.missing("content.transaction.id"))?;
    let whole = transaction.int("amount").ok_or_else(|| event.missing("content.transaction.amount"))?;
    let mut by_invoice: BTreeMap<String, i64> = BTreeMap::new();
    for link in transaction.list("linked_credit_notes") {
        if let Some(invoice) = link.owned("cn_reference_invoice_id") {
            let sum = by_invoice.entry(invoice).or_default();
            *sum = sum.saturating_add(link.int("applied_amount").unwrap_or(0));
        }
    }
    let several = by_invoice.len() > 1;
    let parts: Vec<(Option<String>, i64)> = if several {
        by_invoice.into_iter().map(|(invoice, amount)| (Some(invoice), amount)).collect()
    } else {
        let named = by_invoice.into_keys().next();
        let invoice = named
            .or_else(|| event.content.owned("credit_note.reference_invoice_id"))
            .or_else(|| event.content.owned("invoice.id"));
        vec![(invoice, whole)]
    };
    let subscription =
        event.content.owned("invoice.subscription_id").or_else(|| event.content.owned("subscription.id"));
    let facts = parts.into_iter().map(|(invoice, amount)| Fact {
        at: event.at,
        customer: Some(customer.clone()),
        detail: Detail::PaymentRefunded(Refund {
            id: match &invoice {
                Some(invoice) if several => format!("{id}:{invoice}"),
                _ => id.clone(),
            },
            amount: Some(amount),
            running_total: None,
            currency: transaction.text("currency_code").and_then(Currency::parse),
            invoice,
            payments: transaction.owned("refunded_txn_id").into_iter().collect(),
            subscription: subscription.clone(),
        }),
        warnings: vec![],
    });
    Ok(Reading { facts: facts.collect(), ..Reading::default() })
}

fn unsuccessful(transaction: &Value, expected: &str) -> Option<Reading> {
    let kind = transaction.text("type").unwrap_or(expected);
    let status = transaction.text("status").unwrap_or("success");
    (kind != expected || status != "success")
        .then(|| Reading::nothing(Reason::NotSuccessful, format!("the transaction is a {kind} with status `{status}`")))
}

/// The invoice that travels in the event.
fn whole_invoice(event: &Event, id: String, object: &Value) -> (Invoice, Vec<Warning>) {
    let lines: Vec<Line> = object.list("line_items").iter().map(Line::read).collect();
    let recurring = object.flag("recurring") != Some(false);
    let main = deciding(&lines, recurring);
    let subscription_id = main
        .filter(|_| object.at("subscription_id").is_none())
        .and_then(|line| line.subscription.clone())
        .or_else(|| object.owned("subscription_id"));
    // The subscription in the body speaks for the invoice only if the invoice is of that subscription.
    let subscription = subscription::in_content(event).filter(|known| Some(&known.id) == subscription_id.as_ref());
    let (billing, plan) = match (&subscription, main) {
        _ if !recurring => (
            Billing::OneTime,
            Plan { price_id: Some(main.map_or_else(|| "adhoc".to_owned(), Line::product)), ..Plan::default() },
        ),
        (Some(known), _) if known.plan.period.is_some() => (Billing::Recurring, known.plan.clone()),
        (_, Some(line)) => (line.stretch(), Plan { price_id: line.entity.clone(), ..Plan::default() }),
        (_, None) => (Billing::Stretch(None), Plan::default()),
    };
    let amount_paid = object.int("amount_paid").unwrap_or(0);
    let total = object.int("total").unwrap_or(amount_paid);
    let tax = object.int("tax").unwrap_or(0);
    let invoice = Invoice {
        id,
        subscription: subscription_id,
        currency: object
            .text("currency_code")
            // Sites with one currency may leave it out; a payment is in the currency of its invoice.
            .or_else(|| event.content.text("transaction.currency_code"))
            .and_then(Currency::parse),
        amount_paid,
        amount_paid_net: share(amount_paid, total.saturating_sub(tax), total).unwrap_or(amount_paid),
        total,
        tax,
        billing,
        plan,
        price_ids: vec![],
        seats: subscription.filter(|_| recurring).and_then(|known| known.seats),
        lines: lines.iter().map(|line| line.told(recurring)).collect(),
        // Names where a list that is too long for one answer goes on.
        lines_complete: object.at("line_items_next_offset").is_none(),
        country: object.country("billing_address.country"),
        email: None,
        billing_reason: String::new(),
    };
    (invoice, mixed_subscriptions(&lines, recurring).into_iter().collect())
}

/// An invoice that is only named by the transaction that settles it: its plan is not known.
fn linked_invoice(id: String, amount: i64, transaction: &Value) -> Invoice {
    Invoice {
        id,
        subscription: None,
        currency: transaction.text("currency_code").and_then(Currency::parse),
        amount_paid: amount,
        amount_paid_net: amount,
        total: amount,
        tax: 0,
        billing: Billing::Stretch(None),
        plan: Plan::default(),
        price_ids: vec![],
        seats: None,
        lines: vec![],
        lines_complete: false,
        country: None,
        email: None,
        billing_reason: String::new(),
    }
}

/// The line that names plan and interval: of a recurring invoice the largest plan line, else the largest addon; of a
/// one-off invoice the largest line.
fn deciding(lines: &[Line], recurring: bool) -> Option<&Line> {
    lines
        .iter()
        .rev()
        .filter(|line| !recurring || line.rank > 0)
        .max_by_key(|line| (if recurring { line.rank } else { 0 }, line.amount))
}

fn mixed_subscriptions(lines: &[Line], recurring: bool) -> Option<Warning> {
    let plans = || lines.iter().filter(|line| recurring && line.rank == 2);
    let first = plans().next()?;
    plans().find(|line| line.subscription != first.subscription && line.stretch() != first.stretch()).map(|_| {
        Warning::new(
            WarningCode::IntervalMixed,
            "the invoice is for several subscriptions with different periods; the largest recurring line decides",
        )
    })
}

struct Line {
    entity: Option<String>,
    subscription: Option<String>,
    description: Option<String>,
    amount: i64,
    quantity: Option<i64>,
    /// 2 for a plan, 1 for an addon, 0 for what does not recur.
    rank: u8,
    /// Seconds that the line is for.
    seconds: Option<i64>,
}

impl Line {
    fn read(line: &Value) -> Self {
        let (from, to) = (line.int("date_from"), line.int("date_to"));
        Self {
            entity: line.owned("entity_id"),
            subscription: line.owned("subscription_id"),
            description: line.owned("description"),
            amount: line.int("amount").unwrap_or(0),
            quantity: line.int("quantity"),
            rank: match line.text("entity_type") {
                Some("plan" | "plan_item_price") => 2,
                Some("addon" | "addon_item_price") => 1,
                _ => 0,
            },
            seconds: from.zip(to).map(|(from, to)| to.saturating_sub(from)),
        }
    }

    /// `recurring` of the whole invoice: a plan may be sold once too. Chargebee marks no line as prorated.
    fn told(&self, recurring: bool) -> InvoiceLine {
        InvoiceLine {
            amount: self.amount,
            quantity: self.quantity,
            price_id: self.entity.clone(),
            product_id: None,
            recurring: recurring && self.rank > 0,
            proration: false,
            description: self.description.clone(),
        }
    }

    fn product(&self) -> String {
        self.entity.clone().unwrap_or_else(|| "adhoc".to_owned())
    }

    /// The word for the billed stretch; it ends with the next one's first second or a second before it.
    fn stretch(&self) -> Billing {
        let Some(seconds) = self.seconds else { return Billing::Stretch(None) };
        // Half a day is added because a stretch across the change to summer time is an hour short.
        Billing::Stretch(Interval::of_days(seconds.saturating_add(1 + SECONDS_OF_A_DAY / 2) / SECONDS_OF_A_DAY))
    }
}
