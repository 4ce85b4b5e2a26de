//! `POST /token`: an access token for the key pair, or for a refresh token.
//!
//! Read leniently, because Cello's own documentation and its live answers differ; only `message` is common to its
//! refusals. It must never put a key or token into an error.
//! Source: <https://docs.cello.so/api-reference/authentication/get-token>.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use thiserror::Error;

use super::answers::{Answer, Reply, retry_after, words};
use super::exchange::exchange;

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The keys are wrong: a person should act.
    #[error("Cello refused the login ({status}: {message}); {fix}", fix = self.fix())]
    Refused { status: u16, message: String },
    /// It may work later.
    #[error("Cello's login does not work now: {problem}")]
    Unavailable {
        problem: String,
        /// Where it answered, and `problem` repeats its words.
        status: Option<u16>,
        /// How long Cello wants to be left alone, where it said so.
        after: Option<Duration>,
    },
}

impl LoginError {
    /// Without the words of the answer, which may repeat the keys.
    pub fn for_logs(&self) -> String {
        match self {
            Self::Refused { status, .. } => format!("Cello refused the login ({status})"),
            Self::Unavailable { status: Some(status), .. } => format!("Cello's login answered {status}"),
            Self::Unavailable { .. } => self.to_string(),
        }
    }

    /// What a person can do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            // Mixing up the two pairs is the most frequent mistake when Cello is set up.
            Self::Refused { .. } => {
                "`cello.access_key_id` and `cello.secret_access_key` must be access keys from Cello's portal, not the \
                 product id and secret, and of the environment that `cello.environment` names"
            }
            Self::Unavailable { .. } => "check `cello.base_url` and the network, or wait: it is asked again by itself",
        }
    }
}

/// What a login brought.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub access: SecretString,
    /// As stated by Cello; nothing where it stated nothing usable.
    pub lifetime: Option<Duration>,
    /// A refresh token and its lifetime, where there is one.
    pub refresh: Option<(SecretString, Option<Duration>)>,
}

/// The two ways to a token. Who keeps the token asks for one through this, so that it can be tested without a network.
#[async_trait]
pub(super) trait Login: Send + Sync + 'static {
    async fn with_keys(&self) -> Result<Grant, LoginError>;
    async fn with_refresh(&self, token: &SecretString) -> Result<Grant, LoginError>;
}

/// The real login.
pub(super) struct HttpLogin {
    pub http: reqwest::Client,
    pub url: Url,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

#[async_trait]
impl Login for HttpLogin {
    async fn with_keys(&self) -> Result<Grant, LoginError> {
        let secret = self.secret_access_key.expose_secret();
        self.ask(json!({ "accessKeyId": self.access_key_id, "secretAccessKey": secret })).await
    }

    async fn with_refresh(&self, token: &SecretString) -> Result<Grant, LoginError> {
        self.ask(json!({ "refreshToken": token.expose_secret() })).await
    }
}

impl HttpLogin {
    async fn ask(&self, body: Value) -> Result<Grant, LoginError> {
        read(exchange(self.http.post(self.url.clone()).json(&body)).await, Timestamp::now())
    }
}

fn read(answer: Answer, now: Timestamp) -> Result<Grant, LoginError> {
    let unavailable = |problem: String, after| Err(LoginError::Unavailable { problem, status: None, after });
    let Reply { status, text, broke_off, retry_after: wait, .. } = match answer {
        Answer::Http(reply) => reply,
        Answer::NotWritten(problem) | Answer::Broken(problem) => return unavailable(problem, None),
    };
    match status {
        // The text of a success is never repeated: it may hold a token under another name.
        200..=299 => match (grant(&text), broke_off) {
            (Some(grant), _) => Ok(grant),
            (None, Some(problem)) => unavailable(format!("the answer {status} broke off: {problem}"), None),
            (None, None) => unavailable(format!("it answered {status} without an `accessToken`"), None),
        },
        300..=399 => unavailable(format!("it answered {status}, a redirect; check `cello.base_url`"), None),
        408 | 425 | 429 | 500.. => Err(LoginError::Unavailable {
            problem: format!("{status}: {}", words(&text)),
            status: Some(status),
            after: wait.and_then(|wait| retry_after(&wait, now)),
        }),
        _ => Err(LoginError::Refused { status, message: words(&text) }),
    }
}

fn grant(text: &str) -> Option<Grant> {
    let body: Value = serde_json::from_str(text).ok()?;
    let secret = |key: &str| body[key].as_str().filter(|text| !text.is_empty()).map(SecretString::from);
    Some(Grant {
        access: secret("accessToken")?,
        lifetime: seconds(&body["expiresIn"]),
        refresh: secret("refreshToken").map(|token| (token, seconds(&body["refreshTokenExpiresIn"]))),
    })
}

/// A positive number of seconds, also where it was written as text or with a fraction.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(number).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cello::Sandbox;

