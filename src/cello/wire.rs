//! A referral event as Cello's API reads it: the body of `POST /events`, version 1.
//!
//! The body is built once, when the event is decided, and its text is sent from then on: this file must never be asked
//! to build a body again for a retry. Source: <https://docs.cello.so/api-reference/generic-events/send-event>.

use serde_json::{Map, Value, json};

use crate::referral_event::{Impersonal, ReferralEvent, TAKEN, Trigger};

/// The only name `POST /events` knows.
pub(super) const EVENT_NAME: &str = "ReferralUpdated";

/// The body that tells Cello of `event`, its keys in the order of Cello's reference.
///
/// What is not known is left out: Cello refuses `null`, and an empty text would be taken for a value. The price goes
/// through as it is, in minor units.
pub fn body(event: &ReferralEvent) -> Value {
    let mut payload = Map::new();
    put(&mut payload, "ucc", Some(event.ucc.as_str()));
    // Whom Cello credits: the organization in organization mode. The person is `context.newUser.id` in either case.
    put(&mut payload, "newUserId", Some(event.subject()));
    put(&mut payload, "price", event.price);
    put(&mut payload, "currency", event.currency.as_ref().map(|currency| currency.as_str()));

    let mut user = Map::new();
    put(&mut user, "id", Some(event.user_id.as_str()));
    put(&mut user, "email", event.email.as_deref());
    put(&mut user, "name", event.name.as_deref());
    put(&mut user, "organizationId", event.organization_id.as_deref());

    let mut subscription = Map::new();
    put(&mut subscription, "id", event.subscription_id.as_deref());
    put(&mut subscription, "invoiceId", event.invoice_id.as_deref());
    put(&mut subscription, "interval", event.interval.map(|interval| interval.as_str()));
    put(&mut subscription, "productKey", event.product_key.as_deref());
    put(&mut subscription, "seatsUsed", event.seats);

    let mut context = Map::new();
    context.insert("event".into(), json!({ "trigger": event.trigger.as_str(), "timestamp": timestamp(event) }));
    context.insert("newUser".into(), user.into());
    if !subscription.is_empty() {
        context.insert("subscription".into(), subscription.into());
    }
    json!({ "eventName": EVENT_NAME, "payload": payload, "context": context })
}

/// The text of a body without the e-mail address and the name in it, for keeping what was told longer than of whom;
/// `None` where neither is in it.
pub fn without_person(body: &str) -> Option<Impersonal> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    let user = body.pointer_mut("/context/newUser")?.as_object_mut()?;
    let had: Vec<Value> = ["email", "name"].into_iter().filter_map(|key| user.shift_remove(key)).collect();
    let taken = had.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(Into::into).collect();
    (!had.is_empty()).then(|| Impersonal { body: body.to_string(), taken })
}

