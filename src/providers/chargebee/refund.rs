//! Refunds: which invoices a transaction gives money back for, and how much of each.
//!
//! The refund's own transaction is all that counts. The invoice in the body still says that it is paid, and a credit
//! note moves no money by itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::checked::{Place, currency};
use super::payment::unsuccessful;
use super::{Event, customer};
use crate::facts::{Detail, Fact, Reading, Refund};
use crate::providers::ReadError;
use crate::providers::json::Look;

/// Money given back: one fact for each invoice it was for.
pub fn refunded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "refund") {
        return Ok(reading);
    }
    let id = transaction.owned("id").ok_or_else(|| event.missing("content.transaction.id"))?;
    let whole = Place::new(transaction, "content.transaction").whole("amount");
    let whole = whole.map_err(|problem| event.not_understood(problem))?;
    let whole = whole.ok_or_else(|| event.missing("content.transaction.amount"))?;
    let currency =
        currency(event.content, &["transaction.currency_code", "credit_note.currency_code", "invoice.currency_code"])
            .map_err(|problem| event.not_understood(problem))?;
    let parts = parts(event, transaction, whole)?;
    let several = parts.len() > 1;
    let facts = parts.into_iter().map(|Part { invoice, amount }| Fact {
        at: event.at,
        // Whose the refund is follows from its purchase, so that one without a customer is a refund as well.
        customer: owner(event, invoice.as_deref()),
        detail: Detail::PaymentRefunded(Refund {
            id: match &invoice {
                Some(invoice) if several => format!("{id}:{invoice}"),
                _ => id.clone(),
            },
            amount: Some(amount),
            running_total: None,
            currency: currency.clone(),
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
/// the credit note in the body names the invoice.
fn parts(event: &Event, transaction: &Value, whole: i64) -> Result<Vec<Part>, ReadError> {
    let note = event.content.at("credit_note");
    let mut by_invoice: BTreeMap<Option<String>, Vec<Place>> = BTreeMap::new();
    for link in transaction.list("linked_credit_notes") {
        let same_note = || note.filter(|note| note.text("id").is_some() && note.text("id") == link.text("cn_id"));
        let invoice = link.owned("cn_reference_invoice_id").or_else(|| same_note()?.owned("reference_invoice_id"));
        by_invoice.entry(invoice).or_default().push(Place::new(link, "content.transaction.linked_credit_notes"));
    }
    // A credit note of its own is for no invoice: what is paid out of it gives back no purchase.
    let alone = by_invoice.remove(&None).is_some();
    if by_invoice.is_empty() {
        let noted = note.and_then(|note| note.owned("reference_invoice_id"));
        return Ok(vec![Part { invoice: noted.or_else(|| bystander(event, transaction)), amount: whole }]);
    }
    let only = by_invoice.len() == 1 && !alone;
    let part = |(invoice, links): (Option<String>, Vec<Place>)| {
        Ok(Part { invoice, amount: if only { whole } else { applied(event, &links)? } })
    };
    by_invoice.into_iter().map(part).collect()
}

/// The invoice in the body, where nothing else says what the refund is for. It may be another one than its payment
/// settled, so the payment goes first where it is named.
fn bystander(event: &Event, transaction: &Value) -> Option<String> {
    if transaction.at("refunded_txn_id").is_some() { None } else { event.content.owned("invoice.id") }
}

/// What all credit notes of one invoice pay out.
fn applied(event: &Event, links: &[Place]) -> Result<i64, ReadError> {
    links.iter().try_fold(0_i64, |sum, link| {
        let amount = link.whole("applied_amount").map_err(|problem| event.not_understood(problem))?;
        let missing = || event.missing("content.transaction.linked_credit_notes.applied_amount");
        Ok(sum.saturating_add(amount.ok_or_else(missing)?))
    })
}

/// Whose the invoice is, as far as the body tells of that very invoice. Of others it only tells who paid, which is no
/// answer where somebody pays for others.
fn owner(event: &Event, invoice: Option<&str>) -> Option<String> {
    let named = about(event, invoice).into_iter().flatten().find_map(|object| object.owned("customer_id"));
    let only_one = || {
        let payer = customer::owner(event, None).or_else(|| event.content.owned("transaction.customer_id"));
        payer.filter(|_| customer::other_payer(event).is_none())
    };
    named.or_else(only_one)
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
