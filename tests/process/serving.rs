//! A process that serves: what it answers, what is then on disk, and what reaches Cello.

use std::time::{Duration, Instant};

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::facts::{Mode, Scope};
use cello_relay::store::{EventState, NewWebhook, Sqlite, Store, WebhookState};
use jiff::Timestamp;

use crate::stage::{
    Place, SECRET, Serving, customer_created, event_id, fixtures, invoice_paid, stripe_signature, user,
};

async fn start() -> (Place, Sandbox, Serving) {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let serving = Serving::start(place.serve(&cello)).await;
    (place, cello, serving)
}

#[tokio::test]
async fn a_signed_webhook_is_on_disk_when_it_is_answered_and_its_event_reaches_cello() {
    let (place, cello, serving) = start().await;
    let body = customer_created(1, false);

    assert_eq!(serving.post.stripe(&body).await.unwrap(), 200);

    let life = place.life(&event_id(1)).await.expect("answered and not stored");
    assert_eq!((life.bytes, life.duplicates), (body.len(), 0));
    let received = cello.wait_for(1).await;
    assert_eq!(received[0].body["payload"]["newUserId"], user(1));
    assert_eq!(received[0].body["context"]["event"]["trigger"], "new-signup");
    assert_eq!(serving.post.stripe(&body).await.unwrap(), 200, "again");
    assert_eq!(place.life(&event_id(1)).await.unwrap().duplicates, 1);
}

#[tokio::test]
async fn asked_for_json_it_logs_json_whatever_the_settings_say() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut command = place.serve(&cello);
    command.arg("--json").env("RELAY__LOG__FORMAT", "text");

    let (code, log) = Serving::start(command).await.terminate().await;

    assert_eq!(code, Some(0));
    assert!(log.iter().all(|line| line.starts_with('{')), "{log:?}");
}

#[tokio::test]
async fn what_was_stored_while_a_provider_was_on_is_decided_after_it_was_switched_off() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let body = customer_created(1, false);
    let store = Sqlite::open(&place.database_url(), true).unwrap();
    let webhook = NewWebhook {
        scope: Scope { provider: "stripe".into(), account: String::new() },
        event_id: event_id(1),
        kind: "customer.created".into(),
        mode: Some(Mode::Test),
        at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::now(),
        body: body.clone().into_bytes(),
    };
    store.receive(webhook).await.unwrap();
    drop(store);

    let mut command = place.serve(&cello);
    command.env_remove("RELAY__STRIPE__WEBHOOK_SECRETS");
    let serving = Serving::start(command).await;

    assert_eq!(cello.wait_for(1).await[0].body["payload"]["newUserId"], user(1));
    assert_eq!(serving.post.stripe(&body).await.unwrap(), 404, "and it takes no more of them");
}

