//! Customers: who they are and whose referral.

use jiff::Timestamp;
use serde_json::Value;

use super::{Event, moment};
use crate::facts::{Customer, Detail, Fact, Learned, Reading, ReferralData};
use crate::providers::Unreadable;
use crate::providers::json::{Look, overlay};
use crate::providers::metadata::{Keys, texts, usable};

/// A new customer.
pub fn created(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let customer = customer(event.object, keys, event.version()).ok_or_else(|| event.missing("data.object.id"))?;
    match moment(event.object, "created") {
        Ok(at) => Ok(seen(event.object, customer, at.unwrap_or(event.at), true)),
        Err(problem) => event.conclude(Err(event.not_understood(problem)), learned(event.object, customer)),
    }
}

/// A changed customer: announces a signup only where code or user id became complete by this very change.
pub fn updated(event: &Event, keys: &Keys) -> Result<Reading, Unreadable> {
    let mut customer = customer(event.object, keys, event.version()).ok_or_else(|| event.missing("data.object.id"))?;
    let former_metadata = event.former.and_then(|former| former.at("metadata"));
    if let Some(former) = former_metadata {
        let now = event.object.at("metadata").cloned().unwrap_or_else(|| Value::Object(Default::default()));
        let former = referral_data(&overlay(&now, former), keys);
        if former != customer.referral {
            if keys.complete(&former) {
                customer.replaced = Some(former);
            } else if keys.complete(&customer.referral) {
                customer.completed_at = Some(event.at);
            }
        }
    }
    let announces = customer.completed_at.is_some();
    Ok(seen(event.object, customer, event.at, announces))
}

/// A deleted customer. The object may be whole or only an id.
pub fn deleted(event: &Event) -> Result<Reading, Unreadable> {
    let id = event.object.owned("id").ok_or_else(|| event.missing("data.object.id"))?;
    let fact = Fact { at: event.at, customer: Some(id), detail: Detail::CustomerDeleted, warnings: vec![] };
    Ok(Reading::fact(fact).learning(gone(event.object)))
}

fn seen(object: &Value, customer: Customer, at: Timestamp, announces: bool) -> Reading {
    let fact =
        Fact { at, customer: Some(customer.id.clone()), detail: Detail::CustomerSeen { announces }, warnings: vec![] };
    Reading::fact(fact).learning(learned(object, customer))
}

/// What the directory learns of a customer. One that belongs to an account (2026, Accounts v2) is known by the account's
/// id as well, since payments may name that alone.
pub fn learned(object: &Value, customer: Customer) -> Vec<Learned> {
    let of_account = object.id("customer_account").map(|id| Customer { id, ..customer.clone() });
    [customer].into_iter().chain(of_account).map(Learned::Customer).collect()
}

/// The same for one that was deleted.
pub fn gone(object: &Value) -> Vec<Learned> {
    let ids = [object.id("id"), object.id("customer_account")];
    ids.into_iter().flatten().map(|id| Learned::CustomerDeleted { id }).collect()
}

/// Reads a customer object, from a webhook or a look-up. `None` without an id.
pub fn customer(object: &Value, keys: &Keys, version: i64) -> Option<Customer> {
    Some(Customer {
        id: object.owned("id")?,
        referral: object.at("metadata").map(|metadata| referral_data(metadata, keys)).unwrap_or_default(),
        email: object.owned("email"),
        name: object.owned("name"),
        metadata: object.at("metadata").and_then(Value::as_object).map(texts).unwrap_or_default(),
        country: object.country("address.country"),
        created_at: object.time("created"),
        version,
        completed_at: None,
        replaced: None,
    })
}

