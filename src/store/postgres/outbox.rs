//! The rows of the outbox, and what takes the place of a refused body.

use jiff::Timestamp;

use super::super::outbox::{Rows, start_afresh};
use super::super::statements::{
    BLOCKED, FREE_KEY, KEEP_BODY, OF_FORMER_BODY, OPEN_REFUNDS, REPLACE, STORED_EVENT, WAITS_FOR_SIGNUP,
};
use super::super::{Blocked, ByPerson, EventState, NewReferralEvent, StoreError, StoredEvent, signup_passed};
use super::decisions::{add_warning, mention_all};
use super::session::Session;
use super::values::{Row, args, count, millis, number, optional_time};

impl Rows for Session {
    fn state(&self, id: i64) -> Result<Option<EventState>, StoreError> {
        let row = self.query_one("SELECT state FROM referral_event WHERE id = $1", args![id])?;
        row.map(|row| row.get("state")).transpose()
    }

    fn set_state(&self, id: i64, to: EventState, due_at: Option<i64>) -> Result<String, StoreError> {
        let row = self.query_one(
            "UPDATE referral_event SET state = $2, due_at = $3, lease_until = NULL, blocked_by = NULL,
                front = front AND $4 WHERE id = $1 RETURNING subject",
            args![id, to, due_at, to == EventState::Waiting],
        )?;
        row.ok_or_else(|| missing(id))?.get("subject")
    }

    fn block(&self, statement: &'static str, id: i64, at: i64) -> Result<Vec<String>, StoreError> {
        self.query(statement, args![at, id])?.iter().map(|row| row.get("subject")).collect()
    }

    fn front(&self, subject: &str) -> Result<Option<(i64, EventState)>, StoreError> {
        let row =
            self.query_one("SELECT id, state FROM referral_event WHERE subject = $1 AND front", args![subject])?;
        row.map(|row| Ok((row.get("id")?, row.get("state")?))).transpose()
    }

    fn first_waiting(&self, subject: &str) -> Result<Option<i64>, StoreError> {
        let row = self.query_one(
            "SELECT id FROM referral_event WHERE subject = $1 AND state = 'waiting' AND blocked_by IS NULL
             ORDER BY id LIMIT 1",
            args![subject],
        )?;
        row.map(|row| row.get("id")).transpose()
    }

    fn set_front(&self, id: i64, is_front: bool) -> Result<(), StoreError> {
        self.execute("UPDATE referral_event SET front = $2 WHERE id = $1", args![id, is_front])?;
        Ok(())
    }

    fn forget_attempts(&self, id: i64, due_at: i64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE referral_event SET attempts = 0, first_attempt_at = NULL, deaths = 0, first_due_at = $2
             WHERE id = $1",
            args![id, due_at],
        )?;
        Ok(())
    }

    fn open_refunds(&self, purchase: i64) -> Result<Vec<(i64, EventState)>, StoreError> {
        let rows = self.query(OPEN_REFUNDS, args![purchase])?;
        rows.iter().map(|row| Ok((row.get("id")?, row.get("state")?))).collect()
    }

    fn put_discarded(&self, id: i64, ByPerson { by, reason }: &ByPerson, at: i64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE referral_event SET discarded_by = $2, discard_reason = $3, discarded_at = $4 WHERE id = $1",
            args![id, by, reason, at],
        )?;
        Ok(())
    }

    fn put_confirmed(&self, id: i64, ByPerson { by, reason }: &ByPerson, at: i64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE referral_event SET confirmed_by = $2, confirm_reason = $3, confirmed_at = $4 WHERE id = $1",
            args![id, by, reason, at],
        )?;
        Ok(())
    }

    fn waiting_for_signup(&self, before: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        self.query(WAITS_FOR_SIGNUP, args![before, count(limit)])?.iter().map(|row| row.get("id")).collect()
    }

    fn put_signup_passed(&self, id: i64, at: i64) -> Result<(), StoreError> {
        let row = self.query_one(
            "UPDATE referral_event SET passed_signup_at = $2 WHERE id = $1 RETURNING webhook_id, key",
            args![id, at],
        )?;
        let row = row.ok_or_else(|| missing(id))?;
        add_warning(self, row.get("webhook_id")?, &row.get::<String>("key")?, signup_passed())
    }
}

fn missing(id: i64) -> StoreError {
    StoreError::Damaged(format!("there is no referral event {id}"))
}

pub fn blocked(db: &Session) -> Result<Blocked, StoreError> {
    let Some(row) = db.query_one(BLOCKED, &[])? else { return Ok(Blocked::default()) };
    Ok(Blocked { events: row.get("n")?, since: optional_time(&row, "since")? })
}

pub fn overdue_since(db: &Session) -> Result<Option<Timestamp>, StoreError> {
    let row = db.query_one(
        "SELECT min(first_due_at) AS since FROM referral_event WHERE state = 'waiting' AND blocked_by IS NULL",
        &[],
    )?;
    Ok(row.map(|row| optional_time(&row, "since")).transpose()?.flatten())
}

/// An event as far as deciding it anew needs.
pub fn event(db: &Session, id: i64) -> Result<Option<StoredEvent>, StoreError> {
    db.query_one(STORED_EVENT, args![id])?.as_ref().map(|row| event_of(id, row)).transpose()
}

fn event_of(id: i64, row: &Row) -> Result<StoredEvent, StoreError> {
    let is_decided = row.get::<Option<i64>>("fact")?.is_some();
    Ok(StoredEvent {
        id,
        key: row.get("key")?,
        subject: row.get("subject")?,
        trigger: row.get("trigger")?,
        webhook_id: row.get("webhook_id")?,
        fact: is_decided.then(|| number(row, "fact")).transpose()?,
        state: row.get("state")?,
        price: row.get("price")?,
        currency: row.get("currency")?,
        user_id: row.get("user_id")?,
        organization_id: row.get("organization_id")?,
        contribution: row.get("contribution")?,
        body: row.get("body")?,
        was_unsure: row.get("was_unsure")?,
    })
}

/// Puts what was decided now in the place of what was decided then, keeps the old body, and starts afresh.
pub fn replace(db: &Session, id: i64, event: &NewReferralEvent, by: &str, now: Timestamp) -> Result<(), StoreError> {
    db.execute(KEEP_BODY, args![millis(now), by, id])?;
    let replaced = db.query_one(
        REPLACE,
        args![
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
    )?;
    let replaced = replaced.ok_or_else(|| missing(id))?;
    if replaced.get("goes_without_signup")? {
        add_warning(db, event.webhook_id, &event.key, signup_passed())?;
    }
    let names = event.invoice_id.iter().chain(&event.customer).map(String::as_str);
    mention_all(db, event.webhook_id, names.collect())?;
    start_afresh(db, id, replaced.get("state")?, now, now)
}

/// Lets another event have the key of a discarded one.
pub fn free_key(db: &Session, id: i64, now: Timestamp) -> Result<(), StoreError> {
    db.execute(FREE_KEY, args![millis(now), id])?;
    Ok(())
}

/// Whether a claim was one of a body that another has taken the place of.
pub fn is_of_former_body(db: &Session, id: i64, lease: i64) -> Result<bool, StoreError> {
    Ok(db.query_one(OF_FORMER_BODY, args![id, lease])?.is_some())
}
