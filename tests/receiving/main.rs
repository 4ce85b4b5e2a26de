//! The answers to webhooks, line by line, over real HTTP.

#[path = "../common/in_front.rs"]
mod in_front;
mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cello_relay::config::{Log, LogFormat};
use cello_relay::providers::chargebee::basic;
use cello_relay::providers::stripe::signature::sign;
use cello_relay::telemetry;

use support::*;

const BODY: &str = r#"{"id":"evt_1","type":"invoice.paid"}"#;

fn signature(body: &[u8]) -> String {
    sign(SECRET, body, now())
}

// --- taken ---

#[test]
fn a_genuine_webhook_is_stored_byte_for_byte_and_answered_200() {
    let relay = Relay::start();
    let body = " {\"id\":\"evt_1\",\r\n \"type\":\"invoice.paid\", \"account\":\"acct_1\", \"name\":\"Zoë\"}\n";

    let answer = relay.webhook(body);

    assert_eq!(answer.said(), (200, r#"{"status":"stored"}"#));
    let stored = relay.store.webhooks.lock().unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].body, body.as_bytes());
    assert_eq!((stored[0].scope.provider.as_str(), stored[0].scope.account.as_str()), ("signed", "acct_1"));
    assert_eq!((stored[0].event_id.as_str(), stored[0].kind.as_str()), ("evt_1", "invoice.paid"));
    assert_eq!(stored[0].received_at, now());
}

