//! Whose turn it is among the referral events that are due. Pure: the time comes in.
//!
//! As a rule what has been due longest. But where that is a backlog, such as after an outage, every other turn is that of
//! what became due last: news must not wait behind thousands of old events, and these must not starve. The order within
//! a user is the store's and stays as it is.

use jiff::{SignedDuration, Timestamp};

use crate::store::Wanted;

/// Later than this, what is sent is a backlog.
const BEHIND: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, Clone, Default)]
pub struct Turns {
    is_behind: bool,
    /// Whether the odd one of the next turn is that of the newest.
    newest_is_next: bool,
}

impl Turns {
    /// What to claim, of `limit` all in all. `alone`: nothing else is under way.
    pub fn next(&mut self, limit: usize, alone: bool) -> Wanted {
        if !self.is_behind {
            return Wanted { longest_due: limit, newest_due: 0, alone };
        }
        let newest_due = (limit + usize::from(self.newest_is_next)) / 2;
        if limit % 2 == 1 {
            self.newest_is_next = !self.newest_is_next;
        }
        Wanted { longest_due: limit - newest_due, newest_due, alone }
    }

    /// What was claimed of `wanted`: since when the first of it was due.
    pub fn claimed(&mut self, wanted: Wanted, first_due: Option<Timestamp>, now: Timestamp) {
        if wanted.longest_due == 0 {
            return;
        }
        let is_behind = first_due.is_some_and(|due| now.duration_since(due) > BEHIND);
        if is_behind && !self.is_behind {
            self.newest_is_next = true;
        }
        self.is_behind = is_behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Of each turn: how many of the longest and of the newest due, while the longest due is `late` seconds late.
    fn turns(turns: &mut Turns, limit: usize, late: i64) -> Vec<(usize, usize)> {
        let turn = |_| {
            let wanted = turns.next(limit, true);
            turns.claimed(wanted, Some(at(0)), at(late));
            (wanted.longest_due, wanted.newest_due)
        };
        (0..4).map(turn).collect()
    }

    #[test]
    fn what_keeps_up_is_sent_longest_due_first() {
        assert_eq!(turns(&mut Turns::default(), 3, 60), [(3, 0); 4]);
    }

    #[test]
    fn while_a_backlog_drains_one_half_is_of_the_newest() {
        assert_eq!(turns(&mut Turns::default(), 4, 61), [(4, 0), (2, 2), (2, 2), (2, 2)]);
        assert_eq!(turns(&mut Turns::default(), 1, 61), [(1, 0), (0, 1), (1, 0), (0, 1)]);
        assert_eq!(turns(&mut Turns::default(), 3, 61), [(3, 0), (1, 2), (2, 1), (1, 2)]);
    }

    #[test]
    fn when_the_backlog_is_gone_it_is_longest_due_first_again() {
        let mut after = Turns::default();
        turns(&mut after, 2, 61);
        assert_eq!(turns(&mut after, 2, 5), [(1, 1), (2, 0), (2, 0), (2, 0)]);
        turns(&mut after, 2, 61);
        let wanted = after.next(2, true);
        after.claimed(wanted, None, at(100));
        assert_eq!(after.next(2, true).newest_due, 0, "nothing was due");
    }
}
