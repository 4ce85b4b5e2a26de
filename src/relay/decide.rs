//! Decides webhooks: reads them, lets the directory learn, gives each fact its verdict, and lets go on what waited.
//!
//! All of it happens in one transaction, so a crash leaves either no trace of a webhook's decision or all of it. The
//! same code serves the running relay, `map` and the tests; it takes the time and the answers of look-ups as
//! arguments and calls nobody.

mod anew;
mod recording;
mod settled;

use std::collections::VecDeque;

use jiff::Timestamp;

use super::code::{came_too_late, code_to_ask};
use super::judged::Judged;
use super::learn::{learn, learn_code};
use super::look_up::{CodeAsked, LookedUp, questions};
use super::policy::Policy;
use super::purchase;
use super::verdict::{Judge, not_started_key, sale, started_key};
use super::waiting::in_an_hour;
use crate::attribution::{payment_topic, report_topic};
use crate::config::CheckCodes;
use crate::decision::{Decision, Reason, Verdict};
use crate::facts::{Change, Detail, Fact, Learned, Nothing, Phase, Reading, Scope, StatedBy, Subscription};
use crate::providers::Question;
use crate::store::{DecisionState, HeldFact, Ledger, StoreError, Webhook, WebhookState};
use crate::trace::Trace;

pub use anew::{Remade, Remaking, decide_discarded, remake};
pub use settled::Settled;
use settled::about;

/// What became of one webhook, for whoever wants to show it.
#[derive(Debug, Default)]
pub struct Decided {
    pub decisions: Vec<Decision>,
    /// Facts of earlier webhooks that went on because of this one, with the provider's event id of each.
    pub released: Vec<(String, Decision)>,
    /// What was decided of each webhook, this one and those of which something was decided because of it.
    pub settled: Vec<Settled>,
    /// Rules that failed on facts of this webhook or of those that were to go on because of it.
    pub failed: Vec<FailedRule>,
    /// Why the webhook could not be read.
    pub unreadable: Option<String>,
}

/// A rule that failed on a fact of a webhook.
#[derive(Debug)]
pub struct FailedRule {
    pub rule: String,
    pub provider: String,
    pub event_id: String,
}

/// Decides one stored webhook at `now`.
pub fn decide(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    webhook: &Webhook,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let mut deciding = Deciding { ledger, policy, now, reached: webhook.received_at, decided: Decided::default() };
    let reading = match deciding.read(webhook) {
        Ok(reading) => reading,
        Err(Unread { problem, learned }) => {
            let named = deciding.mention_all(webhook)?;
            deciding.ledger.settle_webhook(webhook.id, WebhookState::Unreadable, Some(&problem))?;
            // What it teaches all the same may be what others wait for.
            let topics = deciding.learn(webhook, &learned)?;
            deciding.release(topics, None)?;
            deciding.note_unreadable(webhook, named, &problem);
            deciding.decided.unreadable = Some(problem);
            return Ok(deciding.decided);
        }
    };
    // Before the directory learns from this webhook, since a change is told from what was known before.
    let before = deciding.subscriptions_before(webhook, &reading)?;
    let looked_up = policy.not_looked_up(&webhook.scope.provider);
    let mut topics = deciding.learn(webhook, &reading.learned)?;

    // Facts name whom and what they are about; where there are none, or of nobody, the webhook is found by what it names.
    let mut named = None;
    if reading.facts.is_empty() || reading.facts.iter().any(|fact| fact.customer.is_none()) {
        named = deciding.mention_all(webhook)?;
    }
    for (number, nothing) in reading.nothing.iter().enumerate() {
        let judged = deciding.nothing(webhook, nothing)?;
        // A refund of this part waits for a decision on its purchase.
        topics.extend(judged.key.clone());
        let record = deciding.record(webhook, reading.facts.len() + number, None, &judged);
        deciding.ledger.put_decision(&record)?;
        deciding.decided.decisions.push(judged.decision());
    }
    // A customer's own news comes first, then what waited for it, then what else the webhook states: older payments
    // that a late code brings along go out before the one that brought it.
    let (signups, rest): (Vec<_>, Vec<_>) = reading.facts.iter().enumerate().partition(|(_, fact)| fact.is_signup());
    for facts in [signups, rest] {
        for (number, fact) in facts {
            let before = before[number].as_deref();
            let judge = Judge {
                policy,
                webhook,
                reading: &reading,
                before,
                looked_up: &looked_up,
                held_until: None,
                anew: None,
                now,
            };
            let decisions = deciding.decide_fact(&judge, number, fact, &mut topics)?;
            deciding.decided.decisions.extend(decisions);
        }
        deciding.release(std::mem::take(&mut topics), None)?;
    }
    deciding.settle(webhook.id)?;
    let decisions = std::mem::take(&mut deciding.decided.decisions);
    deciding.note(webhook, reading.facts.first().and_then(about).or(named), &decisions);
    deciding.decided.decisions = decisions;
    // Before what went on because of it.
    deciding.decided.settled.rotate_right(1);
    Ok(deciding.decided)
}

