//! A running server with a store in memory, two toy providers, and a client that can misbehave.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use cello_relay::clock;
use cello_relay::config::Config;
use cello_relay::facts::{Learned, Reading};
use cello_relay::providers;
use cello_relay::providers::chargebee::basic::{self, Credentials};
use cello_relay::providers::stripe::signature::{self, Verifier};
use cello_relay::providers::{Envelope, IdentifyError, LookUpError, Provider, Question, Refusal, Unreadable};
use cello_relay::server::{Handle, Parts, Server};
use cello_relay::store::*;
use cello_relay::telemetry::Metrics;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore};

use crate::in_front::{Front, InFront};

pub const SECRET: &str = "whsec_toy";

pub fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

/// The server under test; its threads end with it.
pub struct Relay {
    pub store: Arc<Front<FakeStore>>,
    pub stored: Arc<Notify>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub handle: Handle,
    pub runtime: Runtime,
}

impl Relay {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.bind = "127.0.0.1:0".into();
        config.admin.bind = "127.0.0.1:0".into();
        change(&mut config);
        let runtime = Runtime::new().unwrap();
        let store = Arc::new(Front(FakeStore::default()));
        let stored = Arc::new(Notify::new());
        let mut on = providers::enabled(&config);
        on.push(Arc::new(Toy::signed()));
        on.push(Arc::new(Toy::basic()));
        let parts = Parts {
            providers: on,
            store: store.clone(),
            metrics: Arc::new(Metrics::new()),
            clock: clock::fixed(now()),
            stored: stored.clone(),
        };
        let server = {
            let _runtime = runtime.enter();
            Server::build(&config, parts).unwrap()
        };
        let (address, admin, handle) = (server.receive_address(), server.admin_address(), server.handle());
        runtime.spawn(server.run());
        Self { store, stored, address, admin, handle, runtime }
    }

    /// A genuine webhook of the signing provider.
    pub fn webhook(&self, body: &str) -> Answer {
        let signature = signature::sign(SECRET, body.as_bytes(), now());
        self.post("/webhooks/signed", &[("Toy-Signature", &signature)], body.as_bytes())
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let headers = [headers, &[("Content-Length", &length)]].concat();
        self.raw(&[head("POST", path, &headers), body.to_vec()].concat())
    }

    pub fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.address, bytes)
    }

    pub fn get_admin(&self, path: &str) -> Answer {
        exchange(self.admin, &head("GET", path, &[]))
    }
}

pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    (head + "\r\n").into_bytes()
}

