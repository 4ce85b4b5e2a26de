//! The types of CEL, and what its standard library is known to have: the CEL library itself does not tell.

use std::fmt;

use cel::Value;
use cel::common::ast::operators;
use cel::objects::ValueType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    List,
    Map,
    Null,
    /// What `.?` gives: a value or none, and equal to neither.
    Optional,
    Other,
}

impl Type {
    pub fn of(value: &Value) -> Self {
        match value.type_of() {
            ValueType::Bool => Self::Bool,
            ValueType::Int => Self::Int,
            ValueType::UInt => Self::Uint,
            ValueType::Float => Self::Double,
            ValueType::String => Self::Text,
            ValueType::List => Self::List,
            ValueType::Map => Self::Map,
            ValueType::Null => Self::Null,
            ValueType::Opaque => Self::Optional,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::List => "list",
            Self::Map => "map",
            Self::Null => "null",
            Self::Optional => "optional",
            Self::Other => "another type",
        })
    }
}

/// The type a function always returns, where there is one: all that is known of what depends on `raw`.
pub fn result_of(function: &str) -> Option<Type> {
    match function {
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::EQUALS => Some(Type::Bool),
        operators::NOT_EQUALS | operators::LESS | operators::LESS_EQUALS | operators::GREATER => Some(Type::Bool),
        operators::GREATER_EQUALS | operators::IN | "contains" | "startsWith" | "endsWith" | "matches" | "bool" => {
            Some(Type::Bool)
        }
        "hasValue" => Some(Type::Bool),
        operators::OPT_SELECT | operators::OPT_INDEX => Some(Type::Optional),
        "size" | "int" => Some(Type::Int),
        "double" => Some(Type::Double),
        "string" => Some(Type::Text),
        _ => None,
    }
}

/// Functions of the standard library, for "did you mean".
#[rustfmt::skip]
pub const FUNCTIONS: [&str; 20] = [
    "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bool", "bytes", "dyn",
    "type", "value", "orValue", "or", "hasValue", "optional.of", "optional.none", "optional.ofNonZeroValue",
];
pub const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
/// Names of types, as in `type(raw.amount) == int`.
pub const TYPES: [&str; 10] = ["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"];

/// Whether the library's name of a function is that of an operator.
pub fn is_operator(function: &str) -> bool {
    function.starts_with(['_', '@', '-', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_function_is_known_to_the_library() {
        for name in FUNCTIONS {
            let calls = [format!("{name}()"), format!("'a'.{name}()")];
            let unknown = |call: &String| {
                let program = cel::Env::stdlib().compile(call).unwrap();
                let outcome = program.execute(&cel::Context::default());
                matches!(outcome, Err(cel::ExecutionError::UndeclaredReference(_)))
            };
            assert!(!calls.iter().all(unknown), "{name}");
        }
    }
}
