//! `cello-relay rules`: prints the rules in force.

use anyhow::Result;
use serde_json::json;

use super::{Exit, rules_in_force};
use crate::config::Config;
use crate::rules::{fields, fields_markdown};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print every name an expression may use, instead of the rules
    #[arg(long)]
    pub fields: bool,
}

pub fn run(args: &Args, config: &Config, json: bool) -> Result<Exit> {
    let rules = rules_in_force(config)?;
    match (args.fields, json) {
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
    Ok(Exit::Done)
}
