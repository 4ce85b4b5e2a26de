//! The two walks that prove the layout: a provider is added without touching a rule, and the mapping is changed without
//! touching the program.

mod toy;

use cello_relay::providers;
use cello_relay::rules::Rules;
use serde_json::json;

use crate::relay::{Relay, config};
use crate::webhooks::{CODE, referred, stripe};
use toy::Toy;

#[tokio::test]
async fn a_provider_of_one_struct_is_received_read_and_told_to_cello_by_the_shipped_rules() {
    let providers = [providers::enabled(&config()), vec![Toy::shared()]].concat();
    let relay = Relay::made_of(&config(), providers.clone(), Rules::shipped().unwrap());
    let server = toy::serve(providers, &relay).await;
    let sale = json!({ "toy": "sale", "no": "7", "who": "bob", "code": CODE, "cents": 1250 }).to_string();

    assert_eq!(server.post("/webhooks/toy", "wrong", &sale).await, 401);
    assert_eq!(server.post("/webhooks/toy", toy::SECRET, &sale).await, 200);
    assert_eq!(relay.decider.decide_all().await.unwrap(), 1);
    server.stop().await;

    let told = relay.told().await;
    let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
    assert_eq!(keys, ["signup:bob", "purchase:toy:7"]);
    assert_eq!(
        told[1].json(),
        json!({
            "eventName": "ReferralUpdated",
            "payload": { "ucc": CODE, "newUserId": "bob", "price": 1250, "currency": "EUR" },
            "context": {
                "event": { "trigger": "invoice-paid", "timestamp": "2026-01-01T00:00:00Z" },
                "newUser": { "id": "bob", "email": "bob@example.com" },
                "subscription": { "invoiceId": "7", "interval": "one-time", "productKey": "toys" },
            },
        })
    );
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
