//! Moving a filled SQLite store to PostgreSQL.
//!
//! All of it is one transaction there, and the numbers of both are compared before it ends: so either everything is
//! there or nothing. Before it ends, the file is marked, and no relay starts on it again: two stores must never send the
//! same events. Where it fails at the very end, it can be done again.

use jiff::Timestamp;
use serde::Serialize;

use super::postgres::Target;
use super::sqlite::Source;
use super::{Counts, StoreError};

/// Rows that are written at a time.
const BATCH: usize = 500;
/// Bytes of bodies that are written at a time.
const BYTES: usize = 8 * 1024 * 1024;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Where to, without user and password.
    pub to: String,
    pub counts: Counts,
    /// Rows of each table.
    pub rows: Vec<(&'static str, i64)>,
}

/// A table that both stores have, in the order in which one refers to another.
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    /// Whether its numbers go on from the highest there is.
    pub is_numbered: bool,
    /// Of what the directory knows: how many of the first columns tell its rows apart. 0 of all other tables.
    pub key: usize,
}

/// A column by its name in both stores, and its type in PostgreSQL.
pub type Column = (&'static str, &'static str);

const fn table(name: &'static str, columns: &'static [Column]) -> Table {
    Table { name, columns, is_numbered: false, key: 0 }
}

const fn known(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, is_numbered: false, key }
}

const fn numbered(name: &'static str, columns: &'static [Column]) -> Table {
    Table { name, columns, is_numbered: true, key: 0 }
}

pub(super) const INT: &str = "bigint";
const TEXT: &str = "text";
pub(super) const BOOL: &str = "boolean";

/// All that is kept but the bodies of webhooks, how often these came again, and the sums, which follow from the rest.
pub const TABLES: &[Table] = &[
    numbered(
        "webhook",
        &[
            ("id", INT),
            ("provider", TEXT),
            ("account", TEXT),
            ("event_id", TEXT),
            ("kind", TEXT),
            ("mode", TEXT),
            ("at", INT),
            ("received_at", INT),
            ("bytes", INT),
            ("state", TEXT),
            ("note", TEXT),
            ("erased_at", INT),
            ("tries", INT),
        ],
    ),
    table(
        "decision",
        &[
            ("webhook_id", INT),
            ("fact", INT),
            ("fact_kind", TEXT),
            ("at", INT),
            ("customer", TEXT),
            ("key", TEXT),
            ("state", TEXT),
            ("rule", TEXT),
            ("reason", TEXT),
            ("message", TEXT),
            ("warnings", TEXT),
            ("trace", TEXT),
            ("topic", TEXT),
            ("other_topic", TEXT),
            ("deadline", INT),
            ("look_up_at", INT),
            ("decided_at", INT),
        ],
    ),
    table("mention", &[("name", TEXT), ("webhook_id", INT)]),
    known(
        "customer",
        3,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("id", TEXT),
            ("ucc", TEXT),
            ("user_id", TEXT),
            ("organization_id", TEXT),
            ("complete_version", INT),
            ("completed_at", INT),
            ("email", TEXT),
            ("name", TEXT),
            ("metadata", TEXT),
            ("country", TEXT),
            ("created_at", INT),
            ("version", INT),
            ("deleted", BOOL),
            ("reported", BOOL),
            ("known_by", TEXT),
        ],
    ),
    known(
        "subscription",
        3,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("id", TEXT),
            ("customer", TEXT),
            ("phase", TEXT),
            ("amount", INT),
            ("currency", TEXT),
            ("period_unit", TEXT),
            ("period_count", INT),
            ("price_id", TEXT),
            ("product_id", TEXT),
            ("seats", INT),
            ("version", INT),
            ("reported", TEXT),
        ],
    ),
    known(
        "price",
        3,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("price_id", TEXT),
            ("period_unit", TEXT),
            ("period_count", INT),
            ("product_id", TEXT),
            ("metered", BOOL),
        ],
    ),
    known(
        "payment",
        3,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("id", TEXT),
            ("amount", INT),
            ("session", TEXT),
            ("session_state", TEXT),
            ("session_customer", TEXT),
            ("session_total", INT),
            ("session_tax", INT),
        ],
    ),
    known(
        "payment_link",
        4,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("payment", TEXT),
            ("invoice", TEXT),
            ("amount", INT),
            ("charge_of", TEXT),
        ],
    ),
    known(
        "carried",
        4,
        &[("provider", TEXT), ("account", TEXT), ("payment", TEXT), ("purchase", TEXT), ("amount", INT)],
    ),
    known(
        "unreported_refund",
        4,
        &[("provider", TEXT), ("account", TEXT), ("payment", TEXT), ("refund", TEXT), ("amount", INT)],
    ),
    known(
        "refunded",
        5,
        &[("provider", TEXT), ("account", TEXT), ("charge", TEXT), ("from_total", INT), ("to_total", INT)],
    ),
    known(
        "purchase",
        3,
        &[
            ("provider", TEXT),
            ("account", TEXT),
            ("invoice", TEXT),
            ("paid", INT),
            ("net", INT),
            ("refunded", INT),
            ("refunded_net", INT),
            ("customer", TEXT),
            ("currency", TEXT),
            ("at", INT),
            ("reported_at", INT),
            ("is_sale", BOOL),
            ("unlinked", INT),
        ],
    ),
    known("code", 1, &[("ucc", TEXT), ("valid", BOOL), ("owner", TEXT), ("asked_at", INT)]),
    known("pinned_code", 1, &[("user_id", TEXT), ("ucc", TEXT)]),
    numbered(
        "referral_event",
        &[
            ("id", INT),
            ("key", TEXT),
            ("subject", TEXT),
            ("trigger", TEXT),
            ("webhook_id", INT),
            ("at", INT),
            ("invoice_id", TEXT),
            ("subscription_id", TEXT),
            ("price", INT),
            ("currency", TEXT),
            ("created_at", INT),
            ("state", TEXT),
            ("front", BOOL),
            ("due_at", INT),
            ("first_due_at", INT),
            ("lease", INT),
            ("claimed_at", INT),
            ("lease_until", INT),
            ("attempts", INT),
            ("deaths", INT),
            ("first_attempt_at", INT),
            ("signup_id", INT),
            ("purchase_id", INT),
            ("blocked_by", INT),
            ("blocked_at", INT),
            ("passed_signup_at", INT),
            ("discarded_by", TEXT),
            ("discard_reason", TEXT),
            ("discarded_at", INT),
            ("confirmed_by", TEXT),
            ("confirm_reason", TEXT),
            ("confirmed_at", INT),
            ("ucc", TEXT),
            ("user_id", TEXT),
            ("organization_id", TEXT),
            ("customer", TEXT),
            ("contribution", TEXT),
            ("key_freed_at", INT),
            ("body", TEXT),
        ],
    ),
    numbered(
        "former_body",
        &[
            ("id", INT),
            ("event_id", INT),
            ("body", TEXT),
            ("last_lease", INT),
            ("replaced_at", INT),
            ("replaced_by", TEXT),
        ],
    ),
    numbered(
        "attempt",
        &[
            ("id", INT),
            ("event_id", INT),
            ("started_at", INT),
            ("duration_ms", INT),
            ("outcome", TEXT),
            ("status", INT),
            ("message", TEXT),
            ("request_id", TEXT),
            ("counts", BOOL),
        ],
    ),
];

