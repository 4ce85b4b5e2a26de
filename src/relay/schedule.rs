//! When a referral event is tried again. Pure: the number of tries and the chance come in as arguments.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Pauses after the first tries, in seconds.
const PAUSES: [u64; 8] = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR];

/// The pause after every later try, in seconds.
const LAST_PAUSE: u64 = 12 * HOUR;

/// The pause after try number `tries` (from 1) that failed; `None` when the pauses would add up to more than
/// `give_up_after`.
///
/// Only pauses count towards giving up, not the time that passed: while Cello as a whole is down nothing is tried, and
/// that must use up nobody's chances. `chance` from 0 to 1 adds up to a tenth, so that what failed together does not
/// come back together.
pub fn pause_after(tries: u32, give_up_after: Duration, chance: f64) -> Option<Duration> {
    let pause = |number: u32| PAUSES.get(number as usize).copied().unwrap_or(LAST_PAUSE);
    let mut sum = 0_u64;
    for number in 0..tries.max(1) {
        sum = sum.saturating_add(pause(number));
        if sum > give_up_after.as_secs() {
            return None;
        }
    }
    let pause = Duration::from_secs(pause(tries.max(1) - 1));
    Some(pause + pause.mul_f64(chance.clamp(0.0, 1.0) / 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_DAYS: Duration = Duration::from_secs(72 * HOUR);

    #[test]
    fn pauses_grow_to_twelve_hours_and_end_within_three_days() {
        let pauses: Vec<u64> =
            (1..).map_while(|tries| pause_after(tries, THREE_DAYS, 0.0)).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses[..8], PAUSES);
        assert!(pauses[8..].iter().all(|pause| *pause == LAST_PAUSE));
        let sum: u64 = pauses.iter().sum();
        assert!(sum <= THREE_DAYS.as_secs() && sum + LAST_PAUSE > THREE_DAYS.as_secs());
    }

    #[test]
    fn chance_adds_at_most_a_tenth() {
        assert_eq!(pause_after(4, THREE_DAYS, 1.0), Some(Duration::from_secs(660)));
        assert_eq!(pause_after(4, THREE_DAYS, 7.0), Some(Duration::from_secs(660)));
    }

    #[test]
    fn without_time_there_is_one_try() {
        assert_eq!(pause_after(1, Duration::ZERO, 0.0), None);
    }
}
