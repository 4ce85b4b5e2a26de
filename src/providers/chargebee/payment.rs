//! Payments: which invoices a transaction completes, what each is for, and how much money was collected for it.
//!
//! One payment can settle several invoices, and several payments one invoice. An invoice is reported once, by the
//! payment that completes it, with all the money collected for it.

mod applied;
mod lines;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::checked::{Checked, Place, currency};
use super::{Event, customer};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Applied, Billing, Detail, Fact, Invoice, Nothing, Reading, StatedBy};
use crate::money::share;
use crate::providers::ReadError;
use crate::providers::json::{Look, NotUnderstood};

pub use applied::learned;

const INVOICE: &str = "content.invoice";

/// A successful payment: one fact for each invoice it completes.
pub fn succeeded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "payment") {
        return Ok(reading);
    }
    let linked = transaction.list("linked_invoices");
    let on_account = transaction.at("linked_invoices").is_some() && linked.is_empty();
    let body_invoice = event.content.at("invoice").filter(|_| !on_account);
    let Some(owner) = customer::owner(event, body_invoice) else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    if body_invoice.is_none() && linked.is_empty() {
        return Ok(Reading::nothing(Reason::MoneyOnAccount, "the payment is applied to no invoice"));
    }
    let in_body = body_invoice.and_then(|invoice| invoice.text("id"));
    let mut facts = Vec::new();
    if let Some(object) = body_invoice.filter(|invoice| invoice.text("status") == Some("paid")) {
        let id = in_body.ok_or_else(|| event.missing("content.invoice.id"))?;
        let invoice = Body { id, object, transaction, owner: &owner };
        facts.push(invoice.fact(event).map_err(|problem| event.not_understood(problem))?);
    }
    // Where somebody pays for others, nothing tells whose the invoices are that are only named.
    let owner_of_others = Some(owner.as_str()).filter(|_| customer::other_payer(event).is_none());
    let others = others(event, transaction, in_body, owner_of_others);
    facts.extend(others.map_err(|problem| event.not_understood(problem))?);
    let nothing = not_fully_paid(body_invoice, linked, facts.is_empty());
    Ok(Reading { facts, nothing, ..Reading::default() })
}

/// The invoices that the transaction does not complete, and at least one word where it completes none.
fn not_fully_paid(body_invoice: Option<&Value>, linked: &[Value], is_all: bool) -> Vec<Nothing> {
    let mut invoices: Vec<&str> = Vec::new();
    let of_body = body_invoice.map(|invoice| (invoice.text("id"), invoice.text("status")));
    let named = linked.iter().map(|link| (link.text("invoice_id"), link.text("invoice_status")));
    for (invoice, status) in of_body.into_iter().chain(named) {
        if let Some(invoice) = invoice.filter(|invoice| status != Some("paid") && !invoices.contains(invoice)) {
            invoices.push(invoice);
        }
    }
    // In the body it may be paid, and open in the list, which was made a moment before.
    invoices.retain(|invoice| !of_body.is_some_and(|(id, status)| id == Some(*invoice) && status == Some("paid")));
    // Nothing is promised: what is left of the invoice may never be paid.
    let message = "a part payment; if another one completes the invoice, that one is reported with all money collected";
    let part = |part_of| Nothing { reason: Reason::NotFullyPaid, message: message.to_owned(), part_of };
    match invoices.as_slice() {
        [] if is_all => vec![part(None)],
        invoices => invoices.iter().map(|invoice| part(Some((*invoice).to_owned()))).collect(),
    }
}

/// Why the transaction is none of money that has moved the `expected` way; `None` where it is.
pub fn unsuccessful(transaction: &Value, expected: &str) -> Option<Reading> {
    let kind = transaction.text("type").unwrap_or(expected);
    let status = transaction.text("status").unwrap_or("success");
    (kind != expected || status != "success").then(|| {
        Reading::nothing(Reason::NotSuccessful, format!("a transaction of type `{kind}` with status `{status}`"))
    })
}

/// When the transaction moved money, else when the event happened.
fn moved_at(event: &Event, transaction: &Value) -> Result<Timestamp, NotUnderstood> {
    Ok(Place::new(transaction, applied::TRANSACTION).moment("date")?.unwrap_or(event.at))
}

