//! The payment providers: what each must be able to do, and the list of them.
//!
//! To add one, write a folder with a type that implements [`Provider`] and name it in [`all`]. The contract has no
//! default methods, so a provider that forgets to verify its webhooks does not compile. `tests/deciding/walks/paddle`
//! is one to copy.

pub mod chargebee;
pub mod json;
mod mentions;
pub mod metadata;
pub mod stripe;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::config::Config;
use crate::facts::{Learned, Mode, Reading};

pub use mentions::ids;

/// Every provider there is, in the order in which they are documented. Those that are switched off still read what was
/// stored while they were on.
pub fn all(config: &Config) -> Vec<Arc<dyn Provider>> {
    vec![Arc::new(stripe::Stripe::new(config)), Arc::new(chargebee::Chargebee::new(config))]
}

/// The names of all there are, which rules may compare with.
pub fn names() -> Vec<&'static str> {
    all(&Config::default()).iter().map(|provider| provider.name()).collect()
}

/// Those that take webhooks.
pub fn enabled(config: &Config) -> Vec<Arc<dyn Provider>> {
    all(config).into_iter().filter(|provider| provider.is_on()).collect()
}

/// Whose webhook a body is, told from its shape; `None` where it is nobody's.
///
/// # Errors
///
/// When it is not JSON.
pub fn recognise<'a>(
    providers: &'a [Arc<dyn Provider>],
    body: &[u8],
) -> serde_json::Result<Option<&'a Arc<dyn Provider>>> {
    let outline = json::outline(body, 2)?;
    Ok(providers.iter().find(|provider| provider.recognises(&outline)))
}

/// What the relay needs of a payment provider. Everything but [`look_up`](Provider::look_up) is pure.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Lower case; the last part of the webhook's path and the first part of business keys.
    fn name(&self) -> &'static str;

    /// Whether a secret is configured to verify its webhooks with. Without one it takes none.
    fn is_on(&self) -> bool;

    /// The request header that proves where a webhook comes from.
    fn credential_header(&self) -> &'static str;

    /// Whether the body of a request with this credential is worth reading at all. Decided before a byte of it is.
    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal>;

    /// Whether the request is genuine: looks at the raw bytes, parses nothing.
    fn authenticate(&self, credential: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal>;

    /// What identifies the event, and nothing more. `credential` is the one that [`authenticate`](Self::authenticate)
    /// accepted, for a provider whose webhooks do not name their account; `None` for a body that comes from a file.
    fn identify(&self, credential: Option<&str>, body: &[u8]) -> Result<Envelope, IdentifyError>;

    /// Which facts a stored webhook states. Tolerant: unknown keys and values never fail.
    fn read(&self, body: &[u8]) -> Result<Reading, Unreadable>;

    /// The ids by which a person may ask for a webhook that states nothing about anybody: of customers, invoices,
    /// subscriptions and payments. Never an address or a name. A body that cannot be read has none.
    fn mentions(&self, body: &[u8]) -> Vec<String>;

    /// Whether there is an API to ask, and a key for it.
    fn can_look_up(&self) -> bool;

    /// Asks the provider's API; what it answers is true `now`. What it does not have teaches nothing.
    async fn look_up(&self, question: &Question, now: Timestamp) -> Result<Vec<Learned>, LookUpError>;

    /// The credential header's value that the provider would send with this body, for replay and tests.
    fn sign(&self, body: &[u8], now: Timestamp) -> String;

    /// Whether a body is one of this provider's webhooks, told from its shape: what lies below the members of its
    /// members need not be there.
    fn recognises(&self, body: &serde_json::Value) -> bool;
}

/// What identifies a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub event_id: String,
    /// The provider's name for what happened, such as `invoice.paid`.
    pub kind: String,
    /// Connected account, or named Chargebee site; empty for the operator's own.
    pub account: String,
    /// `None` where the provider does not say.
    pub mode: Option<Mode>,
    /// The provider's time of the event.
    pub at: Timestamp,
}

/// Something the directory does not know, to be asked of the provider's API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    Customer {
        account: String,
        id: String,
    },
    /// Answers with the subscription and its customer.
    Subscription {
        account: String,
        id: String,
    },
    /// How often it is billed and what product it is for.
    Price {
        account: String,
        id: String,
    },
    /// Which invoices this payment settles.
    Payment {
        account: String,
        id: String,
    },
    /// Which payments settle this invoice.
    InvoicePayments {
        account: String,
        id: String,
    },
}

/// Why a request is not taken. The text is for the log; the sender learns only the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the signature header is missing or blank")]
    SignatureMissing,
    #[error("the signature header is malformed")]
    SignatureMalformed,
    #[error("no signature matches any configured secret")]
    SignatureWrong,
    #[error("the signature is older than the tolerance")]
    TooOld,
    #[error("the signature's time lies in the future by more than the tolerance")]
    FromTheFuture,
    #[error("the body is empty")]
    EmptyBody,
    #[error("the credentials are missing or malformed")]
    CredentialsMissing,
    #[error("the credentials are wrong")]
    CredentialsWrong,
}

impl Refusal {
    /// A stable word for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureWrong => "signature_wrong",
            Self::TooOld => "signature_too_old",
            Self::FromTheFuture => "signature_from_the_future",
            Self::EmptyBody => "empty_body",
            Self::CredentialsMissing => "credentials_missing",
            Self::CredentialsWrong => "credentials_wrong",
        }
    }

    /// 401 for credentials, as HTTP has it; 400 for everything about a signature.
    pub fn status(self) -> u16 {
        match self {
            Self::CredentialsMissing | Self::CredentialsWrong => 401,
            _ => 400,
        }
    }
}

