//! What becomes of a referral event after each answer of Cello's.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault, Settings};
use cello_relay::config::{Config, Delivery};
use cello_relay::store::{EventState, Store};

use crate::stage::{Setup, Stage, body};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The pauses of three days, in seconds.
const PAUSES: [u64; 13] = [
    5,
    30,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn an_event_is_delivered_once_and_its_body_is_byte_for_byte_the_stored_one() {
    let stage = Stage::start().await;
    let text = format!(" {}\n", body("anna/purchase").replace(',', " ,\t"));
    stage.add_text("anna/purchase", &text).await;

    assert_eq!(stage.drain().await, 1);
    stage.pass(secs(100 * HOUR));
    assert_eq!(stage.drain().await, 0);

    let received = stage.sandbox.received();
    assert_eq!(received.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), [text]);
    assert_eq!(stage.state("anna/purchase").await, EventState::Delivered);
    stage.end().await;
}

#[tokio::test]
async fn each_try_is_kept_with_status_message_request_id_and_time() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    stage.sandbox.fail_next(Endpoint::Events, Fault::answer(503, r#"{"message":"busy"}"#));
    let first = stage.now();
    stage.drain().await;
    stage.go_to(stage.due("anna/signup").await);
    let second = stage.now();
    stage.drain().await;

    let attempts = stage.event("anna/signup").await.attempts;

    let seen: Vec<_> =
        attempts.iter().map(|one| (one.at, one.outcome.as_str(), one.status, one.message.as_str())).collect();
    assert_eq!(seen, [(first, "retry", Some(503), "503: busy"), (second, "delivered", Some(200), "accepted")]);
    // The first request was the login.
    let ids: Vec<_> = attempts.iter().map(|one| one.request_id.as_deref()).collect();
    assert_eq!(ids, [Some("stand-in-2"), Some(stage.sandbox.received()[0].request_id.as_str())]);
    stage.end().await;
}

#[tokio::test]
async fn a_503_is_tried_again_on_schedule_with_a_tenth_of_chance_until_cello_is_back() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    for pause in PAUSES {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
        let failed_at = stage.now();
        assert_eq!(stage.drain().await, 1);

        let due = stage.due("anna/signup").await;
        let waits = Duration::try_from(due.duration_since(failed_at)).unwrap();
        assert!(waits >= secs(pause) && waits <= secs(pause).mul_f64(1.1), "{waits:?} after {pause} s");
        stage.go_to(due - Duration::from_millis(1));
        assert_eq!(stage.drain().await, 0, "not before it is due");
        stage.go_to(due);
    }
    assert_eq!(stage.drain().await, 1);

    assert_eq!(stage.accepted(), ["anna/signup"]);
    let outcomes = stage.outcomes("anna/signup").await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "retry").count(), PAUSES.len());
    assert_eq!(outcomes.last().unwrap(), "delivered");
    stage.end().await;
}

#[tokio::test]
async fn when_the_schedule_is_used_up_the_event_is_dead_and_keeps_the_last_message() {
    let stage = Stage::start().await;
    stage.add(&["anna/signup"]).await;
    for _ in PAUSES {
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(503));
        stage.drain().await;
        stage.go_to(stage.due("anna/signup").await);
    }
    stage.sandbox.fail_next(Endpoint::Events, Fault::answer(502, r#"{"message":"the last word"}"#));
    assert_eq!(stage.drain().await, 1);

    let event = stage.event("anna/signup").await;
    assert_eq!((event.state, event.due_at), (EventState::Dead, None));
    assert_eq!(event.attempts.len(), PAUSES.len() + 1);
    assert_eq!(event.attempts.last().unwrap().message, "502: the last word");
    stage.pass(secs(100 * HOUR));
    assert_eq!(stage.drain().await, 0);

    assert_eq!(stage.store.retry(vec![event.id], stage.now()).await.unwrap(), [event.id]);
    assert_eq!(stage.drain().await, 1, "a dead letter can be replayed");
    assert_eq!(stage.state("anna/signup").await, EventState::Delivered);
    stage.end().await;
}

#[tokio::test]
async fn a_shorter_time_to_give_up_leaves_fewer_tries() {
    let give_up_after = secs(HOUR);
    let delivery = Delivery { give_up_after, ..Config::default().delivery };
    let stage = Stage::start_with(Setup { delivery, ..Setup::default() }).await;
    stage.add(&["anna/signup"]).await;
    let mut tries = 0;
    while stage.state("anna/signup").await == EventState::Waiting {
        stage.go_to(stage.due("anna/signup").await);
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(500));
        tries += stage.drain().await;
    }
    assert_eq!(tries, 6, "after 5 s, 30 s, 2 min, 10 min and 30 min, which are less than an hour together");
    assert_eq!(stage.state("anna/signup").await, EventState::Dead);
    stage.end().await;
}

#[tokio::test]
async fn a_rejection_is_dead_at_once_with_the_message_of_cello() {
    let stage = Stage::start().await;
    let text = body("anna/purchase").replace("4900", "49.99");
    stage.add_text("anna/purchase", &text).await;

    assert_eq!(stage.drain().await, 1);

    let event = stage.event("anna/purchase").await;
    assert_eq!(event.state, EventState::Dead);
    assert_eq!(event.attempts[0].status, Some(400));
    assert_eq!(event.attempts[0].message, stage.sandbox.refused()[0].message);
    assert!(event.attempts[0].message.starts_with("payload.price must be an integer"));
    stage.end().await;
}

#[tokio::test]
async fn a_rejected_subscription_trigger_names_the_setting_that_turns_it_off() {
    let sandbox = Settings { current_triggers_only: true, ..Settings::default() };
    let stage = Stage::start_with(Setup { sandbox, ..Setup::default() }).await;
    stage.add(&["anna/update", "anna/renewal"]).await;

    assert_eq!(stage.drain().await, 2);

    let rejected = stage.event("anna/update").await;
    assert_eq!(rejected.state, EventState::Dead);
    assert!(rejected.attempts[0].message.contains(r#"`triggers = "current"`"#), "{}", rejected.attempts[0].message);
    assert_eq!(stage.accepted(), ["anna/renewal"]);
    stage.end().await;
}

#[tokio::test]
async fn retry_after_is_obeyed_up_to_the_cap_and_never_shortens_the_schedule() {
    let stage = Stage::start().await;
    let cap = stage.deliverer.settings.retry_after_cap;
    for (user, asked, from, to) in
        [("short", "1", 5, 6), ("longer", "120", 120, 120), ("absurd", "9999999", cap.as_secs(), cap.as_secs())]
    {
        let name = format!("{user}/signup");
        stage.add(&[&name]).await;
        stage.sandbox.fail_next(Endpoint::Events, Fault::status(429).header("retry-after", asked));
        stage.drain().await;
        let waits = stage.due(&name).await.duration_since(stage.now()).as_secs();
        assert!((from..=to).contains(&waits.unsigned_abs()), "{user}: {waits} s");
    }
    stage.pass(secs(119));
    assert_eq!(stage.drain().await, 1);
    stage.pass(secs(1));
    assert_eq!(stage.drain().await, 1);
    assert_eq!(stage.accepted(), ["short/signup", "longer/signup"]);
    stage.end().await;
}
