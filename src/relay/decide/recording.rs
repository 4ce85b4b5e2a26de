//! What is written of a judged fact: the decision, the referral event, and what follows from it for later ones.

use super::Deciding;
use crate::cello::wire;
use crate::decision::{Reason, Sending, Verdict};
use crate::facts::Fact;
use crate::relay::contribution::Contribution;
use crate::relay::judged::Judged;
use crate::relay::verdict::signup_key;
use crate::relay::waiting::{LookUp, deadline, in_an_hour, may_go_on, next_look_up};
use crate::relay::writing::codes_elsewhere;
use crate::store::{After, DecisionRecord, DecisionState, NewReferralEvent, StoreError, Webhook};

impl Deciding<'_> {
    /// Writes one decision and, for a verdict to send, the referral event.
    pub(super) fn carry_out(
        &mut self,
        webhook: &Webhook,
        number: usize,
        fact: &Fact,
        judged: &Judged,
    ) -> Result<(), StoreError> {
        let record = self.record(webhook, number, Some(fact), judged);
        self.ledger.put_decision(&record)?;
        if let Verdict::Send(sending) = &judged.verdict {
            let event = self.referral_event(webhook, fact, sending, judged);
            self.ledger.add_referral_event(&event)?;
            self.ledger.pin_code(sending.event.subject(), &sending.event.ucc)?;
            if let Some(mut customer) = match &judged.customer {
                Some(id) => self.ledger.customer(&webhook.scope, id)?,
                None => None,
            } && !customer.reported
            {
                customer.reported = true;
                self.ledger.put_customer(&webhook.scope, &customer)?;
            }
        }
        let is_sent = matches!(judged.verdict, Verdict::Send(_));
        for effect in judged.effects.iter().filter(|effect| is_sent || effect.concerns_what_is_ignored(&judged.verdict))
        {
            effect.apply(self.ledger, &webhook.scope)?;
        }
        Ok(())
    }

    pub(super) fn referral_event(
        &self,
        webhook: &Webhook,
        fact: &Fact,
        sending: &Sending,
        judged: &Judged,
    ) -> NewReferralEvent {
        let event = &sending.event;
        let signup = (!fact.is_signup()).then(|| signup_key(event.subject()));
        NewReferralEvent {
            key: sending.key.clone(),
            subject: event.subject().to_owned(),
            trigger: event.trigger,
            webhook_id: webhook.id,
            at: event.at,
            invoice_id: event.invoice_id.clone(),
            subscription_id: event.subscription_id.clone(),
            price: event.price,
            currency: event.currency.as_ref().map(|currency| currency.as_str().to_owned()),
            ucc: event.ucc.clone(),
            user_id: event.user_id.clone(),
            organization_id: event.organization_id.clone(),
            customer: judged.customer.clone(),
            after: After { signup, purchase: judged.refunds.clone() },
            contribution: Contribution::text(&judged.effects),
            body: wire::body(event).to_string(),
            created_at: self.now,
        }
    }

    pub(super) fn record(
        &self,
        webhook: &Webhook,
        number: usize,
        fact: Option<&Fact>,
        judged: &Judged,
    ) -> DecisionRecord {
        let base = DecisionRecord {
            webhook_id: webhook.id,
            fact: number,
            fact_kind: fact.map(|fact| fact.detail.kind().to_owned()).unwrap_or_default(),
            at: fact.map_or(webhook.at, |fact| fact.at),
            customer: fact.and_then(|fact| fact.customer.clone()),
            key: judged.key.clone(),
            mentions: fact.map(|fact| fact.detail.mentions()).unwrap_or_default(),
            state: DecisionState::Ignore,
            rule: None,
            reason: None,
            message: String::new(),
            warnings: vec![],
            trace: judged.trace.clone(),
            topic: None,
            other_topic: judged.other_topic.clone(),
            deadline: None,
            look_up_at: None,
            decided_at: self.now,
        };
        let mut record = match &judged.verdict {
            Verdict::Send(sending) => DecisionRecord {
                state: DecisionState::Send,
                rule: Some(sending.rule.clone()),
                warnings: sending.warnings.clone(),
                ..base
            },
            Verdict::Hold { reason, message, waits_for } => DecisionRecord {
                state: DecisionState::Hold,
                reason: Some(reason.as_str().to_owned()),
                message: message.clone(),
                topic: Some(waits_for.clone()),
                deadline: Some(deadline(*reason, webhook.received_at).max(in_an_hour(self.now))),
                look_up_at: judged.look_up.map(|when| match when {
                    LookUp::Now => self.now,
                    LookUp::Later => next_look_up(webhook.received_at, self.now),
                }),
                ..base
            },
            Verdict::Ignore { reason, message } => DecisionRecord {
                reason: Some(reason.as_str().to_owned()),
                message: message.clone(),
                warnings: match (fact, reason) {
                    (Some(fact), Reason::NotReferred) => codes_elsewhere(fact),
                    _ => vec![],
                },
                topic: judged.again.clone().or_else(|| may_go_on(&webhook.scope, fact?, *reason)),
                ..base
            },
        };
        if record.topic.is_none() || record.topic == record.other_topic {
            record.topic = record.other_topic.take();
        }
        record
    }
}
