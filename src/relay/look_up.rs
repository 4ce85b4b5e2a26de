//! What to ask a provider's API about a held fact, and what came of asking.
//!
//! Deciding never waits for the network: a fact that an answer could help is held, asked about by a loop of its own,
//! and decided again with the answer.

use jiff::Timestamp;

use super::answers::Answers;
use super::purchase;
use crate::attribution::{Attribution, attribute};
use crate::facts::{Billing, Detail, Fact, Invoice, Learned, Scope};
use crate::providers::{LookUpError, Provider, Question};
use crate::store::{Ledger, StoreError};

/// What the provider's API has said to one fact.
#[derive(Debug, Clone)]
pub struct LookedUp {
    pub asked: Asked,
    pub learned: Vec<Learned>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// There is no API to ask, or no key for it.
    CannotAsk,
    NotYet,
    Answered,
    /// It was asked and did not answer: why. Another time it may.
    Failed(String),
    /// It will not answer this question with this key: why.
    Refused(String),
}

impl LookedUp {
    /// Before anything was asked.
    pub fn not_yet(provider: &dyn Provider) -> Self {
        let asked = if provider.can_look_up() { Asked::NotYet } else { Asked::CannotAsk };
        Self { asked, learned: vec![] }
    }

    /// Asks at `now` everything there is to ask and was not answered lately. Also says how many calls that took.
    pub async fn ask(
        provider: &dyn Provider,
        questions: &[Question],
        answers: &Answers,
        now: Timestamp,
    ) -> (Self, usize) {
        let (mut looked_up, mut calls) = (Self { asked: Asked::Answered, learned: vec![] }, 0);
        for question in questions {
            if looked_up.answers(question) {
                continue;
            }
            if let Some(learned) = answers.get(provider.name(), question, now) {
                looked_up.learned.extend(learned);
                continue;
            }
            calls += 1;
            match provider.look_up(question).await {
                Ok(learned) => {
                    answers.put(provider.name(), question, &learned, now);
                    looked_up.learned.extend(learned);
                }
                Err(problem) => looked_up.fail(&problem),
            }
        }
        (looked_up, calls)
    }

    /// Of several failures one that may pass counts, since it is what another try can mend.
    fn fail(&mut self, problem: &LookUpError) {
        match (problem, &self.asked) {
            (LookUpError::Refused { .. }, Asked::Failed(_)) => {}
            (LookUpError::Refused { .. }, _) => self.asked = Asked::Refused(problem.to_string()),
            (LookUpError::Unavailable { .. }, _) => self.asked = Asked::Failed(problem.to_string()),
        }
    }

    /// A subscription is answered with its customer and its prices, which need not be asked for then.
    fn answers(&self, question: &Question) -> bool {
        self.learned.iter().any(|learned| match (question, learned) {
            (Question::Customer { id, .. }, Learned::Customer(customer)) => customer.id == *id,
            (Question::Customer { id, .. }, Learned::CustomerDeleted { id: deleted }) => deleted == id,
            (Question::Price { id, .. }, Learned::Price(plan)) => plan.price_id.as_ref() == Some(id),
            _ => false,
        })
    }
}

/// What is not known of `fact` and could be asked, in that order: what one answer tells is not asked again.
pub fn questions(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    fact: &Fact,
    organization_mode: bool,
) -> Result<Vec<Question>, StoreError> {
    let account = || scope.account.clone();
    let Some(customer) = &fact.customer else { return Ok(vec![]) };
    let unseen = attribute(ledger.customer(scope, customer)?.as_ref(), organization_mode) == Attribution::Unseen;
    let mut questions = Vec::new();
    match &fact.detail {
        Detail::InvoicePaid(invoice) if lacks_interval(ledger, scope, invoice)? => {
            let (subscription, price) = (invoice.subscription.clone(), invoice.plan.price_id.clone());
            questions.extend(subscription.map(|id| Question::Subscription { account: account(), id }));
            // For a subscription that is gone or has moved to another price since: a price stays what it was.
            questions.extend(price.map(|id| Question::Price { account: account(), id }));
        }
        Detail::PaymentRefunded(refund) if refund.invoice.is_none() => {
            let payment = refund.payments.first().cloned();
            questions.extend(payment.map(|id| Question::Payment { account: account(), id }));
        }
        _ => {}
    }
    if unseen {
        questions.push(Question::Customer { account: account(), id: customer.clone() });
    }
    Ok(questions)
}

/// Whether neither the invoice nor the directory tells how often it is paid.
fn lacks_interval(ledger: &mut dyn Ledger, scope: &Scope, invoice: &Invoice) -> Result<bool, StoreError> {
    if !matches!(invoice.billing, Billing::Stretch(_)) {
        return Ok(false);
    }
    Ok(matches!(purchase::resolve(ledger, scope, invoice)?, purchase::Answer::Stretch(_)))
}