/// Decides one held fact again: because its deadline has passed or because a look-up has answered.
pub fn decide_again(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    held: &HeldFact,
    looked_up: &LookedUp,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let mut deciding = Deciding { ledger, policy, now, reached: now, decided: Decided::default() };
    let Some(webhook) = deciding.ledger.webhook(held.webhook_id)? else { return Ok(deciding.decided) };
    let mut topics = deciding.learn(&webhook, &looked_up.learned)?;
    if let CodeAsked::Answered(answer) = &looked_up.code {
        topics.extend(learn_code(deciding.ledger, answer, now)?);
    }
    // With others that the answer lets go on, it takes its place among them; else it goes alone. While the answer was
    // awaited, a webhook may have let it go on already.
    if !deciding.release(std::mem::take(&mut topics), Some((held, looked_up)))? && deciding.still_waits(held)? {
        deciding.redecide(held, Some(looked_up), &mut topics)?;
        deciding.release(topics, None)?;
    }
    Ok(deciding.decided)
}

/// What is worth asking about a held fact.
pub struct OpenQuestions {
    /// Name of the provider whose API is to be asked.
    pub provider: String,
    pub questions: Vec<Question>,
    /// The code that Cello is to be asked about.
    pub code: Option<String>,
}

/// What is worth asking at `now` about a held fact.
pub fn open_questions(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    held: &HeldFact,
    now: Timestamp,
) -> Result<Option<OpenQuestions>, StoreError> {
    let Some(webhook) = ledger.webhook(held.webhook_id)? else { return Ok(None) };
    let deciding = Deciding { ledger, policy, now, reached: now, decided: Decided::default() };
    let Ok(reading) = deciding.read(&webhook) else { return Ok(None) };
    let Some(fact) = reading.facts.get(held.fact) else { return Ok(None) };
    let questions = questions(deciding.ledger, &webhook.scope, fact, &held.topic, policy.organization_mode)?;
    let code = if policy.check_codes == CheckCodes::Off { None } else { code_to_ask(deciding.ledger, held, now)? };
    Ok(Some(OpenQuestions { provider: webhook.scope.provider, questions, code }))
}

/// Why a webhook cannot be read, and what it teaches all the same.
struct Unread {
    problem: String,
    learned: Vec<Learned>,
}

struct Deciding<'a> {
    ledger: &'a mut dyn Ledger,
    policy: &'a Policy,
    now: Timestamp,
    /// Up to when all that was received is decided. A fact's time is not up before: what it waits for may stand behind
    /// this webhook in the queue.
    reached: Timestamp,
    decided: Decided,
}

