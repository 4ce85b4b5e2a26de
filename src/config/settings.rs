//! THE list of all settings, in the order of the README's table and of the commented example.
//!
//! From this list come the names that `relay.toml` and the environment may use, the example, and the table. A setting
//! that is not in it does not exist; defaults stand only in [`Config::default`].

use super::field::Field::{self, *};
use super::field::{MODES, mode};
use super::{CheckCodes, Config, EmailPolicy, Environment, LogFormat, Triggers, Unsure};

pub struct Setting {
    /// As in `relay.toml`, sections divided by dots.
    pub key: &'static str,
    /// What it is for, with units; lines divided by `\n`.
    pub doc: &'static str,
    /// What it means when it is not set and has no default; empty for one that has.
    pub unset: &'static str,
    /// A value to show where there is no default, as TOML.
    pub sample: &'static str,
    pub(super) field: Field,
}

impl Setting {
    /// `RELAY__SERVER__BIND` for `server.bind`.
    pub fn variable(&self) -> String {
        format!("RELAY__{}", self.key.replace('.', "__").to_ascii_uppercase())
    }

    pub fn is_secret(&self) -> bool {
        self.field.is_secret()
    }

    /// It stands for one setting of each Chargebee site, whose name replaces the `NAME` in the key.
    pub fn is_of_site(&self) -> bool {
        self.field.is_of_site()
    }

    /// In a variable, its values are divided by commas.
    pub fn is_list(&self) -> bool {
        self.field.is_list()
    }

    /// Its default as `relay.toml` would have it; `None` where there is none.
    pub fn default(&self) -> Option<String> {
        self.show(&Config::default())
    }

    /// Its value as `relay.toml` would have it; `None` for what is not set, and for every secret.
    pub fn show(&self, config: &Config) -> Option<String> {
        self.field.show(config)
    }
}

pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn with_default(key: &'static str, field: Field, doc: &'static str) -> Setting {
    Setting { key, doc, unset: "", sample: "", field }
}

const fn without(
    key: &'static str,
    field: Field,
    unset: &'static str,
    sample: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { key, doc, unset, sample, field }
}

