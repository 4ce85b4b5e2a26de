//! The directory: payments, what they settle, and what of them was reported.
//!
//! Keeps what it is given; what follows from it is decided by the caller.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::StoreError;
use super::super::statements::*;
use super::values::{millis, millis_of, optional_time};
use crate::facts::{Carried, KnownPurchase, Payment, PaymentLink, Scope, Session as CheckoutSession, SessionState};
use crate::money::Currency;

pub fn payment(db: &Connection, scope: &Scope, id: &str) -> Result<Option<Payment>, StoreError> {
    Ok(db.prepare_cached(PAYMENT)?.query_row([&scope.provider, &scope.account, id], payment_of).optional()?)
}

pub fn put_payment(db: &Connection, scope: &Scope, payment: &Payment) -> Result<(), StoreError> {
    let session = payment.session.as_ref();
    db.prepare_cached(PUT_PAYMENT)?.execute(params![
        scope.provider,
        scope.account,
        payment.id,
        payment.amount,
        session.map(|session| &session.id),
        session.map(|session| session.state.as_str()),
        session.and_then(|session| session.customer.as_ref()),
        session.map(|session| session.total),
        session.map(|session| session.tax),
    ])?;
    Ok(())
}

pub fn links_of_payment(db: &Connection, scope: &Scope, payment: &str) -> Result<Vec<PaymentLink>, StoreError> {
    links(db, LINKS_OF_PAYMENT, scope, payment)
}

pub fn links_of_invoice(db: &Connection, scope: &Scope, invoice: &str) -> Result<Vec<PaymentLink>, StoreError> {
    let mut links = links(db, LINKS_OF_INVOICE, scope, invoice)?;
    links.sort_by(|one, other| one.payment.cmp(&other.payment));
    Ok(links)
}

fn links(db: &Connection, sql: &str, scope: &Scope, id: &str) -> Result<Vec<PaymentLink>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let links = statement.query_map([&scope.provider, &scope.account, id], link_of)?.collect::<Result<_, _>>()?;
    Ok(links)
}

pub fn put_link(db: &Connection, scope: &Scope, link: &PaymentLink) -> Result<(), StoreError> {
    let PaymentLink { payment, invoice, amount, charge_of } = link;
    let values = params![scope.provider, scope.account, payment, invoice, amount, charge_of];
    db.prepare_cached(PUT_LINK)?.execute(values)?;
    Ok(())
}

pub fn has_links(db: &Connection, scope: &Scope) -> Result<bool, StoreError> {
    Ok(db.prepare_cached(ANY_LINK)?.exists([&scope.provider, &scope.account])?)
}

pub fn carried_of_payment(db: &Connection, scope: &Scope, payment: &str) -> Result<Vec<Carried>, StoreError> {
    carried(db, CARRIED_OF_PAYMENT, scope, payment)
}

pub fn carried_by_purchase(db: &Connection, scope: &Scope, purchase: &str) -> Result<Vec<Carried>, StoreError> {
    let mut carried = carried(db, CARRIED_BY_PURCHASE, scope, purchase)?;
    carried.sort_by(|one, other| one.payment.cmp(&other.payment));
    Ok(carried)
}

fn carried(db: &Connection, sql: &str, scope: &Scope, id: &str) -> Result<Vec<Carried>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let carried = statement.query_map([&scope.provider, &scope.account, id], carried_of)?.collect::<Result<_, _>>()?;
    Ok(carried)
}

pub fn put_carried(db: &Connection, scope: &Scope, carried: &Carried) -> Result<(), StoreError> {
    let Carried { payment, purchase, amount } = carried;
    db.prepare_cached(PUT_CARRIED)?.execute(params![scope.provider, scope.account, payment, purchase, amount])?;
    Ok(())
}

