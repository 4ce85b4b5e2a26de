//! A store for deciding webhooks that nobody will deliver or look for afterwards, such as those of `map`.
//!
//! It has the tables of the real one, and deciding cannot tell the difference. But it lives in a temporary file that
//! SQLite removes when it ends, however that happens; it flushes nothing, and its memory is bounded however many
//! webhooks there are. It has no queue to send from and no history, so it is no [`Store`](super::super::Store), and
//! must never be made one: nothing in it survives.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::super::{DecisionState, Ledger, NewWebhook, Receipt, StoreError, Webhook};
use super::ledger::Books;
use super::values::size;
use super::{file, webhooks};

/// Webhooks in one transaction: enough that its end costs little, few enough that what it may have to undo fits into
/// memory.
const BATCH: usize = 512;

/// An open scratch store. Dropping it is the end of all it holds.
pub struct Scratch {
    db: Connection,
    /// Webhooks in the transaction that is open.
    open: usize,
    /// Whether the disk was full: SQLite has then undone more than the webhook under way.
    lost: bool,
}

/// How many decisions there are of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionCount {
    pub state: DecisionState,
    /// Reason code, of what is held or ignored.
    pub reason: Option<String>,
    pub count: usize,
}

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// When SQLite finds no folder for temporary files: it looks at `SQLITE_TMPDIR`, `TMPDIR`, `/var/tmp` and `/tmp`.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { db: file::scratch()?, open: 0, lost: false })
    }

    /// Takes a webhook and decides it in one piece: when `work` fails or panics, it is as if the webhook had never
    /// come. `None` for one that came before, which is not decided again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the temporary file cannot be written: nothing can be decided any more, since
    /// what earlier webhooks told may be gone. Any other concerns this webhook alone.
    pub fn decide<T>(
        &mut self,
        webhook: NewWebhook,
        work: impl FnOnce(&mut dyn Ledger, &Webhook) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.begin()?;
        self.db.prepare_cached("SAVEPOINT webhook")?.execute([])?;
        // Nothing the work touched is looked at after a panic but the connection, whose writes are undone.
        let outcome = catch_unwind(AssertUnwindSafe(|| take(&self.db, webhook, work)));
        let outcome = outcome.unwrap_or(Err(StoreError::Panicked));
        if self.db.is_autocommit() {
            self.lost = true;
        }
        if self.lost {
            return Err(lost());
        }
        if outcome.is_err() {
            self.db.prepare_cached("ROLLBACK TO webhook")?.execute([])?;
        }
        self.db.prepare_cached("RELEASE webhook")?.execute([])?;
        self.open += 1;
        outcome
    }

    /// The decisions as they stand, by state and reason. Looks at every one.
    pub fn decisions(&self) -> Result<Vec<DecisionCount>, StoreError> {
        let mut statement =
            self.db.prepare_cached("SELECT state, reason, count(*) AS n FROM decision GROUP BY state, reason")?;
        let counts = statement.query_map([], |row| {
            Ok(DecisionCount { state: row.get("state")?, reason: row.get("reason")?, count: size(row, "n")? })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// Sees that a transaction is open, and not for too long.
    fn begin(&mut self) -> Result<(), StoreError> {
        if self.lost {
            return Err(lost());
        }
        if self.open == BATCH {
            self.db.execute_batch("COMMIT")?;
            self.open = 0;
        }
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN")?;
        }
        Ok(())
    }
}

fn lost() -> StoreError {
    let problem = "its temporary file cannot be written; free some space, or name a folder with more in `TMPDIR`";
    StoreError::Unavailable(problem.to_owned())
}

fn take<T>(
    db: &Connection,
    new: NewWebhook,
    work: impl FnOnce(&mut dyn Ledger, &Webhook) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    if webhooks::receive(db, &new)? == Receipt::Duplicate {
        return Ok(None);
    }
    let webhook = webhooks::as_stored(db.last_insert_rowid(), new);
    let outcome = work(&mut Books(db), &webhook)?;
    forget_body(db, webhook.id)?;
    Ok(Some(outcome))
}

/// A body is only read again for a fact that waits, or that may yet be decided otherwise.
fn forget_body(db: &Connection, webhook: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM webhook_body WHERE webhook_id = ?1 AND NOT EXISTS
            (SELECT 1 FROM decision WHERE webhook_id = ?1 AND topic IS NOT NULL AND state <> 'send')",
    )?
    .execute([webhook])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::super::{DecisionRecord, WebhookState};
    use super::*;
    use crate::facts::Scope;
    use crate::trace::Trace;

    fn webhook(event_id: &str) -> NewWebhook {
        NewWebhook {
            scope: Scope { provider: "stripe".into(), account: String::new() },
            event_id: event_id.to_owned(),
            kind: "invoice.paid".to_owned(),
            mode: None,
            at: "2026-11-21T08:31:24.007009Z".parse().unwrap(),
            received_at: Timestamp::UNIX_EPOCH,
            body: event_id.as_bytes().to_vec(),
        }
    }

    /// What waits for `topic` is held, and what waits for nothing ignored.
    fn decision(webhook: &Webhook, topic: Option<&str>) -> DecisionRecord {
        DecisionRecord {
            webhook_id: webhook.id,
            fact: 0,
            fact_kind: "invoice-paid".to_owned(),
            at: webhook.at,
            customer: None,
            key: Some(format!("purchase:{}", webhook.event_id)),
            mentions: vec!["in_1".to_owned()],
            state: if topic.is_some() { DecisionState::Hold } else { DecisionState::Ignore },
            rule: None,
            reason: Some("reason".to_owned()),
            message: String::new(),
            warnings: vec![],
            trace: Trace::default(),
            topic: topic.map(str::to_owned),
            other_topic: None,
            deadline: None,
            look_up_at: None,
            decided_at: webhook.at,
        }
    }

    /// Decides one webhook, held where there is a `topic`; returns its number.
    fn decided(scratch: &mut Scratch, event_id: &str, topic: Option<&str>) -> Option<i64> {
        let work = |ledger: &mut dyn Ledger, webhook: &Webhook| {
            ledger.put_decision(&decision(webhook, topic))?;
            let state = if topic.is_some() { WebhookState::Held } else { WebhookState::Ignored };
            ledger.settle_webhook(webhook.id, state, None)?;
            Ok(webhook.id)
        };
        scratch.decide(webhook(event_id), work).unwrap()
    }

    /// Runs `ask` as the work of some other webhook.
    fn asked<T>(scratch: &mut Scratch, ask: impl FnOnce(&mut dyn Ledger) -> Result<T, StoreError>) -> T {
        let event_id = format!("evt_asks_{}", scratch.open);
        scratch.decide(webhook(&event_id), |ledger, _| ask(ledger)).unwrap().unwrap()
    }

    #[test]
    fn what_waits_is_found_with_its_body_as_it_was_given_and_other_bodies_are_gone() {
        let mut scratch = Scratch::new().unwrap();
        let mut given = None;
        scratch
            .decide(webhook("evt_held"), |ledger, webhook| {
                given = Some(format!("{webhook:?}"));
                ledger.put_decision(&decision(webhook, Some("customer:cus_1")))
            })
            .unwrap();
        let done = decided(&mut scratch, "evt_done", None).unwrap();

        let (waiting, found, gone) = asked(&mut scratch, |ledger| {
            let waiting = ledger.waiting_for("customer:cus_1")?;
            Ok((waiting.len(), ledger.webhook(waiting[0].webhook_id)?, ledger.webhook(done)?))
        });
        assert_eq!((waiting, found.map(|webhook| format!("{webhook:?}"))), (1, given));
        assert!(gone.is_none());
        assert_eq!(asked(&mut scratch, |ledger| ledger.decision_on("purchase:evt_done")), Some(DecisionState::Ignore));
    }

    #[test]
    fn a_webhook_that_comes_again_is_not_decided_again() {
        let mut scratch = Scratch::new().unwrap();
        assert!(decided(&mut scratch, "evt_1", None).is_some());
        assert!(decided(&mut scratch, "evt_1", None).is_none());
        let counts = scratch.decisions().unwrap();
        let expected = DecisionCount { state: DecisionState::Ignore, reason: Some("reason".into()), count: 1 };
        assert_eq!(counts, [expected]);
    }

    #[test]
    fn work_that_fails_or_panics_leaves_nothing_of_its_webhook_and_all_of_the_others() {
        let mut scratch = Scratch::new().unwrap();
        decided(&mut scratch, "evt_before", None);
        let failed = scratch.decide(webhook("evt_1"), |ledger, webhook| {
            ledger.put_decision(&decision(webhook, None))?;
            Err::<(), _>(StoreError::Damaged("on purpose".into()))
        });
        assert!(matches!(failed, Err(StoreError::Damaged(_))), "{failed:?}");
        let panicked = scratch.decide(webhook("evt_1"), |ledger, webhook| {
            ledger.put_decision(&decision(webhook, None))?;
            if webhook.id > 0 { panic!("on purpose") } else { Ok(()) }
        });
        assert!(matches!(panicked, Err(StoreError::Panicked)), "{panicked:?}");
        assert_eq!(scratch.decisions().unwrap()[0].count, 1, "that of the one before");
        assert!(decided(&mut scratch, "evt_1", None).is_some(), "it was never there");
    }

    #[test]
    fn a_disk_that_is_full_ends_it_and_nothing_is_decided_on_half_a_directory() {
        let mut scratch = Scratch::new().unwrap();
        decided(&mut scratch, "evt_before", None);
        scratch.db.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
        let long = NewWebhook { body: vec![b'x'; 1 << 20], ..webhook("evt_1") };
        let full = scratch.decide(long, |_, _| Ok(()));
        assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    }

    #[test]
    fn transactions_end_now_and_then_and_nothing_is_lost_between_them() {
        let mut scratch = Scratch::new().unwrap();
        for number in 0..2 * BATCH + 10 {
            decided(&mut scratch, &format!("evt_{number}"), None);
            assert!(scratch.open <= BATCH);
        }
        assert_eq!(scratch.decisions().unwrap()[0].count, 2 * BATCH + 10);
    }
}
