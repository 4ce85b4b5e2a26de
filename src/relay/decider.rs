//! The loop that decides stored webhooks, and the one that looks after held facts.

mod left;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::answers::Answers;
use super::decide::{Decided, OpenQuestions, Settled, decide, decide_again, open_questions};
use super::failing::Failing;
use super::look_up::{Asked, CodeAsked, Codes, LookedUp};
use super::policy::Policy;
use super::stopped;
use super::waiting::in_an_hour;
use crate::cello::Client;
use crate::clock::Clock;
use crate::crash_points::{CrashPoint, reach, reach_with};
use crate::decision::{Reason, Verdict};
use crate::providers::Question;
use crate::store::{HeldFact, Store, StoreError, Webhook, WebhookState, Work};
use crate::telemetry::Metrics;

pub use left::Left;

/// Webhooks decided in one transaction: they share its flush.
const BATCH: usize = 64;

/// How often held facts are looked after when nothing wakes the loop.
const HOLDS_EVERY: Duration = Duration::from_secs(5);

pub struct Decider {
    pub store: Arc<dyn Store>,
    pub policy: Arc<Policy>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// What providers' APIs have answered lately.
    pub answers: Answers,
    pub failing: Arc<Failing>,
    pub left: Left,
    /// Asked about codes, where the settings say so.
    pub cello: Client,
    /// Notified when a webhook was stored.
    pub stored: Arc<Notify>,
    /// Notified when a fact was held that is to be looked up.
    pub held: Arc<Notify>,
    /// To be notified when there may be something to send.
    pub decided: Arc<Notify>,
}

