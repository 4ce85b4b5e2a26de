//! Which payment settled how much of which invoice: a payment may have several invoices, and an invoice several payments.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::super::Event;
use super::super::checked::{Checked, Place};
use super::unsuccessful;
use crate::facts::{Applied, Learned, Payment, PaymentLink};
use crate::providers::json::{Look, NotUnderstood};

pub const INVOICES: &str = "content.transaction.linked_invoices";
const PAYMENTS: &str = "content.invoice.linked_payments";
pub const TRANSACTION: &str = "content.transaction";

/// An amount in minor units for each id, each id once, though money may be applied in several steps.
type Amounts<'a> = Vec<(&'a str, Checked<i64>)>;

/// What a payment that succeeded teaches the directory, whether or not it completes an invoice: a later refund may name
/// nothing but the payment. What is not understood is left out.
pub fn learned(event: &Event) -> Vec<Learned> {
    let transaction = event.content.at("transaction").filter(|it| unsuccessful(it, "payment").is_none());
    let Some((transaction, id)) = transaction.and_then(|it| Some((it, it.text("id")?))) else { return vec![] };
    let payment = Payment { id: id.to_owned(), amount: brought(transaction).unwrap_or_default(), session: None };
    let of_invoice = event.content.at("invoice").and_then(|it| Some((it.text("id")?, it)));
    let listed = of_invoice.into_iter().flat_map(|(invoice, object)| {
        // Of this payment its own list says more.
        let others = payments_of(object).into_iter().filter(move |(payment, _)| *payment != id);
        others.map(move |(payment, amount)| (payment, invoice, amount))
    });
    let own =
        invoices_of(transaction.list("linked_invoices")).into_iter().map(|(invoice, amount)| (id, invoice, amount));
    let links = own.chain(listed).filter_map(|(payment, invoice, amount)| {
        let (payment, invoice) = (payment.to_owned(), invoice.to_owned());
        Some(Learned::Link(PaymentLink { payment, invoice, amount: amount.ok()?, charge_of: None }))
    });
    std::iter::once(Learned::Payment(payment)).chain(links).collect()
}

/// How much a payment brought in all: never less than its invoices took, as far as that is understood.
pub fn brought(transaction: &Value) -> Checked<i64> {
    let amount = Place::new(transaction, TRANSACTION).whole("amount")?;
    let links = invoices_of(transaction.list("linked_invoices")).into_iter();
    let taken = links.filter_map(|(_, applied)| applied.ok()?).fold(0, i64::saturating_add);
    Ok(amount.map(|amount| amount.max(taken)))
}

/// How much of a payment each of its invoices took.
pub fn invoices_of<'a>(linked: impl IntoIterator<Item = &'a Value>) -> Amounts<'a> {
    let links = linked.into_iter();
    sums(links.filter_map(|link| Some((link.text("invoice_id")?, Place::new(link, INVOICES).whole("applied_amount")))))
}

/// How much each payment that succeeded brought to an invoice.
fn payments_of(invoice: &Value) -> Amounts<'_> {
    sums(succeeded(invoice).filter_map(|it| Some((it.object.text("txn_id")?, it.whole("applied_amount")))))
}

fn succeeded(invoice: &Value) -> impl Iterator<Item = Place<'_>> {
    let payments = invoice.list("linked_payments").iter();
    payments.filter(|it| it.text("txn_status") == Some("success")).map(|it| Place::new(it, PAYMENTS))
}

fn sums<'a>(amounts: impl Iterator<Item = (&'a str, Checked<i64>)>) -> Amounts<'a> {
    let mut sums: Amounts = vec![];
    for (id, amount) in amounts {
        match sums.iter_mut().find(|(known, _)| *known == id) {
            Some((_, sum)) => *sum = sum.clone().and_then(|sum| Ok(add(sum, amount?))),
            None => sums.push((id, amount)),
        }
    }
    sums
}

fn add(sum: Option<i64>, amount: Option<i64>) -> Option<i64> {
    match (sum, amount) {
        (Some(sum), Some(amount)) => Some(sum.saturating_add(amount)),
        (sum, amount) => sum.or(amount),
    }
}

/// Money collected for the invoice in the body: that of payments which succeeded, not credits. The sum is given, save by
/// very old invoices.
pub fn collected(invoice: &Value) -> Result<i64, NotUnderstood> {
    if let Some(paid) = Place::new(invoice, "content.invoice").whole("amount_paid")? {
        return Ok(paid);
    }
    let mut sum = 0_i64;
    for payment in succeeded(invoice) {
        sum = sum.saturating_add(payment.whole("applied_amount")?.unwrap_or(0));
    }
    Ok(sum)
}

/// The payments of the invoice in the body: those it lists, and this transaction, which it may list only from then on. One
/// without a list does not say how it was paid.
pub fn payments(transaction: &Value, invoice: &Value) -> Result<Vec<Applied>, NotUnderstood> {
    let own = transaction.text("id");
    let amount = brought(transaction)?;
    let mut payments = vec![];
    for (payment, applied) in payments_of(invoice) {
        let given = succeeded(invoice).find(|it| it.object.text("txn_id") == Some(payment));
        let total = given.map(|it| it.whole("txn_amount")).transpose()?.flatten();
        let total = total.or(amount.filter(|_| own == Some(payment)));
        payments.push(Applied { payment: payment.to_owned(), amount: applied?, total });
    }
    if let Some(own) = own.filter(|own| payments.iter().all(|it| it.payment != *own)) {
        let id = invoice.text("id");
        let links = invoices_of(transaction.list("linked_invoices"));
        let link = links.into_iter().find(|(invoice, _)| Some(*invoice) == id);
        // Where nothing says how much, all that the invoice took came from it, or else all of it went to the invoice.
        let unsaid = amount.filter(|_| !payments.is_empty());
        let applied = link.map(|(_, applied)| applied).transpose()?.flatten().or(unsaid);
        payments.push(Applied { payment: own.to_owned(), amount: applied, total: amount });
    }
    let says_how = invoice.at("linked_payments").is_some();
    Ok(payments.into_iter().filter(|_| says_how).collect())
}
