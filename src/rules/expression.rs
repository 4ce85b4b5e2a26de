//! One CEL expression of a rule: compiled once, evaluated for each fact.
//!
//! Whatever stands in a rules file or a webhook, evaluating ends with a value or a message: a panic of the CEL
//! library is caught, and length, depth and loops have limits. Messages name types and names but never values,
//! because a value may be somebody's e-mail address.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::{Expr, IdedExpr};
use cel::objects::OptionalValue;
use cel::{Context, Env, ExecutionError, Value};

use super::ast::{children, depth, null_is_absent, path};
use super::check;
use super::input::Variables;
use super::schema::{Field, Kind};
use super::syntax::syntax_problems;
use super::types::Type;

/// Bytes. A longer condition is better written as two rules.
const MAX_LENGTH: usize = 1000;
/// Opening brackets and question marks: each may nest the expression, and the parser recurses as well.
const MAX_BRACKETS: usize = 60;
/// Nested operators and calls. The evaluator recurses, some 40 KiB each time without optimisation, and runs on worker
/// threads, which have 2 MiB.
const MAX_DEPTH: usize = 24;
/// Loops within loops, such as `exists` within `map`.
const MAX_LOOPS: u32 = 2;
/// Rounds of all loops of one expression over what a provider sent.
const MAX_ROUNDS: usize = 100_000;

const SPLIT: &str = "split the rule in two";

/// What an expression is for, which says of what type its result has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Condition,
    /// `price` and `seats`.
    Whole,
    /// `price`, where Cello needs one.
    NeededPrice,
    Text,
    Currency,
    Interval,
}

#[derive(Debug)]
pub(super) struct Expression {
    pub text: String,
    ast: IdedExpr,
    /// The names it uses.
    fields: Vec<&'static Field>,
    /// Members of items of a list that may be null, as they are written.
    nullable_members: Vec<String>,
    /// The deepest nesting of loops.
    loops: u32,
}

/// Something wrong with an expression, at a place within its text.
#[derive(Debug)]
pub(super) struct Problem {
    /// Bytes; an empty range is one character all the same.
    pub at: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(at: Range<usize>, message: impl Into<String>, help: Option<String>) -> Self {
        Self { at, message: message.into(), help }
    }
}

