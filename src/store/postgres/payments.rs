//! The directory: payments, what they settle, and what of them was reported.
//!
//! Keeps what it is given; what follows from it is decided by the caller.

use jiff::Timestamp;

use super::super::StoreError;
use super::super::statements::*;
use super::session::Session;
use super::values::{Row, args, millis, millis_of, optional_time};
use crate::facts::{Carried, KnownPurchase, Payment, PaymentLink, Scope, Session as CheckoutSession, SessionState};
use crate::money::Currency;

pub fn payment(db: &Session, scope: &Scope, id: &str) -> Result<Option<Payment>, StoreError> {
    db.query_one(PAYMENT, args![scope.provider, scope.account, id])?.as_ref().map(payment_of).transpose()
}

pub fn put_payment(db: &Session, scope: &Scope, payment: &Payment) -> Result<(), StoreError> {
    let session = payment.session.as_ref();
    db.execute(
        PUT_PAYMENT,
        args![
            scope.provider,
            scope.account,
            payment.id,
            payment.amount,
            session.map(|session| session.id.as_str()),
            session.map(|session| session.state.as_str()),
            session.and_then(|session| session.customer.as_deref()),
            session.map(|session| session.total),
            session.map(|session| session.tax),
        ],
    )?;
    Ok(())
}

pub fn links_of_payment(db: &Session, scope: &Scope, payment: &str) -> Result<Vec<PaymentLink>, StoreError> {
    db.query(LINKS_OF_PAYMENT, args![scope.provider, scope.account, payment])?.iter().map(link_of).collect()
}

pub fn links_of_invoice(db: &Session, scope: &Scope, invoice: &str) -> Result<Vec<PaymentLink>, StoreError> {
    let rows = db.query(LINKS_OF_INVOICE, args![scope.provider, scope.account, invoice])?;
    let mut links: Vec<PaymentLink> = rows.iter().map(link_of).collect::<Result<_, _>>()?;
    links.sort_by(|one, other| one.payment.cmp(&other.payment));
    Ok(links)
}

pub fn put_link(db: &Session, scope: &Scope, link: &PaymentLink) -> Result<(), StoreError> {
    let PaymentLink { payment, invoice, amount, charge_of } = link;
    db.execute(PUT_LINK, args![scope.provider, scope.account, payment, invoice, amount, charge_of])?;
    Ok(())
}

pub fn has_links(db: &Session, scope: &Scope) -> Result<bool, StoreError> {
    Ok(db.query_one(ANY_LINK, args![scope.provider, scope.account])?.is_some())
}

pub fn carried_of_payment(db: &Session, scope: &Scope, payment: &str) -> Result<Vec<Carried>, StoreError> {
    db.query(CARRIED_OF_PAYMENT, args![scope.provider, scope.account, payment])?.iter().map(carried_of).collect()
}

pub fn carried_by_purchase(db: &Session, scope: &Scope, purchase: &str) -> Result<Vec<Carried>, StoreError> {
    let rows = db.query(CARRIED_BY_PURCHASE, args![scope.provider, scope.account, purchase])?;
    let mut carried: Vec<Carried> = rows.iter().map(carried_of).collect::<Result<_, _>>()?;
    carried.sort_by(|one, other| one.payment.cmp(&other.payment));
    Ok(carried)
}

pub fn put_carried(db: &Session, scope: &Scope, carried: &Carried) -> Result<(), StoreError> {
    let Carried { payment, purchase, amount } = carried;
    db.execute(PUT_CARRIED, args![scope.provider, scope.account, payment, purchase, amount])?;
    Ok(())
}

pub fn unreported_refunds(db: &Session, scope: &Scope, payment: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = db.query(UNREPORTED_REFUNDS, args![scope.provider, scope.account, payment])?;
    rows.iter().map(|row| Ok((row.get("refund")?, row.get("amount")?))).collect()
}

pub fn put_unreported_refund(
    db: &Session,
    scope: &Scope,
    payment: &str,
    refund: &str,
    amount: i64,
) -> Result<(), StoreError> {
    db.execute(PUT_UNREPORTED_REFUND, args![scope.provider, scope.account, payment, refund, amount])?;
    Ok(())
}

pub fn remove_unreported_refund(db: &Session, scope: &Scope, payment: &str, refund: &str) -> Result<(), StoreError> {
    db.execute(REMOVE_UNREPORTED_REFUND, args![scope.provider, scope.account, payment, refund])?;
    Ok(())
}

pub fn remove_purchase(db: &Session, scope: &Scope, id: &str) -> Result<(), StoreError> {
    db.execute(REMOVE_PURCHASE, args![scope.provider, scope.account, id])?;
    Ok(())
}

pub fn remove_carried(db: &Session, scope: &Scope, purchase: &str) -> Result<(), StoreError> {
    db.execute(REMOVE_CARRIED, args![scope.provider, scope.account, purchase])?;
    Ok(())
}

pub fn purchase(db: &Session, scope: &Scope, id: &str) -> Result<Option<KnownPurchase>, StoreError> {
    db.query_one(PURCHASE, args![scope.provider, scope.account, id])?.as_ref().map(purchase_of).transpose()
}

pub fn purchases_between(
    db: &Session,
    scope: &Scope,
    customer: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(String, KnownPurchase)>, StoreError> {
    let rows = db.query(PURCHASES_BETWEEN, args![scope.provider, scope.account, customer, millis(from), millis(to)])?;
    rows.iter().map(|row| Ok((row.get("invoice")?, purchase_of(row)?))).collect()
}

pub fn put_purchase(db: &Session, scope: &Scope, id: &str, purchase: &KnownPurchase) -> Result<(), StoreError> {
    db.execute(
        PUT_PURCHASE,
        args![
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
        ],
    )?;
    Ok(())
}

pub fn has_unlinked_before(db: &Session, scope: &Scope, before: Timestamp) -> Result<bool, StoreError> {
    Ok(db.query_one(UNLINKED_BEFORE, args![scope.provider, scope.account, millis(before)])?.is_some())
}

pub fn customer_of_user(db: &Session, scope: &Scope, user: &str) -> Result<Option<String>, StoreError> {
    let row = db.query_one(CUSTOMER_OF_USER, args![scope.provider, scope.account, user])?;
    row.map(|row| row.get("id")).transpose()
}

fn payment_of(row: &Row) -> Result<Payment, StoreError> {
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

fn link_of(row: &Row) -> Result<PaymentLink, StoreError> {
    Ok(PaymentLink {
        payment: row.get("payment")?,
        invoice: row.get("invoice")?,
        amount: row.get("amount")?,
        charge_of: row.get("charge_of")?,
    })
}

fn carried_of(row: &Row) -> Result<Carried, StoreError> {
    Ok(Carried { payment: row.get("payment")?, purchase: row.get("purchase")?, amount: row.get("amount")? })
}

fn purchase_of(row: &Row) -> Result<KnownPurchase, StoreError> {
    Ok(KnownPurchase {
        paid: row.get("paid")?,
        net: row.get("net")?,
        refunded: row.get("refunded")?,
        refunded_net: row.get("refunded_net")?,
        customer: row.get("customer")?,
        currency: row.get::<Option<String>>("currency")?.as_deref().and_then(Currency::parse),
        at: optional_time(row, "at")?,
        reported_at: optional_time(row, "reported_at")?,
        is_sale: row.get("is_sale")?,
        unlinked: row.get("unlinked")?,
    })
}
