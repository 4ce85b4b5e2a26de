//! One-time sales by Checkout that make no invoice.
//!
//! A session that names an invoice or a subscription is ignored: `invoice.paid` tells of it, and counting both would
//! count the sale twice.

use serde_json::Value;

use super::Event;
use crate::decision::{Reason, Warning};
use crate::facts::{Billing, Detail, Fact, Invoice, Plan, Reading};
use crate::money::Currency;
use crate::providers::ReadError;
use crate::providers::json::Look;
use crate::providers::metadata::Keys;

/// A session that was completed, or whose delayed payment arrived.
pub fn completed(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let object = event.object;
    let session = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    if object.at("invoice").is_some() || object.at("subscription").is_some() {
        return Ok(Reading::nothing(Reason::ReportedElsewhere, "`invoice.paid` tells of this sale"));
    }
    let mode = object.text("mode").unwrap_or("payment");
    if mode != "payment" {
        return Ok(Reading::nothing(
            Reason::NotOfInterest,
            format!("a session in mode `{mode}` sells nothing by itself"),
        ));
    }
    // Sessions from before delayed payments existed carry no status: they completed by being paid.
    let status = object.text("payment_status").unwrap_or("paid");
    if status == "unpaid" {
        return Ok(Reading::nothing(
            Reason::NotFullyPaid,
            "the payment is still under way; `checkout.session.async_payment_succeeded` tells when it arrives",
        ));
    }
    let amount_paid = amount(object).ok_or_else(|| event.missing("data.object.amount_total"))?;
    let tax = object.int("total_details.amount_tax").unwrap_or(0);
    let warnings: Vec<Warning> = keys.warn_of_code_on(object.at("metadata"), "Checkout session").into_iter().collect();
    let invoice = Invoice {
        id: object.id("payment_intent").unwrap_or(session),
        subscription: None,
        currency: object.text("currency").and_then(Currency::parse),
        amount_paid,
        amount_paid_net: amount_paid.saturating_sub(tax),
        total: amount_paid,
        tax,
        billing: Billing::OneTime,
        plan: Plan::default(),
        price_ids: vec![],
        seats: None,
        email: object.owned("customer_details.email").or_else(|| object.owned("customer_email")),
        billing_reason: String::new(),
    };
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: object.id("customer"),
        detail: Detail::InvoicePaid(Box::new(invoice)),
        warnings,
    }))
}

/// Minor units. The first sessions listed what they sold instead of a total.
fn amount(object: &Value) -> Option<i64> {
    object.int("amount_total").or_else(|| {
        let items = object.list("display_items");
        let sum = items.iter().try_fold(0_i64, |sum, item| {
            sum.checked_add(item.int("amount")?.checked_mul(item.int("quantity").unwrap_or(1))?)
        });
        sum.filter(|_| !items.is_empty())
    })
}
