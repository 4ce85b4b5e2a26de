//! A filled file is moved to a server: everything or nothing, and only one of the two goes on.

use std::fs;
use std::path::Path;

use cello_relay::facts::{
    Carried, CodeAnswer, KnownCode, KnownCustomer, KnownPurchase, KnownSubscription, Payment, Plan, Session,
    SessionState,
};
use cello_relay::interval::{Period, Unit};
use cello_relay::store::{
    self, About, After, DecisionRecord, DecisionState, Known, Life, Moved, NewReferralEvent, NewWebhook, Receipt,
    Sqlite, StoreError, Then, WebhookState,
};
use tempfile::TempDir;

use crate::given::{
    self, AnyStore, at, claim, decision, event, keys, link, scope, stored, transact, try_one, url, waiting, webhook,
};
use crate::person::person;
use crate::postgres::{database, name, server};

/// Something in every table and in every state, with texts that PostgreSQL does not take as they are.
async fn filled() -> (AnyStore, TempDir) {
    let (store, folder) = given::on_file();
    waiting(&store, &["a/1"]).await;
    try_one(&store, 3, Then::Delivered).await;
    waiting(&store, &["b/2", "b/3"]).await;
    try_one(&store, 4, Then::Dead).await;
    claim(&store, 5).await;
    waiting(&store, &["c/4"]).await;
    let dead = try_one(&store, 6, Then::Dead).await;
    waiting(&store, &["d/5"]).await;
    let (key, new) = (dead.key.clone(), NewReferralEvent { body: "{}".into(), ..event(3, "c", "c/4") });
    store.confirm(vec![dead.id + 1], person("ada", "there"), at(7)).await.unwrap();
    transact(&store, move |ledger| ledger.replace_referral_event(dead.id, &new, "ada", at(7))).await.unwrap();
    try_one(&store, 8, Then::Dead).await;
    transact(&store, move |ledger| {
        let after = After { purchase: Some(key), signup: None };
        ledger.add_referral_event(&NewReferralEvent { after, ..event(3, "c", "c/5") })
    })
    .await
    .unwrap();
    let odd = NewWebhook { body: vec![0, 255, 39], kind: "odd\0\u{1}kind".into(), ..webhook("evt_odd") };
    assert_eq!(store.receive(odd.clone()).await.unwrap(), Receipt::Stored);
    for _ in 0..3 {
        assert_eq!(store.receive(odd.clone()).await.unwrap(), Receipt::Duplicate);
    }
    let held = stored(&store, "evt_held").await;
    transact(&store, move |ledger| {
        let (topic, deadline) = (Some("customer:stripe:cus_1".into()), Some(at(900)));
        ledger.put_decision(&DecisionRecord { topic, deadline, ..decision(held, DecisionState::Hold) })?;
        ledger.settle_webhook(held, WebhookState::Held, None)?;
        ledger.put_customer(&scope(), &customer())?;
        ledger.put_subscription(&scope(), &KnownSubscription { reported: None, subscription: subscription() })?;
        ledger.put_price(&scope(), &plan())?;
        ledger.put_link(&scope(), &link("pi_1", "in_1", Some(5831)))?;
        let carried = Carried { payment: "pi_1".into(), purchase: "in_1".into(), amount: 5831 };
        ledger.put_carried(&scope(), &carried)?;
        ledger.put_payment(&scope(), &payment())?;
        ledger.put_unreported_refund(&scope(), "pi_1", "re_1", 7)?;
        ledger.put_refunded(&scope(), "ch_1", 0, 500)?;
        ledger.put_purchase(&scope(), "in_1", &purchase())?;
        ledger.pin_code("usr_1", "AbC123dEf45")?;
        let answer = CodeAnswer { ucc: "AbC123dEf45".into(), valid: true, owner: None };
        ledger.put_code(&KnownCode { answer, asked_at: at(3) })
    })
    .await
    .unwrap();
    (store, folder)
}

fn purchase() -> KnownPurchase {
    KnownPurchase {
        paid: 5831,
        net: 4900,
        refunded: 500,
        refunded_net: 420,
        customer: Some("cus_1".into()),
        currency: None,
        at: Some(at(4)),
        reported_at: Some(at(5)),
        is_sale: true,
        unlinked: 1,
    }
}

fn payment() -> Payment {
    let (state, customer) = (SessionState::Paid, Some("cus_1".into()));
    let session = Session { id: "cs_1".into(), state, customer, total: 5831, tax: 931 };
    Payment { id: "pi_1".into(), amount: Some(5831), session: Some(session) }
}

