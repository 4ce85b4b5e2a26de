//! For the tests of the providers: reads a webhook made of its type and its content.

use serde_json::{Value, json};

use super::chargebee::Chargebee;
use super::stripe::Stripe;
use super::{Provider, Unreadable};
use crate::config::Config;
use crate::facts::{Detail, Fact, Invoice, Nothing, Reading, Refund, Subscription};

/// When every webhook of these tests was made, in seconds.
pub const AT: i64 = 1_767_225_600;

/// What Stripe's event of this type, about `object`, says.
pub fn stripe(kind: &str, object: Value) -> Reading {
    try_stripe(kind, object, Value::Null).unwrap()
}

/// The same with former values.
pub fn stripe_after(kind: &str, object: Value, former: Value) -> Reading {
    try_stripe(kind, object, former).unwrap()
}

pub fn try_stripe(kind: &str, object: Value, former: Value) -> Result<Reading, Unreadable> {
    let event = json!({
        "id": "evt_1", "object": "event", "type": kind, "created": AT,
        "data": { "object": object, "previous_attributes": former },
    });
    Stripe::new(&Config::default()).read(event.to_string().as_bytes())
}

/// What Chargebee's event of this type says.
pub fn chargebee(kind: &str, content: Value) -> Reading {
    let event = json!({ "id": "ev_1", "api_version": "v2", "event_type": kind, "occurred_at": AT, "content": content });
    Chargebee::new(&Config::default()).read(event.to_string().as_bytes()).unwrap()
}

pub trait Says {
    /// The reason for there being no fact.
    fn reason(&self) -> &'static str;
    fn only_fact(&self) -> &Fact;
    fn only_nothing(&self) -> &Nothing;

    fn invoice(&self) -> &Invoice {
        match &self.only_fact().detail {
            Detail::InvoicePaid(invoice) => invoice,
            other => panic!("{other:?}"),
        }
    }

    fn refund(&self) -> &Refund {
        match &self.only_fact().detail {
            Detail::PaymentRefunded(refund) => refund,
            other => panic!("{other:?}"),
        }
    }

    fn subscription(&self) -> &Subscription {
        self.only_fact().detail.subscription().unwrap()
    }

    fn warnings(&self) -> Vec<&str> {
        self.only_fact().warnings.iter().map(|warning| warning.code.as_str()).collect()
    }
}

impl Says for Reading {
    fn reason(&self) -> &'static str {
        assert!(self.facts.is_empty(), "{:?}", self.facts);
        self.only_nothing().reason.as_str()
    }

    fn only_fact(&self) -> &Fact {
        assert_eq!(self.facts.len(), 1, "{self:?}");
        &self.facts[0]
    }

    fn only_nothing(&self) -> &Nothing {
        assert_eq!(self.nothing.len(), 1, "{self:?}");
        &self.nothing[0]
    }
}
