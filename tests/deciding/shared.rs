//! Several relays on one PostgreSQL decide and tell what one would.

use std::sync::Arc;

use cello_relay::store::{self, Store, WebhookState};

use crate::postgres::{database, name, server};
use crate::relay::Relay;
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

fn two_relays() -> (Relay, Relay, String) {
    let url = database();
    let open = || -> Arc<dyn Store> { store::open(&url, true).unwrap() };
    let one = Relay::new().same_on(open());
    let other = one.same_on(open());
    (one, other, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_two_relays_see_at_once_is_decided_once() {
    let (one, other, url) = two_relays();
    one.store_only(&event("customer.created", 0, customer(referred()))).await;
    one.store_only(&event("invoice.paid", 20, old_invoice("in_1", 20, 1000))).await;

    // Both have read what is undecided when they wait for their turn to write.
    let turn = server().hold(name(&url), "SELECT pg_advisory_xact_lock(1130720367, hashtext(current_schema()))");
    let deciding = [one.decider.clone(), other.decider.clone()]
        .map(|decider| tokio::spawn(async move { decider.decide_all().await.unwrap() }));
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while server().sql(name(&url), waiting) != "2" {}
    drop(turn);
    for decided in deciding {
        assert_eq!(decided.await.unwrap(), 2);
    }

    for event in ["evt_customer.created_0", "evt_invoice.paid_20"] {
        assert_eq!(one.store.life(event).await.unwrap()[0].state, WebhookState::Mapped, "{event}");
    }
    assert_eq!(other.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn what_relays_receive_and_decide_in_turn_is_what_one_would() {
    let (one, other, _) = two_relays();
    let alone = one.fresh();
    let story = [
        refund(40, "in_1", 300, Some(0)),
        event("invoice.paid", 20, old_invoice("in_1", 20, 1000)),
        event("customer.created", 0, customer(referred())),
        event("customer.subscription.created", 10, subscription("active", monthly("price_1", 1000), 1)),
        event("invoice.paid", 60, old_invoice("in_2", 60, 1000)),
    ];
    for (n, webhook) in story.iter().enumerate() {
        alone.receive(webhook).await;
        [&one, &other][n % 2].receive(webhook).await;
    }
    let told = |relay: Vec<crate::relay::Told>| -> Vec<_> {
        relay.into_iter().map(|told| (told.key.clone(), told.body)).collect()
    };
    let (expected, shared) = (told(alone.told().await), told(other.told().await));
    assert_eq!(shared, expected);
    assert!(expected.len() > 3, "{expected:?}");
    assert_eq!(one.store.counts().await.unwrap(), alone.store.counts().await.unwrap());
}
