//! Decides one referral event anew because a person asks for it: one that Cello refused, or one that was discarded.
//!
//! The fact is judged as if it had never been reported: what the event added to running totals is taken off first. The new
//! decision must replace the old one and never come on top of it, so all of it happens in one transaction. The caller
//! undoes that transaction after a refusal.

use jiff::Timestamp;

use super::{Decided, Deciding, IMPLIED};
use crate::decision::Verdict;
use crate::facts::{Detail, Fact, KnownPurchase, Scope};
use crate::money::share;
use crate::relay::contribution::Contribution;
use crate::relay::judged::Judged;
use crate::relay::look_up::{Asked, LookedUp, link_question};
use crate::relay::policy::Policy;
use crate::relay::refund::{self, Purchase};
use crate::relay::verdict::Judge;
use crate::store::{EventState, Ledger, NewReferralEvent, StoreError, StoredEvent, Webhook};

const NOT_STATED: &str = "its webhook does not state it any more as it is read today";

/// An event that would be, or was, replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Remade {
    /// As it was.
    pub before: StoredEvent,
    pub now: NewReferralEvent,
}

/// A purchase that was taken off, with its id.
type Gone = (String, KnownPurchase);

/// How the remaking of one event ended.
pub type Remaking = Result<Box<Remade>, String>;

/// Decides a dead event anew at `now`, and puts what comes of it in its place, in the name of `by`; or says why not. After
/// a refusal, the transaction must be undone.
pub fn remake(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    id: i64,
    by: &str,
    is_not_there: bool,
    now: Timestamp,
) -> Result<Remaking, StoreError> {
    let Some(event) = ledger.referral_event(id)? else { return Ok(Err("it is not there any more".to_owned())) };
    if event.state != EventState::Dead {
        return Ok(Err(format!("it is {}, and only what is dead can be remade", event.state)));
    }
    if event.was_unsure && !is_not_there {
        return Ok(Err(format!(
            "the connection broke during an attempt, so Cello may have it: look into Cello's portal, then give \
             --cello-does-not-have-it, or `cello-relay events confirm {id}`"
        )));
    }
    let mut deciding = Deciding { ledger, policy, now, reached: now, decided: Decided::default() };
    let (webhook, number) = match deciding.source(&event)? {
        Ok(source) => source,
        Err(why) => return Ok(Err(why)),
    };
    let Some((fact, judged, gone)) = deciding.judge_anew(&event, &webhook, number)? else {
        return Ok(Err(NOT_STATED.to_owned()));
    };
    let sending = match &judged.verdict {
        Verdict::Send(sending) => sending,
        Verdict::Ignore { reason, message } => {
            return Ok(Err(format!("it would not be sent now: {reason}, {message}")));
        }
        Verdict::Hold { reason, message, .. } => {
            return Ok(Err(format!("it would be held now: {reason}, {message}")));
        }
    };
    let new = deciding.referral_event(&webhook, &fact, sending, &judged);
    if let Some(why) = differs(&event, &new) {
        return Ok(Err(why));
    }
    let record = deciding.record(&webhook, number, Some(&fact), &judged);
    deciding.ledger.put_decision(&record)?;
    deciding.ledger.replace_referral_event(id, &new, by, now)?;
    judged.effects.iter().try_for_each(|effect| effect.apply(deciding.ledger, &webhook.scope))?;
    deciding.keep_given_back(&webhook.scope, gone)?;
    Ok(Ok(Box::new(Remade { before: event, now: new })))
}