pub static SETTINGS: &[Setting] = &[
    with_default(
        "database_url",
        Text(|c| &mut c.database_url),
        "Where webhooks and referral events are kept: `sqlite:` and the path of a file, or the address of a database,\n\
         `postgres://user:password@host:5432/database?sslmode=verify-full`.",
    ),
    without(
        "rules",
        Path(|c| &mut c.rules),
        "the shipped rules",
        "\"rules.toml\"",
        "A rules file to use in place of the shipped rules.",
    ),
    with_default(
        "triggers",
        Word {
            words: Triggers::WORDS,
            set: |c, word| put(&mut c.triggers, Triggers::parse(word)),
            get: |c| Some(c.triggers.as_str().into()),
        },
        "`all`, or `current` for a Cello account that does not know the three subscription triggers.",
    ),
    with_default(
        "server.bind",
        Address(|c| &mut c.server.bind),
        "Where webhooks are taken: IP address and port. TLS ends at the proxy in front.",
    ),
    with_default(
        "server.body_limit_bytes",
        Count(1024..=67_108_864, |c| &mut c.server.body_limit),
        "The largest webhook taken, in bytes.",
    ),
    with_default(
        "server.read_timeout_seconds",
        Seconds(1..=300, |c| &mut c.server.read_timeout),
        "How long a webhook's head, and then its body, may take to arrive, in seconds.",
    ),
    with_default(
        "server.store_timeout_seconds",
        Seconds(1..=300, |c| &mut c.server.store_timeout),
        "How long an answer waits for the disk, in seconds, before it is a 503.",
    ),
    with_default("server.workers", Count(1..=256, |c| &mut c.server.workers), "Threads that take webhooks."),
    with_default(
        "server.shutdown_timeout_seconds",
        Seconds(1..=600, |c| &mut c.server.shutdown_timeout),
        "How long a stop waits for what is current, in seconds.",
    ),
    with_default(
        "admin.bind",
        Address(|c| &mut c.admin.bind),
        "Where health and metrics are told: IP address and port. Not for the internet.",
    ),
    without(
        "stripe.webhook_secrets",
        Secrets(|c| &mut c.stripe.webhook_secrets),
        "Stripe is off",
        "[\"whsec_...\"]",
        "The signing secrets of all Stripe endpoints, old and new ones while a secret is rolled.",
    ),
    with_default(
        "stripe.tolerance_seconds",
        Seconds(1..=3600, |c| &mut c.stripe.tolerance),
        "How old a signature may be, in seconds, and how far in the future.",
    ),
    without(
        "stripe.api_key",
        Secret(|c, key| c.stripe.api_key = Some(key)),
        "no look-ups",
        "\"rk_live_...\"",
        "A restricted Stripe key that may read, to ask about what no webhook has told.",
    ),
    with_default("stripe.api_base", Url(|c| &mut c.stripe.api_base), "Stripe's API."),
    with_default(
        "stripe.api_version",
        Token(|c| &mut c.stripe.api_version),
        "The version of Stripe's API that look-ups ask for.",
    ),
    with_default(
        "stripe.api_requests_per_second",
        Rate(1..=100, |c| &mut c.stripe.api_rate),
        "Look-ups a second at the most.",
    ),
    with_default(
        "stripe.sales_without_invoice",
        Flag(|c| &mut c.stripe.sales_without_invoice),
        "Whether a payment with neither a Checkout session nor an invoice is reported as a one-time sale. Needs the event\n`payment_intent.succeeded`, and for payments since 2025-03-31 an API key that may read invoice payments.",
    ),
    without(
        "chargebee.credentials",
        Credentials(|c| &mut c.chargebee.credentials),
        "Chargebee is off",
        "[\"user:password\"]",
        "What Chargebee's webhooks log in with, `user:password`; two pairs while a password is changed.\nA password with a comma can stand in relay.toml only.",
    ),
    without(
        "chargebee.mode",
        Word {
            words: MODES,
            set: |c, word| c.chargebee.mode = Some(mode(word)),
            get: |c| c.chargebee.mode.map(|mode| mode.as_str().into()),
        },
        "not checked",
        "\"live\"",
        "Whether the Chargebee site is `live` or `test`, which its webhooks do not say.",
    ),
    without(
        "chargebee.sites.NAME.credentials",
        SiteCredentials,
        "no site of this name",
        "[\"eu:password\"]",
        "Credentials of one of several Chargebee sites, in the same form. No two sites may share a pair: it tells which site\n\
         a webhook comes from. NAME (a-z, 0-9, `-`, `_`) becomes the account of what the site sends; never rename a site\n\
         that has sent something. In a variable, NAME is in upper case: EU for `eu`. Few shells allow a `-` there.",
    ),
    without("chargebee.sites.NAME.mode", SiteMode, "not checked", "\"live\"", "Whether this site is `live` or `test`."),
    without(
        "cello.environment",
        Word {
            words: Environment::WORDS,
            set: |c, word| put(&mut c.cello.environment, Environment::parse(word)),
            get: |c| Some(c.cello.environment).filter(|e| *e != Environment::Local).map(|e| e.as_str().into()),
        },
        "must be chosen",
        "\"sandbox\"",
        "`sandbox` for test-mode webhooks or `production` for live ones.",
    ),
    without(
        "cello.base_url",
        Url(|c| &mut c.cello.base_url),
        "the environment's",
        "\"https://api.sandbox.cello.so\"",
        "Cello's API, where it is not the environment's own.",
    ),
    without(
        "cello.access_key_id",
        Token(|c| &mut c.cello.access_key_id),
        "required",
        "\"...\"",
        "Cello's access key id, from its portal.",
    ),
    without(
        "cello.secret_access_key",
        Secret(|c, key| c.cello.secret_access_key = key),
        "required",
        "\"...\"",
        "Cello's secret access key, from its portal.",
    ),
    with_default(
        "cello.request_timeout_seconds",
        Seconds(1..=300, |c| &mut c.cello.request_timeout),
        "How long one request to Cello may take, in seconds.",
    ),
    with_default(
        "cello.check_codes",
        Word {
            words: CheckCodes::WORDS,
            set: |c, word| put(&mut c.cello.check_codes, CheckCodes::parse(word)),
            get: |c| Some(c.cello.check_codes.as_str().into()),
        },
        "Whether Cello is asked about a code before anything is told with it: `off`; `warn` tells what carries an unknown\nor blocked code all the same, with a warning; `withhold` does not. Neither tells a self-referral.",
    ),
    with_default(
        "delivery.concurrency",
        Count(1..=64, |c| &mut c.delivery.concurrency),
        "Referral events sent at the same time, each of another user.",
    ),
    without(
        "delivery.requests_per_second",
        MaybeRate(1..=1000, |c| &mut c.delivery.requests_per_second),
        "as fast as Cello answers",
        "20",
        "Referral events sent a second at the most, by each relay: where several share a store, divide it among them.\nWhat waited for a login may go together, as many as `delivery.concurrency`.",
    ),
    with_default(
        "delivery.lease_seconds",
        Seconds(3..=3600, |c| &mut c.delivery.lease),
        "After how many seconds a referral event being sent is taken for abandoned; longer than twice the request timeout.",
    ),
    with_default(
        "delivery.give_up_after_hours",
        Hours(1..=720, |c| &mut c.delivery.give_up_after),
        "For how many hours after the first try a referral event is tried again.",
    ),
    with_default(
        "delivery.retry_after_cap_seconds",
        Seconds(1..=86_400, |c| &mut c.delivery.retry_after_cap),
        "The longest `Retry-After` of Cello's that is obeyed, in seconds.",
    ),
    with_default(
        "delivery.unsure",
        Word {
            words: Unsure::WORDS,
            set: |c, word| put(&mut c.delivery.unsure, Unsure::parse(word)),
            get: |c| Some(c.delivery.unsure.as_str().into()),
        },
        "When the connection broke before Cello's answer: `resend`, at the risk that Cello has the event twice,\nor `hold` until a person decides.",
    ),
    with_default(
        "metadata.ucc_keys",
        Texts(|c| &mut c.metadata.ucc),
        "Keys of customer metadata that hold Cello's referral code; the first that has a value wins.",
    ),
    with_default(
        "metadata.user_id_keys",
        Texts(|c| &mut c.metadata.user_id),
        "Keys of customer metadata that hold your id of the new user.",
    ),
    with_default(
        "metadata.organization_id_keys",
        Texts(|c| &mut c.metadata.organization_id),
        "Keys of customer metadata that hold your id of the new user's organization.",
    ),
    with_default(
        "metadata.organization_mode",
        Flag(|c| &mut c.metadata.organization_mode),
        "Whether the organization is referred instead of the user.",
    ),
    with_default(
        "privacy.email",
        Word {
            words: EmailPolicy::WORDS,
            set: |c, word| put(&mut c.privacy.email, EmailPolicy::parse(word)),
            get: |c| Some(c.privacy.email.as_str().into()),
        },
        "Whether Cello is told a referred customer's e-mail address: `send`, `signup-only` or `omit`.",
    ),
    with_default("privacy.name", Flag(|c| &mut c.privacy.name), "Whether Cello is told a referred customer's name."),
    with_default(
        "retention.bodies_days",
        Days(34..=36_500, |c| &mut c.retention.bodies),
        "For how many days the body of a webhook is kept that is settled, and the address and the name in what Cello was\ntold of it. What nobody's referral follows from is erased after 33 days in any case.",
    ),
    with_default(
        "log.format",
        Word {
            words: LogFormat::WORDS,
            set: |c, word| put(&mut c.log.format, LogFormat::parse(word)),
            get: |c| Some(c.log.format.as_str().into()),
        },
        "`text` for people or `json` for machines, one line for each event.",
    ),
    with_default(
        "log.level",
        Word {
            words: &["off", "error", "warn", "info", "debug", "trace"],
            set: |c, word| c.log.level = word.into(),
            get: |c| Some(c.log.level.clone()),
        },
        "The least level that is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`.",
    ),
    without(
        "plans",
        Plans,
        "no words of your own",
        "",
        "Your own words for a price, plan or product: its interval and product key. In relay.toml only.",
    ),
];

/// Only called with words that parse: the list of words and the parser come from one declaration.
fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
