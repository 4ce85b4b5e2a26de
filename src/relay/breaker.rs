//! Stops sending while Cello as a whole is down, so that an outage uses up no attempts. Pure: the time comes in.

use std::time::Duration;

use jiff::Timestamp;

/// Failures in a row, of any referral events, after which Cello is taken to be down.
const FAILURES: u32 = 5;

const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Closed: send. Open: wait until a moment, then send one to see.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    pause: Option<Duration>,
    /// When it opened.
    since: Option<Timestamp>,
    /// From when until when nothing is sent.
    open: Option<(Timestamp, Timestamp)>,
}

/// How many may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    All,
    /// One, to see whether Cello is back.
    One,
    NoneUntil(Timestamp),
}

impl Breaker {
    pub fn leave(&self, now: Timestamp) -> Leave {
        match self.open {
            // Before the pause began it can only be for a clock that was set back; waiting for its end could take years.
            Some((from, until)) if from <= now && now < until => Leave::NoneUntil(until),
            Some(_) => Leave::One,
            None => Leave::All,
        }
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// While it is open: since when, and when one is sent to see.
    pub fn pause(&self) -> Option<(Timestamp, Timestamp)> {
        self.since.zip(self.open.map(|(_, until)| until))
    }

    /// Cello answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// Cello did not answer or is not able to; `at_once` where no other referral event can fare better, such as when
    /// the login fails. Cello wants to be left alone for `wait`; when that is longer than the pause, it is the pause.
    pub fn failed(&mut self, now: Timestamp, at_once: bool, wait: Duration) {
        self.failures = self.failures.saturating_add(1);
        if !(at_once || self.is_open() || self.failures >= FAILURES) {
            return;
        }
        // Those that were under way when it opened fail as well; they do not prolong it.
        if matches!(self.leave(now), Leave::NoneUntil(_)) {
            return;
        }
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause + pause).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        self.since.get_or_insert(now);
        self.open = now.checked_add(pause.max(wait)).ok().map(|until| (now, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(at(0), false, ZERO);
        }
        assert_eq!(breaker.leave(at(0)), Leave::All);
        breaker.answered();
        for _ in 0..5 {
            breaker.failed(at(0), false, ZERO);
        }
        assert_eq!(breaker.leave(at(14)), Leave::NoneUntil(at(15)));
    }

    #[test]
    fn one_is_let_through_to_see_and_its_answer_decides() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), true, ZERO);
        assert_eq!(breaker.leave(at(15)), Leave::One);
        breaker.failed(at(15), false, ZERO);
        assert_eq!(breaker.leave(at(15)), Leave::NoneUntil(at(45)));
        assert_eq!(breaker.pause(), Some((at(0), at(45))));
        breaker.answered();
        assert_eq!((breaker.leave(at(15)), breaker.pause()), (Leave::All, None));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_a_pause_and_one_that_is_set_ahead_ends_it() {
        let mut breaker = Breaker::default();
        breaker.failed(at(1_000_000), true, ZERO);
        assert_eq!(breaker.leave(at(5)), Leave::One);
        breaker.failed(at(5), false, ZERO);
        assert_eq!(breaker.leave(at(5)), Leave::NoneUntil(at(35)), "the next pause is by the clock as it is now");
        assert_eq!(breaker.leave(at(1_000_000)), Leave::One);
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut breaker = Breaker::default();
        let mut now = at(0);
        let mut pauses = vec![];
        for _ in 0..7 {
            breaker.failed(now, true, ZERO);
            let Leave::NoneUntil(until) = breaker.leave(now) else { panic!() };
            pauses.push(until.duration_since(now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn a_longer_pause_that_cello_asks_for_is_kept_and_does_not_lengthen_the_next_ones() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), true, Duration::from_secs(600));
        assert_eq!(breaker.leave(at(599)), Leave::NoneUntil(at(600)));
        breaker.failed(at(600), true, ZERO);
        assert_eq!(breaker.leave(at(600)), Leave::NoneUntil(at(630)));
    }
}