/// One row, each value as text.
pub type Row = Vec<Option<String>>;

/// Every column that is moved as it is, as `table.column`.
pub fn moved_columns() -> impl Iterator<Item = String> {
    TABLES.iter().flat_map(|table| table.columns.iter().map(|(column, _)| format!("{}.{column}", table.name)))
}

/// Moves what is in the file that `from` names to the empty database that `to` names.
///
/// # Errors
///
/// When a relay serves from the file, the database is not empty, either cannot be used, or the numbers differ; nothing
/// is in the database then.
pub fn move_to_server(from: &str, to: &str, now: Timestamp) -> Result<Moved, StoreError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    // On a thread of its own, because the one that asks may not block.
    let moving = std::thread::spawn(move || {
        let source = Source::open(&from)?;
        let target = Target::open(&to)?;
        target.all_or_nothing(|| move_all(&source, &target, now))
    });
    moving.join().map_err(|_| StoreError::Panicked)?
}

fn move_all(source: &Source, target: &Target, now: Timestamp) -> Result<Moved, StoreError> {
    for table in TABLES {
        source.pages(table, BATCH, |rows| target.write(table, rows))?;
        if table.is_numbered {
            target.go_on_numbering(table)?;
        }
    }
    source.bodies(BATCH, BYTES, |bodies| target.write_bodies(bodies))?;
    source.duplicates(BATCH, |duplicates| target.write_duplicates(duplicates))?;
    if let Some((cello, at)) = source.cello()? {
        target.put_cello(&cello, at)?;
    }
    let counts = source.counts()?;
    let there = target.counts()?;
    if counts != there || !counts.add_up() {
        return Err(differ(format!("the sums are {counts:?} here and {there:?} there")));
    }
    let mut rows = Vec::new();
    for name in TABLES.iter().map(|table| table.name).chain(["webhook_body"]) {
        let (here, there) = (source.rows(name)?, target.rows(name)?);
        if here != there {
            return Err(differ(format!("{name} has {here} rows here and {there} there")));
        }
        rows.push((name, here));
    }
    source.mark_as_moved(target.name(), now)?;
    Ok(Moved { to: target.name().to_owned(), counts, rows })
}

fn differ(problem: String) -> StoreError {
    StoreError::Damaged(format!("what was written differs from what is here: {problem}; nothing was moved"))
}
