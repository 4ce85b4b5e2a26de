//! A store that an earlier version filled: played the same webhooks again it sends nothing new, and what came of it then
//! is known now.

use std::path::Path;
use std::sync::Arc;

use cello_relay::store::{Receipt, Sqlite, Store};
use serde_json::{Value, json};

use crate::relay::Relay;

/// The tables of version 7, and what the release before payments were linked had written into them.
const VERSION_7: [&str; 9] = [
    include_str!("../../src/store/sqlite/migrations/0001_first.sql"),
    include_str!("../../src/store/sqlite/migrations/0002_rules.sql"),
    include_str!("../../src/store/sqlite/migrations/0003_codes_and_erased_bodies.sql"),
    include_str!("../../src/store/sqlite/migrations/0004_trace.sql"),
    include_str!("../../src/store/sqlite/migrations/0005_keeping.sql"),
    include_str!("../../src/store/sqlite/migrations/0006_tries.sql"),
    include_str!("../../src/store/sqlite/migrations/0007_marks.sql"),
    include_str!("upgraded/version_7.sql"),
    "PRAGMA application_id = 0x43656c6f; PRAGMA user_version = 7;",
];

/// The stories that were played to it.
const STORIES: [&str; 9] = [
    "stripe-refund-basil",
    "stripe-one-time-checkout-and-refund",
    "stripe-partial-refunds-twice",
    "stripe-connected-account",
    "stripe-canceled-at-once",
    "chargebee-change-and-cancel",
    "chargebee-part-payments",
    "chargebee-partial-refunds",
    "chargebee-one-payment-two-invoices",
];

/// A relay on the upgraded file, which lives as long as its folder.
fn upgraded() -> (Relay, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    VERSION_7.iter().for_each(|step| db.execute_batch(step).unwrap());
    drop(db);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&format!("sqlite:{}", path.display()), true).unwrap());
    (Relay::new().same_on(store), folder)
}

fn story(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stories").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

/// What there is to send, beside what was delivered before.
async fn new_keys(relay: &Relay) -> Vec<String> {
    relay.told().await.into_iter().map(|told| told.key).collect()
}

#[tokio::test]
async fn the_same_webhooks_again_are_duplicates_and_send_nothing() {
    let (relay, _folder) = upgraded();
    for name in STORIES {
        for webhook in story(name) {
            assert_eq!(relay.store_only(&webhook).await, Receipt::Duplicate, "{name}");
        }
    }
    assert_eq!(new_keys(&relay).await, [""; 0]);
    assert!(relay.store.counts().await.unwrap().add_up());
}

#[tokio::test]
async fn the_same_happenings_under_other_event_ids_send_nothing_in_any_direction() {
    for backwards in [false, true] {
        let (relay, _folder) = upgraded();
        for name in STORIES {
            let mut webhooks = story(name);
            if backwards {
                webhooks.reverse();
            }
            for mut webhook in webhooks {
                webhook["id"] = json!(format!("{}_again", webhook["id"].as_str().unwrap()));
                relay.receive(&webhook).await;
                assert_eq!(new_keys(&relay).await, [""; 0], "{name}");
            }
        }
    }
}

/// The Checkout sale of the story of that name.
fn sale() -> (String, Value) {
    let session = story("stripe-one-time-checkout-and-refund")[1]["data"]["object"].clone();
    (session["payment_intent"].as_str().unwrap().to_owned(), session)
}

fn stripe(kind: &str, object: Value) -> Value {
    json!({
        "id": format!("evt_after_{kind}"), "object": "event", "type": kind, "created": 1_796_200_000,
        "livemode": false, "data": { "object": object },
    })
}

#[tokio::test]
async fn an_invoice_that_took_the_payment_of_an_earlier_sale_is_reported_already() {
    let (relay, _folder) = upgraded();
    let (payment, session) = sale();
    let amount = &session["amount_total"];
    let link = json!({
        "id": "inpay_1", "invoice": "in_after", "amount_paid": amount, "status": "paid",
        "payment": { "type": "payment_intent", "payment_intent": payment },
    });
    let invoice = json!({
        "id": "in_after", "customer": session["customer"], "currency": session["currency"], "status": "paid",
        "amount_paid": amount, "total": amount,
    });
    relay.receive(&stripe("invoice_payment.paid", link)).await;
    relay.receive(&stripe("invoice.paid", invoice)).await;
    assert_eq!(new_keys(&relay).await, [""; 0]);
    assert_eq!(relay.reason("evt_after_invoice.paid").await, "already_reported");
}

#[tokio::test]
async fn a_refund_of_an_earlier_purchase_is_for_whom_that_was_reported_whatever_customer_it_names() {
    let (relay, _folder) = upgraded();
    let purchase = &story("chargebee-partial-refunds")[0]["content"];
    let refund = json!({
        "id": "ev_after", "api_version": "v2", "event_type": "payment_refunded", "occurred_at": 1_796_200_000,
        "content": {
            "customer": { "id": "the_survivor", "resource_version": 1_796_200_000_000_i64 },
            "transaction": {
                "id": "txn_after", "type": "refund", "status": "success", "amount": 1, "currency_code": "GBP",
                "linked_credit_notes": [{
                    "cn_id": "cn_after", "applied_amount": 1, "cn_reference_invoice_id": purchase["invoice"]["id"],
                }],
            },
        },
    });
    relay.receive(&refund).await;
    let told = relay.told().await;
    let customer = &purchase["customer"];
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].at("/context/event/trigger"), "charge-refunded");
    assert_eq!(told[0].at("/context/newUser/email"), customer["email"]);
    let user = customer["meta_data"]["new_user_id"].as_str().or(customer["cf_new_user_id"].as_str()).unwrap();
    assert_eq!(told[0].at("/context/newUser/id"), user);
}
