//! The check of an expression when it is loaded, in place of the type checker that the CEL library lacks.
//!
//! Every name must be in the schema, for the fact of the rule; every part of the expression, also one that would be
//! skipped by `&&` or `? :`, is evaluated by itself against a complete sample; and the result must be of the type
//! its use needs. What lies below `raw` is only known at run time and is left alone.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, operators};
use cel::{Env, Program};

use super::ast::{children, path};
use super::expression::{Failure, Problem, Purpose, evaluate};
use super::input::Variables;
use super::report::instead;
use super::schema::{self, Field, Kind};
use super::types::{FUNCTIONS, MACROS, TYPES, Type, is_operator, result_of};

/// What the check found out about an expression.
pub(super) struct Found {
    pub problems: Vec<Problem>,
    pub fields: Vec<&'static Field>,
    pub uses_raw: bool,
    /// The deepest nesting of loops.
    pub loops: u32,
}

pub(super) fn check(program: &Program, text: &str, purpose: Purpose, on: Option<&str>, env: &Arc<Env>) -> Found {
    let sample = Variables::bind(schema::sample(on), env);
    let found = Found { problems: vec![], fields: vec![], uses_raw: false, loops: 0 };
    let mut check = Check { program, text, on, sample, scope: vec![], seen: HashMap::new(), found };
    let root = program.expression();
    if check.node(root).sound {
        check.result(root, purpose);
    }
    check.found
}

/// What is known of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// `None` where only run time will tell.
    type_: Option<Type>,
    /// Nothing was wrong with it or below it.
    pub(super) sound: bool,
    /// It depends on `raw`.
    raw: bool,
    /// It uses no name.
    constant: bool,
    /// The outermost loop whose variable it uses; it cannot be evaluated outside of it.
    scope: usize,
}

const OUTSIDE: usize = usize::MAX;
const SOUND: Seen = Seen { type_: None, sound: true, raw: false, constant: true, scope: OUTSIDE };
const BROKEN: Seen = Seen { sound: false, ..SOUND };

