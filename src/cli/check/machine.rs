//! What the settings say about this machine: which providers are on, and where the relay listens.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::super::output::number;
use super::Finding;
use crate::config::{Config, SiteView, chargebee_key};
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
    let sites: Vec<_> = config.chargebee.sites_that_are_on().collect();
    if sites.is_empty() {
        return vec![Finding::ok("chargebee", "off: it has no `chargebee.credentials`")];
    }
    let wanted = config.cello.environment.mode();
    let is_of_wrong_mode = |site: &SiteView<'_>| site.mode.zip(wanted).is_some_and(|(mode, wanted)| mode != wanted);
    let all_are_wrong = sites.iter().all(|(_, site)| is_of_wrong_mode(site));
    let mut findings = Vec::new();
    for (name, site) in sites {
        let (of_site, its) = if name.is_empty() {
            (String::new(), "its site".to_owned())
        } else {
            (format!("site `{name}`: "), format!("the site `{name}`"))
        };
        let credentials = number(site.credentials.len(), "pair");
        findings.push(Finding::ok("chargebee", format!("{of_site}on, with {credentials} of credentials")));
        match (site.mode, wanted) {
            (None, _) => findings.push(Finding::warn(
                "chargebee",
                format!(
                    "{of_site}webhooks of Chargebee do not say whether their site is a test site, so test events could \
                     reach Cello's production"
                ),
                set_mode(name),
            )),
            (Some(mode), Some(wanted)) if mode != wanted => {
                let message = format!(
                    "{its} is a {} site, and Cello's {} takes only {} webhooks: all of them would be ignored",
                    mode.as_str(),
                    config.cello.environment.as_str(),
                    wanted.as_str()
                );
                let fix = match wanted {
                    _ if !all_are_wrong => {
                        "remove the site here, or give it a relay that sends to Cello's other environment"
                    }
                    Mode::Live => "set `cello.environment` to `sandbox`, or send webhooks of the live site here",
                    Mode::Test => "set `cello.environment` to `production`, or send webhooks of the test site here",
                };
                // Where others work, it may be meant.
                let found = if all_are_wrong { Finding::fail } else { Finding::warn };
                findings.push(found("chargebee", message, fix.to_owned()));
            }
            (Some(_), _) => {}
        }
    }
    findings
}

fn set_mode(site: &str) -> String {
    let key = chargebee_key(site, "mode");
    let variable = format!("RELAY__{}", key.replace('.', "__").to_ascii_uppercase());
    format!("set `{key}` ({variable}) to `test` or `live`")
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