/// Decides the fact of a discarded event again at `now`, as if the event had never been; or says why not. After a
/// refusal, the transaction must be undone.
pub fn decide_discarded(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    id: i64,
    now: Timestamp,
) -> Result<Result<Decided, String>, StoreError> {
    let event = ledger.referral_event(id)?.filter(|event| event.state == EventState::Discarded && event.fact.is_some());
    let Some(event) = event else { return Ok(Err("it is not discarded, or was decided again since".to_owned())) };
    let mut deciding = Deciding { ledger, policy, now, reached: now, decided: Decided::default() };
    let (webhook, number) = match deciding.source(&event)? {
        Ok(source) => source,
        Err(why) => return Ok(Err(why)),
    };
    let reading = deciding.read(&webhook).unwrap_or_default();
    let Some(fact) = reading.facts.get(number % IMPLIED) else { return Ok(Err(NOT_STATED.to_owned())) };
    let gone = deciding.withdraw(&event, &webhook.scope, fact)?;
    deciding.ledger.free_key(id, now)?;
    let looked_up = policy.not_looked_up(&webhook.scope.provider);
    let judge = Judge {
        policy,
        webhook: &webhook,
        reading: &reading,
        before: None,
        looked_up: &looked_up,
        held_until: None,
        // A signup is announced by the webhook that made it.
        anew: Some(&event.key),
        now,
    };
    if number >= IMPLIED {
        // The purchase that brought it along was decided, and is not decided again.
        let Some((signup, judged)) = judge.signup_before(deciding.ledger, fact)? else {
            return Ok(Err("no signup would be sent now".to_owned()));
        };
        if let Verdict::Hold { reason, message, .. } = &judged.verdict {
            return Ok(Err(format!("it would be held now: {reason}, {message}")));
        }
        deciding.carry_out(&webhook, number, &signup, &judged)?;
        deciding.decided.decisions.push(judged.decision());
        return Ok(Ok(deciding.decided));
    }
    let mut topics = Vec::new();
    let decisions = deciding.decide_fact(&judge, number, fact, &mut topics)?;
    deciding.decided.decisions.extend(decisions);
    deciding.keep_given_back(&webhook.scope, gone)?;
    deciding.release(topics, None)?;
    deciding.settle(webhook.id)?;
    Ok(Ok(deciding.decided))
}

