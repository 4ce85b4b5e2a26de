//! Where the store is, or will be: can it be reached and written, is there room, does it open.

use std::path::Path;
use std::sync::Arc;

use super::super::Trouble;
use super::super::output::{number, time};
use super::super::serve::{is_worth_a_word, refuse_store_of_another};
use super::Finding;
use crate::config::{Config, Environment};
use crate::decision::Reason;
use crate::store::{self, Blocked, Counts, Missing, Server, Sqlite, Store, StoreError};

/// Below this many bytes it is time to make room.
const LITTLE: u64 = 1024 * 1024 * 1024;

pub async fn check(config: &Config) -> Vec<Finding> {
    if store::is_on_server(&config.database_url) {
        return server(config).await;
    }
    let fix = "correct `database_url`, for example `sqlite:/var/lib/cello-relay/relay.db`";
    let path = match Sqlite::file(&config.database_url) {
        Ok(Some(path)) => path,
        Ok(None) => {
            let message = "the store is in memory: what was answered is lost when the relay stops";
            return vec![Finding::fail("database", message, fix)];
        }
        Err(problem) => return vec![Finding::fail("database", problem.to_string(), fix)],
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = vec![writable(folder), room(folder)];
    if path.exists() {
        let fix = "let the user that runs cello-relay read and write the file; if it is not the store, correct \
                   `database_url`";
        findings.extend(database(&path.display().to_string(), config, fix).await);
    } else {
        findings.push(missing(config, format!("{} is not there yet; `serve` creates it", path.display())));
    }
    findings
}

fn writable(folder: &Path) -> Finding {
    match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::ok("disk", format!("files can be written in {}", folder.display())),
        Err(problem) => Finding::fail(
            "disk",
            format!("no file can be written in {}, where the store belongs: {problem}", folder.display()),
            "create the folder, and let the user that runs cello-relay write in it",
        ),
    }
}

fn room(folder: &Path) -> Finding {
    let free = match rustix::fs::statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(problem) => {
            let message = format!("the free space of {} cannot be told: {problem}", folder.display());
            return Finding::warn("disk", message, "make sure that there is at least 1 GiB");
        }
    };
    let message = format!("{} MiB free in {}", free / (1024 * 1024), folder.display());
    if free < LITTLE {
        Finding::warn("disk", message, "make room: webhooks are answered 503 when the disk is full")
    } else {
        Finding::ok("disk", message)
    }
}

/// Opens the store as the commands do, beside a relay that may be running.
async fn database(name: &str, config: &Config, fix: &str) -> Vec<Finding> {
    let Found { store, counts, held, blocked } = match open(&config.database_url).await {
        Ok(found) => found,
        Err(problem) => return vec![Finding::fail("database", problem.to_string(), fix)],
    };
    let mut findings = vec![if counts.add_up() {
        Finding::ok("database", format!("{name}: {}", contents(&counts)))
    } else {
        Finding::fail(
            "database",
            format!("{name}: its numbers do not add up, so something changed it from outside"),
            "restore a backup, or keep what is there and report it",
        )
    }];
    findings.extend(failed_rules(&held));
    findings.extend(stuck(&counts, blocked));
    findings.extend(another_cello(store.as_ref(), config).await);
    findings
}

async fn another_cello(store: &dyn Store, config: &Config) -> Option<Finding> {
    if config.cello.environment == Environment::Local {
        // Which one is not said, and that is told already.
        return None;
    }
    let trouble = refuse_store_of_another(store, config, false).await.err()?.downcast::<Trouble>().ok()?;
    Some(Finding::fail("database", trouble.what, trouble.fix))
}

