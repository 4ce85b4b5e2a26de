//! How large an expression may be, and what is parsed for it.

use super::loads_when;
use crate::rules::*;

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
