//! `events decide`: what could not be read is put back to be decided.

use cello_relay::store::{Store, WebhookState};

use crate::given::Installation;

const WEBHOOK: &str = "evt_1bhdMPQ8hTzvKe3RtAvDs1Tn";

/// With one webhook that was set aside, among those of a story.
async fn set_aside() -> Installation {
    let relay = Installation::new().with("stories/stripe-invoice-before-customer").await;
    let id = relay.store.life(WEBHOOK).await.unwrap()[0].webhook_id;
    relay
        .store
        .transact(Box::new(move |ledger| ledger.settle_webhook(id, WebhookState::Unreadable, Some("no such version"))))
        .await
        .unwrap();
    relay
}

async fn state(relay: &Installation) -> WebhookState {
    relay.store.life(WEBHOOK).await.unwrap()[0].state
}

#[tokio::test]
async fn what_is_unreadable_is_decided_again_and_a_dry_run_changes_nothing() {
    for which in [WEBHOOK, "--all"] {
        let relay = set_aside().await;

        let said = relay.run(&["events", "decide", which, "--dry-run"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.says(&[WEBHOOK, "would be decided again", "nothing was changed"]);
        assert_eq!(state(&relay).await, WebhookState::Unreadable);

        let said = relay.run(&["events", "decide", which]);
        assert_eq!(said.code, 0, "{said:?}");
        said.says(&[WEBHOOK, "1 webhook to be decided again", "notices within 5 seconds"]);
        assert_eq!(state(&relay).await, WebhookState::Undecided);

        let said = relay.run(&["events", "decide", "--all"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.says(&["no webhook is unreadable"]);
    }
}

#[tokio::test]
async fn what_was_decided_stands_and_what_is_unknown_is_a_finding() {
    let relay = Installation::new().with("stories/stripe-invoice-before-customer").await;

    let lines = relay.run(&["--json", "events", "decide", WEBHOOK, "evt_unknown"]);

    assert_eq!(lines.code, 1);
    let lines = lines.lines();
    assert_eq!((&lines[0]["applies"], &lines[1]["applies"]), (&false.into(), &false.into()));
    assert_eq!(lines[0]["why"], "it was decided, and nothing of it was discarded");
    assert!(lines[1]["why"].as_str().unwrap().contains("nothing in this store is named `evt_unknown`"));
    assert_eq!(state(&relay).await, WebhookState::Mapped);
}
