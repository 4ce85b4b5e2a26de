//! `events remake`, and `events decide` of what was discarded, with the binary, beside a relay that has the store open.

use cello_relay::rules::Rules;
use cello_relay::store::{Store, Then};
use serde_json::json;

use crate::given::{Installation, Said, run};

/// A purchase of 55.00, tax included: referral event 3.
const TAXED: &str = "stories/stripe-tax-inclusive";

async fn refused() -> Installation {
    Installation::new().with(TAXED).await.delivered_but("invoice-paid", Then::Dead).await
}

/// By the shipped rules after one change.
fn ruled(relay: &Installation, (old, new): (&str, &str), arguments: &[&str]) -> Said {
    let shipped = Rules::shipped().unwrap();
    let own = shipped.source().replace(old, new);
    assert_ne!(own, shipped.source());
    std::fs::write(relay.folder.path().join("own.toml"), own).unwrap();
    let variables = [("RELAY__RULES", "own.toml"), ("USER", "mara")];
    run(relay.folder.path(), &variables, &[&["events"], arguments].concat())
}

const NET: (&str, &str) = ("= \"invoice.amount_paid\"", "= \"invoice.amount_paid_net\"");

#[tokio::test]
async fn a_refused_event_is_sent_as_todays_rules_have_it_and_the_old_body_is_kept() {
    let relay = refused().await;

    let dry = ruled(&relay, NET, &["remake", "3", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    dry.says(&[
        "referral event 3  invoice-paid  purchase:stripe:",
        "would be sent now\n    payload.price  sent 5500, now 5000\n",
        "1 referral event: 5500 AUD refused, 5000 AUD would be sent now",
        "nothing was changed",
    ]);
    let unasked = ruled(&relay, NET, &["remake", "3"]);
    assert_eq!(unasked.code, 2);
    unasked.says(&["this would remake 1 referral event, and there is nobody to ask"]);
    assert_eq!(relay.states().await, [0, 2, 0, 1, 0]);

    let said = ruled(&relay, NET, &["remake", "--state", "dead", "--message", "currency", "--yes", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let line = &said.lines()[0];
    assert_eq!((&line["applies"], &line["action"]), (&json!(true), &json!("remake")));
    assert_eq!(line["fields"], json!([{ "path": "payload.price", "sent": 5500, "now": 5000 }]));
    assert_eq!(relay.states().await, [1, 2, 0, 0, 0]);

    relay.run(&["events", "show", "3"]).says(&[
        "\"price\": 5000",
        "rejected, HTTP 400 after 12 ms: currency not allowed",
        "by mara; until then it was",
        "\"price\":5500",
    ]);
    let relay = relay.delivered().await;
    relay.run(&["events", "remap"]).says(&["1 changed"]);
    let again = ruled(&relay, NET, &["remake", "3", "--yes"]);
    assert_eq!(again.code, 1);
    again.says(&["it is delivered, and only what is dead can be remade"]);
}

#[tokio::test]
async fn what_would_not_be_sent_or_not_like_that_is_refused_with_the_reason() {
    let relay = refused().await;
    let same = relay.run(&["events", "remake", "3", "--by", "mara", "--yes"]);
    assert_eq!(same.code, 1);
    same.says(&["not applied, today's rules and settings make the same of it"]);
    let dear = ("invoice.amount_paid > 0", "invoice.amount_paid > 9000");
    let said = ruled(&relay, dear, &["remake", "3", "--yes"]);
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["it would not be sent now: no_rule_matched"]);
    assert_eq!(relay.states().await, [0, 2, 0, 1, 0]);

    let relay = Installation::new().with(TAXED).await.delivered_but("new-signup", Then::Dead).await;
    let call = ("trigger = \"new-signup\"", "trigger = \"demo-call-attended\"");
    let said = ruled(&relay, call, &["remake", "1", "--yes"]);
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["it would be demo-call-attended now, and not new-signup; `discard` it"]);
}

#[tokio::test]
async fn after_an_attempt_without_an_answer_it_has_to_be_said_that_cello_does_not_have_it() {
    let relay = Installation::new().with(TAXED).await.delivered_but("invoice-paid", Then::Unsure).await;
    assert_eq!(relay.run(&["events", "retry", "3"]).code, 0);
    let relay = relay.delivered_but("invoice-paid", Then::Dead).await;
    let said = ruled(&relay, NET, &["remake", "3", "--yes"]);
    assert_eq!(said.code, 1);
    said.says(&["the connection broke during an attempt, so Cello may have it", "--cello-does-not-have-it"]);
    let said = ruled(&relay, NET, &["remake", "3", "--yes", "--cello-does-not-have-it"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[tokio::test]
async fn what_was_discarded_is_decided_again_by_todays_rules() {
    let relay = refused().await;
    let event_id = relay.store.life("3").await.unwrap()[0].event_id.clone();
    let discard = ["events", "discard", "3", "--by", "mara", "--reason", "wrong price"];
    assert_eq!(relay.run(&discard).code, 0);

    let dry = ruled(&relay, NET, &["decide", &event_id, "--dry-run"]);
    dry.says(&["discarded referral event 3: would be decided again: send invoice-paid", "nothing was changed"]);
    assert_eq!(relay.states().await, [0, 2, 0, 0, 1]);
    let said = ruled(&relay, NET, &["decide", &event_id]);
    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["is decided again: send invoice-paid"]);
    assert!(!said.out.contains("within 5 seconds"), "it is decided already: {said:?}");
    assert_eq!(relay.states().await, [1, 2, 0, 0, 1]);
    relay.run(&["events", "show", "3"]).says(&["its webhook was decided again 20"]);
    relay.run(&["events", "show", "4"]).says(&["\"price\": 5000"]);

    let again = ruled(&relay, NET, &["decide", &event_id]);
    assert_eq!(again.code, 1);
    again.says(&["it was decided, and nothing of it was discarded"]);
}
