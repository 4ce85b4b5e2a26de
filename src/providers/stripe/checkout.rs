//! One-time sales by Checkout that make no invoice.
//!
//! A session that names an invoice or a subscription is ignored: `invoice.paid` tells of it, and counting both would
//! count the sale twice.

use serde_json::Value;

use super::invoice::links;
use super::{Event, customer_id};
use crate::decision::{Reason, Warning};
use crate::facts::{Billing, Detail, Fact, Invoice, Plan, Reading, Source};
use crate::money::Currency;
use crate::providers::ReadError;
use crate::providers::json::Look;
use crate::providers::metadata::Keys;

/// A session that was completed, or whose delayed payment arrived.
pub fn completed(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let object = event.object;
    let session = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    // An invoice that Stripe was asked to make may not be there yet; it will be.
    let invoiced = object.at("invoice").is_some() || object.flag("invoice_creation.enabled") == Some(true);
    if invoiced || object.at("subscription").is_some() {
        let paid_by = object.id("payment_intent").zip(object.id("invoice"));
        let learned = paid_by.into_iter().flat_map(|(payment, invoice)| links(Some(payment), None, &invoice, None));
        return Ok(Reading::nothing(Reason::ReportedElsewhere, "`invoice.paid` tells of this sale").learning(learned));
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
    if !matches!(status, "paid" | "no_payment_required") {
        return Ok(Reading::nothing(
            Reason::NotFullyPaid,
            "the payment is still under way; `checkout.session.async_payment_succeeded` tells when it arrives",
        ));
    }
    let Some(amount_paid) = amount(object) else {
        let message = "the session is of a version that does not say how much was paid";
        return Ok(Reading::nothing(Reason::UnsupportedVersion, message));
    };
    let amount_paid = if status == "paid" { amount_paid } else { 0 };
    let tax = object.int("total_details.amount_tax").unwrap_or(0).min(amount_paid);
    let warnings: Vec<Warning> = keys.warn_of_code_on(object.at("metadata"), "Checkout session").into_iter().collect();
    let invoice = Invoice {
        id: object.id("payment_intent").unwrap_or(session),
        subscription: None,
        currency: object.text("currency").or_else(|| display_currency(object)).and_then(Currency::parse),
        amount_paid,
        amount_paid_net: amount_paid.saturating_sub(tax),
        total: amount_paid,
        tax,
        billing: Billing::OneTime,
        plan: Plan::default(),
        price_ids: vec![],
        seats: None,
        // What was sold is not in the webhook, save by early sessions in a form of its own.
        lines: vec![],
        lines_complete: false,
        country: object.country("customer_details.address.country"),
        email: object.owned("customer_details.email").or_else(|| object.owned("customer_email")),
        billing_reason: String::new(),
        source: Source::Session,
        payments: vec![],
        outside: 0,
        billed_days: None,
    };
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: customer_id(object),
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

fn display_currency(object: &Value) -> Option<&str> {
    object.list("display_items").first()?.text("currency")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::Learned;
    use crate::providers::testing::{Says, stripe};

    const KIND: &str = "checkout.session.completed";

    /// A session of 2019: no mode, no status, no total.
    fn early(items: Value) -> Reading {
        stripe(KIND, json!({ "id": "cs_1", "customer": "cus_1", "payment_intent": "pi_1", "display_items": items }))
    }

    #[test]
    fn an_early_session_is_worth_the_sum_of_what_it_lists() {
        let items = json!([
            { "amount": 1500, "currency": "usd", "quantity": 2 }, { "amount": 250, "currency": "usd" },
        ]);
        let reading = early(items);
        let invoice = reading.invoice();
        assert_eq!((invoice.id.as_str(), invoice.amount_paid, invoice.billing), ("pi_1", 3250, Billing::OneTime));
        assert_eq!(invoice.currency.as_ref().unwrap().as_str(), "USD");
    }

    #[test]
    fn a_session_that_does_not_say_how_much_is_no_purchase_of_nothing() {
        assert_eq!(early(json!([])).reason(), "unsupported_version");
        assert_eq!(early(json!([{ "quantity": 1 }])).reason(), "unsupported_version");
    }

    fn session(changes: Value) -> Reading {
        let mut session = json!({
            "id": "cs_1", "mode": "payment", "amount_total": 500, "payment_status": "paid", "payment_intent": "pi_1",
        });
        session.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        stripe(KIND, session)
    }

    #[test]
    fn a_session_that_makes_an_invoice_is_told_by_it_even_before_it_is_there() {
        for changes in [
            json!({ "invoice": "in_1" }),
            json!({ "invoice": null, "invoice_creation": { "enabled": true } }),
            json!({ "subscription": "sub_1", "mode": "subscription" }),
        ] {
            assert_eq!(session(changes).reason(), "reported_elsewhere");
        }
        assert_eq!(session(json!({ "invoice_creation": { "enabled": false } })).invoice().id, "pi_1");
        let link = Learned::Link(crate::facts::PaymentLink {
            payment: "pi_1".into(),
            invoice: "in_1".into(),
            amount: None,
            charge_of: None,
        });
        assert_eq!(session(json!({ "invoice": "in_1" })).learned, [link], "a refund will ask for it");
    }

    #[test]
    fn only_a_paid_session_brought_money() {
        for status in ["unpaid", "a_word_of_tomorrow"] {
            assert_eq!(session(json!({ "payment_status": status })).reason(), "not_fully_paid");
        }
        let free = session(json!({ "payment_status": "no_payment_required", "total_details": { "amount_tax": 80 } }));
        assert_eq!((free.invoice().amount_paid, free.invoice().amount_paid_net), (0, 0));
    }

    #[test]
    fn a_session_without_a_payment_is_known_by_its_own_id() {
        let session =
            json!({ "id": "cs_1", "mode": "payment", "amount_total": 0, "payment_status": "no_payment_required" });
        let reading = stripe(KIND, session);
        assert_eq!((reading.invoice().id.as_str(), reading.invoice().amount_paid), ("cs_1", 0));
    }
}