impl Expression {
    /// Compiles `text` and checks it against the complete sample of the fact; of all facts where `on` is `None`.
    pub fn compile(text: &str, purpose: Purpose, on: Option<&str>, env: &Arc<Env>) -> Result<Self, Vec<Problem>> {
        let all = 0..text.len();
        if text.len() > MAX_LENGTH {
            let message = format!("the expression has {} characters, {MAX_LENGTH} is the limit", text.len());
            return Err(vec![Problem::new(0..1, message, Some(SPLIT.into()))]);
        }
        if text.matches(['(', '[', '{', '?']).count() > MAX_BRACKETS {
            return Err(vec![Problem::new(all, "the expression has too many brackets", Some(SPLIT.into()))]);
        }
        let compiled = catch_unwind(AssertUnwindSafe(|| env.compile(text)));
        let program = match compiled {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => return Err(syntax_problems(text, &errors.errors)),
            Err(_) => return Err(vec![Problem::new(all, "the expression cannot be read", None)]),
        };
        let mut ast = program.expression().clone();
        null_is_absent(&mut ast, &mut vec![]);
        if depth(&ast) > MAX_DEPTH {
            return Err(vec![Problem::new(all, "the expression is nested too deeply", Some(SPLIT.into()))]);
        }
        let mut found = check::check(&program, text, purpose, on, env);
        let mut problems = std::mem::take(&mut found.problems);
        if found.loops > MAX_LOOPS {
            let message = format!("loops are nested {} deep, {MAX_LOOPS} is the limit", found.loops);
            problems.push(Problem::new(all, message, None));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let check::Found { fields, nullable_members, loops, .. } = found;
        Ok(Self { text: text.to_owned(), ast, fields, nullable_members, loops })
    }

    /// The value for one fact, or why there is none.
    pub fn value(&self, variables: &Variables) -> Result<Value, String> {
        let long = |field: &&Field| matches!(field.kind, Kind::Json | Kind::List | Kind::Texts);
        // Without a loop that is one round.
        let rounds = variables.longest.saturating_pow(self.loops);
        if rounds > MAX_ROUNDS && self.fields.iter().copied().any(|field| long(&field)) {
            return Err(format!("`{}`: the provider's object is too long to loop over", self.text));
        }
        evaluate(&self.ast, &variables.context).map(unwrapped).map_err(|failure| {
            let message = match &failure.missing {
                Some(key) => self.missing(key),
                None => failure.message,
            };
            let mut because = self.unknown(variables);
            if because.is_empty() && message.contains("null") {
                because = self.may_be_null();
            }
            format!("`{}`: {message}{because}", self.text)
        })
    }

    /// Whether it uses this name.
    pub fn uses(&self, path: &str) -> bool {
        self.fields.iter().any(|field| field.path == path)
    }

    /// The names it uses that have no value for this fact, in brackets; empty where there are none.
    pub fn unknown(&self, variables: &Variables) -> String {
        let is_null = |path: &&str| variables.get(path) == Some(&Value::Null);
        let nulls: Vec<_> = self.fields.iter().map(|field| field.path).filter(is_null).collect();
        match nulls.as_slice() {
            [] => String::new(),
            nulls => format!(" ({} not known for this fact)", join(nulls)),
        }
    }

    /// The names it uses with what they are for this fact, such as `invoice.amount_paid = 0`. Nothing of what may be
    /// about a person is shown, nor lists and maps.
    pub fn names(&self, variables: &Variables) -> String {
        let shown = self.fields.iter().filter(|field| field.root() != "customer").filter_map(|field| {
            let value = match variables.get(field.path)? {
                Value::Int(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                Value::String(text) => format!("'{text}'"),
                Value::Null => "null".to_owned(),
                _ => return None,
            };
            Some(format!("{} = {value}", field.path))
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn may_be_null(&self) -> String {
        match self.nullable_members.as_slice() {
            [] => String::new(),
            [member, ..] => format!(" (`{member}` may be null, `has({member})` tests for it)"),
        }
    }

    /// A key that does not stand in the expression is a value, and may be somebody's name.
    fn missing(&self, key: &str) -> String {
        if !self.text.contains(key) {
            return "there is no such key".to_owned();
        }
        match spelled(&self.ast, key) {
            Some((_, Some(name))) => format!("there is no `{key}`; test for it first, with `has({name})`"),
            Some((map, None)) => format!("there is no `{key}`; test for it first, with `'{key}' in {map}`"),
            None => format!("there is no `{key}`"),
        }
    }
}

/// Where an expression asks for `key`: of what, and the whole name where `has` can test for it.
fn spelled(expr: &IdedExpr, key: &str) -> Option<(String, Option<String>)> {
    if let Some(path) = path(expr)
        && let [group @ .., last] = path.as_slice()
        && *last == key
        && !group.is_empty()
    {
        let has = matches!(expr.expr, Expr::Select(_)).then(|| path.join("."));
        return Some((group.join("."), has));
    }
    children(expr).into_iter().find_map(|child| spelled(child, key))
}

fn join(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("`{}` {verb}", names.join("`, `"))
}

/// Why a node has no value.
pub(super) struct Failure {
    pub message: String,
    /// With other values of the same types there might be one.
    pub depends_on_values: bool,
    /// A key that is not there.
    pub missing: Option<String>,
}

/// One node and all below it.
pub(super) fn evaluate(expr: &IdedExpr, context: &Context<'_, '_>) -> Result<Value, Failure> {
    use ExecutionError as E;
    let outcome = catch_unwind(AssertUnwindSafe(|| Value::resolve(expr, context)));
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let depends_on_values = match &error {
                E::NoSuchKey(_) | E::Overflow(..) | E::DivisionByZero(_) | E::RemainderByZero(_) => true,
                E::IndexOutOfBounds(_) | E::DuplicateKey(_) => true,
                // A conversion may succeed with another text; a pattern that is none remains so.
                E::FunctionError { function, .. } => function != "matches",
                _ => false,
            };
            let missing = if let E::NoSuchKey(key) = &error { Some(key.to_string()) } else { None };
            Err(Failure { message: describe(&error), depends_on_values, missing })
        }
        Err(_) => {
            let message = "the expression engine failed".to_owned();
            Err(Failure { message, depends_on_values: true, missing: None })
        }
    }
}

/// What is in an optional value, else null.
pub(super) fn unwrapped(value: Value) -> Value {
    let Value::Opaque(opaque) = &value else { return value };
    match opaque.downcast_ref::<OptionalValue>() {
        Some(optional) => optional.value().cloned().unwrap_or(Value::Null),
        None => value,
    }
}

/// The library's own messages contain the values, so none of them is passed on.
fn describe(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::NoSuchKey(key) => format!("there is no `{key}`"),
        E::NoSuchOverload(overload) => {
            let between = if overload.argument_types().len() == 2 { " and " } else { ", " };
            let types = overload
                .argument_types()
                .join(between)
                .replace("null_type", "null")
                .replace("optional_type", "optional");
            format!("`{}` cannot be used on {types}", symbol(overload.function()))
        }
        E::UnsupportedBinaryOperator(operator, left, right) => {
            format!("`{}` cannot be used on {} and {}", symbol(operator), Type::of(left), Type::of(right))
        }
        E::UnexpectedType { got, want } => format!("expected {want}, got {got}"),
        E::Overflow(..) => "the result does not fit a whole number of 64 bits".to_owned(),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "division by zero".to_owned(),
        E::IndexOutOfBounds(_) => "the list is shorter than that".to_owned(),
        E::FunctionError { function, .. } if function == "matches" => "this is no regular expression".to_owned(),
        E::FunctionError { function, .. } => format!("`{function}` cannot convert this value"),
        E::DuplicateKey(_) => "a map names one key twice".to_owned(),
        // Names that nobody declared are refused when the file is loaded; the rest comes from functions that are off.
        _ => "it cannot be evaluated".to_owned(),
    }
}

/// The library's name of an operator as it is written.
pub(super) fn symbol(function: &str) -> &str {
    match function {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "@in" => "in",
        "_[_]" => "[]",
        "_._" => ".",
        "_?_:_" => "? :",
        name => name.trim_matches('_'),
    }
}
