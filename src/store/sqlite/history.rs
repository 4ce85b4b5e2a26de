//! What people ask: the list, one whole life, and the numbers.

use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};

use super::super::statements::{BLOCKER, FORMER_BODIES, LIST, LIST_BY_EVENT_STATE, LIST_BY_WEBHOOK_STATE};
use super::super::{
    Blocker, Counts, EventFilter, EventRow, EventState, EventSummary, FormerBody, Life, LifeAttempt, LifeDecision,
    LifeEvent, StoreError, WebhookState,
};
use super::values::{count, from_json, millis, millis_of, optional_json, optional_time, size, time};

pub(super) const NAMED: &str = "SELECT id AS webhook_id FROM webhook WHERE event_id = ?1
    UNION SELECT webhook_id FROM mention WHERE name = ?1
    UNION SELECT webhook_id FROM referral_event WHERE id = ?2
    ORDER BY webhook_id";

/// One line for each decision; a webhook without any has one, too.
pub fn list(db: &Connection, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    let limit = count(filter.read_limit());
    let (since, until) = (millis_of(filter.since), millis_of(filter.until));
    let EventFilter { state, provider, trigger, customer, user, code, invoice, reason, .. } = filter;
    let mut params: Vec<&dyn ToSql> = vec![provider, trigger, &since, &until, customer, user, code, invoice, reason];
    let Some(state) = state else {
        params.push(&limit);
        return Ok(filter.pick(rows(db, LIST, &params)?));
    };
    let sql = match (WebhookState::parse(state), EventState::parse(state)) {
        (Some(_), _) => LIST_BY_WEBHOOK_STATE,
        (_, Some(_)) => LIST_BY_EVENT_STATE,
        // A word that names no state is the state of nothing.
        _ => return Ok(Vec::new()),
    };
    params.extend([state as &dyn ToSql, &limit]);
    Ok(filter.pick(rows(db, sql, &params)?))
}

/// The webhooks that `id` names or that mention it, with all that came of them.
pub fn life(db: &Connection, id: &str) -> Result<Vec<Life>, StoreError> {
    let number: Option<i64> = id.parse().ok();
    let webhooks: Vec<i64> =
        db.prepare_cached(NAMED)?.query_map(params![id, number], |row| row.get(0))?.collect::<Result<_, _>>()?;
    webhooks.into_iter().map(|webhook| life_of(db, webhook)).collect()
}

pub(super) const LIVES_AFTER: &str = "SELECT id FROM webhook WHERE id > ?1 AND received_at >= ?2 ORDER BY id LIMIT ?3";

/// The next whole lives in order of arrival.
pub fn lives_after(
    db: &Connection,
    after: i64,
    since: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Life>, StoreError> {
    let since = millis(since.unwrap_or(Timestamp::MIN));
    let mut statement = db.prepare_cached(LIVES_AFTER)?;
    let webhooks: Vec<i64> =
        statement.query_map(params![after, since, count(limit)], |row| row.get(0))?.collect::<Result<_, _>>()?;
    webhooks.into_iter().map(|webhook| life_of(db, webhook)).collect()
}

/// Both equations, from one statement and so from one moment.
pub fn counts(db: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let mut statement = db.prepare_cached("SELECT term, n FROM tally")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let term: String = row.get("term")?;
        let place = counts.term(&term).ok_or_else(|| StoreError::Damaged(format!("there is no term {term}")))?;
        *place = row.get("n")?;
    }
    Ok(counts)
}

fn rows(db: &Connection, sql: &str, params: &[&dyn ToSql]) -> Result<Vec<EventRow>, StoreError> {
    let rows = db.prepare_cached(sql)?.query_map(params, row_of)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let referral_event = match row.get::<_, Option<i64>>("id")? {
        Some(id) => Some(EventSummary {
            id,
            key: row.get("key")?,
            trigger: row.get("trigger")?,
            price: row.get("price")?,
            currency: row.get("currency")?,
            state: row.get("state")?,
            discarded_by: row.get("discarded_by")?,
            confirmed_by: row.get("confirmed_by")?,
            blocked_by: row.get("blocked_by")?,
            attempts: row.get("attempts")?,
            message: row.get("message")?,
        }),
        None => None,
    };
    Ok(EventRow {
        webhook_id: row.get("webhook_id")?,
        provider: row.get("provider")?,
        event_id: row.get("event_id")?,
        kind: row.get("kind")?,
        received_at: time(row, "received_at")?,
        webhook_state: row.get("webhook_state")?,
        decision: row.get("decision")?,
        reason: row.get("reason")?,
        referral_event,
    })
}

