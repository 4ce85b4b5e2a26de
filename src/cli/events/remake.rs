//! `events remake`: what Cello refused is decided again by today's rules and settings, and sent.
//!
//! Shows the difference first. What is done is what was shown, or nothing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Tone, number, plain, print, toned};
use super::super::{Exit, rules_in_force};
use super::Selection;
use super::change::{ask, who};
use super::choose::{Chosen, choose};
use super::remap::difference;
use crate::config::Config;
use crate::providers;
use crate::relay::code::FAULTS;
use crate::relay::decide::Remade;
use crate::relay::policy::Policy;
use crate::relay::remaking::Remaker;
use crate::relay::remap::{Field, differing};
use crate::store::{EventState, Store};

/// More than so many are shown as sums with a few examples.
const MANY: usize = 20;
const EXAMPLES: usize = 5;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Only what was decided with this warning, such as code_malformed
    #[arg(long = "reason", value_name = "REASON", requires = "which", conflicts_with = "ids")]
    pub with_reason: Option<String>,
    /// Who decides this; without it the name you are logged in with
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// You have looked: Cello does not have those whose connection broke during an attempt
    #[arg(long)]
    pub cello_does_not_have_it: bool,
}

/// What is said of one event.
#[derive(Serialize)]
struct Outcome {
    id: Option<i64>,
    key: Option<String>,
    trigger: Option<String>,
    was: Option<EventState>,
    /// In a dry run: whether it would.
    applies: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip)]
    remade: Option<Box<Remade>>,
}

pub async fn run(store: Arc<dyn Store>, args: Args, config: &Config, json: bool) -> Result<Exit> {
    let Args { selection, with_reason, by, cello_does_not_have_it } = args;
    let selection = Selection { reason: with_reason, ..selection };
    let dead = [EventState::Dead];
    let chosen = choose(&*store, &selection, &dead).await?;
    if chosen.is_empty() {
        anstream::eprintln!("{}, so there is nothing to remake", selection.nothing(&dead));
        return Ok(Exit::Done);
    }
    let mut policy = Policy::new(config, providers::all(config), rules_in_force(config)?);
    policy.asks_nobody = Some(store.said_of_codes(FAULTS.to_vec()).await?);
    let remaker = Remaker {
        store,
        policy: Arc::new(policy),
        by: who(by, selection.dry_run)?,
        is_not_there: cello_does_not_have_it,
        now: Timestamp::now(),
    };
    let mut outcomes = Vec::new();
    for one in chosen {
        outcomes.push(Outcome::try_out(&remaker, one).await?);
    }
    let applies = outcomes.iter().filter(|outcome| outcome.applies).count();
    if !selection.dry_run && applies > 0 {
        let what = number(applies, "referral event");
        let question = format!("Send {what} like this?");
        if !selection.yes && !ask(&text(&outcomes, "would be sent now"), &question, &format!("remake {what}"), json)? {
            anstream::eprintln!("nothing was changed");
            return Ok(Exit::Findings);
        }
        for outcome in outcomes.iter_mut() {
            outcome.apply(&remaker).await?;
        }
    }
    show(&outcomes, selection.dry_run, json)?;
    Ok(if outcomes.iter().all(|outcome| outcome.applies) { Exit::Done } else { Exit::Findings })
}

impl Outcome {
    async fn try_out(remaker: &Remaker, chosen: Chosen) -> Result<Self> {
        let refused = |why: String| Self {
            id: None,
            key: None,
            trigger: None,
            was: None,
            applies: false,
            why: Some(why),
            fields: vec![],
            remade: None,
        };
        let event = match chosen.event {
            Ok(event) => event,
            Err(why) => return Ok(refused(why)),
        };
        let (why, remade) = match remaker.try_out(event.id).await? {
            Ok(remade) => (None, Some(remade)),
            Err(why) => (Some(why), None),
        };
        let fields = remade.iter().flat_map(|remade| fields(remade)).collect();
        let (id, key, trigger, was) = (Some(event.id), Some(event.key), Some(event.trigger), Some(event.state));
        Ok(Self { id, key, trigger, was, applies: why.is_none(), why, fields, remade })
    }

    async fn apply(&mut self, remaker: &Remaker) -> Result<()> {
        let Some(remade) = &self.remade else { return Ok(()) };
        if let Err(why) = remaker.apply(remade).await? {
            self.applies = false;
            self.why = Some(why);
        }
        Ok(())
    }
}

fn fields(remade: &Remade) -> Vec<Field> {
    let parsed = |body: &str| serde_json::from_str(body).unwrap_or_default();
    differing(&parsed(&remade.before.body), &parsed(&remade.now.body))
}

fn show(outcomes: &[Outcome], dry_run: bool, json: bool) -> Result<()> {
    if json {
        let mut lines = String::new();
        for outcome in outcomes {
            let mut line = serde_json::to_value(outcome)?;
            line["action"] = "remake".into();
            line["dry_run"] = dry_run.into();
            lines.push_str(&format!("{line}\n"));
        }
        return Ok(print(&lines)?);
    }
    let mut shown = text(outcomes, if dry_run { "would be sent now" } else { "is sent now" });
    let applied = outcomes.iter().filter(|outcome| outcome.applies).count();
    if dry_run {
        shown.push_str("nothing was changed: this was a dry run\n");
    } else if applied > 0 {
        shown.push_str(&format!(
            "{} remade; the old bodies are kept. A running relay sends them within 5 seconds, else the next `cello-relay \
             serve` does\n",
            number(applied, "referral event")
        ));
    }
    Ok(print(&shown)?)
}

/// Each with its difference, and the sums.
fn text(outcomes: &[Outcome], done: &str) -> String {
    let shown = if outcomes.len() > MANY { EXAMPLES } else { MANY };
    let mut text = String::new();
    let (applied, refused): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| outcome.applies);
    for group in [&applied, &refused] {
        group.iter().take(shown).for_each(|outcome| text.push_str(&line(outcome, done)));
        if group.len() > shown {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "... and {} more; --json shows all", group.len() - shown);
        }
    }
    let remade = || applied.iter().filter_map(|outcome| outcome.remade.as_ref());
    let before = sums(remade().map(|remade| (remade.before.price, remade.before.currency.as_deref())));
    let now = sums(remade().map(|remade| (remade.now.price, remade.now.currency.as_deref())));
    if !applied.is_empty() {
        let what = number(applied.len(), "referral event");
        let _ = writeln!(text, "{what}: {before} refused, {now} {done}");
    }
    text
}

fn line(outcome: &Outcome, done: &str) -> String {
    let Outcome { id, key, trigger, why, fields, .. } = outcome;
    let named = match (id, trigger, key) {
        (Some(id), Some(trigger), Some(key)) => format!("referral event {id}  {trigger}  {}: ", plain(key)),
        _ => String::new(),
    };
    match why {
        Some(why) => format!("{named}{}, {why}\n", toned("not applied", Tone::Open)),
        None => format!("{named}{}\n{}", toned(done, Tone::Good), difference(fields)),
    }
}

/// `9800 EUR, 500 USD`
fn sums<'a>(prices: impl Iterator<Item = (Option<i64>, Option<&'a str>)>) -> String {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for (price, currency) in prices {
        if let (Some(price), Some(currency)) = (price, currency) {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(price);
        }
    }
    let sums: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {}", plain(currency))).collect();
    if sums.is_empty() { "no money".to_owned() } else { sums.join(", ") }
}
