//! `cello-relay map FILE…`: what would be sent for each webhook, and why. Sends nothing, stores nothing.
//!
//! The files, in order, are one story with a fresh directory: what an early one tells of a customer holds for the later
//! ones. The deciding is the running relay's own, over a store in memory, so what is shown is what would happen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::output::{Column, Table, Tone, plain, print, toned};
use super::{Exit, explain};
use crate::cello::wire;
use crate::config::Config;
use crate::decision::{Decision, Reason, Verdict, Warning};
use crate::facts::Scope;
use crate::providers::{self, Provider};
use crate::relay::decide::{Decided, decide};
use crate::relay::policy::Policy;
use crate::rules::Rules;
use crate::store::{NewWebhook, Receipt, Sqlite, Store};
use crate::trace::Trace;

/// One file and what came of it; the `--json` form is one line of it.
#[derive(Debug, Serialize)]
pub struct Mapped {
    pub file: String,
    pub provider: Option<&'static str>,
    pub event_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub decisions: Vec<Shown>,
    pub released: Vec<Released>,
    /// Why the file could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with the exact body of one webhook each
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show of each decision how it came about: what was recognised, where each value is from, which rules were tried
    ///
    /// Of a single file it is shown anyway.
    #[arg(long)]
    pub explain: bool,
}

/// A decision as it is shown.
#[derive(Debug, Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Shown {
    Send { rule: String, key: String, referral_event: Value, warnings: Vec<Warning>, trace: Trace },
    Ignore { reason: Reason, message: String, trace: Trace },
    Hold { reason: Reason, message: String, trace: Trace },
}

/// A decision on an earlier webhook that this one let go on.
#[derive(Debug, Serialize)]
pub struct Released {
    pub event_id: String,
    #[serde(flatten)]
    pub decision: Shown,
}

impl From<Decision> for Shown {
    fn from(Decision { verdict, trace }: Decision) -> Self {
        match verdict {
            Verdict::Send(sending) => Self::Send {
                rule: sending.rule,
                key: sending.key,
                referral_event: wire::body(&sending.event),
                warnings: sending.warnings,
                trace,
            },
            Verdict::Ignore { reason, message } => Self::Ignore { reason, message, trace },
            Verdict::Hold { reason, message, .. } => Self::Hold { reason, message, trace },
        }
    }
}

/// Maps the files and prints what came of each.
pub async fn run(args: &Args, config: &Config, rules: Rules, json: bool) -> Result<Exit> {
    let mut mapper = Mapper::new(config, rules)?;
    let mut exit = Exit::Done;
    let mut table = Table::new(&[
        Column::text("file"),
        Column::text("type"),
        Column::text("decision"),
        Column::text("trigger / reason"),
        Column::number("price"),
        Column::text("currency"),
        Column::text("interval"),
        Column::text("why"),
    ]);
    let explain = args.explain || args.files.len() == 1;
    let mut explained = String::new();
    for file in &args.files {
        let mapped = mapper.file(file).await;
        if mapped.error.is_some() {
            exit = Exit::Findings;
        }
        if json {
            anstream::println!("{}", serde_json::to_string(&mapped)?);
        } else {
            rows(&mapped).into_iter().for_each(|row| table.row(row));
            if explain {
                explained += &mapped.explained();
            }
        }
    }
    if !json {
        print(&format!("{table}\n{explained}"))?;
    }
    Ok(exit)
}

/// Maps webhooks one after the other, with one directory.
pub struct Mapper {
    providers: Vec<Arc<dyn Provider>>,
    policy: Arc<Policy>,
    store: Sqlite,
}

impl Mapper {
    pub fn new(config: &Config, rules: Rules) -> Result<Self> {
        // Nobody is asked either: what a look-up would settle is shown as held.
        let mut config = config.clone();
        config.stripe.api_key = None;
        let providers = providers::all(&config);
        let mut policy = Policy::new(&config, providers.clone(), rules);
        // Nothing is sent, so live and test payloads may stand side by side.
        policy.mode = None;
        policy.asks_nobody = true;
        let store = Sqlite::in_memory().context("a store in memory could not be made")?;
        Ok(Self { providers, policy: Arc::new(policy), store })
    }

    /// Maps one file; what is wrong with it stands in the result.
    pub async fn file(&mut self, file: &Path) -> Mapped {
        let name = file.display().to_string();
        match std::fs::read(file) {
            Ok(body) => self.body(name, body).await,
            Err(problem) => failed(name, None, format!("the file cannot be read: {problem}")),
        }
    }

    /// Maps one webhook, given as its bytes.
    pub async fn body(&mut self, file: String, body: Vec<u8>) -> Mapped {
        let parsed: Value = match serde_json::from_slice(&body) {
            Ok(parsed) => parsed,
            Err(problem) => {
                return failed(
                    file,
                    None,
                    format!("the body is not JSON: {problem}; a file holds the exact body of one webhook"),
                );
            }
        };
        let Some(provider) = self.providers.iter().find(|provider| provider.recognises(&parsed)).cloned() else {
            return failed(
                file,
                None,
                "this is no webhook of Stripe or Chargebee; a file holds the exact body of one, as it was posted"
                    .to_owned(),
            );
        };
        match self.webhook(provider.as_ref(), body).await {
            Ok((event_id, kind, decided)) => Mapped {
                file,
                provider: Some(provider.name()),
                event_id: Some(event_id),
                kind: Some(kind),
                decisions: decided.decisions.into_iter().map(Shown::from).collect(),
                released: decided
                    .released
                    .into_iter()
                    .map(|(event_id, decision)| Released { event_id, decision: decision.into() })
                    .collect(),
                error: decided.unreadable,
            },
            Err(problem) => failed(file, Some(provider.name()), format!("{problem:#}")),
        }
    }

