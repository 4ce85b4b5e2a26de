//! Payments that nothing else may report: a payment intent, or a charge from before there were any.
//!
//! Whether a payment belongs to a Checkout session or to an invoice is not in the webhook since 2025-03-31, so what is
//! read here is only a claim. Deciding weighs it against what the directory knows of the payment.

use serde_json::Value;

use super::invoice::links;
use super::{Event, currency, customer_id};
use crate::decision::{Reason, Warning};
use crate::facts::{Applied, Billing, Detail, Fact, Invoice, Learned, Payment, Reading, StatedBy};
use crate::providers::json::Look;
use crate::providers::metadata::Keys;
use crate::providers::{ReadError, Unreadable};

/// `payment_intent.succeeded`: the money is there. Of one that was captured by hand it is the only sign.
pub fn succeeded(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let object = event.object;
    let id = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    if let Some(invoice) = object.id("invoice") {
        let received = object.int("amount_received").map(|amount| learned(&id, amount));
        let links = links(Some(id), None, &invoice, None);
        return Ok(of_invoice(&invoice).learning(received.into_iter().chain(links)));
    }
    let received = event.whole("amount_received")?.ok_or_else(|| event.missing("data.object.amount_received"))?;
    let learned = vec![learned(&id, received)];
    let captured_by_hand = object.text("capture_method") == Some("manual");
    event.conclude(sale(event, keys, id, received, captured_by_hand), learned)
}

/// `charge.succeeded` and `charge.captured`: money only where there is no payment intent, by Stripe's oldest API.
pub fn charged(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let object = event.object;
    let id = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let (intent, invoice) = (object.id("payment_intent"), object.id("invoice"));
    let links = invoice.iter().flat_map(|invoice| links(intent.clone(), Some(id.clone()), invoice, None));
    let links: Vec<Learned> = links.collect();
    if intent.is_some() {
        let message =
            "a charge adds nothing to its payment intent; subscribe the endpoint to `payment_intent.succeeded`";
        return Ok(Reading::nothing(Reason::NotOfInterest, message).learning(links));
    }
    if let Some(invoice) = invoice {
        return Ok(of_invoice(&invoice).learning(links));
    }
    let captured_by_hand = event.kind == "charge.captured";
    if !captured_by_hand && object.flag("captured") == Some(false) {
        return Ok(Reading::nothing(Reason::NotFullyPaid, "authorised, not captured: no money was taken yet"));
    }
    let captured = captured(event)?;
    let learned = vec![learned(&id, captured)];
    event.conclude(sale(event, keys, id, captured, captured_by_hand), learned)
}

fn of_invoice(invoice: &str) -> Reading {
    let message = format!("it pays the invoice `{invoice}`, which is decided on when it is fully paid");
    Reading::nothing(Reason::NotFullyPaid, message)
}

fn learned(id: &str, amount: i64) -> Learned {
    Learned::Payment(Payment { id: id.to_owned(), amount: Some(amount), session: None })
}

/// The money that a charge captured. A charge without `amount_captured` counts both releases and refunds as refunded.
fn captured(event: &Event) -> Result<i64, ReadError> {
    if let Some(captured) = event.whole("amount_captured")? {
        return Ok(captured);
    }
    let amount = event.whole("amount")?.ok_or_else(|| event.missing("data.object.amount"))?;
    Ok(amount.saturating_sub(event.whole("amount_refunded")?.unwrap_or(0)))
}

