//! `cello-relay move`: takes a filled SQLite store to PostgreSQL.
//!
//! It never shows the password in the address, and leaves the file as it is but for a mark.

use std::io::Read;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::output::{Column, Table, number, print};
use super::{Exit, Trouble};
use crate::config::Config;
use crate::store;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of an empty database, `postgres://...`; `-` reads it from standard input, where nobody sees its password
    #[arg(long, value_name = "ADDRESS")]
    pub to: String,
}

pub fn run(args: &Args, config: &Config, json: bool) -> Result<Exit> {
    let trouble = |what: &str, place: &str, fix: &str| Trouble {
        what: what.to_owned(),
        place: place.to_owned(),
        fix: fix.to_owned(),
    };
    let to = match args.to.as_str() {
        "-" => {
            let mut address = String::new();
            std::io::stdin().read_to_string(&mut address).context("standard input cannot be read")?;
            address.trim().to_owned()
        }
        given => given.to_owned(),
    };
    if store::is_on_server(&config.database_url) {
        let fix = "let `database_url` name the SQLite file that is to be moved";
        return Err(trouble("the store is in PostgreSQL already", "database_url", fix).into());
    }
    if !store::is_on_server(&to) {
        let fix = "name a database: `--to postgres://user@host:5432/database`";
        return Err(trouble("it can only be moved to PostgreSQL", "--to", fix).into());
    }
    let moved = store::move_to_server(&config.database_url, &to, Timestamp::now())?;
    if json {
        print(&format!("{}\n", serde_json::to_string(&moved)?))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[Column::text("table"), Column::number("rows")]);
    for (name, rows) in &moved.rows {
        table.row(vec![(*name).to_owned(), rows.to_string()]);
    }
    let many = |count: i64, of: &str| number(usize::try_from(count).unwrap_or_default(), of);
    print(&format!(
        "{table}\n\n{} and {} are in {} now; both sums and the rows of all tables are the same there.\n\
         No relay starts on the file any more. Set `database_url` to the database, and start `cello-relay serve`.\n",
        many(moved.counts.received - moved.counts.duplicate, "webhook"),
        many(moved.counts.referral_events, "referral event"),
        moved.to
    ))?;
    Ok(Exit::Done)
}
