//! The check of an expression when it is loaded, in place of the type checker that the CEL library lacks.
//!
//! Every name must be in the schema, for the fact of the rule; every part of the expression, also one that would be
//! skipped by `&&` or `? :`, is evaluated by itself against a complete sample; and the result must be of the type
//! its use needs. What lies below `raw` is only known at run time and is left alone.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, operators};
use cel::{Env, Program, Value};

use super::ast::{Loop, Shape, children, entered, macro_of, path, shape};
use super::expression::{Failure, Problem, Purpose, evaluate, symbol, unwrapped};
use super::input::Variables;
use super::report::instead;
use super::schema::{self, Field, Kind};
use super::syntax::written_instead;
use super::types::{FUNCTIONS, MACROS, Type, is_operator, result_of};

/// What the check found out about an expression.
pub(super) struct Found {
    pub problems: Vec<Problem>,
    pub fields: Vec<&'static Field>,
    /// Members of items of a list that may be null, as they are written.
    pub nullable_members: Vec<String>,
    /// The deepest nesting of loops.
    pub loops: u32,
}

pub(super) fn check(program: &Program, text: &str, purpose: Purpose, on: Option<&str>, env: &Arc<Env>) -> Found {
    let root = program.expression();
    let mut values = schema::sample(on);
    for (path, value) in &mut values {
        if schema::fields().iter().any(|field| field.path == *path && field.kind == Kind::Texts) {
            *value = texts(root, path);
        }
    }
    let sample = Variables::bind(values, env);
    let found = Found { problems: vec![], fields: vec![], nullable_members: vec![], loops: 0 };
    let mut check = Check { program, text, on, sample, scope: vec![], loops: vec![], seen: HashMap::new(), found };
    if check.node(root).sound {
        check.result(root, purpose);
    }
    check.found
}

/// A sample of a map of texts: with every key that the expression names, so that its type is checked there too.
fn texts(root: &IdedExpr, map: &str) -> Value {
    let mut keys = vec!["key"];
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        if let Some(path) = path(node)
            && let [group, name, key, ..] = path.as_slice()
            && map == format!("{group}.{name}")
        {
            keys.push(key);
        }
        nodes.extend(children(node));
    }
    // A number as well, so that what is made of it by `int(…)` has a type too.
    schema::map(keys.into_iter().map(|key| (key, "1".into())))
}

/// What is known of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// `None` where only run time will tell.
    pub(super) type_: Option<Type>,
    /// Nothing was wrong with it or below it.
    pub(super) sound: bool,
    /// It depends on `raw`.
    pub(super) raw: bool,
    /// It uses no name.
    pub(super) constant: bool,
    /// The outermost loop whose variable it uses and that has no sample; it cannot be evaluated outside of it.
    pub(super) scope: usize,
}

const OUTSIDE: usize = usize::MAX;
pub(super) const SOUND: Seen = Seen { type_: None, sound: true, raw: false, constant: true, scope: OUTSIDE };
const BROKEN: Seen = Seen { sound: false, ..SOUND };

pub(super) struct Check<'a> {
    pub(super) program: &'a Program,
    pub(super) text: &'a str,
    pub(super) on: Option<&'a str>,
    sample: Variables,
    /// The loops around, outermost first.
    scope: Vec<Around<'a>>,
    /// The same, with what their variables stand for.
    loops: Vec<Loop>,
    /// By id of the node.
    seen: HashMap<u64, Seen>,
    pub(super) found: Found,
}

struct Around<'a> {
    loop_: &'a ComprehensionExpr,
    /// One of the items that the variable stands for, where one is known.
    item: Option<Value>,
}

impl<'a> Check<'a> {
    fn node(&mut self, expr: &'a IdedExpr) -> Seen {
        let seen = match path(expr) {
            Some(path) if !self.is_loop_variable(path[0]) => self.name(expr, &path),
            _ => self.inner(expr),
        };
        let seen = self.evaluated(expr, seen);
        self.seen.insert(expr.id, seen);
        seen
    }

