//! Death at every named moment between a webhook and its delivery, on each kind of store: the real process is ended there,
//! started again, and what became of the webhook is compared with the table.
//!
//! `cargo test --features crash-points --test crash_points` builds the program with those moments in it.

#![cfg(feature = "crash-points")]

mod cases;
mod poison;
#[path = "../common/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "shared with the tests of the process, which need more of it")]
#[path = "../process/stage.rs"]
mod stage;
mod table;

use std::collections::BTreeSet;

use cases::Case;
use cello_relay::cello::Sandbox;
use cello_relay::crash_points::CrashPoint;
use cello_relay::store::{ByPerson, EventState, Life};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use stage::{PATIENCE, Place, Serving, ended};
use table::{AtTheSender, Line, TABLE};
use tokio::time::timeout;

#[test]
fn every_point_stands_in_the_table_and_some_case_passes_it() {
    let lines: Vec<CrashPoint> = TABLE.iter().map(|line| line.point).collect();
    assert_eq!(lines, CrashPoint::ALL, "a line for each point, in their order");
    for line in &TABLE {
        assert!(!line.passed_by.is_empty(), "nothing passes {}", line.point);
    }
}

/// Makes one test of each case for each kind of store.
macro_rules! survives {
    ($($sentence:ident: $case:ident),* $(,)?) => {
        mod on_file {
            $(#[tokio::test]
            async fn $sentence() {
                super::survives(super::Case::$case, super::Place::new).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $sentence() {
                super::survives(super::Case::$case, || super::Place::on(crate::postgres::schema())).await;
            })*
        }
    };
}

survives! {
    a_fresh_webhook_survives_death_at_every_point: Fresh,
    a_repeated_webhook_survives_death_at_every_point: Duplicate,
    a_held_fact_survives_death_at_every_point: Held,
    a_refund_survives_death_at_every_point: Refund,
    an_ignored_webhook_survives_death_at_every_point: Ignored,
}

/// Several at a time: on a store that is shared, most of the time is spent in waiting for the end of a lease.
const AT_A_TIME: usize = 4;

async fn survives(case: Case, place: impl Fn() -> Place) {
    // The setting matters only where it is not known whether Cello has the event.
    let modes = |line: &Line| if line.unsure { ["resend", "hold"].as_slice() } else { &["resend"] };
    let trials = TABLE.iter().flat_map(|line| modes(line).iter().map(move |unsure| (line, *unsure)));
    let trial = async |(line, unsure)| {
        let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
        Trial { case, line, unsure, place: place(), cello }.run().await;
    };
    stream::iter(trials).for_each_concurrent(AT_A_TIME, trial).await;
}

/// One case, ended at one point.
struct Trial {
    case: Case,
    line: &'static Line,
    unsure: &'static str,
    place: Place,
    cello: Sandbox,
}

impl Trial {
    async fn run(self) {
        let before = self.bring_about_the_past().await;
        let webhook = self.case.webhook();
        let answered = self.post_and_die(&webhook).await;
        self.die_again_at_the_start().await;

        let mut serving = Serving::start(self.command(None)).await;
        if !answered {
            assert_eq!(serving.post.stripe(&webhook).await.unwrap(), 200, "{}", self.name());
        }
        // Webhooks are decided in the order in which they came: what is sent for this one comes last.
        assert_eq!(serving.post.stripe(&self.case.after_all()).await.unwrap(), 200);
        if self.is_confirmed() {
            self.confirm(&mut serving).await;
        }
        let arrived = timeout(PATIENCE, self.cello.wait_for(before + self.expected_at_cello() + 1)).await;
        assert!(arrived.is_ok(), "{}: Cello did not get what it should", self.name());
        assert_eq!(serving.terminate().await.0, Some(0), "{}", self.name());

        self.check_cello(before);
        self.check_store(answered).await;
    }

    /// What has to have happened before, and how much Cello received of it.
    async fn bring_about_the_past(&self) -> usize {
        let past = self.case.past();
        if past.is_empty() {
            return 0;
        }
        let serving = Serving::start(self.command(None)).await;
        for webhook in &past {
            assert_eq!(serving.post.stripe(webhook).await.unwrap(), 200);
        }
        self.cello.wait_for(past.len()).await;
        assert_eq!(serving.terminate().await.0, Some(0));
        past.len()
    }

    /// Posts the webhook to a process that dies at the point; whether it was answered before.
    async fn post_and_die(&self, webhook: &str) -> bool {
        let point = match self.line.point {
            // Nothing is to be taken back unless an earlier process was sending.
            CrashPoint::RecoveryWritten => CrashPoint::EventClaimed,
            point => point,
        };
        let serving = Serving::start(self.command(Some(point))).await;
        let answer = serving.post.stripe(webhook).await.ok();
        if self.passes() {
            serving.killed().await;
        } else {
            assert_eq!(serving.terminate().await.0, Some(0), "{}", self.name());
        }
        match (self.line.sender, answer) {
            (AtTheSender::NoAnswer, Some(_)) if self.passes() => panic!("{}: answered too early", self.name()),
            (_, answer) => answer.is_some_and(|status| status == 200),
        }
    }

    async fn die_again_at_the_start(&self) {
        if self.line.point == CrashPoint::RecoveryWritten && self.passes() {
            Serving::begin(self.command(Some(CrashPoint::RecoveryWritten))).killed().await;
        }
    }

    /// How often Cello receives what comes of the webhook.
    fn expected_at_cello(&self) -> usize {
        match (self.case.is_sent(), self.passes()) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) if self.unsure == "hold" => self.line.received_when_held,
            (true, true) => self.line.received,
        }
    }

    fn is_unsure(&self) -> bool {
        self.case.is_sent() && self.passes() && self.line.unsure
    }

    fn waits_for_a_person(&self) -> bool {
        self.is_unsure() && self.unsure == "hold"
    }

    /// A signup that waits for a person blocks everything of its user, until that person says that Cello has it.
    fn is_confirmed(&self) -> bool {
        self.waits_for_a_person() && self.case.is_signup()
    }

    async fn confirm(&self, serving: &mut Serving) {
        const WAITS: &str = "Cello may or may not have a referral event";
        if !serving.read.iter().any(|line| line.contains(WAITS)) {
            serving.line(WAITS).await;
        }
        let event = self.place.life(Case::EVENT).await.unwrap().referral_events[0].id;
        let person = ByPerson { by: "Pat".into(), reason: "it is in the portal".into() };
        let confirmed = self.place.store().confirm(vec![event], person, Timestamp::now()).await.unwrap();
        assert_eq!(confirmed, [event], "{}", self.name());
    }

    fn check_cello(&self, before: usize) {
        let received: Vec<String> = self.cello.received().iter().map(|event| event.text.clone()).collect();
        assert_eq!(received.len(), before + self.expected_at_cello() + 1, "{}", self.name());
        let different: BTreeSet<&String> = received[before..received.len() - 1].iter().collect();
        assert!(different.len() <= 1, "{}: the body changed between two tries", self.name());
    }

    async fn check_store(&self, answered: bool) {
        let store = self.place.store();
        let counts = store.counts().await.unwrap();
        assert!(counts.add_up(), "{}: {counts:?}", self.name());
        assert_eq!((counts.undecided, counts.held, counts.waiting, counts.sending), (0, 0, 0, 0), "{}", self.name());

        let Life { referral_events, .. } = self.place.life(Case::EVENT).await.unwrap();
        let was_stored = self.passes() && self.line.stored;
        let repeated = i64::from(!answered && was_stored) + i64::from(self.case == Case::Duplicate);
        assert_eq!(counts.duplicate, repeated, "{}", self.name());
        if !self.case.is_sent() && self.case != Case::Duplicate {
            assert!(referral_events.is_empty(), "{}", self.name());
            return;
        }
        let event = &referral_events[0];
        let state = match (self.is_confirmed(), self.waits_for_a_person()) {
            (true, _) => EventState::Confirmed,
            (false, true) => EventState::Unsure,
            (false, false) => EventState::Delivered,
        };
        assert_eq!(event.state, state, "{}", self.name());
        let unsure = event.attempts.iter().filter(|attempt| attempt.outcome == "unsure").count();
        assert_eq!(unsure, usize::from(self.is_unsure()), "{}: {:?}", self.name(), event.attempts);
    }

    fn passes(&self) -> bool {
        self.line.passed_by.contains(&self.case)
    }

    fn command(&self, point: Option<CrashPoint>) -> std::process::Command {
        let mut command = self.place.serve(&self.cello);
        command.env("RELAY__DELIVERY__UNSURE", self.unsure);
        if self.case == Case::Held {
            command.env("RELAY__CELLO__CHECK_CODES", "withhold");
        }
        if let Some(point) = point {
            command.env("CELLO_RELAY_CRASH_AT", point.as_str());
            if self.passes() {
                command.env("RELAY__DELIVERY__LEASE_SECONDS", "5").env("RELAY__CELLO__REQUEST_TIMEOUT_SECONDS", "2");
            }
        }
        command
    }

    fn name(&self) -> String {
        format!("{:?} at {} with unsure = {}", self.case, self.line.point, self.unsure)
    }
}

#[test]
fn without_the_variable_nothing_dies() {
    assert_eq!(ended(Place::new().command(&["rules"])).0, 0);
}