impl Decider {
    /// Decides webhooks until `stop` is true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let decided = match self.decide_all().await {
                Ok(decided) => decided,
                Err(problem) => {
                    tracing::error!(%problem, "webhooks could not be decided; it is tried again");
                    0
                }
            };
            if decided == BATCH {
                continue;
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = self.stored.notified() => {}
                () = tokio::time::sleep(HOLDS_EVERY) => {}
            }
        }
    }

    /// Looks after held facts until `stop` is true.
    pub async fn run_holds(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            // A look-up may take long; what was learned up to a stop is written, and the rest is asked again.
            let settled = tokio::select! {
                _ = stop.changed() => break,
                settled = self.settle_holds() => settled,
            };
            match settled {
                // There may be more that is due.
                Ok(BATCH) => continue,
                Ok(_) => {}
                Err(problem) => tracing::error!(%problem, "held facts could not be looked after; it is tried again"),
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = self.held.notified() => {}
                () = tokio::time::sleep(HOLDS_EVERY) => {}
            }
        }
    }

    /// Decides the webhooks that arrived, at most `BATCH`, and returns how many there were.
    pub async fn decide_all(&self) -> Result<usize, StoreError> {
        let webhooks = self.store.undecided(BATCH).await?;
        let count = webhooks.len();
        if count == 0 {
            self.left.end();
            return Ok(0);
        }
        if self.left.is_over() {
            self.decide_together(webhooks).await?;
        } else {
            self.decide_left(webhooks).await?;
        }
        if count < BATCH {
            self.left.end();
        }
        self.decided.notify_one();
        self.held.notify_one();
        Ok(count)
    }

    async fn decide_together(&self, webhooks: Vec<Webhook>) -> Result<(), StoreError> {
        let webhooks: Arc<[Webhook]> = webhooks.into();
        reach(CrashPoint::DecisionBegun);
        if self.decide(webhooks.clone()).await.is_err() {
            // One of them cannot be decided, or the store cannot write: one by one tells which.
            for webhook in webhooks.iter() {
                self.decide_alone(webhook).await?;
            }
        }
        reach(CrashPoint::DecisionStored);
        Ok(())
    }

    /// Decides webhooks in one transaction. What is said of it in the log is said once it is on disk.
    async fn decide(&self, webhooks: Arc<[Webhook]>) -> Result<(), StoreError> {
        let (policy, failing, now) = (self.policy.clone(), self.failing.clone(), (self.clock)());
        let (answer, settled) = oneshot::channel();
        let work: Work<()> = Box::new(move |ledger| {
            let mut settled = Vec::with_capacity(webhooks.len());
            for webhook in webhooks.iter() {
                // Another relay may have been faster, or the answer to a flush was lost that was done.
                if !ledger.is_undecided(webhook.id)? {
                    continue;
                }
                let decided = decide(ledger, &policy, webhook, now)?;
                warn_of_unsupported(webhook, &decided);
                failing.warn(&decided.failed, now);
                settled.extend(decided.settled);
                reach_with(CrashPoint::DecisionWritten, &webhook.event_id);
            }
            // Whoever asked has only gone if the relay stops.
            let _ = answer.send(settled);
            Ok(())
        });
        self.store.transact(work).await?;
        log_settled(&settled.await.unwrap_or_default());
        Ok(())
    }

    async fn decide_alone(&self, webhook: &Webhook) -> Result<(), StoreError> {
        match self.decide([webhook.clone()].into()).await {
            Err(problem @ (StoreError::Panicked | StoreError::Damaged(_))) => {
                tracing::error!(
                    provider = webhook.scope.provider,
                    event_id = webhook.event_id,
                    %problem,
                    "a webhook could not be decided; it is kept, and the others go on"
                );
                self.set_aside(webhook, format!("deciding it failed: {problem}")).await
            }
            result => result,
        }
    }

    async fn set_aside(&self, webhook: &Webhook, note: String) -> Result<(), StoreError> {
        let id = webhook.id;
        let set_aside: Work<()> = Box::new(move |ledger| match ledger.is_undecided(id)? {
            true => ledger.settle_webhook(id, WebhookState::Unreadable, Some(&note)),
            false => Ok(()),
        });
        self.store.transact(set_aside).await
    }

    /// Asks about held facts that want it and decides again those whose time is up, at most `BATCH`; returns how
    /// many there were.
    pub async fn settle_holds(&self) -> Result<usize, StoreError> {
        let held = self.store.due_holds((self.clock)(), BATCH).await?;
        let mut codes = Codes::new(&self.cello);
        for held in &held {
            match self.settle_hold(held, &mut codes).await {
                Err(problem @ (StoreError::Panicked | StoreError::Damaged(_))) => {
                    let (webhook, fact) = (held.webhook_id, held.fact);
                    tracing::error!(webhook, fact, %problem, "a held fact could not be decided; the others go on");
                    // Not at once again, or what always fails would be all that is ever looked after.
                    let (held, later) = (held.clone(), in_an_hour((self.clock)()));
                    self.store.transact(Box::new(move |ledger| ledger.look_up_at(&held, later))).await?;
                }
                result => result?,
            }
        }
        if !held.is_empty() {
            self.decided.notify_one();
        }
        Ok(held.len())
    }

    async fn settle_hold(&self, held: &HeldFact, codes: &mut Codes<'_>) -> Result<(), StoreError> {
        reach(CrashPoint::HoldDue);
        let looked_up = match self.open_questions(held).await? {
            Some(OpenQuestions { provider, questions, code }) => {
                let looked_up = self.ask(&provider, &questions).await;
                let code = match code {
                    Some(ucc) => self.ask_about_code(&ucc, codes).await,
                    None => CodeAsked::NotYet,
                };
                LookedUp { code, ..looked_up }
            }
            None => LookedUp::cannot_ask(),
        };
        reach(CrashPoint::HoldAsked);
        let (policy, failing, now, held) = (self.policy.clone(), self.failing.clone(), (self.clock)(), held.clone());
        let (answer, settled) = oneshot::channel();
        self.store
            .transact(Box::new(move |ledger| {
                let decided = decide_again(ledger, &policy, &held, &looked_up, now)?;
                failing.warn(&decided.failed, now);
                let _ = answer.send(decided.settled);
                reach(CrashPoint::HoldWritten);
                Ok(())
            }))
            .await?;
        log_settled(&settled.await.unwrap_or_default());
        reach(CrashPoint::HoldStored);
        Ok(())
    }

    async fn ask(&self, provider: &str, questions: &[Question]) -> LookedUp {
        let Some(provider) = self.policy.provider(provider).filter(|provider| provider.can_look_up()) else {
            return LookedUp::cannot_ask();
        };
        let (looked_up, calls) = LookedUp::ask(provider.as_ref(), questions, &self.answers, (self.clock)()).await;
        if questions.is_empty() {
            return looked_up;
        }
        let result = match &looked_up.asked {
            Asked::Failed(problem) | Asked::Refused(problem) => {
                tracing::warn!(provider = provider.name(), problem, "a look-up failed; what needs it is held");
                "failed"
            }
            _ if calls == 0 => "remembered",
            _ => "answered",
        };
        self.metrics.looked_up(provider.name(), result);
        looked_up
    }

    async fn ask_about_code(&self, ucc: &str, codes: &mut Codes<'_>) -> CodeAsked {
        let (answer, was_asked) = codes.ask(ucc).await;
        if was_asked {
            let failed = matches!(answer, CodeAsked::Failed(_));
            if failed {
                // Without the problem's own words: Cello may repeat in them what it was asked.
                tracing::warn!("Cello did not answer about a referral code; what needs it is held, and is asked again");
            }
            self.metrics.looked_up("cello", if failed { "failed" } else { "answered" });
        }
        answer
    }

    async fn open_questions(&self, held: &HeldFact) -> Result<Option<OpenQuestions>, StoreError> {
        let (policy, held, now) = (self.policy.clone(), held.clone(), (self.clock)());
        let (answer, questions) = oneshot::channel();
        self.store
            .transact(Box::new(move |ledger| {
                // Whoever asked has only gone if the relay stops.
                let _ = answer.send(open_questions(ledger, &policy, &held, now)?);
                Ok(())
            }))
            .await?;
        Ok(questions.await.unwrap_or_default())
    }
}

fn log_settled(settled: &[Settled]) {
    for one in settled {
        tracing::info!(provider = one.provider, event_id = one.event_id, "{one}");
    }
}

/// An endpoint that is set to such a version tells nothing that can be read, and only a person can change it.
fn warn_of_unsupported(webhook: &Webhook, decided: &Decided) {
    for decision in &decided.decisions {
        if let Verdict::Ignore { reason: Reason::UnsupportedVersion, message } = &decision.verdict {
            tracing::warn!(
                provider = webhook.scope.provider,
                event_id = webhook.event_id,
                "a webhook was answered and ignored: {message}"
            );
        }
    }
}
