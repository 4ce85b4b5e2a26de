//! What a rule is shown: one fact, with what the relay has found out about it, turned into variables.
//!
//! Whole numbers become CEL's signed integers and never floats, because amounts of money are among them.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use jiff::Timestamp;

use super::schema;
use crate::facts::{Billing, Detail, InvoiceLine, Metadata, Mode, Phase, Plan, Scope};
use crate::interval::Interval;

/// One fact to decide. [`Input::new`] fills it from the fact; what a look-up knows better is put over it.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    pub scope: &'a Scope,
    pub detail: &'a Detail,
    /// When it happened.
    pub at: Timestamp,
    /// `None` where the provider does not say.
    pub mode: Option<Mode>,
    /// The provider's type of the webhook, such as `invoice.paid`.
    pub event_type: &'a str,
    pub customer: CustomerView<'a>,
    /// How often it is paid, for invoices and subscriptions.
    pub interval: Option<Interval>,
    pub plan: Option<&'a Plan>,
    pub seats: Option<i64>,
    /// This refund alone, in minor units, positive.
    pub refund_amount: Option<i64>,
    /// The same without tax; `None` where the purchase was never seen.
    pub refund_amount_net: Option<i64>,
    pub refund_invoice: Option<&'a str>,
    /// The provider's object as it came. Only converted where a rule uses it.
    pub raw: Option<&'a serde_json::Value>,
}

/// The referred customer as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct CustomerView<'a> {
    /// The provider's id.
    pub id: Option<&'a str>,
    pub ucc: &'a str,
    pub user_id: &'a str,
    pub organization_id: Option<&'a str>,
    pub email: Option<&'a str>,
    pub country: Option<&'a str>,
    pub metadata: &'a Metadata,
}

impl<'a> Input<'a> {
    /// What the fact itself says; without mode, type and raw object.
    pub fn new(scope: &'a Scope, detail: &'a Detail, at: Timestamp, customer: CustomerView<'a>) -> Self {
        let blank = Self {
            scope,
            detail,
            at,
            mode: None,
            event_type: "",
            customer,
            interval: None,
            plan: None,
            seats: None,
            refund_amount: None,
            refund_amount_net: None,
            refund_invoice: None,
            raw: None,
        };
        match detail {
            Detail::CustomerSeen { .. } | Detail::CustomerDeleted => blank,
            Detail::SubscriptionStarted(subscription)
            | Detail::SubscriptionChanged { subscription, .. }
            | Detail::SubscriptionEnded(subscription) => Self {
                interval: word(&subscription.plan),
                plan: Some(&subscription.plan),
                seats: subscription.seats,
                ..blank
            },
            Detail::InvoicePaid(invoice) => Self {
                interval: match invoice.billing {
                    Billing::OneTime => Some(Interval::OneTime),
                    Billing::Recurring => word(&invoice.plan),
                    Billing::Stretch(stretch) => stretch,
                    Billing::SeveralPeriods => None,
                },
                plan: Some(&invoice.plan),
                seats: invoice.seats,
                ..blank
            },
            Detail::PaymentRefunded(refund) => {
                Self { refund_amount: refund.amount, refund_invoice: refund.invoice.as_deref(), ..blank }
            }
        }
    }

