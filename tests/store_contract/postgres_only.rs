//! What only PostgreSQL can be asked: that it may go away and come back, what it does not take, and what it reads.

use cello_relay::facts::Scope;
use cello_relay::store::{self, DecisionState, NewWebhook, Receipt, StoreError, Then, Wanted, WebhookState};
use futures_util::future::{join, join_all};

use crate::given::{self, AnyStore, at, attempt, claim, keys, stored, transact, waiting, webhook};
use crate::postgres::{Server, database, name, server};

pub fn open(url: &str) -> AnyStore {
    store::open(url, true).unwrap()
}

async fn pinned(store: &AnyStore, user: &str) -> Option<String> {
    let user = user.to_owned();
    transact(store, move |ledger| ledger.pinned_code(&user)).await.unwrap()
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again_by_whoever_asks_next() {
    let server = Server::start(None);
    let store = open(&server.url(&server.empty_database()));
    stored(&store, "evt_1").await;
    transact(&store, |ledger| ledger.pin_code("user", "code")).await.unwrap();

    server.order("restart");
    assert_eq!(store.receive(webhook("evt_2")).await.unwrap(), Receipt::Stored);
    assert_eq!(pinned(&store, "user").await.as_deref(), Some("code"));
    assert_eq!(store.undecided(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn while_the_server_is_down_nothing_is_taken_and_nothing_hangs() {
    let server = Server::start(None);
    let store = open(&server.url(&server.empty_database()));
    server.order("stop");
    assert!(matches!(store.receive(webhook("evt_1")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.probe().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.counts().await, Err(StoreError::Unavailable(_))));

    server.order("start");
    assert_eq!(store.receive(webhook("evt_1")).await.unwrap(), Receipt::Stored);
    store.probe().await.unwrap();
    assert!(store.counts().await.unwrap().add_up());
}

#[test]
fn a_server_that_takes_a_connection_and_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://relay@{}/relay?connect_timeout=1", silent.local_addr().unwrap());
    let message = store::open(&url, true).err().unwrap().to_string();
    assert!(message.contains("did not answer within 1s"), "{message}");
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_transaction_undoes_all_of_it() {
    let url = database();
    let store = open(&url);
    let broken = transact(&store, {
        let database = name(&url).to_owned();
        move |ledger| {
            ledger.pin_code("one", "code")?;
            let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            server().sql(&database, all);
            ledger.pin_code("two", "code")
        }
    });
    assert!(matches!(broken.await, Err(StoreError::Unavailable(_))));
    assert_eq!((pinned(&store, "one").await, pinned(&store, "two").await), (None, None));
    assert_eq!(store.receive(webhook("evt_1")).await.unwrap(), Receipt::Stored);
}

#[tokio::test]
async fn a_relay_that_stands_still_within_a_transaction_does_not_stop_the_others() {
    let url = database();
    let (one, other) = (open(&url), open(&url));
    let busy = given::busy_deciding(&one).await;
    transact(&other, |ledger| ledger.pin_code("user", "code")).await.unwrap();
    drop(busy);
    assert_eq!(pinned(&one, "user").await.as_deref(), Some("code"), "and it goes on when it can");
}

#[tokio::test]
async fn an_error_that_work_hides_undoes_that_work_and_not_its_neighbours() {
    let store = open(&database());
    let hidden = transact(&store, |ledger| {
        ledger.pin_code("hidden", "code")?;
        // There is no such webhook, which the server finds out and forgives nobody.
        let _ = ledger.put_decision(&given::decision(77, DecisionState::Ignore));
        Ok(())
    });
    let beside = transact(&store, |ledger| ledger.pin_code("beside", "code"));
    let (hidden, beside) = join(hidden, beside).await;
    assert!(hidden.is_err());
    beside.unwrap();
    assert_eq!((pinned(&store, "hidden").await, pinned(&store, "beside").await.as_deref()), (None, Some("code")));
}

#[tokio::test]
async fn missing_rights_and_tables_are_trouble_of_the_server_and_of_no_webhook() {
    let url = database();
    let store = open(&url);
    let id = given::stored(&store, "evt_1").await;
    let decide = || transact(&store, move |ledger| ledger.put_decision(&given::decision(id, DecisionState::Ignore)));
    server().sql(name(&url), "ALTER TABLE decision RENAME TO elsewhere");
    let trouble = decide().await;
    assert!(matches!(trouble, Err(StoreError::Unavailable(_))), "{trouble:?}");
    server().sql(name(&url), "ALTER TABLE elsewhere RENAME TO decision");
    decide().await.unwrap();
}

#[tokio::test]
async fn a_webhook_that_comes_twice_in_one_flush_is_kept_once() {
    let url = database();
    let store = open(&url);
    let busy = given::busy_table(&url);
    let bodies = [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()];
    let receiving = join_all(bodies.map(|body| store.receive(NewWebhook { body, ..webhook("evt_1") })));
    let (receipts, ()) = join(receiving, async { drop(busy) }).await;
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts, [Receipt::Stored, Receipt::Duplicate, Receipt::Duplicate]);
    assert_eq!(store.undecided(9).await.unwrap()[0].body, b"first");
    assert_eq!(store.life("evt_1").await.unwrap()[0].duplicates, 2);
    assert!(store.counts().await.unwrap().add_up());
}

#[tokio::test]
async fn what_postgresql_takes_in_no_text_comes_back_as_it_was() {
    let store = open(&database());
    let odd = "a\0b\u{1}c\u{1}\u{1}";
    let scope = Scope { provider: "stripe".into(), account: odd.into() };
    let body = vec![0, 255, b'{', 0xc3, 0x28];
    let sent = NewWebhook { scope, body: body.clone(), kind: odd.into(), ..webhook(odd) };
    assert_eq!(store.receive(sent.clone()).await.unwrap(), Receipt::Stored);
    assert_eq!(store.receive(webhook("evt_beside")).await.unwrap(), Receipt::Stored);
    assert_eq!(store.receive(sent).await.unwrap(), Receipt::Duplicate);

    let found = store.undecided(9).await.unwrap().remove(0);
    assert_eq!((found.event_id.as_str(), found.kind.as_str(), found.body), (odd, odd, body));
    assert_eq!(found.scope.account, odd);
    let id = found.id;
    transact(&store, move |ledger| {
        ledger.pin_code(odd, odd)?;
        ledger.settle_webhook(id, WebhookState::Unreadable, Some(odd))
    })
    .await
    .unwrap();
    assert_eq!(pinned(&store, odd).await.as_deref(), Some(odd));
    assert_eq!(store.life(odd).await.unwrap()[0].note.as_deref(), Some(odd));
}

#[tokio::test]
async fn one_that_cannot_be_kept_harms_no_other() {
    let url = database();
    let store = open(&url);
    // Longer than an index takes, and not to be compressed.
    let mut random = fastrand::Rng::with_seed(1);
    let long: String = (0..9000).map(|_| random.alphanumeric()).collect();
    let busy = given::busy_table(&url);
    let receiving =
        join_all([webhook("evt_1"), webhook(&long), webhook("evt_2")].map(|webhook| store.receive(webhook)));
    let (receipts, ()) = join(receiving, async { drop(busy) }).await;
    assert_eq!(receipts.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn what_was_answered_was_flushed_whatever_the_server_is_set_to() {
    let url = database();
    let store = open(&url);
    assert_eq!(server().sql(name(&url), "SHOW synchronous_commit"), "off");
    server().sql(
        name(&url),
        "CREATE TABLE seen (what text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE TRIGGER see AFTER INSERT OR UPDATE ON webhook FOR EACH STATEMENT EXECUTE FUNCTION see();",
    );
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| ledger.settle_webhook(id, WebhookState::Unreadable, None)).await.unwrap();
    assert_eq!(server().sql(name(&url), "SELECT count(*), min(what), max(what) FROM seen"), "2|on|on");
}

#[tokio::test]
async fn a_record_that_is_repeated_because_its_answer_was_lost_is_kept_once() {
    let store = open(&database());
    waiting(&store, &["a/1"]).await;
    let event = claim(&store, 2).await.remove(0);
    for _ in 0..2 {
        store.record(attempt(&event, 2, Then::WaitUntil(at(9)))).await.unwrap();
    }
    let again = claim(&store, 9).await.remove(0);
    assert_eq!(again.attempts, 1);
    assert_eq!(store.life("a/1").await.unwrap()[0].referral_events[0].attempts.len(), 1);
}

#[tokio::test]
async fn the_sums_stay_right_when_many_changes_are_put_together() {
    let url = database();
    let store = open(&url);
    server().sql(name(&url), "INSERT INTO tally (term, n) SELECT 'received', 0 FROM generate_series(1, 2000)");
    let receiving = join_all((0..50).map(|n| webhook(&format!("evt_{n}"))).map(|webhook| store.receive(webhook)));
    let (receipts, probe) = join(receiving, store.probe()).await;
    assert!(receipts.iter().all(Result::is_ok));
    probe.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.received, counts.undecided), (50, 50));
    assert!(server().sql(name(&url), "SELECT count(*) FROM tally").parse::<i64>().unwrap() < 1000);
}

#[tokio::test]
async fn claiming_reads_only_what_it_takes_although_the_server_remembers_a_quiet_day() {
    let url = database();
    let sql = |statements: &str| server().sql(name(&url), statements);
    let events = |state: &str, due: &str, front: bool, from: usize, to: usize| {
        sql(&format!(
            "INSERT INTO webhook (provider, account, event_id, kind, at, received_at, bytes, state)
             SELECT 'stripe', '', 'evt_' || n, 'toy', 0, 0, 0, 'mapped' FROM generate_series({from}, {to}) n;
             INSERT INTO referral_event (key, subject, trigger, webhook_id, at, created_at, first_due_at, due_at, body, front,
                state)
             SELECT event_id, event_id, 'new-signup', id, 0, 0, 0, {due}, '{{}}', {front}, '{state}' FROM webhook
             WHERE NOT EXISTS (SELECT FROM referral_event WHERE webhook_id = webhook.id)"
        ));
    };
    let read = || -> i64 {
        let read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'referral_event'";
        let scanned = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'referral_event'";
        sql(&format!("SELECT ({read}) + ({scanned})")).parse().unwrap()
    };
    sql("ALTER TABLE referral_event SET (autovacuum_enabled = off)");
    events("delivered", "NULL", false, 1, 5000);
    sql("VACUUM ANALYZE referral_event");
    events("waiting", "5000 - id", true, 5001, 10_000);
    let before = read();

    let store = open(&url);
    let wanted = Wanted { longest_due: 2, newest_due: 2, alone: true };
    let claimed = store.claim(at(0), at(60), wanted).await.unwrap();
    assert_eq!(keys(&claimed), ["evt_10000", "evt_9999", "evt_5002", "evt_5001"]);
    store.next_due().await.unwrap();
    // What it read is told when it leaves.
    drop(store);

    let read = read() - before;
    assert!(read < 100, "{read} entries were read for 4 of 5000");
}