pub(super) struct Check<'a> {
    program: &'a Program,
    text: &'a str,
    on: Option<&'a str>,
    sample: Variables,
    /// The variables of the loops around, outermost first.
    scope: Vec<[&'a str; 2]>,
    /// By id of the node.
    seen: HashMap<u64, Seen>,
    found: Found,
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
                let scope = self.scope.iter().rposition(|names| names.contains(&name.as_str()));
                Seen { scope: scope.unwrap_or(OUTSIDE), ..SOUND }
            }
            Expr::Comprehension(loop_) => self.loop_(expr, loop_),
            Expr::Struct(_) => self.fault(self.place(expr), "`Name{…}` makes nothing here", None),
            Expr::Call(call) => {
                let qualified = call.target.as_deref().is_some_and(is_optional_namespace);
                let parts = children(expr).into_iter().skip(usize::from(qualified));
                let seen = self.all(parts);
                if !seen.sound {
                    return seen;
                }
                if !self.call(expr, call) {
                    return Seen { sound: false, ..seen };
                }
                Seen { type_: result_of(&call.func_name), ..seen }
            }
            _ => self.all(children(expr).into_iter()),
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
        self.scope.push([&loop_.iter_var, &loop_.accu_var]);
        let depth = self.scope.len();
        self.found.loops = self.found.loops.max(u32::try_from(depth).unwrap_or(u32::MAX));
        let body = self.all([&loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result].into_iter());
        self.scope.pop();
        let body_scope = if body.scope >= depth - 1 { OUTSIDE } else { body.scope };
        Seen {
            type_: None,
            sound: range.sound && body.sound,
            raw: range.raw || body.raw,
            constant: range.constant && body.constant,
            scope: range.scope.min(body_scope),
        }
    }

    fn name(&mut self, expr: &'a IdedExpr, path: &[&str]) -> Seen {
        let at = self.place_of_name(expr, path);
        let root = path[0];
        let group: Vec<_> = schema::fields().iter().filter(|field| field.root() == root).collect();
        let [first, ..] = group.as_slice() else {
            if path.len() == 1 && TYPES.contains(&root) {
                return SOUND;
            }
            let mut roots: Vec<_> = schema::fields().iter().map(Field::root).collect();
            roots.dedup();
            return self.fault(at, format!("there is no `{root}`"), Some(instead(root, &roots)));
        };
        if first.kind == Kind::Json {
            self.found.uses_raw = true;
            let type_ = match &expr.expr {
                Expr::Select(select) if select.test => Some(Type::Bool),
                _ => is_optional(expr).then_some(Type::Optional),
            };
            return Seen { type_, raw: true, ..SOUND };
        }
        if let Some(on) = self.on.filter(|on| !first.exists_on(on)) {
            let facts = first.facts.join(", ");
            let message = format!("`{root}` exists only for {facts}, and this rule is on {on}");
            return self.fault(at, message, None);
        }
        let names: Vec<_> = group.iter().filter_map(|field| field.leaf()).collect();
        let field = match path {
            [_] => group.iter().find(|field| field.leaf().is_none()),
            [_, name] => group.iter().find(|field| field.leaf() == Some(name)),
            _ => None,
        };
        match (field, path) {
            (Some(field), _) => {
                if !self.found.fields.iter().any(|known| known.path == field.path) {
                    self.found.fields.push(field);
                }
                Seen { constant: false, ..SOUND }
            }
            (None, [_]) => {
                let help = format!("name one of: {}", paths(&group));
                self.fault(at, format!("`{root}` is a group of values"), Some(help))
            }
            (None, [_, name]) if !names.is_empty() => {
                let help = match super::report::nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{root}.{near}`?"),
                    None => format!("`{root}` has: {}", names.join(", ")),
                };
                self.fault(at, format!("there is no `{root}.{name}`"), Some(help))
            }
            _ => {
                let whole = if names.is_empty() { root.to_owned() } else { format!("{root}.{}", path[1]) };
                self.fault(at, format!("`{whole}` is a plain value, nothing lies below it"), None)
            }
        }
    }

    /// What evaluating the sample cannot show: operands that would be skipped, comparisons that are never true.
    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> bool {
        let function = call.func_name.as_str();
        match (function, call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, args) => {
                args.iter().all(|arg| self.condition(arg, function))
            }
            (operators::LOGICAL_NOT, [arg]) | (operators::CONDITIONAL, [arg, ..]) => self.condition(arg, function),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.comparable(expr, function, left, right),
            (operators::IN, [item, list]) => match &list.expr {
                Expr::List(list) => list.elements.iter().all(|element| self.comparable(expr, function, item, element)),
                _ => true,
            },
            _ if is_operator(function) => true,
            _ => self.function(expr, call),
        }
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
        self.fault(at, format!("there is no function `{name}`"), Some(instead(&name, &known))).sound
    }

    /// Evaluates the node by itself, where the sample is enough for that.
    fn evaluated(&mut self, expr: &'a IdedExpr, seen: Seen) -> Seen {
        if !seen.sound || seen.raw || seen.scope != OUTSIDE {
            return seen;
        }
        match evaluate(expr, &self.sample.context) {
            Ok(value) => Seen { type_: Some(Type::of(&value)), ..seen },
            // The sample's values are made up, only their types are to be trusted.
            Err(Failure { depends_on_values: true, .. }) if !seen.constant => Seen { type_: None, ..seen },
            Err(Failure { message, .. }) => {
                let help = message.contains("double").then(|| {
                    "amounts are whole numbers: write `* 80 / 100` for 80 %, or convert with `int(…)`".to_owned()
                });
                self.fault(self.place(expr), message, help)
            }
        }
    }

    pub(super) fn type_of(&self, expr: &IdedExpr) -> Option<Type> {
        self.seen.get(&expr.id).and_then(|seen| seen.type_)
    }

    fn is_loop_variable(&self, name: &str) -> bool {
        self.scope.iter().any(|names| names.contains(&name))
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

    /// From the first letter of a name to its last; the nodes above the first know only where their dot is.
    fn place_of_name(&self, expr: &IdedExpr, path: &[&str]) -> Range<usize> {
        let mut root = expr;
        while let Some(below) = children(root).first() {
            root = below;
        }
        let offset = self.program.source_info().offset_for(root.id).map_or(0, |(start, _)| start as usize);
        let start = offset.min(self.text.len());
        let mut end = start;
        for part in path {
            end = self.text[end..].find(part).map_or(end, |found| end + found + part.len());
        }
        start..end
    }
}

/// Whether a name is spelled with `.?` or `[?` anywhere, which makes all that follows optional.
fn is_optional(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Select(select) => is_optional(&select.operand),
        Expr::Call(call) => {
            matches!(call.func_name.as_str(), operators::OPT_SELECT | operators::OPT_INDEX)
                || call.args.first().is_some_and(is_optional)
        }
        _ => false,
    }
}

/// The `optional` of `optional.of(…)`, which is a prefix and no value.
fn is_optional_namespace(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name == "optional")
}

fn paths(group: &[&Field]) -> String {
    group.iter().map(|field| field.path).collect::<Vec<_>>().join(", ")
}
