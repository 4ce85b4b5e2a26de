//! Decisions on facts, and the names by which people will ask for them.

use jiff::Timestamp;

use super::super::statements::WAITING_FOR;
use super::super::{DecisionRecord, DecisionState, HeldFact, StoreError};
use super::session::Session;
use super::values::{Row, args, count, from_json, json, millis, millis_of, number, optional_time, time};
use crate::decision::Warning;

/// Writes the decision on one fact, in place of an earlier one on the same fact.
pub fn put(db: &Session, decision: &DecisionRecord) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO decision (webhook_id, fact, fact_kind, at, customer, key, state, rule, reason, message, warnings,
            trace, topic, other_topic, deadline, look_up_at, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (webhook_id, fact) DO UPDATE SET fact_kind = excluded.fact_kind, at = excluded.at,
            customer = excluded.customer, key = excluded.key, state = excluded.state, rule = excluded.rule,
            reason = excluded.reason, message = excluded.message, warnings = excluded.warnings, trace = excluded.trace,
            topic = excluded.topic, other_topic = excluded.other_topic, deadline = excluded.deadline, look_up_at = excluded.look_up_at,
            decided_at = excluded.decided_at",
        args![
            decision.webhook_id,
            count(decision.fact),
            decision.fact_kind,
            millis(decision.at),
            decision.customer,
            decision.key,
            decision.state,
            decision.rule,
            decision.reason,
            decision.message,
            json(&decision.warnings)?,
            json(&decision.trace)?,
            decision.topic,
            decision.other_topic,
            millis_of(decision.deadline),
            millis_of(decision.look_up_at),
            millis(decision.decided_at),
        ],
    )?;
    let names = decision.mentions.iter().chain(&decision.customer).chain(&decision.key);
    mention_all(db, decision.webhook_id, names.map(String::as_str).collect())
}

/// Lets a webhook be found by `name`.
pub fn mention(db: &Session, webhook_id: i64, name: &str) -> Result<(), StoreError> {
    mention_all(db, webhook_id, vec![name])
}

/// Lets a webhook be found by each of `names`.
pub fn mention_all(db: &Session, webhook_id: i64, names: Vec<&str>) -> Result<(), StoreError> {
    if !names.is_empty() {
        db.execute(
            "INSERT INTO mention (name, webhook_id) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING",
            args![names, webhook_id],
        )?;
    }
    Ok(())
}

/// Adds a warning to the decision to send what has this key.
pub fn add_warning(db: &Session, webhook_id: i64, key: &str, warning: Warning) -> Result<(), StoreError> {
    let found = db.query_one(
        "SELECT fact, warnings FROM decision WHERE webhook_id = $1 AND key = $2 AND state = 'send'",
        args![webhook_id, key],
    )?;
    let Some(row) = found else { return Ok(()) };
    let mut warnings: Vec<Warning> = from_json(&row, "warnings")?;
    warnings.push(warning);
    db.execute(
        "UPDATE decision SET warnings = $3 WHERE webhook_id = $1 AND fact = $2",
        args![webhook_id, row.get::<i64>("fact")?, json(&warnings)?],
    )?;
    Ok(())
}

/// The newest decision on a fact with this key.
pub fn on(db: &Session, key: &str) -> Result<Option<DecisionState>, StoreError> {
    let row = db.query_one(
        "SELECT state FROM decision WHERE key = $1 ORDER BY decided_at DESC, webhook_id DESC, fact DESC LIMIT 1",
        args![key],
    )?;
    row.map(|row| row.get("state")).transpose()
}

/// The decisions on all facts of a webhook.
pub fn states(db: &Session, webhook: i64) -> Result<Vec<DecisionState>, StoreError> {
    let rows = db.query("SELECT state FROM decision WHERE webhook_id = $1 ORDER BY fact", args![webhook])?;
    rows.iter().map(|row| row.get("state")).collect()
}

/// Has a held fact looked after at `at`.
pub fn look_up_at(db: &Session, held: &HeldFact, at: Timestamp) -> Result<(), StoreError> {
    db.execute(
        "UPDATE decision SET look_up_at = $3, deadline = greatest(deadline, $3)
         WHERE webhook_id = $1 AND fact = $2 AND state = 'hold'",
        args![held.webhook_id, count(held.fact), millis(at)],
    )?;
    Ok(())
}

pub fn waiting_for(db: &Session, topic: &str) -> Result<Vec<HeldFact>, StoreError> {
    let rows = db.query(WAITING_FOR, args![topic])?;
    rows.iter().map(held_of).collect()
}

pub fn due_holds(db: &Session, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
    let rows = db.query(
        "SELECT webhook_id, fact, at, coalesce(topic, '') AS topic, deadline FROM decision
         WHERE state = 'hold' AND wake_at <= $1 ORDER BY wake_at, webhook_id, fact LIMIT $2",
        args![millis(now), count(limit)],
    )?;
    rows.iter().map(held_of).collect()
}

pub fn held(db: &Session) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = db.query(
        "SELECT coalesce(reason, '') AS reason, count(*) AS n FROM decision WHERE state = 'hold' GROUP BY reason",
        &[],
    )?;
    rows.iter().map(|row| Ok((row.get("reason")?, row.get("n")?))).collect()
}

fn held_of(row: &Row) -> Result<HeldFact, StoreError> {
    Ok(HeldFact {
        webhook_id: row.get("webhook_id")?,
        fact: number(row, "fact")?,
        at: time(row, "at")?,
        topic: row.get("topic")?,
        deadline: optional_time(row, "deadline")?,
    })
}
