//! One that ends the process each time, among good ones: it is set aside after three tries, and the good ones arrive.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use cello_relay::cello::Sandbox;
use cello_relay::crash_points::CrashPoint;
use cello_relay::facts::{Mode, Scope};
use cello_relay::store::{EventState, NewWebhook, Sqlite, Store, WebhookState};
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::stage::{Place, customer_created, ended, event_id, user};

/// The one in the middle.
const POISON: usize = 3;
const ALL: std::ops::RangeInclusive<usize> = 1..=5;

/// Dies at `point`, but only over what has this name.
fn dying(mut command: Command, point: CrashPoint, on: &str) -> Command {
    command.env("CELLO_RELAY_CRASH_AT", point.as_str()).env("CELLO_RELAY_CRASH_ON", on);
    command
}

/// Starts it again and again until it has lived to see Cello receive all of these users, and says how often it died.
async fn deaths(command: impl Fn() -> Command, cello: &Sandbox, users: &BTreeSet<String>) -> usize {
    for deaths in 0..10 {
        let mut command = command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let id = child.id().to_string();
        let ended = spawn_blocking(move || child.wait().unwrap().code());
        tokio::select! {
            ended = ended => assert_eq!(ended.unwrap(), None, "ended by itself"),
            () = all_arrived(cello, users) => {
                assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
                return deaths;
            }
        }
    }
    panic!("it never stays");
}

/// As a process that decided none of them leaves them.
async fn left_undecided(place: &Place) {
    let store = Sqlite::open(&place.database_url(), true).unwrap();
    for number in ALL {
        let webhook = NewWebhook {
            scope: Scope { provider: "stripe".into(), account: String::new() },
            event_id: event_id(number),
            kind: "customer.created".into(),
            mode: Some(Mode::Test),
            at: Timestamp::now(),
            received_at: Timestamp::now(),
            body: customer_created(number, false).into_bytes(),
        };
        store.receive(webhook).await.unwrap();
    }
}

/// Some may arrive twice: they were on their way when the process died.
async fn all_arrived(cello: &Sandbox, users: &BTreeSet<String>) {
    let mut count = users.len();
    loop {
        let received = cello.wait_for(count).await;
        let user = |body: &Value| body["payload"]["newUserId"].as_str().unwrap().to_owned();
        if users.is_subset(&received.iter().map(|event| user(&event.body)).collect()) {
            return;
        }
        count = received.len() + 1;
    }
}

fn good() -> BTreeSet<String> {
    ALL.filter(|number| *number != POISON).map(user).collect()
}

#[tokio::test]
async fn a_webhook_that_ends_the_process_whenever_it_is_decided_is_unreadable_after_three_tries_and_the_others_go_on() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    left_undecided(&place).await;
    let poison = event_id(POISON);

    let command = || dying(place.serve(&cello), CrashPoint::DecisionWritten, &poison);
    assert_eq!(deaths(command, &cello, &good()).await, 3);

    let life = place.life(&poison).await.unwrap();
    assert_eq!(life.state, WebhookState::Unreadable);
    assert_eq!(life.note.as_deref(), Some("the program ended 3 times while it decided this"));
    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up() && counts.unreadable == 1, "{counts:?}");
}

#[tokio::test]
async fn an_event_that_ends_the_process_whenever_it_is_sent_waits_for_a_person_after_three_times_and_the_others_arrive()
{
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    left_undecided(&place).await;
    let poison = format!("signup:{}", user(POISON));

    let command = || dying(place.serve(&cello), CrashPoint::EventClaimed, &poison);
    assert_eq!(deaths(command, &cello, &good()).await, 3);

    let event = place.life(&event_id(POISON)).await.unwrap().referral_events.remove(0);
    assert_eq!(event.state, EventState::Unsure);
    assert_eq!(event.attempts.len(), 3);
    assert!(event.attempts[2].message.contains("3 times in a row"), "{:?}", event.attempts);
    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up() && counts.unsure == 1, "{counts:?}");

    assert_eq!(ended(place.command(&["events", "retry", &poison])).0, 0);
    let mut users = good();
    users.insert(user(POISON));
    assert_eq!(deaths(|| place.serve(&cello), &cello, &users).await, 0, "mended, it is sent");
}
