//! What is wrong with the settings: everything at once, each in three parts.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// One thing to put right. Holds names and places, never the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// A file with line, or a variable.
    pub place: String,
    /// What to do.
    pub fix: String,
}

/// The settings cannot be used. Holds at least one problem.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => writeln!(f, "the settings cannot be used:")?,
            number => writeln!(f, "the settings cannot be used, for {number} reasons:")?,
        }
        for Problem { what, place, fix } in &self.problems {
            write!(f, "\n{what}\n  where: {place}\n  fix:   {fix}\n")?;
        }
        Ok(())
    }
}

/// A problem whose place is not known yet.
#[derive(Debug)]
pub(super) struct Wrong {
    pub what: String,
    pub fix: String,
}

impl Wrong {
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }

    pub fn at(self, place: impl fmt::Display) -> Problem {
        Problem { what: self.what, place: place.to_string(), fix: self.fix }
    }
}

/// The candidate that was most likely meant, if any is near.
pub(super) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let score = |candidate: &str| {
        let begins =
            given.len().min(candidate.len()) >= 3 && (candidate.starts_with(&given) || given.starts_with(candidate));
        // The right name without its section, or in the wrong one.
        let ends = candidate.rsplit('.').next() == given.rsplit('.').next() && !given.is_empty();
        let likeness = strsim::normalized_damerau_levenshtein(&given, candidate);
        if begins || ends { likeness.max(0.7) } else { likeness }
    };
    candidates
        .into_iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score >= 0.7)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_nothing_far_off_is_suggested() {
        let names = ["server.bind", "server.workers", "stripe.webhook_secrets", "chargebee.credentials", "rules"];
        for (given, meant) in [
            ("server.bnd", Some("server.bind")),
            ("stripe.webhook_secret", Some("stripe.webhook_secrets")),
            ("webhook_secrets", Some("stripe.webhook_secrets")),
            ("STRIPE.WEBHOOK_SECRETS", Some("stripe.webhook_secrets")),
            ("rule", Some("rules")),
            ("rules_file", Some("rules")),
            ("paddle.api_key", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, names), meant, "{given}");
        }
    }
}
