//! What the directory knows, row by row as it is kept: for people who take everything out.

use serde_json::{Map, Value};

use super::StoreError;
use super::moving::{BOOL, INT, Row, TABLES, Table};
use super::values::of_millis;

/// The tables of the directory, and of the codes that were reported.
pub fn known_tables() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.key > 0)
}

impl Table {
    /// What tells a row from all others, for asking for those after it.
    pub fn key_of(&self, row: &Row) -> Vec<String> {
        row.iter().take(self.key).flatten().cloned().collect()
    }

    /// # Errors
    ///
    /// When a value is not what its column holds.
    pub fn as_json(&self, row: &Row) -> Result<Map<String, Value>, StoreError> {
        let mut object = Map::new();
        for ((name, kind), value) in self.columns.iter().zip(row) {
            let value = match value {
                None => Value::Null,
                Some(text) => as_json(name, kind, text)
                    .ok_or_else(|| StoreError::Damaged(format!("{}.{name} cannot be read", self.name)))?,
            };
            object.insert((*name).to_owned(), value);
        }
        Ok(object)
    }
}

fn as_json(name: &str, kind: &str, text: &str) -> Option<Value> {
    Some(match kind {
        INT if name == "at" || name.ends_with("_at") => of_millis(text.parse().ok()?)?.to_string().into(),
        INT => text.parse::<i64>().ok()?.into(),
        BOOL => matches!(text, "1" | "true").into(),
        _ if name == "metadata" => serde_json::from_str(text).ok()?,
        _ => text.into(),
    })
}
