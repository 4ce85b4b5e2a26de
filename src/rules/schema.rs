//! Every name a rule's expression may use: one list, from which the check at loading, the complete sample and the
//! printed table are all made, so that they cannot disagree.
//!
//! A name is never renamed or given another type: rules files in the field depend on it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};

use super::report::instead;
use crate::facts::FACT_KINDS;
use crate::interval::Interval;

/// One name, such as `invoice.amount_paid`.
#[derive(Debug, serde::Serialize)]
pub struct Field {
    /// Group and name; `provider` and `raw` stand alone. A member of a list is written `invoice.lines[].amount`.
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
    /// How its texts are written, where that is known.
    #[serde(skip)]
    pub form: Option<Form>,
    /// What each item of a list has.
    #[serde(skip_serializing_if = "<[Field]>::is_empty")]
    pub members: &'static [Field],
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
    /// Texts by key; which keys there are is only known at run time.
    #[serde(rename = "map of strings")]
    Texts,
    /// A list whose items have the members of the field.
    List,
    /// Whatever the provider sent: not checked when rules are loaded.
    #[serde(rename = "any")]
    Json,
}

/// A kind of code: what is written otherwise is never equal to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Country,
    Currency,
}

impl Form {
    pub fn fits(self, text: &str) -> bool {
        let letters = match self {
            Self::Country => 2,
            Self::Currency => 3,
        };
        // An empty text may stand for none, as in `orValue('')`.
        text.is_empty() || (text.len() == letters && text.bytes().all(|byte| byte.is_ascii_uppercase()))
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Country => "write two capital letters, such as 'DE'",
            Self::Currency => "write three capital letters, such as 'EUR'",
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Sample {
    Text(&'static str),
    Int(i64),
    Bool(bool),
    Texts,
    /// One item with every member.
    List,
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

/// `amount_paid` of `invoice`, for example.
pub(super) fn find(group: &str, name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.root() == group && field.leaf() == Some(name))
}

/// The table of all names for people, in Markdown.
pub fn fields_markdown() -> String {
    let mut page = String::from("| Name | Type | For | Meaning |\n|---|---|---|---|\n");
    for field in FIELDS.iter().flat_map(|field| std::iter::once(field).chain(field.members)) {
        let null = if field.nullable { " or null" } else { "" };
        let facts = if field.facts.is_empty() { "every fact".to_owned() } else { field.facts.join(", ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "| `{}` | {}{null} | {facts} | {} |", field.path, field.kind.as_str(), field.doc);
    }
    page
}

const FIELDS: &[Field] = &[
    text("provider", "stripe", "Name of the provider: `stripe` or `chargebee`.").one_of(crate::providers::names),
    Field { sample: Sample::Fact, ..text("fact.kind", "", "The fact, as in `on`.").one_of(|| FACT_KINDS.to_vec()) },
    text("fact.at", "2026-05-01T09:30:00Z", "When it happened, RFC 3339 in UTC."),
    text("fact.mode", "live", "`live` or `test`; empty where the provider does not say.")
        .one_of(|| vec!["live", "test", ""]),
    text("fact.type", "invoice.paid", "The provider's name for the type of the webhook."),
    text("fact.account", "", "The connected account, or the name of the Chargebee site; empty for your own."),
    text("customer.id", "cus_1", "The provider's id of the customer.").nullable(),
    text("customer.ucc", "AbC123dEf45", "The referral code."),
    text("customer.user_id", "u_1001", "The user's id in your product."),
    text("customer.organization_id", "org_7", "The organization's id in your product.").nullable(),
    text("customer.email", "buyer@example.com", "E-mail address.").nullable(),
    text("customer.country", "DE", "Country of the address: ISO 3166, two letters, upper case.")
        .written(Form::Country)
        .nullable(),
    Field {
        kind: Kind::Texts,
        sample: Sample::Texts,
        ..text(
            "customer.metadata",
            "",
            "What you have put on the customer: Stripe's `metadata`; Chargebee's `meta_data`, and custom fields as `cf_…`. \
             A missing key fails the rule, `has(customer.metadata.key)` tests for it.",
        )
    },
    text("invoice.id", "in_1", "The invoice; for a sale without one the payment.").on(INVOICE),
    text("invoice.subscription", "sub_1", "The subscription it is for.").on(INVOICE).nullable(),
    text("invoice.currency", "EUR", "ISO 4217, upper case.").written(Form::Currency).on(INVOICE).nullable(),
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
    text("invoice.country", "DE", "Country of the address on the invoice: ISO 3166, two letters, upper case.")
        .written(Form::Country)
        .on(INVOICE)
        .nullable(),
    Field {
        kind: Kind::List,
        sample: Sample::List,
        members: LINE,
        ..text("invoice.lines", "", "Its lines, to look through: `invoice.lines.exists(line, line.product_id == 'prod_1')`.")
            .on(INVOICE)
    },
    bool(
        "invoice.lines_complete",
        true,
        "False where the webhook does not carry all lines: a long invoice, or a sale by Checkout.",
    )
    .on(INVOICE),
    text("refund.id", "re_1", "The refund.").on(REFUND),
    int("refund.amount", 1000, "This refund alone, positive, in the smallest unit of the currency.").on(REFUND),
    int(
        "refund.amount_net",
        840,
        "The same without tax, in the proportion of `invoice.amount_paid_net` to `invoice.amount_paid` of its purchase; \
         null where the purchase was never seen.",
    )
    .on(REFUND)
    .nullable(),
    text("refund.currency", "EUR", "ISO 4217, upper case.").written(Form::Currency).on(REFUND).nullable(),
    text("refund.invoice", "in_1", "The refunded invoice.").on(REFUND).nullable(),
    text("refund.subscription", "sub_1", "The subscription it was for.").on(REFUND).nullable(),
    text("subscription.id", "sub_1", "The subscription.").on(SUBSCRIPTION),
    text("subscription.phase", "running", "`pending`, `trial`, `running`, `stalled` (unpaid or paused) or `ended`.")
        .on(SUBSCRIPTION)
        .one_of(|| vec!["pending", "trial", "running", "stalled", "ended"]),
    int("subscription.amount", 4900, "Recurring amount of one period; null for tiered or metered prices.")
        .on(SUBSCRIPTION)
        .nullable(),
    text("subscription.currency", "EUR", "ISO 4217, upper case.").written(Form::Currency).on(SUBSCRIPTION).nullable(),
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

/// Each item of `invoice.lines`.
const LINE: &[Field] = &[
    int(
        "invoice.lines[].amount",
        4900,
        "In the smallest unit of the currency, before discounts of the whole invoice and tax that is added; negative for a credit.",
    )
    .on(INVOICE),
    int("invoice.lines[].quantity", 3, "Quantity.").on(INVOICE).nullable(),
    text("invoice.lines[].price_id", "price_1", "Price or plan.").on(INVOICE).nullable(),
    text("invoice.lines[].product_id", "prod_1", "Product; Chargebee's lines name none.").on(INVOICE).nullable(),
    bool("invoice.lines[].recurring", true, "False for what is paid once.").on(INVOICE),
    bool("invoice.lines[].proration", false, "For a part of a period, after a change; Chargebee does not say.").on(INVOICE),
    text("invoice.lines[].description", "3 × Pro", "As the customer reads it.").on(INVOICE).nullable(),
];

const fn text(path: &'static str, sample: &'static str, doc: &'static str) -> Field {
    let sample = Sample::Text(sample);
    Field { path, kind: Kind::Text, nullable: false, facts: &[], doc, words: None, form: None, members: &[], sample }
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

    const fn written(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
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

    /// The name of a member within its item.
    pub fn member(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, member)| member)
    }

    /// What to write instead of a text that the value can never be; `None` where it can.
    pub fn other_than(&self, text: &str) -> Option<String> {
        if let Some(form) = self.form.filter(|form| !form.fits(text)) {
            return Some(form.help().to_owned());
        }
        let words = self.words.map(|words| words()).filter(|words| !words.contains(&text))?;
        Some(instead(text, &words))
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
            Self::Texts => "map of strings",
            Self::List => "list",
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
            Sample::Texts => map([]),
            Sample::List => vec![sample_item(field.members)].into(),
            Sample::Fact => Value::from(kind.unwrap_or_default()),
            Sample::Json => return None,
        };
        Some((field.path, value))
    };
    FIELDS.iter().filter(exists).filter_map(value).collect()
}

/// One item of a list with all its members, none of them null.
pub(super) fn sample_item(members: &[Field]) -> Value {
    map(members.iter().map(|member| {
        let value = match member.sample {
            Sample::Text(text) => Value::from(text),
            Sample::Int(number) => Value::Int(number),
            Sample::Bool(bool) => Value::Bool(bool),
            Sample::Texts | Sample::List | Sample::Json | Sample::Fact => Value::Null,
        };
        (member.member(), value)
    }))
}

pub(super) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries: HashMap<Key, Value> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
    Value::Map(Map { map: Arc::new(entries) })
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
        assert_eq!(page.lines().count(), FIELDS.len() + LINE.len() + 2);
        assert!(page.contains("| `invoice.lines[].recurring` | bool | invoice-paid | False for what is paid once. |"));
        assert!(page.contains("| `invoice.recurring` | bool |"), "{page}");
        assert!(page.contains("| `invoice.seats` | int or null | invoice-paid | Quantity. |"));
    }
}