fn sale(event: &Event, keys: &Keys, id: String, amount: i64, captured_by_hand: bool) -> Result<Reading, ReadError> {
    let object = event.object;
    if amount <= 0 {
        return Ok(Reading::nothing(Reason::NotSuccessful, "no money was received"));
    }
    let warnings: Vec<Warning> = keys.warn_of_code_on(object.at("metadata"), "payment").into_iter().collect();
    // `Look::at` knows no null, which says more here than an absent key.
    let without_invoice = object.get("invoice").is_some_and(Value::is_null);
    let stated_by = StatedBy::Payment { captured_by_hand, without_invoice };
    let payment = Applied { payment: id.clone(), amount: None, total: Some(amount) };
    // What was sold is not in the webhook.
    let invoice = Invoice {
        currency: currency(object, "currency").map_err(|problem| event.not_understood(problem))?,
        payments: vec![payment],
        ..Invoice::bare(id, amount, Billing::OneTime, stated_by)
    };
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: customer_id(object),
        detail: Detail::InvoicePaid(Box::new(invoice)),
        warnings,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::PaymentLink;
    use crate::providers::testing::{AT, Says, stripe, try_stripe};

    const INTENT: &str = "payment_intent.succeeded";

    fn with(mut object: Value, changes: Value) -> Value {
        object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        object
    }

    fn intent(changes: Value) -> Value {
        let intent = json!({
            "id": "pi_1", "customer": "cus_1", "currency": "eur", "amount": 10_000, "amount_received": 7000,
            "capture_method": "automatic_async",
        });
        with(intent, changes)
    }

    /// From before there were payment intents.
    fn charge(changes: Value) -> Value {
        let charge = json!({
            "id": "ch_1", "customer": "cus_1", "currency": "eur", "amount": 10_000, "amount_captured": 7000,
            "amount_refunded": 3000, "captured": true,
        });
        with(charge, changes)
    }

    fn source(reading: &Reading) -> (bool, bool) {
        match reading.invoice().stated_by {
            StatedBy::Payment { captured_by_hand, without_invoice } => (captured_by_hand, without_invoice),
            other => panic!("{other:?}"),
        }
    }

    fn link(payment: &str, charge_of: Option<&str>) -> Learned {
        let charge_of = charge_of.map(str::to_owned);
        Learned::Link(PaymentLink { payment: payment.into(), invoice: "in_1".into(), amount: None, charge_of })
    }

    #[test]
    fn a_payment_intent_is_worth_what_was_received() {
        let reading = stripe(INTENT, intent(json!({})));
        let invoice = reading.invoice();
        assert_eq!((invoice.id.as_str(), invoice.billing, invoice.tax), ("pi_1", Billing::OneTime, 0));
        assert_eq!([invoice.amount_paid, invoice.amount_paid_net, invoice.total], [7000; 3]);
        assert_eq!(invoice.payments, [Applied { payment: "pi_1".into(), amount: None, total: Some(7000) }]);
        assert_eq!((invoice.currency.as_ref().unwrap().as_str(), &invoice.email), ("EUR", &None));
        let fact = reading.only_fact();
        assert_eq!((fact.customer.as_deref(), fact.at.as_second()), (Some("cus_1"), AT));
        assert_eq!(reading.learned, [learned("pi_1", 7000)]);
    }

    #[test]
    fn it_says_whether_it_was_captured_by_hand_and_whether_no_invoice_stands_behind_it() {
        for (changes, expected) in [
            (json!({}), (false, false)),
            (json!({ "capture_method": "manual" }), (true, false)),
            (json!({ "invoice": null }), (false, true)),
        ] {
            assert_eq!(source(&stripe(INTENT, intent(changes.clone()))), expected, "{changes}");
        }
    }

    #[test]
    fn the_payment_of_an_invoice_is_no_sale_of_its_own() {
        let reading = stripe(INTENT, intent(json!({ "invoice": { "id": "in_1" } })));
        assert_eq!(reading.reason(), "not_fully_paid");
        let nothing = reading.only_nothing();
        assert!(nothing.message.contains("the invoice `in_1`") && nothing.part_of.is_none());
        assert_eq!(reading.learned, [learned("pi_1", 7000), link("pi_1", None)]);
        let without = stripe(INTENT, intent(json!({ "invoice": "in_1", "amount_received": "7000" })));
        assert_eq!(without.learned, [link("pi_1", None)], "an amount that is not used does not fail");
    }

    #[test]
    fn nothing_received_is_no_sale() {
        for (received, expected) in [(0, false), (-1, false), (1, true)] {
            let reading = stripe(INTENT, intent(json!({ "amount_received": received })));
            assert_eq!(!reading.facts.is_empty(), expected, "{received}");
            if !expected {
                assert_eq!(reading.reason(), "not_successful");
            }
        }
    }

    #[test]
    fn a_charge_of_a_payment_intent_adds_nothing_but_its_invoice() {
        for kind in ["charge.succeeded", "charge.captured"] {
            let reading = stripe(kind, charge(json!({ "payment_intent": "pi_1", "captured": false })));
            assert_eq!((reading.reason(), reading.learned.len()), ("not_of_interest", 0));
            let of_invoice = stripe(kind, charge(json!({ "payment_intent": "pi_1", "invoice": "in_1" })));
            assert_eq!(of_invoice.reason(), "not_of_interest");
            assert_eq!(of_invoice.learned, [link("pi_1", None), link("ch_1", Some("pi_1"))]);
        }
    }

    #[test]
    fn a_charge_without_a_payment_intent_is_a_payment_itself() {
        for (kind, by_hand) in [("charge.succeeded", false), ("charge.captured", true)] {
            let reading = stripe(kind, charge(json!({})));
            assert_eq!((reading.invoice().id.as_str(), reading.invoice().amount_paid), ("ch_1", 7000));
            assert_eq!((source(&reading), &reading.learned), ((by_hand, false), &vec![learned("ch_1", 7000)]));
            assert_eq!(source(&stripe(kind, charge(json!({ "invoice": null })))), (by_hand, true));
            let of_invoice = stripe(kind, charge(json!({ "invoice": "in_1" })));
            assert_eq!(of_invoice.reason(), "not_fully_paid");
            assert_eq!(of_invoice.learned, [link("ch_1", None)]);
        }
    }

    #[test]
    fn a_charge_from_before_captures_were_counted_brought_what_was_not_released() {
        for (refunded, expected) in [(json!(3000), 7000), (json!(null), 10_000)] {
            let old = charge(json!({ "amount_captured": null, "amount_refunded": refunded }));
            assert_eq!(stripe("charge.captured", old).invoice().amount_paid, expected);
        }
    }

    #[test]
    fn an_authorisation_alone_is_no_money() {
        let authorised = charge(json!({ "captured": false, "amount_captured": 0 }));
        assert_eq!(stripe("charge.succeeded", authorised.clone()).reason(), "not_fully_paid");
        assert_eq!(stripe("charge.captured", authorised).reason(), "not_successful");
        let silent = charge(json!({ "captured": null }));
        assert_eq!(stripe("charge.succeeded", silent).invoice().amount_paid, 7000);
    }

    #[test]
    fn numbers_and_currencies_that_are_not_understood_make_it_unreadable() {
        let unreadable = |kind: &str, object: Value| try_stripe(kind, object, Value::Null).unwrap_err();
        let cases = [
            (INTENT, intent(json!({ "amount_received": "7000" })), "amount_received"),
            (INTENT, intent(json!({ "amount_received": null })), "amount_received"),
            (INTENT, intent(json!({ "id": null })), "id"),
            ("charge.succeeded", charge(json!({ "amount_captured": 70.5 })), "amount_captured"),
            ("charge.succeeded", charge(json!({ "amount_captured": null, "amount": "x" })), "amount"),
            ("charge.succeeded", charge(json!({ "amount_captured": null, "amount": null })), "amount"),
            ("charge.captured", charge(json!({ "amount_captured": null, "amount_refunded": [] })), "amount_refunded"),
        ];
        for (kind, object, field) in cases {
            let problem = unreadable(kind, object.clone()).to_string();
            assert!(problem.contains(&format!("`data.object.{field}`")), "{problem}");
        }
        let foreign = unreadable(INTENT, intent(json!({ "currency": "euros" })));
        assert!(foreign.to_string().contains("`data.object.currency`"));
        assert_eq!(foreign.learned, [learned("pi_1", 7000)], "and what it teaches is kept");
    }

    #[test]
    fn a_code_on_the_payment_is_worth_a_word() {
        let reading = stripe(INTENT, intent(json!({ "metadata": { "cello_ucc": "Rf3rr3dAbcd" } })));
        assert_eq!(reading.warnings(), ["metadata_on_wrong_object"]);
    }
}
