//! What becomes of a referral event after each answer of Cello's.

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault, Settings};
use cello_relay::config::{Config, Delivery};
use cello_relay::store::{EventState, Store};

use crate::person::discarding;
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

    assert_eq!(stage.store.retry(vec![event.id], stage.now(), Duration::ZERO).await.unwrap(), [event.id]);
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

#[tokio::test]
async fn with_every_answer_that_may_carry_it_each_form_of_retry_after_is_obeyed_or_left_out() {
    let stage = Stage::start().await;
    let cap = stage.deliverer.settings.retry_after_cap.as_secs();
    // Dates are by the machine's clock, which in this test is not that of the schedule.
    let date = |after: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(after);
        then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    let (soon, past) = (date(300), date(-300));
    for status in [408, 425, 429, 503] {
        for (value, from, to) in [
            (None, 5, 5),
            (Some("120"), 120, 120),
            (Some("0"), 5, 5),
            (Some(soon.as_str()), 200, 300),
            (Some(past.as_str()), 5, 5),
            (Some("Fri, 01 Jan 2100 00:00:00 GMT"), cap, cap),
            (Some("Fri, 99 Dec 2026 99:99:99 GMT"), 5, 5),
            (Some("-60"), 5, 5),
            (Some("1.5"), 5, 5),
            (Some("in a minute"), 5, 5),
            (Some(""), 5, 5),
            (Some("18446744073709551615"), cap, cap),
            (Some("18446744073709551616"), 5, 5),
        ] {
            let name = format!("{status}-{value:?}/signup");
            stage.add(&[&name]).await;
            let fault = Fault::status(status);
            let fault = value.map_or(fault.clone(), |value| fault.header("retry-after", value));
            stage.sandbox.fail_next(Endpoint::Events, fault);
            assert_eq!(stage.drain().await, 1, "{name}");

            let waits = stage.due(&name).await.duration_since(stage.now()).as_secs().unsigned_abs();
            assert!((from..=to).contains(&waits), "{name}: {waits} s");
            let id = stage.event(&name).await.id;
            stage.store.discard(discarding(vec![id], "test", "seen"), stage.now()).await.unwrap();
            // So that no answer meets a pause which the ones before it caused.
            stage.add(&[&name.replace("signup", "purchase")]).await;
            assert_eq!(stage.drain().await, 1, "{name}");
        }
    }
    stage.end().await;
}

#[tokio::test]
async fn one_rejection_among_good_ones_is_the_only_dead_letter() {
    let stage = Stage::start().await;
    let names: Vec<String> = (0..9).map(|number| format!("user{number}/signup")).collect();
    for (number, name) in names.iter().enumerate() {
        // The stand-in knows no such trigger.
        let text = if number == 4 { body(name).replace("new-signup", "no-such-thing") } else { body(name) };
        stage.add_text(name, &text).await;
    }

    assert_eq!(stage.drain().await, 9);

    let counts = stage.counts().await;
    assert_eq!((counts.delivered, counts.dead), (8, 1));
    assert_eq!(stage.state("user4/signup").await, EventState::Dead);
    assert!(!stage.accepted().contains(&names[4]));
    stage.end().await;
}

#[tokio::test]
async fn a_200_that_does_not_say_success_is_a_dead_letter_in_whatever_form_and_can_be_sent_again() {
    let stage = Stage::start().await;
    for (number, fault) in [
        Fault::answer(200, r#"{"success":false}"#),
        Fault::answer(200, r#"{"eventId":"e"}"#),
        Fault::answer(200, ""),
        Fault::answer(200, r#"{"success":tr"#),
        Fault::answer(200, "<!doctype html><title>We are back soon</title>"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}/signup");
        stage.add(&[&name]).await;
        stage.sandbox.fail_next(Endpoint::Events, fault.clone());
        assert_eq!(stage.drain().await, 1);

        let event = stage.event(&name).await;
        assert_eq!((event.state, event.attempts[0].status), (EventState::Dead, Some(200)), "{fault:?}");
        assert!(event.attempts[0].message.starts_with("200 without `success: true`"), "{:?}", event.attempts[0]);
        stage.store.retry(vec![event.id], stage.now(), Duration::ZERO).await.unwrap();
        assert_eq!(stage.drain().await, 1);
        assert_eq!(stage.outcomes(&name).await, ["rejected", "delivered"]);
    }
    stage.end().await;
}
