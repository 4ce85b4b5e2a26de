//! `events retry` and `events discard`: a person decides about referral events that did not get through.
//!
//! The store has the last word on what may change; whatever it did not change is told with the reason. Nothing is
//! ever applied to more than was shown.

use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Tone, number, plain, print, toned};
use super::super::{Exit, Trouble};
use super::Selection;
use super::choose::{Chosen, choose};
use crate::store::{EventState, Store, StoreError};

/// More than so many are told by their numbers and a few examples.
const MANY: usize = 20;
const EXAMPLES: usize = 5;
/// Changed in one transaction: the relays wait for it, and what they are sending must not outlive its lease meanwhile.
const AT_ONCE: usize = 200;
/// In seconds.
const DAY: usize = 86_400;

/// What is to be done.
#[derive(Debug)]
pub enum Change {
    Retry {
        /// A second at the most.
        rate: Option<u32>,
    },
    Discard {
        by: String,
        reason: String,
    },
}

pub async fn run(store: &dyn Store, selection: &Selection, change: Change, json: bool) -> Result<Exit> {
    let chosen = choose(store, selection).await?;
    if let (true, Some(state)) = (chosen.is_empty(), &selection.state) {
        let of = selection.provider.as_ref().map(|provider| format!(" of {provider}")).unwrap_or_default();
        let others = [&selection.trigger, &selection.message].iter().any(|filter| filter.is_some())
            || selection.since.or(selection.until).is_some();
        let like_that = if others { " and as you want it" } else { "" };
        anstream::eprintln!("no referral event{of} is {state}{like_that}, so there is nothing to {}", change.word());
        return Ok(Exit::Done);
    }
    let (possible, mut outcomes) = Change::sort(chosen);
    change.refuse_too_slow(possible.len())?;
    let results = if selection.dry_run {
        possible.into_iter().map(|event| Outcome::new(event, true, None)).collect()
    } else {
        if possible.len() > 1 && !selection.yes && !confirm(&change, &possible, json)? {
            anstream::eprintln!("nothing was changed");
            return Ok(Exit::Findings);
        }
        change.apply(store, possible).await?
    };
    outcomes.extend(results);
    outcomes.sort_by_key(|outcome| outcome.place);
    show(&outcomes, &change, selection.dry_run, json)?;
    Ok(if outcomes.iter().all(|outcome| outcome.applies) { Exit::Done } else { Exit::Findings })
}

/// One line of what is shown.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(skip)]
    place: usize,
    /// As it was named on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    id: Option<i64>,
    key: Option<String>,
    trigger: Option<String>,
    /// The state before.
    was: Option<EventState>,
    /// In a dry run: whether it would.
    applies: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Outcome {
    fn new(chosen: Chosen, applies: bool, why: Option<String>) -> Self {
        let Chosen { place, name, event } = chosen;
        let (id, key, trigger, was) = match event {
            Ok(event) => (Some(event.id), Some(event.key), Some(event.trigger), Some(event.state)),
            Err(_) => (None, None, None, None),
        };
        Self { place, name, id, key, trigger, was, applies, why }
    }
}

impl Change {
    /// # Errors
    ///
    /// When it is not said who discards, or why.
    pub fn discard(by: Option<String>, reason: Option<String>, dry_run: bool) -> Result<Self, Trouble> {
        let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let user = || ["USER", "LOGNAME"].into_iter().find_map(|name| given(std::env::var(name).ok()));
        let missing = |what: &str, fix: &str| Trouble {
            what: what.to_owned(),
            place: "the command line".to_owned(),
            fix: fix.to_owned(),
        };
        let needed = |text: Option<String>| if dry_run { Some(text.unwrap_or_default()) } else { text };
        Ok(Self::Discard {
            by: needed(given(by).or_else(user))
                .ok_or_else(|| missing("it is not known who decides this", "add --by and your name"))?,
            reason: needed(given(reason)).ok_or_else(|| missing("the reason is empty", "say why, with --reason"))?,
        })
    }

    /// The store takes an event that is due more than a day ahead for one whose time a wrong clock wrote.
    fn refuse_too_slow(&self, count: usize) -> Result<(), Trouble> {
        let Self::Retry { rate: Some(rate) } = self else { return Ok(()) };
        if count / (*rate).max(1) as usize <= DAY {
            return Ok(());
        }
        Err(Trouble {
            what: format!("with --rate {rate}, {} take more than a day", number(count, "referral event")),
            place: "the command line".to_owned(),
            fix: "choose a higher rate, or fewer with --since and --until".to_owned(),
        })
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Discard { .. } => "discard",
        }
    }

    /// What may be changed, and what may not with the reason.
    fn sort(chosen: Vec<Chosen>) -> (Vec<Chosen>, Vec<Outcome>) {
        let (mut possible, mut refused) = (Vec::new(), Vec::new());
        for one in chosen {
            match Self::obstacle(&one) {
                None => possible.push(one),
                Some(why) => refused.push(Outcome::new(one, false, Some(why))),
            }
        }
        (possible, refused)
    }

    fn obstacle(chosen: &Chosen) -> Option<String> {
        let event = match &chosen.event {
            Ok(event) => event,
            Err(why) => return Some(why.clone()),
        };
        match event.state {
            EventState::Waiting | EventState::Unsure | EventState::Dead => None,
            EventState::Delivered => Some("Cello has it already".to_owned()),
            EventState::Sending => Some("it is being sent right now; try again in a minute".to_owned()),
            EventState::Discarded => {
                let by = event.discarded_by.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
                Some(format!("it was discarded{by}, which is final"))
            }
        }
    }

    async fn apply(&self, store: &dyn Store, possible: Vec<Chosen>) -> Result<Vec<Outcome>> {
        let mut ids: Vec<i64> =
            possible.iter().filter_map(|one| one.event.as_ref().ok()).map(|event| event.id).collect();
        ids.sort_unstable();
        let now = Timestamp::now();
        let mut applied: HashSet<i64> = HashSet::new();
        for ids in ids.chunks(AT_ONCE) {
            let done = self.apply_to(store, ids.to_vec(), applied.len(), now).await;
            applied.extend(done.map_err(|problem| stopped_after(applied.len(), problem))?);
        }
        let result = |one: Chosen| {
            let done = one.event.as_ref().is_ok_and(|event| applied.contains(&event.id));
            let why = (!done).then(|| "the relay went on with it meanwhile; look at it again".to_owned());
            Outcome::new(one, done, why)
        };
        Ok(possible.into_iter().map(result).collect())
    }

    async fn apply_to(
        &self,
        store: &dyn Store,
        ids: Vec<i64>,
        before: usize,
        now: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        match self {
            Self::Retry { rate } => {
                let apart = apart(*rate);
                let pause = apart.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
                store.retry(ids, now.saturating_add(pause).unwrap_or(Timestamp::MAX), apart).await
            }
            Self::Discard { by, reason } => store.discard(ids, by.clone(), reason.clone(), now).await,
        }
    }
}

