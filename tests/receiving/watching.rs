//! The own trouble of a relay, and what is told of it: answers, health, metrics, the log, a stop.

use std::thread;
use std::time::Duration;

use crate::BODY;
use crate::support::*;

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
        "cello_relay_blocked_events 2",
        "cello_relay_oldest_blocked_seconds 7200",
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
