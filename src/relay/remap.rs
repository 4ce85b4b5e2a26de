//! Decides the stored webhooks once more, by the rules, settings and code of today, into a throw-away store.
//!
//! An operator who changes a rule wants to see what it would have done, with what really came. The deciding is the
//! relay's own, in the order in which the webhooks came and with their times. The relay's store is only read and
//! nobody is asked: what a look-up taught the relay is taken from its directory, at the moment at which the relay
//! had the answer, so that nothing is known earlier than it was.
//!
//! Two things are not as they were. The directory keeps only the newest state, so an e-mail address or a number of
//! seats that came by a look-up may be of later. And whatever the relay could not do while it stood still is done at
//! once here.

mod compare;
mod taught;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::oneshot;

use super::decide::{decide, decide_again};
use super::look_up::{Asked, LookedUp, link_question};
use super::policy::Policy;
use super::waiting::{RULES_TOPIC, in_an_hour};
use crate::decision::Verdict;
use crate::facts::{Detail, Fact, Scope};
use crate::store::{
    DecisionState, EventFilter, HeldFact, Ledger, NewWebhook, PastDecision, PastWebhook, Store, StoreError, Webhook,
    WebhookState,
};

pub use compare::{Compared, Comparison, Difference, Field, Kind, differing};

/// Webhooks, referral events and held facts that are in memory at a time.
const PAGE: usize = 64;

/// What was decided again, and what was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Again {
    /// Webhooks that were decided again.
    pub webhooks: u64,
    /// Those among them that their provider cannot read (any more).
    pub unreadable: u64,
    /// Webhooks whose body is no longer kept; they were left out.
    pub without_body: u64,
    /// Webhooks about which nothing was decided yet; they were left out.
    pub undecided: u64,
    /// Facts that waited for a look-up and were decided with what the directory knows.
    pub looked_up: u64,
}

/// One going through the past.
pub struct Remap {
    /// The relay's: only read.
    stored: Arc<dyn Store>,
    scratch: Arc<dyn Store>,
    policy: Arc<Policy>,
    /// The present: what came since is left out.
    begun: Timestamp,
    /// When the relay decided about facts that are held in the scratch store, where that is still to come.
    decided_at: BTreeMap<(i64, usize), Timestamp>,
    again: Again,
}

impl Remap {
    /// `scratch` is an empty store that nobody else uses.
    pub fn new(stored: Arc<dyn Store>, scratch: Arc<dyn Store>, policy: Arc<Policy>, begun: Timestamp) -> Self {
        Self { stored, scratch, policy, begun, decided_at: BTreeMap::new(), again: Again::default() }
    }

    /// Decides everything again; `progress` is told of each webhook.
    pub async fn decide(&mut self, mut progress: impl FnMut()) -> Result<Again, StoreError> {
        let newest = self.stored.list(EventFilter { limit: 1, ..EventFilter::default() }).await?;
        let Some(last) = newest.first().map(|row| row.webhook_id) else { return Ok(self.again) };
        let (mut after, mut now) = (0, Timestamp::MIN);
        while after < last {
            let page = self.stored.webhooks_after(after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            let page = page.into_iter().filter(|past| past.id <= last).inspect(|_| progress());
            let page: Vec<_> = page.filter_map(|past| self.worth_deciding(past)).collect();
            for (webhook, decisions) in self.take_in(page).await? {
                // A clock that was put back does not put this one back.
                now = now.max(webhook.received_at);
                self.settle_holds(now).await?;
                self.decide_one(webhook, &decisions, now).await?;
            }
            self.decided_at.retain(|_, decided_at| *decided_at >= now);
        }
        self.settle_holds(just_after(self.begun)).await?;
        self.again.unreadable = u64::try_from(self.scratch.counts().await?.unreadable).unwrap_or_default();
        Ok(self.again)
    }

    /// The referral events that came of it beside those of the relay.
    pub fn compare(&self) -> Comparison {
        Comparison::new(self.stored.clone(), self.scratch.clone(), self.begun)
    }

    fn worth_deciding(&mut self, past: PastWebhook) -> Option<(NewWebhook, Vec<PastDecision>)> {
        if past.state == WebhookState::Undecided {
            self.again.undecided += 1;
            return None;
        }
        if past.webhook.is_none() {
            self.again.without_body += 1;
        }
        past.webhook.map(|webhook| (webhook, past.decisions))
    }

    /// Stores a page of webhooks in the scratch store, which gives them other numbers and the same order.
    async fn take_in(
        &self,
        page: Vec<(NewWebhook, Vec<PastDecision>)>,
    ) -> Result<Vec<(Webhook, Vec<PastDecision>)>, StoreError> {
        let (webhooks, decisions): (Vec<_>, Vec<_>) = page.into_iter().unzip();
        for webhook in webhooks {
            self.scratch.receive(webhook).await?;
        }
        Ok(self.scratch.undecided(PAGE).await?.into_iter().zip(decisions).collect())
    }

    async fn decide_one(
        &mut self,
        webhook: Webhook,
        decisions: &[PastDecision],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.again.webhooks += 1;
        let (policy, id) = (self.policy.clone(), webhook.id);
        match work(&self.scratch, move |ledger| decide_and_wake(ledger, &policy, &webhook, now)).await {
            // As the relay does with a webhook that cannot be decided.
            Err(problem @ (StoreError::Panicked | StoreError::Damaged(_))) => {
                let note = format!("deciding it failed: {problem}");
                work(&self.scratch, move |ledger| ledger.settle_webhook(id, WebhookState::Unreadable, Some(&note)))
                    .await
            }
            held => {
                let held = held?;
                // What is still held there is answered at once here: there is no answer yet that could come too early.
                let settled =
                    decisions.iter().filter(|one| one.state != DecisionState::Hold && held.contains(&one.fact));
                self.decided_at.extend(settled.map(|one| ((id, one.fact), one.decided_at)));
                Ok(())
            }
        }
    }

    /// Looks after what is held, up to `now`.
    async fn settle_holds(&mut self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let due = self.scratch.due_holds(now, PAGE).await?;
            if due.is_empty() {
                return Ok(());
            }
            for held in due {
                match self.settle(&held, now).await {
                    // As in the relay, it waits on, and the others go on.
                    Err(StoreError::Panicked | StoreError::Damaged(_)) => {
                        work(&self.scratch, move |ledger| ledger.look_up_at(&held, in_an_hour(now))).await?;
                    }
                    result => result?,
                }
            }
        }
    }

