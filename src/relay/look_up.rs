//! What to ask a provider's API about a held fact, and what came of asking.
//!
//! Deciding never waits for the network: a fact that an answer could help is held, asked about by a loop of its own,
//! and decided again with the answer.

use super::purchase;
use crate::attribution::{Attribution, attribute};
use crate::facts::{Billing, Detail, Fact, Invoice, Learned, Scope};
use crate::providers::{Provider, Question};
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
    /// It was asked and did not answer: why.
    Failed(String),
}

impl LookedUp {
    /// Before anything was asked.
    pub fn not_yet(provider: &dyn Provider) -> Self {
        let asked = if provider.can_look_up() { Asked::NotYet } else { Asked::CannotAsk };
        Self { asked, learned: vec![] }
    }

    /// Asks everything there is to ask.
    pub async fn ask(provider: &dyn Provider, questions: &[Question]) -> Self {
        let mut looked_up = Self { asked: Asked::Answered, learned: vec![] };
        for question in questions {
            if looked_up.answers(question) {
                continue;
            }
            match provider.look_up(question).await {
                Ok(learned) => looked_up.learned.extend(learned),
                Err(problem) => looked_up.asked = Asked::Failed(problem.to_string()),
            }
        }
        looked_up
    }

    /// A subscription is answered with its customer, who need not be asked for then.
    fn answers(&self, question: &Question) -> bool {
        let Question::Customer { id, .. } = question else { return false };
        self.learned.iter().any(|learned| matches!(learned, Learned::Customer(customer) if customer.id == *id))
    }
}

/// What is not known of `fact` and could be asked.
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
            let subscription = invoice.subscription.clone();
            questions.extend(subscription.map(|id| Question::Subscription { account: account(), id }));
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
