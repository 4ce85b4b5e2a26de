//! `cello-relay map PATH…`: what would be sent for each webhook, and why. Sends nothing, keeps nothing.
//!
//! The webhooks, in order, are one story with a fresh directory: what an early one tells of a customer holds for the
//! later ones. The deciding is the running relay's own, over a scratch store, so what is shown is what would happen. A
//! million webhooks are mapped as a stream: none is held longer than it takes to decide it.

mod documents;
mod explained;
mod printing;
mod run;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::cello::wire;
use crate::config::Config;
use crate::decision::{Decision, Reason, Verdict, Warning};
use crate::facts::{Mode, Scope};
use crate::providers::{self, Provider, chargebee};
use crate::relay::decide::{Decided, decide};
use crate::relay::policy::Policy;
use crate::rules::Rules;
use crate::store::{DecisionCount, NewWebhook, SaidOfCodes, Scratch, StoreError};
use crate::trace::Trace;

pub use documents::Layout;
pub use run::run;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of one webhook or of many, such as JSON lines, and folders of them; `-` is the standard input
    #[arg(required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Show only the sums: what would be sent, ignored and held, and how often
    #[arg(long)]
    pub summary: bool,
    /// Show of each decision how it came about: what was recognised, where each value is from, which rules were tried
    ///
    /// Of a single webhook it is shown anyway, and with --json of all.
    #[arg(long, conflicts_with = "summary")]
    pub explain: bool,
    /// Take Chargebee's webhooks for those of this site, one of [chargebee.sites.NAME], instead of the unnamed one
    ///
    /// Webhooks do not name their site. Files of several sites are mapped one site at a time, since ids may be alike.
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,
}

/// One webhook and what came of it; the `--json` form is one line of it.
#[derive(Debug, Serialize)]
pub struct Mapped {
    pub file: String,
    /// The line of the file on which the webhook begins, where it is not alone in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub provider: Option<&'static str>,
    pub event_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub decisions: Vec<Shown>,
    pub released: Vec<Released>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
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

/// Maps webhooks one after the other, with one directory.
pub struct Mapper {
    providers: Vec<Arc<dyn Provider>>,
    policy: Policy,
    store: Scratch,
    /// Whose Chargebee's webhooks are, if not the unnamed site's.
    site: Option<(String, Option<Mode>)>,
    /// Bytes of one webhook.
    limit: usize,
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
        policy.asks_nobody = Some(SaidOfCodes::default());
        let store = Scratch::new().context("a temporary store could not be made")?;
        Ok(Self { providers, policy, store, site: None, limit: config.server.body_limit })
    }

    /// Takes Chargebee's webhooks for those of this site from now on.
    pub fn of_site(self, name: &str, mode: Option<Mode>) -> Self {
        Self { site: Some((name.to_owned(), mode)), ..self }
    }

    /// Maps a file that holds one webhook; what is wrong with it stands in the result.
    ///
    /// # Errors
    ///
    /// Those of [`body`](Self::body).
    pub fn file(&mut self, file: &Path) -> Result<Mapped, StoreError> {
        let name = file.display().to_string();
        match std::fs::read(file) {
            Ok(body) => self.body(name, body),
            Err(problem) => Ok(Mapped::unreadable(name, &problem)),
        }
    }

    /// Maps one webhook, given as its bytes; what is wrong with it stands in the result.
    ///
    /// # Errors
    ///
    /// When the temporary store cannot be written: nothing more can be mapped.
    pub fn body(&mut self, file: String, body: Vec<u8>) -> Result<Mapped, StoreError> {
        if body.len() > self.limit {
            return Ok(Mapped::too_long(file, self.limit));
        }
        let provider = match providers::recognise(&self.providers, &body) {
            Ok(Some(provider)) => provider.clone(),
            Ok(None) => return Ok(Mapped::failed(file, None, foreign(&body).to_owned())),
            Err(problem) => {
                let message = format!("the body is not JSON: {problem}; a file holds the exact bodies of webhooks");
                return Ok(Mapped::failed(file, None, message));
            }
        };
        let mut envelope = match provider.identify(None, &body) {
            Ok(envelope) => envelope,
            Err(problem) => return Ok(Mapped::failed(file, Some(provider.name()), problem.to_string())),
        };
        if let Some((name, mode)) = self.site.as_ref().filter(|_| provider.name() == chargebee::NAME) {
            (envelope.account, envelope.mode) = (name.clone(), *mode);
        }
        let (event_id, kind) = (envelope.event_id.clone(), envelope.kind.clone());
        let webhook = NewWebhook {
            scope: Scope { provider: provider.name().to_owned(), account: envelope.account },
            event_id: envelope.event_id,
            kind: envelope.kind,
            mode: envelope.mode,
            at: envelope.at,
            // A story is told in its own time: it arrives when it happens.
            received_at: envelope.at,
            body,
        };
        let policy = &self.policy;
        let decided = match self.store.decide(webhook, |ledger, webhook| decide(ledger, policy, webhook, webhook.at)) {
            Ok(Some(decided)) => decided,
            Ok(None) => again(&event_id),
            Err(problem @ StoreError::Unavailable(_)) => return Err(problem),
            Err(problem) => return Ok(Mapped::failed(file, Some(provider.name()), problem.to_string())),
        };
        let of_earlier = |(event_id, decision): (String, Decision)| Released { event_id, decision: decision.into() };
        Ok(Mapped {
            file,
            line: None,
            provider: Some(provider.name()),
            event_id: Some(event_id),
            kind: Some(kind),
            decisions: decided.decisions.into_iter().map(Shown::from).collect(),
            released: decided.released.into_iter().map(of_earlier).collect(),
            error: decided.unreadable,
        })
    }

    /// How all facts mapped so far stand now: some that were held have gone on since.
    fn decisions(&self) -> Result<Vec<DecisionCount>, StoreError> {
        self.store.decisions()
    }
}

fn again(event_id: &str) -> Decided {
    let message = format!("`{event_id}` was decided before");
    let verdict = Verdict::Ignore { reason: Reason::AlreadyReceived, message };
    let decision = Decision { verdict, trace: Trace::of("a webhook that came before") };
    Decided { decisions: vec![decision], ..Decided::default() }
}

fn foreign(body: &[u8]) -> &'static str {
    if body.trim_ascii_start().starts_with(b"[") {
        return "this is a list and no webhook of Stripe or Chargebee; `jq -c '.[]'` makes a line of each of its entries";
    }
    "this is no webhook of Stripe or Chargebee; a file holds the exact bodies of webhooks, as they were posted"
}

impl Mapped {
    fn failed(file: String, provider: Option<&'static str>, error: String) -> Self {
        let (decisions, released) = (vec![], vec![]);
        Self { file, line: None, provider, event_id: None, kind: None, decisions, released, error: Some(error) }
    }

    fn unreadable(file: String, problem: &std::io::Error) -> Self {
        Self::failed(file, None, format!("the file cannot be read: {problem}"))
    }

    fn too_long(file: String, limit: usize) -> Self {
        let error = format!("it is longer than {limit} bytes, and no relay takes it: see `server.body_limit`");
        Self::failed(file, None, error)
    }
}