/// A genuine webhook that cannot be told from another: it is answered 400 and not stored.
#[derive(Debug, Error)]
pub enum IdentifyError {
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the body has no `{0}`")]
    Missing(&'static str),
}

/// A stored webhook whose content does not have the shape its type promises.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the body is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("{kind} without `{field}`: the provider always sends it, so the body is damaged or of an unknown form")]
    Missing { kind: String, field: &'static str },
    #[error(
        "{kind} with a `{field}` that is not understood: amounts, quantities and times are whole numbers in 64 bits, and a \
         currency is three letters; nothing is reported by guess; once a version reads it, `cello-relay events decide` \
         decides it again"
    )]
    NotUnderstood { kind: String, field: String },
}

/// Why a webhook states no facts, and what it teaches all the same.
#[derive(Debug, Error)]
#[error("{problem}")]
pub struct Unreadable {
    pub problem: ReadError,
    pub learned: Vec<Learned>,
}

impl From<ReadError> for Unreadable {
    fn from(problem: ReadError) -> Self {
        Self { problem, learned: vec![] }
    }
}

/// A look-up without an answer: the fact is held and the question asked again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookUpError {
    #[error("{provider}'s API refused the key ({status}); check the key and that it may read {what}")]
    Refused { provider: &'static str, status: u16, what: &'static str },
    #[error("{provider}'s API has no answer now: {problem}")]
    Unavailable { provider: &'static str, problem: String },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    /// Both providers with a secret each.
    fn config() -> Config {
        let mut config = Config::default();
        config.stripe.webhook_secrets = vec!["whsec_right".to_owned().into()];
        config.chargebee.credentials = vec!["relay:s3cret".to_owned().into()];
        config
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap()
    }

    #[test]
    fn only_providers_with_a_secret_take_webhooks() {
        let names = |config: &Config| enabled(config).iter().map(|provider| provider.name()).collect::<Vec<_>>();
        assert_eq!(names(&config()), ["stripe", "chargebee"]);
        assert_eq!(names(&Config::default()), [""; 0]);
        assert_eq!(super::names(), ["stripe", "chargebee"], "what was stored can be read all the same");
    }

    #[test]
    fn every_provider_takes_what_it_signs_and_refuses_anything_else_before_and_after_the_body_is_there() {
        for provider in all(&config()) {
            let signed = provider.sign(BODY, now());
            assert_eq!(provider.admit(Some(&signed)), Ok(()));
            assert_eq!(provider.authenticate(Some(&signed), BODY, now()), Ok(()));
            for wrong in [None, Some(""), Some("Basic eDp5"), Some("t=1")] {
                assert!(provider.admit(wrong).is_err(), "{} {wrong:?}", provider.name());
                assert!(provider.authenticate(wrong, BODY, now()).is_err(), "{} {wrong:?}", provider.name());
            }
            let empty = provider.sign(b"", now());
            assert_eq!(provider.authenticate(Some(&empty), b"", now()), Err(Refusal::EmptyBody));
        }
    }

    #[test]
    fn a_webhook_mentions_the_ids_of_its_object_and_nothing_that_is_none() {
        let mentioned = |provider: usize, body: serde_json::Value| {
            all(&Config::default())[provider].mentions(body.to_string().as_bytes())
        };
        let charge =
            json!({ "id": "ch_1", "customer": { "id": "cus_1" }, "invoice": "in_1", "receipt_email": "a@b.c" });
        assert_eq!(mentioned(0, json!({ "data": { "object": charge } })), ["ch_1", "cus_1", "in_1"]);
        assert_eq!(mentioned(0, json!({ "related_object": { "id": "cus_2" } })), ["cus_2"]);
        let content = json!({ "customer": { "id": "a@b.c" }, "invoice": { "id": "77", "customer_id": "cb_1" } });
        assert_eq!(mentioned(1, json!({ "content": content })), ["77", "cb_1"]);
        for provider in [0, 1] {
            assert_eq!(mentioned(provider, json!([])), [""; 0]);
        }
    }

    #[test]
    fn a_body_is_recognised_by_its_own_provider_and_no_other() {
        let recognised = |body: serde_json::Value| {
            let providers = all(&config());
            let names: Vec<_> = providers.iter().filter(|it| it.recognises(&body)).map(|it| it.name()).collect();
            names.join(" ")
        };
        assert_eq!(
            recognised(json!({ "object": "event", "type": "invoice.paid", "data": { "object": {} } })),
            "stripe"
        );
        assert_eq!(recognised(json!({ "type": "invoice.paid", "data": { "object": {} } })), "stripe");
        assert_eq!(recognised(json!({ "object": "v2.core.event", "type": "v2.core.account.updated" })), "stripe");
        assert_eq!(recognised(json!({ "event_type": "payment_succeeded", "content": {} })), "chargebee");
        for neither in [
            json!({}),
            json!({ "object": "event" }),
            json!({ "object": "customer", "type": "card" }),
            json!({ "data": { "object": {} } }),
            json!({ "event_type": "payment_succeeded" }),
            json!({ "content": {} }),
        ] {
            assert_eq!(recognised(neither.clone()), "", "{neither}");
        }
    }

    #[test]
    fn wrong_credentials_are_answered_401_and_wrong_signatures_400() {
        for (refusal, status) in [
            (Refusal::CredentialsMissing, 401),
            (Refusal::CredentialsWrong, 401),
            (Refusal::SignatureMissing, 400),
            (Refusal::SignatureWrong, 400),
            (Refusal::TooOld, 400),
            (Refusal::EmptyBody, 400),
        ] {
            assert_eq!(refusal.status(), status, "{}", refusal.code());
        }
    }
}
