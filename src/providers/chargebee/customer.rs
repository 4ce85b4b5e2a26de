//! Customers: who they are and whose referral, from `meta_data` and custom fields.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::Event;
use super::checked::{Checked, Place};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Customer, Detail, Fact, Learned, Metadata, Reading, ReferralData};
use crate::providers::ReadError;
use crate::providers::json::Look;
use crate::providers::metadata::{Keys, texts, usable};

/// A new or changed customer. Chargebee does not say what changed, so a change announces a signup whenever the data
/// is complete; a signup that was reported before is recognised by its key.
pub fn seen(event: &Event) -> Result<Reading, ReadError> {
    let Some((customer, warnings)) = in_content(event) else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    let at = match customer.completed_at {
        Some(at) => at,
        None => created_at(event).map_err(|problem| event.not_understood(problem))?.unwrap_or(event.at),
    };
    Ok(Reading::fact(Fact {
        at,
        customer: Some(customer.id),
        detail: Detail::CustomerSeen { announces: true },
        warnings,
    }))
}

fn created_at(event: &Event) -> Checked<Timestamp> {
    let object = event.content.at("customer").unwrap_or(&Value::Null);
    Place::new(object, "content.customer").moment("created_at")
}

pub fn deleted(event: &Event) -> Result<Reading, ReadError> {
    let Some(id) = event.content.owned("customer.id") else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    let fact = Fact { at: event.at, customer: Some(id.clone()), detail: Detail::CustomerDeleted, warnings: vec![] };
    Ok(Reading::fact(fact).learning([Learned::CustomerDeleted { id }]))
}

/// The customer that travels in the event, and what is odd about its referral data.
pub fn in_content(event: &Event) -> Option<(Customer, Vec<Warning>)> {
    let object = event.content.at("customer")?;
    let (referral, warnings) = referral_data(object, event.keys);
    // A change that shows complete data may be the one that completed it. Where the directory has seen it complete
    // before, that earlier time stays.
    let completed_at = (event.kind == "customer_changed" && event.keys.complete(&referral)).then_some(event.at);
    let customer = Customer {
        id: object.owned("id")?,
        referral,
        email: filled(object, "email"),
        name: name(object),
        metadata: metadata(object),
        country: object.country("billing_address.country"),
        created_at: object.time("created_at"),
        version: event.version(object),
        completed_at,
        replaced: None,
    };
    Some((customer, warnings))
}

/// The customer whose `object` is: an invoice, a credit note or a subscription names its own. In an account hierarchy
/// that may be another one than the customer in the body, who then only pays: whoever pays a bill is not the one who
/// bought. `None` without a customer in the body.
///
/// <https://apidocs.chargebee.com/docs/api/hierarchies>
pub fn owner(event: &Event, object: Option<&Value>) -> Option<String> {
    let in_body = event.content.owned("customer.id")?;
    Some(object.and_then(|object| object.owned("customer_id")).unwrap_or(in_body))
}

/// Who paid, where that is another one than the customer whose invoice is in the body.
pub fn other_payer<'a>(event: &Event<'a>) -> Option<&'a str> {
    let content = event.content;
    let owner = content.text("invoice.customer_id").or_else(|| content.text("customer.id"))?;
    let payers = ["transaction.customer_id", "invoice.payment_owner", "customer.id"];
    payers.into_iter().filter_map(|payer| content.text(payer)).find(|payer| *payer != owner)
}

/// A warning where the subscription in the body carries a code: only the customer's is read, here and by Cello.
pub fn code_elsewhere(event: &Event) -> Option<Warning> {
    let (data, _) = referral_data(event.content.at("subscription")?, event.keys);
    data.ucc.map(|_| {
        let message = "a code stands on the subscription; only the customer's is read";
        Warning::new(WarningCode::MetadataOnWrongObject, message)
    })
}

fn referral_data(object: &Value, keys: &Keys) -> (ReferralData, Vec<Warning>) {
    let meta_data = meta_data(object);
    let in_meta_data = |key: &str| meta_data.as_deref()?.get(key).and_then(usable);
    let in_field = |key: &str| custom_field(object, key);
    let data = keys.read(|key| in_meta_data(key).or_else(|| in_field(key)));
    let (first, second) = (keys.read(in_meta_data), keys.read(in_field));
    let differ = |of: fn(&ReferralData) -> &Option<String>| {
        let (first, second) = (of(&first), of(&second));
        first.is_some() && second.is_some() && first != second
    };
    let warnings = if differ(|data| &data.ucc) || differ(|data| &data.user_id) || differ(|data| &data.organization_id) {
        vec![Warning::new(
            WarningCode::MetadataDiffers,
            "`meta_data` and the custom fields of the customer differ; `meta_data` is used",
        )]
    } else {
        vec![]
    };
    (data, warnings)
}

