//! The stories about payments, customers and subscriptions that change hands, in every order of arrival.
//!
//! Every order comes to the same events, and to the right sum of money for each user. The one exception is a payment that
//! is attached to an invoice, or moved to another one, after it was made: which of the two reports it depends on what was
//! decided first, so there the sums alone are compared. So they are of a payment that no purchase took whole: of several
//! refunds the one that is decided first gives back what was left over.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use serde_json::Value;

use super::orders;
use crate::relay::{Relay, Told};

/// How the events of two orders may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// In nothing but the business key: an invoice that is paid anew has that of its second payment.
    Body,
    /// The same, and in the e-mail address, of which nothing is sent once the customer's deletion has arrived.
    BodyAndEmail,
    /// Each user's purchases less refunds are equal.
    Sum,
}

fn story(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stories").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

/// What Cello is sent, and by when everything that waits has come to its end.
async fn play(like: &Relay, webhooks: &[&Value]) -> Vec<Told> {
    let relay = like.fresh();
    for webhook in webhooks {
        relay.store_only(webhook).await;
    }
    while relay.decider.decide_all().await.unwrap() > 0 {}
    let mut told = relay.told().await;
    for days in [1, 3, 30] {
        relay.pass(SignedDuration::from_hours(24 * days + 1));
        while relay.settle().await > 0 {}
        told.extend(relay.told().await);
    }
    told
}

/// Purchases less refunds, in minor units, for each user and currency.
fn sums(told: &[Told]) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for event in told {
        let sign = match event.at("/context/event/trigger").as_str().unwrap() {
            "invoice-paid" => 1,
            "charge-refunded" => -1,
            _ => continue,
        };
        let text = |place: &str| event.at(place).as_str().unwrap().to_owned();
        let amount = event.at("/payload/price").as_i64().unwrap();
        *sums.entry((text("/payload/newUserId"), text("/payload/currency"))).or_default() += sign * amount;
    }
    sums
}

fn bodies(told: &[Told], by: By) -> Vec<String> {
    let body = |told: &Told| {
        let mut body = told.json();
        if by == By::BodyAndEmail {
            body["context"]["newUser"]["email"].take();
        }
        body.to_string()
    };
    let mut bodies: Vec<String> = told.iter().map(body).collect();
    bodies.sort();
    bodies
}

async fn in_every_order(name: &str, by: By, net: i64) {
    let (relay, webhooks) = (Relay::new(), story(name));
    let in_order: Vec<&Value> = webhooks.iter().collect();
    let natural = play(&relay, &in_order).await;
    assert_eq!(sums(&natural).values().sum::<i64>(), net, "{name}: {natural:#?}");
    for order in orders(webhooks.len()) {
        let shuffled: Vec<&Value> = order.iter().map(|place| &webhooks[*place]).collect();
        let told = play(&relay, &shuffled).await;
        assert_eq!(sums(&told), sums(&natural), "{name} in the order {order:?}: {told:#?}");
        if by != By::Sum {
            assert_eq!(bodies(&told, by), bodies(&natural, by), "{name} in the order {order:?}");
        }
    }
}

macro_rules! stories {
    ($($test:ident: $name:literal, $by:ident, $net:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            in_every_order($name, By::$by, $net).await;
        }
    )*};
}

stories! {
    a_refund_after_customers_were_merged: "chargebee-merged-customer-refund", BodyAndEmail, 0;
    a_refund_without_any_customer: "chargebee-refund-names-no-customer", Body, 3000;
    a_payment_that_is_moved_to_another_invoice: "chargebee-payment-moved-to-another-invoice", Sum, 9900;
    a_payment_that_is_taken_off_refunded_and_paid_anew: "chargebee-payment-removed-then-refunded", Body, 4900;
    a_part_payment_that_is_refunded: "chargebee-part-payment-refunded", Body, 0;
    an_excess_payment_that_is_refunded_in_part: "chargebee-excess-payment-refunded-in-part", Sum, 4200;
    a_payment_attached_to_an_invoice: "stripe-attached-payment", Sum, 0;
    a_payment_attached_after_its_invoice_was_paid: "stripe-attached-payment-invoice-first", Sum, 24900;
    a_later_sale_of_the_same_amount: "stripe-attached-payment-and-a-later-sale", Sum, 49800;
    a_capture_in_part: "stripe-manual-capture-in-part", Body, 5000;
    a_capture_in_full: "stripe-manual-capture-in-full", Body, 6400;
    a_refund_whose_charge_names_no_customer: "stripe-one-time-refund-without-customer", Body, 0;
    a_payment_by_itself: "stripe-bare-payment-intent", Body, 0;
    a_part_payment_of_an_invoice_that_is_refunded: "stripe-part-payment-refunded", Body, 0;
    money_given_back_outside_stripe: "stripe-out-of-band-refund", Body, 0;
    a_second_customer_of_a_user_without_a_code: "stripe-second-customer-without-code", Body, 0;
    an_authorisation_that_is_cancelled: "stripe-authorisation-cancelled", Body, 0;
}
