//! What becomes of work when the disk fails at any step of its way: at each call of a transaction, and at each page that
//! has to be written.
//!
//! Whoever was told that work is done finds it done; whoever was told of an error finds none of it, unless the flush
//! itself came through and only its answer was lost; and the thread goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

use super::super::StoreError;
use super::super::threads::{Session, Writer};
use super::file;

/// What the disk does at the step that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NotDone,
    DoneAndNotSaid,
}

/// A connection of which one step fails.
struct Failing {
    db: Connection,
    fault: Fault,
    /// How many steps there are until the one that fails; below zero when it has failed.
    steps: Arc<AtomicI32>,
}

impl Failing {
    fn step(&self, step: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.steps.fetch_sub(1, Ordering::Relaxed) != 0 {
            return step(&self.db);
        }
        if self.fault == Fault::DoneAndNotSaid {
            step(&self.db)?;
        }
        Err(StoreError::Unavailable("ordered trouble".into()))
    }
}

impl Session for Failing {
    fn begin(&self) -> Result<(), StoreError> {
        self.step(Session::begin)
    }
    fn begin_reading(&self) -> Result<(), StoreError> {
        self.step(Session::begin_reading)
    }
    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
    fn savepoint(&self) -> Result<(), StoreError> {
        self.step(Session::savepoint)
    }
    fn release(&self) -> Result<(), StoreError> {
        self.step(Session::release)
    }
    fn undo(&self) -> Result<(), StoreError> {
        self.step(Session::undo)
    }
    fn commit(&self) -> Result<(), StoreError> {
        self.step(Session::commit)
    }
    fn roll_back(&self) -> Result<(), StoreError> {
        self.step(Session::roll_back)
    }
    fn close(self) {
        Session::close(self.db);
    }
}

/// Three pieces of work that share a transaction; the one in the middle is half done when it fails.
const WORK: [&str; 3] = [
    "INSERT INTO pinned_code VALUES ('first', 'code')",
    "INSERT INTO pinned_code VALUES ('half', 'code'); INSERT INTO nowhere VALUES (1)",
    "INSERT INTO pinned_code VALUES ('last', 'code')",
];

/// Queues all of it behind something that keeps the writer busy.
async fn together<S: Session>(
    writer: &Writer<S>,
    work: [&'static str; 3],
    db: fn(&S) -> &Connection,
) -> Vec<Result<(), StoreError>> {
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let busy = writer.run(move |_| {
        let _ = begun.send(());
        let _ = gate.recv();
        Ok(())
    });
    let all = async {
        // When even this could not be begun, nothing keeps the writer busy.
        let _ = has_begun.await;
        let work = work.into_iter().map(|sql| writer.run(move |session| Ok(db(session).execute_batch(sql)?)));
        tokio::join!(futures_util::future::join_all(work), async { drop(open) }).0
    };
    tokio::join!(busy, all).1
}

async fn pinned<S: Session>(writer: &Writer<S>, db: fn(&S) -> &Connection) -> Vec<String> {
    let pinned = writer.run(move |session| {
        let mut rows = db(session).prepare("SELECT user_id FROM pinned_code ORDER BY user_id")?;
        let names = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    });
    pinned.await.unwrap()
}

#[tokio::test]
async fn at_whichever_step_the_disk_fails_what_was_said_is_true_and_the_writer_goes_on() {
    let failing: fn(&Failing) -> &Connection = |session| &session.db;
    for fault in [Fault::NotDone, Fault::DoneAndNotSaid] {
        let mut steps = 0;
        loop {
            let left = Arc::new(AtomicI32::new(steps));
            let session = {
                let steps = left.clone();
                move || Ok(Failing { db: file::in_memory()?, fault, steps })
            };
            let writer = Writer::start(session).unwrap();

            let told = together(&writer, WORK, failing).await;
            let reached = left.swap(-1, Ordering::Relaxed) < 0;
            let there = pinned(&writer, failing).await;

            let place = format!("{fault:?} at step {steps}: {told:?} {there:?}");
            assert!(told[1].is_err() && !there.iter().any(|name| name == "half"), "{place}");
            for (name, told) in [("first", &told[0]), ("last", &told[2])] {
                let is_there = there.iter().any(|it| it == name);
                assert!(is_there || told.is_err(), "lost: {place}");
                assert!(!is_there || told.is_ok() || fault == Fault::DoneAndNotSaid, "told otherwise: {place}");
            }
            if !reached {
                break;
            }
            steps += 1;
        }
        assert!(steps > 10, "{steps}");
    }
}

#[tokio::test]
async fn at_whichever_page_the_disk_is_full_what_was_said_is_true_and_the_file_stays_whole() {
    const LARGE: [&str; 3] = [
        "INSERT INTO pinned_code VALUES ('a', hex(randomblob(20000)))",
        "INSERT INTO pinned_code VALUES ('b', hex(randomblob(20000)))",
        "INSERT INTO pinned_code VALUES ('c', hex(randomblob(20000)))",
    ];
    let same: fn(&Connection) -> &Connection = |session| session;
    let folder = tempfile::tempdir().unwrap();
    let opened = file::claim(&folder.path().join("relay.db"), true).unwrap();
    let (mut pages, mut kept) = (0, 0);
    while kept < 3 {
        let db = file::writing(&opened).unwrap();
        let used: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        db.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(())).unwrap();
        let writer = Writer::start(move || Ok(db)).unwrap();

        let told = together(&writer, LARGE, same).await;

        let there = pinned(&writer, same).await;
        let said: Vec<&str> =
            ["a", "b", "c"].into_iter().zip(&told).filter(|(_, told)| told.is_ok()).map(|(name, _)| name).collect();
        assert_eq!(there, said, "with room for {pages} pages: {told:?}");
        assert!(told.iter().all(|told| matches!(told, Ok(()) | Err(StoreError::Unavailable(_)))), "{told:?}");
        let whole = |db: &Connection| -> Result<String, StoreError> {
            db.execute_batch("DELETE FROM pinned_code")?;
            Ok(db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
        };
        assert_eq!(writer.run(whole).await.unwrap(), "ok");
        (pages, kept) = (pages + 1, said.len());
    }
    assert!(pages > 10, "{pages}");
}
