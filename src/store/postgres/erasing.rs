//! Erasing the bodies of webhooks.

use jiff::Timestamp;

use super::super::{Arrival, Erased, Erasing, StoreError};
use super::session::Session;
use super::values::{args, count, millis, time};
use crate::decision::Reason;

/// Erases bodies, and what would have their facts decided again, which nothing can any more.
pub fn bodies(db: &Session, erasing: &Erasing, now: Timestamp) -> Result<Erased, StoreError> {
    let (received_at, id) = erasing.after.unwrap_or((Timestamp::MIN, 0));
    let words = |reasons: &[Reason]| -> Vec<&str> { reasons.iter().map(|reason| reason.as_str()).collect() };
    let rows = db.query(
        "SELECT w.id, w.received_at,
            EXISTS (SELECT FROM decision d WHERE d.webhook_id = w.id)
            AND NOT EXISTS (SELECT FROM decision d WHERE d.webhook_id = w.id AND NOT (
                d.state = 'ignore' AND (
                    d.fact_kind = ''
                    OR coalesce(d.reason, '') = ANY ($5::text[])
                    OR coalesce(d.reason, '') = ANY ($6::text[]) AND NOT EXISTS (
                        SELECT FROM customer c WHERE c.provider = w.provider AND c.account = w.account
                            AND c.id = d.customer AND c.ucc IS NOT NULL)))) AS erasable
         FROM webhook w
         WHERE w.state = 'ignored' AND w.erased_at IS NULL AND w.received_at < $1 AND (w.received_at, w.id) > ($2, $3)
         ORDER BY w.received_at, w.id LIMIT $4",
        args![
            millis(erasing.before),
            millis(received_at),
            id,
            count(erasing.limit),
            words(&erasing.reasons),
            words(&erasing.reasons_of_strangers),
        ],
    )?;
    let mut last: Option<Arrival> = None;
    let mut erasable: Vec<i64> = Vec::new();
    for row in &rows {
        let id = row.get("id")?;
        last = Some((time(row, "received_at")?, id));
        if row.get("erasable")? {
            erasable.push(id);
        }
    }
    if !erasable.is_empty() {
        db.execute("DELETE FROM webhook_body WHERE webhook_id = ANY ($1::bigint[])", args![erasable])?;
        db.execute("UPDATE webhook SET erased_at = $2 WHERE id = ANY ($1::bigint[])", args![erasable, millis(now)])?;
        db.execute(
            "UPDATE decision SET topic = NULL WHERE webhook_id = ANY ($1::bigint[]) AND topic IS NOT NULL",
            args![erasable],
        )?;
    }
    Ok(Erased { bodies: erasable.len(), last })
}
