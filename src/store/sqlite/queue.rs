//! Referral events on their way to Cello: adding, claiming, recording what came of it.
//!
//! Only what is in front of its line can be claimed, so neither a subject with a hundred thousand events nor many that
//! wait behind a late one cost anything.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::outbox::{Move, joined, move_to};
use super::super::statements::REPORTED;
use super::super::values::sender_died;
use super::super::{
    After, Attempt, Claimed, EventState, NewReferralEvent, Recovered, Reported, StoreError, Then, Wanted,
};
use super::decisions::mention;
use super::marks::{self, Mark};
use super::outbox::is_of_former_body;
use super::values::{count, latest_due, millis, optional_time, time};
use crate::crash_points::{CrashPoint, reach};

/// Adds an event at the end of its subject's line. `false` when one with its key is there.
pub fn add(db: &Connection, event: &NewReferralEvent) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "INSERT INTO referral_event (key, subject, trigger, webhook_id, at, invoice_id, subscription_id, price, currency,
                created_at, due_at, first_due_at, body, ucc, user_id, organization_id, customer, contribution, signup_id,
                purchase_id, front)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                (SELECT id FROM referral_event WHERE key = ?17), (SELECT id FROM referral_event WHERE key = ?18),
                NOT EXISTS (SELECT 1 FROM referral_event WHERE subject = ?2 AND front = 1))
             ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            event.key,
            event.subject,
            event.trigger.as_str(),
            event.webhook_id,
            millis(event.at),
            event.invoice_id,
            event.subscription_id,
            event.price,
            event.currency,
            millis(event.created_at),
            event.body,
            event.ucc,
            event.user_id,
            event.organization_id,
            event.customer,
            event.contribution,
            event.after.signup,
            event.after.purchase,
        ])?;
    if added == 0 {
        return Ok(false);
    }
    if event.after != After::default() {
        joined(db, db.last_insert_rowid(), millis(event.created_at))?;
    }
    let names = [Some(&event.key), Some(&event.subject), event.invoice_id.as_ref(), event.customer.as_ref()];
    for name in names.into_iter().flatten() {
        mention(db, event.webhook_id, name)?;
    }
    Ok(true)
}

pub fn reported(db: &Connection, key: &str) -> Result<Option<Reported>, StoreError> {
    Ok(db.prepare_cached(REPORTED)?.query_row([key], reported_of).optional()?)
}

fn reported_of(row: &Row<'_>) -> rusqlite::Result<Reported> {
    Ok(Reported {
        state: row.get("state")?,
        at: time(row, "at")?,
        ucc: row.get("ucc")?,
        user_id: row.get("user_id")?,
        organization_id: row.get("organization_id")?,
        customer: row.get("customer")?,
        invoice_id: row.get("invoice_id")?,
        subscription_id: row.get("subscription_id")?,
    })
}

macro_rules! due {
    ($($rest:literal),+) => {
        concat!(
            "SELECT id, lease + 1 AS lease, key, body, due_at, deaths, attempts, first_attempt_at FROM referral_event ",
            $($rest),+
        )
    };
}

// The index is named, because SQLite, knowing nothing of how many there are, would rather look through all that wait.
pub(super) const LONGEST_DUE: &str = due!(
    "INDEXED BY referral_event_due
    WHERE front = 1 AND state = 'waiting' AND due_at <= ?1 AND deaths = 0 ORDER BY due_at, id LIMIT ?2"
);
pub(super) const NEWEST_DUE: &str = due!(
    "INDEXED BY referral_event_due
    WHERE front = 1 AND state = 'waiting' AND due_at <= ?1 AND deaths = 0 ORDER BY due_at DESC, id DESC LIMIT ?2"
);
pub(super) const SUSPECT: &str = due!(
    "INDEXED BY referral_event_suspect
    WHERE front = 1 AND state = 'waiting' AND deaths > 0 AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2"
);

pub(super) const TOO_FAR: &str = "UPDATE referral_event INDEXED BY referral_event_due
    SET due_at = ?1, first_due_at = min(first_due_at, ?1)
    WHERE front = 1 AND state = 'waiting' AND due_at > ?2";

