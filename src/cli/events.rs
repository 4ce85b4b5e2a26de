//! `cello-relay events …`: looks into the store, and lets a person decide about what got stuck.
//!
//! Works beside a running relay, on the same store. It never sends anything itself and never touches what is delivered
//! or being sent.

mod by_message;
mod change;
mod choose;
mod decide;
mod filter;
mod list;
mod outcome;
mod remake;
mod remap;
mod show;
mod why;

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{ArgGroup, Args, Subcommand};

use super::Exit;
use super::output::{Tone, plain};
use crate::config::Config;
use crate::store::{self, DecisionState, EventState, WebhookState};
use filter::{FILTERS, Filter};

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List webhooks and what became of them, newest first
    ///
    /// With --json: one object on each line.
    List(ListArgs),
    /// Show the whole life of one webhook or referral event, and what happens next
    ///
    /// With --json: one object on each line, one for each webhook.
    Show {
        /// An event id of the provider, a key or number of a referral event, or the id of an invoice, a subscription,
        /// a customer or a user
        id: String,
    },
    /// Say why something was, or was not, sent to Cello, and what to do about it
    ///
    /// For people who answer customers. It shows ids, codes, amounts and times, and neither address nor name. Ends with
    /// 1 when nothing is known of what is asked about. With --json: one object.
    #[command(after_help = WHY_EXAMPLE)]
    Why(why::Args),
    /// Send dead or unsure referral events again, from now on and with a fresh count of attempts
    ///
    /// Also sends waiting ones now instead of when they are due, and confirmed ones once more. A running relay notices
    /// within 5 seconds. Asks before more than one is sent, and before one is that a person confirmed. With --json: one
    /// object on each line, one for each referral event.
    Retry(RetryArgs),
    /// Say that Cello has referral events, so that they count as delivered
    ///
    /// For unsure events that Cello's portal shows, and for purchases that somebody entered there by hand. Events that wait
    /// for them are sent. Only `retry` undoes it. Asks before it confirms more than one. With --json: one object on each line, one for each
    /// referral event.
    Confirm(ConfirmArgs),
    /// Decide refused referral events again by the rules and settings of today, and send what comes of that
    ///
    /// Shows what would be different and the sums, and asks. The new body goes out under the same key; the old one is kept
    /// with its attempts. Refuses what would not be sent now, or for somebody else. With --json: one object on each line,
    /// one for each referral event.
    Remake(remake::Args),
    /// Give up on referral events that Cello does not have, together with the refunds of a purchase
    ///
    /// They are never sent by themselves after that; `events decide` has their webhook decided again. Asks before it gives
    /// up more than one. With --json: one object on each line, one for each referral event.
    Discard(DiscardArgs),
    /// Have webhooks decided again that could not be read, over which the program ended, or whose events were discarded
    ///
    /// An unreadable webhook is decided as if it had just arrived, after an upgrade that can read it for example; a running
    /// relay notices within 5 seconds. A discarded event is decided at once, by the rules and settings of today; the other
    /// events of its webhook stay as they are. With --json: one object on each line, one for each webhook or discarded event.
    Decide(decide::DecideArgs),
    /// Decide what was received again by the rules and settings of today, and show the difference from what was sent
    ///
    /// Changes nothing, sends nothing and asks nobody: what look-ups taught, and what
    /// Cello said of codes, is taken from the store. Ends with 0 when
    /// nothing differs, with 1 when something does. Try a change of the rules with it before you use it:
    /// `RELAY__RULES=new.toml cello-relay events remap`. With --json: one object on each line for each difference, and a
    /// last one with the sums.
    #[command(after_help = REMAP_EXAMPLE)]
    Remap(remap::Args),
}

const WHY_EXAMPLE: &str = "\
For example, `cello-relay events why --invoice in_1` begins with one of these:

  Yes: the purchase of 4900 EUR, invoice in_1, was reported for u_7; Cello has it since 2026-05-01T09:30:02Z.
  Not yet: the purchase, invoice in_1, is held and waits for news of the customer `cus_1`, until ...
  Not yet: the refund of 4900 EUR, re_1, waits for referral event 12, dead since 2026-05-01T09:30:02Z: ...
  No: the customer cus_1 carries no referral code, so Cello was not told of the purchase, invoice in_1.
  No: the purchase of 4900 EUR, invoice in_1, was tried once and Cello refused it: payload.ucc must be a string.";

const REMAP_EXAMPLE: &str = "\
For example, after the price of purchases was made net:

  purchase:stripe:in_1n6I4GQ8hTzvKe3RS1BrEvE5  invoice-paid  2026-05-01T09:30:00Z  referral event 3, delivered
    something else would be sent now
      payload.price  sent 5500, now 5000";

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state, of webhooks or of referral events
    #[arg(long, value_parser = any_state())]
    pub state: Option<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Only decisions with this reason or warning, such as customer_unseen, and events that a person discarded or confirmed
    /// for this reason
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Group referral events by this, with counts and sums: dead ones, unless --state says otherwise
    #[arg(long, value_name = "WHAT", conflicts_with = "limit")]
    pub by: Option<By>,
    /// The most lines to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// By what the list is grouped.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum By {
    /// What Cello, or the connection, said to the last attempt
    Message,
}

