//! A history as its provider tells it.

use serde_json::Value;

use crate::history::History;
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
    told.collect()
}
