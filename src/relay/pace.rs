//! How many referral events may be sent now, where the settings limit them. Pure: the time comes in.
//!
//! It counts what was sent within the last second and nothing else. It knows only this process: several relays on one
//! store have a pace each.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// `None`: as fast as it goes.
    per_second: Option<u32>,
    /// When the last ones were sent, oldest first.
    sent: VecDeque<Timestamp>,
}

impl Pace {
    pub fn new(per_second: Option<u32>) -> Self {
        Self { per_second, sent: VecDeque::new() }
    }

    /// How many may be sent.
    pub fn room(&mut self, now: Timestamp) -> usize {
        let Some(per_second) = self.per_second else { return usize::MAX };
        // What lies in the future was sent before the clock was set back: it must not stop everything until then.
        self.sent.retain(|sent| *sent <= now && now.duration_since(*sent) < SECOND);
        (per_second as usize).saturating_sub(self.sent.len())
    }

    pub fn sent(&mut self, count: usize, now: Timestamp) {
        if self.per_second.is_some() {
            self.sent.extend(std::iter::repeat_n(now, count));
        }
    }

    /// How long there is no room, if there is none.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let since = self.sent.front().map_or(SECOND, |first| now.duration_since(*first));
        Duration::try_from(SECOND - since).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millisecond).unwrap()
    }

    #[test]
    fn in_no_second_more_are_sent_than_may_be() {
        let mut pace = Pace::new(Some(3));
        assert_eq!(pace.room(at(0)), 3);
        pace.sent(2, at(0));
        assert_eq!(pace.room(at(400)), 1);
        pace.sent(1, at(400));
        assert_eq!((pace.room(at(999)), pace.wait(at(999))), (0, Duration::from_millis(1)));
        assert_eq!(pace.room(at(1000)), 2);
        pace.sent(2, at(1000));
        assert_eq!((pace.room(at(1399)), pace.room(at(1400))), (0, 1));
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        let mut pace = Pace::new(None);
        pace.sent(1_000_000, at(0));
        assert_eq!(pace.room(at(0)), usize::MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut pace = Pace::new(Some(1));
        pace.sent(1, at(86_400_000));
        assert_eq!(pace.room(at(0)), 1);
    }
}
