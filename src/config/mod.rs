//! Every setting: its name, its default, its check.
//!
//! The types here are what the rest of the program sees. Names and documentation stand in one list, [`settings`], from
//! which loading, the commented example and the README's table are made; `load` reads files and variables; `check`
//! looks at all of it together. Nothing here may print a secret, and nothing reads the environment by itself.

mod check;
mod document;
mod field;
mod load;
mod problem;
pub mod settings;
mod sites;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::facts::Mode;
use crate::interval::Interval;
use crate::words::words;

pub use check::Purpose;
pub use document::{example, settings_table};
pub use problem::{ConfigError, Problem};
pub use sites::chargebee_key;

/// The settings in force, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub admin: Admin,
    pub database_url: String,
    pub stripe: Stripe,
    pub chargebee: Chargebee,
    pub cello: Cello,
    pub delivery: Delivery,
    pub metadata: Metadata,
    pub privacy: Privacy,
    pub retention: Retention,
    /// The operator's own rules file; `None` for the shipped rules.
    pub rules: Option<PathBuf>,
    pub triggers: Triggers,
    /// By price, plan or product id.
    pub plans: BTreeMap<String, PlanWords>,
    pub log: Log,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub bind: String,
    /// Bytes.
    pub body_limit: usize,
    /// For the whole request, head and body.
    pub read_timeout: Duration,
    /// How long an answer waits for the disk before it is a 503.
    pub store_timeout: Duration,
    /// Workers of the HTTP server.
    pub workers: usize,
    /// How long a stop waits for what is current.
    pub shutdown_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct Admin {
    pub bind: String,
}

#[derive(Debug, Clone)]
pub struct Stripe {
    /// Empty: Stripe is off.
    pub webhook_secrets: Vec<SecretString>,
    pub tolerance: Duration,
    pub api_key: Option<SecretString>,
    pub api_base: String,
    /// Pinned on every look-up.
    pub api_version: String,
    /// Look-ups a second at the most.
    pub api_rate: u32,
    /// Whether a payment with neither Checkout session nor invoice is reported as a sale.
    pub sales_without_invoice: bool,
}

#[derive(Debug, Clone)]
pub struct Chargebee {
    /// `user:password` of the unnamed site; several pairs are a rotation.
    pub credentials: Vec<SecretString>,
    /// Whether the unnamed site is a live or a test site; its webhooks do not say.
    pub mode: Option<Mode>,
    /// By name, which is the account of what they send.
    pub sites: BTreeMap<String, Site>,
}

/// One of several Chargebee sites: its webhooks are told from others by their credentials alone.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// `user:password`; several pairs are a rotation.
    pub credentials: Vec<SecretString>,
    pub mode: Option<Mode>,
}

/// A site as [`Chargebee::all_sites`] lists it.
#[derive(Debug, Clone, Copy)]
pub struct SiteView<'a> {
    pub credentials: &'a [SecretString],
    pub mode: Option<Mode>,
}

impl Chargebee {
    /// The unnamed site under the empty name, then those that have a name. Any of them may be without credentials.
    pub fn all_sites(&self) -> impl Iterator<Item = (&str, SiteView<'_>)> {
        let unnamed = ("", SiteView { credentials: &self.credentials, mode: self.mode });
        let named = self
            .sites
            .iter()
            .map(|(name, site)| (name.as_str(), SiteView { credentials: &site.credentials, mode: site.mode }));
        std::iter::once(unnamed).chain(named)
    }

    /// Those that can send webhooks. None: Chargebee is off.
    pub fn sites_that_are_on(&self) -> impl Iterator<Item = (&str, SiteView<'_>)> {
        self.all_sites().filter(|(_, site)| !site.credentials.is_empty())
    }
}

#[derive(Debug, Clone)]
pub struct Cello {
    pub environment: Environment,
    pub base_url: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    pub request_timeout: Duration,
    pub check_codes: CheckCodes,
}

