//! What is logged, and what never is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use cello_relay::config::{Log, LogFormat};
use cello_relay::providers::chargebee::basic;
use cello_relay::telemetry;

use crate::support::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_names_reasons_but_holds_no_body_header_or_secret_at_any_level() {
    let captured = Captured::default();
    let log = Log { format: LogFormat::Json, level: "trace".into() };
    let writer = captured.clone();
    let subscriber = telemetry::subscriber(&log, false, move || writer.clone());
    // For the process, since the server has threads of its own: other tests log here as well, in the same words.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let relay = Relay::start();
    let private = r#"{"id":"evt_logged","type":"invoice.paid","email":"zoe@example.com"}"#;

    relay.webhook(private);
    relay.webhook("{\"id\": zoe@example.com");
    relay.post("/webhooks/signed", &[("Toy-Signature", "t=1,v1=zoe@example.com")], private.as_bytes());
    relay.post("/webhooks/basic", &[("Authorization", &basic::header("zoe", "hunter2"))], private.as_bytes());
    relay.store.break_down();
    relay.webhook(private);

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for expected in ["evt_logged", "signature_wrong", "credentials_wrong", "disk full", "a webhook was stored"] {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
    for secret in ["zoe", "hunter2", "s3cret", SECRET, "v1=", "Basic "] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}
