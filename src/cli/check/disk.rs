//! Where the store is, or will be: can it be written, is there room, does it open.

use std::path::Path;

use super::super::output::number;
use super::Finding;
use crate::config::Config;
use crate::decision::Reason;
use crate::store::{Counts, Sqlite, Store, StoreError};

/// Below this many bytes it is time to make room.
const LITTLE: u64 = 1024 * 1024 * 1024;

pub async fn check(config: &Config) -> Vec<Finding> {
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
    match path.exists() {
        true => findings.extend(database(&path, &config.database_url).await),
        false => {
            findings.push(Finding::ok("database", format!("{} is not there yet; `serve` creates it", path.display())));
        }
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
async fn database(path: &Path, database_url: &str) -> Vec<Finding> {
    let (counts, held) = match open(database_url).await {
        Ok(found) => found,
        Err(problem) => {
            return vec![Finding::fail(
                "database",
                problem.to_string(),
                "let the user that runs cello-relay read and write the file; if it is not the store, correct \
                 `database_url`",
            )];
        }
    };
    let mut findings = vec![if counts.add_up() {
        Finding::ok("database", format!("{}: {}", path.display(), contents(&counts)))
    } else {
        Finding::fail(
            "database",
            format!("{}: its numbers do not add up, so something changed it from outside", path.display()),
            "restore a backup, or keep the file and report it",
        )
    }];
    findings.extend(failed_rules(&held));
    findings
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

async fn open(database_url: &str) -> Result<(Counts, Vec<(String, i64)>), StoreError> {
    let store = Sqlite::open(database_url, false)?;
    store.probe().await?;
    Ok((store.counts().await?, store.held().await?))
}

fn contents(counts: &Counts) -> String {
    let many = |count: i64, of: &str| number(usize::try_from(count).unwrap_or_default(), of);
    let mut text = format!(
        "{}, {}",
        many(counts.received - counts.duplicate, "webhook"),
        many(counts.referral_events, "referral event")
    );
    let stuck = counts.dead + counts.unsure;
    if stuck > 0 {
        text.push_str(&format!(
            ", {stuck} of them dead or unsure: `cello-relay events list --state dead`, or `unsure`"
        ));
    }
    text
}
