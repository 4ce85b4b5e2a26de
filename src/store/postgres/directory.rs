//! The directory: what earlier webhooks told of customers, subscriptions, payments and codes.
//!
//! Keeps what it is given; which state is newer is decided by the caller.

use jiff::Timestamp;

use super::super::StoreError;
use super::super::statements::REMOVE_REFUNDED;
use super::session::Session;
use super::values::{Row, args, from_json, from_word, json, millis, millis_of, optional_time, time, word};
use crate::facts::{CodeAnswer, KnownCode, KnownCustomer, KnownSubscription, Plan, Scope, Subscription};
use crate::interval::Period;
use crate::money::Currency;

pub fn customer(db: &Session, scope: &Scope, id: &str) -> Result<Option<KnownCustomer>, StoreError> {
    let row = db.query_one(
        "SELECT * FROM customer WHERE provider = $1 AND account = $2 AND id = $3",
        args![scope.provider, scope.account, id],
    )?;
    row.as_ref().map(customer_of).transpose()
}

pub fn put_customer(db: &Session, scope: &Scope, customer: &KnownCustomer) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO customer (provider, account, id, ucc, user_id, organization_id, complete_version, completed_at, email,
            name, metadata, country, created_at, version, deleted, reported, known_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (provider, account, id) DO UPDATE SET ucc = excluded.ucc, user_id = excluded.user_id,
            organization_id = excluded.organization_id, complete_version = excluded.complete_version,
            completed_at = excluded.completed_at, email = excluded.email, name = excluded.name,
            metadata = excluded.metadata, country = excluded.country, created_at = excluded.created_at,
            version = excluded.version, deleted = excluded.deleted, reported = excluded.reported,
            known_by = excluded.known_by",
        args![
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
        ],
    )?;
    Ok(())
}

pub fn subscription(db: &Session, scope: &Scope, id: &str) -> Result<Option<KnownSubscription>, StoreError> {
    let row = db.query_one(
        "SELECT * FROM subscription WHERE provider = $1 AND account = $2 AND id = $3",
        args![scope.provider, scope.account, id],
    )?;
    row.map(|row| Ok(KnownSubscription { subscription: subscription_of(&row)?, reported: row.get("reported")? }))
        .transpose()
}

pub fn put_subscription(db: &Session, scope: &Scope, known: &KnownSubscription) -> Result<(), StoreError> {
    let KnownSubscription { subscription, reported } = known;
    let period = subscription.plan.period;
    let unit = period.map(|period| word(&period.unit)).transpose()?;
    db.execute(
        "INSERT INTO subscription (provider, account, id, customer, phase, amount, currency, period_unit, period_count,
            price_id, product_id, seats, version, reported)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (provider, account, id) DO UPDATE SET customer = excluded.customer, phase = excluded.phase,
            amount = excluded.amount, currency = excluded.currency, period_unit = excluded.period_unit,
            period_count = excluded.period_count, price_id = excluded.price_id, product_id = excluded.product_id,
            seats = excluded.seats, version = excluded.version, reported = excluded.reported",
        args![
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
        ],
    )?;
    Ok(())
}

pub fn price(db: &Session, scope: &Scope, id: &str) -> Result<Option<Plan>, StoreError> {
    let row = db.query_one(
        "SELECT * FROM price WHERE provider = $1 AND account = $2 AND price_id = $3",
        args![scope.provider, scope.account, id],
    )?;
    row.map(|row| Ok(Plan { metered: row.get("metered")?, ..plan_of(&row)? })).transpose()
}

