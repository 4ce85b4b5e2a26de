//! Pages of what was stored, and what the directory knows.

use std::collections::BTreeMap;

use super::super::{
    About, Known, NewWebhook, PastDecision, PastEvent, PastWebhook, Row as TextRow, SaidOfCodes, ScopedCustomer,
    StoreError, Table,
};
use super::session::Session;
use super::values::{Row, Value, args, count, escaped, from_json, number, scope, time};
use super::{directory, payments};
use crate::decision::Reason;
use crate::facts::Scope;

const WEBHOOKS_AFTER: &str = "SELECT w.*, b.body FROM webhook w
        LEFT JOIN webhook_body b ON b.webhook_id = w.id
    WHERE w.id > $1 ORDER BY w.id LIMIT $2";

const DECISIONS_BETWEEN: &str = "SELECT webhook_id, fact, state, decided_at FROM decision
    WHERE webhook_id BETWEEN $1 AND $2 ORDER BY webhook_id, fact";

/// The next webhooks in order of arrival.
pub fn webhooks_after(db: &Session, after: i64, limit: usize) -> Result<Vec<PastWebhook>, StoreError> {
    let rows = db.query(WEBHOOKS_AFTER, args![after, count(limit)])?;
    let mut webhooks: Vec<PastWebhook> = rows.iter().map(webhook_of).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (webhooks.first(), webhooks.last()) else { return Ok(webhooks) };
    let mut decisions: BTreeMap<i64, Vec<PastDecision>> = BTreeMap::new();
    for row in db.query(DECISIONS_BETWEEN, args![first.id, last.id])? {
        decisions.entry(row.get("webhook_id")?).or_default().push(decision_of(&row)?);
    }
    for webhook in &mut webhooks {
        webhook.decisions = decisions.remove(&webhook.id).unwrap_or_default();
    }
    Ok(webhooks)
}

const EVENTS_AFTER: &str = "SELECT id, key, trigger, webhook_id, at, created_at, state, body
    FROM referral_event WHERE key > $1 AND key_freed_at IS NULL ORDER BY key LIMIT $2";

/// The next referral events in the order of their keys.
pub fn referral_events_after(db: &Session, after: &str, limit: usize) -> Result<Vec<PastEvent>, StoreError> {
    db.query(EVENTS_AFTER, args![after, count(limit)])?.iter().map(event_of).collect()
}

pub fn known(db: &Session, scope: &Scope, about: &About) -> Result<Known, StoreError> {
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
pub fn customers(db: &Session, name: &str) -> Result<Vec<ScopedCustomer>, StoreError> {
    let rows = db.query(
        "SELECT * FROM customer WHERE id = $1 OR user_id = $1 OR organization_id = $1 ORDER BY provider, account, id",
        args![name],
    )?;
    rows.iter().map(|row| Ok(ScopedCustomer { scope: scope(row)?, customer: directory::customer_of(row)? })).collect()
}

/// The next rows of a table of the directory, each value as text.
pub fn known_rows(db: &Session, table: &Table, after: &[String], limit: usize) -> Result<Vec<TextRow>, StoreError> {
    let list = |of: fn(usize, &str, &str) -> String, many: usize| {
        let each = table.columns.iter().take(many).enumerate().map(|(n, (name, kind))| of(n + 1, name, kind));
        each.collect::<Vec<_>>().join(", ")
    };
    let key = list(|_, name, _| format!("t.{name}"), table.key);
    let from = match after {
        [] => String::new(),
        after => format!("WHERE ({key}) > ({})", list(|n, _, kind| format!("${n}::text::{kind}"), after.len())),
    };
    let columns = list(|_, name, _| format!("t.{name}::text AS {name}"), table.columns.len());
    let sql = format!("SELECT {columns} FROM {} t {from} ORDER BY {key} LIMIT {limit}", table.name);
    let after: Vec<Value<'_>> = after.iter().map(|text| Value::Text(escaped(text))).collect();
    let rows = db.query_once(&sql, &after)?;
    rows.iter().map(|row| table.columns.iter().map(|(name, _)| row.get(name)).collect()).collect()
}

/// A fault that passed, so that it was told after all, is none. Warnings are compared as the text they are kept as: PostgreSQL
/// reads no JSON in which a text holds a NUL. What looks like a code within a message has its quotes escaped.
const FAULTS: &str = "SELECT d.key, d.reason AS fault FROM decision d
        WHERE d.state = 'ignore' AND d.key IS NOT NULL AND d.reason = ANY($1)
            AND NOT EXISTS (SELECT 1 FROM referral_event e WHERE e.key = d.key)
    UNION ALL SELECT d.key, f.fault FROM decision d, unnest($1::text[]) AS f (fault)
        WHERE d.state = 'send' AND d.key IS NOT NULL AND strpos(d.warnings, '\"code\":\"' || f.fault || '\"') > 0";

/// Looks at every decision, which only a person's single question is worth.
pub fn said_of_codes(db: &Session, faults: &[Reason]) -> Result<SaidOfCodes, StoreError> {
    let mut said = SaidOfCodes::default();
    for row in db.query("SELECT * FROM code", &[])? {
        let answer = directory::code_of(&row)?;
        said.answers.insert(answer.ucc.clone(), answer);
    }
    let faults: Vec<&str> = faults.iter().map(|fault| fault.as_str()).collect();
    for row in db.query(FAULTS, args![faults])? {
        let fault: String = row.get("fault")?;
        if let Some(fault) = Reason::parse(&fault) {
            said.faults.insert(row.get("key")?, fault);
        }
    }
    Ok(said)
}

fn webhook_of(row: &Row) -> Result<PastWebhook, StoreError> {
    let webhook = match row.get::<Option<Vec<u8>>>("body")? {
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

fn decision_of(row: &Row) -> Result<PastDecision, StoreError> {
    Ok(PastDecision { fact: number(row, "fact")?, state: row.get("state")?, decided_at: time(row, "decided_at")? })
}

fn event_of(row: &Row) -> Result<PastEvent, StoreError> {
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