fn stopped_after(changed: usize, problem: StoreError) -> anyhow::Error {
    if changed == 0 {
        return problem.into();
    }
    let changed = number(changed, "referral event");
    Trouble {
        what: format!("{problem}; {changed} were changed before that"),
        place: "the store".to_owned(),
        fix: "give the same command again: it goes on with the others".to_owned(),
    }
    .into()
}

fn apart(rate: Option<u32>) -> Duration {
    rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1))
}

fn confirm(change: &Change, possible: &[Chosen], json: bool) -> Result<bool> {
    let (input, error) = (std::io::stdin(), std::io::stderr());
    let what = number(possible.len(), "referral event");
    if json || !input.is_terminal() || !error.is_terminal() {
        return Err(Trouble {
            what: format!("this would {} {what}, and there is nobody to ask", change.word()),
            place: "the command line".to_owned(),
            fix: "look with --dry-run, then add --yes".to_owned(),
        }
        .into());
    }
    let outcomes: Vec<Outcome> = possible.iter().map(|one| Outcome::new(one.clone(), true, None)).collect();
    anstream::eprint!("{}", told(&outcomes, ""));
    let is_unsure = |one: &&Chosen| one.event.as_ref().is_ok_and(|event| event.state == EventState::Unsure);
    let unsure = possible.iter().filter(is_unsure).count();
    if unsure > 0 && matches!(change, Change::Retry { .. }) {
        anstream::eprintln!("Cello may have {unsure} of them already, and would then have them twice.");
    }
    let word = match change {
        Change::Retry { .. } => "Retry",
        Change::Discard { .. } => "Discard",
    };
    anstream::eprint!("{word} {what}? [y/N] ");
    error.lock().flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn show(results: &[Outcome], change: &Change, dry_run: bool, json: bool) -> Result<()> {
    if json {
        let mut lines = String::new();
        for result in results {
            let mut line = serde_json::to_value(result)?;
            line["action"] = change.word().into();
            line["dry_run"] = dry_run.into();
            lines.push_str(&format!("{line}\n"));
        }
        return Ok(print(&lines)?);
    }
    let done = match (change, dry_run) {
        (Change::Retry { .. }, false) => "is sent again",
        (Change::Retry { .. }, true) => "would be sent again",
        (Change::Discard { .. }, false) => "discarded",
        (Change::Discard { .. }, true) => "would be discarded",
    };
    let mut text = told(results, done);
    let applied = results.iter().filter(|result| result.applies).count();
    let what = number(applied, "referral event");
    match change {
        _ if dry_run => text.push_str("nothing was changed: this was a dry run\n"),
        _ if applied == 0 => {}
        Change::Retry { rate } => {
            let last = apart(*rate).saturating_mul(u32::try_from(applied - 1).unwrap_or(u32::MAX)).as_secs();
            let seconds = number(usize::try_from(last).unwrap_or(usize::MAX), "second");
            let until = if last > 0 { format!(", the last one {seconds} after the first") } else { String::new() };
            text.push_str(&format!(
                "{what} to be sent again{until}: a running relay notices within 5 seconds, else the next `cello-relay \
                 serve` does\n"
            ));
        }
        Change::Discard { .. } => text.push_str(&format!("{what} discarded; their bodies and attempts are kept\n")),
    }
    Ok(print(&text)?)
}

/// A line for each; of many of which the same is to be said, how many they are and a few examples. `done` is what was
/// done to those it applies to, if that is to be said.
fn told(outcomes: &[Outcome], done: &str) -> String {
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
    let Outcome { id, key, trigger, was, applies, why, .. } = outcome;
    let named = match (id, trigger, key, was) {
        (Some(id), Some(trigger), Some(key), Some(was)) => {
            format!("referral event {id}  {trigger}  {}  was {}", plain(key), was.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_more_than_a_day_is_refused() {
        let too_slow = |rate, count| Change::Retry { rate }.refuse_too_slow(count).err().map(|trouble| trouble.what);
        assert_eq!(too_slow(Some(2), 172_800), None);
        assert_eq!(too_slow(Some(2), 172_802).unwrap(), "with --rate 2, 172802 referral events take more than a day");
        assert_eq!(too_slow(None, 1_000_000), None);
    }
}
