//! Whole rules files in, the whole error text out: what an operator sees.

use super::*;
use crate::facts::FACT_KINDS;

/// The error text for one rule, given by its lines.
fn refused(rule: &str) -> String {
    match Rules::load(&format!("[[rule]]\n{rule}"), "rules.toml") {
        Ok(_) => panic!("loads: {rule}"),
        Err(error) => error.to_string(),
    }
}

/// The error text for a purchase rule with this condition.
fn refused_when(when: &str) -> String {
    let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = 'invoice.amount_paid'\n";
    refused(&format!("{rule}when = \"{when}\""))
}

#[track_caller]
fn assert_text(text: &str, expected: &str) {
    assert_eq!(text, expected.trim_matches('\n'), "\n{text}\n");
}

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
        &refused("name = 'p'\non = purchase\n"),
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
fn no_expression_however_odd_panics_or_overflows_a_worker_threads_stack() {
    let mut odd = vec![];
    for times in [10, 22, 23, 24, 60, 200] {
        for (open, inner, close) in [
            ("(", "true", ")"),
            ("!(", "true", ")"),
            ("-(", "1", ")"),
            ("[", "1", "]"),
            ("{1: ", "1", "}"),
            ("raw[", "1", "]"),
            ("raw.f(", "1", ")"),
            ("true ? 1 : ", "2", ""),
            ("raw.a ? raw.b : ", "raw.c", ""),
            ("1 + (", "1", ")"),
            ("1 + ", "1 > 0", ""),
            ("raw.x + ", "1 > 0", ""),
            ("true && ", "true", ""),
            ("!", "true", ""),
            ("-", "1", ""),
            ("raw.", "x", ""),
            ("raw.?", "x", ""),
            ("[1].map(x, ", "1", ")"),
            ("(", "", ""),
            ("", "", "]"),
        ] {
            odd.push(format!("{}{inner}{}", open.repeat(times), close.repeat(times)));
        }
    }
    #[rustfmt::skip]
    let texts = [
        "\0", "\u{feff}1", "", " ", "// only a comment", "999999999999999999999", "1e999", r"'\ud800'", r"b'\xff'", "'",
        "-9223372036854775808 / -1 > 0", "-(-9223372036854775808) > 0", "-9223372036854775808 % -1 > 0", "type(1)",
        "'a'.matches('a{1000}{1000}')", "int", "[][0]", "{}.a", "null", "optional.of(1)", "optional.none()", "optional",
        "@result", "``", "a.`b`", "int(1e300) > 0", r"string(b'\xff') == ''", ".invoice.id", "has(1)", "has()", "map(1)",
        "[1].exists(1, true)", "Foo{a: 1}", "invoice", "invoice[raw.a]", "if", "1.invoice", "a b", "raw[?1]", "{1: 1, 1: 2}",
    ];
    odd.extend(texts.map(str::to_owned));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(126), "]".repeat(126));
    let raw = serde_json::from_str(&deep).unwrap();
    let detail = samples::detail("invoice-paid");
    let input = Input { raw: Some(&raw), ..samples::input(&detail) };
    let mut decided = 0;
    for text in odd {
        let when = toml::Value::String(text);
        let file = format!("[[rule]]\nname='p'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='1'\nwhen={when}");
        if let Ok(rules) = Rules::load(&file, "odd.toml") {
            // Less than the 2 MiB of a worker thread, which has other things on its stack.
            let thread = std::thread::Builder::new().stack_size(1536 * 1024);
            std::thread::scope(|scope| {
                thread.spawn_scoped(scope, || rules.decide(&input).ruling).unwrap().join().unwrap();
            });
            decided += 1;
        }
    }
    assert!(decided > 20, "{decided}");
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

