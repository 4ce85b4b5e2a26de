//! Which purchase a refund gives back; how much of it is in [`amount`].
//!
//! A refund is only reported after its purchase, and goes to the report that carried its payment. That is not always the
//! invoice that the refund names: another may have reported the money, or a sale.

pub mod amount;

use crate::attribution::payment_topic;
use crate::facts::{Carried, PaymentLink, Refund, Scope};
use crate::store::{DecisionState, Ledger, Reported, StoreError};
use crate::trace::Told;

use super::{payments, purchase};

/// Where a refund's purchase stands.
pub enum Purchase {
    Reported(Found),
    /// It was decided not to report it. With what has the refund decided again: a report of it, or one that carries the
    /// refunded payment.
    NotReported {
        message: String,
        again: String,
        or: Option<String>,
    },
    /// It is there and held.
    Undecided {
        message: String,
        waits_for: String,
    },
    /// Nothing of it has arrived.
    Unknown {
        /// As the refund names it.
        invoice: Option<String>,
        message: String,
        waits_for: String,
    },
}

/// The report that carried the refunded money.
pub struct Found {
    /// The purchase, as the directory keeps it.
    pub id: String,
    pub reported: Reported,
    /// The payment that was refunded, where it is known to be carried by this report.
    pub payment: Option<String>,
    /// How the purchase is known.
    pub told: Told,
}

/// Finds the report that carried the refunded payment; of a payment that none is known to carry, the invoice that the
/// refund names, or that the payment settles; else the payment itself, which stands for a sale without an invoice.
pub fn find(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund) -> Result<Purchase, StoreError> {
    let payments = payments(ledger, scope, refund)?;
    for payment in &payments {
        if let Some(found) = carrier(ledger, scope, payment, refund.invoice.as_deref())? {
            return Ok(Purchase::Reported(found));
        }
    }
    if let Some(invoice) = &refund.invoice {
        return of_named_invoice(ledger, scope, invoice, &payments);
    }
    let mut not_reported = None;
    for payment in &payments {
        let links = ledger.links_of_payment(scope, payment)?.into_iter().map(|link| link.invoice);
        for id in links.chain([payment.clone()]) {
            let told = match id == *payment {
                true => Told::directory("a sale without an invoice goes by its payment"),
                false => Told::directory(format!("the payment `{payment}` settled it")),
            };
            match of_purchase(ledger, scope, &id, told, &payments)? {
                // A report whose payments are all known, and this is none of them.
                Purchase::Reported(found) if carries_others_alone(ledger, scope, &found.id)? => {}
                ignored @ Purchase::NotReported { .. } => {
                    not_reported.get_or_insert(ignored);
                }
                Purchase::Unknown { .. } if id == *payment => {}
                found => return Ok(found),
            }
        }
    }
    if let Some(not_reported) = not_reported {
        return Ok(not_reported);
    }
    let payment = refund.payments.first().map_or("", String::as_str);
    let message = match payment {
        "" => "the refund names neither invoice nor payment".to_owned(),
        payment => format!("the refund names no invoice, and nothing has told what `{payment}` paid for"),
    };
    Ok(Purchase::Unknown { invoice: None, message, waits_for: payment_topic(scope, payment) })
}

/// The payments that may have been refunded, by their own ids. A refund that names only an invoice is of that
/// invoice's, where a sale or another invoice reported them.
fn payments(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund) -> Result<Vec<String>, StoreError> {
    let mut payments: Vec<String> = Vec::new();
    for id in &refund.payments {
        let links = ledger.links_of_payment(scope, id)?;
        let payment = links.into_iter().find_map(|link| link.charge_of).unwrap_or_else(|| id.clone());
        if !payments.contains(&payment) {
            payments.push(payment);
        }
    }
    if let (true, Some(invoice)) = (payments.is_empty(), &refund.invoice)
        && ledger.reported(&purchase::key(scope, invoice))?.is_none()
        && ledger.decision_on(&purchase::key(scope, invoice))? == Some(DecisionState::Ignore)
    {
        for link in ledger.links_of_invoice(scope, invoice)? {
            if link.charge_of.is_none() && is_reported_elsewhere(ledger, scope, &link)? {
                payments.push(link.payment);
            }
        }
    }
    Ok(payments)
}

