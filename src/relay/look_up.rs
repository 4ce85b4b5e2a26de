//! What to ask a provider's API or Cello about a held fact, and what came of asking.
//!
//! Deciding never waits for the network: a fact that an answer could help is held, asked about by a loop of its own,
//! and decided again with the answer.

use jiff::Timestamp;

use super::answers::Answers;
use super::purchase;
use crate::attribution::{Attribution, attribute, invoice_payments_topic, is_well_formed, payment_topic};
use crate::cello::{CallError, Client};
use crate::facts::{Billing, CodeAnswer, Detail, Fact, Invoice, Learned, Scope};
use crate::providers::{LookUpError, Provider, Question};
use crate::store::{Ledger, StoreError};

/// What the provider's API, and Cello, have said to one fact.
#[derive(Debug, Clone)]
pub struct LookedUp {
    pub asked: Asked,
    pub learned: Vec<Learned>,
    /// The questions that have an answer, be it that there is no such thing.
    pub answered: Vec<Question>,
    pub code: CodeAsked,
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

/// What Cello has said to the code of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeAsked {
    NotYet,
    Answered(CodeAnswer),
    /// It was asked and did not answer: why.
    Failed(String),
}

impl LookedUp {
    /// Before anything was asked.
    pub fn not_yet(provider: &dyn Provider) -> Self {
        let asked = if provider.can_look_up() { Asked::NotYet } else { Asked::CannotAsk };
        Self { asked, ..Self::cannot_ask() }
    }

    /// Where there is no provider's API to ask.
    pub fn cannot_ask() -> Self {
        Self { asked: Asked::CannotAsk, learned: vec![], answered: vec![], code: CodeAsked::NotYet }
    }

    /// Asks at `now` everything there is to ask and was not answered lately. Also says how many calls that took.
    pub async fn ask(
        provider: &dyn Provider,
        questions: &[Question],
        answers: &Answers,
        now: Timestamp,
    ) -> (Self, usize) {
        let (mut looked_up, mut calls) = (Self { asked: Asked::Answered, ..Self::cannot_ask() }, 0);
        for question in questions {
            if looked_up.answers(question) {
                continue;
            }
            if let Some(learned) = answers.get(provider.name(), question, now) {
                looked_up.learned.extend(learned);
                looked_up.answered.push(question.clone());
                continue;
            }
            calls += 1;
            match provider.look_up(question, now).await {
                Ok(learned) => {
                    answers.put(provider.name(), question, &learned, now);
                    looked_up.answered.push(question.clone());
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

    pub fn has_answered(&self, question: &Question) -> bool {
        self.answered.contains(question)
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

/// Asks Cello about the codes of held facts. Once Cello as a whole does not answer, no further one is asked about: each
/// would wait for the same time-out.
pub struct Codes<'a> {
    cello: &'a Client,
    down: Option<String>,
}

impl<'a> Codes<'a> {
    pub fn new(cello: &'a Client) -> Self {
        Self { cello, down: None }
    }

    /// What came of it, and whether Cello was asked at all.
    pub async fn ask(&mut self, ucc: &str) -> (CodeAsked, bool) {
        if let Some(problem) = &self.down {
            return (CodeAsked::Failed(problem.clone()), false);
        }
        let answer = |valid, owner| CodeAsked::Answered(CodeAnswer { ucc: ucc.to_owned(), valid, owner });
        let asked = match self.cello.referral_code(ucc).await {
            Ok(code) => match code.valid {
                Some(valid) => answer(valid, code.product_user_id),
                None => CodeAsked::Failed("its answer does not say whether the code is valid".to_owned()),
            },
            // What cannot be asked about is nobody's code, nor is what Cello refuses to look at for its form.
            Err(CallError::Id(_)) => answer(false, None),
            Err(CallError::Answer { status: 400 | 404 | 422, .. }) if !is_well_formed(ucc) => answer(false, None),
            Err(problem) => {
                let text = problem.to_string();
                if concerns_every_code(&problem) {
                    self.down = Some(text.clone());
                }
                CodeAsked::Failed(text)
            }
        };
        (asked, true)
    }
}

fn concerns_every_code(problem: &CallError) -> bool {
    match problem {
        CallError::Login(_) | CallError::Transport(_) => true,
        CallError::Answer { status, .. } => matches!(status, 401 | 403 | 408 | 429 | 500..),
        CallError::Id(_) | CallError::Unreadable { .. } => false,
    }
}

/// What tells whether a sale and an invoice are one payment.
pub fn link_question(scope: &Scope, invoice: &Invoice) -> Question {
    let (account, id) = (scope.account.clone(), invoice.id.clone());
    if invoice.stated_by.is_sale() {
        Question::Payment { account, id }
    } else {
        Question::InvoicePayments { account, id }
    }
}

/// What is not known of `fact`, which waits for `topic`, and could be asked, in that order: what one answer tells is
/// not asked again.
pub fn questions(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    fact: &Fact,
    topic: &str,
    organization_mode: bool,
) -> Result<Vec<Question>, StoreError> {
    let account = || scope.account.clone();
    let unseen = match &fact.customer {
        Some(customer) => {
            let known = ledger.customer(scope, customer)?;
            (attribute(known.as_ref(), organization_mode) == Attribution::Unseen).then(|| customer.clone())
        }
        None => None,
    };
    let mut questions = Vec::new();
    match &fact.detail {
        Detail::InvoicePaid(invoice) => {
            if lacks_interval(ledger, scope, invoice)? {
                let (subscription, price) = (invoice.subscription.clone(), invoice.plan.price_id.clone());
                questions.extend(subscription.map(|id| Question::Subscription { account: account(), id }));
                // For a subscription that is gone or has moved to another price since: a price stays what it was.
                questions.extend(price.map(|id| Question::Price { account: account(), id }));
            }
            if topic == payment_topic(scope, &invoice.id) || topic == invoice_payments_topic(scope, &invoice.id) {
                questions.push(link_question(scope, invoice));
            }
        }
        Detail::PaymentRefunded(refund) if refund.invoice.is_none() => {
            let payment = refund.payments.first().cloned();
            questions.extend(payment.map(|id| Question::Payment { account: account(), id }));
        }
        _ => {}
    }
    questions.extend(unseen.map(|id| Question::Customer { account: account(), id }));
    Ok(questions)
}

/// Whether neither the invoice nor the directory tells how often it is paid.
fn lacks_interval(ledger: &mut dyn Ledger, scope: &Scope, invoice: &Invoice) -> Result<bool, StoreError> {
    if !matches!(invoice.billing, Billing::Stretch(_)) {
        return Ok(false);
    }
    Ok(matches!(purchase::resolve(ledger, scope, invoice)?, purchase::Answer::Stretch(_)))
}
