//! Webhooks: keeping them, finding what is undecided, settling them.

use std::collections::BTreeMap;

use super::super::{NewWebhook, Receipt, StoreError, Webhook, WebhookState};
use super::session::Session;
use super::values::{Row, args, count, millis, number, scope, time};
use crate::crash_points::{CrashPoint, reach};

/// Keeps webhooks in one go, or counts that they came again; the first body stays. In the order of their ids, so that
/// relays that receive the same ones at the same time do not wait for each other in a circle. A webhook that is among
/// them twice is a duplicate the second time.
pub fn receive(db: &Session, webhooks: &[&NewWebhook]) -> Result<Vec<Receipt>, StoreError> {
    let mut first: BTreeMap<[&str; 3], usize> = BTreeMap::new();
    for (n, webhook) in webhooks.iter().enumerate() {
        first.entry(identity(webhook)).or_insert(n);
    }
    let of = |get: fn(&NewWebhook) -> &str| -> Vec<&str> { first.values().map(|n| get(webhooks[*n])).collect() };
    let numbers = |get: fn(&NewWebhook) -> i64| -> Vec<i64> { first.values().map(|n| get(webhooks[*n])).collect() };
    let modes: Vec<Option<&str>> = first.values().map(|n| webhooks[*n].mode.map(|mode| mode.as_str())).collect();
    let bodies: Vec<&[u8]> = first.values().map(|n| webhooks[*n].body.as_slice()).collect();
    let stored = db.query(
        "WITH given AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                $8::bytea[]) WITH ORDINALITY AS t (provider, account, event_id, kind, mode, at, received_at, body, n)
        ), stored AS (
            INSERT INTO webhook (provider, account, event_id, kind, mode, at, received_at, bytes)
            SELECT provider, account, event_id, kind, mode, at, received_at, length(body) FROM given ORDER BY n
            ON CONFLICT (event_id, account, provider) DO NOTHING
            RETURNING id, provider, account, event_id
        ), kept AS (
            INSERT INTO webhook_body (webhook_id, body)
            SELECT id, body FROM stored JOIN given USING (event_id, account, provider)
        )
        SELECT n FROM stored JOIN given USING (event_id, account, provider)",
        args![
            of(|webhook| &webhook.scope.provider),
            of(|webhook| &webhook.scope.account),
            of(|webhook| &webhook.event_id),
            of(|webhook| &webhook.kind),
            modes,
            numbers(|webhook| millis(webhook.at)),
            numbers(|webhook| millis(webhook.received_at)),
            bodies,
        ],
    )?;
    let places: Vec<usize> = first.into_values().collect();
    let mut receipts = vec![Receipt::Duplicate; webhooks.len()];
    for row in &stored {
        let n: usize = number(row, "n")?;
        receipts[places[n - 1]] = Receipt::Stored;
    }
    let again: Vec<[&str; 3]> = webhooks
        .iter()
        .zip(&receipts)
        .filter(|(_, receipt)| **receipt == Receipt::Duplicate)
        .map(|(webhook, _)| identity(webhook))
        .collect();
    if !again.is_empty() {
        came_again(db, &again)?;
    }
    reach(CrashPoint::WebhookWritten);
    Ok(receipts)
}

fn identity(webhook: &NewWebhook) -> [&str; 3] {
    [&webhook.event_id, &webhook.scope.account, &webhook.scope.provider]
}

fn came_again(db: &Session, webhooks: &[[&str; 3]]) -> Result<(), StoreError> {
    let column = |at: usize| -> Vec<&str> { webhooks.iter().map(|identity| identity[at]).collect() };
    db.execute(
        "INSERT INTO webhook_again (webhook_id, times)
         SELECT w.id, count(*) FROM unnest($1::text[], $2::text[], $3::text[]) AS t (event_id, account, provider)
            JOIN webhook w USING (event_id, account, provider) GROUP BY w.id ORDER BY w.id",
        args![column(0), column(1), column(2)],
    )?;
    Ok(())
}

pub fn undecided(db: &Session, limit: usize) -> Result<Vec<Webhook>, StoreError> {
    // By the state too, which is always the same, so that the index of both is followed from its first entry.
    let rows = db.query(
        "SELECT w.*, b.body FROM webhook w JOIN webhook_body b ON b.webhook_id = w.id
         WHERE w.state = 'undecided' ORDER BY w.state, w.id LIMIT $1",
        args![count(limit)],
    )?;
    rows.iter().map(webhook_of).collect()
}

pub fn webhook(db: &Session, id: i64) -> Result<Option<Webhook>, StoreError> {
    let row = db.query_one(
        "SELECT w.*, b.body FROM webhook w JOIN webhook_body b ON b.webhook_id = w.id WHERE w.id = $1",
        args![id],
    )?;
    row.as_ref().map(webhook_of).transpose()
}

pub fn is_undecided(db: &Session, id: i64) -> Result<bool, StoreError> {
    let row = db.query_one("SELECT FROM webhook WHERE id = $1 AND state = 'undecided'", args![id])?;
    Ok(row.is_some())
}

pub fn put_tries(db: &Session, id: i64, tries: u32) -> Result<(), StoreError> {
    db.execute("UPDATE webhook SET tries = $2 WHERE id = $1 AND state = 'undecided'", args![id, i64::from(tries)])?;
    Ok(())
}

/// Puts unreadable ones back, and returns those that can be decided.
pub fn decide_again(db: &Session, ids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
    let rows = db.query(
        "UPDATE webhook SET state = 'undecided', note = NULL, tries = 0
         WHERE id = ANY ($1) AND state = 'unreadable' AND erased_at IS NULL RETURNING id",
        args![ids],
    )?;
    rows.iter().map(|row| row.get("id")).collect()
}

pub fn settle(db: &Session, id: i64, state: WebhookState, note: Option<&str>) -> Result<(), StoreError> {
    let changed = db.execute("UPDATE webhook SET state = $2, note = $3 WHERE id = $1", args![id, state, note])?;
    if changed == 0 {
        return Err(StoreError::Damaged(format!("there is no webhook {id}")));
    }
    Ok(())
}

fn webhook_of(row: &Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.get("id")?,
        scope: scope(row)?,
        event_id: row.get("event_id")?,
        kind: row.get("kind")?,
        mode: row.get("mode")?,
        at: time(row, "at")?,
        received_at: time(row, "received_at")?,
        body: row.get("body")?,
        tries: number(row, "tries")?,
    })
}
