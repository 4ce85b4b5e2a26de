//! What an earlier version left is taken over with its queue: nothing is lost, nothing is sent twice.

use std::path::Path;
use std::sync::Arc;

use cello_relay::facts::{Carried, KnownPurchase};
use cello_relay::store::{About, Counts, Receipt, Sqlite, Then};

use crate::given::{AnyStore, at, attempt, claim, keys, link, scope, transact, url, webhook};
use crate::postgres::{self, server};

const EVERY_STATE: &str = include_str!("every_state.sql");

/// The last version that knew files only.
const FOURTH_VERSION: [&str; 5] = [
    include_str!("../../src/store/sqlite/migrations/0001_first.sql"),
    include_str!("../../src/store/sqlite/migrations/0002_rules.sql"),
    include_str!("../../src/store/sqlite/migrations/0003_codes_and_erased_bodies.sql"),
    include_str!("../../src/store/sqlite/migrations/0004_trace.sql"),
    "PRAGMA application_id = 0x43656c6f; PRAGMA user_version = 4;",
];

fn sql(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

/// What the first version of this program left behind: a webhook that nothing was decided about, and one with a
/// referral event that is still to be sent.
const FIRST_VERSION: &str = "
    PRAGMA application_id = 0x43656c6f;
    PRAGMA user_version = 1;
    INSERT INTO webhook (id, provider, account, event_id, kind, at, received_at, bytes)
        VALUES (1, 'stripe', '', 'evt_1', 'invoice.paid', 0, 0, 2), (2, 'stripe', '', 'evt_2', 'invoice.paid', 0, 0, 2);
    INSERT INTO webhook_body VALUES (1, x'7b7d'), (2, x'7b7d');
    INSERT INTO decision (webhook_id, fact, fact_kind, at, key, state, rule, message, warnings, decided_at)
        VALUES (1, 0, 'invoice-paid', 0, 'purchase:stripe:in_1', 'send', 'purchase', '', '[]', 0);
    INSERT INTO referral_event (key, subject, trigger, webhook_id, at, created_at, front, due_at, body)
        VALUES ('purchase:stripe:in_1', 'usr_1', 'invoice-paid', 1, 0, 0, 1, 0, '{}');
    UPDATE webhook SET state = 'mapped' WHERE id = 1;
    INSERT INTO customer (provider, account, id, ucc, user_id, version, deleted, reported)
        VALUES ('stripe', '', 'cus_1', 'AbC123dEf45', 'usr_1', 1, 0, 1);";

#[tokio::test]
async fn a_file_of_the_first_version_is_taken_over_with_its_queue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    sql(&path, include_str!("../../src/store/sqlite/migrations/0001_first.sql"));
    sql(&path, FIRST_VERSION);

    let store: AnyStore = Arc::new(Sqlite::open(&url(&folder), true).unwrap());
    assert!(store.counts().await.unwrap().add_up());
    assert_eq!(keys(&claim(&store, 2).await), ["purchase:stripe:in_1"]);
    assert_eq!(store.undecided(9).await.unwrap()[0].event_id, "evt_2");
    assert_eq!(store.life("evt_1").await.unwrap()[0].decisions[0].trace, None);
    transact(&store, |ledger| {
        assert_eq!(ledger.customer(&scope(), "cus_1")?.unwrap().ucc.as_deref(), Some("AbC123dEf45"));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_file_of_the_fourth_version_goes_on_from_every_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    FOURTH_VERSION.iter().for_each(|step| sql(&path, step));
    sql(&path, EVERY_STATE);
    sql(&path, "UPDATE webhook SET duplicates = 2 WHERE id = 8");

    goes_on(Arc::new(Sqlite::open(&url(&folder), true).unwrap())).await;
}

#[test]
fn a_command_leaves_a_file_of_an_earlier_version_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    FOURTH_VERSION.iter().for_each(|step| sql(&path, step));

    let refused = Sqlite::open(&url(&folder), false).err().unwrap().to_string();

    assert!(refused.contains("`cello-relay serve` of this version brings them up"), "{refused}");
    let version = rusqlite::Connection::open(&path)
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
    assert_eq!(version.unwrap(), 4);
}

#[tokio::test]
async fn tables_of_the_first_version_on_a_server_go_on_from_every_state() {
    let database = server().empty_database();
    let first = include_str!("../../src/store/postgres/migrations/0001_first.sql");
    server().sql(&database, "CREATE TABLE cello_relay_schema (version BIGINT NOT NULL)");
    server().sql(&database, "INSERT INTO cello_relay_schema (version) VALUES (1)");
    server().sql(&database, first);
    server().sql(&database, &EVERY_STATE.replace("BLOB", "BYTEA"));
    server().sql(&database, "INSERT INTO webhook_again (webhook_id, times) VALUES (8, 2)");

    goes_on(Arc::new(postgres::open(&server().url(&database)).unwrap())).await;
}

/// What an earlier version would have sent in spite of the dead events that it depends on.
const BEHIND_DEAD_EVENTS: &str = r#"
    INSERT INTO referral_event (key, subject, trigger, webhook_id, at, invoice_id, created_at, state, front, due_at,
        lease, attempts, body)
    VALUES
        ('signup:g', 'g', 'new-signup', 4, 1000, NULL, 2000, 'delivered', '0', NULL, 1, 1, '{}'),
        ('purchase:stripe:in_9', 'g', 'invoice-paid', 4, 1000, 'in_9', 2000, 'dead', '0', NULL, 1, 1, '{}'),
        ('refund:stripe:re_9', 'g', 'charge-refunded', 5, 1000, 'in_9', 2000, 'waiting', '1', 2000, 0, 0, '{}'),
        ('signup:h', 'h', 'new-signup', 4, 1000, NULL, 2000, 'dead', '0', NULL, 1, 1, '{}'),
        ('purchase:stripe:in_8', 'h', 'invoice-paid', 5, 1000, 'in_8', 2000, 'waiting', '1', 2000, 0, 0, '{}'),
        ('other:g', 'g', 'invoice-paid', 5, 1000, 'in_7', 2000, 'waiting', '0', 2000, 0, 0, '{}');
    INSERT INTO attempt (event_id, started_at, duration_ms, outcome, status, message, counts)
        SELECT id, 3000, 12, 'rejected', 400, 'no such currency', '1' FROM referral_event WHERE key = 'purchase:stripe:in_9';
"#;

#[tokio::test]
async fn what_an_earlier_version_left_behind_a_dead_event_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    FOURTH_VERSION.iter().for_each(|step| sql(&path, step));
    [EVERY_STATE, BEHIND_DEAD_EVENTS].iter().for_each(|step| sql(&path, step));
    waits_for_it(Arc::new(Sqlite::open(&url(&folder), true).unwrap())).await;

    let database = server().empty_database();
    server().sql(&database, "CREATE TABLE cello_relay_schema (version BIGINT NOT NULL)");
    server().sql(&database, "INSERT INTO cello_relay_schema (version) VALUES (1)");
    server().sql(&database, include_str!("../../src/store/postgres/migrations/0001_first.sql"));
    server().sql(&database, &EVERY_STATE.replace("BLOB", "BYTEA"));
    server().sql(&database, BEHIND_DEAD_EVENTS);
    waits_for_it(Arc::new(postgres::open(&server().url(&database)).unwrap())).await;
}