#[test]
fn a_webhook_with_the_right_password_is_stored() {
    let relay = Relay::start();
    let answer =
        relay.post("/webhooks/basic", &[("authorization", &basic::header("relay", "s3cret"))], BODY.as_bytes());
    assert_eq!(answer.said(), (200, r#"{"status":"stored"}"#));
}

#[test]
fn a_webhook_that_comes_again_is_answered_200_as_a_duplicate() {
    let relay = Relay::start();
    relay.webhook(BODY);

    let again = relay.webhook(BODY);

    assert_eq!(again.said(), (200, r#"{"status":"duplicate"}"#));
    assert_eq!(relay.store.webhooks.lock().unwrap().len(), 1);
}

#[test]
fn fifty_deliveries_of_one_event_at_once_make_one_webhook_and_forty_nine_duplicates() {
    let relay = Relay::start();

    let answers: Vec<Answer> = thread::scope(|scope| {
        let senders: Vec<_> = (0..50).map(|_| scope.spawn(|| relay.webhook(BODY))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });

    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let stored = answers.iter().filter(|answer| answer.body.contains("stored")).count();
    assert_eq!(stored, 1);
    assert_eq!(relay.store.webhooks.lock().unwrap().len(), 1);
    assert_eq!(*relay.store.duplicates.lock().unwrap(), 49);
}

#[test]
fn a_chunked_body_is_taken_as_well() {
    let relay = Relay::start();
    let head = head(
        "POST",
        "/webhooks/signed",
        &[("Toy-Signature", &signature(BODY.as_bytes())), ("Transfer-Encoding", "chunked")],
    );
    let (first, second) = BODY.split_at(10);
    let body = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());

    let answer = relay.raw(&[head, body.into_bytes()].concat());

    assert_eq!(answer.status, 200);
    assert_eq!(relay.store.webhooks.lock().unwrap()[0].body, BODY.as_bytes());
}

#[test]
fn a_body_of_exactly_the_limit_is_taken() {
    let relay = Relay::start_with(|config| config.server.body_limit = BODY.len());
    assert_eq!(relay.webhook(BODY).status, 200);
}

#[test]
fn whoever_decides_is_told_of_a_stored_webhook() {
    let relay = Relay::start();
    relay.webhook(BODY);
    relay.runtime.block_on(relay.stored.notified());
}

#[test]
fn a_webhook_whose_sender_hangs_up_before_the_answer_is_stored_all_the_same() {
    let relay = Relay::start();
    relay.store.stall();
    let head = head(
        "POST",
        "/webhooks/signed",
        &[("Toy-Signature", &signature(BODY.as_bytes())), ("Content-Length", &BODY.len().to_string())],
    );
    let mut sender = connect(relay.address);
    sender.write_all(&[head, BODY.as_bytes().to_vec()].concat()).unwrap();
    relay.runtime.block_on(relay.store.entered.notified());

    sender.shutdown(Shutdown::Both).unwrap();
    drop(sender);
    relay.store.disk.add_permits(1);

    relay.runtime.block_on(relay.stored.notified());
    assert_eq!(relay.store.webhooks.lock().unwrap().len(), 1);
}

// --- not genuine ---

#[test]
fn every_fault_of_a_signature_gets_the_same_400() {
    let relay = Relay::start();
    let old = sign(SECRET, BODY.as_bytes(), now() - Duration::from_secs(301));
    let future = sign(SECRET, BODY.as_bytes(), now() + Duration::from_secs(301));
    let wrong = sign("whsec_other", BODY.as_bytes(), now());
    let twice = signature(BODY.as_bytes());
    for headers in [
        vec![],
        vec![("Toy-Signature", "")],
        vec![("Toy-Signature", "nonsense")],
        vec![("Toy-Signature", "t=1\u{fffd},v1=ü")],
        vec![("Toy-Signature", old.as_str())],
        vec![("Toy-Signature", future.as_str())],
        vec![("Toy-Signature", wrong.as_str())],
        vec![("Toy-Signature", twice.as_str()), ("Toy-Signature", twice.as_str())],
    ] {
        let answer = relay.post("/webhooks/signed", &headers, BODY.as_bytes());
        assert_eq!(answer.said(), (400, r#"{"error":"invalid_signature"}"#), "{headers:?}");
    }
    assert_eq!(relay.webhook("").said(), (400, r#"{"error":"empty_body"}"#));
    assert!(relay.store.webhooks.lock().unwrap().is_empty());
}

#[test]
fn every_fault_of_credentials_gets_the_same_401() {
    let relay = Relay::start();
    let right = basic::header("relay", "s3cret");
    let wrong = basic::header("relay", "wrong");
    let long = format!("Basic {}", "A".repeat(9000));
    for headers in [
        vec![],
        vec![("Authorization", "Basic")],
        vec![("Authorization", "Bearer abc")],
        vec![("Authorization", wrong.as_str())],
        vec![("Authorization", long.as_str())],
        vec![("Authorization", right.as_str()), ("Authorization", right.as_str())],
    ] {
        let answer = relay.post("/webhooks/basic", &headers, BODY.as_bytes());
        assert_eq!(answer.said(), (401, r#"{"error":"invalid_credentials"}"#), "{headers:?}");
        assert!(answer.headers["www-authenticate"].starts_with("Basic "));
    }
    assert!(relay.store.webhooks.lock().unwrap().is_empty());
}

#[test]
fn without_credentials_the_answer_comes_before_any_of_the_body() {
    let relay = Relay::start();
    // Only the head is sent: were the body waited for, the answer would be 408.
    let answer = relay.raw(&head("POST", "/webhooks/basic", &[("Content-Length", "1000")]));
    assert_eq!(answer.status, 401);
}

// --- genuine, but nothing to keep ---

#[test]
fn a_genuine_body_that_is_not_json_or_has_no_id_is_answered_400() {
    let relay = Relay::start();
    for body in ["not json", "{\"id\":", "{}", "[]", "{\"id\":7}", "null"] {
        let answer = relay.webhook(body);
        assert_eq!(answer.said(), (400, r#"{"error":"unreadable_body"}"#), "{body}");
    }
}

// --- the real providers ---

/// Rows N16 to N18 of the conformance table, as far as they are about more than the signature.
#[test]
fn stripes_bodies_that_are_empty_or_no_json_are_answered_400_and_thin_events_kept() {
    let relay = Relay::start_with(|config| config.stripe.webhook_secrets = vec![SECRET.to_owned().into()]);
    let post = |body: &str| {
        relay.post("/webhooks/stripe", &[("Stripe-Signature", &signature(body.as_bytes()))], body.as_bytes())
    };
    let thin =
        r#"{"id":"evt_thin","object":"v2.core.event","type":"v1.invoice.paid","created":"2026-01-01T00:00:00Z"}"#;

    assert_eq!(post("").said(), (400, r#"{"error":"empty_body"}"#), "N16");
    assert_eq!(post("not json").said(), (400, r#"{"error":"unreadable_body"}"#), "N17");
    // 200, since Stripe would only send it again; what is wrong with it is told where webhooks are decided.
    assert_eq!(post(thin).said(), (200, r#"{"status":"stored"}"#), "N18");
    assert_eq!(relay.store.webhooks.lock().unwrap()[0].event_id, "evt_thin");
}

#[test]
fn chargebees_webhooks_are_taken_with_the_configured_password_only() {
    let relay = Relay::start_with(|config| config.chargebee.credentials = vec!["relay:hunter3".to_owned().into()]);
    let body = br#"{"id":"ev_1","event_type":"customer_created","occurred_at":1700000000,"api_version":"v2"}"#;
    for (password, status) in [("hunter3", 200), ("hunter2", 401), ("", 401)] {
        let header = basic::header("relay", password);
        assert_eq!(relay.post("/webhooks/chargebee", &[("Authorization", &header)], body).status, status, "{password}");
    }
}

// --- too much, too slow, broken ---

#[test]
fn a_body_announced_as_too_large_is_answered_413_at_once() {
    let relay = Relay::start();
    let headers = [("Toy-Signature", &*signature(b"")), ("Content-Length", "1048577")];
    // None of the body is sent.
    let answer = relay.raw(&head("POST", "/webhooks/signed", &headers));
    assert_eq!(answer.said(), (413, r#"{"error":"body_too_large"}"#));
}

#[test]
fn a_body_that_turns_out_too_large_is_answered_413() {
    let relay = Relay::start();
    let head =
        head("POST", "/webhooks/signed", &[("Toy-Signature", &signature(b"")), ("Transfer-Encoding", "chunked")]);
    let piece = format!("{:x}\r\n{}\r\n", 64 * 1024, "x".repeat(64 * 1024));

    let answer = relay.raw(&[head, piece.repeat(32).into_bytes()].concat());

    assert_eq!(answer.said(), (413, r#"{"error":"body_too_large"}"#));
}

#[test]
fn a_sender_that_pushes_on_regardless_still_gets_to_read_its_answer() {
    let relay = Relay::start();
    let body = vec![b'x'; 8 * 1024 * 1024];
    let answer = relay.post("/webhooks/signed", &[("Toy-Signature", &signature(b""))], &body);
    assert_eq!(answer.status, 413);
    let answer = relay.post("/webhooks/basic", &[], &body);
    assert_eq!(answer.status, 401);
}

#[test]
fn an_early_answer_ends_the_connection_however_long_the_body_goes_on() {
    let relay = Relay::start();
    let chunked = [("Transfer-Encoding", "chunked")];
    for (method, path, status) in [
        ("POST", "/webhooks/basic", 401),
        ("POST", "/webhooks/stripe", 404),
        ("PUT", "/webhooks/signed", 405),
        ("POST", "/elsewhere", 404),
    ] {
        // The body never ends, and the connection is one that would be kept.
        let head = String::from_utf8(head(method, path, &chunked)).unwrap().replace("Connection: close\r\n", "");
        let mut sender = connect(relay.address);
        sender.write_all(format!("{head}5\r\nhello\r\n").as_bytes()).unwrap();

        let mut answer = Vec::new();
        // Fails when the client's patience of 20 seconds runs out before the server hangs up.
        sender.read_to_end(&mut answer).unwrap();

        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{method} {path}");
    }
}

#[test]
fn a_body_that_comes_too_slowly_is_answered_408() {
    let relay = Relay::start_with(|config| config.server.read_timeout = Duration::from_millis(100));
    let headers = [("Toy-Signature", &*signature(b"")), ("Content-Length", "1000")];
    let answer = relay.raw(&[head("POST", "/webhooks/signed", &headers), b"{\"id\":".to_vec()].concat());
    assert_eq!(answer.said(), (408, r#"{"error":"body_too_slow"}"#));
}

#[test]
fn a_head_that_comes_too_slowly_is_answered_408() {
    let relay = Relay::start_with(|config| config.server.read_timeout = Duration::from_millis(100));
    let answer = relay.raw(b"POST /webhooks/signed HTTP/1.1\r\nHost: relay\r\n");
    assert_eq!(answer.status, 408);
}

#[test]
fn a_body_that_ends_before_its_announced_length_is_not_stored() {
    let relay = Relay::start();
    let headers = [("Toy-Signature", &*signature(BODY.as_bytes())), ("Content-Length", "1000")];
    let mut sender = connect(relay.address);
    sender.write_all(&[head("POST", "/webhooks/signed", &headers), BODY.as_bytes().to_vec()].concat()).unwrap();

    sender.shutdown(Shutdown::Write).unwrap();

    let mut answer = String::new();
    let _ = sender.read_to_string(&mut answer);
    assert!(!answer.contains(" 200 "), "{answer}");
    assert!(relay.store.webhooks.lock().unwrap().is_empty());
}

// --- not for us ---

#[test]
fn a_provider_that_is_unknown_or_off_is_answered_404_and_told_so() {
    let relay = Relay::start();
    for path in ["/webhooks/stripe", "/webhooks/Signed", "/webhooks/signed%00"] {
        let answer = relay.post(path, &[], BODY.as_bytes());
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("no provider of this name is switched on here"), "{}", answer.body);
    }
}

#[test]
fn any_method_but_post_is_answered_405() {
    let relay = Relay::start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = relay.raw(&head(method, "/webhooks/signed", &[]));
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{method}");
    }
}

#[test]
fn health_and_metrics_are_not_told_where_webhooks_come_in() {
    let relay = Relay::start();
    for path in ["/", "/health/live", "/health/ready", "/metrics", "/webhooks", "/webhooks/signed/more"] {
        let answer = relay.raw(&head("GET", path, &[]));
        assert_eq!(answer.said(), (404, r#"{"error":"not_found"}"#), "{path}");
    }
}

// --- our own trouble ---

#[test]
fn a_store_that_fails_is_answered_503_with_retry_after() {
    let relay = Relay::start();
    relay.store.break_down();

    let answer = relay.webhook(BODY);

    assert_eq!(answer.said(), (503, r#"{"error":"unavailable"}"#));
    assert_eq!(answer.headers["retry-after"], "30");
}

#[test]
fn a_store_that_does_not_answer_in_time_is_answered_503_and_the_webhook_kept_when_it_does() {
    let relay = Relay::start_with(|config| config.server.store_timeout = Duration::from_millis(50));
    relay.store.stall();

    let answer = relay.webhook(BODY);

    assert_eq!(answer.status, 503);
    relay.store.disk.add_permits(2);
    relay.runtime.block_on(relay.stored.notified());
    assert_eq!(relay.webhook(BODY).said(), (200, r#"{"status":"duplicate"}"#));
}

// --- health, metrics, stopping ---

#[test]
fn a_working_relay_is_live_and_ready_and_one_without_a_disk_is_live_only() {
    let relay = Relay::start();
    assert_eq!(relay.get_admin("/health/live").said(), (200, r#"{"status":"live"}"#));
    assert_eq!(relay.get_admin("/health/ready").said(), (200, r#"{"status":"ready"}"#));

    relay.store.break_down();

    assert_eq!(relay.get_admin("/health/live").status, 200);
    let answer = relay.get_admin("/health/ready");
    assert_eq!(answer.said(), (503, r#"{"status":"not_ready","reason":"store_unavailable"}"#));
}

#[test]
fn metrics_tell_what_was_answered_and_what_the_store_holds() {
    let relay = Relay::start();
    relay.webhook(BODY);
    relay.webhook(BODY);
    relay.post("/webhooks/basic", &[], BODY.as_bytes());

    let answer = relay.get_admin("/metrics");

    for line in [
        "cello_relay_webhook_answers_total{provider=\"signed\",status=\"200\"} 2",
        "cello_relay_webhook_answers_total{provider=\"basic\",status=\"401\"} 1",
        "cello_relay_webhooks_refused_total{provider=\"basic\",code=\"credentials_missing\"} 1",
        "cello_relay_webhooks_received 2",
        "cello_relay_webhooks{state=\"duplicate\"} 1",
        "cello_relay_held_facts{reason=\"rule_failed\"} 2",
        "cello_relay_held_facts{reason=\"customer_unseen\"} 0",
        "cello_relay_overdue_seconds 90",
        "cello_relay_oldest_waiting_seconds 3600",
        "cello_relay_store_flushes_total 2",
        "cello_relay_store_writes_total 5",
        "cello_relay_store_flush_seconds_total 1.5",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} is not in\n{}", answer.body);
    }
}

#[test]
fn metrics_of_a_relay_whose_store_is_gone_leave_out_what_only_the_store_knows() {
    let relay = Relay::start();
    relay.store.break_down();
    let answer = relay.get_admin("/metrics");
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("cello_relay_webhooks{"), "{}", answer.body);
}

#[test]
fn a_stop_answers_what_is_current_and_says_meanwhile_that_it_is_not_ready() {
    let relay = Relay::start();
    relay.store.stall();
    thread::scope(|scope| {
        let current = scope.spawn(|| relay.webhook(BODY));
        relay.runtime.block_on(relay.store.entered.notified());

        let handle = relay.handle.clone();
        let stopping = relay.runtime.spawn(async move { handle.stop().await });
        while relay.get_admin("/health/ready").status == 200 {}
        let answer = relay.get_admin("/health/ready");
        relay.store.disk.add_permits(1);

        assert_eq!(answer.said(), (503, r#"{"status":"not_ready","reason":"stopping"}"#));
        assert_eq!(current.join().unwrap().status, 200);
        relay.runtime.block_on(stopping).unwrap();
    });
    assert!(std::net::TcpStream::connect(relay.address).is_err());
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_the_setting() {
    let relay = Relay::start();
    let taken = relay.address.to_string();

    let outcome = std::panic::catch_unwind(|| Relay::start_with(|config| config.admin.bind = taken.clone()));

    let message = *outcome.err().unwrap().downcast::<String>().unwrap();
    assert!(message.contains("admin.bind") && message.contains(&taken), "{message}");
}

// --- what is never logged ---

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
