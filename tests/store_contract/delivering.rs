//! Referral events on their way out.

use std::time::Duration;

use cello_relay::store::{Claimed, EventState, LifeEvent, NewReferralEvent, Recovered, StoreError, Then, Wanted};
use jiff::Timestamp;

use crate::given::{AnyStore, at, attempt, claim, event, keys, stored, transact, try_one, waiting};
use crate::person::discarding;

contract! {
    what_is_due_is_claimed_longest_due_first_and_once,
    a_subjects_events_are_claimed_in_order_and_one_at_a_time,
    a_subject_that_waits_does_not_block_others,
    what_a_clock_that_was_set_back_since_put_off_for_days_is_due,
    the_next_due_time_is_that_of_an_event_that_could_be_claimed,
    the_oldest_waiting_event_is_told_whether_or_not_it_is_due,
    tries_that_count_are_counted_from_the_first_one,
    what_was_given_back_is_due_as_before,
    what_another_claim_holds_is_not_given_back,
    an_event_whose_sender_died_is_unsure_or_waits_again,
    at_the_start_everything_in_sending_is_taken_back,
    what_a_sender_died_of_is_claimed_alone_until_a_sender_lives_to_tell,
    an_event_whose_senders_died_three_times_in_a_row_waits_for_a_person,
    a_part_of_what_is_claimed_can_be_what_became_due_last,
    a_record_after_a_lost_lease_changes_nothing_unless_it_delivered,
    a_record_of_the_wrong_event_is_refused,
    retry_gives_a_fresh_start_to_what_is_not_finished,
    what_is_retried_can_be_due_one_after_the_other,
    a_retried_event_goes_before_later_ones_but_not_beside_one_being_sent,
    discard_ends_what_is_not_delivered_in_the_name_of_a_person,
    a_dead_or_discarded_event_lets_the_next_one_go,
}

async fn the_event(store: &AnyStore, key: &str) -> LifeEvent {
    let lives = store.life(key).await.unwrap();
    lives.into_iter().flat_map(|life| life.referral_events).find(|event| event.key == key).unwrap()
}

async fn state(store: &AnyStore, key: &str) -> EventState {
    the_event(store, key).await.state
}

