//! What is asked, and how often: one call for all that waits for one thing.

use cello_relay::config::Config;
use serde_json::json;

use super::{MINUTE, asking, basil_paid, customer_created, paid, quarterly_subscription};
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

#[tokio::test]
async fn what_waits_for_one_customer_is_asked_about_once() {
    let (stripe, relay) = asking().await;
    stripe.knows(&customer(referred()));
    relay.receive(&event("invoice.paid", 30, old_invoice("in_2", 30, 2000))).await;
    relay.receive(&paid()).await;
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/customers/cus_1"]);
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1", "purchase:stripe:in_2"]);
}

#[tokio::test]
async fn one_call_answers_for_the_subscription_and_its_customer() {
    let (stripe, relay) = asking().await;
    stripe.knows(&quarterly_subscription());
    stripe.knows(&customer(referred()));
    relay.receive(&basil_paid()).await;
    relay.settle().await;
    let asked = stripe.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].query["expand[]"], "customer");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn a_burst_about_one_thing_that_stripe_does_not_have_makes_one_call() {
    let (stripe, relay) = asking().await;
    for number in 0..20 {
        let invoice = old_invoice(&format!("in_{number}"), 20 + number, 1000);
        relay.receive(&event("invoice.paid", 20 + number, invoice)).await;
    }
    assert_eq!(relay.settle().await, 20);
    assert_eq!(stripe.paths(), ["/v1/customers/cus_1"]);

    // What arrives later is asked about anew only when the answer is out of date.
    for (second, pause, calls) in [(50, 4, 1), (51, 1, 2)] {
        relay.pass(MINUTE * pause);
        relay.receive(&event("invoice.paid", second, old_invoice(&format!("in_{second}"), second, 1000))).await;
        relay.settle().await;
        assert_eq!(stripe.paths().len(), calls);
    }
    // And none of it keeps the customer's own webhook from letting everything go on.
    relay.receive(&customer_created()).await;
    assert_eq!(relay.told_keys().await.len(), 1 + 22);
}

#[tokio::test]
async fn a_burst_of_invoices_for_one_unknown_subscription_and_price_makes_two_calls() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    for number in 0..20 {
        let invoice = basil_invoice(&format!("in_{number}"), 20 + number, 1000, 30);
        relay.receive(&event("invoice.paid", 20 + number, invoice)).await;
    }
    assert_eq!(relay.settle().await, 20);
    assert_eq!(stripe.paths(), ["/v1/subscriptions/sub_1", "/v1/prices/price_m"]);
    assert_eq!(relay.told_keys().await.len(), 1 + 20);
}

#[tokio::test]
async fn the_connected_account_and_the_pinned_version_go_along() {
    let (stripe, relay) = asking().await;
    let mut of_account = paid();
    of_account["account"] = json!("acct_7");
    stripe.knows(&customer(referred()));
    relay.receive(&of_account).await;
    relay.receive(&event("invoice.paid", 30, old_invoice("in_2", 30, 1000))).await;
    relay.settle().await;
    let mut asked = stripe.asked();
    asked.sort_by_key(|asked| asked.account.clone());
    let accounts: Vec<_> = asked.iter().map(|asked| asked.account.as_deref()).collect();
    assert_eq!(accounts, [None, Some("acct_7")]);
    assert!(asked.iter().all(|asked| asked.version == Config::default().stripe.api_version), "{asked:?}");
    let told = relay.told_keys().await;
    assert!(told.contains(&"purchase:stripe:acct_7:in_1".to_owned()), "{told:?}");
}

#[tokio::test]
async fn an_id_with_odd_characters_stays_within_its_place() {
    let (stripe, relay) = asking().await;
    for (number, id) in ["../charges/ch_1?x=#y", "..", "a b"].into_iter().enumerate() {
        let mut invoice = old_invoice("in_1", 20, 1000);
        invoice["customer"] = json!(id);
        let mut webhook = event("invoice.paid", 20, invoice);
        webhook["id"] = json!(format!("evt_{number}"));
        relay.receive(&webhook).await;
    }
    relay.settle().await;
    assert_eq!(stripe.paths(), ["/v1/customers/..%2Fcharges%2Fch_1%3Fx%3D%23y", "/v1/customers/a%20b"]);
    assert_eq!(relay.reason("evt_1").await, "customer_unseen");
}

#[tokio::test]
async fn a_payment_with_odd_characters_stays_within_its_parameter() {
    let (stripe, relay) = asking().await;
    relay.receive(&customer_created()).await;
    let mut refund = refund(40, "in_1", 300, Some(0));
    refund["data"]["object"]["payment_intent"] = json!("pi_1&limit=100#");
    relay.receive(&refund).await;
    relay.settle().await;
    let asked = stripe.asked();
    assert_eq!(asked[0].query["payment[payment_intent]"], "pi_1&limit=100#");
    assert_eq!((asked[0].query.len(), asked[0].query["limit"].as_str()), (3, "100"), "{asked:?}");
}