fn customer() -> KnownCustomer {
    KnownCustomer {
        id: "cus_1".into(),
        ucc: Some("AbC123dEf45".into()),
        email: Some("ann@example.com".into()),
        version: 7,
        reported: true,
        ..KnownCustomer::default()
    }
}

fn plan() -> Plan {
    Plan {
        period: Some(Period { unit: Unit::Month, count: 3 }),
        price_id: Some("price_1".into()),
        product_id: None,
        metered: false,
    }
}

fn subscription() -> cello_relay::facts::Subscription {
    cello_relay::facts::Subscription {
        id: "sub_1".into(),
        customer: Some("cus_1".into()),
        phase: cello_relay::facts::Phase::Running,
        amount: Some(1900),
        currency: None,
        plan: plan(),
        seats: None,
        version: 7,
        ended_at: None,
    }
}

async fn moved(folder: &TempDir, to: &str) -> Result<Moved, StoreError> {
    store::move_to_server(&url(folder), to, at(1000))
}

async fn known(store: &AnyStore) -> Known {
    let about = About {
        customer: Some("cus_1".into()),
        subscription: Some("sub_1".into()),
        prices: vec!["price_1".into()],
        payments: vec!["pi_1".into()],
        invoice: None,
    };
    store.known(scope(), about).await.unwrap()
}

