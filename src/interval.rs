//! How often a plan is paid: the provider's period, and the word Cello has for it.
//!
//! The word drives the annualised revenue that Cello shows, so a period without an exact word gets none: this
//! file never rounds one period to another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// The words Cello accepts as `context.subscription.interval`.
    Interval {
        OneTime = "one-time",
        Weekly = "weekly",
        BiWeekly = "bi-weekly",
        Monthly = "monthly",
        Quarterly = "quarterly",
        SemiAnnual = "semi-annual",
        Yearly = "yearly",
        Biennial = "biennial",
        Triennial = "triennial",
        /// Never follows from a period: only an operator's setting says that a plan lasts for life.
        Lifetime = "lifetime",
    }
}

impl Interval {
    /// The word for a billed stretch of `days`, for invoices that name no plan.
    ///
    /// The ranges are the lengths that calendar periods can have; a prorated stretch falls between them.
    pub fn of_days(days: i64) -> Option<Self> {
        match days {
            7 => Some(Self::Weekly),
            13..=15 => Some(Self::BiWeekly),
            28..=31 => Some(Self::Monthly),
            89..=92 => Some(Self::Quarterly),
            181..=184 => Some(Self::SemiAnnual),
            364..=366 => Some(Self::Yearly),
            730..=731 => Some(Self::Biennial),
            1095..=1096 => Some(Self::Triennial),
            _ => None,
        }
    }
}

words! {
    Unit {
        Day = "day",
        Week = "week",
        Month = "month",
        Year = "year",
    }
}

/// A billing period as providers state it: every `count` units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    pub unit: Unit,
    pub count: i64,
}

impl Period {
    /// `None` for a unit this program does not know or a count that is not positive.
    pub fn parse(unit: &str, count: i64) -> Option<Self> {
        let unit = Unit::parse(unit)?;
        (count > 0).then_some(Self { unit, count })
    }

    /// About how many days it has.
    pub fn days(self) -> i64 {
        let days = match self.unit {
            Unit::Day => 1,
            Unit::Week => 7,
            Unit::Month => 30,
            Unit::Year => 365,
        };
        self.count.saturating_mul(days)
    }

    /// Whether both are of the same length, however they state it: 12 months are a year.
    pub fn is_as_long_as(self, other: Self) -> bool {
        self == other || (self.word().is_some() && self.word() == other.word())
    }

    /// The exact word for this period, where Cello has one.
    pub fn word(self) -> Option<Interval> {
        match (self.unit, self.count) {
            (Unit::Day, 7) | (Unit::Week, 1) => Some(Interval::Weekly),
            (Unit::Day, 14) | (Unit::Week, 2) => Some(Interval::BiWeekly),
            (Unit::Month, 1) => Some(Interval::Monthly),
            (Unit::Month, 3) => Some(Interval::Quarterly),
            (Unit::Month, 6) => Some(Interval::SemiAnnual),
            (Unit::Month, 12) | (Unit::Year, 1) => Some(Interval::Yearly),
            (Unit::Month, 24) | (Unit::Year, 2) => Some(Interval::Biennial),
            (Unit::Month, 36) | (Unit::Year, 3) => Some(Interval::Triennial),
            _ => None,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.count, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for interval in Interval::ALL {
            assert_eq!(Interval::parse(interval.as_str()), Some(interval));
            assert_eq!(serde_json::to_value(interval).unwrap(), interval.as_str());
        }
    }

    #[test]
    fn every_period_that_has_an_exact_word_gets_it() {
        for (unit, count, word) in [
            ("day", 7, "weekly"),
            ("week", 1, "weekly"),
            ("day", 14, "bi-weekly"),
            ("week", 2, "bi-weekly"),
            ("month", 1, "monthly"),
            ("month", 3, "quarterly"),
            ("month", 6, "semi-annual"),
            ("month", 12, "yearly"),
            ("year", 1, "yearly"),
            ("month", 24, "biennial"),
            ("year", 2, "biennial"),
            ("month", 36, "triennial"),
            ("year", 3, "triennial"),
        ] {
            assert_eq!(Period::parse(unit, count).unwrap().word(), Interval::parse(word), "{count} {unit}");
        }
    }

    #[test]
    fn every_length_a_calendar_period_can_have_gets_its_word() {
        for (days, word) in [
            (7..=7, "weekly"),
            (13..=15, "bi-weekly"),
            (28..=31, "monthly"),
            (89..=92, "quarterly"),
            (181..=184, "semi-annual"),
            (364..=366, "yearly"),
            (730..=731, "biennial"),
            (1095..=1096, "triennial"),
        ] {
            for days in days {
                assert_eq!(Interval::of_days(days), Interval::parse(word), "{days} days");
            }
        }
    }

    #[test]
    fn a_unit_nobody_knows_and_a_count_that_is_not_positive_are_no_period() {
        assert_eq!(Period::parse("decade", 1), None);
        assert_eq!(Period::parse("month", 0), None);
        assert_eq!(Period::parse("month", -1), None);
    }

    #[test]
    fn the_same_length_may_be_stated_in_two_ways() {
        let period = |unit, count| Period::parse(unit, count).unwrap();
        assert!(period("year", 1).is_as_long_as(period("month", 12)));
        assert!(period("day", 5).is_as_long_as(period("day", 5)));
        assert!(!period("month", 1).is_as_long_as(period("month", 3)));
        assert!(!period("month", 2).is_as_long_as(period("month", 5)), "two without a word");
    }

    #[test]
    fn periods_without_an_exact_word_get_none() {
        for (unit, count) in
            [("day", 1), ("day", 30), ("week", 4), ("week", 52), ("month", 2), ("month", 5), ("year", 10)]
        {
            assert_eq!(Period::parse(unit, count).unwrap().word(), None, "{count} {unit}");
        }
    }

    #[test]
    fn a_prorated_stretch_has_no_word() {
        for days in [1, 6, 8, 16, 20, 27, 32, 60, 100, 200, 363, 400] {
            assert_eq!(Interval::of_days(days), None, "{days} days");
        }
    }

    #[test]
    fn a_period_is_written_out_for_people() {
        assert_eq!(Period::parse("month", 1).unwrap().to_string(), "1 month");
        assert_eq!(Period::parse("week", 4).unwrap().to_string(), "4 weeks");
    }
}
