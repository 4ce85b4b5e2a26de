//! The shipped page: it is what the source holds, it loads, and what it says of itself is so.

use crate::facts::FACT_KINDS;
use crate::referral_event::Trigger;
use crate::rules::*;

#[test]
fn the_shipped_rules_are_the_page_in_the_source_and_load() {
    let rules = Rules::shipped().unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/default.toml");
    assert_eq!(rules.source(), std::fs::read_to_string(page).unwrap());
    assert_eq!(rules.source_name(), "shipped rules");
}

#[test]
fn the_shipped_page_names_every_fact_and_trigger() {
    let rules = Rules::shipped().unwrap();
    let head = rules.source().split("[[rule]]").next().unwrap();
    for word in FACT_KINDS.into_iter().chain(Trigger::ALL.map(Trigger::as_str)) {
        assert!(head.contains(word), "{word}");
    }
}

#[test]
fn the_examples_on_the_shipped_page_load() {
    let rules = Rules::shipped().unwrap();
    let comments = || rules.source().lines().filter_map(|line| line.strip_prefix("# "));
    let values = comments().filter_map(|line| line.trim_start().strip_prefix('"')).map(|line| {
        let example = line.split_once('"').unwrap().0;
        let key = if example.contains("&&") { "when" } else { "price" };
        format!("{key} = \"{example}\"")
    });
    let conditions =
        comments().filter_map(|line| line.split_once(" when = ")).map(|(_, when)| format!("when = {when}"));
    let examples: Vec<String> = values.chain(conditions).collect();
    assert_eq!(examples.len(), 14);
    for example in examples {
        let (on, trigger) = match example.split_once('"').unwrap().1 {
            subscription if subscription.starts_with("subscription") => {
                ("subscription-started", "subscription-created")
            }
            refund if refund.contains("refund.") => ("payment-refunded", "charge-refunded"),
            _ => ("invoice-paid", "invoice-paid"),
        };
        let price = if example.starts_with("when") { "price = '1'" } else { "" };
        let text = format!("[[rule]]\nname='a'\non='{on}'\ntrigger='{trigger}'\n{example}\n{price}");
        if let Err(error) = Rules::load(&text, "rules.toml") {
            panic!("{error}");
        }
    }
}

#[test]
fn the_summary_has_one_row_for_each_rule() {
    let rules = Rules::shipped().unwrap();
    let names: Vec<_> = rules.summary().iter().map(|row| row.name).collect();
    let expected =
        ["signup", "purchase", "refund", "subscription-created", "subscription-updated", "subscription-canceled"];
    assert_eq!(names, expected);
    let purchase = Row {
        name: "purchase",
        on: "invoice-paid",
        when: Some("invoice.amount_paid > 0"),
        trigger: Trigger::InvoicePaid,
        price: Some("invoice.amount_paid"),
        is_on: true,
    };
    assert_eq!(rules.summary()[1], purchase);
}
