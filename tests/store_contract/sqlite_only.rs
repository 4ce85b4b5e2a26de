//! What only a file can be asked: that it is there afterwards, and that the wrong one is refused.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cello_relay::store::{
    Counts, DecisionRecord, DecisionState, Erasing, NewWebhook, Receipt, Recovered, Sqlite, Store, StoreError, Then,
    Wanted, WebhookState,
};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::given::{self, AnyStore, at, claim, keys, stored, transact, try_one, url, waiting, webhook};

#[tokio::test]
async fn what_was_answered_is_in_the_files_already() {
    let (store, folder) = given::on_file();
    store.receive(webhook("evt_1")).await.unwrap();

    // As after a crash: the files as they are, while the store is still open.
    let after = tempfile::tempdir().unwrap();
    for name in ["relay.db", "relay.db-wal"] {
        fs::copy(folder.path().join(name), after.path().join(name)).unwrap();
    }
    let found = Sqlite::open(&url(&after), true).unwrap().undecided(9).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event_id, "evt_1");
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_and_opens_again_as_it_was() {
    let (store, folder) = given::on_file();
    waiting(&store, &["a/1"]).await;
    drop(store);
    assert!(!folder.path().join("relay.db-wal").exists());

    let store: AnyStore = Arc::new(Sqlite::open(&url(&folder), true).unwrap());
    assert_eq!(keys(&claim(&store, 2).await), ["a/1"]);
}

#[tokio::test]
async fn what_is_queued_when_the_store_is_dropped_is_still_done() {
    let (store, folder) = given::on_file();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move {
            let busy = store.transact(Box::new(move |_| {
                begun.send(()).unwrap();
                gate.recv().unwrap();
                Ok(())
            }));
            tokio::join!(busy, store.receive(webhook("evt_1")))
        }
    });
    has_begun.await.unwrap();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    open.send(()).unwrap();
    drop(store);
    let found = Sqlite::open(&url(&folder), true).unwrap().undecided(9).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn only_one_process_serves_but_commands_share_the_file() {
    let (serving, folder) = given::on_file();
    assert!(matches!(Sqlite::open(&url(&folder), true), Err(StoreError::InUse { .. })));

    let command: AnyStore = Arc::new(Sqlite::open(&url(&folder), false).unwrap());
    stored(&serving, "evt_1").await;
    assert_eq!(command.undecided(9).await.unwrap().len(), 1);
    transact(&command, |ledger| ledger.pin_code("user", "code")).await.unwrap();
    let code = transact(&serving, |ledger| ledger.pinned_code("user")).await.unwrap();
    assert_eq!(code.as_deref(), Some("code"));

    drop(serving);
    Sqlite::open(&url(&folder), true).expect("the lock ends with its holder");
}

