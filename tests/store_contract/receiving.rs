//! Webhooks come in.

use cello_relay::facts::{Mode, Scope};
use cello_relay::store::{NewWebhook, Receipt, StoreError, WebhookState};
use futures_util::future::join_all;

use crate::given::{AnyStore, Busy, at, scope, stored, transact, webhook};

contract! {
    a_webhook_is_kept_byte_for_byte,
    one_that_comes_again_is_a_duplicate_and_the_first_body_stays,
    of_fifty_that_are_the_same_at_once_one_is_kept_and_its_body_never_changes,
    the_same_event_id_of_another_account_or_provider_is_another_webhook,
    undecided_webhooks_come_in_order_of_arrival_until_they_are_settled,
    the_probe_writes,
    a_store_is_for_the_cello_that_was_named_first,
}

contract_while_busy! {
    fifty_that_wait_at_once_share_flushes,
    a_full_queue_refuses_webhooks_and_nothing_else,
}

async fn a_webhook_is_kept_byte_for_byte(store: AnyStore) {
    let body = vec![b'{', 0, 255, b'\n', b'}'];
    let sent = NewWebhook { body: body.clone(), mode: Some(Mode::Test), ..webhook("evt_1") };
    store.receive(sent).await.unwrap();

    let kept = &store.undecided(10).await.unwrap()[0];
    assert_eq!(kept.body, body);
    assert_eq!((kept.event_id.as_str(), kept.kind.as_str()), ("evt_1", "invoice.paid"));
    assert_eq!((kept.mode, kept.at, kept.received_at), (Some(Mode::Test), at(0), at(1)));
    assert_eq!(kept.scope, scope());
}

async fn one_that_comes_again_is_a_duplicate_and_the_first_body_stays(store: AnyStore) {
    let id = stored(&store, "evt_1").await;

    let again = NewWebhook { body: b"other".to_vec(), ..webhook("evt_1") };
    assert_eq!(store.receive(again.clone()).await.unwrap(), Receipt::Duplicate);
    assert_eq!(store.receive(again).await.unwrap(), Receipt::Duplicate);

    let undecided = store.undecided(10).await.unwrap();
    assert_eq!(undecided.len(), 1);
    assert_eq!((undecided[0].id, undecided[0].body.as_slice()), (id, br#"{"id":"evt_1"}"#.as_slice()));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.received, counts.duplicate, counts.undecided), (3, 2, 1));
}

async fn of_fifty_that_are_the_same_at_once_one_is_kept_and_its_body_never_changes(store: AnyStore) {
    let body = |n: i32| format!(r#"{{"id":"evt_1","n":{n}}}"#).into_bytes();
    let receipts = join_all((0..50).map(|n| store.receive(NewWebhook { body: body(n), ..webhook("evt_1") }))).await;

    let kept: Vec<i32> =
        (0..50).zip(&receipts).filter(|(_, it)| matches!(it, Ok(Receipt::Stored))).map(|it| it.0).collect();
    assert_eq!(kept.len(), 1, "{receipts:?}");
    assert_eq!(receipts.iter().filter(|receipt| matches!(receipt, Ok(Receipt::Duplicate))).count(), 49);
    let undecided = store.undecided(9).await.unwrap();
    assert_eq!((undecided.len(), &undecided[0].body), (1, &body(kept[0])));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.received, counts.duplicate), (50, 49));
}

async fn the_same_event_id_of_another_account_or_provider_is_another_webhook(store: AnyStore) {
    for (provider, account) in [("stripe", ""), ("stripe", "acct_1"), ("chargebee", "")] {
        let scope = Scope { provider: provider.into(), account: account.into() };
        let receipt = store.receive(NewWebhook { scope, ..webhook("evt_1") }).await.unwrap();
        assert_eq!(receipt, Receipt::Stored);
    }
    assert_eq!(store.undecided(10).await.unwrap().len(), 3);
    assert_eq!(store.life("evt_1").await.unwrap().len(), 3);
}

async fn undecided_webhooks_come_in_order_of_arrival_until_they_are_settled(store: AnyStore) {
    for id in ["evt_3", "evt_1", "evt_2"] {
        stored(&store, id).await;
    }
    let ids = |webhooks: Vec<cello_relay::store::Webhook>| -> Vec<String> {
        webhooks.into_iter().map(|webhook| webhook.event_id).collect()
    };
    assert_eq!(ids(store.undecided(2).await.unwrap()), ["evt_3", "evt_1"]);

    let first = store.undecided(1).await.unwrap()[0].id;
    transact(&store, move |ledger| ledger.settle_webhook(first, WebhookState::Unreadable, Some("no JSON")))
        .await
        .unwrap();
    assert_eq!(ids(store.undecided(9).await.unwrap()), ["evt_1", "evt_2"]);
    let life = &store.life("evt_3").await.unwrap()[0];
    assert_eq!((life.state, life.note.as_deref()), (WebhookState::Unreadable, Some("no JSON")));
}

async fn fifty_that_wait_at_once_share_flushes(store: AnyStore, busy: Busy) {
    let before = store.stats();
    let receipts = receive_when_it_is_over(&store, busy, 50).await;

    assert!(receipts.iter().all(|receipt| matches!(receipt, Ok(Receipt::Stored))));
    let after = store.stats();
    assert!((50..=51).contains(&(after.jobs - before.jobs)), "the webhooks, and perhaps the work that kept it busy");
    assert!(after.flushes - before.flushes <= 3, "{before:?} {after:?}");
    assert_eq!((after.queued, after.failed_flushes), (0, 0));
    assert_eq!(store.counts().await.unwrap().received, 50);
}

async fn a_full_queue_refuses_webhooks_and_nothing_else(store: AnyStore, busy: Busy) {
    let receipts = receive_when_it_is_over(&store, busy, 3000).await;

    let kept = receipts.iter().filter(|receipt| receipt.is_ok()).count();
    assert!(0 < kept && kept < 3000, "{kept}");
    for receipt in receipts {
        assert!(matches!(receipt, Ok(_) | Err(StoreError::Unavailable(_))), "{receipt:?}");
    }
    assert_eq!(store.counts().await.unwrap().received, i64::try_from(kept).unwrap());
    let probes = join_all((0..3000).map(|_| store.probe())).await;
    assert!(probes.iter().all(Result::is_ok));
}

async fn a_store_is_for_the_cello_that_was_named_first(store: AnyStore) {
    for (named, found) in [("sandbox", "sandbox"), ("production", "sandbox"), ("sandbox", "sandbox")] {
        assert_eq!(store.goes_to(named, at(0)).await.unwrap(), found);
    }
}

async fn the_probe_writes(store: AnyStore) {
    let before = store.stats().flushes;
    store.probe().await.unwrap();
    assert!(store.stats().flushes > before);
}

/// Receives `n` webhooks at once, which are all queued before the store can write again.
async fn receive_when_it_is_over(store: &AnyStore, busy: Busy, n: usize) -> Vec<Result<Receipt, StoreError>> {
    let receiving = join_all((0..n).map(|n| store.receive(webhook(&format!("evt_{n}")))));
    // Polled in this order.
    tokio::join!(receiving, async { drop(busy) }).0
}