async fn lives(store: &AnyStore) -> String {
    let lives: Vec<Life> = store.lives_after(0, None, 99).await.unwrap();
    serde_json::to_string_pretty(&lives).unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_move_and_goes_on_where_it_was() {
    let (file, folder) = filled().await;
    assert_eq!(file.goes_to("sandbox", at(0)).await.unwrap(), "sandbox");
    let before = (lives(&file).await, known(&file).await, file.counts().await.unwrap());
    drop(file);
    let to = database();

    let moved = moved(&folder, &to).await.unwrap();

    let store = store::open(&to, true).unwrap();
    assert_eq!(moved.counts, before.2);
    assert!(moved.rows.iter().all(|(_, rows)| *rows > 0), "a table that is not tried here: {:?}", moved.rows);
    assert_eq!(lives(&store).await, before.0);
    assert_eq!(known(&store).await, before.1);
    assert_eq!(store.counts().await.unwrap(), before.2);
    assert_eq!(store.webhooks_after(0, 99).await.unwrap()[4].webhook.as_ref().unwrap().body, [0, 255, 39]);
    transact(&store, |ledger| {
        assert_eq!(ledger.purchase(&scope(), "in_1")?, Some(purchase()));
        assert_eq!(ledger.refunded(&scope(), "ch_1")?, [(0, 500)]);
        assert_eq!(ledger.pinned_code("usr_1")?.as_deref(), Some("AbC123dEf45"));
        assert!(ledger.code("AbC123dEf45")?.unwrap().answer.valid);
        assert_eq!(ledger.waiting_for("customer:stripe:cus_1")?.len(), 1);
        assert!(!ledger.add_referral_event(&event(1, "a", "a/1"))?, "it was told already");
        Ok(())
    })
    .await
    .unwrap();
    // What was being sent is taken up, in order, and new rows have new numbers.
    assert_eq!(store.receive(webhook("evt_held")).await.unwrap(), Receipt::Duplicate);
    assert_eq!(store.recover(at(1000), 3).await.unwrap().waiting, 1);
    waiting(&store, &["g/6"]).await;
    assert_eq!(keys(&claim(&store, 1000).await), ["b/3"], "alone");
    assert_eq!(keys(&claim(&store, 1000).await), ["g/6"], "what was blocked is, and what was confirmed is not sent");
    store.retry(vec![4], at(1001), std::time::Duration::ZERO).await.unwrap();
    assert_eq!(try_one(&store, 1001, Then::Delivered).await.key, "c/4");
    assert_eq!(try_one(&store, 1002, Then::Delivered).await.key, "c/5");
    assert!(store.counts().await.unwrap().add_up());
    assert_eq!(store.goes_to("production", at(1000)).await.unwrap(), "sandbox");
}

#[tokio::test]
async fn nothing_is_moved_to_where_relays_send_to_another_cello() {
    let (file, folder) = filled().await;
    file.goes_to("sandbox", at(0)).await.unwrap();
    drop(file);
    let to = database();
    store::open(&to, true).unwrap().goes_to("production", at(0)).await.unwrap();
    let refused = moved(&folder, &to).await.unwrap_err().to_string();
    assert!(refused.contains("relays send to production from it, and to sandbox from the file"), "{refused}");
}

#[tokio::test]
async fn after_a_move_nobody_opens_the_file_and_the_address_in_the_word_has_no_password() {
    let (file, folder) = filled().await;
    drop(file);
    let to = database();
    moved(&folder, &to).await.unwrap();
    for serves in [true, false] {
        let refused = Sqlite::open(&url(&folder), serves).err().unwrap().to_string();
        assert!(refused.contains("its contents were moved to postgres://"), "{refused}");
        assert!(!refused.contains("relay@"), "{refused}");
    }
    let again = moved(&folder, &to).await.unwrap_err().to_string();
    assert!(again.contains("it is not empty"), "{again}");
    let elsewhere = database();
    moved(&folder, &elsewhere).await.expect("as after a move that broke off at its end");
}

#[tokio::test]
async fn a_store_that_is_served_stays_where_it_is() {
    let (_file, folder) = filled().await;
    let to = database();
    assert!(matches!(moved(&folder, &to).await, Err(StoreError::InUse { .. })));
    assert_eq!(server().sql(name(&to), "SELECT count(*) FROM webhook"), "0");
}

#[tokio::test]
async fn when_it_fails_nothing_is_there_and_the_file_goes_on() {
    let (file, folder) = filled().await;
    drop(file);
    let to = database();
    server().sql(name(&to), "ALTER TABLE attempt ADD CHECK (id < 2)");
    assert!(moved(&folder, &to).await.is_err());
    assert_eq!(server().sql(name(&to), "SELECT count(*) FROM webhook"), "0");
    assert_eq!(server().sql(name(&to), "SELECT count(*) FROM tally"), "0");
    let file: AnyStore = std::sync::Arc::new(Sqlite::open(&url(&folder), true).unwrap());
    assert!(file.counts().await.unwrap().add_up());
}

#[tokio::test]
async fn a_difference_is_noticed_and_undone() {
    let (file, folder) = filled().await;
    drop(file);
    let to = database();
    // A server that keeps less than it was given.
    let forgetful = "CREATE RULE forget AS ON INSERT TO mention WHERE NEW.name = 'b/2' DO INSTEAD NOTHING";
    server().sql(name(&to), forgetful);
    let refused = moved(&folder, &to).await.unwrap_err().to_string();
    assert!(refused.contains("mention has"), "{refused}");
    assert_eq!(server().sql(name(&to), "SELECT count(*) FROM webhook"), "0");
    assert!(Sqlite::open(&url(&folder), true).is_ok());
}

#[tokio::test]
async fn a_file_that_takes_long_to_read_is_moved_too() {
    let (file, folder) = filled().await;
    drop(file);
    let to = database();
    // The server would end a transaction of anybody else who lets it wait.
    let patient = "CREATE FUNCTION patient() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('idle_in_transaction_session_timeout') <> '0' THEN RAISE EXCEPTION 'not patient'; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER patient AFTER INSERT ON webhook FOR EACH STATEMENT EXECUTE FUNCTION patient()";
    server().sql(name(&to), patient);
    moved(&folder, &to).await.unwrap();
}

#[tokio::test]
async fn a_backup_that_no_relay_started_on_is_not_moved() {
    let (_file, folder) = filled().await;
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("relay.db");
    Sqlite::back_up(&url(&folder), Path::new(&copy), at(50)).unwrap();
    let refused = moved(&copies, &database()).await.unwrap_err().to_string();
    assert!(refused.contains("start `cello-relay serve` on it once"), "{refused}");
    assert!(fs::exists(&copy).unwrap());
}

/// A column that a later version adds must not be left behind.
#[test]
fn every_table_and_column_of_a_file_is_moved() {
    let folder = tempfile::tempdir().unwrap();
    drop(Sqlite::open(&url(&folder), true).unwrap());
    let ask = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c
        WHERE t.type = 'table' AND c.hidden = 0 ORDER BY 1";
    let db = rusqlite::Connection::open(folder.path().join("relay.db")).unwrap();
    let mut statement = db.prepare(ask).unwrap();
    let columns: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let moved: Vec<String> = store::moved_columns().collect();
    let otherwise = ["mark.", "probe.", "tally.", "webhook_body.", "webhook.duplicates"];
    for column in columns.iter().filter(|column| !otherwise.iter().any(|other| column.starts_with(other))) {
        assert!(moved.contains(column), "{column} stays behind");
    }
}
