//! What an expression can read of a fact, and what it says where that is not there.

use super::*;

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
fn every_value_that_is_not_known_is_named_once() {
    let mut invoice = samples::invoice();
    (invoice.seats, invoice.subscription) = (None, None);
    let detail = Detail::InvoicePaid(Box::new(invoice));
    let message = failure(priced("invoice.seats * invoice.seats").decide(&input(&detail)).ruling);
    assert!(message.ends_with("(`invoice.seats` is not known for this fact)"), "{message}");
    let message = failure(priced("invoice.seats + size(invoice.subscription)").decide(&input(&detail)).ruling);
    assert!(message.ends_with("(`invoice.seats`, `invoice.subscription` are not known for this fact)"), "{message}");
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
        ("customer.metadata['a-b'] == 'x'", "there is no `a-b`; test for it first, with `'a-b' in customer.metadata`"),
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
fn the_raw_object_can_be_read_with_care() {
    let detail = samples::detail("invoice-paid");
    let raw = serde_json::json!({ "lines": { "data": [{ "amount": 7, "fee": true }, { "amount": 5 }] }, "gone": null });
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
