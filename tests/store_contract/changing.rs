//! What a person changes: an event is said to be there, or another body takes the place of one that was refused.

use std::time::Duration;

use cello_relay::store::{EventState, LifeEvent, NewReferralEvent, Pause, Then};
use jiff::Timestamp;

use crate::given::{AnyStore, at, attempt, claim, event, keys, transact, try_one, waiting};
use crate::person::{discarding, person};

contract! {
    what_waits_for_a_person_can_be_confirmed_and_nothing_else,
    two_people_make_one_change,
    what_is_confirmed_is_delivered_by_a_late_success_and_sent_again_only_by_a_retry,
    a_new_body_takes_the_place_of_a_refused_one_which_is_kept,
    a_late_success_of_a_former_body_is_not_one_of_the_new_body,
    a_key_can_be_given_to_another_event_once_its_own_is_discarded,
    a_pause_is_kept_until_it_ends,
}

async fn the(store: &AnyStore, key: &str) -> LifeEvent {
    let lives = store.life(key).await.unwrap();
    lives.into_iter().flat_map(|life| life.referral_events).find(|event| event.key == key).unwrap()
}

async fn replace(store: &AnyStore, id: i64, body: &'static str, by: &'static str, now: Timestamp) {
    let new = NewReferralEvent {
        body: body.into(),
        price: Some(7),
        currency: Some("USD".into()),
        contribution: r#"["new"]"#.into(),
        ..event(1, "a", "a/1")
    };
    transact(store, move |ledger| ledger.replace_referral_event(id, &new, by, now)).await.unwrap();
}

async fn what_waits_for_a_person_can_be_confirmed_and_nothing_else(store: AnyStore) {
    waiting(&store, &["dead/1", "unsure/1", "delivered/1", "sending/1"]).await;
    let claimed = claim(&store, 2).await;
    for (event, then) in claimed.iter().zip([Then::Dead, Then::Unsure, Then::Delivered]) {
        store.record(attempt(event, 2, then)).await.unwrap();
    }
    waiting(&store, &["waiting/1", "discarded/1"]).await;
    store.discard(discarding(vec![6], "bob", "a test"), at(3)).await.unwrap();
    let ids: Vec<i64> = claimed.iter().map(|event| event.id).chain([5, 6, 99]).collect();

    let applied = store.confirm(ids.clone(), person("ada", "it is in the portal"), at(9)).await.unwrap();
    assert_eq!(applied, [ids[0], ids[1], 5]);
    let event = the(&store, "waiting/1").await;
    assert_eq!((event.state, event.due_at), (EventState::Confirmed, None));
    assert_eq!((event.confirmed_by.as_deref(), event.confirmed_at), (Some("ada"), Some(at(9))));
    assert_eq!(event.confirm_reason.as_deref(), Some("it is in the portal"));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.confirmed, counts.add_up()), (3, true));
    let standing = transact(&store, |ledger| Ok(ledger.reported("dead/1")?.unwrap().state)).await.unwrap();
    assert_eq!(standing, EventState::Confirmed);
}

async fn two_people_make_one_change(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let id = try_one(&store, 2, Then::Dead).await.id;
    assert_eq!(store.confirm(vec![id], person("ada", "there"), at(3)).await.unwrap(), [id]);
    assert_eq!(store.confirm(vec![id], person("bob", "there"), at(4)).await.unwrap(), [0; 0]);
    assert_eq!(store.discard(discarding(vec![id], "bob", "not there"), at(4)).await.unwrap(), [0; 0]);
    assert_eq!(the(&store, "a/1").await.confirmed_by.as_deref(), Some("ada"));
}