async fn what_is_due_is_claimed_longest_due_first_and_once(store: AnyStore) {
    waiting(&store, &["a/1", "b/1", "c/1"]).await;
    assert_eq!(keys(&claim(&store, 1).await), [""; 0], "none is due yet");

    // `a` has failed and is due again later than the others.
    let first = store.claim(at(2), at(62), Wanted::longest_due(1)).await.unwrap();
    assert_eq!(keys(&first), ["a/1"]);
    assert_eq!(first[0].body, r#"{"key":"a/1"}"#);
    store.record(attempt(&first[0], 2, Then::WaitUntil(at(5)))).await.unwrap();

    assert_eq!(keys(&store.claim(at(5), at(65), Wanted::longest_due(2)).await.unwrap()), ["b/1", "c/1"]);
    assert_eq!(keys(&claim(&store, 5).await), ["a/1"]);
    assert_eq!(keys(&claim(&store, 5).await), [""; 0]);
}

async fn a_subjects_events_are_claimed_in_order_and_one_at_a_time(store: AnyStore) {
    waiting(&store, &["a/signup", "a/purchase", "b/signup", "a/refund"]).await;
    let first = claim(&store, 2).await;
    assert_eq!(keys(&first), ["a/signup", "b/signup"]);
    assert_eq!(keys(&claim(&store, 3).await), [""; 0], "the first is being sent");

    store.record(attempt(&first[0], 3, Then::WaitUntil(at(30)))).await.unwrap();
    assert_eq!(keys(&claim(&store, 29).await), [""; 0], "the first is to be sent again");

    assert_eq!(try_one(&store, 30, Then::Delivered).await.key, "a/signup");
    assert_eq!(try_one(&store, 31, Then::Delivered).await.key, "a/purchase");
    assert_eq!(try_one(&store, 32, Then::Delivered).await.key, "a/refund");
}

async fn a_subject_that_waits_does_not_block_others(store: AnyStore) {
    let names: Vec<String> = (0..500).map(|n| format!("blocked{}/{n}", n % 50)).collect();
    waiting(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for event in claim(&store, 2).await {
        store.record(attempt(&event, 2, Then::WaitUntil(at(1000)))).await.unwrap();
    }
    waiting(&store, &["free/1"]).await;
    assert_eq!(keys(&claim(&store, 3).await), ["free/1"]);
}

async fn what_a_clock_that_was_set_back_since_put_off_for_days_is_due(store: AnyStore) {
    const HOUR: i64 = 3600;
    waiting(&store, &["year/1", "day/1"]).await;
    for (event, due) in claim(&store, 2).await.iter().zip([366 * 24 * HOUR, 24 * HOUR]) {
        store.record(attempt(event, 2, Then::WaitUntil(at(due)))).await.unwrap();
    }
    assert_eq!(keys(&claim(&store, 3).await), ["year/1"], "no pause is as long");
    assert_eq!(keys(&claim(&store, 24 * HOUR).await), ["day/1"]);
}

async fn the_next_due_time_is_that_of_an_event_that_could_be_claimed(store: AnyStore) {
    assert_eq!(store.next_due().await.unwrap(), None);
    waiting(&store, &["a/1", "a/2"]).await;
    assert_eq!(store.next_due().await.unwrap(), Some(at(2)));

    let first = claim(&store, 2).await;
    assert_eq!(store.next_due().await.unwrap(), None, "the second cannot go before the first");
    store.record(attempt(&first[0], 2, Then::WaitUntil(at(9)))).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(9)));
}

async fn tries_that_count_are_counted_from_the_first_one(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let event = claim(&store, 2).await.remove(0);
    assert_eq!((event.attempts, event.first_attempt_at), (0, None));
    let paused = cello_relay::store::Attempt { counts: false, ..attempt(&event, 2, Then::WaitUntil(at(3))) };
    store.record(paused).await.unwrap();

    let event = try_one(&store, 3, Then::WaitUntil(at(4))).await;
    assert_eq!((event.attempts, event.first_attempt_at), (0, None));
    let event = try_one(&store, 4, Then::WaitUntil(at(5))).await;
    assert_eq!((event.attempts, event.first_attempt_at), (1, Some(at(3))));
    let event = try_one(&store, 5, Then::Dead).await;
    assert_eq!((event.attempts, event.first_attempt_at), (2, Some(at(3))));

    let event = the_event(&store, "a/1").await;
    assert_eq!((event.state, event.due_at, event.attempts.len()), (EventState::Dead, None, 4));
    assert_eq!((event.attempts[0].at, event.attempts[0].status), (at(2), Some(200)));
}

async fn what_was_given_back_is_due_as_before(store: AnyStore) {
    waiting(&store, &["a/1", "b/1"]).await;
    let claimed = claim(&store, 2).await;
    store.record(attempt(&claimed[1], 2, Then::Delivered)).await.unwrap();
    let unknown = Claimed { id: 99, ..claimed[0].clone() };
    store.give_back(claimed.into_iter().chain([unknown]).collect()).await.unwrap();

    assert_eq!(store.next_due().await.unwrap(), Some(at(2)));
    assert_eq!(state(&store, "b/1").await, EventState::Delivered);
    let again = claim(&store, 2).await;
    assert_eq!(keys(&again), ["a/1"]);
    assert_eq!(again[0].attempts, 0);
}

async fn what_another_claim_holds_is_not_given_back(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let late = claim(&store, 2).await;
    store.recover(at(100), 3).await.unwrap();
    claim(&store, 101).await;
    store.give_back(late).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Sending);
}