    async fn settle(&mut self, held: &HeldFact, now: Timestamp) -> Result<(), StoreError> {
        let number = (held.webhook_id, held.fact);
        let looked_up = match self.fact(held).await? {
            None => LookedUp::cannot_ask(),
            Some((scope, fact)) => {
                let there = self.stored.known(scope.clone(), taught::about(&fact)).await?;
                let here = self.scratch.known(scope.clone(), taught::about(&fact)).await?;
                // Of the same moment may be the webhook that let it go on: that one comes first.
                let later = self.decided_at.get(&number).copied().filter(|decided_at| *decided_at >= now);
                let learned = match (taught::not_yet(&there, &here, now, later.is_some()), later) {
                    (Some(customer), _) => vec![customer],
                    (None, Some(later)) => {
                        let held = held.clone();
                        return work(&self.scratch, move |ledger| ledger.look_up_at(&held, just_after(later))).await;
                    }
                    (None, None) => {
                        let learned = taught::learned(there, here, now, self.policy.organization_mode);
                        self.again.looked_up += u64::from(!learned.is_empty());
                        learned
                    }
                };
                let can_look_up = self.policy.provider(&scope.provider).is_some_and(|provider| provider.can_look_up());
                let answered = match &fact.detail {
                    Detail::InvoicePaid(invoice) => vec![link_question(&scope, invoice)],
                    _ => vec![],
                };
                LookedUp {
                    answered: if can_look_up { answered } else { vec![] },
                    asked: if can_look_up { Asked::Answered } else { Asked::CannotAsk },
                    learned,
                    ..LookedUp::cannot_ask()
                }
            }
        };
        let (policy, held) = (self.policy.clone(), held.clone());
        work(&self.scratch, move |ledger| decide_again(ledger, &policy, &held, &looked_up, now).map(drop)).await
    }

    /// The held fact itself.
    async fn fact(&self, held: &HeldFact) -> Result<Option<(Scope, Fact)>, StoreError> {
        let (policy, held) = (self.policy.clone(), held.clone());
        work(&self.scratch, move |ledger| {
            let Some(webhook) = ledger.webhook(held.webhook_id)? else { return Ok(None) };
            let reading = policy.provider(&webhook.scope.provider).map(|provider| provider.read(&webhook.body));
            let Some(Ok(reading)) = reading else { return Ok(None) };
            Ok(reading.facts.into_iter().nth(held.fact).map(|fact| (webhook.scope, fact)))
        })
        .await
    }
}

/// Decides a webhook. What is held then and could be known by a look-up is looked after next; returns which facts.
fn decide_and_wake(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    webhook: &Webhook,
    now: Timestamp,
) -> Result<Vec<usize>, StoreError> {
    let mut facts = Vec::new();
    for decision in decide(ledger, policy, webhook, now)?.decisions {
        let Verdict::Hold { waits_for, .. } = decision.verdict else { continue };
        if waits_for == RULES_TOPIC {
            continue;
        }
        for held in ledger.waiting_for(&waits_for)? {
            if held.webhook_id == webhook.id && held.deadline.is_some() && !facts.contains(&held.fact) {
                ledger.look_up_at(&held, now)?;
                facts.push(held.fact);
            }
        }
    }
    Ok(facts)
}

/// The next moment of a store, which counts in milliseconds.
fn just_after(moment: Timestamp) -> Timestamp {
    moment.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX)
}

/// Runs `work` in a transaction and brings its result along.
async fn work<T: Send + 'static>(
    store: &Arc<dyn Store>,
    work: impl FnOnce(&mut dyn Ledger) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    store
        .transact(Box::new(move |ledger| {
            // Whoever asked is waiting right below.
            let _ = answer.send(work(ledger)?);
            Ok(())
        }))
        .await?;
    answered.await.map_err(|_| StoreError::Unavailable("the store ended while it was asked".to_owned()))
}
