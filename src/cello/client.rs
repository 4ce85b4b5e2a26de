//! Sends referral events to Cello.
//!
//! One client for the whole process: it holds the connections and, through its task, the token. It sends the text it is
//! given byte for byte, and tries again by itself in one case only, after a 401, when Cello has certainly not taken the
//! event. It must never log a body, an address or a token.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::SecretString;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::answers::{Answer, Class, Classified, Outcome, classify};
use super::exchange::exchange;
use super::login::HttpLogin;
use super::token::{LoginError, Token, Tokens};
use super::wire;
use crate::http;

/// Cello, for one environment and one key pair. Clones share the token and the connections.
///
/// There is deliberately no call here that erases a referrer, though the token would allow it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    tokens: Tokens,
    timeout: Duration,
}

/// What became of one sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What it means for the referral event.
    pub outcome: Outcome,
    /// The event could not be tried because of the login. Says nothing about the event: it should use up no attempt.
    pub login: bool,
    /// Where there was an answer to the event itself.
    pub status: Option<u16>,
    /// For people: Cello's words or the problem. May hold personal data that Cello repeats, so not for logs.
    pub message: String,
    /// For logs: why there was no answer to the event itself.
    pub problem: Option<String>,
    /// `apigw-requestid`, by which Cello's support finds the request.
    pub request_id: Option<String>,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("`cello.base_url` is not an http or https address: {0}")]
    BaseUrl(String),
    #[error("no HTTP client could be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl Client {
    /// A client for the API at `base_url`; asks nothing yet. Must be called within a tokio runtime, which has to live
    /// as long as the client: the task that holds the token runs there.
    ///
    /// # Errors
    ///
    /// When `base_url` is no address or the certificates of the system cannot be read.
    pub fn new(
        base_url: &str,
        access_key_id: &str,
        secret_access_key: SecretString,
        request_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let base: Url = base_url.parse().map_err(|_| SetupError::BaseUrl(base_url.to_owned()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(SetupError::BaseUrl(base_url.to_owned()));
        }
        let http = http::client(&base, request_timeout)?;
        let tokens = Tokens::start(HttpLogin {
            http: http.clone(),
            url: under(&base, &["token"]),
            access_key_id: access_key_id.to_owned(),
            secret_access_key,
        });
        Ok(Self { http, base, tokens, timeout: request_timeout })
    }

    /// Sends the text of a body, as [`body`](super::body) built it and the store kept it.
    ///
    /// Ends within twice the request timeout, logins included: once for the token, once for the event. A lease on the
    /// event must be longer than that.
    pub async fn send(&self, body: &str) -> Sent {
        self.send_until(body, self.deadline()).await
    }

    /// The same, but ends within `left`, which is what is left of a lease. `None` when that is too short for a request:
    /// nothing was tried.
    pub async fn send_within(&self, body: &str, left: Duration) -> Option<Sent> {
        if left < self.timeout {
            return None;
        }
        Some(self.send_until(body, self.deadline().min(Instant::now() + left)).await)
    }

    async fn send_until(&self, body: &str, deadline: Instant) -> Sent {
        let request = |token: &Token, left: Duration| {
            self.request(Method::POST, under(&self.base, &["events"]), token)
                .header(CONTENT_TYPE, "application/json")
                .timeout(left)
                .body(body.to_owned())
        };
        let answer = match self.ask(request, deadline).await {
            Ok(answer) => answer,
            Err(error) => return Sent::without_login(error),
        };
        let Classified { class, outcome, message } = classify(&answer, wire::trigger_of(body), Timestamp::now());
        let (status, request_id) = match answer {
            Answer::Http(reply) => (Some(reply.status), reply.request_id),
            Answer::NotWritten(_) | Answer::Broken(_) => (None, None),
        };
        let problem = status.is_none().then(|| message.clone());
        Sent { outcome, login: class == Class::Login, status, message, problem, request_id }
    }

    /// Proves that the login works.
    ///
    /// # Errors
    ///
    /// When Cello refuses the keys or cannot be reached.
    pub async fn token(&self) -> Result<Token, LoginError> {
        self.tokens.get().await
    }

    /// One authorized request, repeated once with a new token if the answer is 401.
    pub(super) async fn ask(
        &self,
        request: impl Fn(&Token, Duration) -> RequestBuilder,
        deadline: Instant,
    ) -> Result<Answer, LoginError> {
        let left = || self.timeout.min(deadline.saturating_duration_since(Instant::now()));
        // Leaves a whole request timeout for the request itself.
        let token = within(deadline - self.timeout, self.tokens.get()).await?;
        let answer = exchange(request(&token, left())).await;
        if !matches!(&answer, Answer::Http(reply) if reply.status == 401) {
            return Ok(answer);
        }
        let token = within(deadline, self.tokens.renew(&token)).await?;
        Ok(exchange(request(&token, left())).await)
    }

    pub(super) fn request(&self, method: Method, url: Url, token: &Token) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(token.expose())
    }

    /// Where `segments` lie under the base address, each one escaped.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        under(&self.base, segments)
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + 2 * self.timeout
    }
}

impl Sent {
    fn without_login(error: LoginError) -> Self {
        let after = match &error {
            LoginError::Unavailable { after, .. } => *after,
            LoginError::Refused { .. } => None,
        };
        Self {
            outcome: Outcome::Retry { after },
            login: true,
            status: None,
            message: error.to_string(),
            problem: Some(error.for_logs()),
            request_id: None,
        }
    }
}

fn under(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only an address without a host has no path to extend, and such a base is refused.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

async fn within<T>(deadline: Instant, login: impl Future<Output = Result<T, LoginError>>) -> Result<T, LoginError> {
    let late = |_| LoginError::Unavailable { problem: "time ran out".into(), status: None, after: None };
    timeout_at(deadline, login).await.map_err(late)?
}
