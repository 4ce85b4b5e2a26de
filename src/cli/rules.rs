//! `cello-relay rules`: prints the rules in force, or tries them on the operator's own cases.

mod case;
mod compare;
mod test;

use anyhow::Result;
use serde_json::json;

use super::{Exit, rules_in_force};
use crate::config::Config;
use crate::rules::{Rules, fields, fields_markdown};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Print every name an expression may use, instead of the rules
    #[arg(long)]
    pub fields: bool,
    #[command(subcommand)]
    pub command: Option<RulesCommand>,
}

#[derive(Debug, clap::Subcommand)]
pub enum RulesCommand {
    /// Try the rules in force on cases of your own: webhooks, and what Cello should be told of each
    ///
    /// A case is a file `NAME.json`, the body of one webhook, or a folder `NAME` of them, which are one story in the
    /// order of their names. `NAME.expected.json` beside it is a list: the body of each referral event as Cello gets
    /// it, and for what is not sent `{"ignore": "reason"}` or `{"hold": "reason"}`. A list without any of these two is
    /// compared with what is sent alone, so that `[]` means that nothing is. Ends with 1 when a case is not ok. With --json:
    /// one object on each line, one for each case.
    Test(test::Args),
}

pub fn run(args: &Args, config: &Config, json: bool) -> Result<Exit> {
    let rules = rules_in_force(config)?;
    match &args.command {
        Some(RulesCommand::Test(args)) => test::run(args, config, rules, json),
        None => {
            print(args.fields, &rules, json);
            Ok(Exit::Done)
        }
    }
}

fn print(only_fields: bool, rules: &Rules, json: bool) {
    match (only_fields, json) {
        (true, true) => anstream::println!("{}", json!(fields())),
        (true, false) => anstream::print!("{}", fields_markdown()),
        (false, true) => anstream::println!("{}", json!({ "source": rules.source_name(), "rules": rules.summary() })),
        (false, false) => {
            // The page itself, so that it can be kept, changed and named in the settings.
            anstream::print!("{}", rules.source());
            for row in rules.summary().iter().filter(|row| !row.is_on) {
                anstream::println!("# off by `triggers = \"current\"`: {}", row.name);
            }
        }
    }
}
