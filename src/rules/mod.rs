//! Rules: which fact becomes which trigger, with which price.
//!
//! `default.toml` is the shipped mapping; an operator's own file has the same form; `examples/` has two, and cases for all
//! three. Loading reports everything that is wrong with a file, with line and column; deciding is pure and never panics.
//! Nothing here does I/O or knows a provider.

mod ast;
mod check;
mod decide;
mod expression;
mod fit;
mod input;
mod load;
mod names;
mod pairs;
mod report;
#[cfg(test)]
mod samples;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use cel::Env;

pub use decide::{Matched, Ruled, Ruling};
pub use input::{CustomerView, Input};
pub use report::{Finding, RulesError, nearest};
pub use schema::{Field, Kind, fields, fields_markdown};

use crate::referral_event::Trigger;
use expression::Expression;

/// The rules in force, compiled. Compiling takes milliseconds and cloning nothing.
#[derive(Clone)]
pub struct Rules {
    rules: Arc<[Rule]>,
    text: Arc<str>,
    source_name: Arc<str>,
    current_only: bool,
    env: Arc<Env>,
}

struct Rule {
    name: String,
    /// One of [`crate::facts::FACT_KINDS`].
    on: &'static str,
    when: Option<Expression>,
    trigger: Trigger,
    price: Option<Expression>,
    currency: Option<Expression>,
    interval: Option<Expression>,
    product_key: Option<Expression>,
    seats: Option<Expression>,
}

/// One rule in short, for tables.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row<'a> {
    pub name: &'a str,
    pub on: &'static str,
    pub when: Option<&'a str>,
    pub trigger: Trigger,
    pub price: Option<&'a str>,
    /// False where `triggers = "current"` turns the rule off.
    pub is_on: bool,
}

impl Rules {
    /// Turns off every rule whose trigger Cello's newest schema does not list.
    #[must_use]
    pub fn limited_to_current(self) -> Self {
        Self { current_only: true, ..self }
    }

    /// Whether any rule looks at the provider's raw object, so that it has to be parsed.
    pub fn use_raw(&self) -> bool {
        self.rules.iter().flat_map(|rule| rule.expressions()).any(|expression| expression.uses("raw"))
    }

    /// The text the rules were loaded from.
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The name of that text: a path, or what [`Rules::shipped`] calls itself.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// Every rule in order.
    pub fn summary(&self) -> Vec<Row<'_>> {
        let rows = self.rules.iter().map(|rule| Row {
            name: &rule.name,
            on: rule.on,
            when: rule.when.as_ref().map(|when| when.text.as_str()),
            trigger: rule.trigger,
            price: rule.price.as_ref().map(|price| price.text.as_str()),
            is_on: self.is_on(rule),
        });
        rows.collect()
    }

    fn is_on(&self, rule: &Rule) -> bool {
        !self.current_only || rule.trigger.is_current()
    }
}

impl Rule {
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        [&self.when, &self.price, &self.currency, &self.interval, &self.product_key, &self.seats].into_iter().flatten()
    }
}
