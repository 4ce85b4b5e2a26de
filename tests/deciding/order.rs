//! The order of arrival does not matter: a history played in every order there is comes to the same referral events,
//! each user's in the order signup, purchases, their refunds.
//!
//! Where a webhook keeps back what only an earlier one tells, the result can only be as good as what was known when it
//! was decided. Each such case is named by a [`Forgive`], with its reason. `tests/confluence` plays random histories.

mod chargebee;
mod found;
mod stories;
mod stripe;

use serde_json::Value;

use crate::relay::{Relay, Told};

/// What may differ from the natural order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgive {
    /// The signup's time. A webhook that shows a code does not always tell since when it is there; what was reported
    /// once is not reported again for the sake of its time.
    SignupTime,
    /// The e-mail address of what does not carry it: the newest one known at the time is told, and it changed within the
    /// history.
    Email,
    /// The interval of a purchase. An invoice with prorated lines alone does not tell it; one that comes before anything
    /// of its subscription is told without, and with a warning, since it is money that was collected.
    Interval,
    /// Which of several webhooks tells a change of the subscription, where they do not themselves say what changed: all
    /// of Chargebee's, and Stripe's on the return from a failed payment. The first that arrives and shows a state Cello
    /// was not told is the one; and where it arrives before everything else of its subscription, the state it shows is
    /// told although the start tells the same.
    UpdateTeller,
}

/// Plays `webhooks`, given in their natural order, in every order, and compares what Cello is told.
pub async fn play_in_every_order(webhooks: &[Value], expected: &[&str], forgive: &[Forgive]) {
    let relay = Relay::new();
    let natural = play(&relay, webhooks).await;
    let keys: Vec<&str> = natural.iter().map(|told| told.key.as_str()).collect();
    assert_eq!(keys, expected, "in the natural order");
    let natural = comparable(&natural, forgive);
    for order in orders(webhooks.len()) {
        let webhooks: Vec<Value> = order.iter().map(|place| webhooks[*place].clone()).collect();
        let told = play(&relay, &webhooks).await;
        assert_eq!(comparable(&told, forgive), natural, "in the order {order:?}");
        check_order(&told, &order);
    }
}

/// Plays to a relay that knows nothing yet.
async fn play(like: &Relay, webhooks: &[Value]) -> Vec<Told> {
    let relay = like.fresh();
    for webhook in webhooks {
        relay.store_only(webhook).await;
    }
    // One by one, in the order of arrival; that they share a transaction saves half the time.
    while relay.decider.decide_all().await.unwrap() > 0 {}
    relay.told().await
}

fn comparable(told: &[Told], forgive: &[Forgive]) -> Vec<Told> {
    let mut told: Vec<Told> = told.iter().map(|told| forgiven(told, forgive)).collect();
    told.sort();
    // Two that differ only in what is forgiven are one.
    told.dedup();
    if forgive.contains(&Forgive::UpdateTeller) {
        let started: Vec<Value> =
            told.iter().filter(|told| trigger(told) == "subscription-created").map(state).collect();
        told.retain(|told| trigger(told) != "subscription-updated" || !started.contains(&state(told)));
    }
    told
}

fn forgiven(told: &Told, forgive: &[Forgive]) -> Told {
    let mut body = told.json();
    let mut key = told.key.clone();
    for forgive in forgive {
        match forgive {
            Forgive::SignupTime if trigger(told) == "new-signup" => body["context"]["event"]["timestamp"].take(),
            Forgive::Interval if trigger(told) == "invoice-paid" => {
                let subscription = body["context"]["subscription"].as_object_mut();
                subscription.and_then(|subscription| subscription.shift_remove("interval")).unwrap_or_default()
            }
            Forgive::Email => body["context"]["newUser"]["email"].take(),
            Forgive::UpdateTeller if trigger(told) == "subscription-updated" => {
                key = trigger(told);
                body["context"]["event"]["timestamp"].take()
            }
            _ => Value::Null,
        };
    }
    Told { key, body: body.to_string() }
}

fn trigger(told: &Told) -> String {
    told.at("/context/event/trigger").as_str().unwrap().to_owned()
}

/// What Cello is told of a subscription apart from when and why.
fn state(told: &Told) -> Value {
    serde_json::json!([told.at("/payload/price"), told.at("/context/subscription")])
}

/// Signup, then purchases, then their refunds.
fn check_order(told: &[Told], order: &[usize]) {
    let place = |wanted: &str, invoice: Option<&Value>| {
        told.iter().position(|told| {
            trigger(told) == wanted && invoice.is_none_or(|id| told.at("/context/subscription/invoiceId") == *id)
        })
    };
    let signup = place("new-signup", None);
    for (number, event) in told.iter().enumerate() {
        match trigger(event).as_str() {
            "invoice-paid" => assert!(signup.is_some_and(|signup| signup < number), "{order:?}: {told:#?}"),
            "charge-refunded" => {
                let invoice = event.at("/context/subscription/invoiceId");
                let purchase = place("invoice-paid", Some(&invoice));
                assert!(purchase.is_some_and(|purchase| purchase < number), "{order:?}: {told:#?}");
            }
            _ => {}
        }
    }
}

/// Every order of `count` things.
pub fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let mut longer = Vec::new();
    for shorter in orders(count - 1) {
        for place in 0..count {
            let mut order = shorter.clone();
            order.insert(place, count - 1);
            longer.push(order);
        }
    }
    longer
}

#[test]
fn every_order_is_played_once() {
    let mut all = orders(5);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 120);
}