/// Sends while it reads, since an answer may come before the request has ended, and reads until the server hangs up.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    let mut sending = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let sender = thread::spawn(move || sending.write_all(&bytes).is_ok());
    let answer = Answer::read(&mut stream);
    sender.join().unwrap();
    answer
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let problem = stream.read_to_end(&mut bytes).err();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?} {problem:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    /// Status and body, for one assertion about both.
    pub fn said(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

/// Keeps webhooks in memory, as long as it is told to work.
pub struct FakeStore {
    pub webhooks: Mutex<Vec<NewWebhook>>,
    pub duplicates: Mutex<usize>,
    pub broken: Mutex<bool>,
    /// Told when a webhook has come as far as the disk.
    pub entered: Notify,
    /// One permit for each write; as many as there may be, unless a test takes them away.
    pub disk: Semaphore,
}

impl Default for FakeStore {
    fn default() -> Self {
        Self {
            webhooks: Mutex::default(),
            duplicates: Mutex::default(),
            broken: Mutex::default(),
            entered: Notify::new(),
            disk: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl FakeStore {
    pub fn break_down(&self) {
        *self.broken.lock().unwrap() = true;
    }

    /// Lets every write wait until the test adds permits.
    pub fn stall(&self) {
        self.disk.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.broken.lock().unwrap() { Err(StoreError::Unavailable("disk full".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl InFront for FakeStore {
    fn behind(&self) -> &dyn Store {
        unreachable!("receiving, health and metrics ask nothing more of a store")
    }

    async fn receive(&self, webhook: NewWebhook) -> Result<Receipt, StoreError> {
        self.entered.notify_one();
        self.disk.acquire().await.unwrap().forget();
        self.check()?;
        let mut webhooks = self.webhooks.lock().unwrap();
        if webhooks.iter().any(|known| known.scope == webhook.scope && known.event_id == webhook.event_id) {
            *self.duplicates.lock().unwrap() += 1;
            return Ok(Receipt::Duplicate);
        }
        webhooks.push(webhook);
        Ok(Receipt::Stored)
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.check()?;
        let undecided = i64::try_from(self.webhooks.lock().unwrap().len()).unwrap();
        let duplicate = i64::try_from(*self.duplicates.lock().unwrap()).unwrap();
        Ok(Counts { received: undecided + duplicate, undecided, duplicate, ..Counts::default() })
    }

    async fn held(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.check()?;
        Ok(vec![("rule_failed".to_owned(), 2)])
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.check()
    }

    async fn overdue_since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        Ok(Some(now() - Duration::from_secs(90)))
    }

    async fn blocked(&self) -> Result<Blocked, StoreError> {
        self.check()?;
        Ok(Blocked { events: 2, since: Some(now() - Duration::from_secs(7200)) })
    }

    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        Ok(Some(now() - Duration::from_secs(3600)))
    }

    fn stats(&self) -> WriteStats {
        WriteStats { flushes: 2, jobs: 5, flush_time: Duration::from_millis(1500), ..WriteStats::default() }
    }
}

/// A provider of few words that proves itself in one of the two known ways.
pub enum Toy {
    /// Named `signed`.
    Signed(Verifier),
    /// Named `basic`.
    Basic(Credentials),
}

impl Toy {
    pub fn signed() -> Self {
        Self::Signed(Verifier::new([SecretString::from(SECRET.to_owned())], Duration::from_secs(300)))
    }

    pub fn basic() -> Self {
        Self::Basic(Credentials::new(&[SecretString::from("relay:s3cret".to_owned())]))
    }
}

#[async_trait]
impl Provider for Toy {
    fn is_on(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Signed(_) => "signed",
            Self::Basic(_) => "basic",
        }
    }

    fn credential_header(&self) -> &'static str {
        match self {
            Self::Signed(_) => "Toy-Signature",
            Self::Basic(_) => "Authorization",
        }
    }

    fn admit(&self, credential: Option<&str>) -> Result<(), Refusal> {
        match self {
            Self::Signed(verifier) => verifier.admit(credential),
            Self::Basic(credentials) => credentials.verify(credential),
        }
    }

    fn authenticate(&self, credential: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
        match self {
            Self::Signed(verifier) => verifier.verify(credential, body, now),
            Self::Basic(credentials) => credentials.verify(credential),
        }
    }

    fn identify(&self, _: Option<&str>, body: &[u8]) -> Result<Envelope, IdentifyError> {
        let body: serde_json::Value = serde_json::from_slice(body)?;
        let event_id = body["id"].as_str().ok_or(IdentifyError::Missing("id"))?.to_owned();
        let kind = body["type"].as_str().unwrap_or("toy.event").to_owned();
        let account = body["account"].as_str().unwrap_or_default().to_owned();
        Ok(Envelope { event_id, kind, account, mode: None, at: now() })
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> String {
        match self {
            Self::Signed(_) => signature::sign(SECRET, body, now),
            Self::Basic(_) => basic::header("relay", "s3cret"),
        }
    }

    fn read(&self, _: &[u8]) -> Result<Reading, Unreadable> {
        unreachable!()
    }
    fn mentions(&self, _: &[u8]) -> Vec<String> {
        unreachable!()
    }
    fn can_look_up(&self) -> bool {
        false
    }
    async fn look_up(&self, _: &Question, _: Timestamp) -> Result<Vec<Learned>, LookUpError> {
        unreachable!()
    }
    fn recognises(&self, _: &serde_json::Value) -> bool {
        unreachable!()
    }
}
