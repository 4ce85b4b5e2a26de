//! Decisions on facts, and the names by which people will ask for them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::statements::WAITING_FOR;
use super::super::{DecisionRecord, DecisionState, HeldFact, StoreError};
use super::values::{count, from_json, json, millis, millis_of, optional_time, size, time};
use crate::decision::Warning;

/// Writes the decision on one fact, in place of an earlier one on the same fact.
pub fn put(db: &Connection, decision: &DecisionRecord) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO decision (webhook_id, fact, fact_kind, at, customer, key, state, rule, reason, message,
            warnings, trace, topic, other_topic, deadline, look_up_at, decided_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
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
    ])?;
    let names = decision.mentions.iter().chain(&decision.customer).chain(&decision.key);
    for name in names {
        mention(db, decision.webhook_id, name)?;
    }
    Ok(())
}

/// Lets a webhook be found by `name`.
pub fn mention(db: &Connection, webhook_id: i64, name: &str) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR IGNORE INTO mention (name, webhook_id) VALUES (?1, ?2)")?
        .execute(params![name, webhook_id])?;
    Ok(())
}

/// Adds a warning to the decision to send what has this key.
pub fn add_warning(db: &Connection, webhook_id: i64, key: &str, warning: Warning) -> Result<(), StoreError> {
    let found = db
        .prepare_cached("SELECT fact, warnings FROM decision WHERE webhook_id = ?1 AND key = ?2 AND state = 'send'")?
        .query_row(params![webhook_id, key], |row| Ok((row.get::<_, i64>("fact")?, from_json(row, "warnings")?)))
        .optional()?;
    let Some((fact, mut warnings)): Option<(i64, Vec<Warning>)> = found else { return Ok(()) };
    warnings.push(warning);
    db.prepare_cached("UPDATE decision SET warnings = ?3 WHERE webhook_id = ?1 AND fact = ?2")?.execute(params![
        webhook_id,
        fact,
        json(&warnings)?
    ])?;
    Ok(())
}

pub(super) const ON: &str = "SELECT state FROM decision WHERE key = ?1
    ORDER BY decided_at DESC, webhook_id DESC, fact DESC LIMIT 1";

/// The newest decision on a fact with this key.
pub fn on(db: &Connection, key: &str) -> Result<Option<DecisionState>, StoreError> {
    let state = db.prepare_cached(ON)?.query_row([key], |row| row.get(0)).optional()?;
    Ok(state)
}

pub(super) const STATES: &str = "SELECT state FROM decision WHERE webhook_id = ?1 ORDER BY fact";

/// The decisions on all facts of a webhook.
pub fn states(db: &Connection, webhook: i64) -> Result<Vec<DecisionState>, StoreError> {
    let mut statement = db.prepare_cached(STATES)?;
    let states = statement.query_map([webhook], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(states)
}

/// Has a held fact looked after at `at`.
pub fn look_up_at(db: &Connection, held: &HeldFact, at: Timestamp) -> Result<(), StoreError> {
    let held_until = "UPDATE decision SET look_up_at = ?3, deadline = max(coalesce(deadline, ?3), ?3)
        WHERE webhook_id = ?1 AND fact = ?2 AND state = 'hold'";
    db.prepare_cached(held_until)?.execute(params![held.webhook_id, count(held.fact), millis(at)])?;
    Ok(())
}

pub fn waiting_for(db: &Connection, topic: &str) -> Result<Vec<HeldFact>, StoreError> {
    let mut statement = db.prepare_cached(WAITING_FOR)?;
    let facts = statement.query_map([topic], held_of)?.collect::<Result<_, _>>()?;
    Ok(facts)
}

pub(super) const DUE_HOLDS: &str = "SELECT webhook_id, fact, at, coalesce(topic, '') AS topic, deadline FROM decision
    WHERE state = 'hold' AND wake_at <= ?1 ORDER BY wake_at, webhook_id, fact LIMIT ?2";

pub fn due_holds(db: &Connection, now: Timestamp, limit: usize) -> Result<Vec<HeldFact>, StoreError> {
    let mut statement = db.prepare_cached(DUE_HOLDS)?;
    let facts = statement.query_map(params![millis(now), count(limit)], held_of)?.collect::<Result<_, _>>()?;
    Ok(facts)
}

/// Reads what is held and nothing that is settled, so it takes no longer with a longer history.
pub(super) const HELD: &str =
    "SELECT coalesce(reason, ''), count(*) FROM decision WHERE state = 'hold' GROUP BY reason";

pub fn held(db: &Connection) -> Result<Vec<(String, i64)>, StoreError> {
    let mut statement = db.prepare_cached(HELD)?;
    let held = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(held)
}

fn held_of(row: &Row<'_>) -> rusqlite::Result<HeldFact> {
    Ok(HeldFact {
        webhook_id: row.get("webhook_id")?,
        fact: size(row, "fact")?,
        at: time(row, "at")?,
        topic: row.get("topic")?,
        deadline: optional_time(row, "deadline")?,
    })
}
