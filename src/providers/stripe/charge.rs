//! Refunds, read from the charge that was refunded.
//!
//! `charge.refunded` counts up: `amount_refunded` is all that went back so far. Cello gets this refund alone, so the
//! former total is subtracted. Refund objects (`refund.…`) report the same money and are not used.
//!
//! Money that was authorised and never captured counts as refunded at Stripe, although nobody ever paid it: of a charge
//! captured in part the rest is released in `amount_refunded`, and a cancelled authorisation arrives as a refund of all.

use serde_json::Value;

use super::invoice::links;
use super::{Event, currency, customer_id};
use crate::decision::Reason;
use crate::facts::{Detail, Fact, Reading, Refund, RunningTotal};
use crate::providers::json::Look;
use crate::providers::{ReadError, Unreadable};

pub fn refunded(event: &Event) -> Result<Reading, Unreadable> {
    let object = event.object;
    let charge = object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let intent = object.id("payment_intent");
    let invoice = object.id("invoice");
    let learned = invoice.iter().flat_map(|invoice| links(intent.clone(), Some(charge.clone()), invoice, None));
    event.conclude(refund(event, charge.clone(), intent.clone()), learned.collect())
}

fn refund(event: &Event, charge: String, intent: Option<String>) -> Result<Reading, ReadError> {
    let object = event.object;
    let nothing = |message: &str| Ok(Reading::nothing(Reason::NotSuccessful, message));
    let never_captured = "an authorisation was cancelled: no money was captured, so none went back";
    if object.flag("captured") == Some(false) {
        return nothing(never_captured);
    }
    let captured = event.whole("amount_captured")?;
    if captured.is_some_and(|captured| captured <= 0) {
        return nothing(never_captured);
    }
    let total = event.whole("amount_refunded")?.ok_or_else(|| event.missing("data.object.amount_refunded"))?;
    let released = released(event, captured, total)?;
    let money = total.saturating_sub(released);
    if money <= 0 {
        return nothing(match released {
            0 => "nothing was refunded",
            _ => "what counts as refunded was authorised and never captured: no money went back",
        });
    }
    let amount = match event.former_whole("amount_refunded")? {
        Some(former) => Some(total.saturating_sub(former.max(released))),
        None => newest_refund(event)?.map(|newest| newest.min(money)),
    };
    if amount.is_some_and(|amount| amount <= 0) {
        return nothing("nothing more was refunded than before");
    }
    let payments = intent.into_iter().chain([charge.clone()]).collect();
    Ok(Reading::fact(Fact {
        at: event.at,
        customer: customer_id(object),
        detail: Detail::PaymentRefunded(Refund {
            id: format!("{charge}:{total}"),
            amount,
            running_total: Some(RunningTotal { charge, total, released }),
            currency: currency(object, "currency").map_err(|problem| event.not_understood(problem))?,
            invoice: object.id("invoice"),
            payments,
            subscription: None,
        }),
        warnings: vec![],
    }))
}

/// The uncaptured rest of the charge, where `total` counts it: all or nothing, since it is released at once.
fn released(event: &Event, captured: Option<i64>, total: i64) -> Result<i64, ReadError> {
    let Some(captured) = captured else { return Ok(0) };
    let rest = event.whole("amount")?.map_or(0, |amount| amount.saturating_sub(captured).max(0));
    Ok(if total >= rest { rest } else { 0 })
}

/// Before 2022-11-15 a charge lists its refunds. When the former total is missing, the newest of them is this one; of
/// refunds of one second the first listed, since the newest comes first.
fn newest_refund(event: &Event) -> Result<Option<i64>, ReadError> {
    let whole =
        |refund: &Value, key| refund.whole(key).map_err(|problem| event.not_understood(problem.below("refunds.data")));
    let mut newest: Option<(Option<i64>, &Value)> = None;
    for refund in event.object.list("refunds.data") {
        let created = whole(refund, "created")?;
        if newest.is_none_or(|(latest, _)| created > latest) {
            newest = Some((created, refund));
        }
    }
    newest.map_or(Ok(None), |(_, refund)| whole(refund, "amount"))
}

