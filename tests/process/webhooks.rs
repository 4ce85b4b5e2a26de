//! Webhooks of Stripe's as the tests of the process post them: a referred customer appears, pays and gets the money back.

use jiff::Timestamp;
use serde_json::{Value, json};

/// A referred customer has appeared; number and mode make it another one.
pub fn customer_created(number: usize, live: bool) -> String {
    let now = Timestamp::now().as_second();
    json!({
        "id": event_id(number), "object": "event", "api_version": "2025-07-30.basil", "created": now,
        "type": "customer.created", "livemode": live,
        "data": { "object": {
            "id": customer(number), "object": "customer", "created": now, "livemode": live,
            "email": format!("person{number}@example.com"), "name": "Pia Person",
            "metadata": { "cello_ucc": "AbC123dEf45", "new_user_id": user(number) },
        } },
    })
    .to_string()
}

/// That customer has paid; another number makes it another invoice.
pub fn invoice_paid(number: usize, invoice: usize) -> String {
    let now = Timestamp::now().as_second();
    webhook(
        "invoice.paid",
        &format!("evt_paid_{number}_{invoice}"),
        &json!({
            "id": format!("in_{number}_{invoice}"), "object": "invoice", "customer": customer(number), "created": now,
            "livemode": false, "amount_paid": 4900, "total": 4900, "currency": "eur", "status": "paid",
            "status_transitions": { "paid_at": now },
            "lines": { "object": "list", "has_more": false, "data": [
                { "id": "il_1", "amount": 4900, "currency": "eur", "quantity": 1, "period": { "start": now, "end": now } },
            ] },
        }),
    )
}

/// All of that invoice was given back.
pub fn charge_refunded(number: usize, invoice: usize) -> String {
    webhook(
        "charge.refunded",
        &format!("evt_refunded_{number}_{invoice}"),
        &json!({
            "id": format!("ch_{number}_{invoice}"), "object": "charge", "customer": customer(number),
            "invoice": format!("in_{number}_{invoice}"), "amount": 4900, "amount_captured": 4900, "amount_refunded": 4900,
            "currency": "eur", "refunded": true,
        }),
    )
}

pub fn event_id(number: usize) -> String {
    format!("evt_process_{number}")
}

pub fn user(number: usize) -> String {
    format!("u_{number}")
}

fn customer(number: usize) -> String {
    format!("cus_{number}")
}

fn webhook(kind: &str, id: &str, object: &Value) -> String {
    json!({
        "id": id, "object": "event", "api_version": "2024-06-20", "created": Timestamp::now().as_second(),
        "type": kind, "livemode": false, "data": { "object": object },
    })
    .to_string()
}
