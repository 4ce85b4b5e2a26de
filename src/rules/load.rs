//! Reads a rules file: TOML with expressions in it. Everything that is wrong is reported at once, each with its
//! line and column; a file with any fault is refused as a whole, because half a mapping sends wrong events.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use cel::Env;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expression::{Expression, Purpose};
use super::pairs::{facts_for, has_no_price};
use super::report::{Finding, RulesError, instead};
use super::{Rule, Rules};
use crate::facts::FACT_KINDS;
use crate::referral_event::Trigger;

const SHIPPED: &str = include_str!("default.toml");
const SHIPPED_NAME: &str = "shipped rules";

const KEYS: [&str; 9] = ["name", "on", "when", "trigger", "price", "currency", "interval", "product_key", "seats"];

impl Rules {
    /// The rules compiled into this program.
    ///
    /// # Errors
    /// None in a released program: a test loads them.
    pub fn shipped() -> Result<Self, RulesError> {
        Self::load(SHIPPED, SHIPPED_NAME)
    }

    /// Reads and checks `text`; `source_name` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn load(text: &str, source_name: &str) -> Result<Self, RulesError> {
        let env = Arc::new(Env::stdlib());
        let read = || {
            let mut loader = Loader { file: text, env: &env, findings: vec![], names: HashMap::new() };
            let rules = loader.file();
            (rules, loader.findings)
        };
        let (rules, mut findings) = on_a_large_stack(read).unwrap_or_else(|| {
            let help = "another try may help; else shorten the expressions".to_owned();
            (vec![], vec![Finding::new(text, 0..0, "the rules could not be read", Some(help))])
        });
        if findings.is_empty() {
            let (rules, source_name) = (rules.into(), source_name.into());
            return Ok(Self { rules, text: text.into(), source_name, current_only: false, env });
        }
        findings.sort_by_key(|finding| (finding.line, finding.column));
        Err(RulesError { source_name: source_name.to_owned(), findings })
    }
}

/// The library's parser recurses through a dozen functions for each bracket, which is more than the stack of a
/// worker thread bears. Evaluating needs far less, and [`Expression`] limits its depth.
///
/// `None` where there is no such thread to be had, or it panicked.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 64 * 1024 * 1024;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rules".into()).stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}

struct Loader<'a> {
    file: &'a str,
    env: &'a Arc<Env>,
    findings: Vec<Finding>,
    /// Names of rules and the lines they stand on.
    names: HashMap<String, usize>,
}

/// A text of the file with its place, quotes included.
#[derive(Clone)]
struct Text<'t> {
    value: &'t str,
    span: Range<usize>,
}