    /// A node that is no name: its parts first, so that the deepest fault is the one reported.
    fn inner(&mut self, expr: &'a IdedExpr) -> Seen {
        match &expr.expr {
            Expr::Ident(name) => {
                let around = self.scope.iter().enumerate().rev().find(|(_, around)| around.has(name));
                match around {
                    Some((_, around)) if around.item.is_some() && around.loop_.iter_var == *name => {
                        Seen { constant: false, ..SOUND }
                    }
                    Some((scope, _)) => Seen { scope, ..SOUND },
                    None => SOUND,
                }
            }
            Expr::Comprehension(loop_) => self.loop_(expr, loop_),
            Expr::Struct(_) => self.fault(self.place(expr), "`Name{…}` makes nothing here", None),
            Expr::Call(call) => {
                // Before its arguments, which an unknown function says nothing about.
                if !is_operator(&call.func_name) && !self.function(expr, call) {
                    return BROKEN;
                }
                let qualified = call.target.as_deref().is_some_and(is_optional_namespace);
                let parts = children(expr).into_iter().skip(usize::from(qualified));
                let seen = self.all(parts);
                if !seen.sound {
                    return seen;
                }
                if !self.call(expr, call) || !self.member(expr) {
                    return Seen { sound: false, ..seen };
                }
                Seen { type_: result_of(&call.func_name), ..seen }
            }
            _ => {
                let seen = self.all(children(expr).into_iter());
                if seen.sound && !self.member(expr) { Seen { sound: false, ..seen } } else { seen }
            }
        }
    }

    fn all(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Seen {
        parts.fold(SOUND, |whole, part| {
            let part = self.node(part);
            Seen {
                type_: None,
                sound: whole.sound && part.sound,
                raw: whole.raw || part.raw,
                constant: whole.constant && part.constant,
                scope: whole.scope.min(part.scope),
            }
        })
    }

    fn loop_(&mut self, expr: &'a IdedExpr, loop_: &'a ComprehensionExpr) -> Seen {
        if schema::fields().iter().any(|field| field.root() == loop_.iter_var) {
            let message = format!("`{}` is a name of its own and cannot be a loop's variable", loop_.iter_var);
            return self.fault(self.place(expr), message, Some("choose another name".into()));
        }
        let range = self.node(&loop_.iter_range);
        let item = self.item(&loop_.iter_range, range);
        if let Some(item) = &item {
            self.sample.context.add_variable_from_value(loop_.iter_var.as_str(), item.clone());
        }
        self.loops.push(entered(loop_, &self.loops));
        self.scope.push(Around { loop_, item });
        let depth = self.scope.len();
        self.found.loops = self.found.loops.max(u32::try_from(depth).unwrap_or(u32::MAX));
        let body = self.all([&loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result].into_iter());
        self.scope.pop();
        self.loops.pop();
        // A variable of the same name around this loop has its own item again.
        let outer = self.scope.iter().rev().find(|around| around.loop_.iter_var == loop_.iter_var);
        if let Some(item) = outer.and_then(|around| around.item.clone()) {
            self.sample.context.add_variable_from_value(loop_.iter_var.as_str(), item);
        }
        let body_scope = if body.scope >= depth - 1 { OUTSIDE } else { body.scope };
        Seen {
            type_: None,
            sound: range.sound && body.sound,
            raw: range.raw || body.raw,
            constant: range.constant && body.constant,
            scope: range.scope.min(body_scope),
        }
    }

    /// An item of what a loop goes through.
    fn item(&self, range: &'a IdedExpr, seen: Seen) -> Option<Value> {
        if !seen.sound || seen.raw || seen.scope != OUTSIDE {
            return None;
        }
        if let Shape::List(members) = shape(range, &self.loops) {
            return Some(schema::sample_item(members));
        }
        match evaluate(range, &self.sample.context).ok()? {
            Value::List(items) => items.first().cloned(),
            Value::Map(map) => map.map.keys().next().map(|key| key.clone().into()),
            _ => None,
        }
    }

    /// What evaluating the sample cannot show: operands that would be skipped, comparisons that are never true.
    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> bool {
        let function = call.func_name.as_str();
        // What a person wrote: a loop's own operators come from `exists` and the like.
        let written = self.macro_behind(call).unwrap_or_else(|| symbol(function));
        match (function, call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, args) => {
                args.iter().all(|arg| self.condition(arg, written))
            }
            (operators::LOGICAL_NOT, [arg]) | (operators::CONDITIONAL, [arg, ..]) => self.condition(arg, written),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.comparable(expr, function, left, right),
            (operators::IN, [item, list]) => match &list.expr {
                Expr::List(list) => list.elements.iter().all(|element| self.comparable(expr, function, item, element)),
                _ => self.can_contain(item, list),
            },
            _ => true,
        }
    }