    /// A value for every name the fact has, save `raw`; lists and maps only where they are `wanted`.
    fn values(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, Value)> {
        let mut values = vec![
            ("provider", self.scope.provider.as_str().into()),
            ("fact.kind", self.detail.kind().into()),
            ("fact.at", self.at.to_string().into()),
            ("fact.mode", self.mode.map_or("", Mode::as_str).into()),
            ("fact.type", self.event_type.into()),
            ("fact.account", self.scope.account.as_str().into()),
            ("customer.id", self.customer.id.into()),
            ("customer.ucc", self.customer.ucc.into()),
            ("customer.user_id", self.customer.user_id.into()),
            ("customer.organization_id", self.customer.organization_id.into()),
            ("customer.email", self.customer.email.into()),
            ("customer.country", self.customer.country.into()),
        ];
        if wanted("customer.metadata") {
            let texts = self.customer.metadata.iter().map(|(key, text)| (key.as_str(), text.as_str().into()));
            values.push(("customer.metadata", schema::map(texts)));
        }
        let interval: Value = self.interval.map(Interval::as_str).into();
        let price_id: Value = self.plan.and_then(|plan| plan.price_id.as_deref()).into();
        let product_id: Value = self.plan.and_then(|plan| plan.product_id.as_deref()).into();
        match self.detail {
            Detail::CustomerSeen { .. } | Detail::CustomerDeleted => {}
            Detail::SubscriptionStarted(subscription)
            | Detail::SubscriptionChanged { subscription, .. }
            | Detail::SubscriptionEnded(subscription) => values.extend([
                ("subscription.id", subscription.id.as_str().into()),
                ("subscription.phase", phase(subscription.phase).into()),
                ("subscription.amount", subscription.amount.into()),
                ("subscription.currency", subscription.currency.as_ref().map(|currency| currency.as_str()).into()),
                ("subscription.interval", interval),
                ("subscription.price_id", price_id),
                ("subscription.product_id", product_id),
                ("subscription.seats", self.seats.into()),
            ]),
            Detail::InvoicePaid(invoice) => {
                if wanted("invoice.lines") {
                    let lines: Vec<Value> = invoice.lines.iter().map(line).collect();
                    values.push(("invoice.lines", lines.into()));
                }
                values.extend([
                    ("invoice.id", invoice.id.as_str().into()),
                    ("invoice.subscription", invoice.subscription.as_deref().into()),
                    ("invoice.currency", invoice.currency.as_ref().map(|currency| currency.as_str()).into()),
                    ("invoice.amount_paid", invoice.amount_paid.into()),
                    ("invoice.amount_paid_net", invoice.amount_paid_net.into()),
                    ("invoice.total", invoice.total.into()),
                    ("invoice.tax", invoice.tax.into()),
                    ("invoice.recurring", (invoice.billing != Billing::OneTime).into()),
                    ("invoice.interval", interval),
                    ("invoice.price_id", price_id),
                    ("invoice.product_id", product_id),
                    ("invoice.seats", self.seats.into()),
                    ("invoice.billing_reason", invoice.billing_reason.as_str().into()),
                    ("invoice.country", invoice.country.as_deref().into()),
                    ("invoice.lines_complete", invoice.lines_complete.into()),
                ]);
            }
            Detail::PaymentRefunded(refund) => values.extend([
                ("refund.id", refund.id.as_str().into()),
                ("refund.amount", self.refund_amount.into()),
                ("refund.amount_net", self.refund_amount_net.into()),
                ("refund.currency", refund.currency.as_ref().map(|currency| currency.as_str()).into()),
                ("refund.invoice", self.refund_invoice.into()),
                ("refund.subscription", refund.subscription.as_deref().into()),
            ]),
        }
        values
    }
}

fn line(line: &InvoiceLine) -> Value {
    schema::map([
        ("amount", line.amount.into()),
        ("quantity", line.quantity.into()),
        ("price_id", line.price_id.as_deref().into()),
        ("product_id", line.product_id.as_deref().into()),
        ("recurring", line.recurring.into()),
        ("proration", line.proration.into()),
        ("description", line.description.as_deref().into()),
    ])
}

fn word(plan: &Plan) -> Option<Interval> {
    plan.period.and_then(|period| period.word())
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Trial => "trial",
        Phase::Running => "running",
        Phase::Stalled => "stalled",
        Phase::Ended => "ended",
    }
}

/// The variables of one decision.
pub(super) struct Variables {
    pub context: Context<'static, 'static>,
    /// The same by name, save `raw`: to explain a decision by.
    values: Vec<(&'static str, Value)>,
    /// Entries of the longest list or map that a provider filled: what a loop may have to go through.
    pub longest: usize,
}

impl Variables {
    /// `wanted` says whether any rule looks at the raw object, a list or a map, which are the costly parts.
    pub fn of(input: &Input<'_>, wanted: impl Fn(&str) -> bool, env: &Arc<Env>) -> Self {
        let mut variables = Self::bind(input.values(&wanted), env);
        let lines = if let Detail::InvoicePaid(invoice) = input.detail { invoice.lines.len() } else { 0 };
        variables.longest = lines.max(input.customer.metadata.len());
        if let Some(raw) = input.raw.filter(|_| wanted("raw")) {
            let value = from_json(raw, 0, &mut variables.longest);
            variables.context.add_variable_from_value("raw", value);
        }
        variables
    }

    /// The value of a name other than `raw`, where the fact has it.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| *name == path).map(|(_, value)| value)
    }

