//! Erasing the bodies of webhooks.

use jiff::Timestamp;

use super::super::{Arrival, Erased, Erasing, Settled, StoreError, WebhookState, WithoutPerson};
use super::session::Session;
use super::values::{Row, args, count, millis, time};
use crate::decision::Reason;
use crate::referral_event::{Impersonal, TAKEN};

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
    erase_those(db, &rows, now, |_| None)
}

macro_rules! settled {
    ($state:literal) => {
        concat!(
            "SELECT w.id, w.received_at,
                NOT EXISTS (SELECT FROM decision d WHERE d.webhook_id = w.id AND d.state = 'hold')
                AND NOT EXISTS (SELECT FROM referral_event e
                    WHERE e.webhook_id = w.id AND e.state NOT IN ('delivered', 'confirmed', 'discarded')) AS erasable
            FROM webhook w WHERE w.state = '",
            $state,
            "' AND w.erased_at IS NULL AND w.received_at < $1 AND (w.received_at, w.id) > ($2, $3)
            ORDER BY w.received_at, w.id LIMIT $4"
        )
    };
}

/// Erases the bodies of what is settled, and the person in what was told of it.
pub fn settled(db: &Session, settled: &Settled, now: Timestamp) -> Result<Erased, StoreError> {
    let sql = match settled.state {
        WebhookState::Ignored => settled!("ignored"),
        WebhookState::Mapped => settled!("mapped"),
        _ => return Ok(Erased { bodies: 0, last: None }),
    };
    let (received_at, id) = settled.after.unwrap_or((Timestamp::MIN, 0));
    let rows = db.query(sql, args![millis(settled.before), millis(received_at), id, count(settled.limit)])?;
    erase_those(db, &rows, now, settled.without_person)
}

fn erase_those(
    db: &Session,
    rows: &[Row],
    now: Timestamp,
    without_person: WithoutPerson,
) -> Result<Erased, StoreError> {
    let mut last: Option<Arrival> = None;
    let mut erasable: Vec<i64> = Vec::new();
    for row in rows {
        let id = row.get("id")?;
        last = Some((time(row, "received_at")?, id));
        if row.get("erasable")? {
            erasable.push(id);
        }
    }
    erase(db, &erasable, now, without_person)?;
    Ok(Erased { bodies: erasable.len(), last })
}

/// Erases the bodies of webhooks and the person in what was told of them and answered. Nothing of them is decided again after that.
pub fn erase(db: &Session, ids: &Vec<i64>, now: Timestamp, without_person: WithoutPerson) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    db.execute("DELETE FROM webhook_body WHERE webhook_id = ANY ($1::bigint[])", args![ids])?;
    db.execute("UPDATE webhook SET erased_at = $2 WHERE id = ANY ($1::bigint[])", args![ids, millis(now)])?;
    db.execute(
        "UPDATE decision SET topic = NULL, other_topic = NULL WHERE webhook_id = ANY ($1::bigint[]) AND topic IS NOT NULL",
        args![ids],
    )?;
    let rows = db.query("SELECT id, body FROM referral_event WHERE webhook_id = ANY ($1::bigint[])", args![ids])?;
    let mut told: Vec<(i64, Impersonal)> = Vec::new();
    for row in &rows {
        let (id, body): (i64, String) = (row.get("id")?, row.get("body")?);
        told.extend(without_person(&body).map(|left| (id, left)));
    }
    erase_person(db, &told)?;
    let rows = db.query(
        "SELECT f.id, f.event_id, f.body FROM former_body f JOIN referral_event e ON e.id = f.event_id
         WHERE e.webhook_id = ANY ($1::bigint[])",
        args![ids],
    )?;
    for row in &rows {
        let Some(left) = without_person(&row.get::<String>("body")?) else { continue };
        db.execute("UPDATE former_body SET body = $2 WHERE id = $1", args![row.get::<i64>("id")?, left.body])?;
        erase_words(db, &[(row.get("event_id")?, left)])?;
    }
    Ok(())
}

/// One statement for all, because each costs a way to the server and back while others wait.
fn erase_person(db: &Session, told: &[(i64, Impersonal)]) -> Result<(), StoreError> {
    let (events, bodies): (Vec<i64>, Vec<&str>) = told.iter().map(|(id, left)| (*id, left.body.as_str())).unzip();
    db.execute(
        "UPDATE referral_event e SET body = t.body FROM unnest($1::bigint[], $2::text[]) AS t (id, body)
         WHERE e.id = t.id",
        args![events, bodies],
    )?;
    erase_words(db, told)
}

/// Takes words out of what was answered to events.
fn erase_words(db: &Session, told: &[(i64, Impersonal)]) -> Result<(), StoreError> {
    // One word of each event at a time: a row is updated once by each statement.
    for place in 0..told.iter().map(|(_, left)| left.taken.len()).max().unwrap_or_default() {
        let words = told.iter().filter_map(|(id, left)| Some((*id, left.taken.get(place)?.as_str())));
        let (events, words): (Vec<i64>, Vec<&str>) = words.unzip();
        db.execute(
            "UPDATE attempt a SET message = replace(a.message, t.words, $3)
             FROM unnest($1::bigint[], $2::text[]) AS t (id, words)
             WHERE a.event_id = t.id AND strpos(a.message, t.words) > 0",
            args![events, words, TAKEN],
        )?;
    }
    Ok(())
}
