//! What Cello can be asked: who owns a code, a user's link, a new user's reward.
//!
//! For people at the command line and for checks; no referral event depends on it, since Cello advises against keeping
//! such answers. Read leniently: every field may be absent, and fields this program does not know are kept and shown.
//! Sources: <https://docs.cello.so/api-reference/introduction> and
//! <https://docs.cello.so/api-reference/new-users/get-reward>.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::answers::{Answer, words};
use super::client::Client;
use super::token::LoginError;

/// A referral code, as Cello sees it. An unknown code has no owner, a blocked one has: neither is `valid`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferralCode {
    #[serde(default, deserialize_with = "text")]
    pub code: Option<String>,
    #[serde(default)]
    pub valid: Option<bool>,
    /// The referrer's id in the operator's product.
    #[serde(default, deserialize_with = "text")]
    pub product_user_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub campaign_id: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A user's own referral link. It may lack a scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveLink {
    #[serde(default, deserialize_with = "text")]
    pub active_ucc: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub link: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Whether a referred user gets a discount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUserReward {
    #[serde(default)]
    pub eligible: Option<bool>,
    /// Cello's pages disagree on its fields, so it is shown as it is.
    #[serde(default)]
    pub reward: Option<Value>,
    #[serde(default, deserialize_with = "text")]
    pub signup_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub signup_at: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub referral_ucc: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub campaign_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub campaign_revision: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error("`{0}` cannot be part of an address; it is no code and no user id")]
    Id(String),
    #[error("Cello answered {status}: {message}")]
    Answer { status: u16, message: String },
    #[error("Cello answered {status}, but not with what its reference promises: {problem}")]
    Unreadable { status: u16, problem: String },
    #[error("Cello did not answer: {0}")]
    Transport(String),
}

impl Client {
    /// Who owns a referral code, and whether it counts.
    ///
    /// # Errors
    ///
    /// An unknown code is not an error: see [`ReferralCode`].
    pub async fn referral_code(&self, ucc: &str) -> Result<ReferralCode, CallError> {
        self.read(&["referral-codes", ucc], ucc).await
    }

    /// The referral link of a user of the operator's product.
    ///
    /// # Errors
    ///
    /// When Cello knows no such user, or did not answer.
    pub async fn active_link(&self, user_id: &str) -> Result<ActiveLink, CallError> {
        self.read(&["referral-codes", "active-link", user_id], user_id).await
    }

    /// The discount of a referred user, if any.
    ///
    /// # Errors
    ///
    /// When Cello knows no such user, or did not answer.
    pub async fn new_user_reward(&self, user_id: &str) -> Result<NewUserReward, CallError> {
        self.read(&["new-users", user_id, "reward"], user_id).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &[&str], id: &str) -> Result<T, CallError> {
        // Addresses drop such a segment, so that the request would go to another call.
        if ["", ".", ".."].contains(&id) {
            return Err(CallError::Id(id.to_owned()));
        }
        let url = self.url(path);
        let request = |token: &_, left| self.request(Method::GET, url.clone(), token).timeout(left);
        let reply = match self.ask(request, self.deadline()).await? {
            Answer::Http(reply) => reply,
            Answer::NotWritten(problem) | Answer::Broken(problem) => return Err(CallError::Transport(problem)),
        };
        let status = reply.status;
        if status != 200 {
            return Err(CallError::Answer { status, message: words(&reply.text) });
        }
        serde_json::from_str(&reply.text).map_err(|error| {
            let problem = reply.broke_off.unwrap_or_else(|| error.to_string());
            CallError::Unreadable { status, problem }
        })
    }
}

/// Ids are texts by Cello's reference; a number is taken too, and anything else shown as it is.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    })
}
