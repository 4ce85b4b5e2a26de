//! `forget`: erases what is kept of a person, after it said what.

use cello_relay::facts::Scope;
use cello_relay::store::{NewWebhook, Store, WebhookState, Work};
use jiff::Timestamp;

use crate::given::Installation;

const STORY: &str = "stories/stripe-invoice-before-customer";
const USER: &str = "usr_10351";

#[tokio::test]
async fn forget_says_first_what_it_would_erase_and_changes_nothing() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let said = relay.run(&["forget", USER]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&[
        "user usr_10351: address, name",
        "3 webhooks about them: 3 bodies to erase",
        "nothing was changed: add --yes",
    ]);
    said.says(&["address or name in 3 referral events", "kept: ids, the referral code, amounts"]);
    assert!(!said.out.contains('@'), "it shows no address: {}", said.out);
    assert!(relay.store.life(USER).await.unwrap().iter().all(|life| life.body_erased_at.is_none()));
}

#[tokio::test]
async fn with_yes_it_is_erased_and_said_as_json() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let line = relay.run(&["forget", USER, "--yes", "--json"]).lines().remove(0);

    assert_eq!((&line["erased"], &line["bodies"], &line["referral_events"]), (&true.into(), &3.into(), &3.into()));
    assert_eq!(line["name"], USER);
    let lives = relay.store.life(USER).await.unwrap();
    assert!(!lives.is_empty());
    for life in lives {
        assert!(life.body_erased_at.is_some(), "{}", life.event_id);
        for event in life.referral_events {
            assert!(!event.body.to_string().contains('@'), "{}", event.body);
        }
    }
    assert_eq!(relay.states().await, [0, 3, 0, 0, 0]);
    relay.run(&["forget", USER]).says(&["0 bodies to erase (3 erased before)"]);
}

#[tokio::test]
async fn of_what_is_not_decided_yet_or_could_not_be_read_it_says_that_it_may_be_about_them() {
    let relay = Installation::new().with(STORY).await.delivered().await;
    let webhook = NewWebhook {
        scope: Scope { provider: "stripe".into(), account: String::new() },
        event_id: "evt_new".into(),
        kind: "customer.updated".into(),
        mode: None,
        at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
        body: b"{}".to_vec(),
    };
    relay.store.receive(webhook).await.unwrap();

    relay.run(&["forget", USER, "--yes"]).says(&["erased;", "1 webhook not decided yet", "run this again"]);
    let id = relay.store.undecided(1).await.unwrap()[0].id;
    let unreadable: Work<()> = Box::new(move |ledger| ledger.settle_webhook(id, WebhookState::Unreadable, None));
    relay.store.transact(unreadable).await.unwrap();
    relay.run(&["forget", USER, "--yes"]).says(&["1 webhook could not be read", "events decide"]);
}

#[tokio::test]
async fn what_is_not_delivered_yet_stands_in_the_way_and_so_does_nobody() {
    let relay = Installation::new().with(STORY).await.dead().await;

    let said = relay.run(&["forget", USER, "--yes"]);

    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["nothing was erased", "referral event 1 is dead: decide about it with `cello-relay events retry 1`"]);
    assert!(relay.store.life(USER).await.unwrap().iter().all(|life| life.body_erased_at.is_none()));
    let nobody = relay.run(&["forget", "usr_0"]);
    assert_eq!(nobody.code, 1);
    nobody.says(&["nothing in this store is of a customer or user `usr_0`", "provider's id of the customer"]);
}