impl Deciding<'_> {
    /// The webhook of an event, and the place of its fact; else why it cannot be decided anew.
    fn source(&mut self, event: &StoredEvent) -> Result<Result<(Webhook, usize), String>, StoreError> {
        let Some(webhook) = self.ledger.webhook(event.webhook_id)? else {
            return Ok(Err("the body of its webhook is erased, so nothing can be decided of it".to_owned()));
        };
        Ok(match event.fact {
            Some(number) => Ok((webhook, number)),
            None => Err("the decision that made it is not kept any more".to_owned()),
        })
    }

    /// Takes off what the event added and judges its fact again, with the purchase that was taken off. `None` where the
    /// webhook states no such fact any more.
    fn judge_anew(
        &mut self,
        event: &StoredEvent,
        webhook: &Webhook,
        number: usize,
    ) -> Result<Option<(Fact, Judged, Option<Gone>)>, StoreError> {
        let reading = self.read(webhook).unwrap_or_default();
        let Some(fact) = reading.facts.get(number % IMPLIED) else { return Ok(None) };
        let gone = self.withdraw(event, &webhook.scope, fact)?;
        let looked_up = self.asked_before(webhook, fact);
        let judge = Judge {
            policy: self.policy,
            webhook,
            reading: &reading,
            before: None,
            looked_up: &looked_up,
            // Whatever it waited for then, it does not wait for once more.
            held_until: Some(webhook.received_at),
            anew: Some(&event.key),
            now: self.now,
        };
        if number >= IMPLIED {
            return Ok(judge.signup_before(self.ledger, fact)?.map(|(signup, judged)| (signup, judged, gone)));
        }
        let fact = self.completed(&webhook.scope, fact, judge.anew)?.unwrap_or_else(|| fact.clone());
        let judged = judge.fact(self.ledger, &fact)?;
        Ok(Some((fact, judged, gone)))
    }

    /// Nobody is asked: what look-ups taught when it was decided first, the directory knows.
    fn asked_before(&self, webhook: &Webhook, fact: &Fact) -> LookedUp {
        let provider = self.policy.provider(&webhook.scope.provider);
        if !provider.is_some_and(|provider| provider.can_look_up()) {
            return LookedUp::cannot_ask();
        }
        let answered = match &fact.detail {
            Detail::InvoicePaid(invoice) => vec![link_question(&webhook.scope, invoice)],
            _ => vec![],
        };
        LookedUp { answered, asked: Asked::Answered, ..LookedUp::cannot_ask() }
    }

    /// Takes off what an event added to running totals. Returns the purchase that was removed, if it was one.
    fn withdraw(&mut self, event: &StoredEvent, scope: &Scope, fact: &Fact) -> Result<Option<Gone>, StoreError> {
        let added = match &event.contribution {
            Some(text) => Contribution::parse(text)?,
            None => self.of_earlier_version(event, scope, fact)?,
        };
        let mut gone = None;
        for contribution in added {
            gone = contribution.withdraw(self.ledger, scope)?.or(gone);
        }
        Ok(gone)
    }

    /// What was given back of a purchase stays given back of the one that takes its place.
    fn keep_given_back(&mut self, scope: &Scope, gone: Option<Gone>) -> Result<(), StoreError> {
        let Some((id, gone)) = gone else { return Ok(()) };
        let Some(mut purchase) = self.ledger.purchase(scope, &id)? else { return Ok(()) };
        purchase.refunded = purchase.refunded.saturating_add(gone.refunded);
        purchase.refunded_net = purchase.refunded_net.saturating_add(gone.refunded_net);
        self.ledger.put_purchase(scope, &id, &purchase)
    }

    /// What an event of an earlier version added, which did not keep that: derived from the directory.
    fn of_earlier_version(
        &mut self,
        event: &StoredEvent,
        scope: &Scope,
        fact: &Fact,
    ) -> Result<Vec<Contribution>, StoreError> {
        if let Some(subscription) = fact.detail.subscription() {
            let (id, version) = (subscription.id.clone(), subscription.version);
            let state = subscription.commercial_state();
            return Ok(vec![Contribution::State { subscription: id, version, state }]);
        }
        let refund = match &fact.detail {
            Detail::InvoicePaid(_) => {
                let id = event.key.strip_prefix(&format!("purchase:{}:", scope.prefix()));
                return Ok(id.map(|id| Contribution::Purchase { id: id.to_owned() }).into_iter().collect());
            }
            Detail::PaymentRefunded(refund) => refund,
            _ => return Ok(vec![]),
        };
        let mut added = Vec::new();
        let mut amount = refund.amount.unwrap_or_default();
        if let Some(total) = &refund.running_total {
            let its_own = self.ledger.refunded(scope, &total.charge)?.into_iter().filter(|(_, to)| *to == total.total);
            let its_own: Vec<(i64, i64)> = its_own.collect();
            amount = its_own.iter().map(|(from, to)| to - from).sum();
            let charge = &total.charge;
            added.extend(its_own.iter().map(|(from, to)| Contribution::Refunded {
                charge: charge.clone(),
                from: *from,
                to: *to,
            }));
        }
        for payment in &refund.payments {
            let unreported = self.ledger.unreported_refunds(scope, payment)?;
            if let Some((id, part)) = unreported.into_iter().find(|(id, _)| *id == refund.id) {
                amount = amount.saturating_sub(part);
                added.push(Contribution::Unreported { payment: payment.clone(), refund: id });
            }
        }
        if let Purchase::Reported(found) = refund::find(self.ledger, scope, refund)?
            && let Some(purchase) = self.ledger.purchase(scope, &found.id)?
        {
            let net = share(amount, purchase.net, purchase.paid).unwrap_or_default();
            added.push(Contribution::GivenBack { purchase: found.id, amount, net });
        }
        Ok(added)
    }
}

/// Why one cannot take the place of the other; `None` where it can.
fn differs(event: &StoredEvent, new: &NewReferralEvent) -> Option<String> {
    let then = "; `discard` it, then have its webhook decided again with `cello-relay events decide`";
    if new.key != event.key {
        return Some(format!("it would have another key now, `{}`{then}", new.key));
    }
    if new.trigger.as_str() != event.trigger {
        return Some(format!("it would be {} now, and not {}{then}", new.trigger, event.trigger));
    }
    let is_known = event.user_id.is_some();
    let same_user = !is_known || event.user_id.as_ref() == Some(&new.user_id);
    if new.subject != event.subject || !same_user || is_known && new.organization_id != event.organization_id {
        return Some(format!("it would be for another user or organization now, `{}`{then}", new.subject));
    }
    (new.body == event.body).then(|| {
        "today's rules and settings make the same of it; once Cello takes it, `retry` sends it as it is".to_owned()
    })
}
