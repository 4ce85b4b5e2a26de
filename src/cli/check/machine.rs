//! What the settings say about this machine: which providers are on, and where the relay listens.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::super::output::number;
use super::Finding;
use crate::config::Config;
use crate::facts::Mode;
use crate::http;
use crate::store::{self, Sqlite};

/// Says for each provider whether it is on, and what stands in its way.
pub fn providers(config: &Config) -> Vec<Finding> {
    [stripe(config), chargebee(config)].into_iter().flatten().collect()
}

fn stripe(config: &Config) -> Vec<Finding> {
    let stripe = &config.stripe;
    if stripe.webhook_secrets.is_empty() {
        return vec![Finding::ok("stripe", "off: it has no `stripe.webhook_secrets`")];
    }
    let secrets = number(stripe.webhook_secrets.len(), "webhook secret");
    let mut findings = vec![Finding::ok("stripe", format!("on, with {secrets}"))];
    if stripe.webhook_secrets.iter().any(|secret| !secret.expose_secret().starts_with("whsec_")) {
        findings.push(Finding::warn(
            "stripe",
            "a webhook secret does not begin with `whsec_`, as all of Stripe's do, so no webhook will match it",
            "in Stripe's dashboard, copy the signing secret of the webhook destination, not an API key or an id",
        ));
    }
    if !cfg!(feature = "stripe-lookup") {
        findings.push(Finding::warn(
            "stripe",
            "this build cannot ask Stripe: webhooks about customers older than the relay are held",
            "use a build with the feature `stripe-lookup`",
        ));
    } else if stripe.api_key.is_none() {
        findings.push(Finding::warn(
            "stripe",
            "there is no `stripe.api_key`, so webhooks about customers older than the relay are held",
            "in Stripe's dashboard, under Developers, API keys, create a restricted key that may read customers, \
             subscriptions, prices and invoices, nothing more; set it as RELAY__STRIPE__API_KEY",
        ));
    } else if let (Some(mode), Some(wanted)) = (mode_of_key(config), config.cello.environment.mode())
        && mode != wanted
    {
        findings.push(Finding::fail(
            "stripe",
            format!(
                "`stripe.api_key` is of {} mode, and Cello's {} takes only {} webhooks: look-ups would find nobody",
                mode.as_str(),
                config.cello.environment.as_str(),
                wanted.as_str()
            ),
            format!("use a key of {} mode, or choose the other `cello.environment`", wanted.as_str()),
        ));
    }
    findings
}

/// Stripe's keys say it: `rk_test_…`, `sk_live_…`.
fn mode_of_key(config: &Config) -> Option<Mode> {
    let key = config.stripe.api_key.as_ref()?.expose_secret();
    match key.get(2..8) {
        Some("_test_") => Some(Mode::Test),
        Some("_live_") => Some(Mode::Live),
        _ => None,
    }
}

fn chargebee(config: &Config) -> Vec<Finding> {
    let chargebee = &config.chargebee;
    if chargebee.credentials.is_empty() {
        return vec![Finding::ok("chargebee", "off: it has no `chargebee.credentials`")];
    }
    let credentials = number(chargebee.credentials.len(), "pair");
    let mut findings = vec![Finding::ok("chargebee", format!("on, with {credentials} of credentials"))];
    match (chargebee.mode, config.cello.environment.mode()) {
        (None, _) => findings.push(Finding::warn(
            "chargebee",
            "webhooks of Chargebee do not say whether their site is a test site, so test events could reach Cello's \
             production",
            "set `chargebee.mode` (RELAY__CHARGEBEE__MODE) to `test` or `live`",
        )),
        (Some(mode), Some(wanted)) if mode != wanted => findings.push(Finding::fail(
            "chargebee",
            format!(
                "its site is a {} site, and Cello's {} takes only {} webhooks: all of them would be ignored",
                mode.as_str(),
                config.cello.environment.as_str(),
                wanted.as_str()
            ),
            match wanted {
                Mode::Live => "set `cello.environment` to `sandbox`, or send webhooks of the live site here",
                Mode::Test => "set `cello.environment` to `production`, or send webhooks of the test site here",
            },
        )),
        (Some(_), _) => {}
    }
    findings
}

/// Whether the relay can listen where it is told to, or does so already.
pub async fn listeners(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        listener("webhooks", "server.bind", &config.server.bind, "/", ("error", "not_found"), config).await,
        listener("admin", "admin.bind", &config.admin.bind, "/health/live", ("status", "live"), config).await,
    ];
    if config.admin.bind.parse().is_ok_and(|address: SocketAddr| !address.ip().is_loopback()) {
        findings.push(Finding::warn(
            "admin",
            format!("health and metrics are told to other machines, too: `admin.bind` is {}", config.admin.bind),
            "make sure that the internet cannot reach it, or bind it to 127.0.0.1",
        ));
    }
    findings
}

/// `path` and `answer`: what a relay that listens there says, and to which question.
async fn listener(
    check: &'static str,
    setting: &str,
    bind: &str,
    path: &str,
    answer: (&str, &str),
    config: &Config,
) -> Finding {
    let error = match TcpListener::bind(bind) {
        Ok(_) => return Finding::ok(check, format!("{bind} is free")),
        Err(error) => error,
    };
    if error.kind() != ErrorKind::AddrInUse {
        let fix = format!("choose another address or port for `{setting}`");
        return Finding::fail(check, format!("nothing can listen on {bind}: {error}"), fix);
    }
    if !answers(bind, path, answer).await {
        return Finding::fail(
            check,
            format!("{bind} is in use by another program"),
            format!("choose another address or port for `{setting}`, or stop what uses it"),
        );
    }
    if store::is_on_server(&config.database_url) {
        // Any number of relays may run on it, here and elsewhere, so who else uses it says nothing of this one.
        let message = format!("{bind} is in use by a relay; whether it runs on this database cannot be told from here");
        return Finding::ok(check, message);
    }
    if Sqlite::is_served(&config.database_url) {
        return Finding::ok(check, format!("{bind} is in use by the relay that runs on this store"));
    }
    Finding::fail(
        check,
        format!("{bind} is in use by a relay that runs on another store, so that one on this store could not start"),
        format!(
            "if that relay is the one you mean, name its store in `database_url`, or its settings file with --config; \
             else choose another address or port for `{setting}`"
        ),
    )
}

async fn answers(bind: &str, path: &str, (key, word): (&str, &str)) -> bool {
    let answer = async {
        let url = reqwest::Url::parse(&format!("http://{bind}{path}")).ok()?;
        let client = http::client(&url, Duration::from_secs(2)).ok()?;
        let text = client.get(url).send().await.ok()?.text().await.ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    answer.await.is_some_and(|answer| answer[key] == word)
}
