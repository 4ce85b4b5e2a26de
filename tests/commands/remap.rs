//! `events remap`, with the binary, beside a relay that has the store open.

use cello_relay::rules::Rules;
use serde_json::{Value, json};

use crate::given::{Installation, Said, run};

/// A purchase of 55.00, tax included.
const TAXED: &str = "stories/stripe-tax-inclusive";
const INVOICE_BEFORE: &str = "stories/stripe-invoice-before-customer";
const CHARGEBEE: &str = "stories/chargebee-partial-refunds";

async fn relay() -> Installation {
    Installation::new()
        .with(TAXED)
        .await
        .delivered()
        .await
        .with(INVOICE_BEFORE)
        .await
        .dead()
        .await
        .with(CHARGEBEE)
        .await
}

/// With the shipped rules after one change, in the folder as `own.toml`.
fn ruled(relay: &Installation, old: &str, new: &str, arguments: &[&str]) -> Said {
    let shipped = Rules::shipped().unwrap();
    let own = shipped.source().replace(old, new);
    assert_ne!(own, shipped.source());
    std::fs::write(relay.folder.path().join("own.toml"), own).unwrap();
    run(relay.folder.path(), &[("RELAY__RULES", "own.toml")], &[&["events", "remap"], arguments].concat())
}

fn net(relay: &Installation, arguments: &[&str]) -> Said {
    ruled(relay, "= \"invoice.amount_paid\"", "= \"invoice.amount_paid_net\"", arguments)
}

fn sums(said: &Said) -> Value {
    said.lines().last().unwrap()["referral_events"].clone()
}

#[tokio::test]
async fn by_the_same_rules_nothing_differs() {
    let relay = relay().await;
    let before = relay.states().await;

    let said = relay.run(&["events", "remap"]);

    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    said.says(&[
        "10 webhooks decided again by shipped rules, triggers all, environment not set. Nothing was changed or sent.",
        "Referral events: 10 the same, 0 changed, 0 would be sent now and were not, 0 would not be sent now.",
    ]);
    assert_eq!(relay.states().await, before);
}

#[tokio::test]
async fn a_changed_line_of_the_rules_shows_field_by_field_with_what_became_of_the_event() {
    let relay = relay().await;

    let said = net(&relay, &[]);

    assert_eq!(said.code, 1, "{said:?}");
    said.says(&[
        "  invoice-paid  ",
        "  referral event 3, delivered\n  something else would be sent now\n    payload.price  sent 5500, now 5000\n",
        "by own.toml",
    ]);
    let lines = net(&relay, &["--json"]).lines();
    let changed = lines.iter().find(|line| line["referral_event"] == 3).unwrap();
    assert_eq!(changed["difference"], "changed");
    assert_eq!(changed["state"], "delivered");
    assert_eq!(changed["fields"], json!([{ "path": "payload.price", "sent": 5500, "now": 5000 }]));
    for line in &lines[..lines.len() - 1] {
        assert_eq!(line["trigger"], "invoice-paid", "only purchases have changed: {line}");
        assert_eq!(line["fields"].as_array().unwrap().len(), 1, "{line}");
    }
}

#[tokio::test]
async fn triggers_that_were_turned_off_would_not_be_sent_now_with_the_reason() {
    let relay = relay().await;
    let variables = [("RELAY__TRIGGERS", "current")];
    let said = run(relay.folder.path(), &variables, &["events", "remap"]);
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&[
        "  referral event 5, dead\n  would not be sent now; trigger_off: rule subscription-created would send",
        "triggers current",
    ]);
    let lines = run(relay.folder.path(), &variables, &["events", "remap", "--json"]).lines();
    assert!(lines[..lines.len() - 1].iter().all(|line| line["difference"] == "removed"), "{lines:?}");
}

#[tokio::test]
async fn what_was_ignored_would_be_sent_by_a_wider_rule_and_the_former_reason_is_named() {
    let relay = Installation::new().with("stories/stripe-trial").await;
    let said = ruled(&relay, "invoice.amount_paid > 0", "true", &[]);
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["would be sent now; was not, no_rule_matched: "]);
}

#[tokio::test]
async fn only_what_happened_since_a_time_is_compared_but_all_of_it_is_decided() {
    let relay = relay().await;
    let all = net(&relay, &["--json"]).lines();
    let last = all.iter().filter_map(|line| line["happened_at"].as_str()).max().unwrap();

    let since_last = net(&relay, &["--json", "--since", last]);
    assert_eq!(since_last.code, 1, "{since_last:?}");
    assert_eq!(since_last.lines().len(), 2, "one difference and the sums: {since_last:?}");

    let future = net(&relay, &["--json", "--since", "2999-01-01"]);
    assert_eq!(future.code, 0, "{future:?}");
    assert_eq!(
        sums(&future),
        json!({ "same": 0, "changed": 0, "added": 0, "removed": 0, "unknown": 0, "code_not_asked": 0 })
    );
    assert_eq!(future.lines()[0]["webhooks"]["webhooks"], 10);

    let wrong = relay.run(&["events", "remap", "--since", "yesterday"]);
    assert_eq!(wrong.code, 2);
    wrong.says(&["write a day such as 2026-11-01"]);
}

#[tokio::test]
async fn what_can_no_longer_be_compared_is_counted_and_no_difference() {
    let relay = Installation::new().with(TAXED).await.delivered().await;
    let db = rusqlite::Connection::open(relay.folder.path().join("relay.db")).unwrap();
    db.execute("DELETE FROM webhook_body WHERE webhook_id = 3", []).unwrap();

    let said = relay.run(&["events", "remap"]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&[
        "2 webhooks decided again",
        "2 the same, 0 changed",
        "1 left out, because their body is no longer kept",
        "1 referral events not compared",
    ]);
}

#[test]
fn an_empty_store_has_nothing_to_decide() {
    let said = Installation::new().run(&["events", "remap", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.lines()[0]["webhooks"]["webhooks"], 0);
}

#[tokio::test]
async fn what_hangs_on_an_answer_of_cellos_that_is_not_stored_is_counted_and_the_setting_named() {
    let relay = Installation::new().with("stories/stripe-trial").await;
    let withhold = |arguments: &[&str]| {
        let variables = [("RELAY__RULES", "own.toml"), ("RELAY__CELLO__CHECK_CODES", "withhold")];
        run(relay.folder.path(), &variables, &[&["events", "remap"], arguments].concat())
    };
    let off = ruled(&relay, "invoice.amount_paid > 0", "true", &["--json"]);
    assert_eq!((off.code, &sums(&off)["added"]), (1, &json!(1)), "{off:?}");
    assert_eq!(off.lines().last().unwrap()["decided_by"]["check_codes"], "off");

    let said = withhold(&[]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&[
        "environment not set, check_codes withhold. Nothing was changed or sent.",
        "0 would be sent now and were not",
        "1 not compared: they were not sent, and would be now only if Cello counted their code",
        "What was sent with a code of which nothing is stored is compared as if Cello counted it.",
    ]);
    let json = withhold(&["--json"]);
    assert_eq!((&sums(&json)["added"], &sums(&json)["code_not_asked"]), (&json!(0), &json!(1)));
    assert_eq!(json.lines()[0]["decided_by"]["check_codes"], "withhold");
}
