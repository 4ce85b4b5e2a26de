//! Every name a rule's expression may use: one list, from which the check at loading, the complete sample and the
//! printed table are all made, so that they cannot disagree.
//!
//! A name is never renamed or given another type: rules files in the field depend on it.

use std::fmt::Write as _;

use cel::Value;

use crate::facts::FACT_KINDS;
use crate::interval::Interval;

/// One name, such as `invoice.amount_paid`.
#[derive(Debug, serde::Serialize)]
pub struct Field {
    /// Group and name; `provider` and `raw` stand alone.
    pub path: &'static str,
    pub kind: Kind,
    /// Whether the value can be `null`: the provider need not say.
    pub nullable: bool,
    /// The facts that have it; empty for all.
    pub facts: &'static [&'static str],
    pub doc: &'static str,
    /// The only texts it can be, where they are known.
    #[serde(serialize_with = "words")]
    pub words: Option<fn() -> Vec<&'static str>>,
    #[serde(skip)]
    sample: Sample,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[serde(rename = "string")]
    Text,
    Int,
    Bool,
    /// Whatever the provider sent: not checked when rules are loaded.
    #[serde(rename = "any")]
    Json,
}

#[derive(Debug, Clone, Copy)]
enum Sample {
    Text(&'static str),
    Int(i64),
    Bool(bool),
    Json,
    /// The fact the sample is of.
    Fact,
}

const INVOICE: &[&str] = &["invoice-paid"];
const REFUND: &[&str] = &["payment-refunded"];
const SUBSCRIPTION: &[&str] = &["subscription-started", "subscription-changed", "subscription-ended"];

/// Every name, in the order in which it is printed.
pub fn fields() -> &'static [Field] {
    FIELDS
}

/// The table of all names for people, in Markdown.
pub fn fields_markdown() -> String {
    let mut page = String::from("| Name | Type | For | Meaning |\n|---|---|---|---|\n");
    for field in FIELDS {
        let null = if field.nullable { " or null" } else { "" };
        let facts = if field.facts.is_empty() { "every fact".to_owned() } else { field.facts.join(", ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "| `{}` | {}{null} | {facts} | {} |", field.path, field.kind.as_str(), field.doc);
    }
    page
}

const FIELDS: &[Field] = &[
    text("provider", "stripe", "Name of the provider: `stripe` or `chargebee`."),
    Field { sample: Sample::Fact, ..text("fact.kind", "", "The fact, as in `on`.").one_of(|| FACT_KINDS.to_vec()) },
    text("fact.at", "2026-05-01T09:30:00Z", "When it happened, RFC 3339 in UTC."),
    text("fact.mode", "live", "`live` or `test`; empty where the provider does not say.")
        .one_of(|| vec!["live", "test", ""]),
    text("fact.type", "invoice.paid", "The provider's name for the type of the webhook."),
    text("fact.account", "", "The connected account; empty for your own."),
    text("customer.id", "cus_1", "The provider's id of the customer.").nullable(),
    text("customer.ucc", "AbC123dEf45", "The referral code."),
    text("customer.user_id", "u_1001", "The user's id in your product."),
    text("customer.organization_id", "org_7", "The organization's id in your product.").nullable(),
    text("customer.email", "buyer@example.com", "E-mail address.").nullable(),
    text("invoice.id", "in_1", "The invoice; for a sale without one the payment.").on(INVOICE),
    text("invoice.subscription", "sub_1", "The subscription it is for.").on(INVOICE).nullable(),
    text("invoice.currency", "EUR", "ISO 4217, upper case.").on(INVOICE).nullable(),
    int("invoice.amount_paid", 5831, "Money collected, tax included, in the smallest unit of the currency.")
        .on(INVOICE),
    int("invoice.amount_paid_net", 4900, "The same without tax.").on(INVOICE),
    int("invoice.total", 5831, "After discounts, with tax, before credit is applied.").on(INVOICE),
    int("invoice.tax", 931, "Tax contained in the total.").on(INVOICE),
    bool("invoice.recurring", true, "False for a one-time sale.").on(INVOICE),
    text("invoice.interval", "monthly", "Cello's word for how often it is billed; null where none fits.")
        .on(INVOICE)
        .nullable()
        .one_of(intervals),
    text("invoice.price_id", "price_1", "Price or plan.").on(INVOICE).nullable(),
    text("invoice.product_id", "prod_1", "Product.").on(INVOICE).nullable(),
    int("invoice.seats", 3, "Quantity.").on(INVOICE).nullable(),
    text(
        "invoice.billing_reason",
        "subscription_cycle",
        "The provider's word for why it was made; empty when it says nothing.",
    )
    .on(INVOICE),
    text("refund.id", "re_1", "The refund.").on(REFUND),
    int("refund.amount", 1000, "This refund alone, positive, in the smallest unit of the currency.").on(REFUND),
    text("refund.currency", "EUR", "ISO 4217, upper case.").on(REFUND).nullable(),
    text("refund.invoice", "in_1", "The refunded invoice.").on(REFUND).nullable(),
    text("refund.subscription", "sub_1", "The subscription it was for.").on(REFUND).nullable(),
    text("subscription.id", "sub_1", "The subscription.").on(SUBSCRIPTION),
    text("subscription.phase", "running", "`pending`, `trial`, `running`, `stalled` (unpaid or paused) or `ended`.")
        .on(SUBSCRIPTION)
        .one_of(|| vec!["pending", "trial", "running", "stalled", "ended"]),
    int("subscription.amount", 4900, "Recurring amount of one period; null for tiered or metered prices.")
        .on(SUBSCRIPTION)
        .nullable(),
    text("subscription.currency", "EUR", "ISO 4217, upper case.").on(SUBSCRIPTION).nullable(),
    text("subscription.interval", "monthly", "Cello's word for how often it is billed; null where none fits.")
        .on(SUBSCRIPTION)
        .nullable()
        .one_of(intervals),
    text("subscription.price_id", "price_1", "Price or plan.").on(SUBSCRIPTION).nullable(),
    text("subscription.product_id", "prod_1", "Product.").on(SUBSCRIPTION).nullable(),
    int("subscription.seats", 3, "Quantity.").on(SUBSCRIPTION).nullable(),
    Field {
        kind: Kind::Json,
        sample: Sample::Json,
        ..text(
            "raw",
            "",
            "The provider's object as it came. Not checked at loading; a missing key fails the rule, `has(raw.key)` tests for it.",
        )
    },
];

const fn text(path: &'static str, sample: &'static str, doc: &'static str) -> Field {
    Field { path, kind: Kind::Text, nullable: false, facts: &[], doc, words: None, sample: Sample::Text(sample) }
}

const fn int(path: &'static str, sample: i64, doc: &'static str) -> Field {
    Field { kind: Kind::Int, sample: Sample::Int(sample), ..text(path, "", doc) }
}

const fn bool(path: &'static str, sample: bool, doc: &'static str) -> Field {
    Field { kind: Kind::Bool, sample: Sample::Bool(sample), ..text(path, "", doc) }
}

fn intervals() -> Vec<&'static str> {
    Interval::ALL.iter().map(|interval| interval.as_str()).collect()
}

impl Field {
    const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    const fn on(self, facts: &'static [&'static str]) -> Self {
        Self { facts, ..self }
    }

    const fn one_of(self, words: fn() -> Vec<&'static str>) -> Self {
        Self { words: Some(words), ..self }
    }

    /// The group, which is the whole name for a name without one.
    pub fn root(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(root, _)| root)
    }

    /// The name within the group.
    pub fn leaf(&self) -> Option<&'static str> {
        self.path.split_once('.').map(|(_, leaf)| leaf)
    }

    pub fn exists_on(&self, kind: &str) -> bool {
        self.facts.is_empty() || self.facts.contains(&kind)
    }
}

