//! `cello-relay replay PATH…`: posts webhook files, signed as the provider would sign them, through the real HTTP path of
//! a relay, and shows what Cello got for each.
//!
//! Without `--to` the relay is its own: on free ports, with a store in a temporary folder and the stand-in for Cello, so
//! that nothing leaves the machine and nothing is left behind. The files are posted in order and one after the other,
//! since stories depend on it.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;
use serde_json::Value;

use super::serve::Running;
use super::{Exit, chargebee_site, files, load, output};
use crate::config::{Chargebee, Config, Purpose};
use crate::http;
use crate::providers::{self, Provider};
use crate::store::{self, Life, Sqlite, Store, WebhookState};
use rows::Played;

/// For everything that was posted to be decided and sent: longer than a slow machine needs, shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether it is so.
const PAUSE: Duration = Duration::from_millis(3);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Webhook files, and folders of them, which are played in the order of their names
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A running relay to post to, such as http://127.0.0.1:8080; its outcomes are read from `database_url`
    #[arg(long, value_name = "URL", value_parser = address)]
    pub to: Option<Url>,
    /// Sign Stripe's webhooks with this secret instead of the first configured one
    #[arg(long, value_name = "SECRET")]
    pub stripe_secret: Option<String>,
    /// Send Chargebee's webhooks with these credentials instead of the first configured ones
    #[arg(long, value_name = "USER:PASSWORD")]
    pub chargebee_credentials: Option<String>,
    /// Send Chargebee's webhooks as this site, one of [chargebee.sites.NAME], instead of the unnamed or the first one
    #[arg(long, value_name = "NAME", conflicts_with = "chargebee_credentials")]
    pub site: Option<String>,
}

pub async fn run(args: Args, settings: Option<&Path>, json: bool) -> Result<Exit> {
    let files = files::found(&args.paths, &["json"])?;
    let purpose = if args.to.is_some() { Purpose::Store } else { Purpose::Offline };
    let mut config = load(settings, purpose)?;
    if let Some(secret) = args.stripe_secret {
        config.stripe.webhook_secrets = vec![SecretString::from(secret)];
    }
    if let Some(credentials) = args.chargebee_credentials {
        config.chargebee.credentials = vec![SecretString::from(credentials)];
    }
    if let Some(name) = &args.site {
        // The only one left is the one that is signed for.
        let site = chargebee_site(&config, name)?.clone();
        config.chargebee.credentials.clear();
        config.chargebee.sites = [(name.clone(), site)].into();
    } else if args.to.is_none() {
        config.chargebee.sites.clear();
    }
    let played = match args.to {
        Some(url) => play_to(&url, &config, &files).await?,
        None => play_here(config, &files).await?,
    };
    rows::print(&played, json)
}

/// Plays to a relay of our own, which is gone afterwards. It takes Chargebee's webhooks of one site: the only one that
/// has a name, else the unnamed one.
async fn play_here(mut config: Config, files: &[PathBuf]) -> Result<Vec<Played>> {
    let folder = tempfile::tempdir().context("there is no temporary folder to keep the store in")?;
    config.database_url = format!("sqlite:{}", folder.path().join("relay.db").display());
    config.server.bind = "127.0.0.1:0".to_owned();
    config.admin.bind = "127.0.0.1:0".to_owned();
    config.cello.environment = crate::config::Environment::Local;
    // Throw-away secrets: without any, a provider would be off.
    config.stripe.webhook_secrets = vec![SecretString::from(throw_away("whsec_"))];
    let Chargebee { credentials, sites, .. } = &mut config.chargebee;
    let credentials = sites.values_mut().next().map_or(credentials, |site| &mut site.credentials);
    *credentials = vec![SecretString::from(throw_away("replay:"))];
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&config.database_url, true)?);
    let relay = Running::start(config, store.clone(), true).await?;
    let url = Url::parse(&relay.receive_url)?;
    let played = Player::new(&relay.config, url, Some(store))?.play(files).await;
    relay.stop().await?;
    played
}

