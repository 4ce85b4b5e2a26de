//! `events retry`, `events discard` and `events confirm`: a person decides about referral events that did not get through.
//!
//! The store has the last word on what may change; whatever it did not change is shown with the reason. Nothing is
//! ever applied to more than was shown.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use super::super::output::{number, plain, print};
use super::super::{Exit, Trouble};
use super::choose::{Chosen, Found, choose, with_refunds};
use super::outcome::{Outcome, lines};
use super::{Person, Selection};
use crate::store::{ByPerson, Discarding, EventFilter, EventState, Store, StoreError};

/// Changed in one transaction: the relays wait for it, and what they are sending must not outlive its lease meanwhile.
const AT_ONCE: usize = 200;
/// In seconds.
const DAY: usize = 86_400;

/// What a filter without a state chooses: whatever waits for a person.
const STUCK: [EventState; 2] = [EventState::Dead, EventState::Unsure];

/// What is to be done.
#[derive(Debug)]
pub enum Change {
    Retry {
        /// A second at the most.
        rate: Option<u32>,
    },
    Discard(ByPerson),
    Confirm(ByPerson),
}

pub async fn run(store: &dyn Store, selection: &Selection, change: Change, json: bool) -> Result<Exit> {
    let mut chosen = choose(store, selection, &STUCK).await?;
    if chosen.is_empty() {
        anstream::eprintln!("{}, so there is nothing to {}", selection.nothing(&STUCK), change.word());
        return Ok(Exit::Done);
    }
    if let Change::Discard(_) = change {
        chosen = with_refunds(store, chosen).await?;
    }
    let (possible, mut outcomes) = change.sort(chosen);
    change.refuse_too_slow(possible.len())?;
    let results = if selection.dry_run {
        possible.into_iter().map(|event| Outcome::new(event, true, None)).collect()
    } else {
        let is_to_be_asked = possible.len() > 1 || possible.iter().any(|one| change.is_doubtful(one));
        if is_to_be_asked && !selection.yes && !asked(&change, &possible, json)? {
            anstream::eprintln!("nothing was changed");
            return Ok(Exit::Findings);
        }
        change.apply(store, possible).await?
    };
    outcomes.extend(results);
    outcomes.sort_by_key(|outcome| outcome.place);
    let blocked = if selection.dry_run { 0 } else { change.blocked(store, &outcomes).await? };
    show(&outcomes, &change, blocked, selection.dry_run, json)?;
    Ok(if outcomes.iter().all(|outcome| outcome.applies) { Exit::Done } else { Exit::Findings })
}

impl Person {
    /// Who decides, and why.
    ///
    /// # Errors
    ///
    /// When either is not said, unless nothing is changed anyway.
    pub fn known(self, dry_run: bool) -> Result<ByPerson, Trouble> {
        let reason = given(self.reason).or_else(|| dry_run.then(String::new));
        Ok(ByPerson {
            by: who(self.by, dry_run)?,
            reason: reason.ok_or_else(|| missing("the reason is empty", "say why, with --reason"))?,
        })
    }
}

/// Who decides: by name, else by the name of the login.
///
/// # Errors
///
/// When neither is there, unless nothing is changed anyway.
pub fn who(by: Option<String>, dry_run: bool) -> Result<String, Trouble> {
    let user = || ["USER", "LOGNAME"].into_iter().find_map(|name| given(std::env::var(name).ok()));
    let by = given(by).or_else(user).or_else(|| dry_run.then(String::new));
    by.ok_or_else(|| missing("it is not known who decides this", "add --by and your name"))
}

fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn missing(what: &str, fix: &str) -> Trouble {
    Trouble { what: what.to_owned(), place: "the command line".to_owned(), fix: fix.to_owned() }
}

