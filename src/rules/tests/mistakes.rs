//! Mistakes that people make, each with the way out, and what looks like one and is none.

use super::{loads_when, refused_when};
use crate::rules::*;

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
