//! What Cello must be told of a history, computed from the history alone: whom to credit, when, how much.
//!
//! Where a webhook keeps back what only an earlier one tells, nobody can know the right answer before that one
//! arrives, and what was sent is not sent again. Those cases, and no others, leave something open; each is named where
//! it is granted:
//!
//! - *the signup's time*: a webhook shows a code and not since when it is there;
//! - *the code*: it was overwritten, and a webhook shows only the second one; or one user has two customers with
//!   different codes. Whatever was reported first, all that is told of the user carries it;
//! - *the e-mail address* of Stripe's customers, whose subscriptions and refunds do not carry it: the newest one known;
//!   and none once the deletion of the customer has arrived;
//! - *the teller*: which of several webhooks tells a change of the subscription, where they do not say what changed;
//! - *the deadline*: what was held for 30 days until its customer was seen is not held any longer;
//! - *too late, as it turned out*: what was sent before anything told that the code came more than 30 days after it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::history::{Happening, History, Moment, PRICES, Person, Phase, Purchase, Subscription, What};
use crate::relay::at;
use crate::{chargebee, stripe};

const EMAIL: &str = "/context/newUser/email";

const LIMIT: i64 = 30 * 86_400;

/// One referral event that may be told.
#[derive(Debug, Clone)]
pub struct Expected {
    pub key: String,
    pub body: Value,
    /// JSON pointers with the values that stand for the one in the body as well; null is none.
    pub open: BTreeMap<&'static str, BTreeSet<String>>,
    /// Events of one group stand for each other.
    pub group: String,
    /// Whether one of its group must be told.
    pub required: bool,
    /// What stays open even where everything arrives as it was made.
    pub always_open: Vec<&'static str>,
    /// Whether its customer is seen so late that it may be held no longer.
    pub held_long: bool,
}

/// The same, of webhooks that arrive one after the other as they were made: then everything is known in time.
pub fn naturally(expected: Vec<Expected>) -> Vec<Expected> {
    let mut expected: Vec<Expected> = expected.into_iter().filter(|event| event.required || event.held_long).collect();
    for event in &mut expected {
        event.open.retain(|pointer, _| event.always_open.contains(pointer));
        event.group = event.key.clone();
    }
    expected
}

/// A referred customer, by the whole history.
struct Referred {
    /// As of the moment at which the data was complete.
    person: Person,
    /// When that was, if later than the creation.
    since: Option<i64>,
    subject: String,
    codes: BTreeSet<String>,
    /// All that the signup's time may be taken for.
    signup_times: BTreeSet<i64>,
    emails: BTreeSet<String>,
    is_deleted: bool,
    /// Whether a webhook shows the data complete without saying since when.
    seen_later: bool,
    /// Whether a webhook of the customer itself makes the signup.
    is_announced: bool,
    /// When a webhook first shows the customer.
    seen_at: i64,
    /// Whether the webhook of the creation never arrives.
    is_creation_lost: bool,
}

pub fn expected(history: &History) -> Vec<Expected> {
    let moments = history.moments();
    let people: BTreeSet<usize> = moments.iter().map(|moment| moment.person.number).collect();
    let referred: BTreeMap<usize, Referred> =
        people.iter().filter_map(|number| Some((*number, referred(history, &moments, *number)?))).collect();
    let mut told = Vec::new();
    for (number, referral) in &referred {
        let writer = Writer { history, referral, all: &referred };
        // A purchase brings its signup with it.
        let is_signed_up = |moment: &&Moment| {
            moment.person.number == *number
                && match &moment.happening {
                    Happening::Paid(purchase) => writer.purchase(moment, purchase).is_some_and(|event| event.required),
                    _ => false,
                }
        };
        let must = referral.is_announced || moments.iter().any(|moment| is_signed_up(&moment));
        if let Some(other) =
            told.iter_mut().find(|other: &&mut Expected| other.key == format!("signup:{}", referral.subject))
        {
            other.required |= must;
        } else {
            // Else it may come with a purchase that was held long.
            told.push(Expected { required: must, held_long: !must, ..writer.signup() });
        }
        for moment in moments.iter().filter(|moment| moment.person.number == *number) {
            match &moment.happening {
                Happening::Subscription(what, before, now) => {
                    told.extend(writer.subscription(&moments, moment, what, before.as_ref(), now));
                }
                Happening::Paid(purchase) => told.extend(writer.purchase(moment, purchase)),
                Happening::Refunded(purchase, amount) => {
                    told.extend(writer.refund(&moments, moment, purchase, *amount));
                }
                Happening::Created | Happening::Updated(_) | Happening::Deleted => {}
            }
        }
    }
    told
}

