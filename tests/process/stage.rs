//! What the sentences start from: an installation in a folder of its own, and webhooks signed as the provider would.

#[path = "webhooks.rs"]
mod webhooks;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::http;
use cello_relay::store::{self, Life, Store};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Response;
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use webhooks::*;

pub const SECRET: &str = "whsec_process";
pub const CREDENTIALS: &str = "relay:pass word";

/// Longer than any machine needs; what takes as long has failed.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A folder where the program runs, and a store.
pub struct Place {
    pub folder: TempDir,
    database_url: String,
}

impl Place {
    /// With a store in the folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite:{}", folder.path().join("relay.db").display());
        Self { folder, database_url }
    }

    /// With a store elsewhere.
    pub fn on(database_url: String) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database_url }
    }

    pub fn database_url(&self) -> String {
        self.database_url.clone()
    }

    /// The store, opened beside whatever serves from it.
    pub fn store(&self) -> Arc<dyn Store> {
        store::open(&self.database_url, false).unwrap()
    }

    /// What is on disk about a provider's event.
    pub async fn life(&self, event_id: &str) -> Option<Life> {
        self.store().life(event_id).await.unwrap().into_iter().find(|life| life.event_id == event_id)
    }

    /// The program with these arguments and no settings but the place of the store and free ports.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cello-relay"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("RELAY__DATABASE_URL", self.database_url())
            .env("RELAY__SERVER__BIND", "127.0.0.1:0")
            .env("RELAY__ADMIN__BIND", "127.0.0.1:0")
            .env("RELAY__LOG__FORMAT", "json")
            .stdin(Stdio::null());
        command
    }

    /// `serve` with both providers on and this stand-in for Cello's sandbox, not yet started.
    pub fn serve(&self, cello: &Sandbox) -> Command {
        let mut command = self.command(&["serve"]);
        command
            .env("RELAY__STRIPE__WEBHOOK_SECRETS", SECRET)
            .env("RELAY__CHARGEBEE__CREDENTIALS", CREDENTIALS)
            .env("RELAY__CELLO__ENVIRONMENT", "sandbox")
            .env("RELAY__CELLO__BASE_URL", &cello.base_url)
            .env("RELAY__CELLO__ACCESS_KEY_ID", &cello.settings().access_key_id)
            .env("RELAY__CELLO__SECRET_ACCESS_KEY", &cello.settings().secret_access_key);
        command
    }
}

/// The same command under strace with these options, which sees its system calls and may let them fail. It keeps its
/// process id.
pub fn traced(command: &Command, options: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-D", "-f"]).args(options).arg(command.get_program()).args(command.get_args());
    traced.current_dir(command.get_current_dir().unwrap()).env_clear();
    for (name, value) in command.get_envs() {
        traced.env(name, value.unwrap());
    }
    traced
}

/// A command that has ended: exit code, standard output, standard error.
pub fn ended(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A process that serves. It is killed when this is dropped.
pub struct Serving {
    pub post: Post,
    admin_url: String,
    child: Option<Child>,
    log: mpsc::UnboundedReceiver<String>,
    /// The lines of the log that were read so far.
    pub read: Vec<String>,
}

/// Where webhooks are posted, for as many as want to.
#[derive(Clone)]
pub struct Post {
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
    http: reqwest::Client,
}

impl Post {
    /// Posts a signed webhook of Stripe's; the status, or an error when there is no answer.
    pub async fn stripe(&self, body: &str) -> reqwest::Result<u16> {
        self.with("stripe", "Stripe-Signature", &stripe_signature(SECRET, body), body).await
    }

    /// Posts a webhook with whatever is to prove that it is genuine.
    pub async fn with(&self, provider: &str, header: &str, value: &str, body: &str) -> reqwest::Result<u16> {
        Ok(self.answer(provider, header, value, body).await?.status().as_u16())
    }

    /// The same, with all that was answered.
    pub async fn answer(&self, provider: &str, header: &str, value: &str, body: &str) -> reqwest::Result<Response> {
        let url = format!("{}/webhooks/{provider}", self.url);
        self.http.post(url).header(header, value).body(body.to_owned()).send().await
    }
}

impl Serving {
    /// Starts and returns when it says that it is ready.
    pub async fn start(command: Command) -> Self {
        let mut serving = Self::begin(command);
        serving.post.url = serving.line("webhooks are taken").await["url"].as_str().unwrap().to_owned();
        serving.admin_url = serving.line("health and metrics").await["url"].as_str().unwrap().to_owned();
        serving.line("referral events go to").await;
        serving
    }

    /// Starts and does not wait: it may not live for long.
    pub fn begin(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, log) = mpsc::unbounded_channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let http = http::client(&"http://127.0.0.1".parse().unwrap(), PATIENCE).unwrap();
        let post = Post { url: String::new(), http };
        Self { post, admin_url: String::new(), child: Some(child), log, read: Vec::new() }
    }

    /// The next line of the log whose message begins like this.
    pub async fn line(&mut self, message: &str) -> Value {
        let found = async {
            loop {
                let Some(line) = self.log.recv().await else { panic!("it ended: {}", self.read.join("\n")) };
                let parsed: Value = serde_json::from_str(&line).unwrap_or_default();
                self.read.push(line);
                if parsed["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                    return parsed;
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no line `{message}`"))
    }

    pub async fn get_admin(&self, path: &str) -> (u16, String) {
        let answer = self.post.http.get(format!("{}{path}", self.admin_url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The most memory it has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Ends it at once, as a power cut or the kernel would.
    pub fn kill(&mut self) {
        self.child.as_mut().unwrap().kill().unwrap();
    }

    /// Such as `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Returns when the process has ended after a [`kill`](Self::kill).
    pub async fn killed(mut self) {
        assert_eq!(self.wait().await, None, "killed, not ended");
    }

    /// Asks it to end, as an orchestrator would; its exit code, and the rest of its log.
    pub async fn terminate(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("TERM");
        let code = self.wait().await;
        while let Some(line) = self.log.recv().await {
            self.read.push(line);
        }
        (code, std::mem::take(&mut self.read))
    }

    async fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let waiting = tokio::task::spawn_blocking(move || child.wait().unwrap().code());
        timeout(PATIENCE, waiting).await.expect("it does not end").unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Written from Stripe's documentation alone: HMAC-SHA256 of `{t}.{body}`, in hex.
pub fn stripe_signature(secret: &str, body: &str) -> String {
    let t = Timestamp::now().as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{t}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={t},v1={hex}")
}

/// A folder of the repository.
pub fn fixtures(below: &str) -> String {
    format!("{}/fixtures/{below}", env!("CARGO_MANIFEST_DIR"))
}

/// Standard output as JSON, a value for each line.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