fn words<S: serde::Serializer>(words: &Option<fn() -> Vec<&'static str>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(words.map(|words| words()).unwrap_or_default())
}

impl Kind {
    /// CEL's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Json => "any",
        }
    }
}

/// A value for every name of one fact, none of them null; of all facts for `None`. `raw` has no sample.
pub(super) fn sample(kind: Option<&str>) -> Vec<(&'static str, Value)> {
    let exists = |field: &&Field| kind.is_none_or(|kind| field.exists_on(kind));
    let value = |field: &Field| {
        let value = match field.sample {
            Sample::Text(text) => Value::from(text),
            Sample::Int(number) => Value::Int(number),
            Sample::Bool(bool) => Value::Bool(bool),
            Sample::Fact => Value::from(kind.unwrap_or_default()),
            Sample::Json => return None,
        };
        Some((field.path, value))
    };
    FIELDS.iter().filter(exists).filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_for_known_facts() {
        let mut seen = std::collections::HashSet::new();
        for field in FIELDS {
            assert!(seen.insert(field.path), "{} stands twice", field.path);
            assert!(field.facts.iter().all(|kind| FACT_KINDS.contains(kind)), "{}", field.path);
        }
    }

    #[test]
    fn a_sample_is_one_of_the_words_its_name_allows() {
        for kind in FACT_KINDS {
            for (path, value) in sample(Some(kind)) {
                let words = FIELDS.iter().find(|field| field.path == path).and_then(|field| field.words);
                if let (Some(words), Value::String(text)) = (words, &value) {
                    assert!(words().contains(&text.as_str()), "{path}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_printed_table_has_one_row_for_each_name() {
        let page = fields_markdown();
        assert_eq!(page.lines().count(), FIELDS.len() + 2);
        assert!(page.contains("| `invoice.seats` | int or null | invoice-paid | Quantity. |"));
    }
}
