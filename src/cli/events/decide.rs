//! `events decide`: webhooks that could not be read, or over which the program ended, are decided once more; and of those
//! that were, what a person discarded.
//!
//! The first are only put back to those that nothing was decided about yet, and the relay takes them as if they had just
//! arrived, with the times they have. What was discarded is decided here, by the rules and settings of today.

use std::sync::Arc;

use anyhow::Result;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Tone, number, plain, print, toned};
use super::super::{Exit, rules_in_force};
use super::unknown;
use crate::config::Config;
use crate::decision::Verdict;
use crate::providers;
use crate::relay::policy::Policy;
use crate::relay::remaking::decide_what_was_discarded;
use crate::store::{EventFilter, EventState, Life, Store, WebhookState};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct DecideArgs {
    /// Event ids of the provider, as `events list --state unreadable` or `--state discarded` shows them
    #[arg(value_name = "ID", group = "which")]
    pub ids: Vec<String>,
    /// All webhooks that are unreadable
    #[arg(long, group = "which")]
    pub all: bool,
    /// Show what it would apply to, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is said of one webhook.
#[derive(Debug, Serialize)]
struct Outcome {
    event_id: String,
    webhook_id: Option<i64>,
    /// In a dry run: whether it would.
    applies: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Of a discarded referral event: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    referral_event: Option<i64>,
    /// What was decided about it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<String>,
}

impl Outcome {
    fn of(event_id: String, webhook_id: i64, obstacle: Option<&str>) -> Self {
        let (applies, why) = (obstacle.is_none(), obstacle.map(Into::into));
        Self { event_id, webhook_id: Some(webhook_id), applies, why, referral_event: None, decided: None }
    }
}

pub async fn run(store: Arc<dyn Store>, args: DecideArgs, config: &Config, json: bool) -> Result<Exit> {
    let mut outcomes = if args.all { unreadable(&*store).await? } else { named(&*store, &args.ids).await? };
    if outcomes.is_empty() {
        anstream::eprintln!("no webhook is unreadable, so there is nothing to decide");
        return Ok(Exit::Done);
    }
    if outcomes.iter().any(|outcome| outcome.referral_event.is_some()) {
        let policy = Arc::new(Policy::new(config, providers::all(config), rules_in_force(config)?));
        for outcome in outcomes.iter_mut() {
            decide_discarded(&store, &policy, outcome, args.dry_run).await?;
        }
    }
    if !args.dry_run {
        put_back(&*store, &mut outcomes).await?;
    }
    show(&outcomes, args.dry_run, json)?;
    Ok(if outcomes.iter().all(|outcome| outcome.applies) { Exit::Done } else { Exit::Findings })
}

async fn unreadable(store: &dyn Store) -> Result<Vec<Outcome>> {
    let state = Some(WebhookState::Unreadable.as_str().to_owned());
    let rows = store.list(EventFilter { state, limit: usize::MAX, ..EventFilter::default() }).await?;
    Ok(rows.into_iter().rev().map(|row| Outcome::of(row.event_id, row.webhook_id, None)).collect())
}

async fn named(store: &dyn Store, ids: &[String]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for id in ids {
        let lives = store.life(id).await?;
        let found: Vec<Outcome> = lives.iter().filter(|life| life.event_id == *id).flat_map(of_life).collect();
        if found.is_empty() {
            outcomes.push(Outcome { webhook_id: None, ..Outcome::of(id.clone(), 0, Some(&unknown(id))) });
        }
        outcomes.extend(found);
    }
    Ok(outcomes)
}

/// An unreadable webhook is decided again as a whole; of any other one, only its discarded events are.
fn of_life(life: &Life) -> Vec<Outcome> {
    let of = |obstacle| Outcome::of(life.event_id.clone(), life.webhook_id, obstacle);
    if life.state == WebhookState::Unreadable {
        return vec![of(None)];
    }
    let discarded = life.referral_events.iter();
    let discarded = discarded.filter(|event| event.state == EventState::Discarded && event.decided_again_at.is_none());
    let outcomes: Vec<Outcome> =
        discarded.map(|event| Outcome { referral_event: Some(event.id), ..of(None) }).collect();
    if outcomes.is_empty() { vec![of(Some("it was decided, and nothing of it was discarded"))] } else { outcomes }
}

/// Decides a discarded event again; nothing where the outcome is that of a whole webhook.
async fn decide_discarded(
    store: &Arc<dyn Store>,
    policy: &Arc<Policy>,
    outcome: &mut Outcome,
    is_only_tried: bool,
) -> Result<()> {
    let Some(id) = outcome.referral_event else { return Ok(()) };
    match decide_what_was_discarded(store, policy, id, is_only_tried, Timestamp::now()).await? {
        Ok(decided) => {
            let decided = decided.decisions.iter().map(|decision| match &decision.verdict {
                Verdict::Send(sending) => format!("send {}", sending.event.trigger),
                Verdict::Hold { reason, message, .. } => format!("hold, {reason}: {message}"),
                Verdict::Ignore { reason, message } => format!("ignore, {reason}: {message}"),
            });
            outcome.decided = Some(decided.collect::<Vec<_>>().join("; "));
        }
        Err(why) => {
            outcome.applies = false;
            outcome.why = Some(why);
        }
    }
    Ok(())
}

async fn put_back(store: &dyn Store, outcomes: &mut [Outcome]) -> Result<()> {
    let of_webhook = |outcome: &&Outcome| outcome.applies && outcome.referral_event.is_none();
    let ids = outcomes.iter().filter(of_webhook).filter_map(|outcome| outcome.webhook_id).collect();
    let mut applied = store.decide_again(ids).await?;
    applied.sort_unstable();
    let left = |outcome: &&mut Outcome| {
        of_webhook(&&**outcome) && outcome.webhook_id.is_some_and(|id| applied.binary_search(&id).is_err())
    };
    for outcome in outcomes.iter_mut().filter(left) {
        outcome.applies = false;
        outcome.why = Some("its body is erased, or it was decided meanwhile".to_owned());
    }
    Ok(())
}

fn show(outcomes: &[Outcome], dry_run: bool, json: bool) -> Result<()> {
    let mut text = String::new();
    for outcome in outcomes {
        let Outcome { event_id, applies, why, referral_event, decided, .. } = outcome;
        if json {
            text.push_str(&format!("{}\n", serde_json::to_string(outcome)?));
            continue;
        }
        let done = match (applies, dry_run) {
            (false, _) => toned("not applied", Tone::Open),
            (true, true) => toned("would be decided again", Tone::Good),
            (true, false) => toned("is decided again", Tone::Good),
        };
        let why = why.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
        let event = referral_event.map(|id| format!(", discarded referral event {id}")).unwrap_or_default();
        let decided = decided.as_ref().map(|decided| format!(": {}", plain(decided))).unwrap_or_default();
        text.push_str(&format!("webhook {}{event}: {done}{decided}{why}\n", plain(event_id)));
    }
    let applied = || outcomes.iter().filter(|outcome| outcome.applies);
    let put_back = applied().filter(|outcome| outcome.referral_event.is_none()).count();
    if !json && dry_run && applied().count() > 0 {
        text.push_str("nothing was changed: this was a dry run\n");
    } else if !json && put_back > 0 {
        let what = number(put_back, "webhook");
        text.push_str(&format!(
            "{what} to be decided again: a running relay notices within 5 seconds, else the next `cello-relay serve` does\n"
        ));
    }
    Ok(print(&text)?)
}