async fn waits_for_it(store: AnyStore) {
    let blocked = store.blocked().await.unwrap();
    assert_eq!((blocked.events, blocked.since.map(|at| at.as_millisecond())), (2, Some(2000)));
    let life = store.life("11").await.unwrap().remove(0);
    let refund = life.referral_events.iter().find(|event| event.key == "refund:stripe:re_9").unwrap();
    let blocker = refund.blocked_by.as_ref().unwrap();
    assert_eq!((blocker.id, blocker.message.as_deref()), (10, Some("no such currency")));

    store.recover(at(0), 3).await.unwrap();
    let sent = deliver(&store).await;
    assert!(sent.contains(&"other:g".to_owned()), "{sent:?}");
    assert!(!sent.iter().any(|key| key.starts_with("refund") || key.ends_with("in_8")), "{sent:?}");
    store.retry(vec![10, 12], at(0), std::time::Duration::ZERO).await.unwrap();
    let sent = deliver(&store).await;
    let place = |key: &str| sent.iter().position(|sent| sent == key).unwrap();
    assert!(place("purchase:stripe:in_9") < place("refund:stripe:re_9"), "{sent:?}");
    assert!(place("signup:h") < place("purchase:stripe:in_8"), "{sent:?}");
    assert!(store.counts().await.unwrap().add_up());
}