impl Loader<'_> {
    fn file(&mut self) -> Vec<Rule> {
        let (root, errors) = DeTable::parse_recoverable(self.file);
        // What follows the first is mostly caused by it.
        if let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
            self.fault(error.span().unwrap_or(0..0), format!("this is not valid TOML: {}", error.message()), None);
            return vec![];
        }
        let mut rules = vec![];
        let mut empty = true;
        for (key, value) in root.get_ref() {
            if key.get_ref() != "rule" {
                let help = "a rules file has only `[[rule]]` tables".to_owned();
                self.fault(key.span(), format!("there is no setting `{}` here", key.get_ref()), Some(help));
                empty = false;
                continue;
            }
            let Some(items) = value.get_ref().as_array() else {
                self.fault(key.span(), "`rule` has to be written `[[rule]]`, with two brackets", None);
                empty = false;
                continue;
            };
            for item in items.iter() {
                empty = false;
                match item.get_ref() {
                    DeValue::Table(table) => rules.extend(self.rule(table, item.span())),
                    _ => self.fault(item.span(), "a rule has to be a table, `[[rule]]`", None),
                }
            }
        }
        if empty {
            self.fault(0..0, "there is no rule here, so nothing would ever be sent", Some("add a `[[rule]]`".into()));
        }
        rules
    }

    /// `None` where there is not enough to make one. Whatever is wrong is noted, and refuses the whole file.
    fn rule(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<Rule> {
        let mut texts = HashMap::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !KEYS.contains(&name) {
                self.fault(key.span(), format!("a rule has no `{name}`"), Some(instead(name, &KEYS)));
            } else if let DeValue::String(text) = value.get_ref() {
                texts.insert(name, Text { value: text, span: value.span() });
            } else {
                self.not_a_text(name, value);
            }
        }
        // As far as the line goes.
        let here = span.start..self.file.len();
        for key in ["name", "on", "trigger"] {
            if !table.keys().any(|known| known.get_ref() == key) {
                self.fault(here.clone(), format!("this rule has no `{key}`"), Some(format!("add `{key} = \"…\"`")));
            }
        }
        let name = texts.get("name").and_then(|name| self.name(name));
        let on = texts.get("on").and_then(|on| self.word(on, "fact", &FACT_KINDS));
        let triggers = Trigger::ALL.map(Trigger::as_str);
        let trigger = texts.get("trigger").and_then(|trigger| self.word(trigger, "trigger", &triggers));
        let trigger = trigger.and_then(Trigger::parse);

        let mut expression = |key, purpose| texts.get(key).and_then(|text| self.expression(text, purpose, on));
        let when = expression("when", Purpose::Condition);
        let needs_price = trigger.is_some_and(Trigger::needs_price);
        let price = expression("price", if needs_price { Purpose::NeededPrice } else { Purpose::Whole });
        let currency = expression("currency", Purpose::Currency);
        let interval = expression("interval", Purpose::Interval);
        let product_key = expression("product_key", Purpose::Text);
        let seats = expression("seats", Purpose::Whole);

        if let (Some(currency), None) = (texts.get("currency"), texts.get("price")) {
            self.fault(currency.span.clone(), "a currency says nothing without a price", Some("add `price`".into()));
        }
        if let Some(trigger) = trigger {
            let at = texts.get("trigger").map_or(here, |text| text.span.clone());
            self.pair(on, trigger, at.clone());
            let price = table.keys().find(|key| key.get_ref() == "price");
            match price {
                None if needs_price => {
                    let help = Some("add `price = \"…\"`".into());
                    self.fault(at, format!("Cello needs a price with {trigger}"), help);
                }
                Some(price) if has_no_price(trigger) => {
                    let message = format!("there is no price with {trigger}");
                    self.fault(price.span(), message, Some("remove this line".into()));
                }
                _ => {}
            }
        }
        Some(Rule { name: name?, on: on?, when, trigger: trigger?, price, currency, interval, product_key, seats })
    }

    /// Refuses a trigger that would tell Cello something that the fact is not.
    fn pair(&mut self, on: Option<&str>, trigger: Trigger, at: Range<usize>) {
        let (facts, because) = facts_for(trigger);
        if let Some(on) = on.filter(|on| !facts.contains(on)) {
            let help = format!("{because}: {trigger} goes with {}", facts.join(" or "));
            self.fault(at, format!("{on} cannot be told as {trigger}"), Some(help));
        }
    }

    fn name(&mut self, name: &Text<'_>) -> Option<String> {
        let well_formed = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !name.value.split('-').all(well_formed) {
            let help = "write it like `purchase` or `purchase-yearly`".to_owned();
            let message = "a rule's name is made of small letters, digits and single hyphens";
            self.fault(name.span.clone(), message, Some(help));
            return None;
        }
        let line = Finding::new(self.file, name.span.clone(), "", None).line;
        if let Some(first) = self.names.get(name.value) {
            let message = format!("the rule on line {first} is called `{}` already", name.value);
            self.fault(name.span.clone(), message, Some("give each rule a name of its own".into()));
            return None;
        }
        self.names.insert(name.value.to_owned(), line);
        Some(name.value.to_owned())
    }

    fn word(&mut self, text: &Text<'_>, what: &str, words: &[&'static str]) -> Option<&'static str> {
        let word = words.iter().find(|word| **word == text.value);
        if word.is_none() {
            let message = format!("there is no {what} `{}`", text.value);
            self.fault(text.span.clone(), message, Some(instead(text.value, words)));
        }
        word.copied()
    }

    fn expression(&mut self, text: &Text<'_>, purpose: Purpose, on: Option<&str>) -> Option<Expression> {
        match Expression::compile(text.value, purpose, on, self.env) {
            Ok(expression) => Some(expression),
            Err(problems) => {
                let places = places(&self.file[text.span.clone()], text.value);
                for problem in problems {
                    let at = match &places {
                        Some(places) => {
                            let of = |at: usize| places.get(at).or(places.last()).copied().unwrap_or_default();
                            let place = |at| text.span.start + of(at);
                            place(problem.at.start)..place(problem.at.end)
                        }
                        None => text.span.clone(),
                    };
                    self.fault(at, problem.message, problem.help);
                }
                None
            }
        }
    }

    fn not_a_text(&mut self, name: &str, value: &Spanned<DeValue<'_>>) {
        let written = &self.file[value.span()];
        let help = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Boolean(_) => Some(format!("write `{name} = \"{written}\"`")),
            _ => None,
        };
        self.fault(value.span(), format!("`{name}` has to be a text in quotes"), help);
    }

    fn fault(&mut self, at: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.findings.push(Finding::new(self.file, at, message, help));
    }
}

/// For each byte of `value`, and its end, where in `written` (the TOML string with its quotes) it comes from.
/// `None` where that cannot be told; the whole string is then the place.
fn places(written: &str, value: &str) -> Option<Vec<usize>> {
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| written.starts_with(quote))?;
    let body = written.len().checked_sub(quote.len()).filter(|end| *end >= quote.len())?;
    let mut at = quote.len();
    if quote.len() == 3 {
        // A line break right after the opening quotes is not part of the text.
        at +=
            written[at..].strip_prefix("\r\n").map(|_| 2).or(written[at..].strip_prefix('\n').map(|_| 1)).unwrap_or(0);
    }
    let mut places = Vec::with_capacity(value.len() + 1);
    for char in value.chars() {
        let rest = written.get(at..body)?;
        let width = match rest.strip_prefix('\\').filter(|_| quote.starts_with('"')) {
            // Line endings may be told differently from how they are written; the lengths then differ in the end.
            None => char.len_utf8(),
            Some(escape) => match escape.chars().next()? {
                'x' => 4,
                'u' => 6,
                'U' => 10,
                '"' | '\\' | 'n' | 't' | 'r' | 'b' | 'f' | 'e' => 2,
                // A backslash before a line break swallows the break.
                _ => return None,
            },
        };
        places.extend(std::iter::repeat_n(at, char.len_utf8()));
        at += width;
    }
    places.push(at);
    (at == body).then_some(places)
}