/// The invoice in the body, which this transaction completes.
struct Body<'a> {
    id: &'a str,
    object: &'a Value,
    transaction: &'a Value,
    /// Whose it is.
    owner: &'a str,
}

impl Body<'_> {
    fn fact(&self, event: &Event) -> Result<Fact, NotUnderstood> {
        let paid_at = Place::new(self.object, INVOICE).moment("paid_at")?;
        let at = paid_at.map_or_else(|| moved_at(event, self.transaction), Ok)?;
        let lines::Bought { subscription, billing, plan, seats, billed_days, lines, warning } =
            lines::bought(event, self.object)?;
        let payer = customer::other_payer(event).map(|payer| {
            let message = format!("`{payer}` paid the invoice of `{0}`; it is a purchase of `{0}`", self.owner);
            Warning::new(WarningCode::PaidByAnother, message)
        });
        let invoice = Invoice {
            subscription,
            billing,
            plan,
            seats,
            billed_days,
            lines,
            lines_complete: lines::is_complete(self.object),
            country: self.object.country("billing_address.country"),
            payments: applied::payments(self.transaction, self.object)?,
            ..self.money(event)?
        };
        let (customer, detail) = (Some(self.owner.to_owned()), Detail::InvoicePaid(Box::new(invoice)));
        Ok(Fact { at, customer, detail, warnings: warning.into_iter().chain(payer).collect() })
    }

    fn money(&self, event: &Event) -> Result<Invoice, NotUnderstood> {
        let place = Place::new(self.object, INVOICE);
        let amount_paid = applied::collected(self.object)?;
        let total = place.whole("total")?.unwrap_or(amount_paid);
        let tax = place.whole("tax")?.unwrap_or(0);
        let currency = currency(event.content, &["invoice.currency_code", "transaction.currency_code"])?;
        let amount_paid_net = share(amount_paid, total.saturating_sub(tax), total).unwrap_or(amount_paid);
        Ok(Invoice { currency, amount_paid_net, total, tax, ..bare(self.id, amount_paid) })
    }
}

/// An invoice of which no more is known than how much was paid for it.
fn bare(id: &str, amount: i64) -> Invoice {
    Invoice::bare(id.to_owned(), amount, Billing::Stretch(None), StatedBy::Invoice)
}

/// The invoices that the transaction completes and only names, which is all but the one `in_body`.
fn others(
    event: &Event,
    transaction: &Value,
    in_body: Option<&str>,
    owner: Option<&str>,
) -> Result<Vec<Fact>, NotUnderstood> {
    let is_other = |link: &&Value| link.text("invoice_status") == Some("paid") && link.text("invoice_id") != in_body;
    let links: Vec<&Value> = transaction.list("linked_invoices").iter().filter(is_other).collect();
    let mut facts = Vec::new();
    for (id, applied) in applied::invoices_of(links.iter().copied()) {
        // Without an amount there is no price.
        let Some(amount) = applied? else { continue };
        let link = links.iter().find(|link| link.text("invoice_id") == Some(id));
        let total = link.map(|link| total(link)).transpose()?.flatten();
        let warning = total.filter(|total| amount < *total).map(|_| {
            let message = format!("of `{id}` only what this payment covers is known: {amount}");
            Warning::new(WarningCode::PartOfInvoice, message)
        });
        let invoice = linked_invoice(event, transaction, id, amount)?;
        facts.push(Fact {
            at: moved_at(event, transaction)?,
            customer: owner.map(str::to_owned),
            detail: Detail::InvoicePaid(Box::new(invoice)),
            warnings: warning.into_iter().collect(),
        });
    }
    Ok(facts)
}

/// Of the whole invoice. Where it is more than was paid, credits or an earlier part payment covered the rest.
fn total(link: &Value) -> Checked<i64> {
    Place::new(link, applied::INVOICES).whole("invoice_total")
}

/// An invoice that is only named by the transaction that settles it: its plan is not known.
fn linked_invoice(event: &Event, transaction: &Value, id: &str, amount: i64) -> Result<Invoice, NotUnderstood> {
    let total = applied::brought(transaction)?;
    let payment = |payment| Applied { payment, amount: Some(amount), total };
    Ok(Invoice {
        currency: currency(event.content, &["transaction.currency_code", "invoice.currency_code"])?,
        payments: transaction.owned("id").map(payment).into_iter().collect(),
        ..bare(id, amount)
    })
}
