//! `events remap`: what would be sent now, by the rules and settings of today, beside what was sent.
//!
//! It changes nothing, sends nothing and asks nobody: see [`crate::relay::remap`] for how that is done.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::moment::moment;
use super::super::output::{Tone, number, plain, print, progress, time, toned};
use super::super::{Exit, rules_in_force};
use super::tone_of_event;
use crate::config::{CheckCodes, Config, Environment};
use crate::providers;
use crate::relay::code::FAULTS;
use crate::relay::policy::Policy;
use crate::relay::remap::{Again, Compared, Difference, Field, Kind, Remap};
use crate::store::{Sqlite, Store};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compare only what happened since then: a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
}

/// How many business keys there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Sums {
    same: u64,
    changed: u64,
    added: u64,
    removed: u64,
    /// Came of webhooks whose body is no longer kept.
    unknown: u64,
    /// Would be sent now if Cello counted their code, which nothing stored says.
    code_not_asked: u64,
}

pub async fn run(stored: Arc<dyn Store>, args: Args, config: &Config, json: bool) -> Result<Exit> {
    let rules = rules_in_force(config)?;
    let by = by(config, rules.source_name());
    let mut policy = Policy::new(config, providers::all(config), rules);
    policy.asks_nobody = Some(stored.said_of_codes(FAULTS.to_vec()).await?);
    let policy = Arc::new(policy);
    let counts = stored.counts().await?;
    let bar = progress(u64::try_from(counts.received - counts.duplicate).ok(), "{bar:30} {pos}/{len} webhooks");
    let mut remap = Remap::new(stored, scratch()?, policy, Timestamp::now());
    let again = remap.decide(|| bar.inc(1)).await?;
    bar.finish_and_clear();

    let mut sums = Sums::default();
    let mut comparison = remap.compare();
    let is_meant = |at: Timestamp| args.since.is_none_or(|since| at >= since);
    while let Some(compared) = comparison.next().await? {
        match compared {
            Compared::Same { at } => sums.same += u64::from(is_meant(at)),
            Compared::Unknown { at } => sums.unknown += u64::from(is_meant(at)),
            Compared::Unasked { at } => sums.code_not_asked += u64::from(is_meant(at)),
            Compared::Different(one) if is_meant(one.happened_at) => {
                match one.difference {
                    Kind::Changed => sums.changed += 1,
                    Kind::Added => sums.added += 1,
                    Kind::Removed => sums.removed += 1,
                }
                print(&if json { format!("{}\n", json!(one)) } else { text(&one) })?;
            }
            Compared::Different(_) => {}
        }
    }
    print(&if json {
        let since = args.since.map(time);
        format!("{}\n", json!({ "decided_by": by, "since": since, "webhooks": again, "referral_events": sums }))
    } else {
        end(&by, args.since, again, sums)
    })?;
    Ok(if sums.changed + sums.added + sums.removed == 0 { Exit::Done } else { Exit::Findings })
}

/// Where it is decided again; gone when the command ends.
fn scratch() -> Result<Arc<dyn Store>> {
    Ok(Arc::new(Sqlite::temporary().context("a throw-away store could not be made")?))
}

/// What decides today.
fn by(config: &Config, rules: &str) -> Value {
    let environment = Some(config.cello.environment).filter(|environment| *environment != Environment::Local);
    json!({
        "rules": rules,
        "triggers": config.triggers.as_str(),
        "environment": environment.map(Environment::as_str),
        "check_codes": config.cello.check_codes.as_str(),
        "organization_mode": config.metadata.organization_mode,
    })
}

fn text(one: &Difference) -> String {
    let what = match one.difference {
        Kind::Changed => toned("something else would be sent now", Tone::Open),
        Kind::Added => toned("would be sent now", Tone::Good),
        Kind::Removed => toned("would not be sent now", Tone::Bad),
    };
    let state = match (one.referral_event, one.state) {
        (Some(id), Some(state)) => format!("  referral event {id}, {}", toned(state.as_str(), tone_of_event(state))),
        _ => String::new(),
    };
    let title = toned(&plain(&one.key), Tone::Title);
    let mut text = format!("{title}  {}  {}{state}\n  {what}", plain(&one.trigger), time(one.happened_at));
    match one.difference {
        Kind::Changed => text.push('\n'),
        Kind::Added | Kind::Removed => {
            let reason = one.reason.as_deref().map(|reason| format!("{}: ", plain(reason))).unwrap_or_default();
            let when = if one.difference == Kind::Added { "was not, " } else { "" };
            let message = plain(one.message.as_deref().unwrap_or_default());
            let line = format!("; {when}{reason}{message}");
            text.push_str(line.trim_end_matches([':', ' ']));
            text.push('\n');
        }
    }
    text.push_str(&difference(&one.fields));
    text.push('\n');
    text
}

/// A line for each field that differs.
pub fn difference(fields: &[Field]) -> String {
    let width = fields.iter().map(|field| field.path.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Field { path, sent, now } in fields {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "    {:width$}  sent {}, now {}", plain(path), value(sent), value(now));
    }
    text
}

fn value(value: &Option<Value>) -> String {
    value.as_ref().map_or("nothing".to_owned(), |value| plain(&value.to_string()))
}

fn end(by: &Value, since: Option<Timestamp>, again: Again, sums: Sums) -> String {
    let word = |name: &str| by[name].as_str().map_or("not set".to_owned(), plain);
    let organizations = if by["organization_mode"] == true { ", organization mode" } else { "" };
    let checked = word("check_codes");
    let checks = checked != CheckCodes::Off.as_str();
    let codes = if checks { format!(", check_codes {checked}") } else { String::new() };
    let mut text = format!(
        "{} decided again by {}, triggers {}, environment {}{organizations}{codes}. Nothing was changed or sent.\n",
        number(usize::try_from(again.webhooks).unwrap_or(usize::MAX), "webhook"),
        word("rules"),
        word("triggers"),
        word("environment"),
    );
    let since = since.map(|since| format!(" since {}", time(since))).unwrap_or_default();
    let Sums { same, changed, added, removed, unknown, code_not_asked } = sums;
    let _ = writeln!(
        text,
        "Referral events{since}: {same} the same, {changed} changed, {added} would be sent now and were not, {removed} \
         would not be sent now."
    );
    let notes = [
        (again.undecided, "not decided yet, left out: is `cello-relay serve` running?"),
        (again.unreadable, "could not be read: `cello-relay events list --state unreadable` shows those of then"),
        (again.without_body, "left out, because their body is no longer kept"),
        (unknown, "referral events not compared, because the body of their webhook is no longer kept"),
        (
            code_not_asked,
            "not compared: they were not sent, and would be now only if Cello counted their code, which nothing stored \
             says; with `RELAY__CELLO__CHECK_CODES=off` they are shown",
        ),
        (
            again.looked_up,
            "facts decided with what a look-up taught; of that only the newest is kept, so an e-mail address or a \
             number of seats that changed since shows as a difference",
        ),
    ];
    for (count, note) in notes.iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(text, "{count} {note}");
    }
    if checks {
        text.push_str(
            "Of codes, what Cello said before counts, as far as it is stored. What was sent with a code of which nothing \
             is stored is compared as if Cello counted it.\n",
        );
    }
    text
}
