//! `export`: everything as JSON lines.

use crate::given::{Installation, files};

const STORY: &str = "stories/stripe-invoice-before-customer";

#[tokio::test]
async fn export_writes_each_webhook_with_all_that_came_of_it_on_one_line() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let said = relay.run(&["export"]);

    assert_eq!(said.code, 0, "{said:?}");
    let lines = said.lines();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["decisions"][0]["decision"], "send", "{line}");
        assert_eq!(line["referral_events"][0]["attempts"][0]["outcome"], "delivered", "{line}");
        assert!(line.get("body").is_none(), "{line}");
    }
    assert_eq!(relay.run(&["export", "--json"]).out, said.out);
}

#[tokio::test]
async fn bodies_are_written_on_demand_and_only_what_arrived_since() {
    // More than fit into one page.
    let relay = Installation::new().with("stripe").await.with("chargebee").await;
    let files = [files("stripe"), files("chargebee")].concat();
    let bodies: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();

    let lines = relay.run(&["export", "--bodies"]).lines();

    let written: Vec<String> = lines.iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect();
    assert!(written.len() > 64, "{}", written.len());
    assert!(written.iter().all(|body| bodies.contains(body)));
    let ids: Vec<i64> = lines.iter().map(|line| line["webhook_id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, other| one < other));

    assert_eq!(relay.run(&["export", "--since", "2999-01-01T00:00:00Z"]).out, "");
    assert_eq!(relay.run(&["export", "--since", "2000-01-01T00:00:00Z"]).lines().len(), lines.len());
    assert_eq!(relay.run(&["export", "--since", "yesterday"]).code, 2);
}
