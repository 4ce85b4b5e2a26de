//! One-time sales by Checkout that make no invoice.
//!
//! A session that makes an invoice or a subscription is ignored: `invoice.paid` reports it, and counting both would count
//! the sale twice. Every session teaches how the money of its payment is reported, since the payment's own webhook does
//! not name the session.

use serde_json::Value;

use super::invoice::links;
use super::{Event, currency, customer_id};
use crate::decision::{Reason, Warning};
use crate::facts::{
    Applied, Billing, Detail, Fact, Invoice, Learned, Payment, Reading, Session, SessionState, StatedBy,
};
use crate::money::Currency;
use crate::providers::json::{Look, NotUnderstood};
use crate::providers::metadata::Keys;
use crate::providers::{ReadError, Unreadable};

/// A session that was completed, or whose delayed payment arrived.
pub fn completed(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let object = event.object;
    let id = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    if let Some(nothing) = of_invoice(object) {
        let number = |path| object.int(path).unwrap_or(0);
        let money = Money { total: number("amount_total"), tax: number("total_details.amount_tax") };
        let paid_by = object.id("payment_intent").zip(object.id("invoice"));
        let links = paid_by.into_iter().flat_map(|(payment, invoice)| links(Some(payment), None, &invoice, None));
        let payment = learned(object, &id, SessionState::Invoiced, &money, None);
        return Ok(nothing.learning(payment.into_iter().chain(links)));
    }
    // Sessions from before delayed payments existed carry no status: they completed by being paid.
    let status = object.text("payment_status").unwrap_or("paid");
    let money = money(object).map_err(|problem| event.not_understood(problem))?;
    if !matches!(status, "paid" | "no_payment_required") {
        let message = "no money yet: a delayed payment is reported by `checkout.session.async_payment_succeeded`, a \
            captured one by `payment_intent.succeeded`";
        let payment = money.and_then(|money| learned(object, &id, SessionState::Unpaid, &money, None));
        return Ok(Reading::nothing(Reason::NotFullyPaid, message).learning(payment));
    }
    let Some(money) = money else {
        let message = "the session is of a version that does not say how much was paid";
        return Ok(Reading::nothing(Reason::UnsupportedVersion, message));
    };
    let amount_paid = if status == "paid" { money.total } else { 0 };
    let payment = learned(object, &id, SessionState::Paid, &money, Some(amount_paid));
    event.conclude(sale(event, keys, id, amount_paid, &money), payment.into_iter().collect())
}

/// Why a session reports nothing itself, where it makes an invoice or sells nothing.
fn of_invoice(object: &Value) -> Option<Reading> {
    // An invoice that Stripe was asked to make may not be there yet; it will be.
    if object.at("invoice").is_some() || object.flag("invoice_creation.enabled") == Some(true) {
        return Some(Reading::nothing(Reason::ReportedElsewhere, "`invoice.paid` reports this sale"));
    }
    if object.at("subscription").is_some() {
        let message = "`invoice.paid` reports each payment of the subscription";
        return Some(Reading::nothing(Reason::ReportedElsewhere, message));
    }
    let mode = object.text("mode").unwrap_or("payment");
    let message = || format!("a session in mode `{mode}` sells nothing by itself");
    (mode != "payment").then(|| Reading::nothing(Reason::NotOfInterest, message()))
}

/// What a session teaches of its payment; nothing where it names none.
fn learned(object: &Value, session: &str, state: SessionState, money: &Money, amount: Option<i64>) -> Option<Learned> {
    let customer = customer_id(object);
    let session = Session { id: session.to_owned(), state, customer, total: money.total, tax: money.tax };
    Some(Learned::Payment(Payment { id: object.id("payment_intent")?, amount, session: Some(session) }))
}

fn sale(event: &Event, keys: &Keys, session: String, amount_paid: i64, money: &Money) -> Result<Reading, ReadError> {
    let object = event.object;
    let tax = money.tax.min(amount_paid);
    let warnings: Vec<Warning> = keys.warn_of_code_on(object.at("metadata"), "Checkout session").into_iter().collect();
    let payment = object.id("payment_intent");
    let applied = payment.clone().map(|payment| Applied { payment, amount: None, total: Some(amount_paid) });
    // What was sold is not in the webhook, save by early sessions in a form of its own.
    let invoice = Invoice {
        currency: session_currency(object).map_err(|problem| event.not_understood(problem))?,
        amount_paid_net: amount_paid.saturating_sub(tax),
        tax,
        country: object.country("customer_details.address.country"),
        email: object.owned("customer_details.email").or_else(|| object.owned("customer_email")),
        payments: applied.into_iter().collect(),
        ..Invoice::bare(payment.unwrap_or(session), amount_paid, Billing::OneTime, StatedBy::Session)
    };
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: customer_id(object),
        detail: Detail::InvoicePaid(Box::new(invoice)),
        warnings,
    }))
}

/// What a session is for, in minor units.
struct Money {
    total: i64,
    /// In the total.
    tax: i64,
}

/// `None` where the session does not say how much.
fn money(object: &Value) -> Result<Option<Money>, NotUnderstood> {
    let Some(total) = total(object)? else { return Ok(None) };
    Ok(Some(Money { total, tax: object.whole("total_details.amount_tax")?.unwrap_or(0) }))
}

/// The first sessions listed what they sold instead of a total.
fn total(object: &Value) -> Result<Option<i64>, NotUnderstood> {
    if let Some(total) = object.whole("amount_total")? {
        return Ok(Some(total));
    }
    let items = object.list("display_items");
    let mut sum = (!items.is_empty()).then_some(0_i64);
    for item in items {
        let whole = |key| item.whole(key).map_err(|problem| problem.below("display_items"));
        let (amount, quantity) = (whole("amount")?, whole("quantity")?.unwrap_or(1));
        sum = sum.zip(amount).and_then(|(sum, amount)| sum.checked_add(amount.checked_mul(quantity)?));
    }
    Ok(sum)
}

