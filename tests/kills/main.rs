//! The promise at the level of the process: whatever is killed, stopped or restarted under load, nothing that was answered
//! is lost, nothing reaches Cello twice unless the relay says that it may have, and each user's events keep their order.
//!
//! Only what the senders were answered is compared with what Cello got, and with the attempts that are recorded as unsure.
//! `KILLS=500 cargo test --test kills -- --nocapture` kills more often, and prints the numbers.

mod load;
#[path = "../common/postgres.rs"]
mod postgres;
mod replicas;
#[allow(dead_code, reason = "shared with the tests of the process, which need more of it")]
#[path = "../process/stage.rs"]
mod stage;
mod told;

use std::process::Command;
use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::Fault;
use load::Load;
use stage::{Place, Serving, ended};
use tokio::task::spawn_blocking;

/// How often each store's relay is killed; in the usual run so often that it takes half a minute on two slow cores.
fn kills() -> usize {
    std::env::var("KILLS").map_or(25, |kills| kills.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_on_a_file_it_loses_nothing_and_doubles_only_what_it_calls_unsure() {
    killed("a file", Place::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_on_postgresql_it_loses_nothing_and_doubles_only_what_it_calls_unsure() {
    killed("PostgreSQL", Place::on(postgres::database())).await;
}

async fn killed(on: &str, place: Place) {
    let cello = cello(Duration::from_millis(5)).await;
    // So that there is a store for the person.
    Serving::start(serve(&place, &cello)).await.terminate().await;
    let sums = tokio::select! {
        sums = kill_and_compare(&place, &cello) => sums,
        () = help_what_is_set_aside(&place) => unreachable!("it does not end"),
    };
    println!("{} kills on {on}: {sums}", kills());
}

async fn kill_and_compare(place: &Place, cello: &Sandbox) -> told::Sums {
    let load = Load::begin(cello);
    for _ in 0..kills() {
        let mut serving = Serving::start(serve(place, cello)).await;
        load.is_taken_by(&[&serving]);
        match fastrand::usize(..5) {
            0 => {}
            1 => {
                let more = cello.received().len() + fastrand::usize(1..20);
                load::patiently(cello.wait_for(more)).await;
            }
            _ => load.answers(fastrand::usize(1..40)).await,
        }
        serving.kill();
        serving.killed().await;
        load.is_taken_by(&[]);
    }
    let serving = Serving::start(serve(place, cello)).await;
    load.is_taken_by(&[&serving]);
    load.end().await;
    told::everything(&load, cello, place.store().as_ref()).await;
    assert_eq!(serving.terminate().await.0, Some(0));
    told::compare(&load, cello, place.store().as_ref()).await
}

/// As a person does who knows why the relay died: what three in a row were sending or deciding when they died waits for
/// one.
async fn help_what_is_set_aside(place: &Place) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        for arguments in [&["events", "retry", "--state", "unsure", "--yes"][..], &["events", "decide", "--all"]] {
            let command = place.command(arguments);
            let (code, _, stderr) = spawn_blocking(move || ended(command)).await.unwrap();
            assert_eq!(code, 0, "{stderr}");
        }
    }
}

/// So slow that something is on its way to it at every moment.
async fn cello(answers_after: Duration) -> Sandbox {
    let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
    cello.fail_always(Some(Fault::Delay(answers_after)));
    cello
}

/// The shortest that can be set, because others wait for its end.
const LEASE: Duration = Duration::from_secs(3);

fn serve(place: &Place, cello: &Sandbox) -> Command {
    let mut command = place.serve(cello);
    command.env("RELAY__DELIVERY__LEASE_SECONDS", LEASE.as_secs().to_string());
    command.env("RELAY__CELLO__REQUEST_TIMEOUT_SECONDS", "1");
    command
}
