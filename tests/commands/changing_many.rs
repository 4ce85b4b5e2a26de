//! `events retry` of so many that the relays must not wait for all of them at once.

use cello_relay::facts::Scope;
use cello_relay::referral_event::Trigger;
use cello_relay::store::{After, NewReferralEvent, NewWebhook, Store, WebhookState};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::given::Installation;

async fn with_dead(number: i64) -> Installation {
    let relay = Installation::new();
    let now = Timestamp::now();
    let webhook = NewWebhook {
        scope: Scope { provider: "stripe".into(), account: String::new() },
        event_id: "evt_1".into(),
        kind: "toy".into(),
        mode: None,
        at: now,
        received_at: now,
        body: b"{}".to_vec(),
    };
    relay.store.receive(webhook).await.unwrap();
    let webhook_id = relay.store.undecided(1).await.unwrap()[0].id;
    let event = move |number: i64| NewReferralEvent {
        key: format!("signup:u_{number}"),
        subject: format!("u_{number}"),
        trigger: Trigger::NewSignup,
        webhook_id,
        at: now,
        invoice_id: None,
        subscription_id: None,
        price: None,
        currency: None,
        ucc: "AbC123dEf45".into(),
        user_id: "usr_1".into(),
        organization_id: None,
        customer: None,
        after: After::default(),
        contribution: "[]".into(),
        body: "{}".into(),
        created_at: now,
    };
    let work = move |ledger: &mut dyn cello_relay::store::Ledger| {
        for number in 0..number {
            ledger.add_referral_event(&event(number))?;
        }
        ledger.settle_webhook(webhook_id, WebhookState::Mapped, None)
    };
    relay.store.transact(Box::new(work)).await.unwrap();
    relay.dead().await
}

#[tokio::test]
async fn what_was_changed_before_trouble_stays_changed_and_the_same_command_goes_on() {
    let relay = with_dead(250).await;
    let file = Connection::open(relay.folder.path().join("relay.db")).unwrap();
    file.execute_batch(
        "CREATE TRIGGER trouble BEFORE UPDATE ON referral_event WHEN NEW.id = 230
         BEGIN SELECT RAISE(ABORT, 'ordered trouble'); END",
    )
    .unwrap();
    let retry = ["events", "retry", "--state", "dead", "--yes"];

    let said = relay.run(&retry);

    assert_eq!(said.code, 2, "{said:?}");
    said.says(&["ordered trouble", "200 referral events were changed before that", "give the same command again"]);
    assert_eq!(relay.states().await, [200, 0, 0, 50, 0]);

    file.execute_batch("DROP TRIGGER trouble").unwrap();
    assert_eq!(relay.run(&retry).code, 0);
    assert_eq!(relay.states().await, [250, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_rate_holds_over_all_of_them() {
    let relay = with_dead(250).await;
    let said = relay.run(&["events", "retry", "--state", "dead", "--yes", "--rate", "100"]);
    said.says(&["250 referral events to be sent again, the last one 2 seconds after the first"]);
    let file = Connection::open(relay.folder.path().join("relay.db")).unwrap();
    let due = |number: i64| -> i64 {
        file.query_row("SELECT due_at FROM referral_event WHERE id = ?1", [number], |row| row.get(0)).unwrap()
    };
    assert_eq!([due(2), due(200), due(201), due(250)].map(|at| at - due(1)), [10, 1990, 2000, 2490]);
}
