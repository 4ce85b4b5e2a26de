//! Whether a referral code counts, where `cello.check_codes` says that Cello is to be asked before it is told anything.
//!
//! Asks nobody: a fact without a recent answer is held, and the loop that looks after held facts asks. Off by default,
//! because Cello judges every code by itself; the check is for those who want to see, or to keep back, what Cello would
//! not reward. It must never keep back what takes back something Cello was told: a refund goes where its purchase went.

use jiff::{SignedDuration, Timestamp};

use super::judged::Judged;
use super::look_up::CodeAsked;
use super::verdict::Judge;
use super::waiting::LookUp;
use crate::attribution::{LATE_CODE_LIMIT, Referral, customer_topic};
use crate::config::CheckCodes;
use crate::decision::{Reason, Verdict, Warning, WarningCode};
use crate::facts::{CodeAnswer, Detail, Fact};
use crate::store::{HeldFact, Ledger, SaidOfCodes, StoreError};

/// How long an answer is relied on: Cello advises against keeping them.
pub const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// What facts wait for that need an answer about a code, signups apart: they go on first, though they may have happened
/// later than what a late code brings along.
const ASKED: [&str; 2] = ["signup-code:", "code:"];

/// What facts wait for that were withheld for their code, likewise.
const WITHHELD: [&str; 2] = ["valid-signup-code:", "valid-code:"];

fn topic(prefixes: [&str; 2], fact: &Fact, ucc: &str) -> String {
    format!("{}{ucc}", prefixes[usize::from(!fact.is_signup())])
}

/// The code whose answer is waited for, where a topic is such a one.
pub fn code_of_topic(topic: &str) -> Option<&str> {
    ASKED.iter().find_map(|prefix| topic.strip_prefix(prefix))
}

/// The topics that become known with an answer, in the order in which what waits for them goes on.
pub fn topics_of_answer(answer: &CodeAnswer) -> Vec<String> {
    let pairs = WITHHELD.into_iter().zip(ASKED);
    pairs
        .flat_map(|(withheld, asked)| answer.valid.then_some(withheld).into_iter().chain([asked]))
        .map(|prefix| format!("{prefix}{}", answer.ucc))
        .collect()
}

/// What was withheld for this code.
pub fn withheld_topics(ucc: &str) -> [String; 2] {
    WITHHELD.map(|prefix| format!("{prefix}{ucc}"))
}

/// The code that Cello is to be asked about for the sake of a held fact.
pub fn code_to_ask(ledger: &mut dyn Ledger, held: &HeldFact, now: Timestamp) -> Result<Option<String>, StoreError> {
    let Some(ucc) = code_of_topic(&held.topic) else { return Ok(None) };
    Ok(fresh_answer(ledger, ucc, now)?.is_none().then(|| ucc.to_owned()))
}

/// Whether a code that turned out to be valid comes too late for a fact that was withheld.
pub fn came_too_late(withheld: &HeldFact, now: Timestamp) -> bool {
    let is_withheld = withheld.deadline.is_none() && WITHHELD.iter().any(|prefix| withheld.topic.starts_with(prefix));
    is_withheld && now.duration_since(withheld.at) > LATE_CODE_LIMIT
}

fn fresh_answer(ledger: &mut dyn Ledger, ucc: &str, now: Timestamp) -> Result<Option<CodeAnswer>, StoreError> {
    let known = ledger.code(ucc)?;
    Ok(known.filter(|known| now.duration_since(known.asked_at).abs() < FRESH).map(|known| known.answer))
}

/// What the check of a code comes to.
pub enum Checked {
    /// The fact may be told; with what is odd about the code.
    Passed(Option<Warning>),
    Stopped(Box<Judged>),
}

