//! The commands, one file each, and what they share: how a command ends and how it says what went wrong.

pub mod backup;
pub mod cello;
pub mod check;
pub mod events;
mod explain;
pub mod export;
mod files;
pub mod forget;
pub mod map;
mod moment;
pub mod move_store;
pub mod output;
pub mod replay;
pub mod rules;
pub mod serve;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use thiserror::Error;

use crate::config::{Config, LogFormat, Purpose, Site, Triggers};
use crate::rules::Rules;

/// Turns the webhooks of Stripe and Chargebee into referral events for Cello, and delivers them until Cello has them.
#[derive(Debug, Parser)]
#[command(
    name = "cello-relay",
    version,
    after_help = "To begin, play the fixtures through a relay of their own, without any account:\n  \
                  cello-relay replay fixtures\n\n\
                  To set it up: `cello-relay check --example` prints a settings file with every setting, and\n\
                  `cello-relay check` tells what is missing.\n\n\
                  Exit codes: 0 done, 1 done with findings, 2 could not run."
)]
pub struct Cli {
    /// Settings file; without it `relay.toml` in this folder, if there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive webhooks and deliver referral events until told to stop
    ///
    /// With --json: the log as JSON, one line for each event.
    Serve {
        /// Send to a stand-in for Cello in this process instead of to Cello: works without any account
        #[arg(long)]
        sandbox: bool,
    },
    /// Post webhook files, signed, through the real HTTP path, and show what Cello got for each
    ///
    /// Without --to the relay is one of its own, and Cello a stand-in: nothing leaves this machine, and nothing is left
    /// behind. Ends with 1 when something was refused, unreadable or not delivered. With --json: one object on each line,
    /// one for each webhook.
    Replay(replay::Args),
    /// Show what would be sent for each webhook of the files, and why; sends nothing, keeps nothing
    ///
    /// The webhooks, in order, are one story: what an early one tells of a customer holds for the later ones. A file
    /// may hold any number of them, one on each line or over many lines. Up to 100 are shown as a table, more line by
    /// line with a summary at the end, as is what comes from standard input. Live and test webhooks may stand side by
    /// side: that each is only sent to its own environment is for `serve` to see to. Ends with 1 when something in it
    /// could not be read. With --json: one object on each line, one for each webhook.
    Map(map::Args),
    /// Print the rules in force, or try them on cases of your own
    ///
    /// To change them, keep what it prints as a file, change that, and name it in the setting `rules`. With --json: one
    /// object, with --fields one list.
    Rules(rules::Args),
    /// Find out whether this installation is able to work, with a fix for each finding
    ///
    /// Changes nothing and sends no referral event. Ends with 1 when anything is not in order, be it a warning. With
    /// --json: one object.
    Check(check::Args),
    /// Look into the store: list, show one whole life, say why, and repair what got stuck
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Copy the store to a file while a relay works on it, and look the copy through
    ///
    /// For a store that is a file; PostgreSQL has its own tools. With --json: one object.
    Backup(backup::Args),
    /// Write everything in the store as JSON lines: each webhook with all that came of it, then what is known
    ///
    /// One object on each line, with and without --json: first the webhooks in order of arrival, with their decisions,
    /// referral events and attempts as `events show --json` has them, then customers, subscriptions and what else is known
    /// of them, whose lines begin with "known" and the kind. Works beside a running relay, and needs the same memory for
    /// a long history as for a short one.
    Export(export::Args),
    /// Move a filled SQLite store to an empty PostgreSQL database; no relay may be running
    ///
    /// All of it or nothing, and the numbers of both are compared. The file stays, and no relay starts on it any more.
    /// With --json: one object.
    Move(move_store::Args),
    /// Erase what the store holds of a person; without --yes, only say what that would be
    ///
    /// The bodies of all webhooks about them, what the directory knows beyond ids and code, and the address and the name
    /// in what Cello was told. Ids, amounts and decisions stay. Ends with 1, and erases nothing, when nothing is known of
    /// them or something of theirs is not delivered yet. With --json: one object.
    Forget(forget::Args),
    /// Ask Cello directly, with the login of the relay
    #[command(subcommand)]
    Cello(cello::CelloCommand),
}

impl Cli {
    pub async fn run(self) -> Result<Exit> {
        let load = |purpose| load(self.config.as_deref(), purpose);
        match self.command {
            Command::Serve { sandbox } => {
                let mut config = load(if sandbox { Purpose::ServeSandbox } else { Purpose::Serve })?;
                if self.json {
                    config.log.format = LogFormat::Json;
                }
                serve::run(config, sandbox).await
            }
            Command::Replay(args) => replay::run(args, self.config.as_deref(), self.json).await,
            Command::Map(args) => {
                let config = load(Purpose::Offline)?;
                map::run(&args, &config, rules_in_force(&config)?, self.json)
            }
            Command::Rules(args) => rules::run(&args, &load(Purpose::Offline)?, self.json),
            Command::Check(args) => check::run(&args, self.config.as_deref(), self.json).await,
            Command::Events(command) => events::run(command, &load(Purpose::Store)?, self.json).await,
            Command::Backup(args) => backup::run(&args, &load(Purpose::Store)?, self.json),
            Command::Export(args) => export::run(&args, &load(Purpose::Store)?).await,
            Command::Move(args) => move_store::run(&args, &load(Purpose::Store)?, self.json),
            Command::Forget(args) => forget::run(args, &load(Purpose::Store)?, self.json).await,
            Command::Cello(command) => cello::run(command, &load(Purpose::CelloOnly)?, self.json).await,
        }
    }
}

/// The settings for `purpose`.
pub fn load(file: Option<&Path>, purpose: Purpose) -> Result<Config> {
    Ok(Config::load(file, std::env::vars_os(), purpose)?)
}

/// The site that `--site` names.
///
/// # Errors
///
/// A [`Trouble`] when the settings have no such site.
pub fn chargebee_site<'a>(config: &'a Config, name: &str) -> Result<&'a Site> {
    let sites = &config.chargebee.sites;
    let site = sites.get(name).ok_or_else(|| {
        let known: Vec<String> = sites.keys().map(|name| format!("`{name}`")).collect();
        let fix = match known.as_slice() {
            [] => "leave out --site, or add the site to relay.toml".to_owned(),
            known => format!("name one of {}, or add the site to relay.toml", known.join(", ")),
        };
        Trouble { what: format!("the settings have no Chargebee site {name:?}"), place: "--site".to_owned(), fix }
    });
    Ok(site?)
}

/// The operator's rules, else the shipped ones; without the subscription triggers where the settings say so.
pub fn rules_in_force(config: &Config) -> Result<Rules> {
    let rules = match &config.rules {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the rules file {name} cannot be read; correct the setting `rules`"))?;
            Rules::load(&text, &name)?
        }
        None => Rules::shipped()?,
    };
    Ok(match config.triggers {
        Triggers::All => rules,
        Triggers::Current => rules.limited_to_current(),
    })
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Done, and something was found that a person should look at.
    Findings,
    CouldNotRun,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Findings => 1,
            Exit::CouldNotRun => 2,
        })
    }
}

/// Why a command could not run, in the three parts people need.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}\n  where: {place}\n  fix:   {fix}")]
pub struct Trouble {
    pub what: String,
    pub place: String,
    pub fix: String,
}