/// What a person sees for each mistake: the message and, where there is one, the way out.
#[test]
fn mistakes_that_people_make_are_told_with_the_way_out() {
    for (when, message, help) in [
        // lists
        (
            "invoice.lines.product_id == 'x'",
            "`invoice.lines` is a list and has no `product_id` itself",
            "look through it",
        ),
        (
            "invoice.lines.size > 3",
            "`invoice.lines` is a list and has no `size` itself",
            "write `invoice.lines.size()`",
        ),
        ("invoice.lines.filter(l, l.recurring).amount > 5", "this is a list and has no `amount` itself", "[0]"),
        ("'prod_1' in invoice.lines", "no line is ever equal to string", "exists(line, line.product_id == …)"),
        ("invoice.lines.exists(line, line.amount)", "`exists` needs a condition, and this is int", "compare it"),
        ("invoice.lines.all(line, line.amount)", "`all` needs a condition, and this is int", "compare it"),
        ("invoice.lines.filter(l, l.amount).size() > 1", "`filter` needs a condition, and this is int", "compare it"),
        ("invoice.lines.exists_one(l, l.amount)", "`exists_one` needs a condition, and this is int", "compare it"),
        ("invoice.lines.map(l, l.amount, 1).size() > 1", "`map` needs a condition, and this is int", "compare it"),
        ("['a'].exists(x, invoice.recurring || x > 5)", "`>` cannot be used on string and int", ""),
        ("customer.metadata.exists(key, invoice.recurring || key > 5)", "`>` cannot be used on string and int", ""),
        ("[invoice.id == 5].exists(x, x > 5)", "`==` compares string with int", ""),
        ("{'a': 1}['b'] > 0", "there is no `b`", ""),
        ("invoice.lines.exists(line, line.amount > '5')", "`>` cannot be used on int and string", ""),
        ("invoice.lines.exists(line, line.amount == '5')", "`==` compares int with string", ""),
        ("invoice.lines.map(l, l.product_id).exists(p, p > 5)", "`>` cannot be used on string and int", ""),
        ("invoice.lines.all(line, line.recurring.x)", "`line.recurring` is a plain value", ""),
        ("invoice.lines.exists(line.amount > 5)", "`exists` is used in a wrong way", "list.exists(x, …)"),
        ("invoice.lines.exist(line, line.amount > 5)", "there is no function `exist`", "did you mean `exists`?"),
        ("invoice.lines.sum(line, line.amount) > 5", "there is no function `sum`", "use one of: size"),
        // metadata
        ("customer.metadata.tier > 5", "`>` cannot be used on string and int", ""),
        ("customer.metadata.tier == 5", "`==` compares string with int", ""),
        ("customer.metadata.tier.sub == 'x'", "`customer.metadata.tier` is a plain value", ""),
        ("customer.metdata.tier == 'x'", "there is no `customer.metdata`", "did you mean `customer.metadata`?"),
        ("customer.metadata == 'pro'", "`==` compares map with string", ""),
        ("has(customer.metadata['a-b'])", "`has` needs a name with a dot in it", "`'a-b' in customer.metadata`"),
        ("5 in customer.metadata", "its keys are string, and this is int", ""),
        ("int(customer.metadata.seats) > 'x'", "`>` cannot be used on int and string", ""),
        // words
        ("provider == 'Stripe'", "`provider` is never \"Stripe\"", "did you mean `stripe`?"),
        ("'Chargebee' != provider", "`provider` is never \"Chargebee\"", "did you mean `chargebee`?"),
        ("provider in ['stripe', 'paypal']", "`provider` is never \"paypal\"", "use one of: stripe, chargebee"),
        ("fact.mode != 'Test'", "`fact.mode` is never \"Test\"", "did you mean `test`?"),
        ("fact.kind == 'invoice_paid'", "`fact.kind` is never \"invoice_paid\"", "did you mean `invoice-paid`?"),
        ("invoice.interval == 'month'", "`invoice.interval` is never \"month\"", "did you mean `monthly`?"),
        // codes
        ("customer.country == 'Germany'", "`customer.country` is never \"Germany\"", "such as 'DE'"),
        ("invoice.country in ['DE', 'at']", "`invoice.country` is never \"at\"", "such as 'DE'"),
        ("invoice.currency == 'eur'", "`invoice.currency` is never \"eur\"", "such as 'EUR'"),
        ("invoice.currency == EUR", "there is no `EUR`", "in quotes, 'EUR'"),
        // other languages
        ("invoice.currency = 'EUR'", "`=` is not expected here", "compare with `==`"),
        ("invoice.recurring and invoice.tax > 5", "`and` is not expected here", "write `&&`"),
        ("invoice.currency == “EUR”", "`“` is not expected here", "write straight quotes"),
        ("invoice.amount_paid > 10,00", "`,` is not expected here", "10.00 is 1000"),
        ("invoice.id == 'in_1", "`'in_1` is not expected here", "ends with the quote"),
        ("invoice.recurring or invoice.tax > 5", "`or` is not expected here", "write `||`"),
        ("invoice.recurring | invoice.tax > 5", "`|` is not expected here", "write `||`"),
        ("invoice.recurring not true", "`not` is not expected here", "write `!`"),
        ("not invoice.recurring", "`invoice` is not expected here", "write `!` instead of `not`"),
        ("not (invoice.recurring)", "there is no function `not`", "write `!`"),
        ("invoice.seats <> 3", "`>` is not expected here", "write `!=`"),
        ("invoice.seats ! 3", "`!` is not expected here", "write `!=`"),
        ("invoice.seats > > 3", "`>` is not expected here", ""),
        ("invoice.tax ==\u{a0}5", "a space of another kind is not expected here", "write a plain space"),
        ("{'a' 1} == null", "`:` is missing before `1`", ""),
        ("999999999999999999999 > 0", "the expression is not valid CEL: invalid int literal", ""),
        ("refund.amount_net > 0", "`refund` exists only for payment-refunded", ""),
    ] {
        let text = refused_when(when);
        assert!(text.contains(message) && text.contains(help), "{when}\n{text}");
        assert!(text.contains('^'), "{text}");
        assert_eq!(text.matches("rules.toml:").count(), 1, "one mistake is told once\n{text}");
    }
}