async fn goes_on(store: AnyStore) {
    let counts = store.counts().await.unwrap();
    assert!(counts.add_up());
    let expected = Counts {
        received: 12,
        duplicate: 2,
        undecided: 1,
        held: 1,
        ignored: 1,
        unreadable: 1,
        mapped: 6,
        referral_events: 8,
        waiting: 3,
        sending: 1,
        delivered: 1,
        unsure: 1,
        dead: 1,
        discarded: 1,
        confirmed: 0,
    };
    assert_eq!(counts, expected);
    what_was_known_is_known(&store).await;

    // Its sender was killed: it is taken back, and sent before the others of its user.
    assert_eq!(store.recover(at(0), 3).await.unwrap().waiting, 1);
    assert_eq!(deliver(&store).await, ["c/1", "c/2", "d/1", "c/3"]);
    let stuck = store.retry(vec![1, 2, 3, 8], at(0), std::time::Duration::ZERO).await.unwrap();
    assert_eq!(stuck, [2, 3], "what was delivered or discarded is not sent again");
    assert_eq!(deliver(&store).await, ["a/2", "b/1"]);

    let counts = store.counts().await.unwrap();
    assert_eq!(counts, Counts { waiting: 0, sending: 0, delivered: 7, unsure: 0, dead: 0, ..expected });
    for life in store.lives_after(0, None, 99).await.unwrap() {
        assert_eq!(store.receive(webhook(&life.event_id)).await.unwrap(), Receipt::Duplicate, "{}", life.event_id);
    }
    assert!(store.counts().await.unwrap().add_up());
}

async fn what_was_known_is_known(store: &AnyStore) {
    let lives = store.lives_after(0, None, 99).await.unwrap();
    assert_eq!(lives.len(), 10);
    assert_eq!(lives[1].decisions[0].warnings.len(), 1);
    assert_eq!(lives[1].decisions[0].trace.as_ref().unwrap().recognised, "a paid invoice");
    assert_eq!(lives[5].referral_events[0].discarded_by.as_deref(), Some("bob"));
    assert_eq!((lives[7].duplicates, lives[7].body_erased_at.is_some()), (2, true));
    assert_eq!(store.life("in_7").await.unwrap()[0].decisions[0].reason.as_deref(), Some("customer_unseen"));
    assert_eq!(store.undecided(9).await.unwrap()[0].event_id, "evt_10_undecided");
    assert_eq!(store.due_holds(at(0), 9).await.unwrap().len(), 1);
    let about = About { customer: Some("cus_1".into()), payments: vec!["pi_1".into()], ..About::default() };
    let known = store.known(scope(), about).await.unwrap();
    assert_eq!(known.customer.unwrap().metadata["plan"], "pro");
    assert_eq!(known.links, [link("pi_1", "in_1", None)]);
    transact(store, |ledger| {
        assert_eq!(
            ledger.purchase(&scope(), "in_1")?,
            Some(KnownPurchase { paid: 5, net: 4, ..KnownPurchase::default() })
        );
        let carried = Carried { payment: "pi_1".into(), purchase: "in_1".into(), amount: 5 };
        assert_eq!(ledger.carried_of_payment(&scope(), "pi_1")?, [carried]);
        let reported = ledger.reported("a/1")?.unwrap();
        assert_eq!((reported.customer.as_deref(), reported.ucc), (Some("cus_1"), None), "its body shows no code");
        assert_eq!(ledger.reported("c/1")?.unwrap().user_id.as_deref(), Some("c"));
        assert_eq!(ledger.pinned_code("a")?.as_deref(), Some("AbC123dEf45"));
        assert_eq!(ledger.waiting_for("customer:stripe:cus_2")?.len(), 1);
        Ok(())
    })
    .await
    .unwrap();
}

/// Delivers whatever can be sent until nothing can; the keys, in the order in which they were sent.
async fn deliver(store: &AnyStore) -> Vec<String> {
    let mut sent = Vec::new();
    loop {
        let claimed = claim(store, 0).await;
        if claimed.is_empty() {
            return sent;
        }
        for event in &claimed {
            store.record(attempt(event, 0, Then::Delivered)).await.unwrap();
        }
        sent.extend(keys(&claimed).into_iter().map(str::to_owned));
    }
}