impl Change {
    /// The store takes an event that is due more than a day ahead for one whose time a wrong clock wrote.
    fn refuse_too_slow(&self, count: usize) -> Result<(), Trouble> {
        let Self::Retry { rate: Some(rate) } = self else { return Ok(()) };
        if count / (*rate).max(1) as usize <= DAY {
            return Ok(());
        }
        let what = format!("with --rate {rate}, {} take more than a day", number(count, "referral event"));
        Err(missing(&what, "choose a higher rate, or fewer with --since and --until"))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Discard(_) => "discard",
            Self::Confirm(_) => "confirm",
        }
    }

    /// What may be changed, and what may not with the reason. A refund that only goes with its purchase stays with it.
    fn sort(&self, chosen: Vec<Chosen>) -> (Vec<Chosen>, Vec<Outcome>) {
        let sending = |one: &Chosen| one.event.as_ref().is_ok_and(|event| event.state == EventState::Sending);
        let kept: HashSet<i64> = chosen.iter().filter(|one| sending(one)).filter_map(|one| one.with).collect();
        let all: HashSet<i64> = chosen.iter().filter_map(|one| one.event.as_ref().ok()).map(|event| event.id).collect();
        let (mut possible, mut refused) = (Vec::new(), Vec::new());
        for one in chosen {
            let number = one.with.or(one.event.as_ref().ok().map(|event| event.id));
            let obstacle = match &one.event {
                Err(why) => Some(why.clone()),
                Ok(event) => self.obstacle(event, &all).or_else(|| {
                    let has_kept = number.is_some_and(|number| kept.contains(&number));
                    has_kept.then(|| "a refund of it is being sent right now; try again in a minute".to_owned())
                }),
            };
            match obstacle {
                None => possible.push(one),
                Some(why) => refused.push(Outcome::new(one, false, Some(why))),
            }
        }
        (possible, refused)
    }

    /// Why an event stays as it is; `all` are those that are chosen.
    fn obstacle(&self, event: &Found, all: &HashSet<i64>) -> Option<String> {
        let by = |name: &Option<String>| name.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
        match event.state {
            EventState::Waiting => {
                // It goes on by itself where what it waits for is sent again, too.
                let blocker = event.blocked_by.filter(|blocker| !all.contains(blocker));
                let blocker = blocker.filter(|_| matches!(self, Self::Retry { .. }))?;
                Some(format!("it waits for referral event {blocker}, which is the one to decide about"))
            }
            EventState::Unsure | EventState::Dead => None,
            EventState::Delivered => Some("Cello has it already".to_owned()),
            EventState::Sending => Some("it is being sent right now; try again in a minute".to_owned()),
            EventState::Confirmed if matches!(self, Self::Retry { .. }) => None,
            EventState::Confirmed => Some(format!("it was confirmed{}: Cello has it", by(&event.confirmed_by))),
            EventState::Discarded => Some(format!(
                "it was discarded{}; `cello-relay events decide` with the event id of its webhook has it decided again",
                by(&event.discarded_by)
            )),
        }
    }

    /// Whether Cello may have it, so that this may make it count twice.
    fn is_doubtful(&self, one: &Chosen) -> bool {
        let is_confirmed = one.event.as_ref().is_ok_and(|event| event.state == EventState::Confirmed);
        is_confirmed && matches!(self, Self::Retry { .. })
    }

    async fn apply(&self, store: &dyn Store, possible: Vec<Chosen>) -> Result<Vec<Outcome>> {
        let number = |one: &Chosen| one.event.as_ref().map(|event| event.id).ok();
        let mut ids: Vec<i64> = possible.iter().filter(|one| one.with.is_none()).filter_map(number).collect();
        ids.sort_unstable();
        let with: Vec<i64> = possible.iter().filter_map(number).collect();
        let now = Timestamp::now();
        let mut applied: HashSet<i64> = HashSet::new();
        for ids in ids.chunks(AT_ONCE) {
            let done = self.apply_to(store, ids.to_vec(), &with, applied.len(), now).await;
            applied.extend(done.map_err(|problem| stopped_after(applied.len(), problem))?);
        }
        let result = |one: Chosen| {
            let done = number(&one).is_some_and(|number| applied.contains(&number));
            let why = (!done).then(|| "it changed meanwhile; look at it again".to_owned());
            Outcome::new(one, done, why)
        };
        Ok(possible.into_iter().map(result).collect())
    }

    /// How many of those that are to be sent again wait for another one first.
    async fn blocked(&self, store: &dyn Store, outcomes: &[Outcome]) -> Result<usize, StoreError> {
        if !matches!(self, Self::Retry { .. }) || store.blocked().await?.events == 0 {
            return Ok(0);
        }
        let state = Some(EventState::Waiting.as_str().to_owned());
        let waiting = store.list(EventFilter { state, limit: usize::MAX, ..EventFilter::default() }).await?;
        let waiting = waiting.into_iter().filter_map(|row| row.referral_event);
        let blocked: HashSet<i64> = waiting.filter(|event| event.blocked_by.is_some()).map(|event| event.id).collect();
        let retried = outcomes.iter().filter(|outcome| outcome.applies).filter_map(|outcome| outcome.id);
        Ok(retried.filter(|id| blocked.contains(id)).count())
    }

    async fn apply_to(
        &self,
        store: &dyn Store,
        ids: Vec<i64>,
        with: &[i64],
        before: usize,
        now: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        match self {
            Self::Retry { rate } => {
                let apart = apart(*rate);
                let pause = apart.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
                store.retry(ids, now.saturating_add(pause).unwrap_or(Timestamp::MAX), apart).await
            }
            Self::Discard(person) => {
                store.discard(Discarding { ids, with: with.to_vec(), person: person.clone() }, now).await
            }
            Self::Confirm(person) => store.confirm(ids, person.clone(), now).await,
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

/// Shows what would change, and asks.
fn asked(change: &Change, possible: &[Chosen], json: bool) -> Result<bool> {
    let what = number(possible.len(), "referral event");
    let outcomes: Vec<Outcome> = possible.iter().map(|one| Outcome::new(one.clone(), true, None)).collect();
    let mut text = lines(&outcomes, "");
    if let Change::Retry { .. } = change {
        let many = |state: EventState| {
            let events = possible.iter().filter_map(|one| one.event.as_ref().ok());
            events.filter(|event| event.state == state).count()
        };
        let (unsure, confirmed) = (many(EventState::Unsure), many(EventState::Confirmed));
        if unsure > 0 {
            text.push_str(&format!("Cello may have {unsure} of them already, and would then have them twice.\n"));
        }
        if confirmed > 0 {
            text.push_str(&format!(
                "Of {confirmed} of them a person has said that Cello has them: it would then have them twice, and what was \
                 sent since then stays sent.\n"
            ));
        }
    }
    let word = match change {
        Change::Retry { .. } => "Retry",
        Change::Discard(_) => "Discard",
        Change::Confirm(_) => "Take for delivered:",
    };
    ask(&text, &format!("{word} {what}?"), &format!("{} {what}", change.word()), json)
}

/// Asks a person, after `text`, whether to go on.
///
/// # Errors
///
/// When there is nobody to ask: `what` says what this would do.
pub fn ask(text: &str, question: &str, what: &str, json: bool) -> Result<bool> {
    let (input, error) = (std::io::stdin(), std::io::stderr());
    if json || !input.is_terminal() || !error.is_terminal() {
        return Err(Trouble {
            what: format!("this would {what}, and there is nobody to ask"),
            place: "the command line".to_owned(),
            fix: "look with --dry-run, then add --yes".to_owned(),
        }
        .into());
    }
    anstream::eprint!("{text}{question} [y/N] ");
    error.lock().flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn show(results: &[Outcome], change: &Change, blocked: usize, dry_run: bool, json: bool) -> Result<()> {
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
        (Change::Discard(_), false) => "discarded",
        (Change::Discard(_), true) => "would be discarded",
        (Change::Confirm(_), false) => "confirmed",
        (Change::Confirm(_), true) => "would be confirmed",
    };
    let mut text = lines(results, done);
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
            if blocked > 0 {
                text.push_str(&format!(
                    "{blocked} of these wait for another one first; `cello-relay events list --state waiting` names it\n"
                ));
            }
        }
        Change::Discard(_) => text.push_str(&format!("{what} discarded; their bodies and attempts are kept\n")),
        Change::Confirm(_) => text.push_str(&format!("{what} counted as delivered from now on\n")),
    }
    Ok(print(&text)?)
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
