//! What the sentences start from: stores, and things to put into them.

use std::any::Any;
use std::sync::Arc;

use crate::postgres;
use cello_relay::facts::{PaymentLink, Scope};
use cello_relay::referral_event::{Impersonal, Trigger};
use cello_relay::store::{
    After, Attempt, Claimed, DecisionRecord, DecisionState, Ledger, NewReferralEvent, NewWebhook, Receipt, Sqlite,
    Store, StoreError, Then, Wanted,
};
use cello_relay::trace::Trace;
use jiff::Timestamp;
use tempfile::TempDir;

pub type AnyStore = Arc<dyn Store>;

/// Makes one test of each sentence for each kind of store.
macro_rules! contract {
    ($($sentence:ident),* $(,)?) => {
        mod on_file {
            $(#[tokio::test]
            async fn $sentence() {
                let (store, _folder) = crate::given::on_file();
                super::$sentence(store).await;
            })*
        }

        mod in_memory {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(crate::given::in_memory()).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(crate::given::on_postgres().0).await;
            })*
        }
    };
}

/// The same for sentences about webhooks that wait while the store cannot write them, which `busy` sees to.
macro_rules! contract_while_busy {
    ($($sentence:ident),* $(,)?) => {
        mod on_busy_file {
            $(#[tokio::test]
            async fn $sentence() {
                let (store, _folder) = crate::given::on_file();
                let busy = crate::given::busy_deciding(&store).await;
                super::$sentence(store, busy).await;
            })*
        }

        mod on_busy_postgres {
            $(#[tokio::test]
            async fn $sentence() {
                let (store, url) = crate::given::on_postgres();
                let busy = crate::given::busy_table(&url);
                super::$sentence(store, busy).await;
            })*
        }
    };
}

pub fn on_file() -> (AnyStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&url(&folder), true).unwrap();
    (Arc::new(store), folder)
}

pub fn in_memory() -> AnyStore {
    Arc::new(Sqlite::in_memory().unwrap())
}

/// With its address.
pub fn on_postgres() -> (AnyStore, String) {
    let url = postgres::database();
    (Arc::new(postgres::open(&url).unwrap()), url)
}

/// What keeps a store from writing webhooks, until it is dropped.
pub type Busy = Box<dyn Any + Send>;

/// Work that does not end, on the one thread that writes.
pub async fn busy_deciding(store: &AnyStore) -> Busy {
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    tokio::spawn({
        let store = store.clone();
        async move {
            let work = store.transact(Box::new(move |_| {
                begun.send(()).unwrap();
                let _ = gate.recv();
                Ok(())
            }));
            // A server may have lost its patience.
            let _ = work.await;
        }
    });
    has_begun.await.unwrap();
    Box::new(open)
}

/// A table that somebody else keeps for himself.
pub fn busy_table(url: &str) -> Busy {
    Box::new(postgres::server().hold(postgres::name(url), "LOCK TABLE webhook IN EXCLUSIVE MODE"))
}

pub fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("relay.db").display())
}

/// Seconds after some moment.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub fn scope() -> Scope {
    Scope { provider: "stripe".into(), account: String::new() }
}

pub fn webhook(event_id: &str) -> NewWebhook {
    NewWebhook {
        scope: scope(),
        event_id: event_id.into(),
        kind: "invoice.paid".into(),
        mode: None,
        at: at(0),
        received_at: at(1),
        body: format!(r#"{{"id":"{event_id}"}}"#).into_bytes(),
    }
}

/// Stores a webhook and tells its number.
pub async fn stored(store: &AnyStore, event_id: &str) -> i64 {
    assert_eq!(store.receive(webhook(event_id)).await.unwrap(), Receipt::Stored);
    let undecided = store.undecided(usize::MAX).await.unwrap();
    undecided.iter().find(|webhook| webhook.event_id == event_id).unwrap().id
}

pub fn decision(webhook_id: i64, state: DecisionState) -> DecisionRecord {
    DecisionRecord {
        webhook_id,
        fact: 0,
        fact_kind: "invoice-paid".into(),
        at: at(0),
        customer: None,
        key: None,
        mentions: Vec::new(),
        state,
        rule: None,
        reason: None,
        message: "because".into(),
        warnings: Vec::new(),
        trace: Trace::of("a paid invoice"),
        topic: None,
        other_topic: None,
        deadline: None,
        look_up_at: None,
        decided_at: at(2),
    }
}

pub fn event(webhook_id: i64, subject: &str, key: &str) -> NewReferralEvent {
    NewReferralEvent {
        key: key.into(),
        subject: subject.into(),
        trigger: Trigger::InvoicePaid,
        webhook_id,
        at: at(0),
        invoice_id: Some(format!("in_{key}")),
        subscription_id: Some(format!("sub_{key}")),
        price: Some(1900),
        currency: Some("EUR".into()),
        ucc: "AbC123dEf45".into(),
        user_id: "usr_1".into(),
        organization_id: Some("org_1".into()),
        customer: Some("cus_1".into()),
        after: After::default(),
        contribution: "[]".into(),
        body: format!(r#"{{"key":"{key}"}}"#),
        created_at: at(2),
    }
}

/// Work in a transaction, with its result.
pub async fn transact<T: Send + 'static>(
    store: &AnyStore,
    work: impl FnOnce(&mut dyn Ledger) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    store
        .transact(Box::new(move |ledger| {
            sender.send(work(ledger)?).unwrap();
            Ok(())
        }))
        .await?;
    Ok(receiver.recv().unwrap())
}

/// Adds referral events, named `subject/key`, in this order; all are due at second 2.
pub async fn waiting(store: &AnyStore, names: &[&str]) {
    let webhook = stored(store, &format!("evt_{}", names.join("+"))).await;
    let events: Vec<_> = names.iter().map(|name| event(webhook, name.split('/').next().unwrap(), name)).collect();
    transact(store, move |ledger| {
        for event in &events {
            assert!(ledger.add_referral_event(event)?);
        }
        Ok(())
    })
    .await
    .unwrap();
}

pub async fn claim(store: &AnyStore, second: i64) -> Vec<Claimed> {
    store.claim(at(second), at(second + 60), Wanted::longest_due(100)).await.unwrap()
}

pub fn keys(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|event| event.key.as_str()).collect()
}

/// Claims at `second`, expecting one event, whose attempt ends like this.
pub async fn try_one(store: &AnyStore, second: i64, then: Then) -> Claimed {
    let claimed = claim(store, second).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    let event = claimed.into_iter().next().unwrap();
    store.record(attempt(&event, second, then)).await.unwrap();
    event
}

/// Takes the name of a person out of the body of a referral event.
pub fn without_ann(body: &str) -> Option<Impersonal> {
    body.contains("ann").then(|| Impersonal { body: body.replace("ann", ""), taken: vec!["ann".into(), "Ann".into()] })
}

pub fn attempt(event: &Claimed, second: i64, then: Then) -> Attempt {
    let outcome = match then {
        Then::Delivered => "delivered",
        Then::WaitUntil(_) => "retry",
        Then::Unsure => "unsure",
        Then::Dead => "rejected",
    };
    Attempt {
        event_id: event.id,
        lease: event.lease,
        started_at: at(second),
        duration_ms: 12,
        outcome,
        status: Some(200),
        message: "as it went".into(),
        request_id: None,
        then,
        counts: true,
    }
}

/// A payment that settles an invoice.
pub fn link(payment: &str, invoice: &str, amount: Option<i64>) -> PaymentLink {
    PaymentLink { payment: payment.into(), invoice: invoice.into(), amount, charge_of: None }
}