fn session_currency(object: &Value) -> Result<Option<Currency>, NotUnderstood> {
    if object.at("currency").is_some() {
        return currency(object, "currency");
    }
    let first = object.list("display_items").first();
    first.map_or(Ok(None), |item| currency(item, "currency").map_err(|problem| problem.below("display_items")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::PaymentLink;
    use crate::providers::testing::{Says, stripe, try_stripe};

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

    fn object(changes: Value) -> Value {
        let mut session = json!({
            "id": "cs_1", "mode": "payment", "amount_total": 500, "payment_status": "paid", "payment_intent": "pi_1",
            "customer": "cus_1", "currency": "eur", "total_details": { "amount_tax": 80 },
        });
        session.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        session
    }

    fn session(changes: Value) -> Reading {
        stripe(KIND, object(changes))
    }

    /// What a session of 500 with 80 of tax teaches of its payment.
    fn payment(state: SessionState, amount: Option<i64>) -> Learned {
        let session = Session { id: "cs_1".into(), state, customer: Some("cus_1".into()), total: 500, tax: 80 };
        Learned::Payment(Payment { id: "pi_1".into(), amount, session: Some(session) })
    }

    #[test]
    fn a_session_that_makes_an_invoice_is_reported_by_it_even_before_it_is_there() {
        for changes in [
            json!({ "invoice": "in_1" }),
            json!({ "invoice": null, "invoice_creation": { "enabled": true } }),
            json!({ "subscription": "sub_1", "mode": "subscription" }),
        ] {
            let reading = session(changes);
            assert_eq!(reading.reason(), "reported_elsewhere");
            assert_eq!(reading.learned[0], payment(SessionState::Invoiced, None), "and so is its payment");
        }
        assert_eq!(session(json!({ "invoice_creation": { "enabled": false } })).invoice().id, "pi_1");
        let link = PaymentLink { payment: "pi_1".into(), invoice: "in_1".into(), amount: None, charge_of: None };
        let reading = session(json!({ "invoice": "in_1" }));
        assert_eq!(reading.learned[1..], [Learned::Link(link)], "a refund will ask for it");
        let odd = session(json!({ "invoice": "in_1", "amount_total": "500", "currency": "x" }));
        assert_eq!(odd.reason(), "reported_elsewhere", "what is not used does not fail");
    }

    #[test]
    fn a_session_that_sells_nothing_reports_nothing() {
        for mode in ["setup", "subscription", "a_word_of_tomorrow"] {
            let reading = session(json!({ "mode": mode }));
            assert_eq!(reading.reason(), "not_of_interest");
            assert_eq!(reading.learned, [payment(SessionState::Invoiced, None)]);
        }
    }

    #[test]
    fn a_session_says_whether_it_reports_the_money_of_its_payment() {
        let paid = session(json!({}));
        assert_eq!(paid.learned, [payment(SessionState::Paid, Some(500))]);
        assert_eq!((paid.invoice().stated_by, paid.invoice().payments.len()), (StatedBy::Session, 1));
        let applied = Applied { payment: "pi_1".into(), amount: None, total: Some(500) };
        assert_eq!(paid.invoice().payments, [applied]);
        let free = session(json!({ "payment_status": "no_payment_required" }));
        assert_eq!(free.learned, [payment(SessionState::Paid, Some(0))]);
        let unpaid = session(json!({ "payment_status": "unpaid" }));
        assert_eq!(unpaid.learned, [payment(SessionState::Unpaid, None)]);
        let message = &unpaid.only_nothing().message;
        assert!(message.contains("`payment_intent.succeeded`") && message.contains("async_payment_succeeded`"));
        for changes in [json!({ "payment_intent": null }), json!({ "amount_total": null })] {
            assert!(session(changes).learned.is_empty());
        }
        let unpaid_without_total = session(json!({ "payment_status": "unpaid", "amount_total": null }));
        assert_eq!((unpaid_without_total.reason(), unpaid_without_total.learned.len()), ("not_fully_paid", 0));
    }

    #[test]
    fn numbers_and_currencies_that_are_not_understood_make_it_unreadable() {
        for (changes, field) in [
            (json!({ "amount_total": "500" }), "amount_total"),
            (json!({ "amount_total": 5.5 }), "amount_total"),
            (json!({ "total_details": { "amount_tax": "80" } }), "total_details.amount_tax"),
            (json!({ "amount_total": null, "display_items": [{ "amount": "5" }] }), "display_items.amount"),
            (
                json!({ "amount_total": null, "display_items": [{ "amount": 5, "quantity": "2" }] }),
                "display_items.quantity",
            ),
            (json!({ "currency": "euro" }), "currency"),
            (json!({ "currency": null, "display_items": [{ "currency": 978 }] }), "display_items.currency"),
        ] {
            let unreadable = try_stripe(KIND, object(changes.clone()), Value::Null).unwrap_err();
            assert!(unreadable.to_string().contains(&format!("`data.object.{field}`")), "{unreadable}");
            assert_eq!(
                !unreadable.learned.is_empty(),
                field.contains("currency"),
                "the payment, where its amount is known"
            );
        }
        assert_eq!(session(json!({ "currency": null })).invoice().currency, None);
    }

    #[test]
    fn of_the_tax_no_more_counts_than_was_paid() {
        let reading = session(json!({}));
        assert_eq!((reading.invoice().amount_paid_net, reading.invoice().tax), (420, 80));
        let reading = session(json!({ "amount_total": 50 }));
        assert_eq!((reading.invoice().amount_paid_net, reading.invoice().tax), (0, 50));
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