pub fn life_of(db: &Connection, webhook: i64) -> Result<Life, StoreError> {
    let decisions = db
        .prepare_cached("SELECT * FROM decision WHERE webhook_id = ?1 ORDER BY fact")?
        .query_map([webhook], decision_of)?
        .collect::<Result<_, _>>()?;
    let mut referral_events: Vec<LifeEvent> = Vec::new();
    let events: Vec<(LifeEvent, Option<i64>)> = db
        .prepare_cached("SELECT * FROM referral_event WHERE webhook_id = ?1 ORDER BY id")?
        .query_map([webhook], |row| Ok((event_of(row)?, row.get("blocked_by")?)))?
        .collect::<Result<_, _>>()?;
    for (mut event, blocker) in events {
        event.blocked_by = blocker.map(|id| blocker_of(db, id)).transpose()?;
        event.former_bodies =
            db.prepare_cached(FORMER_BODIES)?.query_map([event.id], former_body_of)?.collect::<Result<_, _>>()?;
        event.attempts = db
            .prepare_cached("SELECT * FROM attempt WHERE event_id = ?1 ORDER BY id")?
            .query_map([event.id], attempt_of)?
            .collect::<Result<_, _>>()?;
        referral_events.push(event);
    }
    let life = db.prepare_cached("SELECT * FROM webhook WHERE id = ?1")?.query_row([webhook], |row| {
        Ok(Life {
            webhook_id: webhook,
            provider: row.get("provider")?,
            account: row.get("account")?,
            event_id: row.get("event_id")?,
            kind: row.get("kind")?,
            mode: row.get("mode")?,
            happened_at: time(row, "at")?,
            received_at: time(row, "received_at")?,
            bytes: size(row, "bytes")?,
            duplicates: row.get("duplicates")?,
            state: row.get("state")?,
            body_erased_at: optional_time(row, "erased_at")?,
            note: row.get("note")?,
            decisions,
            referral_events,
        })
    })?;
    Ok(life)
}

fn decision_of(row: &Row<'_>) -> rusqlite::Result<LifeDecision> {
    Ok(LifeDecision {
        fact: row.get("fact_kind")?,
        happened_at: time(row, "at")?,
        customer: row.get("customer")?,
        decision: row.get("state")?,
        rule: row.get("rule")?,
        reason: row.get("reason")?,
        message: row.get("message")?,
        key: row.get("key")?,
        warnings: from_json(row, "warnings")?,
        trace: optional_json(row, "trace")?,
        waits_for: row.get("topic")?,
        deadline: optional_time(row, "deadline")?,
        decided_at: time(row, "decided_at")?,
    })
}

fn event_of(row: &Row<'_>) -> rusqlite::Result<LifeEvent> {
    Ok(LifeEvent {
        id: row.get("id")?,
        key: row.get("key")?,
        trigger: row.get("trigger")?,
        state: row.get("state")?,
        due_at: optional_time(row, "due_at")?,
        blocked_by: None,
        body: from_json(row, "body")?,
        discarded_by: row.get("discarded_by")?,
        discard_reason: row.get("discard_reason")?,
        confirmed_by: row.get("confirmed_by")?,
        confirm_reason: row.get("confirm_reason")?,
        confirmed_at: optional_time(row, "confirmed_at")?,
        decided_again_at: optional_time(row, "key_freed_at")?,
        former_bodies: Vec::new(),
        attempts: Vec::new(),
    })
}

fn blocker_of(db: &Connection, id: i64) -> rusqlite::Result<Blocker> {
    db.prepare_cached(BLOCKER)?.query_row([id], |row| {
        Ok(Blocker {
            id,
            trigger: row.get("trigger")?,
            state: row.get("state")?,
            since: optional_time(row, "since")?,
            message: row.get("message")?,
        })
    })
}

fn former_body_of(row: &Row<'_>) -> rusqlite::Result<FormerBody> {
    Ok(FormerBody {
        body: from_json(row, "body")?,
        replaced_at: time(row, "replaced_at")?,
        replaced_by: row.get("replaced_by")?,
    })
}

fn attempt_of(row: &Row<'_>) -> rusqlite::Result<LifeAttempt> {
    Ok(LifeAttempt {
        at: time(row, "started_at")?,
        duration_ms: row.get("duration_ms")?,
        outcome: row.get("outcome")?,
        status: row.get("status")?,
        message: row.get("message")?,
        request_id: row.get("request_id")?,
    })
}
