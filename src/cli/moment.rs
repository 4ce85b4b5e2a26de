//! A moment as a person writes it on the command line: the same for every `--since` and `--until`.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A day begins at midnight in UTC.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|at| at.timestamp());
    let at = text.parse().ok().or_else(day);
    at.ok_or_else(|| "write a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc_and_a_time_has_its_own_zone() {
        for (text, at) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
            ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00Z"),
        ] {
            assert_eq!(moment(text), Ok(at.parse().unwrap()), "{text}");
        }
        for wrong in ["", "yesterday", "2026-13-01", "1767225600"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
