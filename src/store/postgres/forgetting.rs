//! Forgetting a person.

use jiff::Timestamp;

use super::super::forgetting::{Forgetting, Forgotten, customers, once, with_body, without_person};
use super::super::{Life, StoreError};
use super::session::Session;
use super::values::{args, scope};
use super::{directory, erasing, history, past};
use crate::facts::Scope;

/// Where decisions name a customer of this id.
const SCOPES: &str = "SELECT DISTINCT w.provider, w.account FROM mention m
        JOIN webhook w ON w.id = m.webhook_id
        JOIN decision d ON d.webhook_id = w.id AND d.customer = m.name
    WHERE m.name = $1";

/// Webhooks that mention a customer and concern no other alone, or of which something was reported for the customer,
/// whomever they name: an id of one thing may be that of another, too.
const ABOUT: &str = "SELECT w.id FROM mention m JOIN webhook w ON w.id = m.webhook_id
    WHERE m.name = $1 AND w.provider = $2 AND w.account = $3 AND (
        EXISTS (SELECT FROM decision d WHERE d.webhook_id = w.id AND d.customer = $1)
        OR EXISTS (SELECT FROM referral_event e WHERE e.webhook_id = w.id AND e.customer = $1)
        OR NOT EXISTS (SELECT FROM decision d WHERE d.webhook_id = w.id AND d.customer IS NOT NULL))";

pub fn forget(db: &Session, forgetting: &Forgetting, now: Timestamp) -> Result<Forgotten, StoreError> {
    let name = &forgetting.name;
    let scopes: Vec<Scope> = db.query(SCOPES, args![name])?.iter().map(scope).collect::<Result<_, _>>()?;
    let people = customers(past::customers(db, name)?, scopes, name);
    let mut webhooks: Vec<i64> = Vec::new();
    for one in &people {
        for row in db.query(ABOUT, args![one.customer.id, one.scope.provider, one.scope.account])? {
            webhooks.push(row.get("id")?);
        }
    }
    let lives: Vec<Life> =
        once(webhooks).into_iter().map(|id| history::life_of(db, id)).collect::<Result<_, StoreError>>()?;
    let forgotten = Forgotten::of(&people, &lives, forgetting.without_person);
    if forgetting.apply && forgotten.in_the_way.is_empty() {
        erasing::erase(db, &with_body(&lives), now, forgetting.without_person)?;
        for one in &people {
            directory::put_customer(db, &one.scope, &without_person(&one.customer))?;
        }
    }
    Ok(forgotten)
}