#[test]
fn what_is_right_with_lists_and_maps_loads() {
    for when in [
        "invoice.lines.exists(line, line.product_id in ['prod_1', 'prod_2'])",
        "invoice.lines.exists(line, line.product_id == null || line.quantity == null)",
        "invoice.lines.exists(a, invoice.lines.exists(b, a.amount > b.amount))",
        "invoice.lines.exists(line, raw.lines.data.exists(other, other.amount == line.amount))",
        "invoice.lines.filter(l, l.amount > 99999).exists(l, l.proration)",
        "invoice.lines.exists(l, customer.metadata.exists(key, key == l.product_id))",
        "customer.metadata['plan-tier'] == 'pro'",
        "int(customer.metadata.seats) > 5",
        "customer.country == null || customer.country == ''",
        "customer.metadata[invoice.id] == 'x'",
        "invoice.lines.map(l, l.recurring, l.amount).exists(amount, amount > 5)",
        "invoice.lines.map(l, l.recurring, [l.amount, 1]).exists(pair, pair[0] > 5)",
        "invoice.lines.exists(l, ['a'].exists(l, l == 'x') || l.amount > 5)",
        "(invoice.recurring ? ['a'] : raw.list).exists(x, x == 5)",
    ] {
        let rule = format!("[[rule]]\nname='p'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='1'\nwhen=\"{when}\"");
        if let Err(error) = Rules::load(&rule, "rules.toml") {
            panic!("{error}");
        }
    }
}

/// Whether a purchase rule with this condition loads; the error text if not.
fn loads_when(when: &str) -> Result<(), String> {
    let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = '1'\n";
    let loaded = Rules::load(&format!("[[rule]]\n{rule}when = \"{when}\""), "rules.toml");
    loaded.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn what_is_sound_loads() {
    for when in [
        "provider == 'stripe' && provider != 'chargebee'",
        "fact.type == 'whatever.comes' && invoice.billing_reason != 'a_word_of_tomorrow'",
        "type(raw.amount) == int",
        "optional.of(invoice.seats).orValue(1) > 0",
        "[1].exists(x, [2].exists(y, y > x))",
        "invoice.amount_paid != 4900.0",
        "null != invoice.seats",
        "{'a': invoice.id}['a'] == ''",
    ] {
        assert_eq!(loads_when(when), Ok(()));
    }
}

#[test]
fn a_fault_is_told_once_wherever_it_stands_and_with_what_to_write_instead() {
    for (when, message) in [
        ("{'a': invoice.idd}['a'] == ''", "there is no `invoice.idd`\n"),
        ("[1].exists(x, invoice.idd == '')", "there is no `invoice.idd`\n"),
        ("invoice.idd.exists(x, x > 1)", "there is no `invoice.idd`\n"),
        ("invoyce == 1", "did you mean `invoice`?"),
        ("int.a == 1", "there is no `int`\n"),
        ("invoice == null", "`invoice` is a group of values\n"),
        ("invoice == null", "name one of: invoice.id, invoice."),
        ("provider.name == ''", "`provider` is a plain value, nothing lies below it"),
        ("invoice.id.name == ''", "`invoice.id` is a plain value, nothing lies below it"),
        ("Foo{a: 1} == null", "`Name{…}` makes nothing here"),
        ("!invoice.amount_paid", "`!` needs a condition, and this is int"),
        ("invoice.seats ? true : false", "`? :` needs a condition, and this is int"),
    ] {
        let text = loads_when(when).unwrap_err();
        assert!(text.contains(message), "{text}");
        assert_eq!(text.matches("rules.toml:").count(), 1, "{text}");
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

#[test]
fn the_limits_of_an_expression_are_where_its_messages_say() {
    let long = |length: usize| format!("true{}", " ".repeat(length - 4));
    assert_eq!(loads_when(&long(1000)), Ok(()));
    let brackets = |count: usize| vec!["(true)"; count].join("&&");
    assert_eq!(loads_when(&brackets(60)), Ok(()));
    let nested = |levels: usize| format!("{} > 0", vec!["1"; levels - 1].join("+"));
    assert_eq!(loads_when(&nested(24)), Ok(()));
    for (when, message) in [
        (long(1001), "the expression has 1001 characters, 1000 is the limit"),
        (long(1002), "the expression has 1002 characters, 1000 is the limit"),
        (brackets(61), "the expression has too many brackets"),
        (brackets(62), "the expression has too many brackets"),
        (nested(25), "the expression is nested too deeply"),
    ] {
        let text = loads_when(&when).unwrap_err();
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn the_raw_object_is_asked_for_only_by_rules_that_look_at_it() {
    assert!(!Rules::shipped().unwrap().use_raw());
    for field in ["when = 'raw.paid'", "product_key = 'raw.plan'", "seats = 'raw.seats'"] {
        let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = '1'";
        assert!(Rules::load(&format!("[[rule]]\n{rule}\n{field}"), "rules.toml").unwrap().use_raw(), "{field}");
    }
}

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
