//! Referral events on their way to Cello: adding, claiming, recording what came of it.
//!
//! Only what is in front of its line can be claimed, so neither a subject with a hundred thousand events nor many that
//! wait behind a late one cost anything. All of it runs in transactions of which there is one at a time over all relays,
//! so nobody moves an event between a look at it and the next step. When leases end is told by the server's clock: the
//! relays' own may differ, and who takes back too early sends twice.

use jiff::Timestamp;

use super::super::outbox::{Move, joined, move_to};
use super::super::statements::REPORTED;
use super::super::values::sender_died;
use super::super::{
    After, Attempt, Claimed, EventState, NewReferralEvent, Recovered, Reported, StoreError, Then, Wanted,
};
use super::decisions::mention_all;
use super::outbox::is_of_former_body;
use super::session::Session;
use super::values::{Row, args, count, latest_due, millis, number, optional_time, time};
use crate::crash_points::{CrashPoint, reach};

/// Adds an event at the end of its subject's line. `false` when one with its key is there.
pub fn add(db: &Session, event: &NewReferralEvent) -> Result<bool, StoreError> {
    let added = db.query_one(
        "INSERT INTO referral_event (key, subject, trigger, webhook_id, at, invoice_id, subscription_id, price, currency,
            created_at, due_at, first_due_at, body, ucc, user_id, organization_id, customer, contribution, signup_id,
            purchase_id, front)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $11, $12, $13, $14, $15, $16,
            (SELECT id FROM referral_event WHERE key = $17), (SELECT id FROM referral_event WHERE key = $18),
            NOT EXISTS (SELECT FROM referral_event WHERE subject = $2 AND front))
         ON CONFLICT (key) DO NOTHING RETURNING id",
        args![
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
        ],
    )?;
    let Some(added) = added else { return Ok(false) };
    if event.after != After::default() {
        joined(db, added.get("id")?, millis(event.created_at))?;
    }
    let names = [Some(&event.key), Some(&event.subject), event.invoice_id.as_ref(), event.customer.as_ref()];
    mention_all(db, event.webhook_id, names.into_iter().flatten().map(String::as_str).collect())?;
    Ok(true)
}

pub fn reported(db: &Session, key: &str) -> Result<Option<Reported>, StoreError> {
    db.query_one(REPORTED, args![key])?.as_ref().map(reported_of).transpose()
}

fn reported_of(row: &Row) -> Result<Reported, StoreError> {
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

macro_rules! take {
    ($due:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM referral_event WHERE front AND state = 'waiting' AND due_at <= $1 AND ",
            $due,
            " LIMIT $3
            ), claimed AS (
                UPDATE referral_event e SET state = 'sending', lease = lease + 1, claimed_at = $1, lease_until = $2
                FROM due WHERE e.id = due.id
                RETURNING e.id, e.lease, e.key, e.body, e.due_at, e.deaths, e.attempts, e.first_attempt_at
            )
            SELECT * FROM claimed"
        )
    };
}

const LONGEST_DUE: &str = take!("deaths = 0 ORDER BY due_at, id");
const NEWEST_DUE: &str = take!("deaths = 0 ORDER BY due_at DESC, id DESC");
const SUSPECT: &str = take!("deaths > 0 ORDER BY due_at, id");

pub fn claim(db: &Session, now: Timestamp, lease_until: Timestamp, wanted: Wanted) -> Result<Vec<Claimed>, StoreError> {
    db.batch(FOLLOW_INDEX)?;
    let claimed = claim_in_order(db, now, lease_until, wanted)?;
    db.batch("RESET enable_sort")?;
    Ok(claimed)
}

/// The server's statistics may be of a quiet day. Then it would rather sort all that wait than follow the index to the few
/// that are wanted, and after an outage that are many, at each claim.
const FOLLOW_INDEX: &str = "SET LOCAL enable_sort = off";

const LAST_DUE: &str =
    "SELECT due_at FROM referral_event WHERE front AND state = 'waiting' ORDER BY due_at DESC, id DESC LIMIT 1";

fn claim_in_order(
    db: &Session,
    now: Timestamp,
    lease_until: Timestamp,
    wanted: Wanted,
) -> Result<Vec<Claimed>, StoreError> {
    let take = |sql: &'static str, limit: usize| take(db, sql, now, lease_until, limit);
    let last = db.query_one(LAST_DUE, &[])?.map(|row| time(&row, "due_at")).transpose()?;
    if last.is_some_and(|last| last > latest_due(now)) {
        db.execute(
            "UPDATE referral_event SET due_at = $1, first_due_at = least(first_due_at, $1)
             WHERE front AND state = 'waiting' AND due_at > $2",
            args![millis(now), millis(latest_due(now))],
        )?;
    }
    let suspect = db.query_one(
        "SELECT FROM referral_event WHERE front AND state = 'waiting' AND deaths > 0 AND due_at <= $1
         ORDER BY due_at, id LIMIT 1",
        args![millis(now)],
    )?;
    if suspect.is_some() {
        return if wanted.alone { take(SUSPECT, 1) } else { Ok(Vec::new()) };
    }
    let mut claimed = Vec::new();
    for (due, limit) in [(LONGEST_DUE, wanted.longest_due), (NEWEST_DUE, wanted.newest_due)] {
        if limit > 0 {
            claimed.extend(take(due, limit)?);
        }
    }
    Ok(claimed)
}

