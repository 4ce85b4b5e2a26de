//! Writes what may be reported of one referred customer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::referred::Referred;
use super::{EMAIL, Expected, LIMIT, stamp, text};
use crate::history::{Happening, History, Moment, PRICES, Purchase};
use crate::{chargebee, stripe};

pub struct Writer<'a> {
    pub history: &'a History,
    pub moments: &'a [Moment],
    pub referral: &'a Referred,
    pub all: &'a BTreeMap<usize, Referred>,
}

impl<'a> Writer<'a> {
    /// The writer for another customer; `None` where that one is not referred.
    pub fn of(&self, customer: usize) -> Option<Writer<'a>> {
        Some(Writer { referral: self.all.get(&customer)?, ..*self })
    }

    pub fn signup(&self) -> Expected {
        let referral = self.referral;
        let mut event = self.event(
            format!("signup:{}", referral.subject),
            "new-signup",
            referral.since.unwrap_or(referral.person.created),
            &referral.person.email,
            json!({}),
        );
        // Of one user's several customers, the first that is known signs the user up.
        for other in self.all.values().filter(|other| other.subject == referral.subject) {
            let times = other.signup_times.iter().map(|time| text(json!(stamp(*time))));
            event.open.entry("/context/event/timestamp").or_default().extend(times);
            event.open.entry("/context/newUser/id").or_default().insert(text(json!(other.person.user)));
            let emails = event.open.entry(EMAIL).or_default();
            emails.extend(other.emails.iter().map(|email| text(json!(email))));
            if other.is_deleted {
                emails.insert(text(Value::Null));
            }
        }
        event
    }

    /// A purchase as if no other invoice had a part in its payment.
    pub fn purchase(&self, moment: &Moment, purchase: &Purchase) -> Option<Expected> {
        if moment.lost || purchase.lost || purchase.paid == 0 {
            return None;
        }
        let is_stripe = self.history.form.is_stripe();
        let mut about = json!({ "invoiceId": self.invoice(purchase), "interval": "one-time" });
        match &purchase.subscription {
            Some(known) => {
                about["id"] = json!(known.id);
                about["interval"] = json!(PRICES[known.price].word);
                about["productKey"] = json!(self.product(known.price));
                about["seatsUsed"] = json!(known.seats);
            }
            None if !is_stripe => about["productKey"] = json!("extra"),
            None if purchase.attached_from.is_some() => about["productKey"] = json!("prod_extra"),
            None => {}
        }
        let (key, other) = self.purchase_key(purchase);
        let mut event = self.event(key, "invoice-paid", moment.at, &purchase.email, about);
        event.other_keys.extend(other);
        event.body["payload"]["price"] = json!(purchase.paid);
        event.body["payload"]["currency"] = json!("EUR");
        if purchase.authorised.is_some() {
            // The payment that was captured does not show the customer.
            self.let_newest_email(&mut event);
        }
        self.in_time(moment.at, event)
    }

    /// Of an invoice that is paid anew, whichever payment arrives first goes by the invoice alone.
    fn purchase_key(&self, purchase: &Purchase) -> (String, Option<String>) {
        let key = format!("purchase:{}:{}", self.prefix(), self.invoice(purchase));
        let is_paid_anew = self.moments.iter().any(|moment| {
            matches!(&moment.happening, Happening::Paid(paid) if paid.number == purchase.number && paid.round > 0)
        });
        let by_payment = format!("{key}:{}", chargebee::payment_id(purchase));
        match (purchase.round, is_paid_anew) {
            (_, false) => (key, None),
            (0, true) => (key, Some(by_payment)),
            (_, true) => (by_payment, Some(key)),
        }
    }

    pub fn event(&self, key: String, trigger: &str, time: i64, email: &str, about: Value) -> Expected {
        let referral = self.referral;
        let mut body = json!({
            "eventName": "ReferralUpdated",
            "payload": { "ucc": referral.person.code, "newUserId": referral.subject },
            "context": {
                "event": { "trigger": trigger, "timestamp": stamp(time) },
                "newUser": { "id": referral.person.user, "email": email },
            },
        });
        if self.history.organization_mode {
            body["context"]["newUser"]["organizationId"] = json!(referral.person.organization);
        }
        if about != json!({}) {
            body["context"]["subscription"] = about;
        }
        let mut open: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        let codes = self.all.values().filter(|other| other.subject == referral.subject).flat_map(|other| &other.codes);
        open.insert("/payload/ucc", codes.map(|code| text(json!(code))).collect());
        if referral.is_deleted {
            open.insert(EMAIL, BTreeSet::from([text(Value::Null)]));
        }
        let is_shared = self.all.values().filter(|other| other.subject == referral.subject).count() > 1;
        let always_open = match referral.since {
            // Several customers of one user: the first of them counts.
            _ if is_shared => vec!["/payload/ucc", EMAIL, "/context/newUser/id", "/context/event/timestamp"],
            // What goes on with a late code is told with the address of then.
            Some(_) => vec![EMAIL],
            // Nothing tells what was there before the first webhook that arrives.
            None if referral.is_creation_lost => vec!["/payload/ucc", EMAIL, "/context/event/timestamp"],
            None => vec![],
        };
        Expected {
            group: key.clone(),
            key,
            other_keys: vec![],
            body,
            open,
            required: true,
            always_open,
            held_long: false,
            share: None,
        }
    }

    pub fn let_newest_email(&self, event: &mut Expected) {
        if self.history.form.is_stripe() {
            let emails = self.referral.emails.iter().map(|email| text(json!(email)));
            event.open.entry(EMAIL).or_default().extend(emails);
        }
    }

    pub fn in_time(&self, time: i64, mut event: Expected) -> Option<Expected> {
        if self.referral.since.is_some_and(|since| since - time > LIMIT) {
            event.required = false;
            // Chargebee's webhooks show themselves that the code was not there yet.
            return (self.history.form.is_stripe() && self.referral.seen_later).then_some(event);
        }
        // The webhooks themselves come up to three days late.
        if self.referral.seen_at - time > LIMIT - 4 * 86_400 {
            (event.required, event.held_long) = (false, true);
        }
        Some(event)
    }

    pub fn prefix(&self) -> String {
        let provider = if self.history.form.is_stripe() { "stripe" } else { "chargebee" };
        if self.history.account.is_empty() {
            provider.to_owned()
        } else {
            format!("{provider}:{}", self.history.account)
        }
    }

    pub fn invoice(&self, purchase: &Purchase) -> String {
        if self.history.form.is_stripe() { stripe::invoice_id(purchase) } else { chargebee::invoice_id(purchase) }
    }

    pub fn product(&self, price: usize) -> String {
        let id = PRICES[price].id;
        if self.history.form.is_stripe() { format!("prod_{id}") } else { id.to_owned() }
    }
}
