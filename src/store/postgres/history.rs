//! What people ask: the list, one whole life, and the numbers.

use jiff::Timestamp;

use super::super::statements::{BLOCKER, FORMER_BODIES, LIST, LIST_BY_EVENT_STATE, LIST_BY_WEBHOOK_STATE};
use super::super::{
    Blocker, Counts, EventFilter, EventRow, EventState, EventSummary, FormerBody, Life, LifeAttempt, LifeDecision,
    LifeEvent, StoreError, WebhookState,
};
use super::session::Session;
use super::values::{
    Arg, Row, Value, args, count, from_json, millis, millis_of, number, optional_json, optional_time, time,
};

const NAMED: &str = "SELECT id AS webhook_id FROM webhook WHERE event_id = $1
    UNION SELECT webhook_id FROM mention WHERE name = $1
    UNION SELECT webhook_id FROM referral_event WHERE id = $2
    ORDER BY webhook_id";

/// One line for each decision; a webhook without any has one, too.
pub fn list(db: &Session, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    let limit = count(filter.read_limit());
    let (since, until) = (millis_of(filter.since), millis_of(filter.until));
    let EventFilter { state, provider, trigger, customer, user, code, invoice, reason, .. } = filter;
    let mut values: Vec<Value<'_>> =
        vec![provider.value(), trigger.value(), since.value(), until.value(), customer.value(), user.value()];
    values.extend([code.value(), invoice.value(), reason.value()]);
    let Some(state) = state else {
        values.push(limit.value());
        return Ok(filter.pick(rows(db, LIST, &values)?));
    };
    let sql = match (WebhookState::parse(state), EventState::parse(state)) {
        (Some(_), _) => LIST_BY_WEBHOOK_STATE,
        (_, Some(_)) => LIST_BY_EVENT_STATE,
        // A word that names no state is the state of nothing.
        _ => return Ok(Vec::new()),
    };
    values.extend([state.value(), limit.value()]);
    Ok(filter.pick(rows(db, sql, &values)?))
}

/// The webhooks that `id` names or that mention it, with all that came of them.
pub fn life(db: &Session, id: &str) -> Result<Vec<Life>, StoreError> {
    let its_number: Option<i64> = id.parse().ok();
    let webhooks = db.query(NAMED, args![id, its_number])?;
    webhooks.iter().map(|row| life_of(db, row.get("webhook_id")?)).collect()
}

/// The next whole lives in order of arrival.
pub fn lives_after(db: &Session, after: i64, since: Option<Timestamp>, limit: usize) -> Result<Vec<Life>, StoreError> {
    let since = millis(since.unwrap_or(Timestamp::MIN));
    let webhooks = db.query(
        "SELECT id FROM webhook WHERE id > $1 AND received_at >= $2 ORDER BY id LIMIT $3",
        args![after, since, count(limit)],
    )?;
    webhooks.iter().map(|row| life_of(db, row.get("id")?)).collect()
}

/// Both equations, from one statement and so from one moment.
pub fn counts(db: &Session) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for row in db.query("SELECT term, sum(n)::bigint AS n FROM tally GROUP BY term", &[])? {
        let term: String = row.get("term")?;
        let place = counts.term(&term).ok_or_else(|| StoreError::Damaged(format!("there is no term {term}")))?;
        *place = row.get("n")?;
    }
    Ok(counts)
}

/// Replaces the changes of each term by their sum, once they are many: else adding them up would cost more every day.
/// Two that do this at the same time do not take the same row.
pub fn fold(db: &Session) -> Result<(), StoreError> {
    db.execute(
        "WITH gone AS (DELETE FROM tally WHERE (SELECT count(*) FROM tally) > 1000 RETURNING term, n)
         INSERT INTO tally (term, n) SELECT term, sum(n) FROM gone GROUP BY term",
        &[],
    )?;
    Ok(())
}

fn rows(db: &Session, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<EventRow>, StoreError> {
    db.query(sql, args)?.iter().map(row_of).collect()
}

fn row_of(row: &Row) -> Result<EventRow, StoreError> {
    let referral_event = match row.get::<Option<i64>>("id")? {
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

pub fn life_of(db: &Session, webhook: i64) -> Result<Life, StoreError> {
    let decisions = db.query("SELECT * FROM decision WHERE webhook_id = $1 ORDER BY fact", args![webhook])?;
    let decisions = decisions.iter().map(decision_of).collect::<Result<_, _>>()?;
    let events = db.query("SELECT * FROM referral_event WHERE webhook_id = $1 ORDER BY id", args![webhook])?;
    let mut referral_events: Vec<LifeEvent> = Vec::with_capacity(events.len());
    for row in &events {
        let mut event = event_of(row)?;
        let blocker: Option<i64> = row.get("blocked_by")?;
        event.blocked_by = blocker.map(|id| blocker_of(db, id)).transpose()?.flatten();
        let former = db.query(FORMER_BODIES, args![event.id])?;
        event.former_bodies = former.iter().map(former_body_of).collect::<Result<_, _>>()?;
        let attempts = db.query("SELECT * FROM attempt WHERE event_id = $1 ORDER BY id", args![event.id])?;
        event.attempts = attempts.iter().map(attempt_of).collect::<Result<_, _>>()?;
        referral_events.push(event);
    }
    let row = db.query_one(
        "SELECT w.*, (SELECT coalesce(sum(times), 0)::bigint FROM webhook_again a WHERE a.webhook_id = w.id) AS duplicates
         FROM webhook w WHERE w.id = $1",
        args![webhook],
    )?;
    let row = &row.ok_or_else(|| StoreError::Damaged(format!("there is no webhook {webhook}")))?;
    Ok(Life {
        webhook_id: webhook,
        provider: row.get("provider")?,
        account: row.get("account")?,
        event_id: row.get("event_id")?,
        kind: row.get("kind")?,
        mode: row.get("mode")?,
        happened_at: time(row, "at")?,
        received_at: time(row, "received_at")?,
        bytes: number(row, "bytes")?,
        duplicates: row.get("duplicates")?,
        state: row.get("state")?,
        body_erased_at: optional_time(row, "erased_at")?,
        note: row.get("note")?,
        decisions,
        referral_events,
    })
}

fn decision_of(row: &Row) -> Result<LifeDecision, StoreError> {
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

fn event_of(row: &Row) -> Result<LifeEvent, StoreError> {
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

fn blocker_of(db: &Session, id: i64) -> Result<Option<Blocker>, StoreError> {
    let Some(row) = db.query_one(BLOCKER, args![id])? else { return Ok(None) };
    Ok(Some(Blocker {
        id,
        trigger: row.get("trigger")?,
        state: row.get("state")?,
        since: optional_time(&row, "since")?,
        message: row.get("message")?,
    }))
}

fn former_body_of(row: &Row) -> Result<FormerBody, StoreError> {
    Ok(FormerBody {
        body: from_json(row, "body")?,
        replaced_at: time(row, "replaced_at")?,
        replaced_by: row.get("replaced_by")?,
    })
}

fn attempt_of(row: &Row) -> Result<LifeAttempt, StoreError> {
    Ok(LifeAttempt {
        at: time(row, "started_at")?,
        duration_ms: row.get("duration_ms")?,
        outcome: row.get("outcome")?,
        status: row.get::<Option<i64>>("status")?.map(|_| number(row, "status")).transpose()?,
        message: row.get("message")?,
        request_id: row.get("request_id")?,
    })
}
