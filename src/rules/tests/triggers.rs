//! What a rule sends: a trigger that fits the fact, and a price where Cello takes one.

use super::{assert_text, refused};
use crate::facts::FACT_KINDS;
use crate::rules::*;

#[test]
fn a_trigger_that_the_fact_is_not_is_refused() {
    assert_text(
        &refused("name = 'p'\non = 'invoice-paid'\ntrigger = 'charge-refunded'\nprice = 'invoice.amount_paid'"),
        r#"
rules.toml:4:11: invoice-paid cannot be told as charge-refunded
   |
 4 | trigger = 'charge-refunded'
   |           ^^^^^^^^^^^^^^^^^
   = a refund is money that was given back: charge-refunded goes with payment-refunded
"#,
    );
    let mut loaded = vec![];
    for on in FACT_KINDS {
        for trigger in Trigger::ALL {
            let price = if pairs::has_no_price(trigger) { "" } else { "price = '1'" };
            match Rules::load(&format!("[[rule]]\nname='p'\non='{on}'\ntrigger='{trigger}'\n{price}"), "rules.toml") {
                Ok(_) => loaded.push(format!("{on} {trigger}")),
                Err(error) => assert_eq!(error.findings.len(), 1, "{error}"),
            }
        }
    }
    assert_eq!(
        loaded,
        [
            "customer-seen new-signup",
            "customer-seen demo-call-attended",
            "invoice-paid invoice-paid",
            "payment-refunded charge-refunded",
            "subscription-started demo-call-attended",
            "subscription-started subscription-created",
            "subscription-started subscription-updated",
            "subscription-changed subscription-created",
            "subscription-changed subscription-updated",
            "subscription-changed subscription-canceled",
            "subscription-ended subscription-canceled",
        ]
    );
}

#[test]
fn a_price_stands_where_cello_takes_one_and_nowhere_else() {
    assert_text(
        &refused("name = 'p'\non = 'customer-seen'\ntrigger = 'new-signup'\nprice = '500'"),
        r#"
rules.toml:5:1: there is no price with new-signup
   |
 5 | price = '500'
   | ^^^^^
   = remove this line
"#,
    );
    for (on, trigger) in [("customer-seen", "demo-call-attended"), ("subscription-ended", "subscription-canceled")] {
        let text = refused(&format!("name = 'p'\non = '{on}'\ntrigger = '{trigger}'\nprice = '1'"));
        assert!(text.contains(&format!("there is no price with {trigger}")), "{text}");
    }
}

#[test]
fn a_price_that_could_only_fail_is_refused() {
    assert_text(
        &refused("name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = 'null'"),
        r#"
rules.toml:5:10: this is always null
   |
 5 | price = 'null'
   |          ^^^^
   = Cello needs a price with this trigger; say in `when` what is not to be sent
"#,
    );
    let priced = |price: &str| format!("name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\n{price}");
    for (line, message) in [
        ("price = 'optional.none()'", "this is always null"),
        ("price = '[1, null][1]'", "this is always null"),
        ("price = 'invoice.recurring ? invoice.amount_paid : null'", "this is always null"),
        ("price = '-1'", "this is always negative"),
        ("price = 'invoice.recurring ? 1 : 5 - 6'", "this is always negative"),
        ("price = '1'\nseats = '-1'", "this is always negative"),
    ] {
        let text = refused(&priced(line));
        assert!(text.contains(message) && text.matches("rules.toml:").count() == 1, "{line}\n{text}");
    }
    for line in [
        "price = '0'",
        "price = 'invoice.seats'",
        "price = 'invoice.amount_paid - 5832'",
        "price = 'invoice.lines.map(l, l.recurring ? null : l.amount)[0]'",
        "price = 'raw.?amount.orValue(0)'",
        "price = '1'\nseats = 'null'",
    ] {
        if let Err(error) = Rules::load(&format!("[[rule]]\n{}", priced(line)), "rules.toml") {
            panic!("{error}");
        }
    }
    let leaves_out = "[[rule]]\nname='s'\non='subscription-started'\ntrigger='subscription-created'\nprice='null'";
    assert!(Rules::load(leaves_out, "rules.toml").is_ok(), "Cello takes it without a price");
}
