//! Answers of a provider's API, remembered for a little while, so that many facts about one thing make one call.
//!
//! What an answer teaches goes into the directory, and whoever finds it there asks nothing. This memory is for what
//! leaves no trace there, above all "there is no such object". It is small, short-lived and gone with the process; a
//! failure is never remembered, because it is no answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::facts::Learned;
use crate::providers::Question;

/// Answers kept at the most.
const LIMIT: usize = 1000;

const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);

/// A code may be added to a customer at any moment.
const CUSTOMER_WITHOUT_CODE_KEPT_FOR: SignedDuration = SignedDuration::from_secs(30);

/// What a provider's API has answered lately.
#[derive(Default)]
pub struct Answers(Mutex<HashMap<Key, Answer>>);

/// The provider's name and what it was asked.
type Key = (&'static str, Question);

struct Answer {
    until: Timestamp,
    learned: Vec<Learned>,
}

impl Answers {
    /// The answer to `question`, where one was given shortly before `now`.
    pub fn get(&self, provider: &'static str, question: &Question, now: Timestamp) -> Option<Vec<Learned>> {
        let answers = self.lock();
        let answer = answers.get(&(provider, question.clone())).filter(|answer| now < answer.until)?;
        Some(answer.learned.clone())
    }

    /// Remembers what was answered at `now`.
    pub fn put(&self, provider: &'static str, question: &Question, learned: &[Learned], now: Timestamp) {
        let mut answers = self.lock();
        if answers.len() >= LIMIT {
            answers.retain(|_, answer| now < answer.until);
        }
        if answers.len() >= LIMIT {
            answers.clear();
        }
        let until = now.saturating_add(kept_for(learned)).unwrap_or(Timestamp::MAX);
        answers.insert((provider, question.clone()), Answer { until, learned: learned.to_vec() });
    }

    /// What a panicking task left behind is whole: every change is a single call.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept_for(learned: &[Learned]) -> SignedDuration {
    let without_code =
        |learned: &Learned| matches!(learned, Learned::Customer(customer) if customer.referral.ucc.is_none());
    if learned.iter().any(without_code) { CUSTOMER_WITHOUT_CODE_KEPT_FOR } else { KEPT_FOR }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Customer, Plan, ReferralData};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn question(id: usize) -> Question {
        Question::Price { account: String::new(), id: format!("price_{id}") }
    }

    #[test]
    fn an_answer_is_remembered_for_five_minutes_even_when_it_is_that_there_is_nothing() {
        let answers = Answers::default();
        answers.put("stripe", &question(1), &[], at(0));
        answers.put("stripe", &question(2), &[Learned::Price(Plan::default())], at(0));
        assert_eq!(answers.get("stripe", &question(1), at(299)), Some(vec![]));
        assert_eq!(answers.get("stripe", &question(2), at(299)), Some(vec![Learned::Price(Plan::default())]));
        assert_eq!(answers.get("stripe", &question(1), at(300)), None);
        assert_eq!(answers.get("stripe", &question(3), at(0)), None);
        assert_eq!(answers.get("paddle", &question(1), at(0)), None, "of another provider");
        let of_account = Question::Price { account: "acct_1".to_owned(), id: "price_1".to_owned() };
        assert_eq!(answers.get("stripe", &of_account, at(0)), None, "of another account");
    }

    #[test]
    fn a_customer_without_a_code_is_remembered_for_half_a_minute() {
        let customer = |ucc: Option<&str>| {
            Learned::Customer(Customer {
                id: "cus_1".to_owned(),
                referral: ReferralData { ucc: ucc.map(str::to_owned), ..ReferralData::default() },
                email: None,
                name: None,
                country: None,
                metadata: Default::default(),
                created_at: None,
                version: 1,
                completed_at: None,
                replaced: None,
            })
        };
        let answers = Answers::default();
        answers.put("stripe", &question(1), &[customer(None)], at(0));
        answers.put("stripe", &question(2), &[customer(Some("AAAAAAAAAAA"))], at(0));
        assert!(answers.get("stripe", &question(1), at(29)).is_some());
        assert_eq!(answers.get("stripe", &question(1), at(30)), None);
        assert!(answers.get("stripe", &question(2), at(299)).is_some());
    }

    #[test]
    fn there_are_never_more_than_a_thousand() {
        let answers = Answers::default();
        (0..LIMIT).for_each(|id| answers.put("stripe", &question(id), &[], at(id as i64)));
        // By now the first 700 are out of date.
        answers.put("stripe", &question(LIMIT), &[], at(999));
        assert_eq!(answers.lock().len(), 301);
        (0..LIMIT).for_each(|id| answers.put("stripe", &question(id), &[], at(999)));
        assert!(answers.lock().len() <= LIMIT);
        assert_eq!(answers.get("stripe", &question(LIMIT - 1), at(999)), Some(vec![]));
    }
}