#[tokio::test]
async fn what_is_not_genuine_is_refused_and_not_stored() {
    let (place, cello, serving) = start().await;
    let body = customer_created(1, false);
    let wrong_secret = stripe_signature("whsec_other", &body);
    let other_body = stripe_signature(SECRET, &body.replace("u_1", "u_2"));
    for (provider, header, value, status) in [
        ("stripe", "Stripe-Signature", wrong_secret.as_str(), 400),
        ("stripe", "Stripe-Signature", &other_body, 400),
        ("stripe", "X-Other", "t=1,v1=00", 400),
        ("chargebee", "Authorization", "Basic cmVsYXk6d3Jvbmc=", 401),
        ("chargebee", "X-Other", "", 401),
    ] {
        assert_eq!(serving.post.with(provider, header, value, &body).await.unwrap(), status, "{provider} {value}");
    }
    assert_eq!(place.store().counts().await.unwrap().received, 0);
    assert_eq!(cello.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn chargebee_with_the_right_credentials_is_taken() {
    let (place, _cello, serving) = start().await;
    let body = std::fs::read_to_string(fixtures("chargebee/customer-created-meta-data.json")).unwrap();

    let basic = "Basic cmVsYXk6cGFzcyB3b3Jk";
    assert_eq!(serving.post.with("chargebee", "Authorization", basic, &body).await.unwrap(), 200);

    assert_eq!(place.store().counts().await.unwrap().received, 1);
}

#[tokio::test]
async fn a_body_of_an_api_version_that_cannot_be_read_is_answered_and_the_log_says_what_to_do() {
    let (_place, cello, mut serving) = start().await;
    let body = std::fs::read_to_string(fixtures("chargebee/payment-succeeded-api-v1.json")).unwrap();

    let basic = "Basic cmVsYXk6cGFzcyB3b3Jk";
    assert_eq!(serving.post.with("chargebee", "Authorization", basic, &body).await.unwrap(), 200);

    let line = serving.line("a webhook was answered and ignored").await;
    assert_eq!((line["level"].as_str(), line["provider"].as_str()), (Some("WARN"), Some("chargebee")));
    assert!(line["message"].as_str().unwrap().contains("choose v2 in the webhook's settings"), "{line}");
    assert_eq!(cello.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn a_live_webhook_never_reaches_the_sandbox() {
    let (place, cello, serving) = start().await;

    assert_eq!(serving.post.stripe(&customer_created(1, true)).await.unwrap(), 200);
    // Decided after the first, so that the first is decided when this one arrives.
    assert_eq!(serving.post.stripe(&customer_created(2, false)).await.unwrap(), 200);
    let received = cello.wait_for(1).await;
    assert_eq!(received[0].body["payload"]["newUserId"], user(2));
    assert_eq!(serving.terminate().await.0, Some(0));

    let life = place.life(&event_id(1)).await.unwrap();
    assert_eq!(life.state, WebhookState::Ignored);
    assert_eq!(life.decisions[0].reason.as_deref(), Some("mode_mismatch"));
    assert!(life.referral_events.is_empty());
    assert_eq!(cello.received().len(), 1);
}

#[tokio::test]
async fn asked_to_end_it_finishes_what_is_current_and_everything_accepted_is_in_the_store() {
    let (place, cello, serving) = start().await;
    for _ in 0..4 {
        cello.fail_next(Endpoint::Events, Fault::Delay(Duration::from_millis(300)));
    }
    for number in 0..20 {
        assert_eq!(serving.post.stripe(&customer_created(number, false)).await.unwrap(), 200);
    }

    let begun = Instant::now();
    let (code, log) = serving.terminate().await;

    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(log.last().unwrap().contains("stopped"), "{log:?}");
    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    assert_eq!((counts.received, counts.sending, counts.unsure), (20, 0, 0));
    for number in 0..20 {
        let life = place.life(&event_id(number)).await.unwrap();
        let sent = cello.received().iter().filter(|one| one.body["payload"]["newUserId"] == user(number)).count();
        let delivered = life.referral_events.iter().any(|event| event.state == EventState::Delivered);
        assert_eq!(sent, usize::from(delivered), "{number}");
    }
    let again = Serving::start(place.serve(&cello)).await;
    assert_eq!(cello.wait_for(20).await.len(), 20);
    assert_eq!(again.terminate().await.0, Some(0));
    assert_eq!(place.store().counts().await.unwrap().delivered, 20);
}

#[tokio::test]
async fn asked_to_end_while_cello_is_silent_it_ends_in_time_and_the_next_start_says_unsure() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut command = place.serve(&cello);
    command.env("RELAY__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "1");
    let serving = Serving::start(command).await;
    cello.fail_next(Endpoint::Events, Fault::Silence);
    assert_eq!(serving.post.stripe(&customer_created(1, false)).await.unwrap(), 200);
    cello.wait_for(1).await;

    let (code, log) = serving.terminate().await;
    assert_eq!(code, Some(0));
    assert!(log.iter().any(|line| line.contains("sending did not end in time")), "{log:?}");

    let again = Serving::start(place.serve(&cello)).await;
    cello.wait_for(2).await;
    assert_eq!(again.terminate().await.0, Some(0));
    let life = place.life(&event_id(1)).await.unwrap();
    let outcomes: Vec<_> = life.referral_events[0].attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["unsure", "delivered"]);
}

#[tokio::test]
async fn with_the_stand_in_it_needs_no_account_of_cello() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--sandbox"]);
    command.env("RELAY__STRIPE__WEBHOOK_SECRETS", SECRET);
    let mut serving = Serving::start(command).await;
    assert!(serving.read.iter().any(|line| line.contains("chargebee is off")), "{:?}", serving.read);
    assert!(serving.read.last().unwrap().contains("stand-in for Cello in this process"), "{:?}", serving.read);

    assert_eq!(serving.post.stripe(&customer_created(1, false)).await.unwrap(), 200);
    assert_eq!(serving.post.stripe(&customer_created(2, true)).await.unwrap(), 200, "live ones too, nothing leaves");
    for _ in 0..2 {
        assert_eq!(serving.line("a referral event was sent").await["outcome"], "delivered");
    }

    assert_eq!(serving.terminate().await.0, Some(0));
    assert_eq!(place.store().counts().await.unwrap().delivered, 2);
}

#[tokio::test]
async fn health_is_told_and_the_metrics_add_up() {
    let (_place, cello, mut serving) = start().await;
    cello.fail_next(Endpoint::Events, Fault::status(400));
    for number in [1, 2, 2] {
        assert_eq!(serving.post.stripe(&customer_created(number, false)).await.unwrap(), 200);
    }
    assert_eq!(serving.post.stripe(&customer_created(3, true)).await.unwrap(), 200);
    assert_eq!(serving.post.stripe(&customer_created(4, false)).await.unwrap(), 200);
    for _ in 0..3 {
        serving.line("a referral event was sent").await;
    }

    for path in ["/health/live", "/health/ready"] {
        assert_eq!(serving.get_admin(path).await.0, 200, "{path}");
    }
    let (status, text) = serving.get_admin("/metrics").await;
    assert_eq!(status, 200);
    let values = |name: &str| -> Vec<i64> {
        let of = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        text.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(values("cello_relay_webhooks_received"), [5]);
    assert_eq!(values("cello_relay_webhooks").len(), 6);
    assert_eq!(values("cello_relay_webhooks").iter().sum::<i64>(), 5);
    assert_eq!(values("cello_relay_referral_events_all"), [3]);
    assert_eq!(values("cello_relay_referral_events").len(), 7);
    assert_eq!(values("cello_relay_referral_events").iter().sum::<i64>(), 3);
    assert!(text.contains("cello_relay_webhooks{state=\"duplicate\"} 1"), "{text}");
    assert_eq!(serving.terminate().await.0, Some(0));
}

#[tokio::test]
async fn the_log_tells_why_cello_takes_nothing_and_does_not_call_a_try_in_vain_sent() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut command = place.serve(&cello);
    command.env("RELAY__CELLO__BASE_URL", "http://127.0.0.1:1");
    let mut serving = Serving::start(command).await;
    assert_eq!(serving.post.stripe(&customer_created(1, false)).await.unwrap(), 200);

    for message in ["Cello is unavailable", "a referral event was tried in vain"] {
        let problem = serving.line(message).await["problem"].clone();
        assert!(problem.as_str().unwrap().contains("could not connect"), "{problem}");
    }
}

#[tokio::test]
async fn the_log_has_a_line_for_each_webhook_that_says_what_became_of_it() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut serving = Serving::start(place.serve(&cello)).await;
    assert_eq!(serving.post.stripe(&invoice_paid(1, 7)).await.unwrap(), 200);
    serving.line("invoice.paid in_1_7 held: customer_unseen").await;
    assert_eq!(serving.post.stripe(&customer_created(1, false)).await.unwrap(), 200);
    let line = serving.line("customer.created cus_1 mapped: new-signup").await;
    assert_eq!((line["level"].as_str(), line["provider"].as_str()), (Some("INFO"), Some("stripe")));
    serving.line("invoice.paid in_1_7 mapped: invoice-paid").await;
}

#[tokio::test]
async fn the_log_holds_no_personal_data_and_no_secret_at_any_level() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut command = place.serve(&cello);
    command.env("RELAY__LOG__LEVEL", "trace");
    let mut serving = Serving::start(command).await;
    cello.fail_next(Endpoint::Events, Fault::answer(400, r#"{"message":"person1@example.com is unknown"}"#));
    let body = customer_created(1, false);
    assert_eq!(serving.post.stripe(&body).await.unwrap(), 200);
    assert_eq!(serving.post.stripe(&body.replace("Pia", "Mia")).await.unwrap(), 200);
    assert_eq!(serving.post.with("stripe", "Stripe-Signature", "t=1,v1=00", &body).await.unwrap(), 400);
    let said = serving.line("referral event dead-lettered").await["said"].clone();
    assert_eq!(said, "[erased] is unknown");

    let (_, log) = serving.terminate().await;

    let log = log.join("\n");
    let secret = cello.settings().secret_access_key.clone();
    for hidden in ["person1@", "Pia", "AbC123dEf45", SECRET, "pass word", "stand-in-access", &secret] {
        assert!(!log.contains(hidden), "{hidden} in\n{log}");
    }
    assert!(log.contains("a referral event was sent") && log.contains("a webhook was refused"), "{log}");
}
