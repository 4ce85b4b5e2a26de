//! `cello-relay export`: everything in the store as JSON lines, in order of arrival.
//!
//! Reads a page at a time, so that a long history never has to fit into memory, and never stands in a relay's way.

use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind, Write};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Exit;
use crate::config::Config;
use crate::store::{self, Life, Store};

/// Webhooks read at a time: with bodies, at most as many MiB.
const PAGE: usize = 64;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only webhooks that first arrived at this time or later, such as 2026-05-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// With the bodies of the webhooks, personal data included
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
    Ok(output.flush()?)
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