    fn macro_behind(&self, call: &CallExpr) -> Option<&'static str> {
        let around = self.scope.last()?;
        let is_result = |arg: &IdedExpr| matches!(&arg.expr, Expr::Ident(name) if *name == around.loop_.accu_var);
        call.args.iter().any(is_result).then(|| macro_of(around.loop_))
    }

    fn function(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> bool {
        let name = match call.target.as_deref() {
            Some(target) if is_optional_namespace(target) => format!("optional.{}", call.func_name),
            _ => call.func_name.clone(),
        };
        if FUNCTIONS.contains(&name.as_str()) {
            return true;
        }
        let at = self.place(expr);
        if MACROS.contains(&name.as_str()) {
            let help = "write `has(a.b)`, `list.exists(x, …)`, `list.map(x, …)`";
            return self.fault(at, format!("`{name}` is used in a wrong way"), Some(help.into())).sound;
        }
        let known: Vec<_> = FUNCTIONS.into_iter().chain(MACROS).collect();
        let help = written_instead("", &name).map_or_else(|| instead(&name, &known), str::to_owned);
        self.fault(at, format!("there is no function `{name}`"), Some(help)).sound
    }

    /// Evaluates the node by itself, where the sample is enough for that.
    fn evaluated(&mut self, expr: &'a IdedExpr, seen: Seen) -> Seen {
        if !seen.sound || seen.raw || seen.scope != OUTSIDE {
            return seen;
        }
        match evaluate(expr, &self.sample.context) {
            Ok(value) => Seen { type_: Some(Type::of(&value)), ..seen },
            // The sample's values are made up, only their types are to be trusted.
            Err(Failure { depends_on_values: true, .. }) if !seen.constant => seen,
            Err(Failure { message, .. }) => {
                let help = message.contains("double").then(|| {
                    "amounts are whole numbers: write `* 80 / 100` for 80 %, or convert with `int(…)`".to_owned()
                });
                self.fault(self.place(expr), message, help)
            }
        }
    }

    pub(super) fn shape_of(&self, expr: &IdedExpr) -> Shape {
        shape(expr, &self.loops)
    }

    pub(super) fn type_of(&self, expr: &IdedExpr) -> Option<Type> {
        self.seen.get(&expr.id).and_then(|seen| seen.type_)
    }

    /// The value of a node that is the same for every fact.
    pub(super) fn constant(&self, expr: &IdedExpr) -> Option<Value> {
        self.seen.get(&expr.id).filter(|seen| seen.constant)?;
        evaluate(expr, &self.sample.context).ok().map(unwrapped)
    }

    fn is_loop_variable(&self, name: &str) -> bool {
        self.scope.iter().any(|around| around.has(name))
    }

    /// Notes a fault; what has one is not evaluated.
    pub(super) fn fault(&mut self, at: Range<usize>, message: impl Into<String>, help: Option<String>) -> Seen {
        self.found.problems.push(Problem::new(at, message, help));
        BROKEN
    }

    /// Where a node stands: for an operator its sign, for a call the function's name.
    pub(super) fn place(&self, expr: &IdedExpr) -> Range<usize> {
        if let Some(path) = path(expr) {
            return self.place_of_name(expr, &path);
        }
        match self.program.source_info().offset_for(expr.id) {
            Some((start, stop)) => {
                let (start, stop) = (start as usize, stop as usize);
                if let Expr::Select(select) = &expr.expr
                    && let Some(after) = self.text.get(start..).and_then(|rest| rest.find(&select.field))
                {
                    return start..start + after + select.field.len();
                }
                if let Expr::Call(call) = &expr.expr
                    && !is_operator(&call.func_name)
                    && let Some(start) = self.text.get(..start).and_then(|before| before.rfind(&call.func_name))
                {
                    return start..start + call.func_name.len();
                }
                start.min(self.text.len())..(stop + 1).clamp(start, self.text.len().max(start))
            }
            None => 0..self.text.len(),
        }
    }
}

impl Around<'_> {
    fn has(&self, name: &str) -> bool {
        self.loop_.iter_var == name || self.loop_.accu_var == name
    }
}

/// The `optional` of `optional.of(…)`, which is a prefix and no value.
fn is_optional_namespace(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name == "optional")
}