async fn an_event_whose_sender_died_is_unsure_or_waits_again(store: AnyStore) {
    waiting(&store, &["a/1", "a/2"]).await;
    claim(&store, 2).await;
    assert_eq!(store.recover(at(61), 3).await.unwrap(), Recovered::default(), "the lease still runs");
    assert_eq!(store.recover(at(62), 3).await.unwrap().waiting, 1);
    let event = the_event(&store, "a/1").await;
    assert_eq!((event.state, event.due_at), (EventState::Waiting, Some(at(2))));
    assert_eq!((event.attempts.len(), event.attempts[0].outcome.as_str()), (1, "unsure"));

    let again = claim(&store, 63).await;
    assert_eq!(keys(&again), ["a/1"]);
    assert_eq!((again[0].attempts, again[0].first_attempt_at), (1, Some(at(2))));
    assert_eq!(store.recover(at(123), 1).await.unwrap(), Recovered { waiting: 0, unsure: vec![again[0].id] });
    assert_eq!(state(&store, "a/1").await, EventState::Unsure);
    assert_eq!(keys(&claim(&store, 124).await), ["a/2"], "what waits for a person does not hold up the others");
}

async fn at_the_start_everything_in_sending_is_taken_back(store: AnyStore) {
    waiting(&store, &["a/1", "b/1"]).await;
    claim(&store, 2).await;
    assert_eq!(store.recover(Timestamp::MAX, 3).await.unwrap().waiting, 2);
    for expected in ["a/1", "b/1"] {
        assert_eq!(try_one(&store, 2, Then::Delivered).await.key, expected, "due as before");
    }
}

async fn a_record_after_a_lost_lease_changes_nothing_unless_it_delivered(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let late = claim(&store, 2).await.remove(0);
    store.recover(at(100), 3).await.unwrap();
    store.record(attempt(&late, 3, Then::Dead)).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Waiting);

    let present = claim(&store, 101).await.remove(0);
    store.record(attempt(&late, 3, Then::WaitUntil(at(999)))).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Sending, "another sender has it");
    store.record(attempt(&late, 4, Then::Unsure)).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Sending);

    store.record(attempt(&late, 3, Then::Delivered)).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Delivered);
    store.record(attempt(&present, 101, Then::Dead)).await.unwrap();
    assert_eq!(state(&store, "a/1").await, EventState::Delivered);
    assert_eq!(the_event(&store, "a/1").await.attempts.len(), 6, "every attempt is kept");
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_record_of_the_wrong_event_is_refused(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let event = claim(&store, 2).await.remove(0);
    let wrong = cello_relay::store::Attempt { event_id: 77, ..attempt(&event, 2, Then::Delivered) };
    assert!(matches!(store.record(wrong).await, Err(StoreError::Damaged(_))));
}

