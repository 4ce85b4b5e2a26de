//! The names in an expression: whether each is in the schema, for the fact of the rule, and each member of a list's
//! item among those it has. A name that is not there is told with the nearest one that is.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::ast::{Shape, children, path};
use super::check::{Check, SOUND, Seen};
use super::report::nearest;
use super::schema::{self, Field, Kind};
use super::types::{FUNCTIONS, TYPES, Type};

impl<'a> Check<'a> {
    /// Whether what is asked of an item of a list is one of its members.
    pub(super) fn member(&mut self, expr: &'a IdedExpr) -> bool {
        let Some((operand, name)) = asked(expr) else { return true };
        let at = self.place(expr);
        let spelled = path(operand).map(|path| path.join("."));
        let of = spelled.clone().map_or_else(|| "this".to_owned(), |name| format!("`{name}`"));
        match self.shape_of(operand) {
            Shape::Item(members) => match members.iter().find(|member| member.member() == name) {
                Some(member) => {
                    if member.nullable {
                        let written = format!("{}.{name}", spelled.unwrap_or_else(|| "line".to_owned()));
                        self.found.nullable_members.push(written);
                    }
                    true
                }
                None => {
                    let names: Vec<_> = members.iter().map(Field::member).collect();
                    let what = spelled.map_or_else(|| name.to_owned(), |item| format!("{item}.{name}"));
                    let help = match nearest(name, names.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("it has: {}", names.join(", ")),
                    };
                    self.fault(at, format!("there is no `{what}`"), Some(help)).sound
                }
            },
            Shape::List(_) => {
                let help = format!("look through it, as in `exists(line, line.{name} …)`, or name one line with `[0]`");
                self.fault(at, format!("{of} is a list and has no `{name}` itself"), Some(help)).sound
            }
            Shape::Member(_) => self.fault(at, format!("{of} is a plain value, nothing lies below it"), None).sound,
            Shape::Unknown => true,
        }
    }

    pub(super) fn name(&mut self, expr: &'a IdedExpr, path: &[&str]) -> Seen {
        let at = self.place_of_name(expr, path);
        let root = path[0];
        let group: Vec<_> = schema::fields().iter().filter(|field| field.root() == root).collect();
        let [first, ..] = group.as_slice() else {
            if path.len() == 1 && TYPES.contains(&root) {
                return SOUND;
            }
            let mut roots: Vec<_> = schema::fields().iter().map(Field::root).collect();
            roots.dedup();
            let help = match nearest(root, roots.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of: {}; a text is written in quotes, '{root}'", roots.join(", ")),
            };
            return self.fault(at, format!("there is no `{root}`"), Some(help));
        };
        if first.kind == Kind::Json {
            self.use_field(first);
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
            [_, name, _] => group.iter().find(|field| field.leaf() == Some(name) && field.kind == Kind::Texts),
            _ => None,
        };
        match (field, path) {
            (Some(field), _) => {
                self.use_field(field);
                Seen { constant: false, ..SOUND }
            }
            (None, [_]) => {
                let help = format!("name one of: {}", paths(&group));
                self.fault(at, format!("`{root}` is a group of values"), Some(help))
            }
            (None, [_, name, ..]) if !names.is_empty() && schema::find(root, name).is_none() => {
                let help = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{root}.{near}`?"),
                    None => format!("`{root}` has: {}", names.join(", ")),
                };
                let at = at.start..at.end.min(at.start + root.len() + 1 + name.len());
                self.fault(at, format!("there is no `{root}.{name}`"), Some(help))
            }
            _ => {
                let field = path.get(1).and_then(|name| schema::find(root, name));
                let kind = field.map(|field| field.kind);
                let length = if names.is_empty() { 1 } else { 2 + usize::from(kind == Some(Kind::Texts)) };
                let whole = path[..length.min(path.len())].join(".");
                match field {
                    Some(field) if kind == Some(Kind::List) => {
                        let (name, members) = (path[2], field.members.iter().map(Field::member));
                        let help = if FUNCTIONS.contains(&name) {
                            format!("`{name}` is a function: write `{whole}.{name}()`")
                        } else {
                            let near = nearest(name, members).unwrap_or("amount");
                            format!("look through it: `{whole}.exists(line, line.{near} …)`")
                        };
                        self.fault(at, format!("`{whole}` is a list and has no `{name}` itself"), Some(help))
                    }
                    _ => self.fault(at, format!("`{whole}` is a plain value, nothing lies below it"), None),
                }
            }
        }
    }

    fn use_field(&mut self, field: &'static Field) {
        if !self.found.fields.iter().any(|known| known.path == field.path) {
            self.found.fields.push(field);
        }
    }

    /// From the first letter of a name to its last; the nodes above the first know only where their dot is.
    pub(super) fn place_of_name(&self, expr: &IdedExpr, path: &[&str]) -> Range<usize> {
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

/// What a node asks for, and of what: `.name`, `.?name` or `["name"]`.
fn asked(expr: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &expr.expr {
        Expr::Select(select) => Some((&select.operand, &select.field)),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, name]) => match &name.expr {
                Expr::Literal(LiteralValue::String(name)) => Some((operand, name.inner())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
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

fn paths(group: &[&Field]) -> String {
    group.iter().map(|field| field.path).collect::<Vec<_>>().join(", ")
}
