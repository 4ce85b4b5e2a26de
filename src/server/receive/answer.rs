//! Every answer a webhook can get: one table.
//!
//! Providers retry what is not 2xx for days, so a 4xx says that the request itself is at fault and a 503 that we are.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::providers::{IdentifyError, Refusal};
use crate::store::StoreError;

/// Seconds. The store's troubles, such as a full disk or a lock, seldom pass sooner.
const RETRY_AFTER_SECONDS: &str = "30";

#[derive(Debug)]
pub(super) enum Answer {
    Stored,
    Duplicate,
    /// Not genuine, as far as can be told.
    Refused(Refusal),
    /// Genuine, but nothing to keep.
    Unidentified(IdentifyError),
    /// The connection or its encoding broke within the body.
    Broken,
    TooSlow,
    TooLarge,
    Unavailable(StoreError),
    UnknownProvider,
    WrongMethod,
    WrongPath,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Stored | Self::Duplicate => 200,
            Self::Refused(refusal) => refusal.status(),
            Self::Unidentified(_) | Self::Broken => 400,
            Self::UnknownProvider | Self::WrongPath => 404,
            Self::WrongMethod => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::Unavailable(_) => 503,
        }
    }

    /// What the sender is told: of a refusal only what its status says anyway.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Refused(Refusal::EmptyBody) => "empty_body",
            Self::Refused(refusal) if refusal.status() == 401 => "invalid_credentials",
            Self::Refused(_) => "invalid_signature",
            Self::Unidentified(_) => "unreadable_body",
            Self::Broken => "incomplete_body",
            Self::UnknownProvider => "unknown_provider",
            Self::WrongPath => "not_found",
            Self::WrongMethod => "method_not_allowed",
            Self::TooSlow => "body_too_slow",
            Self::TooLarge => "body_too_large",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// What our own metrics call a webhook that was not taken; `None` for what was, and for what was none.
    pub(super) fn refusal_code(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.code()),
            Self::Unidentified(IdentifyError::NotJson(_)) => Some("not_json"),
            Self::Unidentified(IdentifyError::Missing(_)) => Some("no_id"),
            Self::Broken | Self::TooSlow | Self::TooLarge | Self::Unavailable(_) => Some(self.code()),
            Self::Stored | Self::Duplicate | Self::UnknownProvider | Self::WrongMethod | Self::WrongPath => None,
        }
    }

    pub(super) fn response(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        match self {
            Self::Stored | Self::Duplicate => return response.json(json!({"status": self.code()})),
            Self::Refused(_) if status == StatusCode::UNAUTHORIZED => {
                response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"webhooks\", charset=\"UTF-8\""));
            }
            Self::Unavailable(_) => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            Self::WrongMethod => {
                response.insert_header((ALLOW, "POST"));
            }
            Self::UnknownProvider => {
                let message = "no provider of this name is switched on here";
                return response.json(json!({"error": self.code(), "message": message}));
            }
            _ => {}
        }
        response.json(json!({"error": self.code()}))
    }
}