    #[tokio::test]
    async fn a_refresh_token_brings_an_access_token_and_no_refresh_token_until_it_is_forgotten() {
        let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
        let url: Url = format!("{}/token", sandbox.base_url).parse().unwrap();
        let login = HttpLogin {
            http: crate::http::client(&url, Duration::from_secs(30)).unwrap(),
            url,
            access_key_id: sandbox.settings().access_key_id.clone(),
            secret_access_key: sandbox.settings().secret_access_key.clone().into(),
        };

        let (refresh, _) = login.with_keys().await.unwrap().refresh.unwrap();
        assert!(login.with_refresh(&refresh).await.unwrap().refresh.is_none());

        sandbox.expire_tokens(true);
        let error = login.with_refresh(&refresh).await.unwrap_err();
        assert_eq!(error, LoginError::Refused { status: 401, message: "Invalid refresh token".into() });
    }

    #[test]
    fn a_login_is_read_with_and_without_what_older_answers_lack() {
        let full = answer(
            201,
            r#"{"accessToken":"a","refreshToken":"r","expiresIn":18000,"refreshTokenExpiresIn":432000,"more":1}"#,
        );
        let grant = read(full, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(grant.lifetime, Some(Duration::from_secs(18000)));
        assert_eq!(grant.refresh.unwrap().1, Some(Duration::from_secs(432_000)));

        let bare = read(answer(200, r#"{"accessToken":"a"}"#), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(bare.lifetime, None);
        assert!(bare.refresh.is_none());
    }

    #[test]
    fn a_lifetime_that_is_not_a_positive_time_counts_as_unstated() {
        for odd in ["0", "-1", "null", "\"soon\"", "1e400", "1e300", "[]", "\"NaN\"", "\"inf\""] {
            let text = format!(r#"{{"accessToken":"a","expiresIn":{odd}}}"#);
            let lifetime = read(answer(201, &text), Timestamp::UNIX_EPOCH).ok().and_then(|grant| grant.lifetime);
            assert_eq!(lifetime, None, "{odd}");
        }
        assert_eq!(seconds(&json!("60")), Some(Duration::from_secs(60)));
    }

    #[test]
    fn refusals_of_either_form_are_refusals_with_the_message_and_the_hint() {
        for (status, text) in [
            (400, r#"{"message":"Invalid credentials"}"#),
            (401, r#"{"statusCode":401,"timestamp":"x","path":"/token","message":"Invalid credentials"}"#),
        ] {
            let error = read(answer(status, text), Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error, LoginError::Refused { status, message: "Invalid credentials".into() });
            assert!(error.to_string().contains("not the product id and secret"), "{error}");
        }
    }

    #[test]
    fn trouble_that_may_pass_is_not_a_refusal() {
        for status in [200, 302, 408, 429, 500, 503] {
            let error = read(answer(status, "<html>"), Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(matches!(error, LoginError::Unavailable { .. }), "{status}: {error}");
        }
    }

    #[test]
    fn what_the_log_is_told_repeats_no_answer() {
        for status in [200, 302, 400, 401, 429, 503] {
            let told = read(answer(status, r#"{"message":"s3cret"}"#), Timestamp::UNIX_EPOCH).unwrap_err().for_logs();
            assert!(told.contains(&status.to_string()) && !told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn a_success_that_cannot_be_read_is_not_repeated_in_the_error() {
        let error = read(answer(201, r#"{"access_token":"s3cret"}"#), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    fn answer(status: u16, text: &str) -> Answer {
        Answer::Http(Reply { status, text: text.into(), ..Reply::default() })
    }
}
