//! Money that was given back outside Stripe, noted on a credit note.
//!
//! A credit note has three parts. Stripe's own refund arrives as `charge.refunded`, and a credit to the customer's balance
//! is no money. Only `out_of_band_amount`, paid back by other means, is read here.

use super::{Event, currency, customer_id};
use crate::decision::Reason;
use crate::facts::{Detail, Fact, Reading, Refund};
use crate::providers::json::Look;
use crate::providers::{ReadError, Unreadable};

pub fn created(event: &Event) -> Result<Reading, Unreadable> {
    event.conclude(refund(event), vec![])
}

fn refund(event: &Event) -> Result<Reading, ReadError> {
    let object = event.object;
    let amount = event.whole("out_of_band_amount")?.unwrap_or(0);
    if amount <= 0 {
        let message = "no money went back outside Stripe by this credit note";
        return Ok(Reading::nothing(Reason::NotOfInterest, message));
    }
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: customer_id(object),
        detail: Detail::PaymentRefunded(Refund {
            id: object.owned("id").ok_or_else(|| event.missing("data.object.id"))?,
            amount: Some(amount),
            running_total: None,
            currency: currency(object, "currency").map_err(|problem| event.not_understood(problem))?,
            invoice: object.id("invoice"),
            payments: vec![],
            subscription: None,
        }),
        warnings: vec![],
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::providers::testing::{AT, Says, stripe, try_stripe};

    const KIND: &str = "credit_note.created";

    fn note(outside: Value) -> Value {
        json!({
            "id": "cn_1", "customer": "cus_1", "invoice": "in_1", "currency": "eur", "amount": 9900,
            "out_of_band_amount": outside,
        })
    }

    #[test]
    fn only_what_went_back_outside_stripe_is_a_refund() {
        let reading = stripe(KIND, note(json!(2400)));
        let refund = reading.refund();
        assert_eq!((refund.id.as_str(), refund.amount, refund.running_total.as_ref()), ("cn_1", Some(2400), None));
        assert_eq!((refund.invoice.as_deref(), refund.payments.len()), (Some("in_1"), 0));
        assert_eq!(refund.currency.as_ref().unwrap().as_str(), "EUR");
        let fact = reading.only_fact();
        assert_eq!((fact.customer.as_deref(), fact.at.as_second()), (Some("cus_1"), AT));
        for nothing in [json!(0), json!(-1), json!(null)] {
            assert_eq!(stripe(KIND, note(nothing)).reason(), "not_of_interest");
        }
    }

    #[test]
    fn an_amount_or_currency_that_is_not_understood_makes_it_unreadable() {
        let problem = |object: Value| try_stripe(KIND, object, Value::Null).unwrap_err().to_string();
        assert!(problem(note(json!("2400"))).contains("`data.object.out_of_band_amount`"));
        let mut euros = note(json!(2400));
        euros["currency"] = json!("euro");
        assert!(problem(euros).contains("`data.object.currency`"));
        assert!(problem(json!({ "out_of_band_amount": 1 })).contains("`data.object.id`"));
    }
}
