//! Expressions that can never come to what is asked of them: found when a file is loaded, and nothing else refused.

use super::{assert_text, refused, refused_when};
use crate::rules::*;

#[test]
fn a_fault_is_found_in_a_part_that_would_be_skipped() {
    assert_text(
        &refused_when("false && invoice.amount_paid > 'x'"),
        r#"
rules.toml:6:38: `>` cannot be used on int and string
   |
 6 | when = "false && invoice.amount_paid > 'x'"
   |                                      ^
"#,
    );
    assert_text(
        &refused_when("raw.paid || invoice.amount_paid"),
        r#"
rules.toml:6:21: `||` needs a condition, and this is int
   |
 6 | when = "raw.paid || invoice.amount_paid"
   |                     ^^^^^^^^^^^^^^^^^^^
   = compare it, as in `… > 0` or `… != null`
"#,
    );
    assert_text(
        &refused_when("[1, 2].exists(x, x > 9 && invoice.idd == '')"),
        r#"
rules.toml:6:35: there is no `invoice.idd`
   |
 6 | when = "[1, 2].exists(x, x > 9 && invoice.idd == '')"
   |                                   ^^^^^^^^^^^
   = did you mean `invoice.id`?
"#,
    );
}

#[test]
fn a_comparison_that_can_never_be_true_is_refused() {
    assert_text(
        &refused_when("invoice.amount_paid == '4900'"),
        r#"
rules.toml:6:29: `==` compares int with string, which are never equal
   |
 6 | when = "invoice.amount_paid == '4900'"
   |                             ^^
"#,
    );
    assert_text(
        &refused_when("invoice.interval in ['monthly', 'yearli']"),
        r#"
rules.toml:6:41: `invoice.interval` is never "yearli"
   |
 6 | when = "invoice.interval in ['monthly', 'yearli']"
   |                                         ^^^^^^^^
   = did you mean `yearly`?
"#,
    );
}

#[test]
fn an_optional_value_has_to_be_given_a_default_before_it_is_compared() {
    assert_text(
        &refused_when("raw.?livemode.really == true"),
        r#"
rules.toml:6:30: `==` compares optional with bool, which are never equal
   |
 6 | when = "raw.?livemode.really == true"
   |                              ^^
   = say what counts where there is none, as in `raw.?key.orValue(0)`
"#,
    );
    let text = refused_when("invoice.?seats == 3");
    assert!(text.contains("`==` compares optional with int"), "{text}");
}

#[test]
fn a_result_of_the_wrong_type_is_refused_for_each_field_and_branch() {
    assert_text(
        &refused_when("invoice.amount_paid"),
        r#"
rules.toml:6:9: this has to be a condition, true or false, and it is int
   |
 6 | when = "invoice.amount_paid"
   |         ^^^^^^^^^^^^^^^^^^^
"#,
    );
    for (line, message) in [
        ("price = 'invoice.id'", "this has to be a whole number (int), and it is string"),
        ("price = 'invoice.recurring ? 1 : 2.5'", "this has to be a whole number (int), and it is double"),
        ("price = 'raw.a == 1'", "this has to be a whole number (int), and it is bool"),
        ("price = '{1: 1}'", "this has to be a whole number (int), and it is map"),
        ("price = '[invoice.seats].map(x, x + 1)'", "this has to be a whole number (int), and it is list"),
        ("price = 'string(100 / (invoice.amount_paid - 5831))'", "(int), and it is string"),
        ("price = '1'\nseats = 'invoice.id'", "this has to be a whole number (int) or null, and it is string"),
        ("price = '1'\ncurrency = '978'", "this has to be a currency (string) or null, and it is int"),
        ("price = '1'\ncurrency = '\"EURO\"'", "\"EURO\" is no currency"),
        ("price = '1'\ninterval = 'invoice.recurring ? \"month\" : null'", "\"month\" is no interval Cello knows"),
        ("price = '1'\nproduct_key = 'invoice.seats'", "this has to be a text (string) or null, and it is int"),
    ] {
        let text = refused(&format!("name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\n{line}"));
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn a_part_of_an_amount_is_explained() {
    assert_text(
        &refused("name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = 'invoice.amount_paid * 0.8'"),
        r#"
rules.toml:5:30: `*` cannot be used on int and double
   |
 5 | price = 'invoice.amount_paid * 0.8'
   |                              ^
   = amounts are whole numbers: write `* 80 / 100` for 80 %, or convert with `int(…)`
"#,
    );
}

#[test]
fn what_depends_on_values_is_left_to_run_time() {
    for price in [
        "100 / (invoice.amount_paid - 5831)",
        "int(customer.user_id)",
        "[1, 2][invoice.seats]",
        "raw.a.b",
        "[1].map(x, 100 / (invoice.amount_paid - 5831))[0]",
        "[100 / (invoice.amount_paid - 5831)].map(x, 1)[0]",
        "invoice.lines.map(l, 100 / (l.amount - 4900))[0]",
    ] {
        let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'";
        let loaded = Rules::load(&format!("[[rule]]\n{rule}\nprice = '{price}'"), "rules.toml");
        assert!(loaded.is_ok(), "{price}");
    }
    for (when, message) in [
        ("1 / 0 > 0", "division by zero"),
        ("int('a') > 0", "`int` cannot convert this value"),
        ("invoice.id.matches('(')", "this is no regular expression"),
        ("{1: 1, 1: 2}.size() > 0", "a map names one key twice"),
    ] {
        let text = refused_when(when);
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn the_type_of_what_depends_on_the_raw_object_is_known_as_far_as_functions_tell() {
    for (price, type_) in [
        ("raw.a <= 1", "bool"),
        ("raw.a >= 1", "bool"),
        ("raw.a.contains('x')", "bool"),
        ("raw.?a.hasValue()", "bool"),
        ("has(raw.a)", "bool"),
        ("double(raw.a)", "double"),
        ("string(raw.a)", "string"),
    ] {
        let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'";
        let text = refused(&format!("{rule}\nprice = \"{price}\""));
        assert!(text.contains(&format!("(int), and it is {type_}")), "{text}");
    }
    for (when, type_) in [("size(raw.a)", "int"), ("raw[raw.key].?a", "optional")] {
        let text = refused_when(when);
        assert!(text.contains(&format!("true or false, and it is {type_}")), "{text}");
    }
}
