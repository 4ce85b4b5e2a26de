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
//! - *too late, as it turned out*: what was sent before anything told that the code came more than 30 days after it;
//! - *the holder*: a change or an end of a subscription that has moved to another referred customer arrives before the
//!   start. Then it is reported for the customer it names;
//! - *attached payments*: a payment is attached to another invoice after its own purchase. Which of the two purchases
//!   carries it, and so their ids, prices and number, depends on which arrives first; their sum is compared instead. Such
//!   a payment's refunds name either invoice. All else about both is compared as everywhere;
//! - *paid anew*: whichever payment of an invoice arrives first goes by the key of the invoice alone.
//!
//! Two limits of attached payments are by design and not generated (see `links.rs`): a link that arrives more than a
//! day after both the sale and the invoice, and one that arrives after an invoice which took less than the sale. The
//! payment is then reported twice, the first time with a warning. So are sums of two users, where a customer is merged
//! into another between the purchases.

#[path = "expected/attached.rs"]
mod attached;
#[path = "expected/referred.rs"]
mod referred;
#[path = "expected/refund.rs"]
mod refund;
#[path = "expected/subscription.rs"]
mod subscription;
#[path = "expected/writer.rs"]
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::history::{Happening, History, Moment};
use crate::relay::at;
use referred::{Referred, referred};
use writer::Writer;

const EMAIL: &str = "/context/newUser/email";

const INVOICE: &str = "/context/subscription/invoiceId";

const LIMIT: i64 = 30 * 86_400;

/// One referral event that may be told.
#[derive(Debug, Clone)]
pub struct Expected {
    pub key: String,
    /// Keys that it may have instead.
    pub other_keys: Vec<String>,
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
    /// Set where its payment has a part in another purchase: only the sum of both is known.
    pub share: Option<Share>,
}

/// What two purchases must come to.
#[derive(Debug, Clone)]
pub struct Share {
    /// The number of the first.
    pub payment: usize,
    pub least: i64,
    pub most: i64,
}

/// The same, of webhooks that arrive one after the other as they were made: then everything is known in time.
pub fn naturally(expected: Vec<Expected>) -> Vec<Expected> {
    let mut expected: Vec<Expected> =
        expected.into_iter().filter(|event| event.required || event.held_long || event.share.is_some()).collect();
    for event in &mut expected {
        event.open.retain(|pointer, _| event.always_open.contains(pointer));
        event.group = event.key.clone();
    }
    expected
}

pub fn expected(history: &History) -> Vec<Expected> {
    let moments = history.moments();
    let people: BTreeSet<usize> = moments.iter().map(|moment| moment.person.number).collect();
    let all: BTreeMap<usize, Referred> =
        people.iter().filter_map(|number| Some((*number, referred(history, &moments, *number)?))).collect();
    let mut told = Vec::new();
    for (number, referral) in &all {
        let writer = Writer { history, moments: &moments, referral, all: &all };
        // A purchase brings its signup with it.
        let is_signed_up = |moment: &&Moment| {
            moment.person.number == *number
                && match &moment.happening {
                    Happening::Paid(purchase) | Happening::Attached(_, purchase) => {
                        writer.purchase(moment, purchase).is_some_and(|event| event.required)
                    }
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
    }
    let Some(anybody) = all.values().next() else { return told };
    let anybody = Writer { history, moments: &moments, referral: anybody, all: &all };
    let attached = Writer::with_attached(&moments);
    for moment in &moments {
        let writer = anybody.of(moment.person.number);
        match &moment.happening {
            Happening::Subscription(what, before, now) => {
                told.extend(anybody.of_subscription(moment, what, before.as_ref(), now));
            }
            Happening::Paid(purchase) if attached.contains(&purchase.number) => {}
            Happening::Paid(purchase) => told.extend(writer.and_then(|writer| writer.purchase(moment, purchase))),
            Happening::Attached(old, new) => {
                told.extend(writer.into_iter().flat_map(|writer| writer.attached(old, moment, new)));
            }
            Happening::Refunded(purchase, amount) => told.extend(anybody.refund(moment, purchase, *amount)),
            Happening::Created | Happening::Updated(_) | Happening::Deleted | Happening::Authorised(_) => {}
        }
    }
    told
}

fn stamp(second: i64) -> String {
    let time: Timestamp = at(second);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub fn text(value: Value) -> String {
    value.to_string()
}