/// `meta_data`, and the custom fields under their own names, which begin with `cf_`.
fn metadata(customer: &Value) -> Metadata {
    let fields = customer.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with("cf_"));
    let mut metadata = texts(fields);
    if let Some(Value::Object(members)) = meta_data(customer).as_deref() {
        metadata.extend(texts(members));
    }
    metadata
}

/// Chargebee begins the names of custom fields with `cf_` and writes them in lower case; the settings may do neither.
fn custom_field(object: &Value, key: &str) -> Option<String> {
    let field = format!("cf_{}", key.strip_prefix("cf_").unwrap_or(key));
    [&field, &field.to_ascii_lowercase()].into_iter().find_map(|field| object.get(field).and_then(usable))
}

/// An object, or the JSON text of one.
fn meta_data(object: &Value) -> Option<Cow<'_, Value>> {
    match object.at("meta_data")? {
        Value::String(text) => serde_json::from_str(text).ok().map(Cow::Owned),
        value => Some(Cow::Borrowed(value)),
    }
}

fn name(customer: &Value) -> Option<String> {
    let parts: Vec<String> = ["first_name", "last_name"].into_iter().filter_map(|key| filled(customer, key)).collect();
    if parts.is_empty() { filled(customer, "company") } else { Some(parts.join(" ")) }
}