/// Whether other reports carry so much of a payment that less is left than this invoice took of it.
fn is_reported_elsewhere(ledger: &mut dyn Ledger, scope: &Scope, link: &PaymentLink) -> Result<bool, StoreError> {
    let left = payments::left_of(ledger, scope, &link.payment)?;
    Ok(left.zip(link.amount).is_none_or(|(left, took)| left < took))
}

/// The report that carries a payment: that of the named invoice where it is among several.
fn carrier(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    payment: &str,
    named: Option<&str>,
) -> Result<Option<Found>, StoreError> {
    let carried = ledger.carried_of_payment(scope, payment)?;
    let is_named = |carried: &&Carried| named.is_some_and(|named| is_of_invoice(&carried.purchase, named));
    let ids = carried.iter().filter(is_named).chain(&carried).map(|carried| carried.purchase.clone());
    for id in ids {
        if let Some(reported) = ledger.reported(&purchase::key(scope, &id))? {
            let told = match named {
                Some(named) if is_of_invoice(&id, named) => Told::webhook("the refund names it"),
                _ if id == payment => Told::directory("a sale without an invoice goes by its payment"),
                _ => Told::directory(format!("it reported the payment `{payment}`")),
            };
            return Ok(Some(Found { id, reported, payment: Some(payment.to_owned()), told }));
        }
    }
    Ok(None)
}

/// Whether a purchase is this invoice's, paid for the first time or anew.
fn is_of_invoice(purchase: &str, invoice: &str) -> bool {
    purchase == invoice || purchase.strip_prefix(invoice).is_some_and(|rest| rest.starts_with(':'))
}

fn of_named_invoice(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    invoice: &str,
    payments: &[String],
) -> Result<Purchase, StoreError> {
    let purchase = of_purchase(ledger, scope, invoice, Told::webhook("the refund names it"), payments)?;
    Ok(match purchase {
        Purchase::Reported(found) if !payments.is_empty() && carries_others_alone(ledger, scope, &found.id)? => {
            let message = format!("`{}` was never reported: other payments settled `{invoice}`", payments[0]);
            Purchase::NotReported { message, again: payment_topic(scope, &payments[0]), or: None }
        }
        purchase => purchase,
    })
}

fn of_purchase(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    id: &str,
    told: Told,
    payments: &[String],
) -> Result<Purchase, StoreError> {
    let key = purchase::key(scope, id);
    if let Some(reported) = ledger.reported(&key)? {
        return Ok(Purchase::Reported(Found { id: id.to_owned(), reported, payment: None, told }));
    }
    let message = format!("the purchase `{id}` has not been reported yet");
    Ok(match ledger.decision_on(&key)? {
        Some(DecisionState::Ignore) => Purchase::NotReported {
            message: format!("the purchase `{id}` was not reported, so its refund is not either"),
            again: key,
            or: payments.first().map(|payment| payment_topic(scope, payment)),
        },
        Some(_) => Purchase::Undecided { message, waits_for: key },
        None => Purchase::Unknown { invoice: Some(id.to_owned()), message, waits_for: key },
    })
}

/// Whether all the money of a report is that of payments which are known.
fn carries_others_alone(ledger: &mut dyn Ledger, scope: &Scope, id: &str) -> Result<bool, StoreError> {
    let is_linked = ledger.purchase(scope, id)?.is_some_and(|purchase| purchase.unlinked == 0);
    Ok(is_linked && !ledger.carried_by_purchase(scope, id)?.is_empty())
}
