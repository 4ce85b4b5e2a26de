//! A stand-in for Cello on this machine, for `serve --sandbox`, `replay` and the tests.
//!
//! It speaks the same API over real HTTP, as strictly as Cello's reference reads, and keeps what it was sent. Trouble
//! can be ordered from it, one call at a time. It must never be taken for Cello: it promises nothing about what the
//! real one accepts beyond its reference, and it listens where it is told to, with keys that are no secret.
//!
//! In `check.rs` are the fields of a referral event, in `api.rs` the calls apart from HTTP, and in `server.rs` HTTP and
//! the ordered trouble.

mod api;
mod check;
mod server;

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Of access tokens; refresh tokens live 24 times as long.
    pub token_lifetime: Duration,
    /// What `expiresIn` says, where that is to differ from the truth.
    pub stated_lifetime: Option<Value>,
    /// Refuses the three subscription triggers, as accounts on Cello's newest schema do.
    pub current_triggers_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_key_id: "stand-in-key".into(),
            secret_access_key: "stand-in-secret".into(),
            token_lifetime: Duration::from_secs(18000),
            stated_lifetime: None,
            current_triggers_only: false,
        }
    }
}

/// The running stand-in. Clones are handles of the same one.
#[derive(Clone)]
pub struct Sandbox {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub base_url: String,
    shared: Arc<Shared>,
    server: ServerHandle,
}

/// One referral event that was accepted.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    pub body: Value,
    /// Byte for byte.
    #[serde(skip)]
    pub text: String,
    pub at: Timestamp,
    pub request_id: String,
    /// What Cello's Event Feed would mark although the event is accepted.
    pub warnings: Vec<FieldWarning>,
}

/// One referral event that was answered 400.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    pub text: String,
    pub at: Timestamp,
    pub request_id: String,
    pub message: String,
}

/// A field that is accepted but not as Cello wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldWarning {
    /// Path within the body, such as `context.newUser.email`.
    pub field: &'static str,
    pub message: String,
}

/// Calls, as far as trouble is ordered and counted for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Token,
    Events,
    /// All others.
    Reads,
}

/// Trouble with one call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer; the call is not looked at.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// The call is taken and never answered.
    Silence,
    /// 200 and a body without end; the call is not looked at.
    Endless,
    /// The call waits this long and is then answered.
    Delay(Duration),
}

impl Fault {
    /// An answer with this status and the body that Cello's gateway gives it.
    pub fn status(status: u16) -> Self {
        Self::answer(status, format!(r#"{{"message":"ordered {status}"}}"#))
    }

    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header to an answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

impl Sandbox {
    /// Starts with the default settings. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(bind: &str) -> io::Result<Self> {
        Self::start_with(bind, Settings::default()).await
    }

    /// Starts with these settings, on the tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start_with(bind: &str, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(bind)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { settings, state: Mutex::default(), received: watch::Sender::new(0) });
        let server = server::listen(listener, shared.clone())?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { base_url, shared, server: handle })
    }

    /// Stops listening and cuts what is open.
    pub async fn stop(&self) {
        self.server.stop(false).await;
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The referral events that were accepted, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// The referral events that were answered 400, in order of arrival.
    pub fn refused(&self) -> Vec<Refused> {
        self.shared.state().refused.clone()
    }

    /// Returns as soon as `count` referral events were accepted.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        // The sender lives in `shared`, so this cannot end early.
        let _ = self.shared.received.subscribe().wait_for(|received| *received >= count).await;
        self.received()
    }

    /// How many calls came, those with ordered trouble included.
    pub fn calls(&self, endpoint: Endpoint) -> usize {
        self.shared.state().calls[endpoint as usize]
    }

    /// Orders trouble for the next call of `endpoint` that has none ordered yet.
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.state().faults[endpoint as usize].push_back(fault);
    }

    /// Orders the same trouble for every call without its own, or ends that.
    pub fn fail_always(&self, fault: Option<Fault>) {
        self.shared.state().standing = fault;
    }

    /// Forgets all access tokens, and with `refresh_too` all refresh tokens.
    pub fn expire_tokens(&self, refresh_too: bool) {
        let mut state = self.shared.state();
        state.tokens.retain(|token| !refresh_too && token.refresh);
    }
}

/// What all calls share.
struct Shared {
    settings: Settings,
    state: Mutex<State>,
    received: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    refused: Vec<Refused>,
    tokens: Vec<Issued>,
    faults: [VecDeque<Fault>; 3],
    standing: Option<Fault>,
    calls: [usize; 3],
    /// Tokens issued and requests answered so far: their numbers are their names.
    issued: u64,
    requests: u64,
}

struct Issued {
    text: String,
    refresh: bool,
    expires_at: Instant,
}

impl Shared {
    /// A handler that panicked leaves nothing half done that would matter here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
