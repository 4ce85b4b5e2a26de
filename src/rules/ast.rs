//! Walks over the tree of an expression: its parts, the names it spells, and the one change made to it.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::schema;

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

fn children_mut(expr: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut expr.expr {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::Comprehension(loop_) => {
            let loop_ = loop_.as_mut();
            vec![
                &mut loop_.iter_range,
                &mut loop_.accu_init,
                &mut loop_.loop_cond,
                &mut loop_.loop_step,
                &mut loop_.result,
            ]
        }
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter_mut().map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                EntryExpr::StructField(field) => vec![&mut field.value],
            });
            entries.flatten().collect()
        }
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => vec![],
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

/// Makes `has(invoice.seats)` false and `invoice.?seats` empty where the value is null: every name of a fact always
/// has a value here, and null stands for one that the provider did not give. `raw` stays as CEL has it.
pub fn null_is_absent(expr: &mut IdedExpr) {
    for child in children_mut(expr) {
        null_is_absent(child);
    }
    let Some((group, name)) = known_pair(expr) else { return };
    let id = expr.id;
    let node = |expr| IdedExpr { id, expr };
    let call = |function: &str, args| node(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }));
    let select = || {
        let operand = Box::new(node(Expr::Ident(group.clone())));
        node(Expr::Select(SelectExpr { operand, field: name.clone(), test: false }))
    };
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

/// Group and name where the node spells a known one.
fn known_pair(expr: &IdedExpr) -> Option<(String, String)> {
    match path(expr)?.as_slice() {
        [group, name] => {
            let known = schema::fields().iter().any(|field| field.root() == *group && field.leaf() == Some(*name));
            known.then(|| ((*group).to_owned(), (*name).to_owned()))
        }
        _ => None,
    }
}