async fn what_is_confirmed_is_delivered_by_a_late_success_and_sent_again_only_by_a_retry(store: AnyStore) {
    waiting(&store, &["a/1", "b/1"]).await;
    let claimed = claim(&store, 2).await;
    for event in &claimed {
        store.record(attempt(event, 2, Then::Unsure)).await.unwrap();
    }
    let ids: Vec<i64> = claimed.iter().map(|event| event.id).collect();
    store.confirm(ids.clone(), person("ada", "there"), at(3)).await.unwrap();
    assert_eq!(keys(&claim(&store, 4).await), [""; 0]);

    store.record(attempt(&claimed[0], 5, Then::Delivered)).await.unwrap();
    assert_eq!(the(&store, "a/1").await.state, EventState::Delivered);
    assert_eq!(store.retry(ids, at(6), Duration::ZERO).await.unwrap(), [claimed[1].id]);
    assert_eq!(try_one(&store, 6, Then::Delivered).await.key, "b/1");
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_new_body_takes_the_place_of_a_refused_one_which_is_kept(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let dead = try_one(&store, 2, Then::Dead).await;
    replace(&store, dead.id, r#"{"new":1}"#, "ada", at(5)).await;

    let event = the(&store, "a/1").await;
    assert_eq!((event.state, event.due_at), (EventState::Waiting, Some(at(5))));
    assert_eq!(event.body, serde_json::json!({ "new": 1 }));
    let former = &event.former_bodies[0];
    assert_eq!((&former.body, former.replaced_at), (&serde_json::json!({ "key": "a/1" }), at(5)));
    assert_eq!((former.replaced_by.as_str(), event.attempts.len()), ("ada", 1));
    let again = transact(&store, move |ledger| ledger.referral_event(dead.id)).await.unwrap().unwrap();
    assert_eq!((again.price, again.currency.as_deref()), (Some(7), Some("USD")));
    assert_eq!(again.contribution.as_deref(), Some(r#"["new"]"#));
    let claimed = claim(&store, 6).await.remove(0);
    assert_eq!((claimed.attempts, claimed.body.as_str()), (0, r#"{"new":1}"#));
}

async fn a_late_success_of_a_former_body_is_not_one_of_the_new_body(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let late = claim(&store, 2).await.remove(0);
    store.recover(at(99), 3).await.unwrap();
    let dead = try_one(&store, 99, Then::Dead).await;
    replace(&store, dead.id, r#"{"new":1}"#, "ada", at(100)).await;

    store.record(attempt(&late, 3, Then::Delivered)).await.unwrap();
    assert_eq!(the(&store, "a/1").await.state, EventState::Unsure, "a person decides what Cello is to have");
    store.retry(vec![dead.id], at(101), Duration::ZERO).await.unwrap();
    let new = try_one(&store, 101, Then::Dead).await;
    store.record(attempt(&new, 102, Then::Delivered)).await.unwrap();
    assert_eq!(the(&store, "a/1").await.state, EventState::Delivered);
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_key_can_be_given_to_another_event_once_its_own_is_discarded(store: AnyStore) {
    waiting(&store, &["a/1"]).await;
    let add = || transact(&store, |ledger| ledger.add_referral_event(&event(1, "a", "a/1")));
    transact(&store, |ledger| ledger.free_key(1, at(2))).await.unwrap();
    assert!(!add().await.unwrap(), "it waits, and keeps its key");
    store.discard(discarding(vec![1], "ada", "wrong"), at(2)).await.unwrap();
    assert!(!add().await.unwrap(), "giving up alone lets nothing in its place");
    transact(&store, |ledger| ledger.free_key(1, at(3))).await.unwrap();
    assert!(add().await.unwrap());

    let events = store.life("1").await.unwrap().remove(0).referral_events;
    let found: Vec<_> = events.iter().map(|event| (event.state, event.decided_again_at)).collect();
    assert_eq!(found, [(EventState::Discarded, Some(at(3))), (EventState::Waiting, None)]);
    let compared = store.referral_events_after("", 9).await.unwrap();
    assert_eq!(compared.iter().map(|event| event.id).collect::<Vec<_>>(), [events[1].id]);
}

async fn a_pause_is_kept_until_it_ends(store: AnyStore) {
    assert_eq!(store.pause().await.unwrap(), None);
    for until in [at(15), at(45)] {
        let pause = Pause { since: at(1), until, problem: "503".into() };
        store.note_pause(Some(pause.clone())).await.unwrap();
        assert_eq!(store.pause().await.unwrap(), Some(pause));
    }
    store.note_pause(None).await.unwrap();
    assert_eq!(store.pause().await.unwrap(), None);
}
