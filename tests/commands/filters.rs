//! One filter for `events list` and for what changes something; and the list by what Cello said.

use serde_json::json;

use crate::given::Installation;

/// Signup, start of a subscription and purchase of a user.
const STORY: &str = "stories/stripe-invoice-before-customer";
/// A signup and two purchases.
const TWO_INVOICES: &str = "stories/chargebee-one-payment-two-invoices";
const NOT_REFERRED: &str = "stories/stripe-not-referred";

#[tokio::test]
async fn list_and_the_commands_choose_the_same() {
    let relay = Installation::new().with(STORY).await.dead().await.with(TWO_INVOICES).await;
    let relay = relay.sent("rejected", "Currency is unknown", cello_relay::store::Then::Dead).await;
    let events = relay.run(&["events", "list", "--state", "dead", "--json"]).lines();
    let code = |life: &str| {
        let shown = relay.run(&["events", "show", life, "--json"]).lines();
        shown[0]["referral_events"][0]["body"]["payload"]["ucc"].as_str().unwrap().to_owned()
    };
    let ucc = code("1");
    for (arguments, number) in [
        (vec!["--provider", "chargebee"], 3),
        (vec!["--trigger", "invoice-paid"], 3),
        (vec!["--customer", "cus_mnAKgEdNN32OMF"], 3),
        (vec!["--user", "usr_10351"], 3),
        (vec!["--code", &ucc], 3),
        (vec!["--invoice", "in_18kd7jQ8hTzvKe3RTgSo0Qkp"], 1),
        (vec!["--invoice", "4238"], 1),
        (vec!["--message", "currency"], 3),
        (vec!["--user", "usr_10351", "--trigger", "new-signup"], 1),
        (vec!["--user", "nobody"], 0),
        (vec!["--since", "2100-01-01"], 0),
    ] {
        let listed = relay.run(&[&["events", "list", "--state", "dead", "--json"], arguments.as_slice()].concat());
        assert_eq!(listed.lines().len(), number, "{arguments:?}: {listed:?}");
        for command in ["retry", "discard", "confirm", "remake"] {
            let said = relay.run(&[&["events", command, "--json", "--dry-run"], arguments.as_slice()].concat());
            assert_eq!(said.lines().len(), number, "{command} {arguments:?}: {said:?}");
        }
    }
    assert_eq!(events.len(), 6);
}

#[tokio::test]
async fn what_no_event_came_of_is_listed_by_its_reason_its_customer_its_user_and_its_invoice() {
    let relay = Installation::new().with(NOT_REFERRED).await.with("stripe/invoice-paid-basil.json").await;
    let rows = |arguments: &[&str]| {
        let said = relay.run(&[&["events", "list", "--json"], arguments].concat());
        said.lines().iter().map(|row| row["reason"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["--reason", "customer_unseen"]), ["customer_unseen"]);
    assert!(rows(&["--reason", "not_referred"]).len() > 1);
    assert!(!rows(&["--customer", "cus_ldnJ2bEiFN7JuH"]).is_empty());
    assert_eq!(rows(&["--customer", "cus_ldnJ2bEiFN7JuH", "--reason", "customer_unseen"]), [""; 0]);
    let held = relay.run(&["events", "list", "--json", "--state", "held"]).lines();
    let event = held[0]["event_id"].as_str().unwrap();
    let key = relay.run(&["events", "show", event, "--json"]).lines()[0]["decisions"][0]["key"].clone();
    let invoice = key.as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!(rows(&["--invoice", &invoice]), ["customer_unseen"]);
    relay.run(&["events", "list", "--user", "nobody"]).says(&["nothing is as you want it"]);
}

#[tokio::test]
async fn dead_events_are_grouped_by_what_cello_said_with_counts_and_sums() {
    let relay = Installation::new().with(STORY).await.refused("currency not allowed").await.with(TWO_INVOICES).await;
    let relay = relay.refused("no such user").await;

    let groups = relay.run(&["events", "list", "--by", "message", "--json"]).lines();
    let shown: Vec<_> =
        groups.iter().map(|group| json!([group["count"], group["trigger"], group["message"], group["sums"]])).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(shown[0][0], 2);
    assert!(shown.contains(&json!([1, "invoice-paid", "currency not allowed", { "GBP": 1900 }])), "{shown:?}");

    let said = relay.run(&["events", "list", "--by", "message", "--trigger", "invoice-paid"]);
    said.says(&["currency not allowed", "1900 GBP", "no such user", "3 referral events dead."]);
    relay.run(&["events", "list", "--by", "message", "--state", "unsure"]).says(&["no referral event is unsure"]);
    let wrong = relay.run(&["events", "list", "--by", "message", "--state", "held"]);
    assert_eq!(wrong.code, 2);
    wrong.says(&["`held` is a state of webhooks", "where: --state", "fix:   give a state of referral events"]);
}