#[cfg(unix)]
#[test]
fn another_name_of_the_same_file_meets_the_same_lock() {
    let (_serving, folder) = given::on_file();
    let other = folder.path().join("other.db");
    std::os::unix::fs::symlink(folder.path().join("relay.db"), &other).unwrap();
    assert!(matches!(Sqlite::open(&format!("sqlite:{}", other.display()), true), Err(StoreError::InUse { .. })));
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_only() {
    let (_store, folder) = given::on_file();
    for name in ["relay.db", "relay.db-wal", "relay.db.lock"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn both_ways_to_write_an_address_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    Sqlite::open(&format!("sqlite://{}", path.display()), true).unwrap().probe().await.unwrap();
    assert!(path.exists());
    Sqlite::open("sqlite::memory:", true).unwrap().probe().await.unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (store, folder) = given::on_file();
    drop(store);
    sql(&folder.path().join("relay.db"), "PRAGMA user_version = 999");
    let before = fs::read(folder.path().join("relay.db")).unwrap();
    assert!(matches!(Sqlite::open(&url(&folder), true), Err(StoreError::TooNew { found: 999, known }) if known < 999));
    assert_eq!(fs::read(folder.path().join("relay.db")).unwrap(), before);
}

#[test]
fn what_cannot_be_used_is_refused_with_the_path_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.db"), "not a database, but long enough to be mistaken for one").unwrap();
    fs::create_dir(folder.path().join("folder.db")).unwrap();
    sql(&folder.path().join("foreign.db"), "CREATE TABLE t (x); PRAGMA user_version = 3");
    for (name, problem) in [
        ("text.db", "it is not a database"),
        ("folder.db", "it is a folder"),
        ("foreign.db", "a database of another program"),
        ("missing/relay.db", "create it"),
    ] {
        let path = folder.path().join(name);
        let message = Sqlite::open(&format!("sqlite:{}", path.display()), true).err().unwrap().to_string();
        assert!(message.contains(problem) && message.contains(&path.display().to_string()), "{message}");
    }
    assert!(!folder.path().join("missing").exists());
    let message = Sqlite::open("mysql://relay:hunter2@host/relay", true).err().unwrap().to_string();
    assert!(message.contains("neither `sqlite:` nor `postgres://`") && !message.contains("hunter2"), "{message}");
}

/// A file with enough in it that most of its pages are bodies.
async fn filled() -> TempDir {
    let (store, folder) = given::on_file();
    for n in 0..20 {
        store.receive(NewWebhook { body: vec![b'x'; 20_000], ..webhook(&format!("evt_{n}")) }).await.unwrap();
    }
    folder
}

/// Writes over the last pages, as a bad disk would.
fn damage(folder: &TempDir) {
    let file = fs::File::options().write(true).open(folder.path().join("relay.db")).unwrap();
    for page in 60..file.metadata().unwrap().len() / 4096 {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_by_who_serves_with_what_is_wrong_and_what_to_do() {
    for what in ["overwritten", "half a copy", "without a head"] {
        let folder = filled().await;
        let file = fs::File::options().write(true).open(folder.path().join("relay.db")).unwrap();
        match what {
            "overwritten" => damage(&folder),
            "half a copy" => file.set_len(file.metadata().unwrap().len() / 8192 * 4096).unwrap(),
            _ => file.write_all_at(&[0; 100], 0).unwrap(),
        }

        let message = Sqlite::open(&url(&folder), true).err().expect(what).to_string();

        let path = folder.path().join("relay.db").display().to_string();
        assert!(message.starts_with(&format!("the store cannot be opened at {path}: ")), "{what}: {message}");
        let said = message.contains("it is damaged (") && message.ends_with("; restore a backup");
        assert!(said || message.contains("it is not a database"), "{what}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[tokio::test]
async fn damage_that_is_met_while_it_runs_is_an_error_that_says_so_and_the_rest_goes_on() {
    let folder = filled().await;
    let store = Sqlite::open(&url(&folder), true).unwrap();
    damage(&folder);

    let Err(StoreError::Damaged(message)) = store.webhooks_after(0, 100).await else { panic!("it was read") };
    assert!(message.contains("malformed") && message.ends_with("stop the relay and restore a backup"), "{message}");

    assert!(store.counts().await.unwrap().add_up(), "what is not damaged is still told");
}

#[test]
fn a_command_does_not_create_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let message = Sqlite::open(&url(&folder), false).err().unwrap().to_string();
    assert!(message.contains("no such file"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_address_is_refused_without_repeating_it() {
    for address in ["postgres://user:hunter2@host/db", "sqlite:", "sqlite:relay.db?mode=hunter2", "hunter2"] {
        let message = Sqlite::open(address, true).err().unwrap().to_string();
        assert!(message.contains("database_url") && !message.contains("hunter2"), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_file_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions stop everybody but root; the kernel's own folder takes no file of root's either.
    let is_root = fs::write(folder.path().join("try"), "").is_ok();
    let (place, reason) =
        if is_root { (Path::new("/proc"), "No such file or directory") } else { (folder.path(), "Permission denied") };
    let path = place.join("relay.db").display().to_string();
    let message = Sqlite::open(&format!("sqlite:{path}"), true).err().unwrap().to_string();
    assert!(message.contains(reason) && message.contains(&path), "{message}");
}

#[tokio::test]
async fn of_many_waiting_events_each_subjects_first_is_claimed() {
    let (store, _folder) = given::on_file();
    let webhook = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        for n in 0..10_000 {
            ledger.add_referral_event(&given::event(webhook, "one", &format!("one/{n}")))?;
            ledger.add_referral_event(&given::event(webhook, &format!("s{}", n % 100), &format!("many/{n}")))?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let heads = store.claim(at(2), at(62), Wanted::longest_due(1000)).await.unwrap();
    assert_eq!(heads.len(), 101);
    assert_eq!(heads[0].key, "one/0");
}

fn sql(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

#[tokio::test]
async fn what_is_erased_is_gone_from_the_file() {
    let (store, folder) = given::on_file();
    let secret = "somebody@example.com".repeat(1000).into_bytes();
    store.receive(NewWebhook { body: secret, ..webhook("evt_1") }).await.unwrap();
    let id = store.undecided(1).await.unwrap()[0].id;
    transact(&store, move |ledger| {
        let nothing = DecisionRecord { fact_kind: String::new(), ..given::decision(id, DecisionState::Ignore) };
        ledger.put_decision(&nothing)?;
        ledger.settle_webhook(id, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    let erasing = Erasing { before: at(2), after: None, limit: 9, reasons: vec![], reasons_of_strangers: vec![] };
    assert_eq!(store.erase_bodies(erasing, at(100)).await.unwrap().bodies, 1);
    drop(store);
    let file = fs::read(folder.path().join("relay.db")).unwrap();
    assert!(!file.windows(8).any(|bytes| bytes == b"somebody"));
    assert!(file.windows(5).any(|bytes| bytes == b"evt_1"));
}

fn back_up(folder: &TempDir) -> (Result<Counts, StoreError>, PathBuf) {
    let to = folder.path().join("copy.db");
    (Sqlite::back_up(&url(folder), &to, at(50)), to)
}

/// The copy in a folder of its own, as after a restore.
fn restored(copy: &Path) -> (AnyStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(copy, folder.path().join("relay.db")).unwrap();
    (Arc::new(Sqlite::open(&url(&folder), true).unwrap()), folder)
}

#[tokio::test]
async fn a_backup_is_made_while_the_store_is_open_and_holds_everything_up_to_then() {
    let (store, folder) = given::on_file();
    waiting(&store, &["a/1"]).await;
    try_one(&store, 3, Then::Delivered).await;
    stored(&store, "evt_1").await;
    let (copied, copy) = back_up(&folder);
    assert_eq!(copied.unwrap(), store.counts().await.unwrap());
    stored(&store, "evt_after").await;

    let (again, _folder) = restored(&copy);
    assert_eq!(again.life("evt_1").await.unwrap().len(), 1);
    assert_eq!(again.life("evt_after").await.unwrap().len(), 0);
    assert_eq!(again.receive(webhook("evt_1")).await.unwrap(), Receipt::Duplicate);
    assert_eq!(again.counts().await.unwrap().delivered, 1);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600, "it is for its owner only");
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_leaves_none_where_it_fails() {
    let (_store, folder) = given::on_file();
    fs::write(folder.path().join("copy.db"), "mine").unwrap();
    let (refused, copy) = back_up(&folder);
    assert!(refused.unwrap_err().to_string().contains("there is such a file already"));
    assert_eq!(fs::read(&copy).unwrap(), b"mine");

    let nowhere = folder.path().join("no/folder.db");
    let refused = Sqlite::back_up(&url(&folder), &nowhere, at(50)).unwrap_err().to_string();
    assert!(refused.contains("no copy can be made at") && refused.contains("is there such a folder"), "{refused}");
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("partial")));
}

#[tokio::test]
async fn a_backup_whose_name_is_not_utf_8_is_refused_and_not_made_under_another() {
    use std::os::unix::ffi::OsStrExt;
    let folder = filled().await;
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join(std::ffi::OsStr::from_bytes(b"copy\xff.db"));
    let refused = Sqlite::back_up(&url(&folder), &copy, at(0)).unwrap_err().to_string();
    assert!(refused.contains("in UTF-8 only"), "{refused}");
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_backup_that_another_one_is_making_is_left_alone() {
    let (_store, folder) = given::on_file();
    let other = folder.path().join("copy.db.partial");
    fs::write(&other, "half").unwrap();
    let refused = back_up(&folder).0.unwrap_err().to_string();
    assert!(refused.contains("another copy is being made, or one broke off"), "{refused}");
    assert_eq!(fs::read(&other).unwrap(), b"half");
}

#[tokio::test]
async fn what_waited_in_a_backup_is_unsure_once_and_what_comes_later_is_not() {
    let (store, folder) = given::on_file();
    waiting(&store, &["a/1", "a/2", "b/3"]).await;
    let (copied, copy) = back_up(&folder);
    copied.unwrap();

    let (held, _folder) = restored(&copy);
    assert_eq!(held.recover(Timestamp::MAX, 1).await.unwrap().unsure.len(), 3);
    let counts = held.counts().await.unwrap();
    assert!(counts.add_up());
    assert_eq!((counts.waiting, counts.unsure), (0, 3));
    let told = held.life("evt_a/1+a/2+b/3").await.unwrap().remove(0).referral_events.remove(0).attempts.remove(0);
    assert_eq!((told.outcome.as_str(), told.at), ("unsure", at(50)));
    waiting(&held, &["c/4"]).await;
    assert_eq!(
        held.recover(Timestamp::MAX, 1).await.unwrap(),
        Recovered::default(),
        "the next start is an ordinary one"
    );

    let (sent_again, _folder) = restored(&copy);
    assert_eq!(sent_again.recover(Timestamp::MAX, 3).await.unwrap().waiting, 3);
    assert_eq!(keys(&claim(&sent_again, 2).await), ["a/1", "b/3"], "in order, as before");
}

#[tokio::test]
async fn a_backup_beside_the_log_of_what_was_there_before_is_refused() {
    let (store, folder) = given::on_file();
    stored(&store, "evt_1").await;
    let (_, copy) = back_up(&folder);
    let after = tempfile::tempdir().unwrap();
    fs::copy(&copy, after.path().join("relay.db")).unwrap();
    fs::copy(folder.path().join("relay.db-wal"), after.path().join("relay.db-wal")).unwrap();
    let refused = Sqlite::open(&url(&after), true).err().unwrap().to_string();
    assert!(refused.contains("relay.db-wal beside it belongs to the file that was there before"), "{refused}");
}
