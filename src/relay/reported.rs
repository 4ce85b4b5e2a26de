//! What Cello was told of one subscription: its commercial states, each with the version at which it was true.
//!
//! Webhooks come in any order, so "as last reported" means the state reported for the time just before, not the one
//! that happened to be sent last.

/// States kept: enough for any change that can still arrive late.
const KEPT: usize = 16;

/// Oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReportedStates(Vec<(i64, String)>);

impl ReportedStates {
    /// Reads what [`ReportedStates::to_text`] wrote: a line for each state, version and state divided by a blank.
    pub fn parse(text: Option<&str>) -> Self {
        let lines = text.unwrap_or_default().lines();
        Self(
            lines
                .filter_map(|line| {
                    let (version, state) = line.split_once(' ')?;
                    Some((version.parse().ok()?, state.to_owned()))
                })
                .collect(),
        )
    }

    pub fn to_text(&self) -> String {
        self.0.iter().map(|(version, state)| format!("{version} {state}")).collect::<Vec<_>>().join("\n")
    }

    /// Of states of one version, the one added last counts as the later.
    pub fn add(&mut self, version: i64, state: &str) {
        let place = self.0.partition_point(|(other, _)| *other <= version);
        self.0.insert(place, (version, state.to_owned()));
        let too_many = self.0.len().saturating_sub(KEPT);
        self.0.drain(..too_many);
    }

    /// Takes out a state that was added.
    pub fn remove(&mut self, version: i64, state: &str) {
        if let Some(place) = self.0.iter().rposition(|(other, of)| *other == version && of == state) {
            self.0.remove(place);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The state that was reported for `version` or the time before.
    pub fn at(&self, version: i64) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| *other <= version).map(|(_, state)| state.as_str())
    }

    /// The first state that was reported for a time after `version`.
    pub fn after(&self, version: i64) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other > version).map(|(_, state)| state.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_found_by_their_time_whatever_the_order_in_which_they_were_reported() {
        let mut reported = ReportedStates::default();
        for (version, state) in [(30, "c|price 1"), (10, "a"), (20, "b")] {
            reported.add(version, state);
        }
        assert_eq!(ReportedStates::parse(Some(&reported.to_text())), reported);
        assert_eq!((reported.at(9), reported.after(9)), (None, Some("a")));
        assert_eq!((reported.at(20), reported.after(20)), (Some("b"), Some("c|price 1")));
        assert_eq!((reported.at(99), reported.after(30)), (Some("c|price 1"), None));
    }

    #[test]
    fn the_oldest_states_are_forgotten() {
        let mut reported = ReportedStates::default();
        (0..100).for_each(|version| reported.add(version, "state"));
        assert_eq!((reported.at(83), reported.at(84)), (None, Some("state")));
    }

    #[test]
    fn a_state_can_be_taken_out_again() {
        let mut reported = ReportedStates::default();
        for (version, state) in [(10, "a"), (20, "b"), (20, "c")] {
            reported.add(version, state);
        }
        reported.remove(20, "b");
        reported.remove(20, "never");
        assert_eq!(reported.to_text(), "10 a\n20 c");
    }

    #[test]
    fn nothing_reported_is_no_text() {
        assert_eq!(ReportedStates::parse(None), ReportedStates::default());
        assert_eq!(ReportedStates::parse(Some("")), ReportedStates::default());
    }
}
