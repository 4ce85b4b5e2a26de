//! `cello-relay export`: everything in the store as JSON lines: the webhooks in order of arrival, then what is known.
//!
//! Reads a page at a time, so that a long history never has to fit into memory, and never stands in a relay's way.

use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind, Write};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Exit;
use super::moment::moment;
use crate::config::Config;
use crate::store::{self, Life, Store};

/// Webhooks read at a time: with bodies, at most as many MiB.
const PAGE: usize = 64;
/// Rows of the directory read at a time.
const ROWS: usize = 1000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only webhooks, and those that first arrived then or later: a day such as 2026-11-01, or a time such as
    /// 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// With the bodies of the webhooks as they came
    #[arg(long)]
    pub bodies: bool,
}

pub async fn run(args: &Args, config: &Config) -> Result<Exit> {
    let store = store::open(&config.database_url, false)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    match write(args, &*store, &mut output).await {
        // Whoever reads it has heard enough, as `head` has.
        Err(problem) if is_broken_pipe(&problem) => Ok(Exit::Done),
        written => written.map(|()| Exit::Done),
    }
}

async fn write(args: &Args, store: &dyn Store, output: &mut impl Write) -> Result<()> {
    let mut after = 0;
    loop {
        let lives = store.lives_after(after, args.since, PAGE).await?;
        let (Some(first), Some(last)) = (lives.first(), lives.last()) else { break };
        let mut bodies = if args.bodies { bodies(store, first, last).await? } else { BTreeMap::new() };
        after = last.webhook_id;
        for life in lives {
            let mut line = serde_json::to_value(&life)?;
            if args.bodies {
                line["body"] = json!(bodies.remove(&life.webhook_id));
            }
            writeln!(output, "{line}")?;
        }
    }
    if args.since.is_none() {
        write_known(store, output).await?;
    }
    Ok(output.flush()?)
}

/// Customers, subscriptions and whatever else the directory knows: each row on a line that names its table.
async fn write_known(store: &dyn Store, output: &mut impl Write) -> Result<()> {
    for table in store::known_tables() {
        let mut after = Vec::new();
        loop {
            let rows = store.known_rows(table, after, ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = table.key_of(last);
            for row in &rows {
                let mut line = Map::from_iter([("known".to_owned(), json!(table.name))]);
                line.extend(table.as_json(row)?);
                writeln!(output, "{}", Value::Object(line))?;
            }
        }
    }
    Ok(())
}

/// The bodies that are there, byte for byte: JSON is UTF-8.
async fn bodies(store: &dyn Store, first: &Life, last: &Life) -> Result<BTreeMap<i64, Value>> {
    let mut bodies = BTreeMap::new();
    let mut after = first.webhook_id - 1;
    while after < last.webhook_id {
        let page = store.webhooks_after(after, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = end.id;
        for past in page {
            let body = past.webhook.map(|webhook| String::from_utf8_lossy(&webhook.body).into_owned());
            bodies.insert(past.id, json!(body));
        }
    }
    Ok(bodies)
}

fn is_broken_pipe(problem: &anyhow::Error) -> bool {
    problem.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