pub fn claim(
    db: &Connection,
    now: Timestamp,
    lease_until: Timestamp,
    wanted: Wanted,
) -> Result<Vec<Claimed>, StoreError> {
    let take = |sql: &str, limit: usize| take(db, sql, now, lease_until, limit);
    db.prepare_cached(TOO_FAR)?.execute(params![millis(now), millis(latest_due(now))])?;
    if db.prepare_cached(SUSPECT)?.exists([millis(now), 1])? {
        return take(SUSPECT, usize::from(wanted.alone));
    }
    let mut claimed = take(LONGEST_DUE, wanted.longest_due)?;
    claimed.extend(take(NEWEST_DUE, wanted.newest_due)?);
    Ok(claimed)
}

fn take(
    db: &Connection,
    due: &str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: usize,
) -> Result<Vec<Claimed>, StoreError> {
    let claimed = db
        .prepare_cached(due)?
        .query_map(params![millis(now), count(limit)], |row| {
            Ok(Claimed {
                id: row.get("id")?,
                lease: row.get("lease")?,
                key: row.get("key")?,
                body: row.get("body")?,
                due_at: time(row, "due_at")?,
                deaths: row.get("deaths")?,
                attempts: row.get("attempts")?,
                first_attempt_at: optional_time(row, "first_attempt_at")?,
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut take = db.prepare_cached(
        "UPDATE referral_event SET state = 'sending', lease = ?2, claimed_at = ?3, lease_until = ?4 WHERE id = ?1",
    )?;
    for event in &claimed {
        take.execute(params![event.id, event.lease, millis(now), millis(lease_until)])?;
        reach(CrashPoint::ClaimWritten);
    }
    Ok(claimed)
}

/// Keeps the attempt and moves the event, if it is still this sender's to move; a delivery always counts.
pub fn record(db: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
    let (state, lease): (EventState, i64) = db
        .prepare_cached("SELECT state, lease FROM referral_event WHERE id = ?1")?
        .query_row([attempt.event_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| StoreError::Damaged(format!("there is no referral event {}", attempt.event_id)))?;
    db.prepare_cached(
        "INSERT INTO attempt (event_id, started_at, duration_ms, outcome, status, message, request_id, counts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        attempt.event_id,
        millis(attempt.started_at),
        attempt.duration_ms,
        attempt.outcome,
        attempt.status,
        attempt.message,
        attempt.request_id,
        attempt.counts,
    ])?;
    reach(CrashPoint::AttemptWritten);
    let is_ours = state == EventState::Sending && lease == attempt.lease;
    let (then, due_at) = match attempt.then {
        Then::Delivered if !is_ours && is_of_former_body(db, attempt.event_id, attempt.lease)? => match state {
            // Cello has what was taken for refused: whether it is to have the new body as well, a person decides.
            EventState::Waiting | EventState::Dead => (EventState::Unsure, None),
            _ => return Ok(()),
        },
        Then::Delivered if state != EventState::Delivered => (EventState::Delivered, None),
        Then::WaitUntil(due_at) if is_ours => (EventState::Waiting, Some(due_at)),
        Then::Unsure if is_ours => (EventState::Unsure, None),
        Then::Dead if is_ours => (EventState::Dead, None),
        _ => return Ok(()),
    };
    if attempt.counts {
        db.prepare_cached(
            "UPDATE referral_event SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, ?2),
                deaths = 0 WHERE id = ?1",
        )?
        .execute(params![attempt.event_id, millis(attempt.started_at)])?;
    } else {
        db.prepare_cached("UPDATE referral_event SET deaths = 0 WHERE id = ?1 AND deaths > 0")?
            .execute([attempt.event_id])?;
    }
    let at = millis(attempt.started_at).saturating_add(attempt.duration_ms);
    move_to(db, attempt.event_id, Move { was: state, to: then, due_at: due_at.map(millis), at })
}

/// Makes claimed events wait again, due as before.
pub fn give_back(db: &Connection, claimed: &[Claimed]) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("SELECT due_at FROM referral_event WHERE id = ?1 AND lease = ?2 AND state = 'sending'")?;
    for event in claimed {
        let due_at: Option<i64> = statement.query_row([event.id, event.lease], |row| row.get(0)).optional()?;
        if let Some(at) = due_at {
            let (was, to) = (EventState::Sending, EventState::Waiting);
            move_to(db, event.id, Move { was, to, due_at, at })?;
        }
    }
    Ok(())
}

pub(super) const LOST: &str =
    "SELECT id, due_at, deaths + 1, claimed_at FROM referral_event WHERE state = 'sending' AND lease_until <= ?1
    ORDER BY id";

/// Takes events from senders that died.
pub fn recover(db: &Connection, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError> {
    let lost: Vec<(i64, i64, u32, i64)> = db
        .prepare_cached(LOST)?
        .query_map([millis(now)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    let mut recovered = Recovered::default();
    let was = EventState::Sending;
    for (id, due_at, deaths, at) in lost {
        db.prepare_cached(
            "INSERT INTO attempt (event_id, started_at, duration_ms, outcome, message, counts)
             SELECT id, claimed_at, 0, 'unsure', ?2, 1 FROM referral_event WHERE id = ?1",
        )?
        .execute(params![id, sender_died(deaths)])?;
        db.prepare_cached(
            "UPDATE referral_event SET attempts = attempts + 1, deaths = ?2,
                first_attempt_at = coalesce(first_attempt_at, claimed_at) WHERE id = ?1",
        )?
        .execute(params![id, deaths])?;
        if deaths >= hold_after {
            move_to(db, id, Move { was, to: EventState::Unsure, due_at: None, at })?;
            recovered.unsure.push(id);
        } else {
            move_to(db, id, Move { was, to: EventState::Waiting, due_at: Some(due_at), at })?;
            recovered.waiting += 1;
        }
        reach(CrashPoint::RecoveryWritten);
    }
    recover_backup(db, hold_after, &mut recovered)?;
    Ok(recovered)
}

/// In a copy, whatever waited may have been sent since.
fn recover_backup(db: &Connection, hold_after: u32, recovered: &mut Recovered) -> Result<(), StoreError> {
    let Some((_, copied_at)) = marks::find(db, Mark::Backup)? else { return Ok(()) };
    let waiting: Vec<i64> = db
        .prepare("SELECT id FROM referral_event WHERE state = 'waiting' ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in waiting {
        db.prepare_cached(
            "INSERT INTO attempt (event_id, started_at, duration_ms, outcome, message, counts)
             VALUES (?1, ?2, 0, 'unsure', 'This store is a backup; whether it was sent since is not known.', 0)",
        )?
        .execute(params![id, millis(copied_at)])?;
        if hold_after <= 1 {
            let (was, to) = (EventState::Waiting, EventState::Unsure);
            move_to(db, id, Move { was, to, due_at: None, at: millis(copied_at) })?;
            recovered.unsure.push(id);
        } else {
            recovered.waiting += 1;
        }
    }
    marks::remove(db, Mark::Backup)
}

pub(super) const NEXT_DUE: &str = "SELECT due_at FROM referral_event INDEXED BY referral_event_due
    WHERE front = 1 AND state = 'waiting' ORDER BY due_at, id LIMIT 1";

pub fn next_due(db: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next = db.prepare_cached(NEXT_DUE)?.query_row([], |row| time(row, "due_at")).optional()?;
    Ok(next)
}

// The index is named for the same reason as above.
pub(super) const OLDEST_WAITING: &str = "SELECT created_at FROM referral_event INDEXED BY referral_event_by_state
    WHERE state = 'waiting' ORDER BY id LIMIT 1";

pub fn oldest_waiting(db: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let oldest = db.prepare_cached(OLDEST_WAITING)?.query_row([], |row| time(row, "created_at")).optional()?;
    Ok(oldest)
}
