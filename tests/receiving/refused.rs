//! What is not genuine, is no webhook, or is not for this relay.

use std::time::Duration;

use cello_relay::providers::chargebee::basic;
use cello_relay::providers::stripe::signature::sign;

use crate::support::*;
use crate::{BODY, signature};

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

#[test]
fn a_genuine_body_that_is_not_json_or_has_no_id_is_answered_400() {
    let relay = Relay::start();
    for body in ["not json", "{\"id\":", "{}", "[]", "{\"id\":7}", "null"] {
        let answer = relay.webhook(body);
        assert_eq!(answer.said(), (400, r#"{"error":"unreadable_body"}"#), "{body}");
    }
}

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
