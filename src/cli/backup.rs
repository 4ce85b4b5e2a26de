//! `cello-relay backup`: a copy of the store, made while a relay works on it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

use super::output::{number, print};
use super::{Exit, Trouble};
use crate::config::Config;
use crate::store::{self, Sqlite};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to: a file that is not there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub fn run(args: &Args, config: &Config, json: bool) -> Result<Exit> {
    if store::is_on_server(&config.database_url) {
        return Err(Trouble {
            what: "the store is in PostgreSQL, which has its own tools for this".to_owned(),
            place: "database_url".to_owned(),
            fix: "use `pg_dump --format=custom`, or the backups of your hosting".to_owned(),
        }
        .into());
    }
    let counts = Sqlite::back_up(&config.database_url, &args.file, Timestamp::now())?;
    let bytes = std::fs::metadata(&args.file).context("the copy cannot be looked at")?.len();
    if json {
        print(&format!("{}\n", json!({ "file": args.file, "bytes": bytes, "counts": counts })))?;
    } else {
        let many = |count: i64, of: &str| number(usize::try_from(count).unwrap_or_default(), of);
        print(&format!(
            "{}: {} and {}, {} KiB, looked through\n",
            args.file.display(),
            many(counts.received - counts.duplicate, "webhook"),
            many(counts.referral_events, "referral event"),
            bytes.div_ceil(1024)
        ))?;
    }
    Ok(Exit::Done)
}