async fn retry_gives_a_fresh_start_to_what_is_not_finished(store: AnyStore) {
    waiting(&store, &["dead/1", "unsure/1", "later/1", "delivered/1", "sending/1"]).await;
    let claimed = claim(&store, 2).await;
    for (event, then) in claimed.iter().zip([Then::Dead, Then::Unsure, Then::WaitUntil(at(999)), Then::Delivered]) {
        store.record(attempt(event, 2, then)).await.unwrap();
    }
    let ids: Vec<i64> = claimed.iter().map(|event| event.id).collect();
    let mut all = ids.clone();
    all.push(99);

    assert_eq!(store.retry(all, at(10), Duration::ZERO).await.unwrap(), ids[..3]);
    let again = claim(&store, 10).await;
    assert_eq!(keys(&again), ["dead/1", "unsure/1", "later/1"]);
    assert!(again.iter().all(|event| event.attempts == 0 && event.first_attempt_at.is_none()));
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_retried_event_goes_before_later_ones_but_not_beside_one_being_sent(store: AnyStore) {
    waiting(&store, &["a/1", "a/2", "a/3"]).await;
    let dead = try_one(&store, 2, Then::Dead).await;
    let second = claim(&store, 3).await;
    assert_eq!(keys(&second), ["a/2"]);

    store.retry(vec![dead.id], at(4), Duration::ZERO).await.unwrap();
    assert_eq!(keys(&claim(&store, 4).await), [""; 0], "one of the subject is being sent");
    store.record(attempt(&second[0], 5, Then::WaitUntil(at(6)))).await.unwrap();

    for expected in ["a/1", "a/2", "a/3"] {
        assert_eq!(try_one(&store, 7, Then::Delivered).await.key, expected);
    }
}

async fn discard_ends_what_is_not_delivered_in_the_name_of_a_person(store: AnyStore) {
    waiting(&store, &["dead/1", "unsure/1", "delivered/1", "sending/1"]).await;
    let claimed = claim(&store, 2).await;
    for (event, then) in claimed.iter().zip([Then::Dead, Then::Unsure, Then::Delivered]) {
        store.record(attempt(event, 2, then)).await.unwrap();
    }
    waiting(&store, &["waiting/1"]).await;
    let ids: Vec<i64> = claimed.iter().map(|event| event.id).chain([5, 99]).collect();

    let applied = store.discard(discarding(ids.clone(), "ada", "a test order"), at(9)).await.unwrap();
    assert_eq!(applied, [ids[0], ids[1], 5]);
    let event = the_event(&store, "waiting/1").await;
    assert_eq!((event.state, event.due_at), (EventState::Discarded, None));
    assert_eq!(event.discarded_by.as_deref(), Some("ada"));
    assert_eq!(event.discard_reason.as_deref(), Some("a test order"));
    assert_eq!(store.discard(discarding(ids.clone(), "bob", "again"), at(9)).await.unwrap(), [0; 0]);
    assert_eq!(store.retry(ids, at(9), Duration::ZERO).await.unwrap(), [0; 0], "discarded is final");
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_dead_or_discarded_event_lets_the_next_one_go(store: AnyStore) {
    waiting(&store, &["a/1", "a/2", "a/3"]).await;
    try_one(&store, 2, Then::Dead).await;
    store.discard(discarding(vec![2], "ada", "wrong"), at(3)).await.unwrap();
    assert_eq!(keys(&claim(&store, 3).await), ["a/3"]);
    let reported =
        transact(&store, |ledger| Ok((ledger.reported("a/1")?.is_some(), ledger.reported("a/2")?.is_some()))).await;
    assert_eq!(reported.unwrap(), (true, true), "and is still what Cello was or was not told");
}

async fn what_a_sender_died_of_is_claimed_alone_until_a_sender_lives_to_tell(store: AnyStore) {
    waiting(&store, &["a/1", "b/1", "c/1"]).await;
    let two = Wanted::longest_due(2);
    store.claim(at(2), at(62), two).await.unwrap();
    store.recover(at(62), 3).await.unwrap();

    let busy = Wanted { alone: false, ..two };
    assert_eq!(store.claim(at(62), at(122), busy).await.unwrap(), [], "something else is under way");
    let first = store.claim(at(62), at(122), two).await.unwrap();
    assert_eq!((keys(&first), first[0].deaths), (vec!["a/1"], 1));
    let waits = cello_relay::store::Attempt { counts: false, ..attempt(&first[0], 62, Then::WaitUntil(at(63))) };
    store.record(waits).await.unwrap();
    let second = store.claim(at(63), at(123), two).await.unwrap();
    assert_eq!(keys(&second), ["b/1"]);
    store.record(attempt(&second[0], 63, Then::WaitUntil(at(64)))).await.unwrap();

    let all = store.claim(at(64), at(124), Wanted::longest_due(9)).await.unwrap();
    assert_eq!(keys(&all), ["c/1", "a/1", "b/1"], "its sender lived");
}

async fn an_event_whose_senders_died_three_times_in_a_row_waits_for_a_person(store: AnyStore) {
    waiting(&store, &["a/1", "a/2"]).await;
    for deaths in 1..=2 {
        assert_eq!(keys(&claim(&store, 2).await), ["a/1"]);
        assert_eq!(store.recover(Timestamp::MAX, 3).await.unwrap().waiting, 1, "{deaths}");
    }
    let third = claim(&store, 2).await;
    assert_eq!(store.recover(Timestamp::MAX, 3).await.unwrap(), Recovered { waiting: 0, unsure: vec![third[0].id] });

    let event = the_event(&store, "a/1").await;
    assert_eq!(event.state, EventState::Unsure);
    assert!(event.attempts[2].message.contains("3 times in a row"), "{:?}", event.attempts);
    assert_eq!(try_one(&store, 3, Then::Delivered).await.key, "a/2");
    store.retry(vec![event.id], at(4), Duration::ZERO).await.unwrap();
    assert_eq!(claim(&store, 4).await[0].deaths, 0, "a fresh start");
}

async fn a_part_of_what_is_claimed_can_be_what_became_due_last(store: AnyStore) {
    waiting(&store, &["a/1", "b/1", "c/1", "d/1", "e/1", "b/2"]).await;
    for (second, key) in [(2, "a/1"), (2, "b/1"), (2, "c/1"), (2, "d/1"), (2, "e/1")] {
        let event = store.claim(at(second), at(62), Wanted::longest_due(1)).await.unwrap().remove(0);
        assert_eq!(event.key, key);
        let due = at(10 + event.id);
        store.record(attempt(&event, 2, Then::WaitUntil(due))).await.unwrap();
    }
    let wanted = Wanted { longest_due: 1, newest_due: 2, alone: true };
    let claimed = store.claim(at(14), at(74), wanted).await.unwrap();
    let mut all = keys(&claimed);
    assert_eq!(all.remove(0), "a/1", "the longest due comes first");
    all.sort_unstable();
    assert_eq!(all, ["c/1", "d/1"], "and e/1 is not due yet");
    let more = store.claim(at(99), at(159), Wanted { longest_due: 5, newest_due: 5, alone: true }).await.unwrap();
    assert_eq!(keys(&more), ["b/1", "e/1"], "none twice, and none before its turn within its subject");
}

async fn what_is_retried_can_be_due_one_after_the_other(store: AnyStore) {
    waiting(&store, &["a/1", "b/1", "c/1", "d/1"]).await;
    let claimed = claim(&store, 2).await;
    for (event, then) in claimed.iter().zip([Then::Dead, Then::Delivered, Then::Dead, Then::Dead]) {
        store.record(attempt(event, 2, then)).await.unwrap();
    }
    let ids = claimed.iter().map(|event| event.id).collect();
    let half_a_second = Duration::from_millis(500);
    assert_eq!(store.retry(ids, at(10), half_a_second).await.unwrap().len(), 3);
    for (key, milliseconds) in [("a/1", 0), ("c/1", 500), ("d/1", 1000)] {
        let due = at(10) + Duration::from_millis(milliseconds);
        assert_eq!(the_event(&store, key).await.due_at, Some(due));
    }
}

async fn the_oldest_waiting_event_is_told_whether_or_not_it_is_due(store: AnyStore) {
    assert_eq!(store.oldest_waiting().await.unwrap(), None);
    let webhook = stored(&store, "evt_1").await;
    for (key, second) in [("a/1", 2), ("b/1", 7)] {
        let event = NewReferralEvent { created_at: at(second), ..event(webhook, key, key) };
        transact(&store, move |ledger| ledger.add_referral_event(&event)).await.unwrap();
    }
    let first = store.claim(at(9), at(69), Wanted::longest_due(1)).await.unwrap().remove(0);
    assert_eq!(store.oldest_waiting().await.unwrap(), Some(at(7)), "one that is being sent does not wait");
    store.record(attempt(&first, 9, Then::WaitUntil(at(999)))).await.unwrap();
    assert_eq!(store.oldest_waiting().await.unwrap(), Some(at(2)));
}
