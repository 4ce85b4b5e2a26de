//! Webhooks that are taken, and taken once.

use std::io::Write;
use std::net::Shutdown;
use std::thread;

use cello_relay::providers::chargebee::basic;

use crate::support::*;
use crate::{BODY, signature};

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
