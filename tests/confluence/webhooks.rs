//! A history as its provider tells it.

use serde_json::Value;

use crate::history::{Happening, History, Moment};
use crate::{chargebee, stripe};

/// A webhook and when it was made, in seconds since the start.
pub type Made = (i64, Value);

/// Every webhook of a history that arrives, in the order of what happened.
pub fn webhooks(history: &History) -> Vec<Made> {
    let moments = history.moments();
    let told = moments.iter().filter(|moment| !moment.lost).flat_map(|moment| {
        let webhooks = if history.form.is_stripe() {
            stripe::webhooks(history, moment)
        } else {
            chargebee::webhooks(history, moment)
        };
        webhooks.into_iter().map(|webhook| (moment.at, webhook))
    });
    let is_attached = |moment: &Moment| matches!(moment.happening, Happening::Attached(..));
    // The account is known to send links: this one is of an invoice that nobody asks about.
    let earlier = moments.iter().find(|moment| history.form.is_stripe() && is_attached(moment));
    earlier.map(|_| (0, stripe::earlier_link(history.account))).into_iter().chain(told).collect()
}
