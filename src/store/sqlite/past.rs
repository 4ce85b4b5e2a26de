//! Pages of what was stored, and what the directory knows.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params, params_from_iter};

use super::super::{
    About, Known, NewWebhook, PastDecision, PastEvent, PastWebhook, Row as TextRow, SaidOfCodes, ScopedCustomer,
    StoreError, Table,
};
use super::values::{count, from_json, json, scope, size, time};
use super::{directory, payments};
use crate::decision::Reason;
use crate::facts::Scope;

pub(super) const WEBHOOKS_AFTER: &str = "SELECT w.*, b.body FROM webhook w
        LEFT JOIN webhook_body b ON b.webhook_id = w.id
    WHERE w.id > ?1 ORDER BY w.id LIMIT ?2";

pub(super) const DECISIONS_BETWEEN: &str = "SELECT webhook_id, fact, state, decided_at FROM decision
    WHERE webhook_id BETWEEN ?1 AND ?2 ORDER BY webhook_id, fact";

/// The next webhooks in order of arrival.
pub fn webhooks_after(db: &Connection, after: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError> {
    let mut webhooks: Vec<PastWebhook> = db
        .prepare_cached(WEBHOOKS_AFTER)?
        .query_map(params![after, count(limit)], webhook_of)?
        .collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (webhooks.first(), webhooks.last()) else { return Ok(webhooks) };
    let mut decisions: BTreeMap<i64, Vec<PastDecision>> = BTreeMap::new();
    let mut statement = db.prepare_cached(DECISIONS_BETWEEN)?;
    let mut rows = statement.query([first.id, last.id])?;
    while let Some(row) = rows.next()? {
        decisions.entry(row.get("webhook_id")?).or_default().push(decision_of(row)?);
    }
    for webhook in &mut webhooks {
        webhook.decisions = decisions.remove(&webhook.id).unwrap_or_default();
    }
    Ok(webhooks)
}

pub(super) const EVENTS_AFTER: &str = "SELECT id, key, trigger, webhook_id, at, created_at, state, body
    FROM referral_event WHERE key > ?1 AND key_freed_at IS NULL ORDER BY key LIMIT ?2";

/// The next referral events in the order of their keys.
pub fn referral_events_after(db: &Connection, after: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError> {
    let mut statement = db.prepare_cached(EVENTS_AFTER)?;
    let events = statement.query_map(params![after, count(limit)], event_of)?.collect::<Result<_, _>>()?;
    Ok(events)
}

pub fn known(db: &Connection, scope: &Scope, about: &About) -> Result<Known, StoreError> {
    let mut known = Known::default();
    if let Some(id) = &about.customer {
        known.customer = directory::customer(db, scope, id)?;
    }
    if let Some(id) = &about.subscription {
        known.subscription = directory::subscription(db, scope, id)?;
    }
    for id in &about.prices {
        known.prices.extend(directory::price(db, scope, id)?);
    }
    for id in &about.payments {
        known.links.extend(payments::links_of_payment(db, scope, id)?);
    }
    if let Some(id) = &about.invoice {
        known.links.extend(payments::links_of_invoice(db, scope, id)?);
    }
    Ok(known)
}

/// Looks at every customer, which only a person's single question is worth: nothing else asks for customers by the
/// names the operator gave them.
pub fn customers(db: &Connection, name: &str) -> Result<Vec<ScopedCustomer>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT * FROM customer WHERE id = ?1 OR user_id = ?1 OR organization_id = ?1 ORDER BY provider, account, id",
    )?;
    let customers = statement
        .query_map([name], |row| Ok(ScopedCustomer { scope: scope(row)?, customer: directory::customer_of(row)? }))?
        .collect::<Result<_, _>>()?;
    Ok(customers)
}

/// The next rows of a table of the directory, each value as text.
pub fn known_rows(db: &Connection, table: &Table, after: &[String], limit: usize) -> Result<Vec<TextRow>, StoreError> {
    let columns: Vec<_> = table.columns.iter().map(|(name, _)| format!("CAST({name} AS TEXT)")).collect();
    let key: Vec<_> = table.columns.iter().take(table.key).map(|(name, _)| *name).collect();
    let key = key.join(", ");
    let from = match after {
        [] => String::new(),
        after => format!("WHERE ({key}) > ({})", vec!["?"; after.len()].join(", ")),
    };
    let sql = format!("SELECT {} FROM {} {from} ORDER BY {key} LIMIT {limit}", columns.join(", "), table.name);
    let mut statement = db.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params_from_iter(after), |row| (0..columns.len()).map(|at| row.get(at)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A fault that passed, so that it was told after all, is none.
const FAULTS: &str = "SELECT d.key, d.reason AS fault FROM decision d
        WHERE d.state = 'ignore' AND d.key IS NOT NULL AND d.reason IN (SELECT value FROM json_each(?1))
            AND NOT EXISTS (SELECT 1 FROM referral_event e WHERE e.key = d.key)
    UNION ALL SELECT d.key, w.value ->> 'code' FROM decision d, json_each(d.warnings) w
        WHERE d.state = 'send' AND d.key IS NOT NULL AND w.value ->> 'code' IN (SELECT value FROM json_each(?1))";

/// Looks at every decision, which only a person's single question is worth.
pub fn said_of_codes(db: &Connection, faults: &[Reason]) -> Result<SaidOfCodes, StoreError> {
    let mut said = SaidOfCodes::default();
    let mut statement = db.prepare_cached("SELECT * FROM code")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let answer = directory::code_of(row)?;
        said.answers.insert(answer.ucc.clone(), answer);
    }
    let mut statement = db.prepare_cached(FAULTS)?;
    let mut rows = statement.query([json(&faults)?])?;
    while let Some(row) = rows.next()? {
        let fault: String = row.get("fault")?;
        if let Some(fault) = Reason::parse(&fault) {
            said.faults.insert(row.get("key")?, fault);
        }
    }
    Ok(said)
}

fn webhook_of(row: &Row<'_>) -> rusqlite::Result<PastWebhook> {
    let webhook = match row.get::<_, Option<Vec<u8>>>("body")? {
        Some(body) => Some(NewWebhook {
            scope: scope(row)?,
            event_id: row.get("event_id")?,
            kind: row.get("kind")?,
            mode: row.get("mode")?,
            at: time(row, "at")?,
            received_at: time(row, "received_at")?,
            body,
        }),
        None => None,
    };
    Ok(PastWebhook { id: row.get("id")?, webhook, state: row.get("state")?, decisions: Vec::new() })
}

fn decision_of(row: &Row<'_>) -> rusqlite::Result<PastDecision> {
    Ok(PastDecision { fact: size(row, "fact")?, state: row.get("state")?, decided_at: time(row, "decided_at")? })
}

fn event_of(row: &Row<'_>) -> rusqlite::Result<PastEvent> {
    Ok(PastEvent {
        id: row.get("id")?,
        key: row.get("key")?,
        trigger: row.get("trigger")?,
        webhook_id: row.get("webhook_id")?,
        at: time(row, "at")?,
        created_at: time(row, "created_at")?,
        state: row.get("state")?,
        body: from_json(row, "body")?,
    })
}