pub fn put_price(db: &Session, scope: &Scope, plan: &Plan) -> Result<(), StoreError> {
    let Some(id) = &plan.price_id else { return Ok(()) };
    let unit = plan.period.map(|period| word(&period.unit)).transpose()?;
    db.execute(
        "INSERT INTO price (provider, account, price_id, period_unit, period_count, product_id, metered)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (provider, account, price_id) DO UPDATE SET period_unit = excluded.period_unit,
            period_count = excluded.period_count, product_id = excluded.product_id,
            metered = excluded.metered",
        args![
            scope.provider,
            scope.account,
            id,
            unit,
            plan.period.map(|period| period.count),
            plan.product_id,
            plan.metered,
        ],
    )?;
    Ok(())
}

pub fn refunded(db: &Session, scope: &Scope, charge: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = db.query(
        "SELECT from_total, to_total FROM refunded WHERE provider = $1 AND account = $2 AND charge = $3
         ORDER BY from_total, to_total",
        args![scope.provider, scope.account, charge],
    )?;
    rows.iter().map(|row| Ok((row.get("from_total")?, row.get("to_total")?))).collect()
}

pub fn put_refunded(db: &Session, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO refunded (provider, account, charge, from_total, to_total) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        args![scope.provider, scope.account, charge, from, to],
    )?;
    Ok(())
}

pub fn remove_refunded(db: &Session, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError> {
    db.execute(REMOVE_REFUNDED, args![scope.provider, scope.account, charge, from, to])?;
    Ok(())
}

pub fn pinned_code(db: &Session, user: &str) -> Result<Option<String>, StoreError> {
    let row = db.query_one("SELECT ucc FROM pinned_code WHERE user_id = $1", args![user])?;
    row.map(|row| row.get("ucc")).transpose()
}

pub fn pin_code(db: &Session, user: &str, ucc: &str) -> Result<(), StoreError> {
    db.execute("INSERT INTO pinned_code (user_id, ucc) VALUES ($1, $2) ON CONFLICT DO NOTHING", args![user, ucc])?;
    Ok(())
}

pub fn code(db: &Session, ucc: &str) -> Result<Option<KnownCode>, StoreError> {
    let row = db.query_one("SELECT * FROM code WHERE ucc = $1", args![ucc])?;
    row.map(|row| Ok(KnownCode { answer: code_of(&row)?, asked_at: time(&row, "asked_at")? })).transpose()
}

pub fn code_of(row: &Row) -> Result<CodeAnswer, StoreError> {
    Ok(CodeAnswer { ucc: row.get("ucc")?, valid: row.get("valid")?, owner: row.get("owner")? })
}

pub fn put_code(db: &Session, code: &KnownCode) -> Result<(), StoreError> {
    let KnownCode { answer: CodeAnswer { ucc, valid, owner }, asked_at } = code;
    db.execute(
        "INSERT INTO code (ucc, valid, owner, asked_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (ucc) DO UPDATE SET valid = excluded.valid, owner = excluded.owner, asked_at = excluded.asked_at",
        args![ucc, valid, owner, millis(*asked_at)],
    )?;
    Ok(())
}

pub fn forget_codes(db: &Session, before: Timestamp) -> Result<(), StoreError> {
    db.execute("DELETE FROM code WHERE asked_at < $1", args![millis(before)])?;
    Ok(())
}

pub fn customer_of(row: &Row) -> Result<KnownCustomer, StoreError> {
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

fn plan_of(row: &Row) -> Result<Plan, StoreError> {
    let count: Option<i64> = row.get("period_count")?;
    let period = match count {
        Some(count) => Some(Period { unit: from_word(row, "period_unit")?, count }),
        None => None,
    };
    Ok(Plan { period, price_id: row.get("price_id")?, product_id: row.get("product_id")?, metered: false })
}

fn subscription_of(row: &Row) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: row.get("id")?,
        customer: row.get("customer")?,
        phase: from_word(row, "phase")?,
        amount: row.get("amount")?,
        currency: row.get::<Option<String>>("currency")?.as_deref().and_then(Currency::parse),
        plan: plan_of(row)?,
        seats: row.get("seats")?,
        version: row.get("version")?,
        ended_at: None,
    })
}
