//! Says in the log that a rule fails, since whatever it fails on is held until a person has mended it.
//!
//! Once an hour for each rule, however many webhooks it fails on: the metric tells how many. Names the rule and one
//! webhook, never what was in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::decide::FailedRule;

const SILENCE: SignedDuration = SignedDuration::from_hours(1);

/// When each rule was last spoken of.
#[derive(Default)]
pub struct Failing(Mutex<HashMap<String, Timestamp>>);

impl Failing {
    pub fn warn(&self, failed: &[FailedRule], now: Timestamp) {
        for FailedRule { rule, provider, event_id } in failed.iter().filter(|failed| self.is_news(&failed.rule, now)) {
            tracing::warn!(
                rule,
                provider,
                event_id,
                "a rule failed, and what it fails on is held: `cello-relay events show` tells why for this event_id; \
                 mend the rules and start again"
            );
        }
    }

    fn is_news(&self, rule: &str, now: Timestamp) -> bool {
        let mut spoken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spoken.get(rule).is_some_and(|last| now.duration_since(*last) < SILENCE) {
            return false;
        }
        spoken.insert(rule.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_goes_on_failing_is_named_once_an_hour_and_each_other_one_as_well() {
        let (failing, start) = (Failing::default(), Timestamp::UNIX_EPOCH);
        let news = |rule, minutes| failing.is_news(rule, start + SignedDuration::from_mins(minutes));
        assert!(news("share", 0) && news("refund", 1));
        assert!(!news("share", 2) && !news("share", 59) && !news("refund", 60));
        assert!(news("share", 60) && news("refund", 61));
    }
}