impl Deciding<'_> {
    /// The facts of a webhook, or why it cannot be read. A mode that must not reach Cello states no facts.
    fn read(&self, webhook: &Webhook) -> Result<Reading, Unread> {
        let name = &webhook.scope.provider;
        let provider = self
            .policy
            .provider(name)
            .ok_or_else(|| Unread { problem: format!("this version knows no provider `{name}`"), learned: vec![] })?;
        if let (Some(allowed), Some(mode)) = (self.policy.mode, webhook.mode)
            && allowed != mode
        {
            return Ok(Reading::nothing(
                Reason::ModeMismatch,
                format!(
                    "a {}-mode webhook, and the configured Cello takes only {} ones",
                    mode.as_str(),
                    allowed.as_str()
                ),
            ));
        }
        provider
            .read(&webhook.body)
            .map_err(|unreadable| Unread { problem: unreadable.to_string(), learned: unreadable.learned })
    }

    /// Lets a webhook be found by every id it names; returns the first.
    fn mention_all(&mut self, webhook: &Webhook) -> Result<Option<String>, StoreError> {
        let provider = self.policy.provider(&webhook.scope.provider);
        let ids = provider.map(|provider| provider.mentions(&webhook.body)).unwrap_or_default();
        ids.iter().try_for_each(|id| self.ledger.mention(webhook.id, id))?;
        Ok(ids.into_iter().next())
    }

    fn learn(&mut self, webhook: &Webhook, learned: &[Learned]) -> Result<Vec<String>, StoreError> {
        learn(self.ledger, &webhook.scope, learned, self.policy.organization_mode)
    }

    /// The verdict on what states nothing. Of an invoice that is settled in part it is one on the purchase.
    fn nothing(&mut self, webhook: &Webhook, nothing: &Nothing) -> Result<Judged, StoreError> {
        let (mut reason, mut message) = (nothing.reason, nothing.message.clone());
        let key = nothing.part_of.as_ref().map(|invoice| purchase::key(&webhook.scope, invoice));
        if let (Some(invoice), Some(key)) = (&nothing.part_of, &key) {
            self.ledger.mention(webhook.id, invoice)?;
            if self.ledger.reported(key)?.is_some() {
                // The invoice is there already, so the part is no news of it.
                (reason, message) = (Reason::AlreadyReported, format!("`{key}` was reported before"));
            }
        }
        let trace = Trace::of(format!("a webhook of the type `{}`, which states nothing to decide", webhook.kind));
        Ok(Judged { trace, ..Judged::new(Verdict::Ignore { reason, message }, key) })
    }

    /// For each fact the commercial state of its subscription as the directory knew it.
    fn subscriptions_before(
        &mut self,
        webhook: &Webhook,
        reading: &Reading,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let mut before = Vec::with_capacity(reading.facts.len());
        for fact in &reading.facts {
            before.push(match &fact.detail {
                Detail::SubscriptionChanged { subscription, .. } => self
                    .ledger
                    .subscription(&webhook.scope, &subscription.id)?
                    .filter(|known| known.subscription.version < subscription.version)
                    .map(|known| known.subscription.commercial_state()),
                _ => None,
            });
        }
        Ok(before)
    }

    /// Judges a fact, writes the verdict and what follows from it. A purchase may bring its signup with it.
    fn decide_fact(
        &mut self,
        judge: &Judge,
        number: usize,
        fact: &Fact,
        topics: &mut Vec<String>,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut decisions = Vec::new();
        let completed = self.completed(&judge.webhook.scope, fact, judge.anew)?;
        let fact = completed.as_ref().unwrap_or(fact);
        let mut judged = judge.fact(self.ledger, fact)?;
        if let (Verdict::Send(_), Detail::InvoicePaid(_)) = (&judged.verdict, &fact.detail)
            && let Some((signup, of_signup)) = judge.signup_before(self.ledger, fact)?
        {
            match of_signup.verdict {
                // What cannot be told yet must still be told first.
                Verdict::Hold { .. } => judged = Judged { key: judged.key, ..of_signup },
                _ => {
                    // Numbers from 1000 on are decisions that no fact of the webhook stands behind.
                    self.carry_out(judge.webhook, IMPLIED + number, &signup, &of_signup)?;
                    decisions.push(of_signup.decision());
                }
            }
        }
        self.carry_out(judge.webhook, number, fact, &judged)?;
        if let Verdict::Hold { reason: Reason::RuleFailed, .. } = judged.verdict {
            self.decided.failed.push(FailedRule {
                // The last one tried is the one that decided.
                rule: judged.trace.rules.last().map(|tried| tried.rule.clone()).unwrap_or_default(),
                provider: judge.webhook.scope.provider.clone(),
                event_id: judge.webhook.event_id.clone(),
            });
        }
        // Refunds wait for their purchase, whatever becomes of it, or for the report that carries their payment. A payment
        // that is no sale of its own has no key, and waits itself for what is known of it.
        if let (Detail::InvoicePaid(invoice), Some(_), false) =
            (&fact.detail, &judged.key, matches!(judged.verdict, Verdict::Hold { .. }))
        {
            topics.push(purchase::key(&judge.webhook.scope, &invoice.id));
            topics.push(payment_topic(&judge.webhook.scope, &invoice.id));
            topics.extend(judged.carried().map(|payment| payment_topic(&judge.webhook.scope, payment)));
        }
        if let (Some(subscription), Verdict::Send(_)) = (fact.detail.subscription(), &judged.verdict) {
            let known = self.ledger.subscription(&judge.webhook.scope, &subscription.id)?;
            if known.is_some_and(|known| known.subscription.version > subscription.version) {
                // A newer state came first, and may have been taken for no change.
                topics.push(report_topic(&judge.webhook.scope, &subscription.id));
            }
        }
        if let Detail::SubscriptionStarted(Subscription { id, phase: Phase::Pending, .. }) = &fact.detail {
            // That it became active may have come first.
            topics.push(report_topic(&judge.webhook.scope, id));
        }
        decisions.push(judged.decision());
        Ok(decisions)
    }

    /// The fact as the directory completes it: a payment is also what its session said of it, and a subscription that
    /// never was active starts when it becomes so. What is decided `anew` was not reported.
    fn completed(&mut self, scope: &Scope, fact: &Fact, anew: Option<&str>) -> Result<Option<Fact>, StoreError> {
        match &fact.detail {
            Detail::InvoicePaid(invoice) if matches!(invoice.stated_by, StatedBy::Payment { .. }) => {
                let payment = self.ledger.payment(scope, &invoice.id)?;
                Ok(payment.and_then(|payment| payment.session).map(|session| Fact {
                    customer: fact.customer.clone().or_else(|| session.customer.clone()),
                    detail: Detail::InvoicePaid(Box::new(sale::completed(invoice, &session))),
                    ..fact.clone()
                }))
            }
            Detail::SubscriptionChanged { subscription, change: Change::Active, .. } => {
                let started = started_key(scope, &subscription.id);
                let is_first = self.ledger.decision_on(&not_started_key(scope, &subscription.id))?.is_some()
                    && (anew == Some(started.as_str()) || self.ledger.reported(&started)?.is_none());
                let detail = Detail::SubscriptionStarted(subscription.clone());
                Ok(is_first.then(|| Fact { detail, ..fact.clone() }))
            }
            _ => Ok(None),
        }
    }

    /// Lets go on what waits for any of `topics`, oldest first, and for whatever that in turn makes known. Says whether
    /// the fact that was `asked` about was among them.
    fn release(&mut self, topics: Vec<String>, asked: Option<(&HeldFact, &LookedUp)>) -> Result<bool, StoreError> {
        let mut went_on = false;
        let mut topics = VecDeque::from(topics);
        while let Some(topic) = topics.pop_front() {
            for held in self.ledger.waiting_for(&topic)? {
                if came_too_late(&held, self.now) {
                    continue;
                }
                let answer = asked.filter(|(asked, _)| asked.webhook_id == held.webhook_id && asked.fact == held.fact);
                went_on |= answer.is_some();
                let mut more = Vec::new();
                self.redecide(&held, answer.map(|(_, looked_up)| looked_up), &mut more)?;
                topics.extend(more);
            }
        }
        Ok(went_on)
    }

    fn still_waits(&mut self, held: &HeldFact) -> Result<bool, StoreError> {
        let waiting = self.ledger.waiting_for(&held.topic)?;
        Ok(waiting
            .iter()
            .any(|fact| (fact.webhook_id, fact.fact) == (held.webhook_id, held.fact) && fact.deadline.is_some()))
    }

    fn redecide(
        &mut self,
        held: &HeldFact,
        looked_up: Option<&LookedUp>,
        topics: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let Some(webhook) = self.ledger.webhook(held.webhook_id)? else { return Ok(()) };
        // It was read before, so it can be read again, save by another version of this program or with settings that take
        // another mode: then it waits on, and must not be due all the time meanwhile.
        let reading = self.read(&webhook).unwrap_or_default();
        let Some(fact) = reading.facts.get(held.fact) else {
            return self.ledger.look_up_at(held, in_an_hour(self.now));
        };
        let not_yet = self.policy.not_looked_up(&webhook.scope.provider);
        let looked_up = looked_up.unwrap_or(&not_yet);
        let judge = Judge {
            policy: self.policy,
            webhook: &webhook,
            reading: &reading,
            before: None,
            looked_up,
            held_until: held.deadline.filter(|until| *until <= self.reached),
            anew: None,
            now: self.now,
        };
        let decisions = self.decide_fact(&judge, held.fact, fact, topics)?;
        self.settle(webhook.id)?;
        self.note(&webhook, about(fact), &decisions);
        let went_on = decisions.into_iter().filter(|decision| !matches!(decision.verdict, Verdict::Hold { .. }));
        self.decided.released.extend(went_on.map(|decision| (webhook.event_id.clone(), decision)));
        Ok(())
    }

    /// A webhook stands where the most pending of its facts stands.
    fn settle(&mut self, webhook: i64) -> Result<(), StoreError> {
        let states = self.ledger.decision_states(webhook)?;
        let state = if states.contains(&DecisionState::Hold) {
            WebhookState::Held
        } else if states.contains(&DecisionState::Send) {
            WebhookState::Mapped
        } else {
            WebhookState::Ignored
        };
        self.ledger.settle_webhook(webhook, state, None)
    }
}

/// See [`Deciding::decide_fact`].
const IMPLIED: usize = 1000;