fn referred(history: &History, moments: &[Moment], number: usize) -> Option<Referred> {
    let stripe = history.form.is_stripe();
    let own: Vec<&Moment> = moments.iter().filter(|moment| moment.person.number == number).collect();
    let complete = own.iter().position(|moment| moment.person.is_complete(history.organization_mode))?;
    let person = own[complete].person.clone();
    let since = (!matches!(own[complete].happening, Happening::Created)).then_some(own[complete].at);
    // Stripe shows the customer in the customer's own webhooks alone, Chargebee in all.
    let of_customer = |moment: &Moment| matches!(moment.happening, Happening::Created | Happening::Updated(_));
    let shows = |moment: &Moment| !moment.lost && (!stripe || of_customer(moment));
    let seen_at = own.iter().find(|moment| shows(moment))?.at;
    let is_announced = match stripe {
        true => !own[complete].lost,
        false => own[complete..].iter().any(|moment| of_customer(moment) && !moment.lost),
    };
    let later: Vec<&&Moment> = own[complete + 1..].iter().filter(|moment| shows(moment)).collect();
    let mut codes: BTreeSet<String> = person.code.into_iter().map(str::to_owned).collect();
    let overwriting = own.iter().find(|moment| moment.person.code.is_some_and(|code| Some(code) != person.code));
    if let Some(overwriting) = overwriting.filter(|_| person.code.is_some()) {
        // Stripe's overwriting webhook tells the former code, the next ones do not.
        let blind = |moment: &&Moment| moment.at > overwriting.at || moment.number > overwriting.number || !stripe;
        let second = overwriting.person.code.unwrap().to_owned();
        let shown = own[complete + 1..].iter().filter(|moment| moment.person.code == Some(&second));
        if shown.filter(|moment| shows(moment)).any(blind) {
            codes.insert(second);
        }
    }
    let mut signup_times = BTreeSet::from([since.unwrap_or(person.created)]);
    if since.is_some() && !later.is_empty() {
        signup_times.insert(person.created);
    }
    // A change at Chargebee may have brought what it shows; at Stripe it may have, where it was missing before.
    if since.is_some() || !stripe {
        signup_times.extend(later.iter().filter(|m| matches!(m.happening, Happening::Updated(_))).map(|m| m.at));
    }
    if since.is_some() {
        signup_times.extend(later.iter().map(|moment| moment.person.version));
    }
    let subject = match person.organization {
        Some(organization) if history.organization_mode => organization.to_owned(),
        _ => person.user.clone()?,
    };
    Some(Referred {
        since,
        subject,
        codes,
        signup_times,
        emails: own.iter().map(|moment| moment.person.email.clone()).collect(),
        is_deleted: own.iter().any(|moment| matches!(moment.happening, Happening::Deleted)),
        seen_later: !later.is_empty(),
        is_announced,
        seen_at,
        is_creation_lost: own[0].lost,
        person,
    })
}

struct Writer<'a> {
    history: &'a History,
    referral: &'a Referred,
    all: &'a BTreeMap<usize, Referred>,
}