/// What Cello said to a body, without the person in it: Cello may repeat what it was sent, and logs hold no personal data.
pub fn impersonal(message: &str, body: &str) -> String {
    let taken = without_person(body).map(|left| left.taken).unwrap_or_default();
    let message = taken.iter().fold(message.to_owned(), |message, words| message.replace(words.as_str(), TAKEN));
    // An address in a form that the body does not have, such as in other letters.
    let words = message.split(' ').map(|word| if word.contains('@') { TAKEN } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// What people look for in a body, as text; empty where it is left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct View {
    pub trigger: String,
    pub price: String,
    pub currency: String,
    pub interval: String,
    pub invoice: String,
    /// Whom Cello credits: the user, or the organization.
    pub subject: String,
}

/// The fields of a body that people are shown.
pub fn view(body: &Value) -> View {
    let text = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    View {
        trigger: text("/context/event/trigger"),
        price: text("/payload/price"),
        currency: text("/payload/currency"),
        interval: text("/context/subscription/interval"),
        invoice: text("/context/subscription/invoiceId"),
        subject: text("/payload/newUserId"),
    }
}

/// The trigger that stands in the text of a body; `None` where there is none that we know.
pub(super) fn trigger_of(body: &str) -> Option<Trigger> {
    let body: Value = serde_json::from_str(body).ok()?;
    Trigger::parse(body.pointer("/context/event/trigger")?.as_str()?)
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value.map(Into::into)
        && value != ""
    {
        object.insert(key.to_owned(), value);
    }
}

/// Whole seconds in UTC with `T` and `Z`, the one form that every version of Cello's API accepts.
fn timestamp(event: &ReferralEvent) -> String {
    event.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Interval;
    use crate::money::Currency;

    #[test]
    fn a_purchase_is_written_as_in_the_reference_key_by_key() {
        assert_eq!(
            body(&purchase()).to_string(),
            concat!(
                r#"{"eventName":"ReferralUpdated","#,
                r#""payload":{"ucc":"AbC123dEf45","newUserId":"u_1001","price":4900,"currency":"EUR"},"#,
                r#""context":{"event":{"trigger":"invoice-paid","timestamp":"2026-05-01T09:30:00Z"},"#,
                r#""newUser":{"id":"u_1001","email":"buyer@example.com","name":"B. Uyer"},"#,
                r#""subscription":{"id":"sub_1","invoiceId":"in_1","interval":"monthly","#,
                r#""productKey":"Pro","seatsUsed":3}}}"#,
            )
        );
    }

    #[test]
    fn a_signup_carries_nothing_that_is_not_known() {
        let event = ReferralEvent { email: Some(String::new()), ..signup() };
        assert_eq!(
            body(&event).to_string(),
            concat!(
                r#"{"eventName":"ReferralUpdated","payload":{"ucc":"AbC123dEf45","newUserId":"u_1001"},"#,
                r#""context":{"event":{"trigger":"new-signup","timestamp":"2026-05-01T09:30:00Z"},"#,
                r#""newUser":{"id":"u_1001"}}}"#,
            )
        );
    }

    #[test]
    fn in_organization_mode_the_organization_is_credited_and_the_person_stays_the_person() {
        let body = body(&ReferralEvent { organization_id: Some("org_7".into()), ..signup() });
        assert_eq!(body["payload"]["newUserId"], "org_7");
        assert_eq!(body["context"]["newUser"], json!({ "id": "u_1001", "organizationId": "org_7" }));
    }

    #[test]
    fn a_price_of_zero_is_a_price() {
        assert_eq!(body(&ReferralEvent { price: Some(0), ..purchase() })["payload"]["price"], json!(0));
    }

    #[test]
    fn fractions_of_a_second_are_cut_off() {
        let event = ReferralEvent { at: "2026-05-01T11:30:00.999+02:00".parse().unwrap(), ..signup() };
        assert_eq!(body(&event)["context"]["event"]["timestamp"], "2026-05-01T09:30:00Z");
    }

    #[test]
    fn what_cello_said_goes_without_the_person_it_was_said_of() {
        let body = body(&purchase()).to_string();
        for (said, left) in [
            ("payload.price must be an integer", "payload.price must be an integer"),
            ("buyer@example.com is taken by B. Uyer", "[erased] is taken by [erased]"),
            (r#"user "BUYER@EXAMPLE.COM", unknown"#, "user [erased] unknown"),
        ] {
            assert_eq!(impersonal(said, &body), left);
        }
    }

    #[test]
    fn the_trigger_is_found_again_in_the_text_of_every_body() {
        for trigger in Trigger::ALL {
            let text = body(&ReferralEvent { trigger, ..signup() }).to_string();
            assert_eq!(trigger_of(&text), Some(trigger));
        }
        assert_eq!(trigger_of("not json"), None);
        assert_eq!(trigger_of(r#"{"context":{"event":{"trigger":"demo-call-booked"}}}"#), None);
    }

    fn signup() -> ReferralEvent {
        ReferralEvent {
            trigger: Trigger::NewSignup,
            at: "2026-05-01T09:30:00Z".parse().unwrap(),
            ucc: "AbC123dEf45".into(),
            user_id: "u_1001".into(),
            organization_id: None,
            email: None,
            name: None,
            price: None,
            currency: None,
            subscription_id: None,
            invoice_id: None,
            interval: None,
            product_key: None,
            seats: None,
        }
    }

    fn purchase() -> ReferralEvent {
        ReferralEvent {
            trigger: Trigger::InvoicePaid,
            email: Some("buyer@example.com".into()),
            name: Some("B. Uyer".into()),
            price: Some(4900),
            currency: Currency::parse("eur"),
            subscription_id: Some("sub_1".into()),
            invoice_id: Some("in_1".into()),
            interval: Some(Interval::Monthly),
            product_key: Some("Pro".into()),
            seats: Some(3),
            ..signup()
        }
    }
}
