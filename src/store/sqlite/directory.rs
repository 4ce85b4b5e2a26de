//! The directory: what earlier webhooks told of customers, subscriptions, payments and codes.
//!
//! Keeps what it is given; which state is newer is decided by the caller.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::StoreError;
use super::super::statements::REMOVE_REFUNDED;
use super::values::{from_json, from_word, json, millis, millis_of, optional_time, time, word};
use crate::facts::{CodeAnswer, KnownCode, KnownCustomer, KnownSubscription, Plan, Scope, Subscription};
use crate::interval::Period;
use crate::money::Currency;

pub fn customer(db: &Connection, scope: &Scope, id: &str) -> Result<Option<KnownCustomer>, StoreError> {
    let customer = db
        .prepare_cached("SELECT * FROM customer WHERE provider = ?1 AND account = ?2 AND id = ?3")?
        .query_row([&scope.provider, &scope.account, id], customer_of)
        .optional()?;
    Ok(customer)
}

pub fn put_customer(db: &Connection, scope: &Scope, customer: &KnownCustomer) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO customer (provider, account, id, ucc, user_id, organization_id, complete_version,
            completed_at, email, name, metadata, country, created_at, version, deleted, reported,
            known_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
        scope.provider,
        scope.account,
        customer.id,
        customer.ucc,
        customer.user_id,
        customer.organization_id,
        customer.complete_version,
        millis_of(customer.completed_at),
        customer.email,
        customer.name,
        json(&customer.metadata)?,
        customer.country,
        millis_of(customer.created_at),
        customer.version,
        customer.deleted,
        customer.reported,
        customer.known_by,
    ])?;
    Ok(())
}

pub fn subscription(db: &Connection, scope: &Scope, id: &str) -> Result<Option<KnownSubscription>, StoreError> {
    let known = db
        .prepare_cached("SELECT * FROM subscription WHERE provider = ?1 AND account = ?2 AND id = ?3")?
        .query_row([&scope.provider, &scope.account, id], |row| {
            Ok(KnownSubscription { subscription: subscription_of(row)?, reported: row.get("reported")? })
        })
        .optional()?;
    Ok(known)
}

pub fn put_subscription(db: &Connection, scope: &Scope, known: &KnownSubscription) -> Result<(), StoreError> {
    let KnownSubscription { subscription, reported } = known;
    let period = subscription.plan.period;
    let unit = period.map(|period| word(&period.unit)).transpose()?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO subscription (provider, account, id, customer, phase, amount, currency, period_unit,
            period_count, price_id, product_id, seats, version, reported)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        scope.provider,
        scope.account,
        subscription.id,
        subscription.customer,
        word(&subscription.phase)?,
        subscription.amount,
        subscription.currency.as_ref().map(Currency::as_str),
        unit,
        period.map(|period| period.count),
        subscription.plan.price_id,
        subscription.plan.product_id,
        subscription.seats,
        subscription.version,
        reported,
    ])?;
    Ok(())
}

pub fn price(db: &Connection, scope: &Scope, id: &str) -> Result<Option<Plan>, StoreError> {
    let plan = db
        .prepare_cached("SELECT * FROM price WHERE provider = ?1 AND account = ?2 AND price_id = ?3")?
        .query_row([&scope.provider, &scope.account, id], |row| {
            Ok(Plan { metered: row.get("metered")?, ..plan_of(row)? })
        })
        .optional()?;
    Ok(plan)
}

pub fn put_price(db: &Connection, scope: &Scope, plan: &Plan) -> Result<(), StoreError> {
    let Some(id) = &plan.price_id else { return Ok(()) };
    let unit = plan.period.map(|period| word(&period.unit)).transpose()?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO price (provider, account, price_id, period_unit, period_count, product_id, metered)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        scope.provider,
        scope.account,
        id,
        unit,
        plan.period.map(|period| period.count),
        plan.product_id,
        plan.metered,
    ])?;
    Ok(())
}

