//! `cello-relay check`: is this installation able to work, and if not, what is to be done.
//!
//! Looks at everything that `serve` needs and goes on after a finding, so that one run shows all of them. It changes
//! nothing, sends no referral event, and never shows a secret.

mod disk;
mod machine;
mod network;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::output::{Tone, print, toned};
use super::{Exit, rules_in_force};
use crate::config::{Config, Problem, Purpose, Triggers, example};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a commented settings file with every setting and its default, and check nothing
    #[arg(long)]
    pub example: bool,
    /// Do not ask Cello and Stripe: leaves out the logins and the clock
    #[arg(long)]
    pub offline: bool,
}

pub async fn run(args: &Args, file: Option<&Path>, json: bool) -> Result<Exit> {
    if args.example {
        print(&example())?;
        return Ok(Exit::Done);
    }
    let (config, problems) = Config::inspect(file, std::env::vars_os(), Purpose::Serve);
    let mut findings = settings(&problems);
    findings.extend(rules(&config));
    findings.extend(machine::providers(&config));
    findings.extend(sales(&config));
    findings.extend(machine::listeners(&config).await);
    findings.extend(disk::check(&config).await);
    if !args.offline {
        findings.extend(network::check(&config).await);
    }
    if json {
        print(&format!("{}\n", json!({ "findings": findings })))?;
    } else {
        print(&text(&findings))?;
    }
    Ok(if findings.iter().all(|finding| finding.status == Status::Ok) { Exit::Done } else { Exit::Findings })
}

/// What was looked at, and how it stands.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    message: String,
    /// What to do; for what is in order, at most something worth knowing.
    fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It works, but not as one would want it.
    Warn,
    /// It does not work.
    Fail,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into(), fix: None }
    }

    fn warn(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, message: message.into(), fix: Some(fix.into()) }
    }

    fn fail(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Fail, message: message.into(), fix: Some(fix.into()) }
    }
}

fn settings(problems: &[Problem]) -> Vec<Finding> {
    if problems.is_empty() {
        return vec![Finding::ok("settings", "complete, and each one is understood")];
    }
    let finding = |problem: &Problem| {
        Finding::fail("settings", format!("{} ({})", problem.what, problem.place), problem.fix.clone())
    };
    problems.iter().map(finding).collect()
}

fn rules(config: &Config) -> Vec<Finding> {
    let rules = match rules_in_force(config) {
        Ok(rules) => rules,
        Err(problem) => {
            let fix = "correct the rules file; `cello-relay rules` prints the rules, with --fields all that an \
                       expression may use";
            return vec![Finding::fail("rules", format!("{problem:#}"), fix)];
        }
    };
    let summary = rules.summary();
    let on = summary.iter().filter(|row| row.is_on).count();
    let mut finding = Finding::ok("rules", format!("{on} of {} rules are on ({})", summary.len(), rules.source_name()));
    let sends_old = summary.iter().any(|row| row.is_on && !row.trigger.is_current());
    if config.triggers == Triggers::All && sends_old {
        finding.fix = Some(
            "if your Cello account rejects the subscription triggers, as those on its newest schema do, set \
             `triggers = \"current\"`"
                .to_owned(),
        );
    }
    vec![finding]
}

/// A payment since 2025-03-31 does not say itself whether an invoice stands behind it.
fn sales(config: &Config) -> Option<Finding> {
    let is_blind = config.stripe.sales_without_invoice && config.stripe.api_key.is_none();
    is_blind.then(|| {
        Finding::warn(
            "stripe sales",
            "`stripe.sales_without_invoice` is on, and nothing can ask Stripe whether an invoice stands behind a payment: \
             such payments are held for a day and then ignored",
            "set `stripe.api_key` to a restricted key that may read invoice payments",
        )
    })
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let indent = " ".repeat("FAIL  ".len() + width + 2);
    let mut text = String::new();
    for Finding { check, status, message, fix } in findings {
        let (word, tone) = match status {
            Status::Ok => ("OK  ", Tone::Good),
            Status::Warn => ("WARN", Tone::Open),
            Status::Fail => ("FAIL", Tone::Bad),
        };
        let message = message.trim_end().replace('\n', &format!("\n{indent}"));
        text.push_str(&format!("{}  {check:width$}  {message}\n", toned(word, tone)));
        if let Some(fix) = fix {
            let label = if *status == Status::Ok { "note" } else { "fix" };
            text.push_str(&format!("{indent}{label}: {fix}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_keeps_its_shape() {
        let findings = [Finding::ok("settings", "fine"), Finding::fail("rules", "line 1\n  ^^^^\n", "mend it")];
        let text = anstream::adapter::strip_str(&text(&findings)).to_string();
        assert_eq!(
            text,
            "OK    settings  fine\n\
             FAIL  rules     line 1\n                  ^^^^\n                fix: mend it\n"
        );
    }
}
