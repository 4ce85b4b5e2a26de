//! Refunds, told from the charge that was refunded.
//!
//! `charge.refunded` counts up: `amount_refunded` is all that was given back so far. What Cello is told is this refund
//! alone, so the former total is taken off. Refund objects (`refund.…`) tell of the same money and are not used.

use super::invoice::links;
use super::{Event, customer_id};
use crate::decision::Reason;
use crate::facts::{Detail, Fact, Learned, Reading, Refund, RunningTotal};
use crate::money::Currency;
use crate::providers::ReadError;
use crate::providers::json::Look;

pub fn refunded(event: &Event) -> Result<Reading, ReadError> {
    let object = event.object;
    let charge = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let total = object.int("amount_refunded").ok_or_else(|| event.missing("data.object.amount_refunded"))?;
    let former = event.former.and_then(|former| former.int("amount_refunded"));
    let amount = former.map(|former| total.saturating_sub(former)).or_else(|| newest_refund(event));
    if total <= 0 || amount.is_some_and(|amount| amount <= 0) {
        return Ok(Reading::nothing(Reason::NotSuccessful, "nothing more was refunded than before"));
    }
    let invoice = object.id("invoice");
    let payments: Vec<String> = object.id("payment_intent").into_iter().chain([charge.clone()]).collect();
    let learned: Vec<Learned> = invoice
        .iter()
        .flat_map(|invoice| links(object.id("payment_intent"), Some(charge.clone()), invoice, None))
        .collect();
    let fact = Fact {
        at: event.at,
        customer: customer_id(object),
        detail: Detail::PaymentRefunded(Refund {
            id: format!("{charge}:{total}"),
            amount,
            running_total: Some(RunningTotal { charge, total, released: 0 }),
            currency: object.text("currency").and_then(Currency::parse),
            invoice,
            payments,
            subscription: None,
        }),
        warnings: vec![],
    };
    Ok(Reading::fact(fact).learning(learned))
}

/// Before 2022-11-15 a charge lists its refunds. When the former total is missing, the newest of them is this one.
fn newest_refund(event: &Event) -> Option<i64> {
    // The newest stands first, and of refunds of one second `max_by_key` takes the last.
    event.object.list("refunds.data").iter().rev().max_by_key(|refund| refund.int("created"))?.int("amount")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::providers::testing::{Says, stripe, stripe_after, try_stripe};

    const KIND: &str = "charge.refunded";

    fn charge(refunded: i64) -> Value {
        json!({ "id": "ch_1", "customer": "cus_1", "currency": "jpy", "amount_refunded": refunded })
    }

    #[test]
    fn this_refund_is_the_difference_to_the_former_total() {
        let reading = stripe_after(KIND, charge(1500), json!({ "amount_refunded": 500 }));
        let refund = reading.refund();
        assert_eq!((refund.id.as_str(), refund.amount), ("ch_1:1500", Some(1000)));
        assert_eq!(refund.running_total, Some(RunningTotal { charge: "ch_1".into(), total: 1500, released: 0 }));
        assert_eq!(refund.currency.as_ref().unwrap().as_str(), "JPY");
    }

    #[test]
    fn without_a_former_total_the_newest_listed_refund_is_this_one() {
        let mut listed = charge(1500);
        listed["refunds"] = json!({ "data": [
            { "amount": 200, "created": 30 }, { "amount": 800, "created": 10 }, { "amount": 500, "created": 20 },
        ] });
        assert_eq!(stripe(KIND, listed.clone()).refund().amount, Some(200));
        listed["refunds"]["data"][2]["created"] = json!(30);
        assert_eq!(stripe(KIND, listed).refund().amount, Some(200), "of one second the first listed");
        assert_eq!(stripe(KIND, charge(1500)).refund().amount, None, "and without a list it is left open");
    }

    #[test]
    fn a_total_that_did_not_grow_is_no_refund() {
        for (total, former) in [(500, 500), (500, 900), (0, 0)] {
            let reading = stripe_after(KIND, charge(total), json!({ "amount_refunded": former }));
            assert_eq!(reading.reason(), "not_successful");
        }
    }

    #[test]
    fn the_payment_intent_leads_to_the_invoice_before_the_charge_does() {
        let mut named = charge(500);
        named["payment_intent"] = json!({ "id": "pi_1" });
        let reading = stripe(KIND, named.clone());
        assert_eq!((&reading.refund().invoice, reading.refund().payments.join(" ")), (&None, "pi_1 ch_1".to_owned()));
        assert!(reading.learned.is_empty());

        named["invoice"] = json!("in_1");
        let reading = stripe(KIND, named);
        assert_eq!(reading.refund().invoice.as_deref(), Some("in_1"));
        assert_eq!(reading.learned.len(), 2, "both payments settle it");
    }

    #[test]
    fn a_charge_without_its_total_is_damaged() {
        assert!(try_stripe(KIND, json!({ "id": "ch_1" }), Value::Null).is_err());
    }
}
