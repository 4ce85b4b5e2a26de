//! Whole rules files in, the whole error text out: what an operator sees.

mod limits;
mod mistakes;
mod names;
mod places;
mod shipped;
mod triggers;
mod types;

use super::Rules;

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

/// Whether a purchase rule with this condition loads; the error text if not.
fn loads_when(when: &str) -> Result<(), String> {
    let rule = "name = 'p'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = '1'\n";
    let loaded = Rules::load(&format!("[[rule]]\n{rule}when = \"{when}\""), "rules.toml");
    loaded.map(|_| ()).map_err(|error| error.to_string())
}
