//! What the rules say to one fact, and why.

mod reading;

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
fn a_subscription_on_trial_is_reported_with_a_price_of_zero() {
    let trial = crate::facts::Subscription { phase: crate::facts::Phase::Trial, ..samples::subscription() };
    let detail = Detail::SubscriptionStarted(trial);
    let shipped = Rules::shipped().unwrap();
    let Ruling::Matched(matched) = shipped.decide(&input(&detail)).ruling else { panic!() };
    assert_eq!((matched.price, matched.currency), (Some(0), Currency::parse("EUR")));
}

#[test]
fn a_price_that_is_null_leaves_out_price_and_currency() {
    let detail = Detail::SubscriptionStarted(crate::facts::Subscription { amount: None, ..samples::subscription() });
    let shipped = Rules::shipped().unwrap();
    let Ruling::Matched(matched) = shipped.decide(&input(&detail)).ruling else { panic!() };
    assert_eq!((matched.price, matched.currency), (None, None));
}

#[test]
fn a_rule_can_put_its_own_values_over_those_of_the_fact_or_leave_them_out() {
    let detail = samples::detail("invoice-paid");
    let rest =
        "price = '1'\ncurrency = '\"usd\"'\ninterval = '\"yearly\"'\nproduct_key = 'invoice.price_id'\nseats = 'null'";
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
    let names = "invoice.seats = 3, invoice.recurring = true, invoice.currency = 'EUR', invoice.subscription = null";
    let odd = format!("does not match: `{when}`, where {names}");
    assert_eq!(told, [("odd", odd.as_str()), ("own", "matches: `customer.country == 'DE'`")]);

    let tried = priced("1").decide(&input(&detail)).tried;
    assert_eq!(tried[0].result, "matches: it has no condition");
}
