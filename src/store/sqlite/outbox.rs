//! The rows of the outbox, and what takes the place of a refused body.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::outbox::{Rows, start_afresh};
use super::super::statements::{
    BLOCKED, FREE_KEY, KEEP_BODY, OF_FORMER_BODY, OPEN_REFUNDS, REPLACE, STORED_EVENT, WAITS_FOR_SIGNUP,
};
use super::super::{Blocked, ByPerson, EventState, NewReferralEvent, StoreError, StoredEvent, signup_passed};
use super::decisions::{add_warning, mention};
use super::values::{count, millis, optional_size, optional_time};

// The indexes are named, because SQLite, knowing nothing of how many there are, would rather look through all that wait.
pub(super) const FRONT: &str = "SELECT id, state FROM referral_event INDEXED BY referral_event_front
    WHERE subject = ?1 AND front = 1";
pub(super) const FIRST_WAITING: &str = "SELECT id FROM referral_event INDEXED BY referral_event_next
    WHERE subject = ?1 AND state = 'waiting' AND blocked_by IS NULL ORDER BY id LIMIT 1";
pub(super) const OVERDUE: &str =
    "SELECT min(first_due_at) AS since FROM referral_event INDEXED BY referral_event_overdue
    WHERE state = 'waiting' AND blocked_by IS NULL";

impl Rows for Connection {
    fn state(&self, id: i64) -> Result<Option<EventState>, StoreError> {
        let mut statement = self.prepare_cached("SELECT state FROM referral_event WHERE id = ?1")?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?)
    }

    fn set_state(&self, id: i64, to: EventState, due_at: Option<i64>) -> Result<String, StoreError> {
        let mut statement = self.prepare_cached(
            "UPDATE referral_event SET state = ?2, due_at = ?3, lease_until = NULL, blocked_by = NULL,
                front = CASE WHEN ?2 = 'waiting' THEN front ELSE 0 END WHERE id = ?1 RETURNING subject",
        )?;
        Ok(statement.query_row(params![id, to, due_at], |row| row.get(0))?)
    }

    fn block(&self, statement: &'static str, id: i64, at: i64) -> Result<Vec<String>, StoreError> {
        let mut statement = self.prepare_cached(statement)?;
        let subjects = statement.query_map([at, id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(subjects)
    }

    fn front(&self, subject: &str) -> Result<Option<(i64, EventState)>, StoreError> {
        let mut statement = self.prepare_cached(FRONT)?;
        Ok(statement.query_row([subject], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn first_waiting(&self, subject: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.prepare_cached(FIRST_WAITING)?.query_row([subject], |row| row.get(0)).optional()?)
    }

    fn set_front(&self, id: i64, is_front: bool) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached("UPDATE referral_event SET front = ?2 WHERE id = ?1")?;
        statement.execute(params![id, is_front])?;
        Ok(())
    }

    fn forget_attempts(&self, id: i64, due_at: i64) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(
            "UPDATE referral_event SET attempts = 0, first_attempt_at = NULL, deaths = 0, first_due_at = ?2
             WHERE id = ?1",
        )?;
        statement.execute([id, due_at])?;
        Ok(())
    }

    fn open_refunds(&self, purchase: i64) -> Result<Vec<(i64, EventState)>, StoreError> {
        let mut statement = self.prepare_cached(OPEN_REFUNDS)?;
        let refunds = statement.query_map([purchase], |row| Ok((row.get("id")?, row.get("state")?)))?;
        Ok(refunds.collect::<Result<_, _>>()?)
    }

    fn put_discarded(&self, id: i64, ByPerson { by, reason }: &ByPerson, at: i64) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(
            "UPDATE referral_event SET discarded_by = ?2, discard_reason = ?3, discarded_at = ?4 WHERE id = ?1",
        )?;
        statement.execute(params![id, by, reason, at])?;
        Ok(())
    }

    fn put_confirmed(&self, id: i64, ByPerson { by, reason }: &ByPerson, at: i64) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(
            "UPDATE referral_event SET confirmed_by = ?2, confirm_reason = ?3, confirmed_at = ?4 WHERE id = ?1",
        )?;
        statement.execute(params![id, by, reason, at])?;
        Ok(())
    }

    fn waiting_for_signup(&self, before: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.prepare_cached(WAITS_FOR_SIGNUP)?;
        let events = statement.query_map([before, count(limit)], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(events)
    }

    fn put_signup_passed(&self, id: i64, at: i64) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(
            "UPDATE referral_event SET passed_signup_at = ?2 WHERE id = ?1 RETURNING webhook_id, key",
        )?;
        let (webhook, key): (i64, String) =
            statement.query_row([id, at], |row| Ok((row.get("webhook_id")?, row.get("key")?)))?;
        add_warning(self, webhook, &key, signup_passed())
    }
}

