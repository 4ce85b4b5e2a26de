//! Whom the relay talks to: Cello's login and clock, and Stripe's look-ups.
//!
//! Only logs in and reads. What the settings do not name is not asked; that is a finding of the settings.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::DATE;
use secrecy::ExposeSecret;

use super::Finding;
use crate::cello::{Client, LoginError};
use crate::config::Config;
use crate::http;
use crate::providers::{self, LookUpError, Question, stripe};

/// From here on it is worth a word.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !config.cello.base_url.is_empty() {
        findings.push(clock(config).await);
        if !config.cello.access_key_id.is_empty() && !config.cello.secret_access_key.expose_secret().is_empty() {
            findings.push(login(config).await);
        }
    }
    findings.extend(look_up(config).await);
    findings
}

/// Our clock against Cello's: signatures are refused when it is wrong, and Cello is told wrong times.
async fn clock(config: &Config) -> Finding {
    let cello = match cello_time(config).await {
        Ok(time) => time,
        Err(problem) => {
            return Finding::warn(
                "clock",
                format!("it cannot be compared with Cello's: {problem}"),
                "check `cello.base_url`, the network and the proxy; then see to it that this machine keeps its time",
            );
        }
    };
    let tolerance = SignedDuration::try_from(config.stripe.tolerance).unwrap_or(SignedDuration::MAX);
    compare(Timestamp::now().duration_since(cello), tolerance)
}

/// `off` is how much our clock is ahead.
fn compare(off: SignedDuration, tolerance: SignedDuration) -> Finding {
    let seconds = off.as_secs().unsigned_abs();
    let which = if off.is_negative() { "behind" } else { "ahead of" };
    let message = format!("it is {seconds} s {which} Cello's");
    let fix = "let this machine take its time from the network (chrony, systemd-timesyncd)";
    if off.abs() > tolerance {
        Finding::fail("clock", format!("{message}: signatures of Stripe would be refused"), fix)
    } else if off.abs() > SKEW {
        Finding::warn("clock", message, fix)
    } else {
        Finding::ok("clock", "it agrees with Cello's")
    }
}

/// Any answer tells the time, also a refusal.
async fn cello_time(config: &Config) -> anyhow::Result<Timestamp> {
    let url: reqwest::Url = config.cello.base_url.parse()?;
    let client = http::client(&url, config.cello.request_timeout)?;
    let answer = client.get(url).send().await.map_err(reqwest::Error::without_url)?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let date = date.ok_or_else(|| anyhow::anyhow!("its answer does not say the time"))?;
    Ok(rfc2822::DateTimeParser::new().parse_timestamp(date)?)
}

async fn login(config: &Config) -> Finding {
    let cello = &config.cello;
    let at = format!("{} ({})", cello.base_url, cello.environment.as_str());
    let client =
        Client::new(&cello.base_url, &cello.access_key_id, cello.secret_access_key.clone(), cello.request_timeout);
    let client = match client {
        Ok(client) => client,
        Err(problem) => return Finding::fail("cello", problem.to_string(), "correct `cello.base_url`"),
    };
    match client.token().await {
        Ok(_) => Finding::ok("cello", format!("the login works at {at}")),
        Err(error) => {
            let message = match &error {
                LoginError::Refused { status, message } => format!("the login is refused at {at}: {status}, {message}"),
                LoginError::Unavailable { problem, .. } => format!("no login at {at}: {problem}"),
            };
            Finding::fail("cello", message, error.fix())
        }
    }
}

/// Asks Stripe about a customer and a subscription that nobody has: what is refused then is the key.
async fn look_up(config: &Config) -> Option<Finding> {
    let enabled = providers::enabled(config);
    let stripe = enabled.iter().find(|provider| provider.name() == stripe::NAME && provider.can_look_up())?;
    let (account, id) = (String::new, |id: &str| id.to_owned());
    for question in [
        Question::Customer { account: account(), id: id("cus_cello_relay_check") },
        Question::Subscription { account: account(), id: id("sub_cello_relay_check") },
    ] {
        if let Err(problem) = stripe.look_up(&question, Timestamp::now()).await {
            let fix = match &problem {
                LookUpError::Refused { .. } => {
                    "give `stripe.api_key` a restricted key of this account that may read customers, subscriptions, \
                     prices and invoices"
                }
                LookUpError::Unavailable { .. } => "check the network, the proxy and `stripe.api_base`",
            };
            return Some(Finding::fail("stripe", problem.to_string(), fix));
        }
    }
    Some(Finding::ok("stripe", "its API answers, and the key may read customers and subscriptions"))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_clock_is_wrong_when_signatures_would_be_refused_and_doubtful_well_before() {
        for (seconds, status) in [
            (0, Status::Ok),
            (30, Status::Ok),
            (-31, Status::Warn),
            (300, Status::Warn),
            (301, Status::Fail),
            (-301, Status::Fail),
        ] {
            let finding = compare(SignedDuration::from_secs(seconds), SignedDuration::from_secs(300));
            assert_eq!(finding.status, status, "{seconds}: {}", finding.message);
        }
    }
}
