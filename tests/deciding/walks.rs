//! The two walks that prove the layout: a provider is added without touching a rule, and the mapping is changed without
//! touching the program.

mod paddle;
pub mod server;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cello_relay::providers::{self, Provider};
use cello_relay::rules::Rules;
use serde_json::json;

use crate::relay::{Relay, config};
use crate::webhooks::{CODE, referred, stripe};

/// The list of providers, with one line more.
fn with_paddle() -> Vec<Arc<dyn Provider>> {
    let mut all = providers::all(&config());
    all.push(Arc::new(paddle::Paddle::new("pdl_ntfset_test", &config())));
    all
}

/// Paddle's webhooks of one customer, in the order of what happened.
fn paddle_webhooks() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deciding/walks/paddle/webhooks");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[tokio::test]
async fn paddle_takes_one_folder_and_one_line_and_its_webhooks_become_referral_events_by_the_shipped_rules() {
    let providers = with_paddle();
    let paddle = providers.iter().find(|provider| provider.name() == "paddle").unwrap().clone();
    let relay = Relay::made_of(&config(), providers.clone(), Rules::shipped().unwrap());
    let server = server::serve(providers, &relay).await;
    for webhook in paddle_webhooks() {
        let signature = paddle.sign(webhook.as_bytes(), relay.now());
        let forged = format!("{webhook} ");
        assert_eq!(server.post(paddle.as_ref(), &signature, &forged).await, 400, "a changed body is not genuine");
        assert_eq!(server.post(paddle.as_ref(), &signature, &webhook).await, 200);
    }
    server.stop().await;
    while relay.decider.decide_all().await.unwrap() > 0 {}

    let told = relay.told().await;
    let user = json!({ "id": "usr_4711", "email": "ilse.marenholtz@example.com" });
    let team = |mut about: serde_json::Value, seats: i64| {
        about["id"] = json!("sub_01k8v2g3n5q7s9u1w3y5a7c9e1");
        about["interval"] = json!("monthly");
        about["productKey"] = json!("pro_01k7a0b2d4f6h8k0n2q4s6u8w0");
        about["seatsUsed"] = json!(seats);
        about
    };
    let sale = || json!({ "invoiceId": "txn_01k9f4h6j8m2p4r6t8v0x2z4b6" });
    let mut refunded = sale();
    refunded["id"] = json!("sub_01k8v2g3n5q7s9u1w3y5a7c9e1");
    // Trigger, time, price and what it is about; the code came two days after the customer.
    let expected = [
        ("new-signup", "2026-01-04T14:00:05Z", json!(null), json!(null)),
        ("subscription-created", "2026-01-02T09:31:10Z", json!(0), team(json!({}), 3)),
        ("subscription-updated", "2026-01-16T09:31:12Z", json!(8700), team(json!({}), 3)),
        ("invoice-paid", "2026-01-16T09:31:10Z", json!(10_353), team(sale(), 3)),
        ("charge-refunded", "2026-01-17T11:20:00Z", json!(3451), refunded),
        ("subscription-updated", "2026-01-18T10:00:00Z", json!(14_500), team(json!({}), 5)),
        ("subscription-canceled", "2026-01-19T10:00:00Z", json!(null), team(json!({}), 5)),
    ];
    for (told, (trigger, at, price, about)) in told.iter().zip(&expected) {
        let mut body = json!({
            "eventName": "ReferralUpdated",
            "payload": { "ucc": CODE, "newUserId": "usr_4711" },
            "context": { "event": { "trigger": trigger, "timestamp": at }, "newUser": user },
        });
        if !price.is_null() {
            body["payload"]["price"] = price.clone();
            body["payload"]["currency"] = json!("EUR");
        }
        if !about.is_null() {
            body["context"]["subscription"] = about.clone();
        }
        assert_eq!(told.json(), body);
    }
    assert_eq!(told.len(), expected.len());
}

#[tokio::test]
async fn paddle_webhooks_come_to_the_same_in_the_opposite_order() {
    let relay = Relay::made_of(&config(), with_paddle(), Rules::shipped().unwrap());
    let mut told = Vec::new();
    for backwards in [false, true] {
        let relay = relay.fresh();
        let mut webhooks = paddle_webhooks();
        if backwards {
            webhooks.reverse();
        }
        for webhook in webhooks {
            relay.receive(&serde_json::from_str(&webhook).unwrap()).await;
        }
        let mut events = relay.told().await;
        events.sort();
        told.push(events);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn one_line_of_the_rules_changes_the_price_and_nothing_else() {
    let shipped = Rules::shipped().unwrap();
    let line = "price   = \"invoice.amount_paid\"";
    assert_eq!(shipped.source().matches(line).count(), 1);
    let page = shipped.source().replace(line, "price   = \"invoice.amount_paid_net\"");
    let changed = Rules::load(&page, "own.toml").unwrap();

    let (gross, net) = (Relay::new(), Relay::ruled(&config(), changed));
    let mut invoice = stripe::old_invoice("in_1", 20, 11_900);
    invoice["total_excluding_tax"] = json!(10_000);
    for relay in [&gross, &net] {
        relay.receive(&stripe::event("customer.created", 0, stripe::customer(referred()))).await;
        relay.receive(&stripe::event("invoice.paid", 20, invoice.clone())).await;
    }
    let (gross, net) = (gross.told().await, net.told().await);
    assert_eq!(gross[0], net[0]);
    let (mut gross, net) = (gross[1].json(), net[1].json());
    assert_eq!((&gross["payload"]["price"], &net["payload"]["price"]), (&json!(11_900), &json!(10_000)));
    gross["payload"]["price"] = json!(10_000);
    assert_eq!(gross, net);
}