fn referral_data(metadata: &Value, keys: &Keys) -> ReferralData {
    keys.read(|key| metadata.get(key).and_then(usable))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::testing::{AT, Says, stripe, stripe_after, try_stripe};

    const A: &str = "AAAAAAAAAAA";
    const B: &str = "BBBBBBBBBBB";

    /// Whether the update announces a signup, and what it learned.
    fn updated(metadata: Value, former: Value) -> (bool, Customer) {
        let object = json!({ "id": "cus_1", "created": AT - 60, "metadata": metadata });
        let reading = stripe_after("customer.updated", object, former);
        let Detail::CustomerSeen { announces } = reading.only_fact().detail else { panic!() };
        let Some(Learned::Customer(customer)) = reading.learned.into_iter().next() else { panic!() };
        (announces, customer)
    }

    #[test]
    fn a_code_or_user_id_that_was_missing_completes_the_customer_then() {
        for missing in ["cello_ucc", "new_user_id"] {
            for nothing in [json!(null), json!("  ")] {
                let former = json!({ "metadata": { missing: nothing } });
                let (announces, customer) = updated(json!({ "cello_ucc": A, "new_user_id": "u" }), former);
                assert!(announces && customer.completed_at.is_some_and(|at| at.as_second() == AT), "{missing}");
                assert_eq!(customer.replaced, None);
            }
        }
    }

    #[test]
    fn an_overwritten_code_is_remembered_as_it_was() {
        let former = json!({ "metadata": { "cello_ucc": A } });
        let (announces, customer) = updated(json!({ "cello_ucc": B, "new_user_id": "u" }), former.clone());
        assert!(!announces);
        assert_eq!(customer.replaced.unwrap().ucc.as_deref(), Some(A));
        let (announces, customer) = updated(json!({ "new_user_id": "u" }), former);
        assert!(!announces, "and so is one that was taken away");
        assert_eq!(customer.replaced.unwrap().ucc.as_deref(), Some(A));
    }

    #[test]
    fn a_signup_happened_when_the_customer_was_made_and_that_must_be_a_time() {
        let created =
            |created: Value| try_stripe("customer.created", json!({ "id": "cus_1", "created": created }), Value::Null);
        assert_eq!(created(json!(AT - 60)).unwrap().only_fact().at.as_second(), AT - 60);
        assert_eq!(created(json!(null)).unwrap().only_fact().at.as_second(), AT);
        let unreadable = created(json!("yesterday")).unwrap_err();
        assert!(unreadable.to_string().contains("`data.object.created`"));
        assert_eq!(unreadable.learned.len(), 1, "and the customer is known all the same");
        let updated = try_stripe("customer.updated", json!({ "id": "cus_1", "created": "yesterday" }), Value::Null);
        assert_eq!(updated.unwrap().only_fact().at.as_second(), AT, "a change has the time of its event");
    }

    #[test]
    fn what_stands_in_the_metadata_and_the_country_of_the_address_are_there_for_rules() {
        let object = json!({ "id": "cus_1", "metadata": { "tier": "pro" }, "address": { "country": "de" } });
        let customer = customer(&object, &Keys::new(&crate::config::Config::default().metadata), 1).unwrap();
        assert_eq!((customer.metadata["tier"].as_str(), customer.country.as_deref()), ("pro", Some("DE")));
    }

    #[test]
    fn a_customer_behind_an_account_is_known_by_both_ids() {
        let ids = |reading: Reading| -> Vec<String> {
            let id = |learned: Learned| match learned {
                Learned::Customer(customer) => customer.id,
                Learned::CustomerDeleted { id } => format!("no {id}"),
                other => panic!("{other:?}"),
            };
            reading.learned.into_iter().map(id).collect()
        };
        let object = json!({ "id": "cus_1", "customer_account": "acct_1" });
        assert_eq!(ids(stripe("customer.created", object.clone())), ["cus_1", "acct_1"]);
        assert_eq!(ids(stripe("customer.deleted", object)), ["no cus_1", "no acct_1"]);
        assert_eq!(ids(stripe("customer.deleted", json!({ "id": "cus_1", "deleted": true }))), ["no cus_1"]);
    }

    #[test]
    fn older_states_are_told_from_newer_ones_by_the_time_of_the_event() {
        assert_eq!(updated(json!({}), json!(null)).1.version, AT * 1000);
    }

    #[test]
    fn other_changes_announce_nothing() {
        for former in [
            json!(null),
            json!({ "email": "old@example.com" }),
            json!({ "metadata": { "team": null } }),
            json!({ "metadata": { "cello_ucc": format!(" {A} ") } }),
        ] {
            let (announces, customer) = updated(json!({ "cello_ucc": A, "new_user_id": "u" }), former.clone());
            assert!(!announces && customer.completed_at.is_none() && customer.replaced.is_none(), "{former}");
        }
        let former = json!({ "metadata": { "cello_ucc": null } });
        assert!(!updated(json!({ "cello_ucc": A }), former).0, "a code alone is not complete");
    }
}
