//! Decides one fact by the rules: pure, and always with a reason.
//!
//! A rule that fails never falls through to the next one: it was meant to decide, and guessing what it would have
//! said could send a wrong price.

use cel::Value;

use super::expression::Expression;
use super::input::{Input, Variables};
use super::types::Type;
use super::{Rule, Rules};
use crate::interval::Interval;
use crate::money::Currency;
use crate::referral_event::Trigger;
use crate::trace::Tried;

/// What the rules say to one fact, and how they came to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled<'r> {
    pub ruling: Ruling<'r>,
    /// The rules for this fact, in order, down to the one that decided.
    pub tried: Vec<Tried>,
}

/// What follows for one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling<'r> {
    Matched(Matched<'r>),
    /// No rule is for this fact, or the condition of each is false; the message says which.
    NoneMatched {
        message: String,
    },
    /// The first rule that matched is turned off, and none after it matched.
    TriggerOff {
        rule: &'r str,
        trigger: Trigger,
    },
    /// An expression failed on this fact.
    Failed {
        rule: &'r str,
        message: String,
    },
}

/// What the deciding rule says. Of the last three, `None` means that the rule does not say, `Some(None)` that it
/// leaves the value out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<'r> {
    pub rule: &'r str,
    pub trigger: Trigger,
    /// Minor units, never negative. `None` where the rule names no price or the price is null.
    pub price: Option<i64>,
    /// The expression the price was told by.
    pub price_by: Option<&'r str>,
    /// That of the fact unless the rule says otherwise; `None` wherever there is no price.
    pub currency: Option<Currency>,
    pub interval: Option<Option<Interval>>,
    pub product_key: Option<Option<String>>,
    pub seats: Option<Option<i64>>,
}

