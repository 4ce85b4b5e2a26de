//! Transactions, which are purchases, and adjustments, some of which are refunds.

use cello_relay::decision::Reason;
use cello_relay::facts::{Billing, Detail, Fact, Invoice, InvoiceLine, Reading, Refund, StatedBy};
use cello_relay::money::Currency;
use cello_relay::providers::ReadError;
use cello_relay::providers::json::Look;
use serde_json::Value;

use super::subscription::{main_item, plan};
use super::{Event, amount, time};

/// A transaction is completed when it is paid and everything that follows from that is done.
pub fn completed(event: &Event) -> Result<Reading, ReadError> {
    let data = event.data;
    let main = main_item(data.list("items"));
    let plan = main.map(plan).unwrap_or_default();
    // What is left to pay after credit; amounts are of the transaction's own currency.
    let paid = amount(data, "details.totals.grand_total").ok_or_else(|| event.missing("data.details.totals"))?;
    let tax = amount(data, "details.totals.tax").unwrap_or(0);
    let invoice = Invoice {
        // Adjustments name the transaction, not its invoice.
        id: event.id()?,
        subscription: data.owned("subscription_id"),
        currency: data.text("currency_code").and_then(Currency::parse),
        amount_paid: paid,
        amount_paid_net: paid.saturating_sub(tax),
        total: amount(data, "details.totals.total").unwrap_or(paid),
        tax,
        billing: if plan.period.is_some() { Billing::Recurring } else { Billing::OneTime },
        price_ids: plan.price_id.iter().cloned().collect(),
        seats: main.filter(|_| plan.period.is_some()).and_then(|item| item.int("quantity")),
        lines: data.list("details.line_items").iter().map(|item| line(item, plan.period.is_some())).collect(),
        lines_complete: true,
        plan,
        country: None,
        email: None,
        billing_reason: data.owned("origin").unwrap_or_default(),
        stated_by: StatedBy::Invoice,
        payments: vec![],
        outside: 0,
        billed_days: None,
    };
    Ok(Reading::fact(Fact {
        at: time(data, "billed_at").unwrap_or(event.at),
        customer: data.owned("customer_id"),
        detail: Detail::InvoicePaid(Box::new(invoice)),
        warnings: vec![],
    }))
}

fn line(line: &Value, recurring: bool) -> InvoiceLine {
    InvoiceLine {
        amount: amount(line, "totals.subtotal").unwrap_or(0),
        quantity: line.int("quantity"),
        price_id: line.owned("price_id"),
        product_id: line.owned("product.id"),
        recurring,
        proration: line.at("proration").is_some_and(Value::is_object),
        description: line.owned("product.name"),
    }
}

pub fn adjusted(event: &Event) -> Result<Reading, ReadError> {
    let data = event.data;
    let (action, status) = (data.text("action").unwrap_or_default(), data.text("status").unwrap_or_default());
    if action != "refund" {
        return Ok(Reading::nothing(Reason::NotOfInterest, format!("a {action} gives no money back")));
    }
    if status != "approved" {
        return Ok(Reading::nothing(Reason::NotSuccessful, format!("the refund is `{status}`")));
    }
    let refund = Refund {
        id: event.id()?,
        amount: Some(amount(data, "totals.total").ok_or_else(|| event.missing("data.totals.total"))?),
        running_total: None,
        currency: data.text("currency_code").and_then(Currency::parse),
        invoice: data.owned("transaction_id"),
        payments: vec![],
        subscription: data.owned("subscription_id"),
    };
    let customer = data.owned("customer_id");
    Ok(Reading::fact(Fact { at: event.at, customer, detail: Detail::PaymentRefunded(refund), warnings: vec![] }))
}
