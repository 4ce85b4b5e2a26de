//! `events retry` and `events discard`: a person decides about referral events that did not get through.
//!
//! The store has the last word on what may change; whatever it did not change is told with the reason. Nothing is
//! ever applied to more than was shown.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Tone, number, plain, print, toned};
use super::super::{Exit, Trouble};
use super::Selection;
use super::choose::{Chosen, choose};
use crate::store::{EventState, Store};

/// What is to be done.
#[derive(Debug)]
pub enum Change {
    Retry,
    Discard { by: String, reason: String },
}

pub async fn run(store: &dyn Store, selection: &Selection, change: Change, json: bool) -> Result<Exit> {
    let chosen = choose(store, selection).await?;
    if let (true, Some(state)) = (chosen.is_empty(), &selection.state) {
        let of = selection.provider.as_ref().map(|provider| format!(" of {provider}")).unwrap_or_default();
        anstream::eprintln!("no referral event{of} is {state}, so there is nothing to {}", change.word());
        return Ok(Exit::Done);
    }
    let (possible, mut outcomes) = Change::sort(chosen);
    let results = if selection.dry_run {
        possible.into_iter().map(|event| Outcome::new(event, true, None)).collect()
    } else {
        if selection.state.is_some() && !selection.yes && !confirm(&change, &possible, json)? {
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

    fn word(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
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
        let ids: Vec<i64> = possible.iter().filter_map(|one| one.event.as_ref().ok()).map(|event| event.id).collect();
        let now = Timestamp::now();
        let applied = match self {
            Self::Retry => store.retry(ids, now).await?,
            Self::Discard { by, reason } => store.discard(ids, by.clone(), reason.clone(), now).await?,
        };
        let result = |one: Chosen| {
            let done = one.event.as_ref().is_ok_and(|event| applied.contains(&event.id));
            let why = (!done).then(|| "the relay went on with it meanwhile; look at it again".to_owned());
            Outcome::new(one, done, why)
        };
        Ok(possible.into_iter().map(result).collect())
    }
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
    let is_unsure = |one: &&Chosen| one.event.as_ref().is_ok_and(|event| event.state == EventState::Unsure);
    let unsure = possible.iter().filter(is_unsure).count();
    if unsure > 0 && matches!(change, Change::Retry) {
        anstream::eprintln!("Cello may have {unsure} of them already, and would then have them twice.");
    }
    let word = match change {
        Change::Retry => "Retry",
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
        (Change::Retry, false) => "is sent again",
        (Change::Retry, true) => "would be sent again",
        (Change::Discard { .. }, false) => "discarded",
        (Change::Discard { .. }, true) => "would be discarded",
    };
    let mut text = String::new();
    for Outcome { id, key, trigger, was, applies, why, .. } in results {
        let named = match (id, trigger, key, was) {
            (Some(id), Some(trigger), Some(key), Some(was)) => {
                format!("referral event {id}  {trigger}  {}  was {}: ", plain(key), was.as_str())
            }
            _ => String::new(),
        };
        let (result, tone) = if *applies { (done, Tone::Good) } else { ("not applied", Tone::Open) };
        let dividing = if named.is_empty() { ": " } else { ", " };
        let why = why.as_ref().map(|why| format!("{dividing}{why}")).unwrap_or_default();
        text.push_str(&format!("{named}{}{why}\n", toned(result, tone)));
    }
    let applied = results.iter().filter(|result| result.applies).count();
    if dry_run {
        text.push_str("nothing was changed: this was a dry run\n");
    } else if applied > 0 && matches!(change, Change::Retry) {
        text.push_str(&format!(
            "{} to be sent again: a running relay notices within 5 seconds, else the next `cello-relay serve` does\n",
            number(applied, "referral event")
        ));
    } else if applied > 0 {
        text.push_str(&format!(
            "{} discarded; their bodies and attempts are kept\n",
            number(applied, "referral event")
        ));
    }
    Ok(print(&text)?)
}
