//! What is too much, too slow or broken off.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::support::*;
use crate::{BODY, signature};

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
