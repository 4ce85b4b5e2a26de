//! What depends on a dead or unsure referral event waits for it: everything of a user for that user's signup, a refund for
//! its purchase.

use std::time::Duration;

use cello_relay::decision::WarningCode;
use cello_relay::store::{
    After, Blocked, DecisionRecord, DecisionState, EventState, LifeEvent, NewReferralEvent, Then,
};

use crate::given::{AnyStore, at, attempt, claim, decision, event, keys, stored, transact, try_one};
use crate::person::{discarding, person};

contract! {
    a_refund_waits_while_its_purchase_is_dead_or_unsure,
    everything_of_a_user_waits_for_the_signup_and_nothing_of_others_does,
    what_is_blocked_is_passed_by_what_does_not_depend_on_it,
    what_is_added_behind_a_dead_event_is_blocked_from_the_start,
    a_delivery_a_confirmation_and_a_late_success_let_it_go,
    after_a_retry_the_purchase_goes_before_its_refund,
    what_is_retried_while_it_depends_on_a_dead_event_is_blocked,
    what_waited_for_a_signup_waits_for_its_purchase_next,
    a_sender_that_dies_blocks_what_depends_on_its_event,
    a_discarded_purchase_takes_its_refunds_along_if_they_are_named,
    a_purchase_whose_refund_is_being_sent_is_not_discarded,
    a_discarded_signup_lets_everything_go,
    what_a_signup_has_blocked_for_too_long_goes_with_a_warning,
    a_refund_does_not_pass_its_signup_before_its_purchase_does,
    what_is_remade_still_says_that_it_goes_without_its_signup,
    how_much_is_blocked_and_since_when_is_told,
    what_is_overdue_is_so_since_it_was_first_due,
}

fn after_signup(subject: &str) -> After {
    After { signup: Some(format!("{subject}/signup")), purchase: None }
}

fn refund_of(subject: &str) -> After {
    After { purchase: Some(format!("{subject}/purchase")), ..after_signup(subject) }
}

