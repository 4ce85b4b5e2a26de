//! Several relays on one PostgreSQL: none takes what another has, and nothing is forgotten between them.

use std::sync::Arc;
use std::time::Duration;

use cello_relay::clock::{self, Clock};
use cello_relay::store::{Postgres, Receipt, Then, Wanted};
use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};

use crate::given::{self, AnyStore, at, attempt, claim, keys, stored, transact, waiting, webhook};
use crate::postgres::database;
use crate::postgres_only::open;

#[tokio::test]
async fn two_relays_never_claim_the_same_event_nor_two_of_one_subject() {
    let url = database();
    let (one, other) = (open(&url), open(&url));
    let names: Vec<String> = (0..60).map(|n| format!("s{}/{n}", n % 20)).collect();
    waiting(&one, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut delivered = Vec::new();
    while delivered.len() < 60 {
        let claims =
            join_all([&one, &other, &one, &other].map(|store| store.claim(at(2), at(62), Wanted::longest_due(4))))
                .await;
        let claimed: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
        let mut subjects: Vec<_> = claimed.iter().map(|event| event.key.split_once('/').unwrap().0).collect();
        let count = subjects.len();
        subjects.sort();
        subjects.dedup();
        assert_eq!(subjects.len(), count, "{:?}", keys(&claimed));
        // Recorded by both at once, while both claim what comes next.
        let records = claimed.iter().enumerate().map(|(n, event)| {
            let store = if n % 2 == 0 { &one } else { &other };
            store.record(attempt(event, 2, Then::Delivered))
        });
        join_all(records).await.into_iter().for_each(Result::unwrap);
        delivered.extend(claimed.into_iter().map(|event| event.key));
    }
    for subject in 0..20 {
        let of = format!("s{subject}/");
        let order: Vec<_> = delivered.iter().filter(|key| key.starts_with(&of)).collect();
        assert_eq!(
            order,
            [&format!("{of}{subject}"), &format!("{of}{}", subject + 20), &format!("{of}{}", subject + 40)]
        );
    }
}

#[tokio::test]
async fn a_relay_with_a_wrong_clock_takes_nothing_from_others_too_early_nor_they_from_it() {
    const LEASE: Duration = Duration::from_secs(60);
    let url = database();
    for wrong_by in [-3600, -45, 45, 3600] {
        let apart = SignedDuration::from_secs(wrong_by);
        let clock: Clock = Arc::new(move || Timestamp::now() + apart);
        let (right, wrong) =
            (open(&url), Arc::new(Postgres::open_with(&url, true, clock.clone()).unwrap()) as AnyStore);
        waiting(&right, &[&format!("a{wrong_by}/1")]).await;
        for (mine, my_clock, other, other_clock) in
            [(&right, clock::system(), &wrong, clock.clone()), (&wrong, clock.clone(), &right, clock::system())]
        {
            let claimed = mine.claim(my_clock(), my_clock() + LEASE, Wanted::longest_due(1)).await.unwrap();
            assert_eq!(claimed.len(), 1, "{wrong_by}");
            assert_eq!(other.recover(other_clock() + LEASE / 2, 9).await.unwrap().waiting, 0, "{wrong_by}");
            assert_eq!(other.recover(other_clock() + LEASE * 2, 9).await.unwrap().waiting, 1, "{wrong_by}");
        }
    }
}

#[tokio::test]
async fn an_event_that_is_added_while_another_relay_ends_the_one_before_is_not_forgotten() {
    let url = database();
    let (one, other) = (open(&url), open(&url));
    waiting(&one, &["a/0"]).await;
    let webhook = stored(&one, "evt_more").await;
    for n in 0..20 {
        let ending = one.claim(at(2), at(62), Wanted::longest_due(1)).await.unwrap().remove(0);
        let next = given::event(webhook, "a", &format!("a/{}", n + 1));
        let added = transact(&other, move |ledger| ledger.add_referral_event(&next));
        let (ended, added) = join(one.record(attempt(&ending, 2, Then::Delivered)), added).await;
        ended.unwrap();
        assert!(added.unwrap());
    }
    assert_eq!(keys(&claim(&other, 2).await), ["a/20"]);
}

#[tokio::test]
async fn the_same_webhooks_at_two_relays_at_once_are_stored_once() {
    let url = database();
    let (one, other) = (open(&url), open(&url));
    let ids: Vec<String> = (0..40).map(|n| format!("evt_{n}")).collect();
    // In opposite orders, so that each holds what the other wants next.
    let there = join_all(ids.iter().map(|id| one.receive(webhook(id))));
    let back = join_all(ids.iter().rev().map(|id| other.receive(webhook(id))));
    let (there, back) = join(there, back).await;
    let receipts: Vec<_> = there.into_iter().chain(back).map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| **receipt == Receipt::Stored).count(), 40);
    let counts = one.counts().await.unwrap();
    assert_eq!((counts.received, counts.duplicate, counts.undecided), (80, 40, 40));
}
