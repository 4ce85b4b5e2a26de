//! What people ask: the list, one whole life, and the numbers.

use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};

use super::super::{
    Counts, EventFilter, EventRow, EventState, EventSummary, Life, LifeAttempt, LifeDecision, LifeEvent, StoreError,
    WebhookState,
};
use super::values::{count, from_json, millis, optional_json, optional_time, size, time};

macro_rules! list {
    ($($rest:literal),+) => {
        concat!(
            "SELECT w.id AS webhook_id, w.provider, w.event_id, w.kind, w.received_at, w.state AS webhook_state,
                d.state AS decision, d.reason, e.id, e.key, e.trigger, e.price, e.currency, e.state,
                (SELECT count(*) FROM attempt a WHERE a.event_id = e.id) AS attempts,
                (SELECT a.message FROM attempt a WHERE a.event_id = e.id ORDER BY a.id DESC LIMIT 1) AS message ",
            $($rest),+
        )
    };
}

pub(super) const LIST: &str = list!(
    "FROM webhook w
        LEFT JOIN decision d ON d.webhook_id = w.id
        LEFT JOIN referral_event e ON e.key = d.key AND e.webhook_id = w.id AND d.state = 'send'
    WHERE (?1 IS NULL OR w.provider = ?1) ORDER BY w.id DESC, d.fact LIMIT ?2"
);
pub(super) const LIST_BY_WEBHOOK_STATE: &str = list!(
    "FROM webhook w
        LEFT JOIN decision d ON d.webhook_id = w.id
        LEFT JOIN referral_event e ON e.key = d.key AND e.webhook_id = w.id AND d.state = 'send'
    WHERE (?1 IS NULL OR w.provider = ?1) AND w.state = ?3 ORDER BY w.id DESC, d.fact LIMIT ?2"
);
pub(super) const LIST_BY_EVENT_STATE: &str = list!(
    "FROM referral_event e
        JOIN webhook w ON w.id = e.webhook_id
        LEFT JOIN decision d ON d.webhook_id = w.id AND d.key = e.key AND d.state = 'send'
    WHERE (?1 IS NULL OR w.provider = ?1) AND e.state = ?3 ORDER BY e.id DESC LIMIT ?2"
);
pub(super) const NAMED: &str = "SELECT id AS webhook_id FROM webhook WHERE event_id = ?1
    UNION SELECT webhook_id FROM mention WHERE name = ?1
    UNION SELECT webhook_id FROM referral_event WHERE id = ?2
    ORDER BY webhook_id";

/// One line for each decision; a webhook without any has one, too.
pub fn list(db: &Connection, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    let limit = count(filter.limit);
    let state = filter.state.as_deref();
    let webhook_state = state.and_then(WebhookState::parse);
    let event_state = state.and_then(EventState::parse);
    match (state, webhook_state, event_state) {
        (None, ..) => rows(db, LIST, &[&filter.provider, &limit]),
        (_, Some(state), _) => rows(db, LIST_BY_WEBHOOK_STATE, &[&filter.provider, &limit, &state]),
        (_, _, Some(state)) => rows(db, LIST_BY_EVENT_STATE, &[&filter.provider, &limit, &state]),
        // A word that names no state is the state of nothing.
        _ => Ok(Vec::new()),
    }
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
    let mut referral_events: Vec<LifeEvent> = db
        .prepare_cached("SELECT * FROM referral_event WHERE webhook_id = ?1 ORDER BY id")?
        .query_map([webhook], event_of)?
        .collect::<Result<_, _>>()?;
    for event in &mut referral_events {
        event.attempts = db
            .prepare_cached("SELECT * FROM attempt WHERE event_id = ?1 ORDER BY id")?
            .query_map([event.id], attempt_of)?
            .collect::<Result<_, _>>()?;
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
        body: from_json(row, "body")?,
        discarded_by: row.get("discarded_by")?,
        discard_reason: row.get("discard_reason")?,
        attempts: Vec::new(),
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
