//! Walks over the tree of an expression: its parts, the names it spells, and the one change made to it.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::schema::{self, Field, Kind};

/// Levels the evaluator recurses through; a name with dots is one to it.
pub fn depth(expr: &IdedExpr) -> usize {
    let mut name = expr;
    while let Expr::Select(select) = &name.expr {
        name = &select.operand;
    }
    if matches!(name.expr, Expr::Ident(_)) {
        return 1;
    }
    1 + children(expr).into_iter().map(depth).max().unwrap_or(0)
}

/// The nodes directly below one, in the order in which they are written.
pub fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loop_) => {
            vec![&loop_.iter_range, &loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Struct(struct_) => struct_.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => vec![],
    }
}

fn entry_children(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

/// Those of a loop are left to the caller, which has to know where the loop begins.
fn children_mut(expr: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut expr.expr {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter_mut().map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                EntryExpr::StructField(field) => vec![&mut field.value],
            });
            entries.flatten().collect()
        }
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Comprehension(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => vec![],
    }
}

/// The name a node spells: `invoice.seats`, `invoice["seats"]` and `invoice.?seats` alike.
pub fn path(expr: &IdedExpr) -> Option<Vec<&str>> {
    let (group, name) = match &expr.expr {
        Expr::Ident(name) => return Some(vec![name]),
        Expr::Select(select) => (select.operand.as_ref(), select.field.as_str()),
        Expr::Call(CallExpr { func_name, target: None, args }) => match (func_name.as_str(), args.as_slice()) {
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [group, name]) => match &name.expr {
                Expr::Literal(LiteralValue::String(name)) => (group, name.inner()),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(group)?;
    path.push(name);
    Some(path)
}

/// What the schema says of a node's value, beyond its type.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Unknown,
    /// A list of items with these members.
    List(&'static [Field]),
    /// One of the items.
    Item(&'static [Field]),
    /// This member of an item.
    Member(&'static Field),
}

/// A loop around a node: its variable and what that stands for.
pub type Loop = (String, Shape);

/// The loop itself, for what stands within it; `loops` are those around it.
pub fn entered(loop_: &ComprehensionExpr, loops: &[Loop]) -> Loop {
    let item = match shape(&loop_.iter_range, loops) {
        Shape::List(members) => Shape::Item(members),
        _ => Shape::Unknown,
    };
    (loop_.iter_var.clone(), item)
}

pub fn shape(expr: &IdedExpr, loops: &[Loop]) -> Shape {
    match &expr.expr {
        Expr::Ident(name) => {
            loops.iter().rev().find(|(variable, _)| variable == name).map_or(Shape::Unknown, |(_, shape)| *shape)
        }
        Expr::Select(SelectExpr { operand, field, .. }) => below(shape(operand, loops), operand, field),
        Expr::Call(CallExpr { func_name, args, .. }) => match (func_name.as_str(), args.as_slice()) {
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, key]) => {
                match (shape(operand, loops), &key.expr) {
                    (Shape::List(members), _) => Shape::Item(members),
                    (shape, Expr::Literal(LiteralValue::String(name))) => below(shape, operand, name.inner()),
                    _ => Shape::Unknown,
                }
            }
            _ => Shape::Unknown,
        },
        // A list with some of the items is still a list of them.
        Expr::Comprehension(loop_) if macro_of(loop_) == "filter" => shape(&loop_.iter_range, loops),
        _ => Shape::Unknown,
    }
}

fn below(shape: Shape, operand: &IdedExpr, name: &str) -> Shape {
    match shape {
        Shape::Item(members) => {
            members.iter().find(|member| member.member() == name).map_or(Shape::Unknown, Shape::Member)
        }
        // No loop's variable has the name of a group: the check refuses that.
        Shape::Unknown => match &operand.expr {
            Expr::Ident(group) => match schema::find(group, name) {
                Some(field) if field.kind == Kind::List => Shape::List(field.members),
                _ => Shape::Unknown,
            },
            _ => Shape::Unknown,
        },
        Shape::List(_) | Shape::Member(_) => Shape::Unknown,
    }
}

/// The macro that a loop was written as: the parser keeps only what it stands for.
pub fn macro_of(loop_: &ComprehensionExpr) -> &'static str {
    let Expr::Call(step) = &loop_.loop_step.expr else { return "map" };
    match (step.func_name.as_str(), step.args.as_slice()) {
        (operators::LOGICAL_OR, _) => "exists",
        (operators::LOGICAL_AND, _) => "all",
        (operators::CONDITIONAL, [_, grown, _]) => match &grown.expr {
            Expr::Call(CallExpr { args, .. }) => match args.last().map(|added| &added.expr) {
                Some(Expr::Literal(_)) => "exists_one",
                Some(Expr::List(list))
                    if matches!(list.elements.as_slice(),
                        [IdedExpr { expr: Expr::Ident(name), .. }] if *name == loop_.iter_var) =>
                {
                    "filter"
                }
                _ => "map",
            },
            _ => "map",
        },
        _ => "map",
    }
}

/// Makes `has(invoice.seats)` false and `invoice.?seats` empty where the value is null: every name of a fact always
/// has a value here, and null stands for one that the provider did not give. The members of a list's items are names
/// too. `raw` and the keys of metadata stay as CEL has them. `loops` are those around the node.
pub fn null_is_absent(expr: &mut IdedExpr, loops: &mut Vec<Loop>) {
    let known = known_name(expr, loops);
    if let Expr::Comprehension(loop_) = &mut expr.expr {
        let inner = entered(loop_, loops);
        null_is_absent(&mut loop_.iter_range, loops);
        loops.push(inner);
        for part in [&mut loop_.accu_init, &mut loop_.loop_cond, &mut loop_.loop_step, &mut loop_.result] {
            null_is_absent(part, loops);
        }
        loops.pop();
        return;
    }
    for child in children_mut(expr) {
        null_is_absent(child, loops);
    }
    let (Some(name), Some(operand)) = (known, operand(expr).cloned()) else { return };
    let id = expr.id;
    let node = |expr| IdedExpr { id, expr };
    let call = |function: &str, args| node(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }));
    let select =
        || node(Expr::Select(SelectExpr { operand: Box::new(operand.clone()), field: name.to_owned(), test: false }));
    let is_known = || call(operators::NOT_EQUALS, vec![select(), node(Expr::Literal(LiteralValue::Null))]);
    match &expr.expr {
        Expr::Select(SelectExpr { test: true, .. }) => *expr = is_known(),
        Expr::Call(CallExpr { func_name, .. }) if func_name != operators::INDEX => {
            let some = call("optional.of", vec![select()]);
            *expr = call(operators::CONDITIONAL, vec![is_known(), some, call("optional.none", vec![])]);
        }
        _ => {}
    }
}

/// What stands before the last dot or bracket of a name.
fn operand(expr: &IdedExpr) -> Option<&IdedExpr> {
    match &expr.expr {
        Expr::Select(select) => Some(&select.operand),
        Expr::Call(call) => call.args.first(),
        _ => None,
    }
}

/// The last part of a name that always has a value: of a fact, or of an item of a list.
fn known_name(expr: &IdedExpr, loops: &[Loop]) -> Option<&'static str> {
    if let Shape::Member(member) = shape(expr, loops) {
        return Some(member.member());
    }
    match path(expr)?.as_slice() {
        [group, name] => schema::find(group, name)?.leaf(),
        _ => None,
    }
}
