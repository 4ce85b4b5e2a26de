//! Takes webhooks: proves that one is genuine, has it written to disk, answers.
//!
//! Nothing else happens before the answer. This file must never answer 2xx for what is not on disk, never 4xx for our
//! own trouble, never tell a stranger why a signature or a credential was refused, and never log a body or a header.

mod answer;
mod unread;

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::config;
use crate::crash_points::{CrashPoint, reach};
use crate::facts::Scope;
use crate::providers::{IdentifyError, Provider};
use crate::server::Parts;
use crate::store::{NewWebhook, Receipt, Store, StoreError};
use crate::telemetry::Metrics;

use answer::Answer;

/// Bytes. A credential longer than this is malformed, whatever the provider.
const CREDENTIAL_LIMIT: usize = 8 * 1024;

/// Stands for a credential that cannot be one: sent twice, too long or not text. It has the form of no provider's.
const UNUSABLE: &str = ",";

/// What the handlers of all workers share.
pub(super) struct Receiver {
    providers: Vec<Arc<dyn Provider>>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    stored: Arc<Notify>,
    limits: config::Server,
    runtime: Handle,
}

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/webhooks/{provider}").route(web::post().to(receive)).default_service(web::to(wrong_method)),
    )
    .default_service(web::to(wrong_path));
}

async fn receive(
    receiver: web::Data<Receiver>,
    name: web::Path<String>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    let started = Instant::now();
    let response = match receiver.providers.iter().find(|provider| provider.name() == *name) {
        Some(provider) => {
            let answer = receiver.take(provider.as_ref(), &request, &mut payload).await.unwrap_or_else(|answer| answer);
            receiver.tell(provider.name(), &answer, started)
        }
        None => receiver.tell("none", &Answer::UnknownProvider, started),
    };
    unread::hold(response, payload)
}

async fn wrong_method(receiver: web::Data<Receiver>, payload: web::Payload) -> HttpResponse {
    unread::hold(receiver.tell("none", &Answer::WrongMethod, Instant::now()), payload)
}

async fn wrong_path(receiver: web::Data<Receiver>, payload: web::Payload) -> HttpResponse {
    unread::hold(receiver.tell("none", &Answer::WrongPath, Instant::now()), payload)
}

impl Receiver {
    /// Must be called within a Tokio runtime: the one on which webhooks are stored.
    pub(super) fn new(limits: &config::Server, parts: Parts) -> Self {
        let Parts { providers, store, metrics, clock, stored } = parts;
        Self { providers, store, metrics, clock, stored, limits: limits.clone(), runtime: Handle::current() }
    }

    /// From the head of the request to the receipt. `Err` is an answer as well: it ends the work early.
    async fn take(
        &self,
        provider: &dyn Provider,
        request: &HttpRequest,
        payload: &mut web::Payload,
    ) -> Result<Answer, Answer> {
        let credential = credential(request, provider.credential_header());
        provider.admit(credential).map_err(Answer::Refused)?;
        let body = self.read(request, payload).await?;
        let now = (self.clock)();
        provider.authenticate(credential, &body, now).map_err(Answer::Refused)?;
        let envelope = provider.identify(credential, &body).map_err(Answer::Unidentified)?;
        let webhook = NewWebhook {
            scope: Scope { provider: provider.name().to_owned(), account: envelope.account },
            event_id: envelope.event_id,
            kind: envelope.kind,
            mode: envelope.mode,
            at: envelope.at,
            received_at: now,
            body,
        };
        reach(CrashPoint::WebhookRead);
        self.keep(webhook).await.map_err(Answer::Unavailable)
    }

    /// The whole body, under the limits of size and time.
    async fn read(&self, request: &HttpRequest, payload: &mut web::Payload) -> Result<Vec<u8>, Answer> {
        let limit = self.limits.body_limit;
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > limit) {
            return Err(Answer::TooLarge);
        }
        let reading = async {
            let mut body = Vec::new();
            while let Some(piece) = payload.next().await {
                let piece = piece.map_err(|_| Answer::Broken)?;
                if piece.len() > limit - body.len() {
                    return Err(Answer::TooLarge);
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        };
        timeout(self.limits.read_timeout, reading).await.unwrap_or(Err(Answer::TooSlow))
    }

    /// Has the webhook written by a task of its own: a provider that hangs up now does not undo it, and what comes
    /// too late for this answer is a duplicate when the provider sends it again.
    async fn keep(&self, webhook: NewWebhook) -> Result<Answer, StoreError> {
        let Self { store, stored, .. } = self;
        let (store, stored) = (store.clone(), stored.clone());
        let task = self.runtime.spawn(async move {
            let (provider, event, kind) =
                (webhook.scope.provider.clone(), webhook.event_id.clone(), webhook.kind.clone());
            let receipt = store.receive(webhook).await?;
            reach(CrashPoint::WebhookStored);
            match receipt {
                Receipt::Stored => {
                    debug!(provider, event, kind, "a webhook was stored");
                    stored.notify_one();
                }
                Receipt::Duplicate => debug!(provider, event, kind, "a webhook came again"),
            }
            Ok(receipt)
        });
        match timeout(self.limits.store_timeout, task).await {
            Ok(Ok(Ok(Receipt::Stored))) => Ok(Answer::Stored),
            Ok(Ok(Ok(Receipt::Duplicate))) => Ok(Answer::Duplicate),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(StoreError::Unavailable("writing a webhook was cut off".into())),
            Err(_) => Err(StoreError::Unavailable(format!("no receipt within {:?}", self.limits.store_timeout))),
        }
    }

    /// Counts and logs an answer, and gives it.
    fn tell(&self, provider: &'static str, answer: &Answer, started: Instant) -> HttpResponse {
        self.metrics.answered(provider, answer.status(), started.elapsed());
        if let Some(code) = answer.refusal_code() {
            self.metrics.refused(provider, code);
        }
        match answer {
            Answer::Stored | Answer::Duplicate => {}
            Answer::Refused(refusal) => warn!(provider, code = refusal.code(), "a webhook was refused: {refusal}"),
            Answer::Unidentified(IdentifyError::NotJson(problem)) => {
                // Its own text may quote the body.
                let (line, column) = (problem.line(), problem.column());
                warn!(provider, line, column, "a genuine webhook was refused: its body is not the JSON of an event");
            }
            Answer::Unidentified(IdentifyError::Missing(field)) => {
                warn!(provider, field, "a genuine webhook was refused: it lacks what identifies an event");
            }
            Answer::Unavailable(problem) => {
                error!(provider, %problem, "a webhook could not be stored; the provider will send it again");
            }
            Answer::Broken | Answer::TooSlow | Answer::TooLarge => {
                warn!(provider, status = answer.status(), "a webhook's body was not taken: {}", answer.code());
            }
            Answer::UnknownProvider | Answer::WrongMethod | Answer::WrongPath => {
                debug!(status = answer.status(), "a request was for nothing that is here: {}", answer.code());
            }
        }
        answer.response()
    }
}

fn credential<'a>(request: &'a HttpRequest, header: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(header);
    let value = values.next()?;
    let usable = value.to_str().ok().filter(|text| text.len() <= CREDENTIAL_LIMIT && values.next().is_none());
    Some(usable.unwrap_or(UNUSABLE))
}
