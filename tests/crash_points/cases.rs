//! The kinds of webhook that are followed, each with what has to have happened before.

use serde_json::{Value, json};

use crate::stage::{charge_refunded, customer_created, invoice_paid};

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

/// The customer of all cases, and the invoice of the refund.
const CUSTOMER: usize = 1;
const INVOICE: usize = 1;
const LAST: usize = 2;

impl Case {
    /// The id of the webhook that is followed.
    pub const EVENT: &str = "evt_followed";

    pub fn past(self) -> Vec<String> {
        match self {
            Self::Fresh | Self::Held | Self::Ignored => vec![],
            Self::Duplicate => vec![self.webhook()],
            Self::Refund => vec![customer_created(CUSTOMER, false), invoice_paid(CUSTOMER, INVOICE)],
        }
    }

    pub fn webhook(self) -> String {
        let text = match self {
            Self::Refund => charge_refunded(CUSTOMER, INVOICE),
            _ => customer_created(CUSTOMER, false),
        };
        let mut webhook: Value = serde_json::from_str(&text).unwrap();
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

    /// Whether everything else of the user depends on the event that the webhook makes.
    pub fn is_signup(self) -> bool {
        matches!(self, Self::Fresh | Self::Held)
    }

    /// What comes last, and reaches Cello last. Where it can be, it is of the same user: then it goes out only when what
    /// the process died over is no longer in sending.
    pub fn after_all(self) -> String {
        match self {
            Self::Ignored => customer_created(LAST, false),
            _ => invoice_paid(CUSTOMER, LAST),
        }
    }
}