words! {
    /// Whether Cello is asked about a referral code before it is told of a fact, and what follows from the answer. A
    /// self-referral is not told in either case.
    CheckCodes {
        Off = "off",
        /// What carries an unknown or blocked code is told with a warning.
        Warn = "warn",
        /// It is not told, unless the code turns out to be valid within 30 days.
        Withhold = "withhold",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Sandbox,
    Production,
    /// The stand-in of `serve --sandbox` and `replay`, in this process: takes live and test webhooks alike, since
    /// nothing leaves the machine.
    Local,
}

impl Environment {
    /// Those that can be chosen; the stand-in is not chosen but run.
    pub const WORDS: &'static [&'static str] = &["sandbox", "production"];

    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "sandbox" => Some(Self::Sandbox),
            "production" => Some(Self::Production),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
            Self::Local => "local",
        }
    }

    /// The only mode of webhooks that may be sent there; `None` for either.
    pub fn mode(self) -> Option<Mode> {
        match self {
            Self::Sandbox => Some(Mode::Test),
            Self::Production => Some(Mode::Live),
            Self::Local => None,
        }
    }

    pub fn base_url(self) -> Option<&'static str> {
        match self {
            Self::Sandbox => Some("https://api.sandbox.cello.so"),
            Self::Production => Some("https://api.cello.so"),
            Self::Local => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Delivery {
    /// Referral events sent at the same time, each of another user.
    pub concurrency: usize,
    /// Referral events sent within a second at the most, by one process.
    pub requests_per_second: Option<u32>,
    /// Longer than twice Cello's request timeout: after it, a claimed referral event is taken for abandoned.
    pub lease: Duration,
    /// After the first try.
    pub give_up_after: Duration,
    /// The longest `Retry-After` that is obeyed.
    pub retry_after_cap: Duration,
    pub unsure: Unsure,
}

words! {
    /// What becomes of a referral event that was written to a connection which broke before the answer.
    Unsure {
        Resend = "resend",
        Hold = "hold",
    }
}

/// The keys of customer metadata, the first that has a value wins.
#[derive(Debug, Clone)]
pub struct Metadata {
    pub ucc: Vec<String>,
    pub user_id: Vec<String>,
    pub organization_id: Vec<String>,
    /// Credit the organization instead of the user.
    pub organization_mode: bool,
}

#[derive(Debug, Clone)]
pub struct Privacy {
    pub email: EmailPolicy,
    pub name: bool,
}

#[derive(Debug, Clone)]
pub struct Retention {
    /// How long the bodies of settled webhooks are kept.
    pub bodies: Duration,
}

words! {
    EmailPolicy {
        Send = "send",
        SignupOnly = "signup-only",
        Omit = "omit",
    }
}

words! {
    Triggers {
        All = "all",
        Current = "current",
    }
}

/// The operator's words for one price, plan or product.
#[derive(Debug, Clone, Default)]
pub struct PlanWords {
    pub interval: Option<Interval>,
    pub product_key: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

words! {
    LogFormat {
        Text = "text",
        Json = "json",
    }
}

impl Default for Config {
    /// The defaults, with no provider on and no Cello account.
    fn default() -> Self {
        Self {
            server: Server {
                bind: "127.0.0.1:8080".into(),
                body_limit: 1024 * 1024,
                read_timeout: Duration::from_secs(10),
                store_timeout: Duration::from_secs(10),
                workers: 2,
                shutdown_timeout: Duration::from_secs(20),
            },
            admin: Admin { bind: "127.0.0.1:9090".into() },
            database_url: "sqlite:relay.db".into(),
            stripe: Stripe {
                webhook_secrets: vec![],
                tolerance: Duration::from_secs(300),
                api_key: None,
                api_base: "https://api.stripe.com".into(),
                api_version: "2026-10-28.endive".into(),
                api_rate: 20,
                sales_without_invoice: false,
            },
            chargebee: Chargebee { credentials: vec![], mode: None, sites: BTreeMap::new() },
            cello: Cello {
                environment: Environment::Local,
                base_url: String::new(),
                access_key_id: String::new(),
                secret_access_key: SecretString::from(String::new()),
                request_timeout: Duration::from_secs(20),
                check_codes: CheckCodes::Off,
            },
            delivery: Delivery {
                concurrency: 4,
                requests_per_second: None,
                lease: Duration::from_secs(60),
                give_up_after: Duration::from_secs(72 * 3600),
                retry_after_cap: Duration::from_secs(3600),
                unsure: Unsure::Resend,
            },
            metadata: Metadata {
                ucc: vec!["cello_ucc".into()],
                user_id: ["new_user_id", "productUserId", "newUserId", "product_user_id"].map(Into::into).into(),
                organization_id: vec!["new_user_organization_id".into()],
                organization_mode: false,
            },
            privacy: Privacy { email: EmailPolicy::Send, name: false },
            retention: Retention { bodies: Duration::from_secs(90 * 86_400) },
            rules: None,
            triggers: Triggers::All,
            plans: BTreeMap::new(),
            log: Log { format: LogFormat::Text, level: "info".into() },
        }
    }
}