impl Rules {
    /// The first rule that matches decides.
    pub fn decide(&self, input: &Input<'_>) -> Ruled<'_> {
        let mut tried = vec![];
        let ruling = self.ruling(input, &mut tried);
        Ruled { ruling, tried }
    }

    fn ruling(&self, input: &Input<'_>, tried: &mut Vec<Tried>) -> Ruling<'_> {
        let kind = input.detail.kind();
        let rules: Vec<_> = self.rules.iter().filter(|rule| rule.on == kind).collect();
        if rules.is_empty() {
            return Ruling::NoneMatched { message: format!("no rule is for {kind}") };
        }
        let wanted =
            |path: &str| rules.iter().flat_map(|rule| rule.expressions()).any(|expression| expression.uses(path));
        let variables = Variables::of(input, wanted, &self.env);
        let mut off = None;
        let mut note = |rule: &Rule, result: String| tried.push(Tried { rule: rule.name.clone(), result });
        let mut missed = vec![];
        for rule in rules {
            let matches = rule.matches(&variables);
            if !self.is_on(rule) {
                // Neither sends nor fails: what is turned off must not hold a fact up.
                if matches != Ok(false) {
                    off.get_or_insert(Ruling::TriggerOff { rule: &rule.name, trigger: rule.trigger });
                }
                note(rule, format!("is turned off: `triggers = \"current\"` leaves out {}", rule.trigger));
                continue;
            }
            match matches.and_then(|matches| matches.then(|| rule.matched(input, &variables)).transpose()) {
                Ok(Some(matched)) => {
                    note(rule, rule.condition("matches", &variables));
                    return Ruling::Matched(matched);
                }
                Ok(None) => {
                    let when = rule.when.as_ref().map_or("true", |when| &when.text);
                    missed.push(format!("{}: `{when}` is false", rule.name));
                    note(rule, rule.condition("does not match", &variables));
                }
                Err(message) => {
                    note(rule, format!("failed: {message}"));
                    return Ruling::Failed { rule: &rule.name, message };
                }
            }
        }
        off.unwrap_or_else(|| Ruling::NoneMatched { message: missed.join("; ") })
    }
}

impl Rule {
    fn matches(&self, variables: &Variables) -> Result<bool, String> {
        let Some(when) = &self.when else { return Ok(true) };
        match when.value(variables).map_err(|message| format!("when: {message}"))? {
            Value::Bool(answer) => Ok(answer),
            other => Err(format!("when: `{}` is neither true nor false but {}", when.text, Type::of(&other))),
        }
    }

    /// What became of the condition, with what it looked at.
    fn condition(&self, result: &str, variables: &Variables) -> String {
        let Some(when) = &self.when else { return format!("{result}: it has no condition") };
        let names = when.names(variables);
        let names = if names.is_empty() { names } else { format!(", where {names}") };
        format!("{result}: `{}`{names}", when.text)
    }

    fn matched(&self, input: &Input<'_>, variables: &Variables) -> Result<Matched<'_>, String> {
        let price = whole("price", self.price.as_ref(), variables)?.flatten();
        if let (None, Some(expression)) = (price, self.price.as_ref().filter(|_| self.trigger.needs_price())) {
            let because = expression.unknown(variables);
            return Err(format!(
                "price: `{}` is null, and Cello needs a price with {}{because}",
                expression.text, self.trigger
            ));
        }
        let currency = match text("currency", self.currency.as_ref(), variables)? {
            _ if price.is_none() => None,
            None => input.detail.currency().cloned(),
            Some(None) => None,
            Some(Some(code)) => {
                Some(Currency::parse(&code).ok_or("currency: the result is not three letters".to_owned())?)
            }
        };
        let interval = match text("interval", self.interval.as_ref(), variables)? {
            Some(Some(word)) => {
                Some(Some(Interval::parse(&word).ok_or("interval: the result is no word Cello knows".to_owned())?))
            }
            Some(None) => Some(None),
            None => None,
        };
        Ok(Matched {
            rule: &self.name,
            trigger: self.trigger,
            price,
            price_by: self.price.as_ref().map(|price| price.text.as_str()),
            currency,
            interval,
            product_key: text("product_key", self.product_key.as_ref(), variables)?,
            seats: whole("seats", self.seats.as_ref(), variables)?,
        })
    }
}

fn whole(field: &str, expression: Option<&Expression>, variables: &Variables) -> Result<Option<Option<i64>>, String> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.value(variables).map_err(|message| format!("{field}: {message}"))? {
        Value::Null => Ok(Some(None)),
        Value::Int(number) if number >= 0 => Ok(Some(Some(number))),
        Value::Int(_) => Err(format!("{field}: `{}` is negative", expression.text)),
        other => Err(format!("{field}: `{}` is no whole number but {}", expression.text, Type::of(&other))),
    }
}

/// Trimmed; blank counts as left out.
fn text(field: &str, expression: Option<&Expression>, variables: &Variables) -> Result<Option<Option<String>>, String> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.value(variables).map_err(|message| format!("{field}: {message}"))? {
        Value::Null => Ok(Some(None)),
        Value::String(text) => Ok(Some(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))),
        other => Err(format!("{field}: `{}` is no text but {}", expression.text, Type::of(&other))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, input};
    use super::*;
    use crate::facts::{Detail, FACT_KINDS, Invoice};

    /// Rules with one rule on this fact.
    fn rules(on: &str, rest: &str) -> Rules {
        let trigger = match on {
            "invoice-paid" => "trigger = 'invoice-paid'",
            _ => "trigger = 'new-signup'",
        };
        Rules::load(&format!("[[rule]]\nname = 'one'\non = '{on}'\n{trigger}\n{rest}"), "rules.toml")
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// What a purchase rule with this price says to the sample invoice.
    fn priced(price: &str) -> Rules {
        rules("invoice-paid", &format!("price = \"{price}\""))
    }

    fn failure(ruling: Ruling<'_>) -> String {
        match ruling {
            Ruling::Failed { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_shipped_rule_decides_the_fact_it_is_for() {
        let shipped = Rules::shipped().unwrap();
        let mut lines = String::new();
        for kind in FACT_KINDS {
            let detail = samples::detail(kind);
            match shipped.decide(&input(&detail)).ruling {
                Ruling::Matched(matched) => {
                    let price = matched.price.map_or("no price".into(), |price| price.to_string());
                    let currency = matched.currency.map(|currency| currency.to_string()).unwrap_or_default();
                    lines += &format!("{kind}: {} {} {price} {currency}\n", matched.rule, matched.trigger);
                }
                other => panic!("{kind}: {other:?}"),
            }
        }
        assert_eq!(
            lines,
            "customer-seen: signup new-signup no price \n\
             invoice-paid: purchase invoice-paid 5831 EUR\n\
             payment-refunded: refund charge-refunded 1000 EUR\n\
             subscription-started: subscription-created subscription-created 4900 EUR\n\
             subscription-changed: subscription-updated subscription-updated 4900 EUR\n\
             subscription-ended: subscription-canceled subscription-canceled no price \n"
        );
    }

    #[test]
    fn the_mapping_is_changed_by_one_line_of_the_shipped_page() {
        let page = Rules::shipped()
            .unwrap()
            .source()
            .replace("price   = \"invoice.amount_paid\"", "price   = \"invoice.amount_paid_net\"");
        let rules = Rules::load(&page, "own.toml").unwrap();
        let detail = samples::detail("invoice-paid");
        let Ruling::Matched(matched) = rules.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!(matched.price, Some(4900));
    }

    #[test]
    fn the_reason_for_no_match_names_every_condition_that_was_tried() {
        let mut invoice = samples::invoice();
        invoice.amount_paid = 0;
        let detail = Detail::InvoicePaid(Box::new(invoice));
        let message = "purchase: `invoice.amount_paid > 0` is false".to_owned();
        assert_eq!(Rules::shipped().unwrap().decide(&input(&detail)).ruling, Ruling::NoneMatched { message });

        let detail = samples::detail("customer-seen");
        let message = "no rule is for customer-seen".to_owned();
        assert_eq!(priced("1").decide(&input(&detail)).ruling, Ruling::NoneMatched { message });
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = Rules::load(
            "[[rule]]\nname='yen'\non='invoice-paid'\nwhen='invoice.currency == \"JPY\"'\ntrigger='invoice-paid'\nprice='1'\n\
             [[rule]]\nname='first'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='2'\n\
             [[rule]]\nname='second'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='3'\n",
            "rules.toml",
        )
        .unwrap();
        let detail = samples::detail("invoice-paid");
        let Ruling::Matched(matched) = rules.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!((matched.rule, matched.price), ("first", Some(2)));
    }

    #[test]
    fn an_expression_that_fails_fails_its_rule_with_a_message_and_without_values() {
        let detail = samples::detail("invoice-paid");
        let raw = serde_json::json!({ "text": "secret", "big": u64::MAX, "list": [1] });
        let input = Input { raw: Some(&raw), ..input(&detail) };
        for (price, message) in [
            (
                "invoice.amount_paid * 9223372036854775807",
                "price: `invoice.amount_paid * 9223372036854775807`: the result does not fit a whole number of 64 bits",
            ),
            ("100 / (invoice.amount_paid - 5831)", "price: `100 / (invoice.amount_paid - 5831)`: division by zero"),
            ("int(customer.user_id)", "price: `int(customer.user_id)`: `int` cannot convert this value"),
            (
                "raw.missing.key",
                "price: `raw.missing.key`: there is no `missing`; test for it first, with `has(raw.missing)`",
            ),
            ("raw.list[1]", "price: `raw.list[1]`: the list is shorter than that"),
            ("raw.text", "price: `raw.text` is no whole number but string"),
            ("raw.text + 1", "price: `raw.text + 1`: `+` cannot be used on string and int"),
            ("int(raw.text)", "price: `int(raw.text)`: `int` cannot convert this value"),
            ("raw.big + 1", "price: `raw.big + 1`: `+` cannot be used on uint and int"),
            ("raw.big", "price: `raw.big` is no whole number but uint"),
            ("raw.text.map(x, x)", "price: `raw.text.map(x, x)`: expected iterable, got string"),
            ("raw.text ? 1 : 2", "price: `raw.text ? 1 : 2`: expected bool, got string"),
            ("raw.list[0] - 2", "price: `raw.list[0] - 2` is negative"),
            ("raw.list[0] * 0.8", "price: `raw.list[0] * 0.8`: `*` cannot be used on int and double"),
        ] {
            assert_eq!(failure(priced(price).decide(&input).ruling), message);
        }
        for (field, message) in [
            ("currency = 'raw.text'", "currency: the result is not three letters"),
            ("interval = 'raw.text'", "interval: the result is no word Cello knows"),
            ("seats = '0 - raw.list[0]'", "seats: `0 - raw.list[0]` is negative"),
            ("product_key = 'raw.list'", "product_key: `raw.list` is no text but list"),
            ("when = 'raw.text'", "when: `raw.text` is neither true nor false but string"),
        ] {
            let rules = rules("invoice-paid", &format!("price = '1'\n{field}"));
            assert_eq!(failure(rules.decide(&input).ruling), message);
        }
    }

    #[test]
    fn a_value_that_is_not_known_is_named_where_it_makes_a_rule_fail() {
        let mut invoice = samples::invoice();
        invoice.seats = None;
        let detail = Detail::InvoicePaid(Box::new(invoice));
        assert_eq!(
            failure(priced("invoice.seats * 100").decide(&input(&detail)).ruling),
            "price: `invoice.seats * 100`: `*` cannot be used on null and int (`invoice.seats` is not known for this fact)"
        );
        assert_eq!(
            failure(rules("invoice-paid", "price = '1'\nwhen = 'invoice.seats > 1'").decide(&input(&detail)).ruling),
            "when: `invoice.seats > 1`: `>` cannot be used on null and int (`invoice.seats` is not known for this fact)"
        );
    }

    #[test]
    fn a_purchase_or_refund_without_a_price_is_no_event_but_a_rule_that_failed() {
        let detail = samples::detail("payment-refunded");
        let rule = "[[rule]]\nname='net'\non='payment-refunded'\ntrigger='charge-refunded'\nprice='refund.amount_net'";
        let rules = Rules::load(rule, "rules.toml").unwrap();
        let message = "price: `refund.amount_net` is null, and Cello needs a price with charge-refunded \
                       (`refund.amount_net` is not known for this fact)";
        let unseen = Input { refund_amount_net: None, ..input(&detail) };
        assert_eq!(failure(rules.decide(&unseen).ruling), message);
        let Ruling::Matched(matched) = rules.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!(matched.price, Some(840));
    }

    #[test]
    fn a_key_of_metadata_that_is_not_there_fails_the_rule_with_a_way_out() {
        let detail = samples::detail("invoice-paid");
        let when = |when: &str| {
            let rules = rules("invoice-paid", &format!("price = '1'\nwhen = \"{when}\""));
            match rules.decide(&input(&detail)).ruling {
                Ruling::Matched(_) => "true".to_owned(),
                Ruling::NoneMatched { .. } => "false".to_owned(),
                ruling => failure(ruling),
            }
        };
        for (condition, answer) in [
            ("customer.metadata.tier == 'pro'", "true"),
            ("customer.metadata['tier'] != 'pro'", "false"),
            ("has(customer.metadata.tier)", "true"),
            ("has(customer.metadata.level)", "false"),
            ("'tier' in customer.metadata", "true"),
            ("'level' in customer.metadata", "false"),
            ("has(customer.metadata.level) && customer.metadata.level == 'x'", "false"),
            ("customer.metadata.?level.orValue('pro') == 'pro'", "true"),
            ("customer.metadata[?'sub-level'].orValue('pro') == 'pro'", "true"),
            ("customer.metadata.exists(key, key.startsWith('ti'))", "true"),
            ("size(customer.metadata) == 1", "true"),
        ] {
            assert_eq!(when(condition), answer, "{condition}");
        }
        for (condition, message) in [
            (
                "customer.metadata.level == 'x'",
                "there is no `level`; test for it first, with `has(customer.metadata.level)`",
            ),
            (
                "customer.metadata['a-b'] == 'x'",
                "there is no `a-b`; test for it first, with `'a-b' in customer.metadata`",
            ),
            ("customer.metadata[customer.email] == 'x'", "there is no such key"),
        ] {
            assert_eq!(when(condition), format!("when: `{condition}`: {message}"));
        }
    }

    #[test]
    fn the_lines_of_an_invoice_can_be_looked_through() {
        let mut invoice = samples::invoice();
        let (plain, addon) = (samples::line(4000, "prod_1"), samples::line(-900, "prod_addon"));
        let bare = crate::facts::InvoiceLine { quantity: None, product_id: None, ..samples::line(100, "") };
        invoice.lines = vec![plain, addon, bare];
        let detail = Detail::InvoicePaid(Box::new(invoice));
        for (price, expected) in [
            ("invoice.lines.exists(line, line.product_id == 'prod_addon') ? 1 : 2", 1),
            ("invoice.lines.all(line, line.product_id == 'prod_addon') ? 1 : 2", 2),
            ("invoice.lines.filter(line, line.amount > 0).map(line, line.amount)[1]", 100),
            ("invoice.lines.filter(l, has(l.product_id)).size()", 2),
            ("invoice.lines.map(l, has(l.quantity) ? l.quantity : 7)[2]", 7),
            ("invoice.lines.map(l, l.?quantity.orValue(8))[2]", 8),
            ("invoice.lines.filter(l, l.amount > 0)[?0].?quantity.orValue(9)", 3),
            ("invoice.lines.map(l, l['amount'])[0]", 4000),
            ("invoice.lines[0].recurring && !invoice.lines[0].proration ? 5 : 6", 5),
            ("invoice.lines.exists_one(l, l.amount < 0) ? 1 : 0", 1),
            ("size(invoice.lines) + (invoice.lines_complete ? 10 : 0)", 13),
        ] {
            let rules = priced(price);
            match rules.decide(&input(&detail)).ruling {
                Ruling::Matched(matched) => assert_eq!(matched.price, Some(expected), "{price}"),
                other => panic!("{price}: {other:?}"),
            }
        }
        let price = "invoice.lines.filter(l, l.quantity > 3).size()";
        let message = "`>` cannot be used on null and int (`l.quantity` may be null, `has(l.quantity)` tests for it)";
        assert_eq!(failure(priced(price).decide(&input(&detail)).ruling), format!("price: `{price}`: {message}"));
        let price = "invoice.lines[9].amount";
        let message = "the list is shorter than that";
        assert_eq!(failure(priced(price).decide(&input(&detail)).ruling), format!("price: `{price}`: {message}"));
    }

    #[test]
    fn a_very_long_invoice_is_not_looped_over_twice() {
        let invoice = Invoice { lines: vec![samples::line(1, "prod_1"); 5000], ..samples::invoice() };
        let detail = Detail::InvoicePaid(Box::new(invoice));
        let price = "invoice.lines.filter(a, invoice.lines.exists(b, b.amount > a.amount)).size()";
        let message = failure(priced(price).decide(&input(&detail)).ruling);
        assert_eq!(message, format!("price: `{price}`: the provider's object is too long to loop over"));
    }

    #[test]
    fn a_value_that_is_not_known_can_be_tested_for() {
        let mut without = samples::invoice();
        without.seats = None;
        for (invoice, seats) in [(without, 1), (samples::invoice(), 3)] {
            let detail = Detail::InvoicePaid(Box::new(invoice));
            for price in [
                "has(invoice.seats) ? invoice.seats : 1",
                "invoice.seats == null ? 1 : invoice.seats",
                "invoice.?seats.orValue(1)",
                "invoice[?'seats'].orValue(1)",
                "invoice['seats'] == null ? 1 : invoice['seats']",
                "[1].map(x, has(invoice.seats) ? invoice.seats : x)[0]",
            ] {
                let rules = priced(price);
                let Ruling::Matched(matched) = rules.decide(&input(&detail)).ruling else { panic!("{price}") };
                assert_eq!(matched.price, Some(seats), "{price}");
            }
        }
    }

    #[test]
    fn the_raw_object_can_be_read_with_care() {
        let detail = samples::detail("invoice-paid");
        let raw =
            serde_json::json!({ "lines": { "data": [{ "amount": 7, "fee": true }, { "amount": 5 }] }, "gone": null });
        let input = Input { raw: Some(&raw), ..input(&detail) };
        for (price, expected) in [
            ("raw.lines.data[0].amount", Some(7)),
            ("raw.lines.data.filter(l, !has(l.fee)).map(l, l.amount)[0]", Some(5)),
            ("has(raw.nothing) ? 1 : 2", Some(2)),
            ("has(raw.currency) ? 1 : 2", Some(2)),
            ("raw.?nothing.?deep.orValue(3)", Some(3)),
            ("raw.?nothing.orValue(0)", Some(0)),
            ("raw.?lines.data[0].amount", Some(7)),
            ("raw.gone == null ? 4 : 5", Some(4)),
        ] {
            let rules = priced(price);
            match rules.decide(&input).ruling {
                Ruling::Matched(matched) => assert_eq!(matched.price, expected, "{price}"),
                other => panic!("{price}: {other:?}"),
            }
        }
    }

    #[test]
    fn loops_over_a_long_raw_object_are_refused_rather_than_run() {
        let detail = samples::detail("invoice-paid");
        let raw = serde_json::json!({ "data": vec![1; 5000] });
        let input = Input { raw: Some(&raw), ..input(&detail) };
        let price = "raw.data.filter(x, raw.data.exists(y, y > x)).size()";
        let message = failure(priced(price).decide(&input).ruling);
        assert_eq!(message, format!("price: `{price}`: the provider's object is too long to loop over"));
        let rules = priced("raw.data.filter(x, x > 0).size()");
        assert!(matches!(rules.decide(&input).ruling, Ruling::Matched(Matched { price: Some(5000), .. })));
    }

    #[test]
    fn a_subscription_on_trial_is_reported_with_a_price_of_zero() {
        let trial = crate::facts::Subscription { phase: crate::facts::Phase::Trial, ..samples::subscription() };
        let detail = Detail::SubscriptionStarted(trial);
        let shipped = Rules::shipped().unwrap();
        let Ruling::Matched(matched) = shipped.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!((matched.price, matched.currency), (Some(0), Currency::parse("EUR")));
    }

    #[test]
    fn a_price_that_is_null_leaves_out_price_and_currency() {
        let detail =
            Detail::SubscriptionStarted(crate::facts::Subscription { amount: None, ..samples::subscription() });
        let shipped = Rules::shipped().unwrap();
        let Ruling::Matched(matched) = shipped.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!((matched.price, matched.currency), (None, None));
    }

    #[test]
    fn a_rule_can_put_its_own_values_over_those_of_the_fact_or_leave_them_out() {
        let detail = samples::detail("invoice-paid");
        let rest = "price = '1'\ncurrency = '\"usd\"'\ninterval = '\"yearly\"'\nproduct_key = 'invoice.price_id'\nseats = 'null'";
        let rules = rules("invoice-paid", rest);
        let Ruling::Matched(matched) = rules.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!(matched.currency, Currency::parse("USD"));
        assert_eq!(matched.interval, Some(Some(Interval::Yearly)));
        assert_eq!(matched.product_key, Some(Some("price_1".to_owned())));
        assert_eq!(matched.seats, Some(None));

        let plain = priced("1");
        let Ruling::Matched(matched) = plain.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!(matched.currency, Currency::parse("EUR"));
        assert_eq!((matched.interval, matched.product_key, matched.seats), (None, None, None));
    }

    #[test]
    fn limited_to_current_triggers_a_rule_with_another_says_so_and_lets_later_ones_decide() {
        let detail = samples::detail("subscription-started");
        let limited = Rules::shipped().unwrap().limited_to_current();
        let off = Ruling::TriggerOff { rule: "subscription-created", trigger: Trigger::SubscriptionCreated };
        assert_eq!(limited.decide(&input(&detail)).ruling, off);

        let text = "[[rule]]\nname='off'\non='subscription-started'\nwhen='subscription.seats > 0'\ntrigger='subscription-created'\n\
                    [[rule]]\nname='demo'\non='subscription-started'\ntrigger='demo-call-attended'\n";
        let limited = Rules::load(text, "rules.toml").unwrap().limited_to_current();
        let Ruling::Matched(matched) = limited.decide(&input(&detail)).ruling else { panic!() };
        assert_eq!(matched.rule, "demo");
        assert_eq!(limited.summary().iter().map(|row| row.is_on).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn rules_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Rules>();
    }

    #[test]
    fn every_value_that_is_not_known_is_named_once() {
        let mut invoice = samples::invoice();
        (invoice.seats, invoice.subscription) = (None, None);
        let detail = Detail::InvoicePaid(Box::new(invoice));
        let message = failure(priced("invoice.seats * invoice.seats").decide(&input(&detail)).ruling);
        assert!(message.ends_with("(`invoice.seats` is not known for this fact)"), "{message}");
        let message = failure(priced("invoice.seats + size(invoice.subscription)").decide(&input(&detail)).ruling);
        assert!(
            message.ends_with("(`invoice.seats`, `invoice.subscription` are not known for this fact)"),
            "{message}"
        );
    }

    #[test]
    fn only_loops_over_the_raw_object_are_limited_by_its_length() {
        let detail = samples::detail("invoice-paid");
        let raw = |length| serde_json::json!({ "data": vec![1; length] });
        let decided = |rest: &str, raw: &serde_json::Value| {
            let rules = rules("invoice-paid", rest);
            matches!(rules.decide(&Input { raw: Some(raw), ..input(&detail) }).ruling, Ruling::Matched(_))
        };
        let own_loops = "when = 'raw.data.size() > 0'\nprice = '[1].map(x, [2].map(y, y)[0])[0]'";
        assert!(decided(own_loops, &raw(5000)));
        let loop_ = "when = 'raw.data.exists(x, x > 0)'\nprice = '1'";
        assert!(decided(loop_, &raw(100_000)));
        assert!(!decided(loop_, &raw(100_001)));
    }

    #[test]
    fn each_rule_that_was_tried_tells_what_its_condition_looked_at_and_nothing_about_a_person() {
        let mut invoice = samples::invoice();
        invoice.subscription = None;
        let detail = Detail::InvoicePaid(Box::new(invoice));
        let when = "invoice.seats > 3 || !invoice.recurring || invoice.currency == 'USD' || has(invoice.subscription) \
                    || customer.country == 'FR' || invoice.lines.size() > 9 || customer.metadata.size() > 9";
        let rules = Rules::load(
            &format!(
                "[[rule]]\nname='odd'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='1'\nwhen=\"{when}\"\n\
                 [[rule]]\nname='own'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='1'\nwhen=\"customer.country == 'DE'\""
            ),
            "rules.toml",
        )
        .unwrap();
        let tried = rules.decide(&input(&detail)).tried;
        let told: Vec<_> = tried.iter().map(|tried| (tried.rule.as_str(), tried.result.as_str())).collect();
        let names =
            "invoice.seats = 3, invoice.recurring = true, invoice.currency = 'EUR', invoice.subscription = null";
        let odd = format!("does not match: `{when}`, where {names}");
        assert_eq!(told, [("odd", odd.as_str()), ("own", "matches: `customer.country == 'DE'`")]);

        let tried = priced("1").decide(&input(&detail)).tried;
        assert_eq!(tried[0].result, "matches: it has no condition");
    }
}
