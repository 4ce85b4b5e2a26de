//! A disk that is full, broken or slow, under the real process: strace lets the system calls on the store's log fail
//! or take long, so that SQLite and everything above it meet what the kernel would say.

use std::collections::HashMap;
use std::process::Command;

use cello_relay::cello::Sandbox;
use cello_relay::store::{EventState, Sqlite, Store};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::stage::{
    PATIENCE, Place, Post, SECRET, Serving, customer_created, event_id, stripe_signature, traced, user,
};

const WEBHOOKS: usize = 120;
const POSTERS: usize = 6;

/// `serve` on a store from which it was served before, with `fault` for the calls on the store's log.
async fn serve_on(place: &Place, cello: &Sandbox, fault: &str) -> Command {
    let store = Sqlite::open(&place.database_url(), true).unwrap();
    store.goes_to("sandbox", Timestamp::now()).await.unwrap();
    drop(store);
    let log = place.folder.path().join("relay.db-wal");
    let fault = format!("inject={fault}");
    traced(&place.serve(cello), &["-q", "-o", "/dev/null", "-P", log.to_str().unwrap(), "-e", &fault])
}

/// Posts until it is answered 200; how often it was answered 503.
async fn deliver(post: &Post, number: usize) -> usize {
    let mut refused = 0;
    loop {
        match post.stripe(&customer_created(number, false)).await.unwrap() {
            200 => return refused,
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
}

/// Everything that was answered is there and reaches Cello, and what reached it twice says why.
async fn comes_through(fault: &str) {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let serving = Serving::start(serve_on(&place, &cello, fault).await).await;
    let posting = (0..POSTERS).map(|poster| {
        let post = serving.post.clone();
        async move {
            let mut refused = 0;
            for number in (poster..WEBHOOKS).step_by(POSTERS) {
                refused += deliver(&post, number).await;
            }
            refused
        }
    });
    let refused: usize = join_all(posting).await.into_iter().sum();
    assert!(refused > 0, "nothing failed, so nothing was tried: {fault}");

    let mut times: HashMap<String, usize> = HashMap::new();
    let mut seen = 0;
    while times.len() < WEBHOOKS {
        let received = timeout(PATIENCE, cello.wait_for(seen + 1)).await.expect("something never reached Cello");
        for one in &received[seen..] {
            *times.entry(one.body["payload"]["newUserId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        seen = received.len();
    }
    assert_eq!(serving.terminate().await.0, Some(0), "{fault}");

    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    assert_eq!(counts.received - counts.duplicate, i64::try_from(WEBHOOKS).unwrap());
    for number in 0..WEBHOOKS {
        let event = place.life(&event_id(number)).await.unwrap().referral_events.remove(0);
        assert_eq!(event.state, EventState::Delivered, "{number}");
        let unsure = event.attempts.iter().filter(|attempt| attempt.outcome == "unsure").count();
        assert!(times[&user(number)] <= 1 + unsure, "{number}: {:?}", event.attempts);
    }
}

#[tokio::test]
async fn while_the_disk_is_full_now_and_then_nothing_that_was_answered_is_lost_or_told_twice() {
    comes_through("pwrite64:error=ENOSPC:when=3+151").await;
}

#[tokio::test]
async fn while_flushes_fail_now_and_then_nothing_that_was_answered_is_lost_or_told_twice() {
    comes_through("fsync,fdatasync:error=EIO:when=2+7").await;
}

#[tokio::test]
async fn a_slow_disk_is_answered_503_with_retry_after_and_what_it_wrote_late_is_a_duplicate() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    // The first flush takes a second longer than is waited for.
    let mut command = serve_on(&place, &cello, "fsync,fdatasync:delay_enter=2000000:when=1").await;
    command.env("RELAY__SERVER__STORE_TIMEOUT_SECONDS", "1");
    let serving = Serving::start(command).await;
    let body = customer_created(1, false);

    let signature = stripe_signature(SECRET, &body);
    let answer = serving.post.answer("stripe", "Stripe-Signature", &signature, &body).await.unwrap();

    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "30"));
    cello.wait_for(1).await;
    assert_eq!(serving.post.stripe(&body).await.unwrap(), 200);
    let life = place.life(&event_id(1)).await.unwrap();
    assert_eq!((life.duplicates, life.referral_events.len()), (1, 1));
    assert_eq!(serving.terminate().await.0, Some(0));
    assert_eq!(cello.received().len(), 1);
}
