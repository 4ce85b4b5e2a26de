//! Webhooks: keeping them, finding what is undecided, settling them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{NewWebhook, Receipt, StoreError, Webhook, WebhookState};
use super::values::{count, cut, millis, scope, time};
use crate::crash_points::{CrashPoint, reach};

/// Keeps a webhook, or counts that it came again; the first body stays.
pub fn receive(db: &Connection, webhook: &NewWebhook) -> Result<Receipt, StoreError> {
    let (id, duplicates): (i64, i64) = db
        .prepare_cached(
            "INSERT INTO webhook (provider, account, event_id, kind, mode, at, received_at, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (event_id, account, provider) DO UPDATE SET duplicates = duplicates + 1
             RETURNING id, duplicates",
        )?
        .query_row(
            params![
                webhook.scope.provider,
                webhook.scope.account,
                webhook.event_id,
                webhook.kind,
                webhook.mode,
                millis(webhook.at),
                millis(webhook.received_at),
                count(webhook.body.len()),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    if duplicates == 0 {
        db.prepare_cached("INSERT INTO webhook_body (webhook_id, body) VALUES (?1, ?2)")?
            .execute(params![id, webhook.body])?;
    }
    reach(CrashPoint::WebhookWritten);
    Ok(if duplicates == 0 { Receipt::Stored } else { Receipt::Duplicate })
}

/// What [`webhook`] will find under `id`, without asking.
pub fn as_stored(id: i64, new: NewWebhook) -> Webhook {
    let NewWebhook { scope, event_id, kind, mode, at, received_at, body } = new;
    Webhook { id, scope, event_id, kind, mode, at: cut(at), received_at: cut(received_at), body, tries: 0 }
}

pub(super) const UNDECIDED: &str = "SELECT w.*, b.body FROM webhook w JOIN webhook_body b ON b.webhook_id = w.id
    WHERE w.state = 'undecided' ORDER BY w.id LIMIT ?1";

pub fn undecided(db: &Connection, limit: usize) -> Result<Vec<Webhook>, StoreError> {
    let mut statement = db.prepare_cached(UNDECIDED)?;
    let webhooks = statement.query_map([count(limit)], webhook_of)?.collect::<Result<_, _>>()?;
    Ok(webhooks)
}

pub fn webhook(db: &Connection, id: i64) -> Result<Option<Webhook>, StoreError> {
    let webhook = db
        .prepare_cached("SELECT w.*, b.body FROM webhook w JOIN webhook_body b ON b.webhook_id = w.id WHERE w.id = ?1")?
        .query_row([id], webhook_of)
        .optional()?;
    Ok(webhook)
}

pub fn is_undecided(db: &Connection, id: i64) -> Result<bool, StoreError> {
    let is_there = db.prepare_cached("SELECT 1 FROM webhook WHERE id = ?1 AND state = 'undecided'")?.exists([id])?;
    Ok(is_there)
}

pub fn put_tries(db: &Connection, id: i64, tries: u32) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE webhook SET tries = ?2 WHERE id = ?1 AND state = 'undecided'")?
        .execute(params![id, tries])?;
    Ok(())
}

/// Puts unreadable ones back, and returns those that can be decided.
pub fn decide_again(db: &Connection, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
    let mut put_back = db.prepare_cached(
        "UPDATE webhook SET state = 'undecided', note = NULL, tries = 0
         WHERE id = ?1 AND state = 'unreadable' AND erased_at IS NULL",
    )?;
    let mut done = Vec::new();
    for id in ids {
        if put_back.execute([id])? > 0 {
            done.push(*id);
        }
    }
    Ok(done)
}

pub fn settle(db: &Connection, id: i64, state: WebhookState, note: Option<&str>) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached("UPDATE webhook SET state = ?2, note = ?3 WHERE id = ?1")?
        .execute(params![id, state, note])?;
    if changed == 0 {
        return Err(StoreError::Damaged(format!("there is no webhook {id}")));
    }
    Ok(())
}

fn webhook_of(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row.get("id")?,
        scope: scope(row)?,
        event_id: row.get("event_id")?,
        kind: row.get("kind")?,
        mode: row.get("mode")?,
        at: time(row, "at")?,
        received_at: time(row, "received_at")?,
        body: row.get("body")?,
        tries: row.get("tries")?,
    })
}