pub fn unreported_refunds(db: &Connection, scope: &Scope, payment: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let mut statement = db.prepare_cached(UNREPORTED_REFUNDS)?;
    let refunds = statement
        .query_map([&scope.provider, &scope.account, payment], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(refunds)
}

pub fn put_unreported_refund(
    db: &Connection,
    scope: &Scope,
    payment: &str,
    refund: &str,
    amount: i64,
) -> Result<(), StoreError> {
    let values = params![scope.provider, scope.account, payment, refund, amount];
    db.prepare_cached(PUT_UNREPORTED_REFUND)?.execute(values)?;
    Ok(())
}

pub fn remove_unreported_refund(db: &Connection, scope: &Scope, payment: &str, refund: &str) -> Result<(), StoreError> {
    let values = params![scope.provider, scope.account, payment, refund];
    db.prepare_cached(REMOVE_UNREPORTED_REFUND)?.execute(values)?;
    Ok(())
}

pub fn remove_purchase(db: &Connection, scope: &Scope, id: &str) -> Result<(), StoreError> {
    db.prepare_cached(REMOVE_PURCHASE)?.execute([&scope.provider, &scope.account, id])?;
    Ok(())
}

pub fn remove_carried(db: &Connection, scope: &Scope, purchase: &str) -> Result<(), StoreError> {
    db.prepare_cached(REMOVE_CARRIED)?.execute([&scope.provider, &scope.account, purchase])?;
    Ok(())
}

pub fn purchase(db: &Connection, scope: &Scope, id: &str) -> Result<Option<KnownPurchase>, StoreError> {
    Ok(db.prepare_cached(PURCHASE)?.query_row([&scope.provider, &scope.account, id], purchase_of).optional()?)
}

pub fn purchases_between(
    db: &Connection,
    scope: &Scope,
    customer: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(String, KnownPurchase)>, StoreError> {
    let mut statement = db.prepare_cached(PURCHASES_BETWEEN)?;
    let purchases = statement
        .query_map(params![scope.provider, scope.account, customer, millis(from), millis(to)], |row| {
            Ok((row.get("invoice")?, purchase_of(row)?))
        })?
        .collect::<Result<_, _>>()?;
    Ok(purchases)
}

pub fn put_purchase(db: &Connection, scope: &Scope, id: &str, purchase: &KnownPurchase) -> Result<(), StoreError> {
    db.prepare_cached(PUT_PURCHASE)?.execute(params![
        scope.provider,
        scope.account,
        id,
        purchase.paid,
        purchase.net,
        purchase.refunded,
        purchase.refunded_net,
        purchase.customer,
        purchase.currency.as_ref().map(Currency::as_str),
        millis_of(purchase.at),
        millis_of(purchase.reported_at),
        purchase.is_sale,
        purchase.unlinked,
    ])?;
    Ok(())
}

pub fn has_unlinked_before(db: &Connection, scope: &Scope, before: Timestamp) -> Result<bool, StoreError> {
    Ok(db.prepare_cached(UNLINKED_BEFORE)?.exists(params![scope.provider, scope.account, millis(before)])?)
}

pub fn customer_of_user(db: &Connection, scope: &Scope, user: &str) -> Result<Option<String>, StoreError> {
    let mut statement = db.prepare_cached(CUSTOMER_OF_USER)?;
    Ok(statement.query_row([&scope.provider, &scope.account, user], |row| row.get(0)).optional()?)
}

fn payment_of(row: &Row<'_>) -> rusqlite::Result<Payment> {
    let state: Option<String> = row.get("session_state")?;
    let session = match (row.get("session")?, state.as_deref().and_then(SessionState::parse)) {
        (Some(id), Some(state)) => Some(CheckoutSession {
            id,
            state,
            customer: row.get("session_customer")?,
            total: row.get("session_total")?,
            tax: row.get("session_tax")?,
        }),
        _ => None,
    };
    Ok(Payment { id: row.get("id")?, amount: row.get("amount")?, session })
}

fn link_of(row: &Row<'_>) -> rusqlite::Result<PaymentLink> {
    Ok(PaymentLink {
        payment: row.get("payment")?,
        invoice: row.get("invoice")?,
        amount: row.get("amount")?,
        charge_of: row.get("charge_of")?,
    })
}

fn carried_of(row: &Row<'_>) -> rusqlite::Result<Carried> {
    Ok(Carried { payment: row.get("payment")?, purchase: row.get("purchase")?, amount: row.get("amount")? })
}

fn purchase_of(row: &Row<'_>) -> rusqlite::Result<KnownPurchase> {
    Ok(KnownPurchase {
        paid: row.get("paid")?,
        net: row.get("net")?,
        refunded: row.get("refunded")?,
        refunded_net: row.get("refunded_net")?,
        customer: row.get("customer")?,
        currency: row.get::<_, Option<String>>("currency")?.as_deref().and_then(Currency::parse),
        at: optional_time(row, "at")?,
        reported_at: optional_time(row, "reported_at")?,
        is_sale: row.get("is_sale")?,
        unlinked: row.get("unlinked")?,
    })
}
