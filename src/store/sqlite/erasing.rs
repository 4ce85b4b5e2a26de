//! Erasing the bodies of webhooks.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::{Arrival, Erased, Erasing, Settled, StoreError, WebhookState, WithoutPerson};
use super::values::{count, json, millis, time};
use crate::referral_event::{Impersonal, TAKEN};

// Named, because SQLite, knowing nothing of how many there are, would rather look through all that was ever ignored.
pub(super) const CANDIDATES: &str = "SELECT w.id, w.received_at,
        EXISTS (SELECT 1 FROM decision d WHERE d.webhook_id = w.id)
        AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.webhook_id = w.id AND NOT (
            d.state = 'ignore' AND (
                d.fact_kind = ''
                OR coalesce(d.reason, '') IN (SELECT value FROM json_each(?5))
                OR coalesce(d.reason, '') IN (SELECT value FROM json_each(?6)) AND NOT EXISTS (
                    SELECT 1 FROM customer c WHERE c.provider = w.provider AND c.account = w.account
                        AND c.id = d.customer AND c.ucc IS NOT NULL)))) AS erasable
    FROM webhook w INDEXED BY webhook_ignored_with_body
    WHERE w.state = 'ignored' AND w.erased_at IS NULL AND w.received_at < ?1 AND (w.received_at, w.id) > (?2, ?3)
    ORDER BY w.received_at, w.id LIMIT ?4";

/// Erases bodies, and what would have their facts decided again, which nothing can any more.
pub fn bodies(db: &Connection, erasing: &Erasing, now: Timestamp) -> Result<Erased, StoreError> {
    let (received_at, id) = erasing.after.unwrap_or((Timestamp::MIN, 0));
    let candidates: Vec<(Arrival, bool)> = db
        .prepare_cached(CANDIDATES)?
        .query_map(
            params![
                millis(erasing.before),
                millis(received_at),
                id,
                count(erasing.limit),
                json(&erasing.reasons)?,
                json(&erasing.reasons_of_strangers)?,
            ],
            |row| Ok(((time(row, "received_at")?, row.get("id")?), row.get("erasable")?)),
        )?
        .collect::<Result<_, _>>()?;
    erase_those(db, &candidates, now, |_| None)
}

macro_rules! settled {
    ($state:literal) => {
        concat!(
            "SELECT w.id, w.received_at,
                NOT EXISTS (SELECT 1 FROM decision d WHERE d.webhook_id = w.id AND d.state = 'hold')
                AND NOT EXISTS (SELECT 1 FROM referral_event e
                    WHERE e.webhook_id = w.id AND e.state NOT IN ('delivered', 'confirmed', 'discarded')) AS erasable
            FROM webhook w INDEXED BY webhook_",
            $state,
            "_with_body WHERE w.state = '",
            $state,
            "' AND w.erased_at IS NULL AND w.received_at < ?1 AND (w.received_at, w.id) > (?2, ?3)
            ORDER BY w.received_at, w.id LIMIT ?4"
        )
    };
}

pub(super) const SETTLED_IGNORED: &str = settled!("ignored");
pub(super) const SETTLED_MAPPED: &str = settled!("mapped");

/// Erases the bodies of what is settled, and the person in what was told of it.
pub fn settled(db: &Connection, settled: &Settled, now: Timestamp) -> Result<Erased, StoreError> {
    let sql = match settled.state {
        WebhookState::Ignored => SETTLED_IGNORED,
        WebhookState::Mapped => SETTLED_MAPPED,
        _ => return Ok(Erased { bodies: 0, last: None }),
    };
    let (received_at, id) = settled.after.unwrap_or((Timestamp::MIN, 0));
    let candidates: Vec<(Arrival, bool)> = db
        .prepare_cached(sql)?
        .query_map(params![millis(settled.before), millis(received_at), id, count(settled.limit)], |row| {
            Ok(((time(row, "received_at")?, row.get("id")?), row.get("erasable")?))
        })?
        .collect::<Result<_, _>>()?;
    erase_those(db, &candidates, now, settled.without_person)
}

fn erase_those(
    db: &Connection,
    candidates: &[(Arrival, bool)],
    now: Timestamp,
    without_person: WithoutPerson,
) -> Result<Erased, StoreError> {
    let mut erased = Erased { bodies: 0, last: candidates.last().map(|(arrival, _)| *arrival) };
    for ((_, id), _) in candidates.iter().filter(|(_, erasable)| *erasable) {
        erase(db, *id, now, without_person)?;
        erased.bodies += 1;
    }
    Ok(erased)
}

/// Erases the body of one webhook and the person in what was told of it and answered. Nothing of it is decided again after that.
pub fn erase(db: &Connection, id: i64, now: Timestamp, without_person: WithoutPerson) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM webhook_body WHERE webhook_id = ?1")?.execute([id])?;
    db.prepare_cached("UPDATE webhook SET erased_at = ?2 WHERE id = ?1")?.execute(params![id, millis(now)])?;
    db.prepare_cached(
        "UPDATE decision SET topic = NULL, other_topic = NULL WHERE webhook_id = ?1 AND topic IS NOT NULL",
    )?
    .execute([id])?;
    let bodies: Vec<(i64, String)> = db
        .prepare_cached("SELECT id, body FROM referral_event WHERE webhook_id = ?1")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (event, body) in bodies {
        if let Some(Impersonal { body, taken }) = without_person(&body) {
            db.prepare_cached("UPDATE referral_event SET body = ?2 WHERE id = ?1")?.execute(params![event, body])?;
            erase_words(db, event, &taken)?;
        }
        let former: Vec<(i64, String)> = db
            .prepare_cached("SELECT id, body FROM former_body WHERE event_id = ?1")?
            .query_map([event], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (former, body) in former {
            let Some(Impersonal { body, taken }) = without_person(&body) else { continue };
            db.prepare_cached("UPDATE former_body SET body = ?2 WHERE id = ?1")?.execute(params![former, body])?;
            erase_words(db, event, &taken)?;
        }
    }
    Ok(())
}

/// Takes words out of what was answered to an event.
fn erase_words(db: &Connection, event: i64, taken: &[String]) -> Result<(), StoreError> {
    for words in taken {
        db.prepare_cached(
            "UPDATE attempt SET message = replace(message, ?2, ?3) WHERE event_id = ?1 AND instr(message, ?2) > 0",
        )?
        .execute(params![event, words, TAKEN])?;
    }
    Ok(())
}