pub fn blocked(db: &Connection) -> Result<Blocked, StoreError> {
    let blocked = db
        .prepare_cached(BLOCKED)?
        .query_row([], |row| Ok(Blocked { events: row.get("n")?, since: optional_time(row, "since")? }))?;
    Ok(blocked)
}

pub fn overdue_since(db: &Connection) -> Result<Option<Timestamp>, StoreError> {
    Ok(db.prepare_cached(OVERDUE)?.query_row([], |row| optional_time(row, "since"))?)
}

/// An event as far as deciding it anew needs.
pub fn event(db: &Connection, id: i64) -> Result<Option<StoredEvent>, StoreError> {
    let event = db
        .prepare_cached(STORED_EVENT)?
        .query_row([id], |row| {
            Ok(StoredEvent {
                id,
                key: row.get("key")?,
                subject: row.get("subject")?,
                trigger: row.get("trigger")?,
                webhook_id: row.get("webhook_id")?,
                fact: optional_size(row, "fact")?,
                state: row.get("state")?,
                price: row.get("price")?,
                currency: row.get("currency")?,
                user_id: row.get("user_id")?,
                organization_id: row.get("organization_id")?,
                contribution: row.get("contribution")?,
                body: row.get("body")?,
                was_unsure: row.get("was_unsure")?,
            })
        })
        .optional()?;
    Ok(event)
}

/// Puts what was decided now in the place of what was decided then, keeps the old body, and starts afresh.
pub fn replace(db: &Connection, id: i64, event: &NewReferralEvent, by: &str, now: Timestamp) -> Result<(), StoreError> {
    db.prepare_cached(KEEP_BODY)?.execute(params![millis(now), by, id])?;
    let (was, goes_without_signup): (EventState, bool) = db.prepare_cached(REPLACE)?.query_row(
        params![
            millis(event.at),
            event.invoice_id,
            event.subscription_id,
            event.price,
            event.currency,
            event.ucc,
            event.customer,
            event.contribution,
            event.body,
            event.after.purchase,
            id,
        ],
        |row| Ok((row.get("state")?, row.get("goes_without_signup")?)),
    )?;
    if goes_without_signup {
        add_warning(db, event.webhook_id, &event.key, signup_passed())?;
    }
    for name in event.invoice_id.iter().chain(&event.customer) {
        mention(db, event.webhook_id, name)?;
    }
    start_afresh(db, id, was, now, now)
}

/// Lets another event have the key of a discarded one.
pub fn free_key(db: &Connection, id: i64, now: Timestamp) -> Result<(), StoreError> {
    db.prepare_cached(FREE_KEY)?.execute([millis(now), id])?;
    Ok(())
}

/// Whether a claim was one of a body that another has taken the place of.
pub fn is_of_former_body(db: &Connection, id: i64, lease: i64) -> Result<bool, StoreError> {
    Ok(db.prepare_cached(OF_FORMER_BODY)?.exists([id, lease])?)
}
