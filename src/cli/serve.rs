//! `cello-relay serve`: receives and delivers until told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::{Exit, Trouble, rules_in_force};
use crate::cello::{Client, Sandbox};
use crate::clock;
use crate::config::{Config, Environment, chargebee_key};
use crate::providers::{self, Provider};
use crate::relay::policy::Policy;
use crate::relay::{self, Relay};
use crate::server::{self, Server};
use crate::store::{self, Missing, Sqlite, Store};
use crate::telemetry::{self, Metrics};

/// How often, and after which pauses, it is looked whether all have let go of the store.
const CLOSING_LOOKS: u32 = 500;
const CLOSING_PAUSE: Duration = Duration::from_millis(10);

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config, sandbox: bool) -> Result<Exit> {
    telemetry::start_log(&config.log);
    if !sandbox && Sqlite::file(&config.database_url).is_ok_and(|file| file.is_none()) {
        return Err(Trouble {
            what: "the store would be in memory, and what was answered would be lost with the process".to_owned(),
            place: "database_url".to_owned(),
            fix: "name a file, such as `sqlite:relay.db`".to_owned(),
        }
        .into());
    }
    let missing = Missing::find(&config.database_url);
    let store = store::open(&config.database_url, true)?;
    if let Some(missing) = missing.filter(|missing| is_worth_a_word(missing, &config, sandbox)) {
        tracing::warn!(
            store = %missing.name,
            "there was no store, so an empty one was made; if there should have been one, stop, and look whether its \
             volume is mounted and `database_url` is right: an empty store does not know what Cello was told"
        );
    }
    refuse_store_of_another(store.as_ref(), &config, sandbox).await?;
    // Before anybody is told that the relay runs: whoever knows it may stop it.
    let mut signals = Signals::take()?;
    let mut relay = Running::start(config, store.clone(), sandbox).await?;
    relay.announce();
    tokio::select! {
        () = signals.stop() => {}
        problem = relay.broken() => return Err(problem),
    }
    tracing::info!("stopping: finishing what is current");
    relay.stop().await?;
    close(store).await;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// What waits in a store was decided for one Cello: test data must never meet real rewards, nor real purchases end in a
/// stand-in. And what one was told would be taken for told by the other, too.
///
/// # Errors
///
/// A [`Trouble`], or what kept the store from telling.
pub async fn refuse_store_of_another(store: &dyn Store, config: &Config, sandbox: bool) -> Result<()> {
    let wanted = if sandbox { Environment::Local } else { config.cello.environment }.as_str();
    let found = store.goes_to(wanted, Timestamp::now()).await?;
    if found == wanted {
        return Ok(());
    }
    let named = |cello: &str| match cello {
        "local" => "the stand-in of `serve --sandbox`".to_owned(),
        environment => format!("Cello's {environment}"),
    };
    Err(Trouble {
        what: format!("this store is for {}, and not for {}", named(&found), named(wanted)),
        place: "database_url".to_owned(),
        fix: "give each a store of its own: name another one here, which may be new".to_owned(),
    }
    .into())
}

/// Closes the store before the process ends, so that all of it is in its file and nothing in the log beside it: people
/// copy the file of a relay that has stopped. The threads of the server may still be about to let go of it.
async fn close(mut store: Arc<dyn Store>) {
    for _ in 0..CLOSING_LOOKS {
        if Arc::get_mut(&mut store).is_some() {
            return drop(store);
        }
        tokio::time::sleep(CLOSING_PAUSE).await;
    }
    tracing::warn!("the store is still in use and was not closed; nothing is lost, the next start takes it up");
}

/// Whether it would matter that a store is lost: real events are sent from it, or there was one.
pub fn is_worth_a_word(missing: &Missing, config: &Config, sandbox: bool) -> bool {
    missing.was_there || (config.cello.environment == Environment::Production && !sandbox)
}

/// A whole relay within this process: listeners, loops and, where wanted, the stand-in for Cello.
pub struct Running {
    pub config: Config,
    providers: Vec<Arc<dyn Provider>>,
    pub receive_url: String,
    pub admin_url: String,
    pub sandbox: Option<Sandbox>,
    server: server::Handle,
    serving: tokio::task::JoinHandle<Result<(), server::ServerError>>,
    relay: Relay,
}

impl Running {
    pub async fn start(mut config: Config, store: Arc<dyn Store>, sandbox: bool) -> Result<Self> {
        let sandbox = if sandbox { Some(start_sandbox(&mut config).await?) } else { None };
        let rules = rules_in_force(&config)?;
        let providers = providers::all(&config);
        let metrics = Arc::new(Metrics::new());
        let stored = Arc::new(Notify::new());
        let clock = clock::system();
        let cello = &config.cello;
        let client =
            Client::new(&cello.base_url, &cello.access_key_id, cello.secret_access_key.clone(), cello.request_timeout)?;
        let server = Server::build(
            &config,
            server::Parts {
                providers: providers.iter().filter(|provider| provider.is_on()).cloned().collect(),
                store: store.clone(),
                metrics: metrics.clone(),
                clock: clock.clone(),
                stored: stored.clone(),
            },
        )?;
        let relay = Relay::start(relay::Parts {
            store,
            policy: Policy::new(&config, providers.clone(), rules),
            client,
            delivery: config.delivery.clone(),
            metrics,
            clock,
            stored,
        })
        .await
        .context("the store could not be taken up")?;
        Ok(Self {
            receive_url: format!("http://{}", server.receive_address()),
            admin_url: format!("http://{}", server.admin_address()),
            server: server.handle(),
            serving: tokio::spawn(server.run()),
            config,
            providers,
            sandbox,
            relay,
        })
    }

    /// Says at start what is on, what is off, and where things go.
    fn announce(&self) {
        tracing::info!(url = %self.receive_url, "webhooks are taken");
        for provider in &self.providers {
            let name = provider.name();
            if provider.is_on() {
                tracing::info!(url = %format_args!("{}/webhooks/{name}", self.receive_url), "{name} is on");
            } else {
                tracing::info!("{name} is off: no secret is configured for it");
            }
        }
        self.warn();
        tracing::info!(url = %self.admin_url, "health and metrics are told");
        let environment = self.config.cello.environment.as_str();
        match &self.sandbox {
            Some(sandbox) => {
                tracing::info!(url = %sandbox.base_url, "referral events go to the stand-in for Cello in this process");
            }
            None => tracing::info!(url = %self.config.cello.base_url, %environment, "referral events go to Cello"),
        }
    }

    /// What works less well than it could, with these settings.
    fn warn(&self) {
        let Config { stripe, chargebee, cello, .. } = &self.config;
        if !stripe.webhook_secrets.is_empty() && stripe.api_key.is_none() {
            tracing::warn!(
                "there is no stripe.api_key: what customers do of whom no webhook has told is held, and refunds find \
                 their invoice by invoice_payment.paid alone"
            );
        }
        let of_unknown_mode = chargebee.sites_that_are_on().filter(|(_, site)| site.mode.is_none());
        for (name, _) in of_unknown_mode.filter(|_| cello.environment == Environment::Production) {
            tracing::warn!(
                "{} is not set: webhooks of a Chargebee test site would reach Cello's production, since they do not \
                 say what they are",
                chargebee_key(name, "mode")
            );
        }
    }

    /// Returns when a part of it has ended that nobody stopped: without it nothing would be received or delivered,
    /// and nobody would notice.
    async fn broken(&mut self) -> Error {
        tokio::select! {
            ended = &mut self.serving => match ended {
                Ok(Err(problem)) => problem.into(),
                Ok(Ok(())) | Err(_) => anyhow!("the HTTP server ended by itself; start cello-relay again"),
            },
            () = self.relay.broken() => anyhow!("a loop of the relay ended by itself; start cello-relay again"),
        }
    }

    /// Takes nothing more, finishes what is current, and returns when all of it has ended.
    pub async fn stop(self) -> Result<()> {
        let limit = self.config.server.shutdown_timeout;
        // At the same time, so that a slow provider does not keep the relay sending meanwhile. What is received to the
        // end is on disk and decided at the next start.
        let ((), sent) = tokio::join!(self.server.stop(), tokio::time::timeout(limit, self.relay.stop()));
        self.serving.await??;
        if sent.is_err() {
            let seconds = limit.as_secs();
            tracing::warn!(seconds, "sending did not end in time; what it was about is taken up at the next start");
        }
        if let Some(sandbox) = &self.sandbox {
            sandbox.stop().await;
        }
        Ok(())
    }
}

async fn start_sandbox(config: &mut Config) -> Result<Sandbox> {
    let sandbox = Sandbox::start("127.0.0.1:0").await.context("the stand-in for Cello could not be started")?;
    config.cello.base_url = sandbox.base_url.clone();
    config.cello.access_key_id = sandbox.settings().access_key_id.clone();
    config.cello.secret_access_key = sandbox.settings().secret_access_key.clone().into();
    Ok(sandbox)
}

/// The signals that ask this process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    fn take() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