async fn play_to(url: &Url, config: &Config, files: &[PathBuf]) -> Result<Vec<Played>> {
    let store = match store::open(&config.database_url, false) {
        Ok(store) => Some(store),
        Err(problem) => {
            anstream::eprintln!(
                "note: only the relay's answers are shown, because its store cannot be read: {problem}"
            );
            None
        }
    };
    Player::new(config, url.clone(), store)?.play(files).await
}

struct Player {
    providers: Vec<Arc<dyn Provider>>,
    http: reqwest::Client,
    url: Url,
    store: Option<Arc<dyn Store>>,
}

impl Player {
    fn new(config: &Config, url: Url, store: Option<Arc<dyn Store>>) -> Result<Self> {
        let http = http::client(&url, Duration::from_secs(30))?;
        Ok(Self { providers: providers::all(config), http, url, store })
    }

    async fn play(&self, files: &[PathBuf]) -> Result<Vec<Played>> {
        let progress = output::progress(u64::try_from(files.len()).ok(), "{bar:30} {pos}/{len} webhooks {msg}");
        let mut played = Vec::with_capacity(files.len());
        for file in files {
            let one = self.post(file).await?;
            self.wait_until_decided(&one).await?;
            played.push(one);
            progress.inc(1);
        }
        progress.set_message("waiting until Cello has everything");
        self.wait_until_sent().await?;
        for one in played.iter_mut().filter(|one| one.is_stored()) {
            one.life = self.life(one).await?;
        }
        progress.finish_and_clear();
        Ok(played)
    }

    async fn post(&self, file: &Path) -> Result<Played> {
        let name = file.display().to_string();
        let body = std::fs::read(file).with_context(|| format!("{name} cannot be read"))?;
        let recognised = providers::recognise(&self.providers, &body)
            .with_context(|| format!("{name} is not JSON; a fixture is the exact body of one webhook"))?;
        let Some(provider) = recognised else {
            bail!("{name} is no webhook of Stripe or Chargebee; a fixture is the exact body of one webhook");
        };
        let credential = provider.sign(&body, Timestamp::now());
        let envelope = provider.identify(Some(&credential), &body)?;
        let mut url = self.url.clone();
        url.set_path(&format!("{}/webhooks/{}", self.url.path().trim_end_matches('/'), provider.name()));
        let answer = self
            .http
            .post(url)
            .header(provider.credential_header(), credential)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .with_context(|| {
                format!("no relay answers at {}; is it running, and is this where it takes webhooks?", self.url)
            })?;
        let status = answer.status().as_u16();
        let answer: Value = answer.json().await.unwrap_or_default();
        let text = answer.get("status").or_else(|| answer.get("error")).and_then(Value::as_str).unwrap_or_default();
        Ok(Played {
            file: name,
            provider: provider.name(),
            account: envelope.account,
            event_id: envelope.event_id,
            kind: envelope.kind,
            status,
            answer: text.to_owned(),
            life: None,
        })
    }

    async fn wait_until_decided(&self, played: &Played) -> Result<()> {
        if self.store.is_none() || !played.is_stored() {
            return Ok(());
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.life(played).await?.is_some_and(|life| life.state != WebhookState::Undecided) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("`{}` was stored and not decided within {} s; does the relay run?", played.event_id, PATIENCE.as_secs())
    }

    async fn wait_until_sent(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let before = store.counts().await?;
            let to_come = store.next_due().await?.is_some_and(|due| due <= Timestamp::now());
            // What is being sent is not due. So nothing may have begun or ended around the question what is due.
            if before.sending == 0 && !to_come && store.counts().await? == before {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn life(&self, played: &Played) -> Result<Option<Life>> {
        let Some(store) = &self.store else { return Ok(None) };
        let lives = store.life(&played.event_id).await?;
        let is_of = |life: &Life| {
            (life.provider.as_str(), &life.account, &life.event_id)
                == (played.provider, &played.account, &played.event_id)
        };
        Ok(lives.into_iter().find(is_of))
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| "write the address of a relay, such as http://127.0.0.1:8080".to_owned())
}

fn throw_away(prefix: &str) -> String {
    format!("{prefix}{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
