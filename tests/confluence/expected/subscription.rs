//! Subscriptions: what is reported of them, and for whom.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::writer::Writer;
use super::{EMAIL, Expected, text};
use crate::history::{Happening, Moment, PRICES, Phase, Subscription, What};

impl Writer<'_> {
    /// What may be reported of one step of a subscription. A change or an end belongs to whom the start was reported
    /// for; one that arrives before the start, to whom it names.
    pub fn of_subscription(
        &self,
        moment: &Moment,
        what: &What,
        before: Option<&Subscription>,
        now: &Subscription,
    ) -> Vec<Expected> {
        let named = self.of(moment.person.number);
        let by_name = named.and_then(|named| named.subscription(moment, what, before, now));
        let start = self.start(&now.id).filter(|start| start.person.number != moment.person.number);
        let Some(start) = start.filter(|start| start.number < moment.number || start.at < moment.at) else {
            return by_name.into_iter().collect();
        };
        let Happening::Subscription(started, former, state) = &start.happening else { unreachable!() };
        let Some(owner) = self.of(start.person.number) else { return by_name.into_iter().collect() };
        let Some(reported) = owner.subscription(start, started, former.as_ref(), state) else {
            return by_name.into_iter().collect();
        };
        let Some(mut by_start) = owner.event_of(moment, what, before, now) else { return vec![] };
        let emails = owner.referral.emails.iter().map(|email| text(json!(email)));
        by_start.open.entry(EMAIL).or_default().extend(emails);
        by_start.open.entry(EMAIL).or_insert_with(BTreeSet::new).insert(text(Value::Null));
        by_start.body["context"]["newUser"].as_object_mut().unwrap().shift_remove("email");
        if !reported.required {
            (by_start.required, by_start.held_long) = (false, true);
        }
        let by_name = by_name.map(|event| match reported.required {
            // Only while the start has not arrived.
            true => Expected { required: false, held_long: false, ..event },
            false => event,
        });
        [by_start].into_iter().chain(by_name).collect()
    }

    /// The moment at which a subscription begins.
    fn start(&self, id: &str) -> Option<&Moment> {
        self.moments.iter().find(|moment| match &moment.happening {
            Happening::Subscription(What::Started { phase, .. }, _, now) => now.id == id && *phase != Phase::Pending,
            Happening::Subscription(What::Activated { .. }, Some(before), now) => {
                now.id == id && before.phase == Phase::Pending
            }
            _ => false,
        })
    }

    fn subscription(
        &self,
        moment: &Moment,
        what: &What,
        before: Option<&Subscription>,
        now: &Subscription,
    ) -> Option<Expected> {
        let event = self.event_of(moment, what, before, now)?;
        self.in_time(moment.at, event)
    }

    fn event_of(
        &self,
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
        if trigger == "subscription-updated" && self.has_silent(now) {
            event.group = format!("{}|{:?}|{}|{}", now.id, now.phase == Phase::Trial, now.price, now.seats);
        }
        self.let_newest_email(&mut event);
        Some(event)
    }

    /// Whether any webhook of the subscription does not say what changed.
    fn has_silent(&self, subscription: &Subscription) -> bool {
        self.moments.iter().any(|moment| {
            matches!(&moment.happening, Happening::Subscription(what, _, now) if now.id == subscription.id && match what {
                What::Recovered { .. } => true,
                What::Changed { .. } | What::Untouched { .. } => !self.history.form.is_stripe(),
                _ => false,
            })
        })
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
