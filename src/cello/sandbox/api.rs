//! The stand-in's calls, apart from HTTP: what came in, and what is answered.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::check::check;
use super::{FieldWarning, Issued, Received, Refused, Shared, State};

/// A status and a JSON body.
pub(super) type Said = (u16, Value);

/// How much longer refresh tokens live than access tokens; 5 hours and 5 days at Cello.
const REFRESH_FACTOR: u32 = 24;

/// `POST /token`.
pub(super) fn token(shared: &Shared, body: &str, now: Timestamp) -> Said {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().filter(|text| !text.is_empty());
    let settings = &shared.settings;
    let unauthorized = |message: &str| {
        // The form that was seen live; the reference promises only `message`.
        (401, json!({ "statusCode": 401, "timestamp": now.to_string(), "path": "/token", "message": message }))
    };
    let mut state = shared.state();
    let with_refresh = match (text("accessKeyId"), text("secretAccessKey"), text("refreshToken")) {
        (Some(id), Some(secret), _) if id == settings.access_key_id && secret == settings.secret_access_key => true,
        (Some(_), Some(_), _) => return unauthorized("Invalid access key id or secret access key"),
        (None, None, Some(refresh)) if state.knows(refresh, true) => false,
        (None, None, Some(_)) => return unauthorized("Invalid refresh token"),
        _ => return (400, json!({ "message": "accessKeyId and secretAccessKey, or refreshToken, are required" })),
    };
    let lifetime = settings.token_lifetime;
    let stated = settings.stated_lifetime.clone().unwrap_or_else(|| json!(lifetime.as_secs()));
    let mut answer = json!({ "accessToken": state.issue(false, lifetime), "expiresIn": stated });
    if with_refresh {
        let lifetime = lifetime * REFRESH_FACTOR;
        answer["refreshToken"] = state.issue(true, lifetime).into();
        answer["refreshTokenExpiresIn"] = lifetime.as_secs().into();
    }
    (201, answer)
}

/// `POST /events`.
pub(super) fn event(shared: &Shared, text: String, now: Timestamp, request_id: String) -> Said {
    let parsed: Result<Value, _> = serde_json::from_str(&text);
    let checked = parsed
        .map_err(|error| format!("the body is not JSON: {error}"))
        .and_then(|body| Ok((check(&body, shared.settings.current_triggers_only, now)?, body)));
    let mut state = shared.state();
    match checked {
        Err(message) => {
            state.refused.push(Refused { text, at: now, request_id, message: message.clone() });
            (400, json!({ "message": message }))
        }
        Ok((mut warnings, body)) => {
            // Cello's v1 promises nothing about a repeated purchase, so it is taken and pointed out.
            if let Some(invoice) = purchase(&body)
                && state.received.iter().any(|earlier| purchase(&earlier.body) == Some(invoice))
            {
                let message = "was reported before; Cello may reward it twice".into();
                warnings.push(FieldWarning { field: "context.subscription.invoiceId", message });
            }
            state.received.push(Received { body, text, at: now, request_id, warnings });
            let count = state.received.len();
            drop(state);
            shared.received.send_replace(count);
            (200, json!({ "success": true }))
        }
    }
}

/// `GET /referral-codes/{ucc}`. Every code of the right form is known here and counts, save those that begin with a
/// word: `Unknown0001` is not known, `Blocked0001` is its blocked owner's, and `Own0000u123` is that of the user `u123`.
pub(super) fn code(ucc: &str) -> Said {
    let is_code = ucc.len() == 11 && ucc.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_code || ucc.starts_with("Unknown") {
        return (200, json!({ "code": ucc, "valid": false, "productUserId": "" }));
    }
    let owner = match ucc.strip_prefix("Own") {
        Some(user) => user.trim_start_matches('0').to_owned(),
        None => format!("referrer-{ucc}"),
    };
    let valid = !ucc.starts_with("Blocked");
    (200, json!({ "code": ucc, "valid": valid, "productUserId": owner, "campaignId": "stand-in" }))
}

/// `GET /referral-codes/active-link/{productUserId}`. The link lacks a scheme, as Cello's may.
pub(super) fn link(user: &str) -> Said {
    let ucc = code_of(user);
    (200, json!({ "activeUcc": ucc, "link": format!("stand-in.cello.so/{ucc}") }))
}

/// `GET /new-users/{productUserId}/reward`: eligible from the signup to the first purchase.
pub(super) fn reward(shared: &Shared, user: &str) -> Said {
    let state = shared.state();
    let first = |trigger: &str| {
        state.received.iter().find(|received| {
            received.body["payload"]["newUserId"] == user && received.body["context"]["event"]["trigger"] == trigger
        })
    };
    match (first("new-signup"), first("invoice-paid")) {
        (Some(signup), None) => (
            200,
            json!({
                "eligible": true,
                "reward": { "type": "standard", "interval": "month", "intervalCount": 12, "percentage": 10 },
                "signupId": signup.request_id,
                "signupAt": signup.body["context"]["event"]["timestamp"],
                "referralUcc": signup.body["payload"]["ucc"],
                "campaignId": "stand-in",
                "campaignRevision": 1,
            }),
        ),
        _ => (200, json!({ "eligible": false, "reward": null })),
    }
}

impl State {
    /// Whether this token was issued and lives.
    pub(super) fn knows(&self, text: &str, refresh: bool) -> bool {
        let now = Instant::now();
        self.tokens.iter().any(|token| token.refresh == refresh && token.text == text && now < token.expires_at)
    }

    fn issue(&mut self, refresh: bool, lifetime: std::time::Duration) -> String {
        let now = Instant::now();
        self.tokens.retain(|token| now < token.expires_at);
        self.issued += 1;
        let text = format!("stand-in-{}-{}", if refresh { "refresh" } else { "access" }, self.issued);
        self.tokens.push(Issued { text: text.clone(), refresh, expires_at: now + lifetime });
        text
    }
}

/// The invoice of a purchase.
fn purchase(body: &Value) -> Option<&str> {
    let trigger = body.pointer("/context/event/trigger")?;
    let invoice = body.pointer("/context/subscription/invoiceId")?.as_str()?;
    (trigger == "invoice-paid").then_some(invoice)
}

/// Eleven letters and digits, always the same for one user.
fn code_of(user: &str) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // FNV-1a, 64 bits: 62^10 codes are enough for a stand-in.
    let mut hash = user
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut code = String::from("S");
    for _ in 0..10 {
        code.push(char::from(LETTERS[(hash % 62) as usize]));
        hash /= 62;
    }
    code
}