impl Writer<'_> {
    fn signup(&self) -> Expected {
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

    fn purchase(&self, moment: &Moment, purchase: &Purchase) -> Option<Expected> {
        if moment.lost || purchase.amount == 0 {
            return None;
        }
        let mut about = json!({ "invoiceId": self.invoice(purchase), "interval": "one-time" });
        match &purchase.subscription {
            Some(known) => {
                about["id"] = json!(known.id);
                about["interval"] = json!(PRICES[known.price].word);
                about["productKey"] = json!(self.product(known.price));
                about["seatsUsed"] = json!(known.seats);
            }
            None if !self.history.form.is_stripe() => about["productKey"] = json!("extra"),
            None => {}
        }
        let key = format!("purchase:{}:{}", self.prefix(), self.invoice(purchase));
        let mut event = self.event(key, "invoice-paid", moment.at, &purchase.email, about);
        event.body["payload"]["price"] = json!(purchase.amount);
        event.body["payload"]["currency"] = json!("EUR");
        self.in_time(moment.at, event)
    }

    fn refund(&self, moments: &[Moment], moment: &Moment, purchase: &Purchase, amount: i64) -> Option<Expected> {
        let paid = moments.iter().find(|paid| {
            paid.person.number == moment.person.number
                && matches!(&paid.happening, Happening::Paid(paid) if paid.number == purchase.number)
        })?;
        let stripe = self.history.form.is_stripe();
        if paid.lost {
            // Told in the end, where the refund itself names the invoice.
            let names_it = match self.history.form {
                crate::history::Form::StripeBasil => false,
                _ => !stripe || purchase.subscription.is_some(),
            };
            if !names_it {
                return None;
            }
        }
        let mut about = json!({ "invoiceId": self.invoice(purchase) });
        if let (Some(known), false) = (&purchase.subscription, paid.lost) {
            about["id"] = json!(known.id);
        }
        let key = match stripe {
            true => format!("refund:{}:{}:{}", self.prefix(), stripe::charge_id(purchase), purchase.refunded),
            false => format!("refund:{}:txn_r{}", self.prefix(), moment.number),
        };
        let mut event = self.event(key, "charge-refunded", moment.at, &moment.person.email, about);
        event.body["payload"]["price"] = json!(amount);
        event.body["payload"]["currency"] = json!("EUR");
        self.let_newest_email(&mut event);
        if paid.lost {
            // It was held, and what is told after a deletion has no address.
            event.always_open.push(EMAIL);
        }
        if paid.lost { self.in_time(moment.at, event) } else { self.in_time(paid.at, event) }
    }

    fn subscription(
        &self,
        moments: &[Moment],
        moment: &Moment,
        what: &What,
        before: Option<&Subscription>,
        now: &Subscription,
    ) -> Option<Expected> {
        let was = before.map(|before| before.phase);
        let stripe = self.history.form.is_stripe();
        let (trigger, required) = match (what, was) {
            (What::Started { phase: Phase::Pending, .. }, _) => return None,
            (What::Started { .. }, _) | (What::Activated { .. }, Some(Phase::Pending)) => {
                ("subscription-created", true)
            }
            (What::Activated { .. }, _) => ("subscription-updated", true),
            (What::Changed { .. }, _) => {
                let changes = before.is_some_and(|before| (before.price, before.seats) != (now.price, now.seats));
                if stripe && !changes {
                    return None;
                }
                ("subscription-updated", changes)
            }
            (What::Untouched { .. }, _) if !stripe => ("subscription-updated", false),
            (What::Recovered { .. }, _) => ("subscription-updated", false),
            (What::Ended { .. }, _) if now.began => ("subscription-canceled", true),
            _ => return None,
        };
        let price = &PRICES[now.price];
        let about = json!({
            "id": now.id, "interval": price.word, "productKey": self.product(now.price), "seatsUsed": now.seats,
        });
        let event_id = match stripe {
            true => format!("evt_{}_customer.subscription.updated", moment.number),
            false => chargebee_event_id(moment, what, was),
        };
        let key = match trigger {
            "subscription-updated" => format!("{trigger}:{}:{}:{event_id}", self.prefix(), now.id),
            _ => format!("{trigger}:{}:{}", self.prefix(), now.id),
        };
        let mut event = self.event(key, trigger, moment.at, &moment.person.email, about);
        if trigger != "subscription-canceled" {
            let amount = if now.phase == Phase::Trial { 0 } else { price.amount * now.seats };
            event.body["payload"]["price"] = json!(amount);
            event.body["payload"]["currency"] = json!("EUR");
        }
        event.required = required;
        if trigger == "subscription-updated" && self.has_silent(moments, now) {
            event.group = format!("{}|{:?}|{}|{}", now.id, now.phase == Phase::Trial, now.price, now.seats);
        }
        self.let_newest_email(&mut event);
        self.in_time(moment.at, event)
    }

    /// Whether any webhook of the subscription does not say what changed.
    fn has_silent(&self, moments: &[Moment], subscription: &Subscription) -> bool {
        moments.iter().any(|moment| {
            matches!(&moment.happening, Happening::Subscription(what, _, now) if now.id == subscription.id && match what {
                What::Recovered { .. } => true,
                What::Changed { .. } | What::Untouched { .. } => !self.history.form.is_stripe(),
                _ => false,
            })
        })
    }

    fn event(&self, key: String, trigger: &str, time: i64, email: &str, about: Value) -> Expected {
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
        Expected { group: key.clone(), key, body, open, required: true, always_open, held_long: false }
    }

    fn let_newest_email(&self, event: &mut Expected) {
        if self.history.form.is_stripe() {
            let emails = self.referral.emails.iter().map(|email| text(json!(email)));
            event.open.entry(EMAIL).or_default().extend(emails);
        }
    }

    fn in_time(&self, time: i64, mut event: Expected) -> Option<Expected> {
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

    fn prefix(&self) -> String {
        let provider = if self.history.form.is_stripe() { "stripe" } else { "chargebee" };
        if self.history.account.is_empty() {
            provider.to_owned()
        } else {
            format!("{provider}:{}", self.history.account)
        }
    }

    fn invoice(&self, purchase: &Purchase) -> String {
        if self.history.form.is_stripe() { stripe::invoice_id(purchase) } else { chargebee::invoice_id(purchase) }
    }

    fn product(&self, price: usize) -> String {
        let id = PRICES[price].id;
        if self.history.form.is_stripe() { format!("prod_{id}") } else { id.to_owned() }
    }
}

fn chargebee_event_id(moment: &Moment, what: &What, was: Option<Phase>) -> String {
    let kind = match what {
        What::Activated { .. } if was == Some(Phase::Trial) => "subscription_activated",
        What::Recovered { .. } => "subscription_resumed",
        _ => "subscription_changed",
    };
    format!("ev_{}_{kind}", moment.number)
}

fn stamp(second: i64) -> String {
    let time: Timestamp = at(second);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub fn text(value: Value) -> String {
    value.to_string()
}
