//! Decides one fact by the rules: pure, and always with a reason.
//!
//! A rule that fails never falls through to the next one: it was meant to decide, and guessing what it would have
//! said could send a wrong price.

use cel::Value;

use super::expression::Expression;
use super::input::{Input, Variables};
use super::types::Type;
use super::{Rule, Rules};
use crate::interval::Interval;
use crate::money::Currency;
use crate::referral_event::Trigger;
use crate::trace::Tried;

/// What the rules say to one fact, and how they came to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled<'r> {
    pub ruling: Ruling<'r>,
    /// The rules for this fact, in order, down to the one that decided.
    pub tried: Vec<Tried>,
}

/// What follows for one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling<'r> {
    Matched(Matched<'r>),
    /// No rule is for this fact, or the condition of each is false; the message says which.
    NoneMatched {
        message: String,
    },
    /// The first rule that matched is turned off, and none after it matched.
    TriggerOff {
        rule: &'r str,
        trigger: Trigger,
    },
    /// An expression failed on this fact.
    Failed {
        rule: &'r str,
        message: String,
    },
}

/// What the deciding rule says. Of the last three, `None` means that the rule does not say, `Some(None)` that it
/// leaves the value out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<'r> {
    pub rule: &'r str,
    pub trigger: Trigger,
    /// Minor units, never negative. `None` where the rule names no price or the price is null.
    pub price: Option<i64>,
    /// The expression the price was told by.
    pub price_by: Option<&'r str>,
    /// That of the fact unless the rule says otherwise; `None` wherever there is no price.
    pub currency: Option<Currency>,
    pub interval: Option<Option<Interval>>,
    pub product_key: Option<Option<String>>,
    pub seats: Option<Option<i64>>,
}

impl Rules {
    /// The first rule that matches decides.
    pub fn decide(&self, input: &Input<'_>) -> Ruled<'_> {
        let mut tried = vec![];
        let ruling = self.ruling(input, &mut tried);
        Ruled { ruling, tried }
    }

    fn ruling(&self, input: &Input<'_>, tried: &mut Vec<Tried>) -> Ruling<'_> {
        let kind = input.detail.kind();
        let rules: Vec<_> = self.rules.iter().filter(|rule| rule.on == kind).collect();
        if rules.is_empty() {
            return Ruling::NoneMatched { message: format!("no rule is for {kind}") };
        }
        let wanted =
            |path: &str| rules.iter().flat_map(|rule| rule.expressions()).any(|expression| expression.uses(path));
        let variables = Variables::of(input, wanted, &self.env);
        let mut off = None;
        let mut note = |rule: &Rule, result: String| tried.push(Tried { rule: rule.name.clone(), result });
        let mut missed = vec![];
        for rule in rules {
            let matches = rule.matches(&variables);
            if !self.is_on(rule) {
                // Neither sends nor fails: what is turned off must not hold a fact up.
                if matches != Ok(false) {
                    off.get_or_insert(Ruling::TriggerOff { rule: &rule.name, trigger: rule.trigger });
                }
                note(rule, format!("is turned off: `triggers = \"current\"` leaves out {}", rule.trigger));
                continue;
            }
            match matches.and_then(|matches| matches.then(|| rule.matched(input, &variables)).transpose()) {
                Ok(Some(matched)) => {
                    note(rule, rule.condition("matches", &variables));
                    return Ruling::Matched(matched);
                }
                Ok(None) => {
                    let when = rule.when.as_ref().map_or("true", |when| &when.text);
                    missed.push(format!("{}: `{when}` is false", rule.name));
                    note(rule, rule.condition("does not match", &variables));
                }
                Err(message) => {
                    note(rule, format!("failed: {message}"));
                    return Ruling::Failed { rule: &rule.name, message };
                }
            }
        }
        off.unwrap_or_else(|| Ruling::NoneMatched { message: missed.join("; ") })
    }
}

impl Rule {
    fn matches(&self, variables: &Variables) -> Result<bool, String> {
        let Some(when) = &self.when else { return Ok(true) };
        match when.value(variables).map_err(|message| format!("when: {message}"))? {
            Value::Bool(answer) => Ok(answer),
            other => Err(format!("when: `{}` is neither true nor false but {}", when.text, Type::of(&other))),
        }
    }

    /// What became of the condition, with what it looked at.
    fn condition(&self, result: &str, variables: &Variables) -> String {
        let Some(when) = &self.when else { return format!("{result}: it has no condition") };
        let names = when.names(variables);
        let names = if names.is_empty() { names } else { format!(", where {names}") };
        format!("{result}: `{}`{names}", when.text)
    }

    fn matched(&self, input: &Input<'_>, variables: &Variables) -> Result<Matched<'_>, String> {
        let price = whole("price", self.price.as_ref(), variables)?.flatten();
        if let (None, Some(expression)) = (price, self.price.as_ref().filter(|_| self.trigger.needs_price())) {
            let because = expression.unknown(variables);
            return Err(format!(
                "price: `{}` is null, and Cello needs a price with {}{because}",
                expression.text, self.trigger
            ));
        }
        let currency = match text("currency", self.currency.as_ref(), variables)? {
            _ if price.is_none() => None,
            None => input.detail.currency().cloned(),
            Some(None) => None,
            Some(Some(code)) => {
                Some(Currency::parse(&code).ok_or("currency: the result is not three letters".to_owned())?)
            }
        };
        let interval = match text("interval", self.interval.as_ref(), variables)? {
            Some(Some(word)) => {
                Some(Some(Interval::parse(&word).ok_or("interval: the result is no word Cello knows".to_owned())?))
            }
            Some(None) => Some(None),
            None => None,
        };
        Ok(Matched {
            rule: &self.name,
            trigger: self.trigger,
            price,
            price_by: self.price.as_ref().map(|price| price.text.as_str()),
            currency,
            interval,
            product_key: text("product_key", self.product_key.as_ref(), variables)?,
            seats: whole("seats", self.seats.as_ref(), variables)?,
        })
    }
}

fn whole(field: &str, expression: Option<&Expression>, variables: &Variables) -> Result<Option<Option<i64>>, String> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.value(variables).map_err(|message| format!("{field}: {message}"))? {
        Value::Null => Ok(Some(None)),
        Value::Int(number) if number >= 0 => Ok(Some(Some(number))),
        Value::Int(_) => Err(format!("{field}: `{}` is negative", expression.text)),
        other => Err(format!("{field}: `{}` is no whole number but {}", expression.text, Type::of(&other))),
    }
}

/// Trimmed; blank counts as left out.
fn text(field: &str, expression: Option<&Expression>, variables: &Variables) -> Result<Option<Option<String>>, String> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.value(variables).map_err(|message| format!("{field}: {message}"))? {
        Value::Null => Ok(Some(None)),
        Value::String(text) => Ok(Some(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))),
        other => Err(format!("{field}: `{}` is no text but {}", expression.text, Type::of(&other))),
    }
}

#[cfg(test)]
mod tests;