    async fn webhook(&mut self, provider: &dyn Provider, body: Vec<u8>) -> Result<(String, String, Decided)> {
        let envelope = provider.identify(&body)?;
        let scope = Scope { provider: provider.name().to_owned(), account: envelope.account };
        let (event_id, kind) = (envelope.event_id, envelope.kind);
        let webhook = NewWebhook {
            scope,
            event_id: event_id.clone(),
            kind: kind.clone(),
            mode: envelope.mode,
            at: envelope.at,
            // A story is told in its own time: it arrives when it happens.
            received_at: envelope.at,
            body,
        };
        let mut decided = Decided::default();
        if self.store.receive(webhook).await? == Receipt::Duplicate {
            let message = format!("`{event_id}` was decided before");
            let verdict = Verdict::Ignore { reason: Reason::AlreadyReceived, message };
            decided.decisions.push(Decision { verdict, trace: Trace::of("a webhook that came before") });
        }
        for webhook in self.store.undecided(1).await? {
            let policy = self.policy.clone();
            let (answer, answered) = tokio::sync::oneshot::channel();
            self.store
                .transact(Box::new(move |ledger| {
                    // Whoever asked is waiting right below.
                    let _ = answer.send(decide(ledger, &policy, &webhook, webhook.at)?);
                    Ok(())
                }))
                .await?;
            decided = answered.await?;
        }
        Ok((event_id, kind, decided))
    }
}

fn failed(file: String, provider: Option<&'static str>, error: String) -> Mapped {
    Mapped { file, provider, event_id: None, kind: None, decisions: vec![], released: vec![], error: Some(error) }
}

fn rows(mapped: &Mapped) -> Vec<Vec<String>> {
    let file = Path::new(&mapped.file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = mapped.kind.clone().unwrap_or_default();
    if let Some(error) = &mapped.error {
        return vec![vec![
            file,
            kind,
            "error".into(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            error.clone(),
        ]];
    }
    let own = mapped.decisions.iter().map(|decision| (file.clone(), kind.clone(), decision));
    let released =
        mapped.released.iter().map(|released| (String::new(), format!("↳ {}", released.event_id), &released.decision));
    own.chain(released).map(|(file, kind, decision)| [vec![file, kind], decision.cells()].concat()).collect()
}

impl Mapped {
    /// How each decision came about, as paragraphs.
    fn explained(&self) -> String {
        let own = self.decisions.iter().map(|decision| (self.event_id.as_deref().unwrap_or_default(), decision));
        let released = self.released.iter().map(|released| (released.event_id.as_str(), &released.decision));
        let paragraph = |(event_id, decision): (&str, &Shown)| {
            let (title, lines) = decision.explained();
            let title = toned(&plain(&format!("{event_id}: {title}")), Tone::Title);
            let lines: String = lines.into_iter().map(|(label, text)| format!("  {label:7}  {text}\n")).collect();
            format!("\n{title}\n{lines}")
        };
        own.chain(released).map(paragraph).collect()
    }
}

impl Shown {
    /// A title, and why.
    fn explained(&self) -> (String, Vec<explain::Line>) {
        let (title, trace, before, after) = match self {
            Self::Send { key, trace, warnings, .. } => {
                (format!("send {key}"), trace, vec![], warnings.iter().flat_map(explain::warning).collect())
            }
            Self::Ignore { reason, message, trace } => {
                (format!("ignore, {reason}"), trace, explain::reason(Some(reason.as_str()), message), vec![])
            }
            Self::Hold { reason, message, trace } => {
                (format!("hold, {reason}"), trace, explain::reason(Some(reason.as_str()), message), vec![])
            }
        };
        (title, [before, explain::trace(trace), after].concat())
    }

    /// Decision, trigger or reason, price, currency, interval, why.
    fn cells(&self) -> Vec<String> {
        let waits = |word: &str, reason: &Reason, message: &str| {
            let blank = String::new;
            vec![word.into(), reason.as_str().into(), blank(), blank(), blank(), message.to_owned()]
        };
        match self {
            Self::Send { rule, referral_event, warnings, .. } => {
                let view = wire::view(referral_event);
                let mut why = format!("rule {rule}");
                for warning in warnings {
                    why.push_str(&format!("; {}: {}", warning.code, warning.message));
                }
                vec!["send".into(), view.trigger, view.price, view.currency, view.interval, why]
            }
            Self::Ignore { reason, message, .. } => waits("ignore", reason, message),
            Self::Hold { reason, message, .. } => waits("hold", reason, message),
        }
    }
}
