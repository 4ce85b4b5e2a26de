//! `export`: everything as JSON lines.

use serde_json::{Value, json};

use crate::given::{Installation, Said, files};

const STORY: &str = "stories/stripe-invoice-before-customer";

#[tokio::test]
async fn export_writes_each_webhook_with_all_that_came_of_it_on_one_line() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let said = relay.run(&["export"]);

    assert_eq!(said.code, 0, "{said:?}");
    let lines = webhooks(&said);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["decisions"][0]["decision"], "send", "{line}");
        assert_eq!(line["referral_events"][0]["attempts"][0]["outcome"], "delivered", "{line}");
        assert!(line.get("body").is_none(), "{line}");
    }
    assert_eq!(relay.run(&["export", "--json"]).out, said.out);
}

/// Without what is known.
fn webhooks(said: &Said) -> Vec<Value> {
    said.lines().into_iter().filter(|line| line.get("known").is_none()).collect()
}

#[tokio::test]
async fn what_is_known_of_customers_and_subscriptions_is_exported_too() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let lines = relay.run(&["export"]).lines();

    let known = |kind: &str| lines.iter().find(|line| line["known"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let customer = known("customer");
    assert_eq!((&customer["user_id"], &customer["reported"]), (&json!("usr_10351"), &json!(true)), "{customer}");
    assert!(customer["email"].as_str().unwrap().contains('@') && customer["metadata"].is_object(), "{customer}");
    assert!(customer["created_at"].as_str().unwrap().ends_with('Z'), "{customer}");
    assert_eq!(known("pinned_code")["user_id"], "usr_10351");
    assert!(known("purchase")["paid"].is_i64());
    known("subscription");
}

#[tokio::test]
async fn bodies_are_written_on_demand_and_only_what_arrived_since() {
    // More than fit into one page.
    let relay = Installation::new().with("stripe").await.with("chargebee").await;
    let files = [files("stripe"), files("chargebee")].concat();
    let bodies: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();

    let lines = webhooks(&relay.run(&["export", "--bodies"]));

    let written: Vec<String> = lines.iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect();
    assert!(written.len() > 64, "{}", written.len());
    assert!(written.iter().all(|body| bodies.contains(body)));
    let ids: Vec<i64> = lines.iter().map(|line| line["webhook_id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, other| one < other));

    assert_eq!(relay.run(&["export", "--since", "2999-01-01T00:00:00Z"]).out, "");
    assert_eq!(relay.run(&["export", "--since", "2000-01-01"]).lines().len(), lines.len());
    let wrong = relay.run(&["export", "--since", "yesterday"]);
    assert_eq!(wrong.code, 2);
    wrong.says(&["write a day such as 2026-11-01"]);
}
