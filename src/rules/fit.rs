//! Whether types fit: operands that evaluating the sample cannot show, because they would be skipped, comparisons
//! that are never true, and the result of the whole.

use cel::Value;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::ast::{Shape, path};
use super::check::Check;
use super::expression::{Purpose, symbol};
use super::report::instead;
use super::schema::{self, Field, Kind};
use super::types::Type;
use crate::interval::Interval;
use crate::money::Currency;

impl<'a> Check<'a> {
    /// Whether the result is of the type its use needs, for each branch of `? :`.
    pub(super) fn result(&mut self, expr: &'a IdedExpr, purpose: Purpose) {
        if let Expr::Call(call) = &expr.expr
            && let (operators::CONDITIONAL, [_, yes, no]) = (call.func_name.as_str(), call.args.as_slice())
        {
            self.result(yes, purpose);
            self.result(no, purpose);
            return;
        }
        let at = self.place(expr);
        if let Expr::Literal(LiteralValue::String(word)) = &expr.expr {
            let word = word.inner();
            let words: Vec<_> = Interval::ALL.iter().map(|interval| interval.as_str()).collect();
            if purpose == Purpose::Interval && Interval::parse(word).is_none() {
                self.fault(at, format!("\"{word}\" is no interval Cello knows"), Some(instead(word, &words)));
                return;
            }
            if purpose == Purpose::Currency && Currency::parse(word).is_none() {
                let help = Some("write an ISO 4217 code such as EUR".into());
                self.fault(at, format!("\"{word}\" is no currency"), help);
                return;
            }
        }
        let Some(type_) = self.type_of(expr) else { return };
        let (fits, want) = match purpose {
            Purpose::Condition => (type_ == Type::Bool, "a condition, true or false"),
            Purpose::Whole => {
                (matches!(type_, Type::Int | Type::Null | Type::Optional), "a whole number (int) or null")
            }
            Purpose::NeededPrice => (matches!(type_, Type::Int | Type::Null | Type::Optional), "a whole number (int)"),
            Purpose::Text => (matches!(type_, Type::Text | Type::Null | Type::Optional), "a text (string) or null"),
            Purpose::Currency => {
                (matches!(type_, Type::Text | Type::Null | Type::Optional), "a currency (string) or null")
            }
            Purpose::Interval => {
                (matches!(type_, Type::Text | Type::Null | Type::Optional), "an interval (string) or null")
            }
        };
        if !fits {
            let message = format!("this has to be {want}, and it is {type_}");
            self.fault(at, message, None);
            return;
        }
        // What is the same for every fact would fail each of them.
        match self.constant(expr) {
            Some(Value::Null) if purpose == Purpose::NeededPrice => {
                let help = "Cello needs a price with this trigger; say in `when` what is not to be sent".to_owned();
                self.fault(at, "this is always null", Some(help));
            }
            Some(Value::Int(number)) if number < 0 => {
                self.fault(at, "this is always negative", Some("amounts are positive, refunds too".into()));
            }
            _ => {}
        }
    }

    pub(super) fn condition(&mut self, arg: &'a IdedExpr, written: &str) -> bool {
        match self.type_of(arg) {
            None | Some(Type::Bool) => true,
            Some(type_) => {
                let message = format!("`{written}` needs a condition, and this is {type_}");
                self.fault(self.place(arg), message, Some("compare it, as in `… > 0` or `… != null`".into())).sound
            }
        }
    }

    pub(super) fn comparable(
        &mut self,
        expr: &'a IdedExpr,
        function: &str,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
    ) -> bool {
        for (name, other) in [(left, right), (right, left)] {
            if let (Some(field), Expr::Literal(LiteralValue::String(word))) = (self.field(name), &other.expr)
                && let Some(help) = field.other_than(word.inner())
            {
                let message = format!("`{}` is never \"{}\"", field.path, word.inner());
                return self.fault(self.place(other), message, Some(help)).sound;
            }
        }
        let (Some(left), Some(right)) = (self.type_of(left), self.type_of(right)) else { return true };
        let number = |type_| matches!(type_, Type::Int | Type::Uint | Type::Double);
        let free = |type_| matches!(type_, Type::Null | Type::Other);
        if left == right || (number(left) && number(right)) || free(left) || free(right) {
            return true;
        }
        let message = format!("`{}` compares {left} with {right}, which are never equal", symbol(function));
        let optional = left == Type::Optional || right == Type::Optional;
        let help = optional.then(|| "say what counts where there is none, as in `raw.?key.orValue(0)`".to_owned());
        self.fault(self.place(expr), message, help).sound
    }

    /// Whether `item in list` can ever be true, as far as types tell.
    pub(super) fn can_contain(&mut self, item: &'a IdedExpr, list: &'a IdedExpr) -> bool {
        let (Some(item_type), Some(list_type)) = (self.type_of(item), self.type_of(list)) else { return true };
        let at = self.place(item);
        if let Shape::List(members) = self.shape_of(list)
            && item_type != Type::Map
        {
            let near = members.iter().map(Field::member).find(|member| *member == "product_id").unwrap_or("amount");
            let help = format!("look through them: `exists(line, line.{near} == …)`");
            return self.fault(at, format!("no line is ever equal to {item_type}"), Some(help)).sound;
        }
        let is_texts = self.field(list).is_some_and(|field| field.kind == Kind::Texts);
        if is_texts && list_type == Type::Map && !matches!(item_type, Type::Text | Type::Null) {
            return self.fault(at, format!("its keys are string, and this is {item_type}"), None).sound;
        }
        true
    }

    fn field(&self, expr: &IdedExpr) -> Option<&'static Field> {
        let path = path(expr)?.join(".");
        schema::fields().iter().find(|field| field.path == path)
    }
}
