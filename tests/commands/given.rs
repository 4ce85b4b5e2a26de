//! What the sentences start from: a folder with a store in it, filled through the store's own contract, and the binary.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cello_relay::config::Config;
use cello_relay::facts::Scope;
use cello_relay::providers::{self, Provider};
use cello_relay::relay::decide::decide;
use cello_relay::relay::policy::Policy;
use cello_relay::rules::Rules;
use cello_relay::store::{Attempt, ByPerson, EventFilter, NewWebhook, Sqlite, Store, Then, Wanted};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The standard output as one JSON object for each line.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "`{word}` is not in\n{}{}", self.out, self.err);
        }
    }
}

/// Runs the binary in `folder`, with nothing in its environment but `variables`, and without a terminal.
pub fn run(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    Said::of(command(folder, arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap())
}

/// Runs the binary with `input` as its standard input.
pub fn run_on(input: &str, folder: &Path, arguments: &[&str]) -> Said {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    Said::of(command(folder, arguments).stdin(file).output().unwrap())
}

/// The binary, to be run in `folder` with an empty environment.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cello-relay"));
    command.args(arguments).env_clear().current_dir(folder);
    command
}

/// A file or all files of a folder below `fixtures`, in order.
pub fn files(fixtures: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixtures);
    if !path.is_dir() {
        return vec![path];
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A folder with a store that a relay is serving from, as far as the commands can tell.
pub struct Installation {
    pub folder: TempDir,
    pub store: Sqlite,
}

impl Installation {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&format!("sqlite:{}", folder.path().join("relay.db").display()), true).unwrap();
        Self { folder, store }
    }

    /// Takes and decides the webhooks of a file or folder below `fixtures`.
    pub async fn with(self, fixtures: &str) -> Self {
        for file in files(fixtures) {
            self.take(std::fs::read(file).unwrap()).await;
        }
        self
    }

    /// Takes and decides a webhook that stands in no file.
    pub async fn with_body(self, body: &Value) -> Self {
        self.take(body.to_string().into_bytes()).await;
        self
    }

    async fn take(&self, body: Vec<u8>) {
        let config = Config::default();
        let readers = providers::all(&config);
        let parsed: Value = serde_json::from_slice(&body).unwrap();
        let provider = readers.iter().find(|provider| provider.recognises(&parsed)).unwrap();
        self.store.receive(webhook(provider.as_ref(), body)).await.unwrap();
        let policy = Arc::new(Policy::new(&config, readers.clone(), Rules::shipped().unwrap()));
        for webhook in self.store.undecided(10).await.unwrap() {
            let policy = policy.clone();
            self.store
                .transact(Box::new(move |ledger| decide(ledger, &policy, &webhook, Timestamp::now()).map(drop)))
                .await
                .unwrap();
        }
    }

    /// Tries to send whatever can be sent, with this end, until nothing can. What depends on an event that ends badly ends
    /// like that, too, as it would if the first had only been refused later.
    pub async fn sent(self, outcome: &'static str, message: &str, then: Then) -> Self {
        let mut in_the_way = self.send_all(outcome, message, then).await;
        let mut confirmed = Vec::new();
        while self.store.blocked().await.unwrap().events > 0 {
            let person = ByPerson { by: "test".into(), reason: "for a while".into() };
            confirmed.extend(self.store.confirm(in_the_way, person, Timestamp::now()).await.unwrap());
            in_the_way = self.send_all(outcome, message, then).await;
        }
        for id in confirmed.into_iter().rev() {
            self.store.retry(vec![id], Timestamp::now(), Duration::ZERO).await.unwrap();
            self.send_all(outcome, message, then).await;
        }
        self
    }

    /// Numbers of what was tried.
    pub async fn send_all(&self, outcome: &'static str, message: &str, then: Then) -> Vec<i64> {
        self.send(|_| (outcome, message, then)).await
    }

    /// Delivers whatever can be sent, but for those with this trigger, which end otherwise.
    pub async fn delivered_but(self, trigger: &str, then: Then) -> Self {
        let (outcome, message) = match then {
            Then::Dead => ("rejected", "currency not allowed"),
            _ => ("unsure", "the connection broke"),
        };
        self.send(|body| match body.contains(&format!("\"trigger\":\"{trigger}\"")) {
            true => (outcome, message, then),
            false => ("delivered", "accepted", Then::Delivered),
        })
        .await;
        self
    }

    /// Tries to send whatever can be sent until nothing can, with the end that its body has; numbers of what was tried.
    async fn send<'a>(&self, end: impl Fn(&str) -> (&'static str, &'a str, Then)) -> Vec<i64> {
        let now = Timestamp::now();
        let mut tried = Vec::new();
        loop {
            let claimed =
                self.store.claim(now, now + SignedDuration::from_mins(1), Wanted::longest_due(100)).await.unwrap();
            if claimed.is_empty() {
                return tried;
            }
            for event in claimed {
                tried.push(event.id);
                let (outcome, message, then) = end(&event.body);
                let attempt = Attempt {
                    event_id: event.id,
                    lease: event.lease,
                    started_at: now,
                    duration_ms: 12,
                    outcome,
                    status: if then == Then::Unsure { None } else { Some(if then == Then::Dead { 400 } else { 200 }) },
                    message: message.to_owned(),
                    request_id: Some("QvYxHgT7oAMEJ3A=".to_owned()),
                    then,
                    counts: true,
                };
                self.store.record(attempt).await.unwrap();
            }
        }
    }

    /// The number of the first referral event with this trigger.
    pub async fn number_of(&self, trigger: &str) -> String {
        let events = self.store.referral_events_after("", 99).await.unwrap();
        events.iter().find(|event| event.trigger == trigger).unwrap().id.to_string()
    }

    /// The signups are delivered, and everything else is refused.
    pub async fn refused(self, message: &str) -> Self {
        let now = Timestamp::now();
        let signups = EventFilter {
            state: Some("waiting".into()),
            trigger: Some("new-signup".into()),
            limit: 99,
            ..EventFilter::default()
        };
        let signups = self.store.list(signups).await.unwrap().into_iter().filter_map(|row| row.referral_event);
        let ids = signups.map(|event| event.id).collect();
        self.store.confirm(ids, ByPerson { by: "test".into(), reason: "there".into() }, now).await.unwrap();
        self.sent("rejected", message, Then::Dead).await
    }

    pub async fn dead(self) -> Self {
        self.sent("rejected", "payload.ucc must be a string", Then::Dead).await
    }

    pub async fn delivered(self) -> Self {
        self.sent("delivered", "accepted", Then::Delivered).await
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        run(self.folder.path(), &[], arguments)
    }

    /// How many referral events are in each state: waiting, delivered, unsure, dead, discarded.
    pub async fn states(&self) -> [i64; 5] {
        let counts = self.store.counts().await.unwrap();
        assert!(counts.add_up(), "{counts:?}");
        [counts.waiting, counts.delivered, counts.unsure, counts.dead, counts.discarded]
    }
}

fn webhook(provider: &dyn Provider, body: Vec<u8>) -> NewWebhook {
    let envelope = provider.identify(None, &body).unwrap();
    NewWebhook {
        scope: Scope { provider: provider.name().to_owned(), account: envelope.account },
        event_id: envelope.event_id,
        kind: envelope.kind,
        mode: envelope.mode,
        at: envelope.at,
        received_at: Timestamp::now(),
        body,
    }
}
