//! Refunds: which invoices a transaction gives money back for, and how much of each.
//!
//! The refund's own transaction is all that counts. The invoice in the body still says that it is paid, and a credit
//! note moves no money by itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::payment::{currency, unsuccessful};
use super::{Event, customer};
use crate::decision::Reason;
use crate::facts::{Detail, Fact, Reading, Refund};
use crate::providers::ReadError;
use crate::providers::json::Look;

/// Money given back: one fact for each invoice it was for.
pub fn refunded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "refund") {
        return Ok(reading);
    }
    if customer::owner(event, None).is_none() {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    }
    let id = transaction.owned("id").ok_or_else(|| event.missing("content.transaction.id"))?;
    let whole = transaction.int("amount").ok_or_else(|| event.missing("content.transaction.amount"))?;
    let parts = parts(event, transaction, whole);
    let several = parts.len() > 1;
    let facts = parts.into_iter().map(|Part { invoice, amount }| Fact {
        at: event.at,
        customer: owner(event, invoice.as_deref()),
        detail: Detail::PaymentRefunded(Refund {
            id: match &invoice {
                Some(invoice) if several => format!("{id}:{invoice}"),
                _ => id.clone(),
            },
            amount: Some(amount),
            running_total: None,
            currency: currency(
                event,
                &["transaction.currency_code", "credit_note.currency_code", "invoice.currency_code"],
            ),
            subscription: subscription(event, invoice.as_deref()),
            invoice,
            payments: transaction.owned("refunded_txn_id").into_iter().collect(),
        }),
        warnings: vec![],
    });
    Ok(Reading { facts: facts.collect(), ..Reading::default() })
}

/// What of the refund is for one invoice, in minor units.
struct Part {
    invoice: Option<String>,
    amount: i64,
}

/// The refund is for the invoices whose credit notes it pays out. Where that is one, all of it is; where it is none,
/// the credit note or the invoice in the body is meant.
fn parts(event: &Event, transaction: &Value, whole: i64) -> Vec<Part> {
    let note = event.content.at("credit_note");
    let mut by_invoice: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for link in transaction.list("linked_credit_notes") {
        let same_note = || note.filter(|note| note.text("id").is_some() && note.text("id") == link.text("cn_id"));
        let invoice = link.owned("cn_reference_invoice_id").or_else(|| same_note()?.owned("reference_invoice_id"));
        let sum = by_invoice.entry(invoice).or_default();
        *sum = sum.saturating_add(link.int("applied_amount").unwrap_or(0));
    }
    // A credit note of its own is for no invoice: what is paid out of it gives back no purchase.
    let alone = by_invoice.remove(&None).is_some();
    if by_invoice.is_empty() {
        let noted = note.and_then(|note| note.owned("reference_invoice_id"));
        return vec![Part { invoice: noted.or_else(|| event.content.owned("invoice.id")), amount: whole }];
    }
    let only = by_invoice.len() == 1 && !alone;
    by_invoice
        .into_iter()
        .map(|(invoice, amount)| Part { invoice, amount: if only { whole } else { amount } })
        .collect()
}

/// Whose the invoice is, as far as the body tells of that very invoice. Of others it only tells who paid, which is no
/// answer where somebody pays for others.
fn owner(event: &Event, invoice: Option<&str>) -> Option<String> {
    let named = about(event, invoice).into_iter().flatten().find_map(|object| object.owned("customer_id"));
    named.or_else(|| customer::owner(event, None).filter(|_| customer::other_payer(event).is_none()))
}

/// Its subscription, where the body names that of this very invoice; else its purchase tells.
fn subscription(event: &Event, invoice: Option<&str>) -> Option<String> {
    about(event, invoice).into_iter().flatten().find_map(|object| object.owned("subscription_id"))
}

/// The invoice and the credit note in the body, where they are this invoice and of this invoice.
fn about<'a>(event: &Event<'a>, invoice: Option<&str>) -> [Option<&'a Value>; 2] {
    [("invoice", "id"), ("credit_note", "reference_invoice_id")]
        .map(|(object, key)| event.content.at(object).filter(|object| invoice.is_some() && object.text(key) == invoice))
}
