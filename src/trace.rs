//! How a decision came about: what was recognised, where each value came from, which rules were tried.
//!
//! Kept with every decision and printed by `map` and `events show`, for people who answer customers and know neither
//! this program nor its rules. Never holds an e-mail address or a name: it outlives what may be kept of a person.

use serde::{Deserialize, Serialize};

use crate::words::words;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trace {
    /// What the webhook was taken for, in one sentence.
    pub recognised: String,
    /// Of a paid invoice: the money collected, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<i64>,
    /// The values the decision rests on, in the order in which people ask for them.
    #[serde(default)]
    pub values: Vec<Origin>,
    /// The rules for this fact that were tried, in order, down to the one that decided.
    #[serde(default)]
    pub rules: Vec<Tried>,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Such as `price` or `interval`.
    pub name: String,
    /// As text; `None` where there is none to tell.
    pub value: Option<String>,
    #[serde(flatten)]
    pub told: Told,
}

/// Where something is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub source: Source,
    /// Which part of it, in words.
    pub by: String,
}

words! {
    /// Everything a value can come from.
    Source {
        Webhook = "webhook",
        /// What earlier webhooks and look-ups have told.
        Directory = "directory",
        /// The provider's API, or Cello's, asked because of this very fact.
        LookUp = "look-up",
        Setting = "setting",
        Rule = "rule",
    }
}

/// One rule and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub rule: String,
    /// Whether it matched, and if not, why.
    pub result: String,
}

impl Trace {
    pub fn of(recognised: impl Into<String>) -> Self {
        Self { recognised: recognised.into(), ..Self::default() }
    }
}

impl Told {
    pub fn webhook(by: impl Into<String>) -> Self {
        Self { source: Source::Webhook, by: by.into() }
    }

    pub fn directory(by: impl Into<String>) -> Self {
        Self { source: Source::Directory, by: by.into() }
    }

    pub fn look_up(by: impl Into<String>) -> Self {
        Self { source: Source::LookUp, by: by.into() }
    }

    pub fn setting(by: impl Into<String>) -> Self {
        Self { source: Source::Setting, by: by.into() }
    }

    pub fn rule(by: impl Into<String>) -> Self {
        Self { source: Source::Rule, by: by.into() }
    }

    /// This as the origin of the value `name`.
    pub fn of(self, name: &str, value: Option<String>) -> Origin {
        Origin { name: name.to_owned(), value, told: self }
    }
}