fn failed_rules(held: &[(String, i64)]) -> Option<Finding> {
    let (_, count) = held.iter().find(|(reason, _)| reason == Reason::RuleFailed.as_str())?;
    let (what, them) =
        if *count == 1 { ("1 fact is".to_owned(), "it") } else { (format!("{count} facts are"), "them") };
    Some(Finding::warn(
        "rules",
        format!("{what} held because a rule failed on {them}; nothing of {them} is sent"),
        "`cello-relay events list --state held` names the webhooks and `cello-relay events show ID` the rule and why \
         it failed; mend the rules file, then start `cello-relay serve` again",
    ))
}

/// What nothing moves any more but a person, and what waits for that.
fn stuck(counts: &Counts, blocked: Blocked) -> Vec<Finding> {
    let are = |count: i64| if count == 1 { "is" } else { "are" };
    let events = |count: i64| number(usize::try_from(count).unwrap_or_default(), "referral event");
    let mut findings = Vec::new();
    let Counts { dead, unsure, .. } = *counts;
    if dead > 0 {
        findings.push(Finding::warn(
            "delivery",
            format!("{} {} dead: Cello refused them, or they were tried too often", events(dead), are(dead)),
            "`cello-relay events list --by message` shows what Cello said; correct the cause, then `cello-relay events \
             retry`, or `remake` after a change of rules or settings; else `confirm` or `discard`",
        ));
    }
    if unsure > 0 {
        findings.push(Finding::warn(
            "delivery",
            format!("{} {} unsure: Cello may have them or not", events(unsure), are(unsure)),
            "`cello-relay events list --state unsure` names them; look into Cello's portal, then `cello-relay events \
             confirm` what is there and `retry` what is not",
        ));
    }
    if let Some(since) = blocked.since.filter(|_| blocked.events > 0) {
        let count = blocked.events;
        let since = time(since);
        findings.push(Finding::warn(
            "delivery",
            format!("{} {} blocked by these, the first since {since}", events(count), are(count)),
            "`cello-relay events list --state waiting` names what each waits for; they go on by themselves once that is \
             delivered or confirmed",
        ));
    }
    findings
}

/// The first time that is as it should be, and any other time everything is lost.
fn missing(config: &Config, message: String) -> Finding {
    let missing = Missing::find(&config.database_url);
    if missing.is_some_and(|missing| is_worth_a_word(&missing, config, false)) {
        let fix = "at the first start that is right; else mount the volume on which the store is, or correct \
                   `database_url`: an empty store does not know what Cello was told";
        return Finding::warn("database", message, fix);
    }
    Finding::ok("database", message)
}

async fn server(config: &Config) -> Vec<Finding> {
    let database_url = &config.database_url;
    let fix = "start the server, correct `database_url`, or let the user in it create and change tables";
    let server = match Server::ask(database_url) {
        Ok(server) => server,
        Err(problem) => return vec![Finding::fail("database", problem.to_string(), fix)],
    };
    let mut findings = if server.has_tables {
        database(&server.name, config, fix).await
    } else {
        vec![missing(config, format!("{}: no tables yet; `serve` creates them", server.name))]
    };
    if !server.flushes {
        let message =
            format!("{} does not flush to disk: what was answered is lost when its machine stops", server.name);
        findings.push(Finding::fail("disk", message, "set `fsync = on` in the server's settings"));
    }
    findings
}

struct Found {
    store: Arc<dyn Store>,
    counts: Counts,
    /// How many facts are held, by reason.
    held: Vec<(String, i64)>,
    blocked: Blocked,
}

async fn open(database_url: &str) -> Result<Found, StoreError> {
    let store = store::open(database_url, false)?;
    store.probe().await?;
    let (counts, held, blocked) = (store.counts().await?, store.held().await?, store.blocked().await?);
    Ok(Found { store, counts, held, blocked })
}

fn contents(counts: &Counts) -> String {
    let many = |count: i64, of: &str| number(usize::try_from(count).unwrap_or_default(), of);
    format!(
        "{}, {}",
        many(counts.received - counts.duplicate, "webhook"),
        many(counts.referral_events, "referral event")
    )
}