/// Text that is not blank, trimmed.
fn filled(object: &Value, key: &str) -> Option<String> {
    object.text(key).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::testing::{AT, Says, chargebee};

    fn seen(kind: &str, changes: Value) -> (Customer, Reading) {
        let mut customer = json!({ "id": "cus_1", "created_at": AT - 60 });
        for (key, value) in changes.as_object().unwrap() {
            customer[key] = value.clone();
        }
        let reading = chargebee(kind, json!({ "customer": customer }));
        let Some(Learned::Customer(customer)) = reading.learned.first().cloned() else { panic!("{reading:?}") };
        (customer, reading)
    }

    fn referral(changes: Value) -> (Option<String>, Option<String>) {
        let referral = seen("customer_created", changes).0.referral;
        (referral.ucc, referral.user_id)
    }

    #[test]
    fn values_are_taken_key_by_key_from_meta_data_then_from_custom_fields() {
        let both = (Some("code".to_owned()), Some("17".to_owned()));
        for changes in [
            json!({ "meta_data": { "cello_ucc": "code", "new_user_id": 17 } }),
            json!({ "meta_data": { "cello_ucc": " code ", "new_user_id": "17" } }),
            json!({ "meta_data": r#"{"cello_ucc": "code", "new_user_id": 17}"# }),
            json!({ "cf_cello_ucc": "code", "cf_new_user_id": 17 }),
            json!({ "meta_data": { "cello_ucc": "code" }, "cf_new_user_id": "17" }),
            json!({ "meta_data": { "cello_ucc": "code", "new_user_id": "  " }, "cf_new_user_id": "17" }),
            json!({ "meta_data": null, "cf_cello_ucc": "code", "cf_new_user_id": "17" }),
            json!({ "meta_data": "not json", "cf_cello_ucc": "code", "cf_new_user_id": "17" }),
            json!({ "meta_data": [], "cf_cello_ucc": "code", "cf_new_user_id": "17" }),
        ] {
            assert_eq!(referral(changes.clone()), both, "{changes}");
        }
        assert_eq!(referral(json!({ "meta_data": { "cello_ucc": null, "new_user_id": "" } })), (None, None));
    }

    #[test]
    fn a_custom_field_is_found_whatever_case_and_prefix_the_settings_give_its_key() {
        let aliases = json!({ "cf_cello_ucc": "code", "cf_productuserid": "17" });
        assert_eq!(referral(aliases), (Some("code".to_owned()), Some("17".to_owned())));
        let own = json!({ "cf_partner_code": "code" });
        for key in ["partner_code", "cf_partner_code", "Partner_Code"] {
            assert_eq!(custom_field(&own, key).as_deref(), Some("code"), "{key}");
        }
        let both = json!({ "cf_Partner": " ", "cf_partner": "code" });
        assert_eq!(custom_field(&both, "Partner").as_deref(), Some("code"));
    }

    #[test]
    fn meta_data_and_fields_that_differ_are_worth_a_word() {
        let both = json!({ "meta_data": { "cello_ucc": "code" }, "cf_cello_ucc": "other" });
        assert_eq!(seen("customer_created", both).1.warnings(), ["metadata_differs"]);
        for key in ["new_user_id", "new_user_organization_id"] {
            let mut one = json!({ "meta_data": { key: "a" } });
            one[format!("cf_{key}")] = json!("b");
            assert_eq!(seen("customer_created", one).1.warnings(), ["metadata_differs"], "{key}");
        }
        let same = json!({ "meta_data": { "cello_ucc": "code" }, "cf_cello_ucc": " code" });
        assert_eq!(seen("customer_created", same).1.warnings(), [""; 0]);
        for one_place in [json!({ "meta_data": { "cello_ucc": "code" } }), json!({ "cf_cello_ucc": "code" })] {
            assert_eq!(seen("customer_created", one_place).1.warnings(), [""; 0]);
        }
    }

    #[test]
    fn meta_data_and_custom_fields_and_the_country_are_there_for_rules() {
        let address = json!({ "country": "DE" });
        for meta_data in [json!({ "tier": "pro" }), json!(r#"{"tier": "pro"}"#)] {
            let changes = json!({ "meta_data": meta_data, "cf_seats": 3, "billing_address": address });
            let (customer, _) = seen("customer_changed", changes);
            assert_eq!((customer.metadata["tier"].as_str(), customer.metadata["cf_seats"].as_str()), ("pro", "3"));
            assert_eq!((customer.metadata.len(), customer.country.as_deref()), (2, Some("DE")));
        }
    }

    #[test]
    fn only_a_change_that_shows_complete_data_may_have_completed_it() {
        let data = || json!({ "meta_data": { "cello_ucc": "code", "new_user_id": "17" } });
        assert_eq!(seen("customer_created", data()).0.completed_at, None);
        assert_eq!(seen("customer_changed", data()).0.completed_at.unwrap().as_second(), AT);
        assert_eq!(seen("customer_changed", json!({ "meta_data": { "cello_ucc": "code" } })).0.completed_at, None);
    }

    #[test]
    fn a_name_is_that_of_the_person_else_of_the_company() {
        let name = |changes: Value| seen("customer_created", changes).0.name;
        let company = json!({ "company": "Acme" });
        assert_eq!(name(json!({ "first_name": "Ada", "last_name": "L.", "company": "Acme" })).unwrap(), "Ada L.");
        assert_eq!(name(json!({ "last_name": "L." })).unwrap(), "L.");
        assert_eq!(name(company).unwrap(), "Acme");
        assert_eq!(name(json!({ "first_name": " ", "last_name": " L. ", "company": "Acme" })).unwrap(), "L.");
        assert_eq!(name(json!({ "first_name": " ", "company": " " })), None);
        assert_eq!(seen("customer_created", json!({ "email": "  " })).0.email, None);
    }

    #[test]
    fn without_a_customer_there_is_nothing_to_tell() {
        for kind in ["customer_created", "customer_changed", "customer_deleted"] {
            assert_eq!(chargebee(kind, json!({})).reason(), "no_customer");
        }
    }

    #[test]
    fn a_signup_is_not_dated_by_a_time_that_is_not_understood() {
        use crate::providers::chargebee::testing::{no_numbers, not_understood};

        for wrong in no_numbers() {
            let content = json!({ "customer": { "id": "cus_1", "created_at": wrong } });
            assert_eq!(not_understood("customer_created", content), "content.customer.created_at");
            // A change that completes the data is dated by itself.
            let data = json!({ "cello_ucc": "code", "new_user_id": "u_1" });
            let content = json!({ "customer": { "id": "cus_1", "created_at": wrong, "meta_data": data } });
            assert_eq!(chargebee("customer_changed", content).only_fact().at.as_second(), AT);
        }
    }

    #[test]
    fn a_deleted_customer_teaches_nothing_but_that_it_is_gone() {
        let subscription = json!({ "id": "sub_1", "status": "cancelled" });
        let reading =
            chargebee("customer_deleted", json!({ "customer": { "id": "cus_1" }, "subscription": subscription }));
        assert_eq!(reading.learned, [Learned::CustomerDeleted { id: "cus_1".into() }]);
    }
}
