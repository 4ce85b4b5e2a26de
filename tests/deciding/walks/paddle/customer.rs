//! Customers, whose `custom_data` carries the referral.

use cello_relay::facts::{Customer, Detail, Fact, Learned, Reading};
use cello_relay::providers::ReadError;
use cello_relay::providers::json::Look;
use cello_relay::providers::metadata::{Keys, texts, usable};

use super::{Event, time};

/// A new or changed customer. Paddle does not say what changed, so a change may be the one that brought the code.
pub fn seen(event: &Event, keys: &Keys) -> Result<Reading, ReadError> {
    let custom = event.data.at("custom_data");
    let referral = keys.read(|key| custom?.get(key).and_then(usable));
    let completed_at = (event.kind == "customer.updated" && keys.complete(&referral)).then_some(event.at);
    let customer = Customer {
        id: event.id()?,
        referral,
        email: event.data.owned("email"),
        name: event.data.owned("name"),
        metadata: custom.and_then(|custom| custom.as_object()).map(texts).unwrap_or_default(),
        // Addresses are objects of their own.
        country: None,
        created_at: time(event.data, "created_at"),
        version: event.version(),
        completed_at,
        replaced: None,
    };
    let fact = Fact {
        at: event.at,
        customer: Some(customer.id.clone()),
        detail: Detail::CustomerSeen { announces: true },
        warnings: vec![],
    };
    Ok(Reading::fact(fact).learning([Learned::Customer(customer)]))
}
