//! Names that are not there, or not for this fact: each is shown with the nearest one.

use super::{assert_text, refused_when};

#[test]
fn an_unknown_name_is_shown_with_the_nearest_one() {
    assert_text(
        &refused_when("invoice.amount_payd > 0"),
        r#"
rules.toml:6:9: there is no `invoice.amount_payd`
   |
 6 | when = "invoice.amount_payd > 0"
   |         ^^^^^^^^^^^^^^^^^^^
   = did you mean `invoice.amount_paid`?
"#,
    );
    assert_text(
        &refused_when("invoices.amount_paid > 0"),
        r#"
rules.toml:6:9: there is no `invoices`
   |
 6 | when = "invoices.amount_paid > 0"
   |         ^^^^^^^^^^^^^^^^^^^^
   = did you mean `invoice`?
"#,
    );
    for spelled in ["has(invoice.seatz)", "invoice['seatz'] == 1", "invoice.?seatz.orValue(1) > 0"] {
        let text = refused_when(spelled);
        assert!(text.contains("there is no `invoice.seatz`\n"), "{text}");
        assert!(text.ends_with("did you mean `invoice.seats`?"), "{text}");
    }
}

#[test]
fn an_unknown_function_is_shown_with_the_nearest_one() {
    assert_text(
        &refused_when("invoice.id.startWith('in_')"),
        r#"
rules.toml:6:20: there is no function `startWith`
   |
 6 | when = "invoice.id.startWith('in_')"
   |                    ^^^^^^^^^
   = did you mean `startsWith`?
"#,
    );
}

#[test]
fn a_name_that_belongs_to_another_fact_is_told_so() {
    assert_text(
        &refused_when("invoice.amount_paid > 0 && refund.amount > 0"),
        r#"
rules.toml:6:36: `refund` exists only for payment-refunded, and this rule is on invoice-paid
   |
 6 | when = "invoice.amount_paid > 0 && refund.amount > 0"
   |                                    ^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_member_that_a_line_has_not_is_shown_with_the_nearest_one() {
    assert_text(
        &refused_when("invoice.lines.exists(line, line.prodct_id == 'prod_addon')"),
        r#"
rules.toml:6:36: there is no `line.prodct_id`
   |
 6 | when = "invoice.lines.exists(line, line.prodct_id == 'prod_addon')"
   |                                    ^^^^^^^^^^^^^^
   = did you mean `product_id`?
"#,
    );
    assert_text(
        &refused_when("invoice.lines.filter(l, l.recurring)[0].produkt == 'x'"),
        r#"
rules.toml:6:48: there is no `produkt`
   |
 6 | when = "invoice.lines.filter(l, l.recurring)[0].produkt == 'x'"
   |                                                ^^^^^^^^
   = did you mean `product_id`?
"#,
    );
    for spelled in [
        "invoice.lines.all(line, has(line.prodct_id))",
        "invoice.lines.all(line, line['prodct_id'] == 'x')",
        "invoice.lines.exists(line, line.?prodct_id.orValue('') == '')",
        "invoice.lines.map(l, invoice.lines.filter(line, line.prodct_id == l.product_id)).size() > 1",
    ] {
        let text = refused_when(spelled);
        assert!(text.contains("there is no `line.prodct_id`\n"), "{text}");
    }
}
