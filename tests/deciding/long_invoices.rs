//! Invoices with more lines than their webhook carries: what is not shown is never told from what is.

use serde_json::{Value, json};

use crate::relay::Relay;
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

/// A truncated invoice that shows this line, in the form from before 2025-03-31 or since.
fn cut(old: bool, price: &Value, proration: bool) -> Value {
    let mut invoice = if old { old_invoice("in_1", 20, 5000) } else { basil_invoice("in_1", 20, 5000, 30) };
    let line = &mut invoice["lines"]["data"][0];
    if old {
        line["price"] = price.clone();
        line["proration"] = json!(proration);
    } else {
        line["pricing"]["price_details"] = json!({ "price": price["id"], "product": price["product"] });
        line["parent"]["subscription_item_details"]["proration"] = json!(proration);
    }
    invoice["lines"]["has_more"] = json!(true);
    event("invoice.paid", 20, invoice)
}

/// Interval, product and seats that are told of an invoice, and the warnings; `items` are those of its subscription.
async fn told(items: &[(Value, i64)], invoice: Value) -> (Value, Vec<String>) {
    let relay = Relay::new();
    relay.receive(&event("customer.created", 0, customer(referred()))).await;
    if let [(price, seats), ..] = items {
        let mut object = subscription("active", price.clone(), *seats);
        let items: Vec<Value> =
            items.iter().map(|(price, quantity)| json!({ "price": price, "quantity": quantity })).collect();
        object["items"] = json!({ "data": items });
        relay.receive(&event("customer.subscription.created", 10, object)).await;
    }
    relay.receive(&invoice).await;
    let told = relay.told().await;
    let about = |name: &str| told.last().unwrap().at(&format!("/context/subscription/{name}"));
    (json!([about("interval"), about("productKey"), about("seatsUsed")]), relay.warnings("evt_invoice.paid_20").await)
}

fn price_of_former_months() -> Value {
    monthly("price_former", 100)
}

#[tokio::test]
async fn prorations_do_not_stand_for_the_line_that_is_not_shown() {
    let yearly = price("price_y", "year", 1, 5000);
    for old in [true, false] {
        let invoice = || cut(old, &price_of_former_months(), true);
        let known = told(&[(yearly.clone(), 12)], invoice()).await;
        assert_eq!(known, (json!(["yearly", "prod_price_y", 12]), vec![]), "{old}");
        let unknown = told(&[], invoice()).await;
        let warnings = ["product_key_missing", "interval_unknown"].map(str::to_owned).to_vec();
        assert_eq!(unknown, (json!([null, null, null]), warnings), "{old}");
    }
}

#[tokio::test]
async fn prorations_of_the_same_price_do_not_tell_how_many_seats_there_are() {
    for old in [true, false] {
        let invoice = cut(old, &monthly("price_m", 400), true);
        let (about, _) = told(&[(monthly("price_m", 400), 12)], invoice).await;
        assert_eq!(about, json!(["monthly", "prod_price_m", 12]), "{old}");
    }
}

#[tokio::test]
async fn smaller_parts_of_a_subscription_do_not_stand_for_the_largest_one() {
    let items = [(monthly("price_extra", 100), 1), (monthly("price_base", 2000), 2)];
    for old in [true, false] {
        let invoice = cut(old, &monthly("price_extra", 100), false);
        assert_eq!(told(&items, invoice.clone()).await.0, json!(["monthly", "prod_price_base", 2]), "{old}");
        if old {
            assert_eq!(told(&[], invoice).await.0, json!(["monthly", "prod_price_extra", 1]));
        }
    }
}

#[tokio::test]
async fn a_subscription_that_is_billed_less_often_does_not_speak_for_the_lines_that_are_shown() {
    let items = [(monthly("price_extra", 100), 1), (price("price_y", "year", 1, 9000), 2)];
    for old in [true, false] {
        let (about, _) = told(&items, cut(old, &monthly("price_extra", 100), false)).await;
        assert_eq!(about[0], "monthly", "{old}");
        assert_eq!(about[1], "prod_price_extra", "{old}");
    }
}

#[tokio::test]
async fn a_line_that_is_shown_tells_its_own_seats() {
    for old in [true, false] {
        let (about, _) = told(&[(monthly("price_m", 400), 12)], cut(old, &monthly("price_m", 400), false)).await;
        assert_eq!(about, json!(["monthly", "prod_price_m", 1]), "{old}");
    }
}
