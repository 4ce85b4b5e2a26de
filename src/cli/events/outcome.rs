//! What a command did, or would do, to each referral event: a line for each, and of many how many they are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::output::{Tone, plain, toned};
use super::choose::Chosen;
use crate::store::EventState;

/// More than so many are summed up, with a few examples.
const MANY: usize = 20;
const EXAMPLES: usize = 5;

/// One line of what is shown.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(skip)]
    pub place: usize,
    /// As it was named on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    pub id: Option<i64>,
    key: Option<String>,
    trigger: Option<String>,
    /// The state before.
    was: Option<EventState>,
    /// Of a refund: the purchase that it goes with.
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<i64>,
    /// In a dry run: whether it would.
    pub applies: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Outcome {
    pub fn new(chosen: Chosen, applies: bool, why: Option<String>) -> Self {
        let Chosen { place, name, with, event } = chosen;
        let (id, key, trigger, was) = match event {
            Ok(event) => (Some(event.id), Some(event.key), Some(event.trigger), Some(event.state)),
            Err(_) => (None, None, None, None),
        };
        Self { place, name, id, key, trigger, was, with, applies, why }
    }
}

/// A line for each; of many of which the same is to be said, how many they are and a few examples. `done` is what was
/// done to those it applies to, if that is to be said.
pub fn lines(outcomes: &[Outcome], done: &str) -> String {
    let (applied, refused): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| outcome.applies);
    if outcomes.len() <= MANY {
        return outcomes.iter().map(|outcome| line(outcome, done)).collect();
    }
    let mut text = String::new();
    for group in [applied, refused] {
        let mut sums: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for outcome in &group {
            let was = outcome.was.map_or("unknown", EventState::as_str);
            *sums.entry((outcome.trigger.as_deref().unwrap_or("-"), was)).or_default() += 1;
        }
        for ((trigger, was), sum) in sums {
            text.push_str(&format!("{sum:>7}  {trigger}, {was}\n"));
        }
        group.iter().take(EXAMPLES).for_each(|outcome| text.push_str(&line(outcome, done)));
        if group.len() > EXAMPLES {
            text.push_str(&format!("... and {} more; --json shows all\n", group.len() - EXAMPLES));
        }
    }
    text
}

fn line(outcome: &Outcome, done: &str) -> String {
    let Outcome { id, key, trigger, was, with, applies, why, .. } = outcome;
    let with = with.map(|purchase| format!(", goes with referral event {purchase}")).unwrap_or_default();
    let named = match (id, trigger, key, was) {
        (Some(id), Some(trigger), Some(key), Some(was)) => {
            format!("referral event {id}  {trigger}  {}  was {}{with}", plain(key), was.as_str())
        }
        _ => String::new(),
    };
    let (result, tone) = if *applies { (done, Tone::Good) } else { ("not applied", Tone::Open) };
    let result = if result.is_empty() { String::new() } else { toned(result, tone) };
    let after = if named.is_empty() || result.is_empty() { "" } else { ": " };
    let dividing = if named.is_empty() { ": " } else { ", " };
    let why = why.as_ref().map(|why| format!("{dividing}{why}")).unwrap_or_default();
    format!("{named}{after}{result}{why}\n")
}