/// Which referral events are meant: some by name, or those that a filter leaves.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["ids", "state"]).args(FILTERS))]
pub struct Selection {
    /// Numbers or keys of referral events, or any id that `show` takes: then all referral events that belong to it
    #[arg(value_name = "ID", conflicts_with = "state", conflicts_with_all = FILTERS)]
    pub ids: Vec<String>,
    /// All in this state; without it, a filter chooses among those that wait for a person
    #[arg(long, value_parser = open_state())]
    pub state: Option<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// Set where the command has such a filter.
    #[arg(skip)]
    pub reason: Option<String>,
    /// Show what it would apply to, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    pub yes: bool,
}

impl Selection {
    /// What to say where nothing is chosen; without a state it was looked for in `states`.
    fn nothing(&self, states: &[EventState]) -> String {
        let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        let state = self.state.clone().unwrap_or_else(|| states.join(" or "));
        self.filter.nothing("no referral event", &state, self.reason.is_some())
    }
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Only events with this warning, such as code_malformed, and events that a person confirmed for this reason
    #[arg(long = "reason", value_name = "REASON", requires = "which", conflicts_with = "ids")]
    pub with_reason: Option<String>,
    /// At most so many a second, oldest first; without it all are due at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: Option<u32>,
}

#[derive(Debug, Args)]
pub struct DiscardArgs {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub person: Person,
}

#[derive(Debug, Args)]
pub struct ConfirmArgs {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub person: Person,
}

/// Who decides, and why.
#[derive(Debug, Args)]
pub struct Person {
    /// Who decides this; without it the name you are logged in with
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why; it is kept with the referral event
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub reason: Option<String>,
}

pub async fn run(command: EventsCommand, config: &Config, json: bool) -> Result<Exit> {
    let store = store::open(&config.database_url, false)?;
    match command {
        EventsCommand::List(args) => list::run(&*store, args, json).await,
        EventsCommand::Show { id } => show::run(&*store, &id, json).await,
        EventsCommand::Why(args) => why::run(&*store, args, &config.metadata, json).await,
        EventsCommand::Decide(args) => decide::run(store, args, config, json).await,
        EventsCommand::Remake(args) => remake::run(store, args, config, json).await,
        EventsCommand::Remap(args) => remap::run(store, args, config, json).await,
        EventsCommand::Retry(args) => {
            let retry = change::Change::Retry { rate: args.rate };
            let selection = Selection { reason: args.with_reason, ..args.selection };
            change::run(&*store, &selection, retry, json).await
        }
        EventsCommand::Discard(DiscardArgs { selection, person }) => {
            let discard = change::Change::Discard(person.known(selection.dry_run)?);
            change::run(&*store, &selection, discard, json).await
        }
        EventsCommand::Confirm(ConfirmArgs { selection, person }) => {
            let confirm = change::Change::Confirm(person.known(selection.dry_run)?);
            change::run(&*store, &selection, confirm, json).await
        }
    }
}

/// What to say where there is nothing of this name.
fn unknown(id: &str) -> String {
    format!(
        "nothing in this store is named `{}`; `cello-relay events list` shows what there is. If the provider says that \
         it sent it: look there for the answer it got, and check `database_url`",
        plain(id)
    )
}

fn any_state() -> PossibleValuesParser {
    let value = |name: &'static str, of: &str, meaning: &str| PossibleValue::new(name).help(format!("{of}: {meaning}"));
    let webhooks = WebhookState::ALL.map(|state| value(state.as_str(), "a webhook", of_webhook(state)));
    let events = EventState::ALL.map(|state| value(state.as_str(), "a referral event", of_event(state)));
    PossibleValuesParser::new(webhooks.into_iter().chain(events))
}

/// The states in which a person may decide.
fn open_state() -> PossibleValuesParser {
    let states = [EventState::Dead, EventState::Unsure, EventState::Waiting, EventState::Confirmed];
    PossibleValuesParser::new(states.map(|state| PossibleValue::new(state.as_str()).help(of_event(state))))
}

fn of_webhook(state: WebhookState) -> &'static str {
    match state {
        WebhookState::Undecided => "nothing was decided about it yet",
        WebhookState::Held => "something in it waits, for its customer for example",
        WebhookState::Ignored => "nothing came of it, for a reason",
        WebhookState::Unreadable => "it is genuine and could not be read",
        WebhookState::Mapped => "it became referral events",
    }
}

fn of_event(state: EventState) -> &'static str {
    match state {
        EventState::Waiting => "it is sent when it is due, or once what it depends on is delivered",
        EventState::Sending => "it is being sent right now",
        EventState::Delivered => "Cello has it",
        EventState::Unsure => "Cello may have it or not, and a person decides",
        EventState::Dead => "it was rejected or tried too often, and a person decides",
        EventState::Discarded => "a person gave it up",
        EventState::Confirmed => "a person says that Cello has it",
    }
}

fn tone_of_webhook(state: WebhookState) -> Tone {
    match state {
        WebhookState::Mapped => Tone::Good,
        WebhookState::Undecided | WebhookState::Held => Tone::Open,
        WebhookState::Unreadable => Tone::Bad,
        WebhookState::Ignored => Tone::Faint,
    }
}

fn tone_of_event(state: EventState) -> Tone {
    match state {
        EventState::Delivered | EventState::Confirmed => Tone::Good,
        EventState::Waiting | EventState::Sending | EventState::Unsure => Tone::Open,
        EventState::Dead => Tone::Bad,
        EventState::Discarded => Tone::Faint,
    }
}

fn tone_of_decision(decision: DecisionState) -> Tone {
    match decision {
        DecisionState::Send => Tone::Good,
        DecisionState::Hold => Tone::Open,
        DecisionState::Ignore => Tone::Faint,
    }
}
