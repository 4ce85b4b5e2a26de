//! More webhooks than usual, from many senders at once: memory stays bounded, and a stop in the midst of it loses and
//! doubles nothing.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::Fault;
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::stage::{PATIENCE, Place, Post, Serving, customer_created, event_id};

const MIB: u64 = 1024 * 1024;

/// Posts the webhooks of these numbers, each sender the next one, until all are answered 200 or nobody answers any
/// more; the numbers that were answered.
async fn burst(post: &Post, senders: usize, count: usize, answered: &AtomicUsize) -> HashSet<usize> {
    let next = AtomicUsize::new(0);
    let sending = (0..senders).map(|_| async {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            match post.stripe(&customer_created(number, false)).await {
                Ok(200) => done.push(number),
                Ok(status) => panic!("{number} was answered {status}"),
                Err(_) => return done,
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    join_all(sending).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn twenty_thousand_webhooks_at_once_while_cello_is_down_are_all_taken_in_64_mib() {
    const WEBHOOKS: usize = 20_000;
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    cello.fail_always(Some(Fault::status(503)));
    let serving = Serving::start(place.serve(&cello)).await;

    let answered = burst(&serving.post, 64, WEBHOOKS, &AtomicUsize::new(0)).await;

    assert_eq!(answered.len(), WEBHOOKS);
    let store = place.store();
    let all_wait = async { while store.counts().await.unwrap().waiting < WEBHOOKS as i64 {} };
    timeout(PATIENCE, all_wait).await.expect("they are not decided");
    let peak = serving.peak_memory();
    assert!(peak < 64 * MIB, "{} MiB", peak / MIB);
    assert_eq!(serving.terminate().await.0, Some(0));
    let counts = store.counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    assert_eq!((counts.received, counts.duplicate, counts.mapped), (WEBHOOKS as i64, 0, WEBHOOKS as i64));
}

#[tokio::test]
async fn asked_to_end_under_load_what_was_answered_is_there_and_nothing_is_told_twice() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    // So that something is on its way to Cello at every moment.
    cello.fail_always(Some(Fault::Delay(Duration::from_millis(5))));
    let serving = Serving::start(place.serve(&cello)).await;
    let (post, count) = (serving.post.clone(), AtomicUsize::new(0));
    let ending = async {
        cello.wait_for(20).await;
        assert!(count.load(Ordering::Relaxed) >= 20);
        serving.terminate().await
    };

    let (answered, (code, log)) = tokio::join!(burst(&post, 8, usize::MAX, &count), ending);

    assert_eq!(code, Some(0), "{log:?}");
    for number in &answered {
        assert!(place.life(&event_id(*number)).await.is_some(), "{number} was answered and is not on disk");
    }
    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    assert_eq!((counts.sending, counts.unsure), (0, 0));

    let again = Serving::start(place.serve(&cello)).await;
    let all = usize::try_from(counts.received).unwrap();
    timeout(PATIENCE, cello.wait_for(all)).await.expect("something never reached Cello");
    assert_eq!(again.terminate().await.0, Some(0));
    let received = cello.received();
    let users: HashSet<&str> = received.iter().map(|one| one.body["payload"]["newUserId"].as_str().unwrap()).collect();
    assert_eq!((received.len(), users.len()), (all, all), "each once");
}
