//! Erasing the bodies of webhooks.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::{Arrival, Erased, Erasing, StoreError};
use super::values::{count, json, millis, time};

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
    let mut erased = Erased { bodies: 0, last: candidates.last().map(|(arrival, _)| *arrival) };
    for ((_, id), _) in candidates.iter().filter(|(_, erasable)| *erasable) {
        db.prepare_cached("DELETE FROM webhook_body WHERE webhook_id = ?1")?.execute([id])?;
        db.prepare_cached("UPDATE webhook SET erased_at = ?2 WHERE id = ?1")?.execute(params![id, millis(now)])?;
        db.prepare_cached("UPDATE decision SET topic = NULL WHERE webhook_id = ?1 AND topic IS NOT NULL")?
            .execute([id])?;
        erased.bodies += 1;
    }
    Ok(erased)
}