fn take(
    db: &Session,
    due: &'static str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: usize,
) -> Result<Vec<Claimed>, StoreError> {
    let rows = db.query(due, args![millis(now), millis(lease_until) + db.ahead(), count(limit)])?;
    if !rows.is_empty() {
        reach(CrashPoint::ClaimWritten);
    }
    let mut claimed = rows
        .iter()
        .map(|row| {
            Ok(Claimed {
                id: row.get("id")?,
                lease: row.get("lease")?,
                key: row.get("key")?,
                body: row.get("body")?,
                due_at: time(row, "due_at")?,
                deaths: number(row, "deaths")?,
                attempts: number(row, "attempts")?,
                first_attempt_at: optional_time(row, "first_attempt_at")?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    claimed.sort_by_key(|event| (event.due_at, event.id));
    Ok(claimed)
}

/// Keeps the attempt and moves the event, if it is still this sender's to move; a delivery always counts. An attempt
/// that is recorded again, because the answer to the first time was lost, is there already.
pub fn record(db: &Session, attempt: &Attempt) -> Result<(), StoreError> {
    let row = db.query_one("SELECT state, lease FROM referral_event WHERE id = $1", args![attempt.event_id])?;
    let row = row.ok_or_else(|| StoreError::Damaged(format!("there is no referral event {}", attempt.event_id)))?;
    let (state, lease): (EventState, i64) = (row.get("state")?, row.get("lease")?);
    let is_new = db.execute(
        "INSERT INTO attempt (event_id, started_at, duration_ms, outcome, status, message, request_id, counts, lease)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (event_id, lease, outcome) DO NOTHING",
        args![
            attempt.event_id,
            millis(attempt.started_at),
            attempt.duration_ms,
            attempt.outcome,
            attempt.status,
            attempt.message,
            attempt.request_id,
            attempt.counts,
            attempt.lease,
        ],
    )?;
    if is_new == 0 {
        return Ok(());
    }
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
        db.execute(
            "UPDATE referral_event SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $2),
                deaths = 0 WHERE id = $1",
            args![attempt.event_id, millis(attempt.started_at)],
        )?;
    } else {
        db.execute("UPDATE referral_event SET deaths = 0 WHERE id = $1 AND deaths > 0", args![attempt.event_id])?;
    }
    let at = millis(attempt.started_at).saturating_add(attempt.duration_ms);
    move_to(db, attempt.event_id, Move { was: state, to: then, due_at: due_at.map(millis), at })
}

/// Makes claimed events wait again, due as before.
pub fn give_back(db: &Session, claimed: &[Claimed]) -> Result<(), StoreError> {
    for event in claimed {
        let row = db.query_one(
            "SELECT due_at FROM referral_event WHERE id = $1 AND lease = $2 AND state = 'sending'",
            args![event.id, event.lease],
        )?;
        if let Some(row) = row {
            let (was, to, at): (_, _, i64) = (EventState::Sending, EventState::Waiting, row.get("due_at")?);
            move_to(db, event.id, Move { was, to, due_at: Some(at), at })?;
        }
    }
    Ok(())
}

/// Takes events from senders that died.
pub fn recover(db: &Session, now: Timestamp, hold_after: u32) -> Result<Recovered, StoreError> {
    let lost = db.query(
        "SELECT id, due_at, claimed_at, deaths + 1 AS deaths FROM referral_event WHERE state = 'sending' AND lease_until <= $1
         ORDER BY id",
        args![millis(now).saturating_add(db.ahead())],
    )?;
    let mut recovered = Recovered::default();
    for row in &lost {
        let (id, deaths): (i64, u32) = (row.get("id")?, number(row, "deaths")?);
        let (was, at): (_, i64) = (EventState::Sending, row.get("claimed_at")?);
        db.execute(
            "INSERT INTO attempt (event_id, started_at, duration_ms, outcome, message, counts)
             SELECT id, claimed_at, 0, 'unsure', $2, true FROM referral_event WHERE id = $1",
            args![id, sender_died(deaths)],
        )?;
        db.execute(
            "UPDATE referral_event SET attempts = attempts + 1, deaths = $2,
                first_attempt_at = coalesce(first_attempt_at, claimed_at) WHERE id = $1",
            args![id, i64::from(deaths)],
        )?;
        if deaths >= hold_after {
            move_to(db, id, Move { was, to: EventState::Unsure, due_at: None, at })?;
            recovered.unsure.push(id);
        } else {
            move_to(db, id, Move { was, to: EventState::Waiting, due_at: row.get("due_at")?, at })?;
            recovered.waiting += 1;
        }
        reach(CrashPoint::RecoveryWritten);
    }
    Ok(recovered)
}

pub fn next_due(db: &Session) -> Result<Option<Timestamp>, StoreError> {
    db.batch(FOLLOW_INDEX)?;
    let row = db.query_one(
        "SELECT due_at FROM referral_event WHERE front AND state = 'waiting' ORDER BY due_at, id LIMIT 1",
        &[],
    )?;
    row.map(|row| time(&row, "due_at")).transpose()
}

pub fn oldest_waiting(db: &Session) -> Result<Option<Timestamp>, StoreError> {
    let row =
        db.query_one("SELECT created_at FROM referral_event WHERE state = 'waiting' ORDER BY state, id LIMIT 1", &[])?;
    row.map(|row| time(&row, "created_at")).transpose()
}