pub fn refunded(db: &Connection, scope: &Scope, charge: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT from_total, to_total FROM refunded WHERE provider = ?1 AND account = ?2 AND charge = ?3
         ORDER BY from_total, to_total",
    )?;
    let stretches = statement
        .query_map([&scope.provider, &scope.account, charge], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(stretches)
}

pub fn put_refunded(db: &Connection, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO refunded (provider, account, charge, from_total, to_total) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![scope.provider, scope.account, charge, from, to])?;
    Ok(())
}

pub fn remove_refunded(db: &Connection, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError> {
    db.prepare_cached(REMOVE_REFUNDED)?.execute(params![scope.provider, scope.account, charge, from, to])?;
    Ok(())
}

pub fn pinned_code(db: &Connection, user: &str) -> Result<Option<String>, StoreError> {
    let code = db
        .prepare_cached("SELECT ucc FROM pinned_code WHERE user_id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    Ok(code)
}

pub fn pin_code(db: &Connection, user: &str, ucc: &str) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR IGNORE INTO pinned_code (user_id, ucc) VALUES (?1, ?2)")?.execute([user, ucc])?;
    Ok(())
}

pub fn customer_of(row: &Row<'_>) -> rusqlite::Result<KnownCustomer> {
    Ok(KnownCustomer {
        id: row.get("id")?,
        ucc: row.get("ucc")?,
        user_id: row.get("user_id")?,
        organization_id: row.get("organization_id")?,
        complete_version: row.get("complete_version")?,
        completed_at: optional_time(row, "completed_at")?,
        email: row.get("email")?,
        name: row.get("name")?,
        metadata: from_json(row, "metadata")?,
        country: row.get("country")?,
        created_at: optional_time(row, "created_at")?,
        version: row.get("version")?,
        deleted: row.get("deleted")?,
        reported: row.get("reported")?,
        known_by: row.get("known_by")?,
    })
}

pub fn code(db: &Connection, ucc: &str) -> Result<Option<KnownCode>, StoreError> {
    let known = db
        .prepare_cached("SELECT * FROM code WHERE ucc = ?1")?
        .query_row([ucc], |row| Ok(KnownCode { answer: code_of(row)?, asked_at: time(row, "asked_at")? }))
        .optional()?;
    Ok(known)
}

pub fn code_of(row: &Row<'_>) -> rusqlite::Result<CodeAnswer> {
    Ok(CodeAnswer { ucc: row.get("ucc")?, valid: row.get("valid")?, owner: row.get("owner")? })
}

pub fn put_code(db: &Connection, code: &KnownCode) -> Result<(), StoreError> {
    let KnownCode { answer: CodeAnswer { ucc, valid, owner }, asked_at } = code;
    db.prepare_cached("INSERT OR REPLACE INTO code (ucc, valid, owner, asked_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![ucc, valid, owner, millis(*asked_at)])?;
    Ok(())
}

pub(super) const FORGET_CODES: &str = "DELETE FROM code WHERE asked_at < ?1";

pub fn forget_codes(db: &Connection, before: Timestamp) -> Result<(), StoreError> {
    db.prepare_cached(FORGET_CODES)?.execute([millis(before)])?;
    Ok(())
}

fn plan_of(row: &Row<'_>) -> rusqlite::Result<Plan> {
    let count: Option<i64> = row.get("period_count")?;
    let period = match count {
        Some(count) => Some(Period { unit: from_word(row, "period_unit")?, count }),
        None => None,
    };
    Ok(Plan { period, price_id: row.get("price_id")?, product_id: row.get("product_id")?, metered: false })
}

fn subscription_of(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        id: row.get("id")?,
        customer: row.get("customer")?,
        phase: from_word(row, "phase")?,
        amount: row.get("amount")?,
        currency: row.get::<_, Option<String>>("currency")?.as_deref().and_then(Currency::parse),
        plan: plan_of(row)?,
        seats: row.get("seats")?,
        version: row.get("version")?,
        ended_at: None,
    })
}
