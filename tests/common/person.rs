//! A person who decides about referral events.

use cello_relay::store::{ByPerson, Discarding};

pub fn person(by: &str, reason: &str) -> ByPerson {
    ByPerson { by: by.into(), reason: reason.into() }
}

/// These, in the name of a person.
pub fn discarding(ids: Vec<i64>, by: &str, reason: &str) -> Discarding {
    Discarding { ids, with: vec![], person: person(by, reason) }
}
