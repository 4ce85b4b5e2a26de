//! Any number of distinct webhooks, made of the fixtures: the same stories again and again, each time with other ids of
//! events, customers, subscriptions, invoices, payments and users. The same number always gives the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Keys of ids, beside all that end in `_id`.
const IDS: [&str; 11] = [
    "id",
    "customer",
    "subscription",
    "invoice",
    "charge",
    "payment_intent",
    "latest_invoice",
    "payment",
    "newUserId",
    "productUserId",
    "referenceId",
];
/// What all customers have in common.
const SHARED: [&str; 6] = ["price_", "prod_", "plan_", "gw_", "acct_", "req_"];
const SHARED_KEYS: [&str; 5] = ["item_price_id", "plan_id", "product_id", "gateway_account_id", "business_entity_id"];

/// Stands around an id in a template.
const MARK: char = '\u{1}';

/// A webhook on one line, cut before and after each id: every second piece is an id.
struct Template(Vec<String>);

pub struct Webhooks {
    /// Those that begin a story come first, so that the stories of one round go on side by side.
    templates: Vec<Template>,
}

impl Webhooks {
    pub fn of_the_fixtures() -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let singles = ["stripe", "chargebee"].iter().flat_map(|folder| listed(&fixtures.join(folder)));
        let mut stories: Vec<Vec<PathBuf>> = singles.map(|file| vec![file]).collect();
        stories.extend(listed(&fixtures.join("stories")).iter().map(|folder| listed(folder)));
        let longest = stories.iter().map(Vec::len).max().unwrap_or_default();
        let in_order = (0..longest).flat_map(|step| stories.iter().filter_map(move |story| story.get(step)));
        let webhooks: Vec<Value> =
            in_order.map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect();
        let mut ids = BTreeSet::new();
        webhooks.iter().for_each(|webhook| collect("", webhook, &mut ids));
        Self { templates: webhooks.into_iter().map(|webhook| Template::new(webhook, &ids)).collect() }
    }

    /// Writes the first `number` webhooks, one on each line.
    pub fn write(&self, number: usize, to: &mut impl Write) -> io::Result<()> {
        for index in 0..number {
            let template = &self.templates[index % self.templates.len()];
            template.write(index / self.templates.len(), to)?;
        }
        Ok(())
    }
}

impl Template {
    fn new(mut webhook: Value, ids: &BTreeSet<String>) -> Self {
        mark(&mut webhook, ids);
        let mark = format!("\\u{:04x}", u32::from(MARK));
        Self(webhook.to_string().split(&mark).map(str::to_owned).collect())
    }

    fn write(&self, round: usize, to: &mut impl Write) -> io::Result<()> {
        for (index, piece) in self.0.iter().enumerate() {
            to.write_all(piece.as_bytes())?;
            if index % 2 == 1 {
                // As scattered as the ids of providers are.
                write!(to, "{:011x}", scattered(piece, round) >> 20)?;
            }
        }
        to.write_all(b"\n")
    }
}

fn collect(key: &str, value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| collect(key, value, ids)),
        Value::Array(items) => items.iter().for_each(|item| collect(key, item, ids)),
        Value::String(text) => {
            let is_id = IDS.contains(&key) || (key.ends_with("_id") && !SHARED_KEYS.contains(&key));
            if is_id && !text.is_empty() && !SHARED.iter().any(|prefix| text.starts_with(prefix)) {
                ids.insert(text.clone());
            }
        }
        _ => {}
    }
}

fn mark(value: &mut Value, ids: &BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| mark(value, ids)),
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, ids)),
        Value::String(text) if ids.contains(text) => *text = format!("{MARK}{text}{MARK}"),
        _ => {}
    }
}

/// FNV-1a of both, then mixed.
fn scattered(text: &str, round: usize) -> u64 {
    let bytes = text.bytes().chain(round.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 27)
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|problem| panic!("{}: {problem}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