async fn add(store: &AnyStore, key: &str, after: After) -> i64 {
    let webhook = stored(store, &format!("evt_{key}")).await;
    let subject = key.split('/').next().unwrap();
    let event = NewReferralEvent { after, ..event(webhook, subject, key) };
    let decision = DecisionRecord { key: Some(key.into()), warnings: vec![], ..decision(webhook, DecisionState::Send) };
    transact(store, move |ledger| {
        ledger.put_decision(&decision)?;
        assert!(ledger.add_referral_event(&event)?);
        ledger.settle_webhook(webhook, cello_relay::store::WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    the(store, key).await.id
}

/// Signup, purchase and refund of a user, with their numbers.
async fn three(store: &AnyStore, subject: &str) -> [i64; 3] {
    [
        add(store, &format!("{subject}/signup"), After::default()).await,
        add(store, &format!("{subject}/purchase"), after_signup(subject)).await,
        add(store, &format!("{subject}/refund"), refund_of(subject)).await,
    ]
}

async fn the(store: &AnyStore, key: &str) -> LifeEvent {
    let lives = store.life(key).await.unwrap();
    lives.into_iter().flat_map(|life| life.referral_events).find(|event| event.key == key).unwrap()
}

/// The number of what it waits for.
async fn blocker(store: &AnyStore, key: &str) -> Option<i64> {
    let event = the(store, key).await;
    if event.blocked_by.is_some() {
        assert_eq!((event.state, event.due_at, event.attempts.len()), (EventState::Waiting, None, 0), "{key}");
    }
    event.blocked_by.map(|blocker| blocker.id)
}

/// Sends what is in front of one subject after the other until nothing is due; returns the keys.
async fn drained(store: &AnyStore, second: i64) -> Vec<String> {
    let mut sent = Vec::new();
    loop {
        let claimed = claim(store, second).await;
        if claimed.is_empty() {
            return sent;
        }
        for event in claimed {
            store.record(attempt(&event, second, Then::Delivered)).await.unwrap();
            sent.push(event.key);
        }
    }
}

/// When an attempt that began then had its answer.
fn answered(second: i64) -> jiff::Timestamp {
    at(second) + Duration::from_millis(12)
}

async fn a_refund_waits_while_its_purchase_is_dead_or_unsure(store: AnyStore) {
    for (subject, then) in [("a", Then::Dead), ("b", Then::Unsure)] {
        let [_, purchase, _] = three(&store, subject).await;
        try_one(&store, 2, Then::Delivered).await;
        assert_eq!(try_one(&store, 3, then).await.id, purchase);
        assert_eq!(keys(&claim(&store, 4).await), [""; 0]);
        let refund = the(&store, &format!("{subject}/refund")).await.blocked_by.unwrap();
        assert_eq!((refund.id, refund.trigger.as_str()), (purchase, "invoice-paid"));
        assert_eq!((refund.since, refund.message.as_deref()), (Some(at(3)), Some("as it went")), "the last attempt");
    }
    assert_eq!(store.next_due().await.unwrap(), None);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.waiting, counts.dead, counts.unsure), (2, 1, 1));
    assert!(counts.add_up());
}

async fn everything_of_a_user_waits_for_the_signup_and_nothing_of_others_does(store: AnyStore) {
    let [signup, ..] = three(&store, "a").await;
    three(&store, "b").await;
    let first = claim(&store, 2).await;
    assert_eq!(keys(&first), ["a/signup", "b/signup"]);
    store.record(attempt(&first[0], 2, Then::Dead)).await.unwrap();
    store.record(attempt(&first[1], 2, Then::Delivered)).await.unwrap();

    assert_eq!(drained(&store, 3).await, ["b/purchase", "b/refund"]);
    for key in ["a/purchase", "a/refund"] {
        assert_eq!(blocker(&store, key).await, Some(signup));
    }
}

async fn what_is_blocked_is_passed_by_what_does_not_depend_on_it(store: AnyStore) {
    let [_, purchase, _] = three(&store, "a").await;
    try_one(&store, 2, Then::Delivered).await;
    try_one(&store, 2, Then::Dead).await;
    add(&store, "a/renewal", after_signup("a")).await;
    assert_eq!(drained(&store, 3).await, ["a/renewal"]);
    assert_eq!(blocker(&store, "a/refund").await, Some(purchase));
}

async fn what_is_added_behind_a_dead_event_is_blocked_from_the_start(store: AnyStore) {
    let signup = add(&store, "a/signup", After::default()).await;
    try_one(&store, 2, Then::Dead).await;
    add(&store, "a/purchase", after_signup("a")).await;
    add(&store, "a/other", After::default()).await;
    assert_eq!(blocker(&store, "a/purchase").await, Some(signup));
    assert_eq!(drained(&store, 3).await, ["a/other"], "it depends on nothing");
}

async fn a_delivery_a_confirmation_and_a_late_success_let_it_go(store: AnyStore) {
    let mut dead = Vec::new();
    for subject in ["a", "b", "c"] {
        three(&store, subject).await;
        try_one(&store, 2, Then::Delivered).await;
        dead.push(try_one(&store, 2, Then::Dead).await);
    }
    store.retry(vec![dead[0].id], at(3), Duration::ZERO).await.unwrap();
    assert_eq!(drained(&store, 3).await, ["a/purchase", "a/refund"]);

    store.confirm(vec![dead[1].id], person("ada", "it is in the portal"), at(4)).await.unwrap();
    assert_eq!(drained(&store, 4).await, ["b/refund"]);

    store.record(attempt(&dead[2], 5, Then::Delivered)).await.unwrap();
    assert_eq!(drained(&store, 6).await, ["c/refund"]);
    assert_eq!(store.blocked().await.unwrap(), Blocked::default());
    assert!(store.counts().await.unwrap().add_up());
}

async fn after_a_retry_the_purchase_goes_before_its_refund(store: AnyStore) {
    let [_, purchase, _] = three(&store, "a").await;
    try_one(&store, 2, Then::Delivered).await;
    try_one(&store, 2, Then::Dead).await;
    store.retry(vec![purchase], at(3), Duration::ZERO).await.unwrap();
    assert_eq!(blocker(&store, "a/refund").await, None);
    assert_eq!(try_one(&store, 3, Then::WaitUntil(at(9))).await.key, "a/purchase");
    assert_eq!(keys(&claim(&store, 4).await), [""; 0], "the refund waits behind it");
    assert_eq!(try_one(&store, 9, Then::Dead).await.key, "a/purchase");
    assert_eq!(blocker(&store, "a/refund").await, Some(purchase), "and is blocked again");
}

async fn what_is_retried_while_it_depends_on_a_dead_event_is_blocked(store: AnyStore) {
    let [_, purchase, refund] = three(&store, "a").await;
    try_one(&store, 2, Then::Delivered).await;
    let late = try_one(&store, 2, Then::Delivered).await;
    assert_eq!(try_one(&store, 2, Then::Dead).await.id, refund);
    // As if its purchase had died after it.
    store.retry(vec![late.id], at(3), Duration::ZERO).await.unwrap();
    assert_eq!(the(&store, "a/purchase").await.state, EventState::Delivered, "what Cello has is not sent again");

    three(&store, "b").await;
    try_one(&store, 4, Then::Delivered).await;
    let purchase_b = try_one(&store, 4, Then::Dead).await;
    let refund_b = the(&store, "b/refund").await.id;
    store.retry(vec![refund_b], at(5), Duration::ZERO).await.unwrap();
    assert_eq!(blocker(&store, "b/refund").await, Some(purchase_b.id));
    assert_eq!(keys(&claim(&store, 6).await), [""; 0]);
    assert_ne!(purchase, purchase_b.id);
}

async fn what_waited_for_a_signup_waits_for_its_purchase_next(store: AnyStore) {
    let [signup, purchase, _] = three(&store, "a").await;
    try_one(&store, 2, Then::Dead).await;
    assert_eq!(blocker(&store, "a/refund").await, Some(signup));
    store.retry(vec![signup], at(3), Duration::ZERO).await.unwrap();
    assert_eq!(try_one(&store, 3, Then::Delivered).await.id, signup);
    assert_eq!(try_one(&store, 3, Then::Dead).await.id, purchase);
    assert_eq!(blocker(&store, "a/refund").await, Some(purchase));
}

async fn a_sender_that_dies_blocks_what_depends_on_its_event(store: AnyStore) {
    let [signup, ..] = three(&store, "a").await;
    claim(&store, 2).await;
    store.recover(at(99), 1).await.unwrap();
    assert_eq!(blocker(&store, "a/purchase").await, Some(signup));
    assert_eq!(store.blocked().await.unwrap(), Blocked { events: 2, since: Some(at(2)) });
}

async fn a_discarded_purchase_takes_its_refunds_along_if_they_are_named(store: AnyStore) {
    let [_, purchase, refund] = three(&store, "a").await;
    try_one(&store, 2, Then::Delivered).await;
    try_one(&store, 2, Then::Dead).await;
    assert_eq!(store.open_refunds(purchase).await.unwrap(), [refund]);

    let alone = discarding(vec![purchase], "ada", "a test");
    assert_eq!(store.discard(alone.clone(), at(3)).await.unwrap(), [0; 0], "nobody has seen that it has a refund");
    let both = cello_relay::store::Discarding { with: vec![refund], ..alone };
    assert_eq!(store.discard(both.clone(), at(4)).await.unwrap(), [purchase, refund]);
    assert_eq!(store.discard(both, at(5)).await.unwrap(), [0; 0]);

    let refund = the(&store, "a/refund").await;
    assert_eq!(refund.state, EventState::Discarded);
    let reason = format!("its purchase, referral event {purchase}, was discarded: a test");
    assert_eq!(refund.discard_reason, Some(reason));
    assert_eq!(store.open_refunds(purchase).await.unwrap(), [0; 0]);
    assert!(store.counts().await.unwrap().add_up());
}

async fn a_purchase_whose_refund_is_being_sent_is_not_discarded(store: AnyStore) {
    let [_, purchase, refund] = three(&store, "a").await;
    try_one(&store, 2, Then::Delivered).await;
    try_one(&store, 2, Then::Dead).await;
    store.confirm(vec![purchase], person("ada", "there"), at(3)).await.unwrap();
    assert_eq!(keys(&claim(&store, 3).await), ["a/refund"]);
    store.retry(vec![purchase], at(4), Duration::ZERO).await.unwrap();
    let both = cello_relay::store::Discarding { with: vec![refund], ..discarding(vec![purchase], "bob", "a test") };
    assert_eq!(store.discard(both, at(4)).await.unwrap(), [0; 0]);
}

async fn a_discarded_signup_lets_everything_go(store: AnyStore) {
    let [signup, ..] = three(&store, "a").await;
    try_one(&store, 2, Then::Dead).await;
    store.discard(discarding(vec![signup], "ada", "a test"), at(3)).await.unwrap();
    assert_eq!(drained(&store, 3).await, ["a/purchase", "a/refund"]);
}

async fn what_a_signup_has_blocked_for_too_long_goes_with_a_warning(store: AnyStore) {
    let [signup, purchase, refund] = three(&store, "a").await;
    try_one(&store, 2, Then::Dead).await;
    add(&store, "a/renewal", after_signup("a")).await;
    assert_eq!(store.pass_signups(at(1), at(9), 9).await.unwrap(), [0; 0]);
    assert_eq!(store.pass_signups(at(2), at(9), 1).await.unwrap(), [purchase + 2], "one at a time");
    assert_eq!(store.pass_signups(at(3), at(9), 9).await.unwrap(), [purchase], "a refund after its purchase");
    assert_eq!(store.pass_signups(at(3), at(9), 9).await.unwrap(), [refund]);
    assert_eq!(store.pass_signups(at(3), at(9), 9).await.unwrap(), [0; 0], "and each once");

    let life = store.life("a/purchase").await.unwrap().remove(0);
    assert_eq!(life.decisions[0].warnings[0].code, WarningCode::SignupNotDelivered.as_str());
    assert_eq!(try_one(&store, 9, Then::Dead).await.id, purchase);
    assert_eq!(blocker(&store, "a/refund").await, Some(purchase), "it still waits for its purchase");
    assert_eq!(store.pass_signups(at(99), at(99), 9).await.unwrap(), [0; 0], "which nothing lets it pass");
    assert_eq!(drained(&store, 10).await, ["a/renewal"]);
    assert_eq!(the(&store, "a/signup").await.id, signup);
}

async fn a_refund_does_not_pass_its_signup_before_its_purchase_does(store: AnyStore) {
    let [signup, purchase, refund] = three(&store, "a").await;
    store.confirm(vec![signup], person("Pat", "it is there"), at(2)).await.unwrap();
    assert_eq!(try_one(&store, 3, Then::Dead).await.id, purchase);
    store.retry(vec![signup], at(4), Duration::ZERO).await.unwrap();
    assert_eq!(try_one(&store, 5, Then::Dead).await.id, signup);
    assert_eq!(blocker(&store, "a/refund").await, Some(signup));
    assert_eq!(store.pass_signups(at(9), at(9), 9).await.unwrap(), [0; 0], "its purchase is dead, and not blocked");

    store.retry(vec![purchase], at(10), Duration::ZERO).await.unwrap();
    assert_eq!(the(&store, "a/purchase").await.blocked_by.map(|blocker| blocker.id), Some(signup));
    assert_eq!(store.pass_signups(at(9), at(11), 9).await.unwrap(), [0; 0], "its purchase is blocked for less long");
    assert_eq!(drained(&store, 11).await, [""; 0]);
    assert_eq!(store.pass_signups(at(10), at(12), 9).await.unwrap(), [purchase]);
    assert_eq!(store.pass_signups(at(10), at(12), 9).await.unwrap(), [refund]);
    assert_eq!(drained(&store, 12).await, ["a/purchase", "a/refund"]);
}

async fn what_is_remade_still_says_that_it_goes_without_its_signup(store: AnyStore) {
    let [_, purchase, _] = three(&store, "a").await;
    try_one(&store, 2, Then::Dead).await;
    assert_eq!(store.pass_signups(at(3), at(9), 9).await.unwrap(), [purchase]);
    assert_eq!(try_one(&store, 9, Then::Dead).await.id, purchase);

    let webhook = store.life("a/purchase").await.unwrap()[0].webhook_id;
    let event = NewReferralEvent { after: after_signup("a"), ..event(webhook, "a", "a/purchase") };
    let decided = decision(webhook, DecisionState::Send);
    let decided = DecisionRecord { key: Some(event.key.clone()), warnings: vec![], ..decided };
    transact(&store, move |ledger| {
        ledger.put_decision(&decided)?;
        ledger.replace_referral_event(purchase, &event, "Pat", at(10))
    })
    .await
    .unwrap();
    let warnings = store.life("a/purchase").await.unwrap().remove(0).decisions.remove(0).warnings;
    assert_eq!(warnings[0].code, WarningCode::SignupNotDelivered.as_str());
    assert_eq!(try_one(&store, 11, Then::Delivered).await.id, purchase);
}

async fn how_much_is_blocked_and_since_when_is_told(store: AnyStore) {
    assert_eq!(store.blocked().await.unwrap(), Blocked::default());
    let [signup, ..] = three(&store, "a").await;
    try_one(&store, 2, Then::Dead).await;
    assert_eq!(store.blocked().await.unwrap(), Blocked { events: 2, since: Some(answered(2)) });
    store.retry(vec![signup], at(5), Duration::ZERO).await.unwrap();
    assert_eq!(store.blocked().await.unwrap(), Blocked::default());
    try_one(&store, 6, Then::Unsure).await;
    assert_eq!(store.blocked().await.unwrap(), Blocked { events: 2, since: Some(answered(2)) }, "since the first time");
}

async fn what_is_overdue_is_so_since_it_was_first_due(store: AnyStore) {
    assert_eq!(store.overdue_since().await.unwrap(), None);
    let signup = add(&store, "a/signup", After::default()).await;
    add(&store, "a/purchase", after_signup("a")).await;
    assert_eq!(store.overdue_since().await.unwrap(), Some(at(2)));
    try_one(&store, 5, Then::WaitUntil(at(900))).await;
    assert_eq!(store.overdue_since().await.unwrap(), Some(at(2)), "a try in vain changes nothing of it");
    try_one(&store, 900, Then::Dead).await;
    assert_eq!(store.overdue_since().await.unwrap(), None, "what is blocked is not due");
    store.retry(vec![signup], at(1000), Duration::ZERO).await.unwrap();
    try_one(&store, 1000, Then::Delivered).await;
    assert_eq!(store.overdue_since().await.unwrap(), Some(at(1000)), "it is due since it was let go");
}
