//! Where in the file something is wrong: line and column, for all of it at once.

use super::{assert_text, refused, refused_when};
use crate::rules::*;

#[test]
fn a_syntax_error_is_shown_at_its_place() {
    assert_text(
        &refused_when("invoice.amount_paid > 0)"),
        r#"
rules.toml:6:32: the expression is not valid CEL: `)` is not expected here
   |
 6 | when = "invoice.amount_paid > 0)"
   |                                ^
"#,
    );
    assert_text(
        &refused_when("'ä' == 'ö' && invoice.amount_paid >"),
        r#"
rules.toml:6:44: the expression is not valid CEL: it ends too early
   |
 6 | when = "'ä' == 'ö' && invoice.amount_paid >"
   |                                            ^
"#,
    );
    assert_text(
        &refused("name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = 'invoice.recurring ? 5'"),
        r#"
rules.toml:5:31: the expression is not valid CEL: it ends too early
   |
 5 | price = 'invoice.recurring ? 5'
   |                               ^
   = after `?` stand two values: `condition ? value : other`; `null` leaves a value out
"#,
    );
    for (half, message) in [
        ("invoice.recurring ? : true", "`:` is not expected here"),
        ("(invoice.recurring ? true)", "`)` is not expected here"),
        ("invoice.recurring ?", "it ends too early"),
        ("invoice.recurring ? true ? false", "`?` is not expected here"),
    ] {
        let text = refused_when(half);
        assert!(text.contains(message) && text.contains("after `?` stand two values"), "{text}");
    }
    assert!(!refused_when("invoice.recurring ? true :").contains("Incomplete"));
    assert!(!refused_when("invoice.recurring ||").contains("after `?`"));
    assert!(!refused_when("invoice.seats > > 3").contains("!="), "only of `<>`");
    assert_text(
        &refused_when("invoice.recurring and true"),
        r#"
rules.toml:6:27: the expression is not valid CEL: `and` is not expected here
   |
 6 | when = "invoice.recurring and true"
   |                           ^^^
   = write `&&`
"#,
    );
    assert_text(
        &refused("name = 'p'\non = purchase\nanother line that is no TOML\n"),
        r#"
rules.toml:3:6: this is not valid TOML: string values must be quoted, expected literal string
   |
 3 | on = purchase
   |      ^^^^^^^^
"#,
    );
}

#[test]
fn the_place_is_right_within_every_kind_of_toml_string() {
    for (written, line, column) in [
        ("'foo > 0'", 6, 9),
        ("\"foo > 0\"", 6, 9),
        (r#""\"a\" == foo""#, 6, 18),
        ("'''foo > 0'''", 6, 11),
        ("'''\n  true &&\n  foo > 0'''", 8, 3),
        ("\"\"\"\n  true &&\n  foo > 0\"\"\"", 8, 3),
        ("\"\"\"\r\n  foo > 0\"\"\"", 7, 3),
        (r#""'\x61' == foo""#, 6, 19),
        (r#""'\u0061' == foo""#, 6, 21),
        (r#""'\U00000061' == foo""#, 6, 25),
        // Cannot be told: the string itself.
        ("\"\"\"true && \\\n  foo > 0\"\"\"", 6, 8),
    ] {
        let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = '1'\n";
        let error = Rules::load(&format!("[[rule]]\n{rule}when = {written}"), "rules.toml").err().unwrap();
        assert_eq!((error.findings[0].line, error.findings[0].column), (line, column), "{error}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_file_is_reported_at_once() {
    let file = r#"
colour = "blue"

[[rule]]
name    = "Purchase!"
on      = "invoice-payed"
trigger = "charge-refund"
prize   = "1"
price   = 4900

[[rule]]
name = "twice"
on   = "customer-seen"

[[rule]]
name     = "twice"
on       = "payment-refunded"
trigger  = "charge-refunded"
currency = "'EUR'"
"#;
    let error = Rules::load(file, "rules.toml").err().unwrap();
    assert_text(
        &error.to_string(),
        r#"
rules.toml:2:1: there is no setting `colour` here
   |
 2 | colour = "blue"
   | ^^^^^^
   = a rules file has only `[[rule]]` tables

rules.toml:5:11: a rule's name is made of small letters, digits and single hyphens
   |
 5 | name    = "Purchase!"
   |           ^^^^^^^^^^^
   = write it like `purchase` or `purchase-yearly`

rules.toml:6:11: there is no fact `invoice-payed`
   |
 6 | on      = "invoice-payed"
   |           ^^^^^^^^^^^^^^^
   = did you mean `invoice-paid`?

rules.toml:7:11: there is no trigger `charge-refund`
   |
 7 | trigger = "charge-refund"
   |           ^^^^^^^^^^^^^^^
   = did you mean `charge-refunded`?

rules.toml:8:1: a rule has no `prize`
   |
 8 | prize   = "1"
   | ^^^^^
   = did you mean `price`?

rules.toml:9:11: `price` has to be a text in quotes
   |
 9 | price   = 4900
   |           ^^^^
   = write `price = "4900"`

rules.toml:11:1: this rule has no `trigger`
    |
 11 | [[rule]]
    | ^^^^^^^^
    = add `trigger = "…"`

rules.toml:16:12: the rule on line 12 is called `twice` already
    |
 16 | name     = "twice"
    |            ^^^^^^^
    = give each rule a name of its own

rules.toml:18:12: Cello needs a price with charge-refunded
    |
 18 | trigger  = "charge-refunded"
    |            ^^^^^^^^^^^^^^^^^
    = add `price = "…"`

rules.toml:19:12: a currency says nothing without a price
    |
 19 | currency = "'EUR'"
    |            ^^^^^^^
    = add `price`
"#,
    );
}

#[test]
fn a_file_that_sends_nothing_is_refused() {
    for file in ["", "# nothing\n", "rule = []"] {
        let text = Rules::load(file, "rules.toml").err().unwrap().to_string();
        assert!(text.contains("there is no rule here, so nothing would ever be sent"), "{text}");
    }
    let text = Rules::load("[rule]\nname = 'p'", "rules.toml").err().unwrap().to_string();
    assert!(text.contains("with two brackets"), "{text}");
    for file in ["[rule]\nname = 'p'", "colour = 'blue'", "rule = [1]"] {
        let error = Rules::load(file, "rules.toml").err().unwrap();
        assert_eq!(error.findings.len(), 1, "what is wrong is said once: {error}");
    }
}
