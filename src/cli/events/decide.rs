//! `events decide`: webhooks that could not be read, or over which the program ended, are decided once more.
//!
//! Nothing is decided here: they are put back to those that nothing was decided about yet, and the relay takes them as
//! if they had just arrived, with the times they have.

use anyhow::Result;
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::super::Exit;
use super::super::output::{Tone, number, plain, print, toned};
use super::unknown;
use crate::store::{EventFilter, Store, WebhookState};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct DecideArgs {
    /// Event ids of the provider, as `events list --state unreadable` shows them
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
}

impl Outcome {
    fn of(event_id: String, webhook_id: i64, obstacle: Option<&str>) -> Self {
        Self { event_id, webhook_id: Some(webhook_id), applies: obstacle.is_none(), why: obstacle.map(Into::into) }
    }
}

pub async fn run(store: &dyn Store, args: DecideArgs, json: bool) -> Result<Exit> {
    let mut outcomes = if args.all { unreadable(store).await? } else { named(store, &args.ids).await? };
    if outcomes.is_empty() {
        anstream::eprintln!("no webhook is unreadable, so there is nothing to decide");
        return Ok(Exit::Done);
    }
    if !args.dry_run {
        put_back(store, &mut outcomes).await?;
    }
    show(&outcomes, args.dry_run, json)?;
    Ok(if outcomes.iter().all(|outcome| outcome.applies) { Exit::Done } else { Exit::Findings })
}

async fn unreadable(store: &dyn Store) -> Result<Vec<Outcome>> {
    let state = Some(WebhookState::Unreadable.as_str().to_owned());
    let rows = store.list(EventFilter { state, provider: None, limit: usize::MAX }).await?;
    Ok(rows.into_iter().rev().map(|row| Outcome::of(row.event_id, row.webhook_id, None)).collect())
}

async fn named(store: &dyn Store, ids: &[String]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for id in ids {
        let lives = store.life(id).await?;
        let found: Vec<Outcome> = lives
            .into_iter()
            .filter(|life| life.event_id == *id)
            .map(|life| {
                let stands = (life.state != WebhookState::Unreadable).then_some("what was decided about it stands");
                Outcome::of(life.event_id, life.webhook_id, stands)
            })
            .collect();
        if found.is_empty() {
            outcomes.push(Outcome { event_id: id.clone(), webhook_id: None, applies: false, why: Some(unknown(id)) });
        }
        outcomes.extend(found);
    }
    Ok(outcomes)
}

async fn put_back(store: &dyn Store, outcomes: &mut [Outcome]) -> Result<()> {
    let ids = outcomes.iter().filter(|outcome| outcome.applies).filter_map(|outcome| outcome.webhook_id).collect();
    let mut applied = store.decide_again(ids).await?;
    applied.sort_unstable();
    let left = |outcome: &&mut Outcome| {
        outcome.applies && outcome.webhook_id.is_some_and(|id| applied.binary_search(&id).is_err())
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
        let Outcome { event_id, applies, why, .. } = outcome;
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
        text.push_str(&format!("webhook {}: {done}{why}\n", plain(event_id)));
    }
    let applied = outcomes.iter().filter(|outcome| outcome.applies).count();
    if !json && applied > 0 {
        let what = number(applied, "webhook");
        text.push_str(&if dry_run {
            "nothing was changed: this was a dry run\n".to_owned()
        } else {
            format!(
                "{what} to be decided again: a running relay notices within 5 seconds, else the next `cello-relay serve` \
                 does\n"
            )
        });
    }
    Ok(print(&text)?)
}
