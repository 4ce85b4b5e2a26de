//! What is required, which depends on the command, and what does not go together.

use std::net::SocketAddr;

use super::load::Loader;
use super::problem::Wrong;
use super::settings::find;
use super::{Config, Environment, sites};

/// What the settings are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Taking webhooks and delivering to Cello: needs a provider, Cello's environment and its keys.
    Serve,
    /// The same with the stand-in for Cello in this process: needs a provider. Whatever is configured of Cello's
    /// address and keys is left out, so that nothing leaves the machine; the address is empty until the stand-in has
    /// one. An environment that was chosen decides about live and test webhooks as it would without the stand-in.
    ServeSandbox,
    /// Reading files and rules: needs nothing.
    Offline,
    /// Talking to Cello only.
    CelloOnly,
    /// Looking into the store only.
    Store,
}

pub(super) fn check(loader: &mut Loader, purpose: Purpose) {
    if matches!(purpose, Purpose::Serve | Purpose::ServeSandbox) {
        require_provider(loader);
        loader.problems.extend(sites::require_credentials(loader));
    }
    if matches!(purpose, Purpose::Serve | Purpose::CelloOnly) {
        require_cello(loader);
    }
    fit_together(loader);
    complete_cello(&mut loader.config, purpose);
}

fn require_provider(loader: &mut Loader) {
    let names = ["stripe.webhook_secrets", "chargebee.credentials"];
    // One that was given and refused has a problem of its own.
    let of_sites = loader.places.keys().any(|key| key.starts_with(sites::TABLE));
    if of_sites || names.iter().any(|name| loader.places.contains_key(*name)) {
        return;
    }
    let place = names.map(variable).join("; ");
    loader.problems.push(
        Wrong::new(
            "no payment provider is switched on, and this program never takes webhooks without proof",
            "give `stripe.webhook_secrets`, `chargebee.credentials` or both",
        )
        .at(place),
    );
}

fn require_cello(loader: &mut Loader) {
    let required = [
        (
            "cello.environment",
            "write `sandbox` for test-mode webhooks, or `production` for live ones; `serve --sandbox` works without an account",
        ),
        ("cello.access_key_id", "copy the access key id from Cello's portal"),
        ("cello.secret_access_key", "copy the secret access key from Cello's portal"),
    ];
    for (key, fix) in required {
        if !loader.places.contains_key(key) {
            let wrong = Wrong::new(format!("`{key}` is not set"), fix);
            loader.problems.push(wrong.at(variable(key)));
        }
    }
}

fn fit_together(loader: &mut Loader) {
    let config = &loader.config;
    let mut problems = Vec::new();
    let (lease, timeout) = (config.delivery.lease.as_secs(), config.cello.request_timeout.as_secs());
    // One sending may log in first, and takes up to the request timeout for either.
    let longest = 2 * timeout;
    if lease <= longest {
        let what = format!(
            "`delivery.lease_seconds` ({lease}) is not longer than twice `cello.request_timeout_seconds` ({timeout}), so \
             that a referral event could be sent twice while Cello still answers"
        );
        problems.push(
            Wrong::new(what, format!("make the lease longer than {longest} seconds, or the timeout shorter"))
                .at(place(loader, &["delivery.lease_seconds", "cello.request_timeout_seconds"])),
        );
    }
    if clash(&config.server.bind, &config.admin.bind) {
        let what = format!("`server.bind` and `admin.bind` are the same address, {}", config.admin.bind);
        problems.push(
            Wrong::new(what, "give `admin.bind` another port; health and metrics are not for the internet")
                .at(place(loader, &["server.bind", "admin.bind"])),
        );
    }
    problems.extend(sites::check_pairs(loader));
    loader.problems.extend(problems);
}

/// Port 0 never clashes: the system finds a free one for each.
fn clash(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (one.parse::<SocketAddr>(), other.parse::<SocketAddr>()) else { return false };
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || everywhere)
}

fn complete_cello(config: &mut Config, purpose: Purpose) {
    let cello = &mut config.cello;
    if purpose == Purpose::ServeSandbox {
        cello.base_url = String::new();
        cello.access_key_id = "local".into();
        cello.secret_access_key = "local".to_owned().into();
    } else if cello.base_url.is_empty() && cello.environment != Environment::Local {
        cello.base_url = cello.environment.base_url().unwrap_or_default().into();
    }
}

/// Where the settings were given, or where the first of them could be.
fn place(loader: &Loader, keys: &[&'static str]) -> String {
    let given: Vec<&str> = keys.iter().filter_map(|key| loader.places.get(*key).map(String::as_str)).collect();
    if given.is_empty() { keys.iter().copied().map(variable).collect::<Vec<_>>().join("; ") } else { given.join("; ") }
}

fn variable(key: &str) -> String {
    find(key).map_or_else(|| key.to_owned(), |setting| format!("{} or `{key}` in relay.toml", setting.variable()))
}