/// A refund object, which `refund.…` and `charge.refund.updated` carry.
pub fn of_refund(event: &Event) -> Reading {
    let status = event.object.text("status").unwrap_or_default();
    if event.kind == "refund.failed" || matches!(status, "failed" | "canceled" | "requires_action") {
        let status = if status.is_empty() { "failed" } else { status };
        return Reading::nothing(
            Reason::NotSuccessful,
            format!("the refund's status is `{status}`: no money went back"),
        );
    }
    if event.object.id("charge").is_none() {
        return Reading::nothing(
            Reason::NotOfInterest,
            "refunds are read from `charge.refunded`, and this one names no charge",
        );
    }
    Reading::nothing(
        Reason::ReportedElsewhere,
        "`charge.refunded` reports every refund of a charge; reporting both would count it twice",
    )
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
        let undated = json!({ "data": [{ "amount": 300 }, { "amount": 700, "created": 1 }] });
        let mut listed = charge(1500);
        listed["refunds"] = undated;
        assert_eq!(stripe(KIND, listed).refund().amount, Some(700), "one without a time is the oldest");
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

    /// Authorised for 10000.
    fn authorised(captured: i64, refunded: i64) -> Value {
        let mut charge = charge(refunded);
        charge["amount"] = json!(10_000);
        charge["amount_captured"] = json!(captured);
        charge["captured"] = json!(captured > 0);
        charge
    }

    #[test]
    fn money_that_was_never_captured_does_not_come_back() {
        for (captured, refunded) in [(0, 10_000), (7000, 3000)] {
            let reading = stripe(KIND, authorised(captured, refunded));
            assert_eq!(reading.reason(), "not_successful", "{captured} captured");
            let message = reading.only_nothing().message.clone();
            assert_eq!(message.contains("authorisation was cancelled"), captured == 0, "{message}");
            assert_eq!(message.contains("authorised and never captured"), captured > 0, "{message}");
        }
        let reading = stripe(KIND, charge(0));
        let nothing = reading.only_nothing();
        assert_eq!(nothing.message, "nothing was refunded");
        let mut silent = authorised(0, 10_000);
        silent["captured"] = json!(null);
        assert_eq!(stripe(KIND, silent.clone()).reason(), "not_successful");
        silent["captured"] = json!(false);
        silent["amount_captured"] = json!(null);
        assert_eq!(stripe(KIND, silent).reason(), "not_successful");
        let mut old = authorised(1, 2000);
        old["amount_captured"] = json!(null);
        assert_eq!(stripe(KIND, old).refund().running_total.as_ref().unwrap().released, 0);
    }

    #[test]
    fn of_a_charge_captured_in_part_only_captured_money_comes_back() {
        for (total, former, amount, released) in [
            (5000, Some(3000), Some(2000), 3000),
            // The release itself was not announced.
            (5000, Some(0), Some(2000), 3000),
            (6000, Some(5000), Some(1000), 3000),
            (3001, Some(3000), Some(1), 3000),
            (5000, None, None, 3000),
            // The webhook does not count the release.
            (2999, Some(0), Some(2999), 0),
        ] {
            let former = former.map_or(Value::Null, |former| json!({ "amount_refunded": former }));
            let reading = stripe_after(KIND, authorised(7000, total), former);
            let refund = reading.refund();
            assert_eq!((refund.id.clone(), refund.amount), (format!("ch_1:{total}"), amount), "{total}");
            assert_eq!(refund.running_total, Some(RunningTotal { charge: "ch_1".into(), total, released }));
        }
        let mut listed = authorised(7000, 5000);
        listed["refunds"] = json!({ "data": [{ "amount": 3000, "created": 1 }] });
        assert_eq!(stripe(KIND, listed).refund().amount, Some(2000), "no more than was captured and given back");
        let more = authorised(12_000, 500);
        assert_eq!(stripe(KIND, more).refund().running_total.as_ref().unwrap().released, 0, "captured beyond");
    }

    #[test]
    fn numbers_and_currencies_that_are_not_understood_make_it_unreadable() {
        let with = |key: &str, value: Value| {
            let mut charge = authorised(7000, 5000);
            charge[key] = value;
            charge["invoice"] = json!("in_1");
            charge
        };
        let listed = |refund: Value| with("refunds", json!({ "data": [refund] }));
        for (charge, field) in [
            (with("amount_refunded", json!("5000")), "amount_refunded"),
            (with("amount_captured", json!(70.5)), "amount_captured"),
            (with("amount", json!("10000")), "amount"),
            (with("currency", json!("euro")), "currency"),
            (listed(json!({ "amount": "1", "created": 1 })), "refunds.data.amount"),
            (listed(json!({ "amount": 1, "created": "x" })), "refunds.data.created"),
        ] {
            let unreadable = try_stripe(KIND, charge, Value::Null).unwrap_err();
            assert!(unreadable.to_string().contains(&format!("`data.object.{field}`")), "{unreadable}");
            assert_eq!(unreadable.learned.len(), 1, "and what it teaches is kept");
        }
        let former = json!({ "amount_refunded": "3000" });
        let unreadable = try_stripe(KIND, authorised(7000, 5000), former).unwrap_err().to_string();
        assert!(unreadable.contains("`data.previous_attributes.amount_refunded`"), "{unreadable}");
        let mut whole = charge(5000);
        whole["amount"] = json!("x");
        whole["refunds"] = json!({ "data": [{ "amount": "x" }] });
        let refunded = stripe_after(KIND, whole, json!({ "amount_refunded": 0 }));
        assert_eq!(refunded.refund().amount, Some(5000), "what is not used does not fail");
    }

    #[test]
    fn a_refund_object_is_reported_by_its_charge_if_money_went_back_at_all() {
        for (kind, object, reason) in [
            ("refund.created", json!({ "charge": "ch_1", "status": "succeeded" }), "reported_elsewhere"),
            ("refund.created", json!({ "charge": "ch_1", "status": "pending" }), "reported_elsewhere"),
            ("refund.created", json!({ "charge": "ch_1" }), "reported_elsewhere"),
            ("refund.created", json!({ "charge": null, "status": "succeeded" }), "not_of_interest"),
            ("refund.created", json!({ "charge": "ch_1", "status": "requires_action" }), "not_successful"),
            ("refund.updated", json!({ "charge": "ch_1", "status": "canceled" }), "not_successful"),
            ("charge.refund.updated", json!({ "charge": "ch_1", "status": "failed" }), "not_successful"),
            ("charge.refund.updated", json!({ "charge": "ch_1", "status": "succeeded" }), "reported_elsewhere"),
            ("refund.failed", json!({ "charge": "ch_1" }), "not_successful"),
            ("refund.failed", json!({ "charge": "ch_1", "status": "a_word_of_tomorrow" }), "not_successful"),
        ] {
            let reading = stripe(kind, object.clone());
            assert_eq!(reading.reason(), reason, "{kind} {object}");
        }
        let message = |object: Value| stripe("refund.failed", object).only_nothing().message.clone();
        assert!(message(json!({})).contains("`failed`"));
        assert!(message(json!({ "status": "canceled" })).contains("`canceled`"));
    }
}