    /// Names with a dot become members of their group.
    pub fn bind(values: Vec<(&'static str, Value)>, env: &Arc<Env>) -> Self {
        let mut context = Context::with_env(Arc::clone(env));
        let mut groups: HashMap<&str, HashMap<Key, Value>> = HashMap::new();
        for (path, value) in values.clone() {
            match path.split_once('.') {
                Some((group, name)) => {
                    groups.entry(group).or_default().insert(name.into(), value);
                }
                None => context.add_variable_from_value(path, value),
            }
        }
        for (group, members) in groups {
            context.add_variable_from_value(group, Value::Map(Map { map: Arc::new(members) }));
        }
        Self { context, values, longest: 0 }
    }
}

/// Levels of the provider's object. Theirs have about ten; converting recurses, on a worker thread's stack.
const MAX_LEVELS: usize = 32;

/// JSON as CEL sees it. The library's own conversion makes every positive number unsigned, which then adds to no
/// signed one; here only numbers beyond 64 bits signed are, so that using them with others fails instead of
/// rounding. Below [`MAX_LEVELS`] everything is null.
fn from_json(json: &serde_json::Value, level: usize, longest: &mut usize) -> Value {
    match json {
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => Value::Int(int),
            (None, Some(uint), _) => Value::UInt(uint),
            (None, None, float) => float.map_or(Value::Null, Value::Float),
        },
        serde_json::Value::Array(items) if level < MAX_LEVELS => {
            *longest = (*longest).max(items.len());
            items.iter().map(|item| from_json(item, level + 1, longest)).collect::<Vec<_>>().into()
        }
        serde_json::Value::Object(members) if level < MAX_LEVELS => {
            *longest = (*longest).max(members.len());
            let member = |(key, value): (&String, _)| (key.as_str().into(), from_json(value, level + 1, longest));
            Value::Map(Map { map: Arc::new(members.iter().map(member).collect()) })
        }
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fields, samples, schema};
    use super::*;
    use crate::facts::FACT_KINDS;

    #[test]
    fn a_fact_has_exactly_the_names_and_types_that_the_schema_lists_for_it() {
        for kind in FACT_KINDS {
            let detail = samples::detail(kind);
            let values = samples::input(&detail).values(|_| true);
            let types = |values: Vec<(&'static str, Value)>| {
                let mut types: Vec<_> =
                    values.into_iter().map(|(path, value)| format!("{path} {}", value.type_of())).collect();
                types.sort();
                types
            };
            assert_eq!(types(values), types(schema::sample(Some(kind))), "{kind}");
        }
    }

    #[test]
    fn a_line_has_exactly_the_members_and_types_that_the_schema_lists() {
        let members = |value: Value| {
            let Value::Map(map) = value else { panic!() };
            let mut members: Vec<_> = map.map.iter().map(|(key, value)| format!("{key} {}", value.type_of())).collect();
            members.sort();
            members
        };
        let lines = fields().iter().find(|field| field.path == "invoice.lines").unwrap();
        assert_eq!(members(line(&samples::line(1, "prod_1"))), members(schema::sample_item(lines.members)));
        let bare =
            InvoiceLine { quantity: None, price_id: None, product_id: None, description: None, ..samples::line(1, "") };
        let Value::Map(bare) = line(&bare) else { panic!() };
        for member in lines.members {
            assert_eq!(bare.map[&Key::from(member.member())] == Value::Null, member.nullable, "{}", member.path);
        }
    }

    #[test]
    fn only_names_that_may_be_null_are() {
        let mut invoice = samples::invoice();
        (invoice.subscription, invoice.currency, invoice.seats, invoice.plan) = (None, None, None, Plan::default());
        let mut subscription = samples::subscription();
        (subscription.amount, subscription.currency, subscription.seats) = (None, None, None);
        subscription.plan = Plan::default();
        invoice.country = None;
        for detail in [Detail::InvoicePaid(Box::new(invoice)), Detail::SubscriptionStarted(subscription)] {
            for (path, value) in samples::input(&detail).values(|_| true) {
                let field = fields().iter().find(|field| field.path == path).unwrap();
                assert!(value != Value::Null || field.nullable, "{path}");
            }
        }
    }

    #[test]
    fn whole_numbers_of_json_become_signed_ones_and_never_floats() {
        for (json, expected) in [
            ("4900", Value::Int(4900)),
            ("-1", Value::Int(-1)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::UInt(9_223_372_036_854_775_808)),
            ("1.5", Value::Float(1.5)),
        ] {
            assert_eq!(from_json(&serde_json::from_str(json).unwrap(), 0, &mut 0), expected);
        }
    }

    #[test]
    fn a_one_time_sale_is_not_recurring() {
        for (billing, expected) in
            [(Billing::OneTime, false), (Billing::Recurring, true), (Billing::Stretch(None), true)]
        {
            let detail = Detail::InvoicePaid(Box::new(crate::facts::Invoice { billing, ..samples::invoice() }));
            let values = samples::input(&detail).values(|_| true);
            let recurring = values.into_iter().find(|(path, _)| *path == "invoice.recurring").map(|(_, value)| value);
            assert_eq!(recurring, Some(Value::Bool(expected)));
        }
    }

    #[test]
    fn lists_and_objects_are_converted_down_to_a_level_that_no_provider_reaches() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels: usize| {
                let json = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                let value = from_json(&serde_json::from_str(&json).unwrap(), 0, &mut 0);
                format!("{value:?}")
            };
            assert!(nested(MAX_LEVELS).contains("Int(1)"));
            assert!(!nested(MAX_LEVELS + 1).contains("Int(1)"));
        }
    }
}
