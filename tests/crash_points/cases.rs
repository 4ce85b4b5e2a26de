//! The kinds of webhook that are followed, each with what has to have happened before.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stage::{customer_created, event_id};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// A referred customer appears.
    Fresh,
    /// The webhook was stored and its event delivered before.
    Duplicate,
    /// What comes of it waits until Cello was asked about the code.
    Held,
    /// Of a purchase that was delivered.
    Refund,
    /// A customer whom nobody referred.
    Ignored,
}

/// The customer of all cases; the one that comes last is another.
const CUSTOMER: usize = 1;
const LAST: usize = 2;

impl Case {
    /// The id of the webhook that is followed.
    pub const EVENT: &str = "evt_followed";

    pub fn past(self) -> Vec<String> {
        match self {
            Self::Fresh | Self::Held | Self::Ignored => vec![],
            Self::Duplicate => vec![self.webhook()],
            Self::Refund => vec![customer_created(CUSTOMER, false), invoice_paid()],
        }
    }

    pub fn webhook(self) -> String {
        let mut webhook: Value = match self {
            Self::Refund => charge_refunded(),
            _ => serde_json::from_str(&customer_created(CUSTOMER, false)).unwrap(),
        };
        if self == Self::Ignored {
            webhook["data"]["object"]["metadata"] = json!({});
        }
        webhook["id"] = Self::EVENT.into();
        webhook.to_string()
    }

    /// Whether the webhook, when it is posted, makes a referral event.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Fresh | Self::Held | Self::Refund)
    }

    pub fn after_all() -> String {
        customer_created(LAST, false)
    }
}

fn invoice_paid() -> String {
    let now = Timestamp::now().as_second();
    webhook("invoice.paid", &event_id(77), &json!({
        "id": "in_1", "object": "invoice", "customer": format!("cus_{CUSTOMER}"), "created": now, "livemode": false,
        "amount_paid": 4900, "total": 4900, "currency": "eur", "status": "paid", "status_transitions": { "paid_at": now },
        "lines": { "object": "list", "has_more": false, "data": [
            { "id": "il_1", "amount": 4900, "currency": "eur", "quantity": 1, "period": { "start": now, "end": now } },
        ] },
    }))
    .to_string()
}

fn charge_refunded() -> Value {
    webhook(
        "charge.refunded",
        Case::EVENT,
        &json!({
            "id": "ch_1", "object": "charge", "customer": format!("cus_{CUSTOMER}"), "invoice": "in_1",
            "amount": 4900, "amount_captured": 4900, "amount_refunded": 4900, "currency": "eur", "refunded": true,
        }),
    )
}

fn webhook(kind: &str, id: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2024-06-20", "created": Timestamp::now().as_second(),
        "type": kind, "livemode": false, "data": { "object": object },
    })
}