impl Judge<'_> {
    /// Whether `fact` may be told with the code `ucc`, and what is odd about that; else what becomes of it.
    pub fn check_code(
        &self,
        ledger: &mut dyn Ledger,
        fact: &Fact,
        referral: &Referral,
        ucc: &str,
        key: &str,
    ) -> Result<Checked, StoreError> {
        let check = self.policy.check_codes;
        if check == CheckCodes::Off || matches!(fact.detail, Detail::PaymentRefunded(_)) {
            return Ok(Checked::Passed(None));
        }
        let answer = match &self.policy.asks_nobody {
            Some(said) => match said_before(said, referral, ucc, key) {
                Some(answer) => answer,
                None => return Ok(unchecked(format!("Cello was not asked about `{ucc}`: nobody is asked here"))),
            },
            None => match fresh_answer(ledger, ucc, self.now)? {
                Some(answer) => answer,
                None => return Ok(self.without_answer(fact, ucc, key)),
            },
        };
        if self.ends_what_was_reported(ledger, fact)? {
            return Ok(Checked::Passed(None));
        }
        if is_self_referral(&answer, referral) {
            let message = format!("`{ucc}` is the code of `{}`, who would be referred by it", referral.subject());
            // Another code may turn out to be the customer's first one; a signup is then announced anew.
            let again = fact.customer.as_deref().filter(|_| !fact.is_signup());
            let again = again.map(|customer| customer_topic(&self.webhook.scope, customer));
            return Ok(stopped(Reason::SelfReferral, message, key, again));
        }
        let (reason, warning, message) = match (answer.valid, answer.owner) {
            (true, _) => return Ok(Checked::Passed(None)),
            (false, None) => {
                let message = format!("Cello does not know the code `{ucc}`");
                (Reason::CodeUnknown, WarningCode::CodeUnknown, message)
            }
            (false, Some(_)) => {
                let message = format!("the owner of the code `{ucc}` is blocked at Cello");
                (Reason::CodeBlocked, WarningCode::CodeBlocked, message)
            }
        };
        Ok(match check {
            CheckCodes::Withhold => stopped(reason, message, key, Some(topic(WITHHELD, fact, ucc))),
            CheckCodes::Warn | CheckCodes::Off => Checked::Passed(Some(Warning::new(warning, message))),
        })
    }

    /// Held until Cello has answered; at the deadline told all the same, since Cello judges the code by itself.
    fn without_answer(&self, fact: &Fact, ucc: &str, key: &str) -> Checked {
        let (reason, message, look_up) = match &self.looked_up.code {
            CodeAsked::Failed(problem) if self.is_past(Reason::LookupFailed) => {
                return unchecked(format!("Cello was asked about `{ucc}` for 30 days: {problem}"));
            }
            CodeAsked::Failed(problem) => {
                let message = format!("Cello was asked about the code `{ucc}`: {problem}");
                (Reason::LookupFailed, message, LookUp::Later)
            }
            CodeAsked::NotYet | CodeAsked::Answered(_) => {
                (Reason::LookingUp, format!("Cello is being asked about the code `{ucc}`"), LookUp::Now)
            }
        };
        let topic = topic(ASKED, fact, ucc);
        Checked::Stopped(Box::new(self.hold(reason, message, topic, Some(key.to_owned()), Some(look_up))))
    }

    /// Whether it is the end of a subscription that Cello was told of. It waits for the answer like everything else, so
    /// that it does not overtake what waits, and is told whatever the answer is.
    fn ends_what_was_reported(&self, ledger: &mut dyn Ledger, fact: &Fact) -> Result<bool, StoreError> {
        let Detail::SubscriptionEnded(subscription) = &fact.detail else { return Ok(false) };
        let known = ledger.subscription(&self.webhook.scope, &subscription.id)?;
        Ok(known.is_some_and(|known| known.reported.is_some()))
    }
}

/// What is wrong with a code, as a decision or a warning says.
pub const FAULTS: [Reason; 3] = [Reason::CodeUnknown, Reason::CodeBlocked, Reason::SelfReferral];

/// Cello's answer as it is known from before: what became of this very fact tells it, else the answer that is kept.
fn said_before(said: &SaidOfCodes, referral: &Referral, ucc: &str, key: &str) -> Option<CodeAnswer> {
    let owner = match said.faults.get(key) {
        Some(Reason::SelfReferral) => Some(referral.subject().to_owned()),
        // Somebody whom nobody remembers.
        Some(Reason::CodeBlocked) => Some(String::new()),
        Some(_) => None,
        None => return said.answers.get(ucc).cloned(),
    };
    Some(CodeAnswer { ucc: ucc.to_owned(), valid: false, owner })
}

fn is_self_referral(answer: &CodeAnswer, referral: &Referral) -> bool {
    let Some(owner) = &answer.owner else { return false };
    *owner == referral.user_id || referral.organization_id.as_ref() == Some(owner)
}

fn unchecked(message: String) -> Checked {
    Checked::Passed(Some(Warning::new(WarningCode::CodeUnchecked, message)))
}

fn stopped(reason: Reason, message: String, key: &str, again: Option<String>) -> Checked {
    let judged = Judged::new(Verdict::Ignore { reason, message }, Some(key.to_owned()));
    Checked::Stopped(Box::new(Judged { again, ..judged }))
}
