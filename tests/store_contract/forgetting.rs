//! A person is forgotten, and nothing that keeps the relay right.

use cello_relay::facts::{KnownCustomer, Scope};
use cello_relay::store::{
    DecisionRecord, DecisionState, Forgetting, Forgotten, NewReferralEvent, Receipt, Then, WebhookState,
};

use crate::given::{self, AnyStore, at, decision, event, scope, stored, transact, try_one, webhook};
use crate::person::discarding;

contract! {
    a_person_is_forgotten_under_every_name_and_what_keeps_the_relay_right_stays,
    without_the_order_nothing_is_erased,
    what_is_not_over_keeps_everything,
    nobody_else_is_forgotten,
    what_was_reported_for_a_person_is_found_whomever_its_webhook_names,
    a_customer_of_whom_only_decisions_tell_is_forgotten_too,
    nothing_is_found_under_the_name_of_a_thing,
}

fn forgetting(name: &str) -> Forgetting {
    Forgetting { name: name.into(), without_person: given::without_ann, apply: true }
}

async fn forget(store: &AnyStore, name: &str) -> Forgotten {
    store.forget(forgetting(name), at(100)).await.unwrap()
}

fn customer(id: &str) -> KnownCustomer {
    KnownCustomer {
        id: id.into(),
        ucc: Some("AbC123dEf45".into()),
        user_id: Some(format!("usr_{id}")),
        email: Some("ann@example.com".into()),
        version: 7,
        ..KnownCustomer::default()
    }
}

/// A customer of the directory, a webhook of whom a referral event came, and one without a fact that mentions them.
async fn known(store: &AnyStore, id: &'static str) -> [i64; 2] {
    let told = stored(store, &format!("evt_told_{id}")).await;
    let other = stored(store, &format!("evt_other_{id}")).await;
    transact(store, move |ledger| {
        ledger.put_customer(&scope(), &customer(id))?;
        ledger.put_decision(&DecisionRecord { customer: Some(id.into()), ..decision(told, DecisionState::Send) })?;
        let event = event(told, id, &format!("purchase:{id}"));
        let (body, customer) = (r#"{"price":1,"email":"ann"}"#.into(), Some(id.into()));
        ledger.add_referral_event(&NewReferralEvent { body, customer, ..event })?;
        ledger.settle_webhook(told, WebhookState::Mapped, None)?;
        ledger.mention(other, id)?;
        ledger.put_decision(&DecisionRecord { fact_kind: String::new(), ..decision(other, DecisionState::Ignore) })?;
        ledger.settle_webhook(other, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    [told, other]
}

async fn has_body(store: &AnyStore, id: i64) -> bool {
    transact(store, move |ledger| Ok(ledger.webhook(id)?.is_some())).await.unwrap()
}

async fn a_person_is_forgotten_under_every_name_and_what_keeps_the_relay_right_stays(store: AnyStore) {
    for (id, name) in [("cus_1", "cus_1"), ("cus_2", "usr_cus_2")] {
        let webhooks = known(&store, id).await;
        try_one(&store, 3, Then::Delivered).await;
        let before = store.counts().await.unwrap();

        let forgotten = forget(&store, name).await;

        assert_eq!((forgotten.webhooks, forgotten.bodies, forgotten.referral_events), (2, 2, 1));
        assert_eq!((forgotten.customers[0].id.as_str(), forgotten.customers[0].in_directory), (id, true));
        for webhook in webhooks {
            assert!(!has_body(&store, webhook).await);
        }
        let life = store.life(&format!("evt_told_{id}")).await.unwrap().remove(0);
        assert_eq!(life.body_erased_at, Some(at(100)));
        assert_eq!(life.referral_events[0].body.to_string(), r#"{"price":1,"email":""}"#);
        let known = store.customers(id).await.unwrap().remove(0).customer;
        assert_eq!(known, KnownCustomer { email: None, deleted: true, ..customer(id) });
        assert_eq!(store.receive(webhook(&format!("evt_told_{id}"))).await.unwrap(), Receipt::Duplicate);
        let after = store.counts().await.unwrap();
        assert!(after.add_up());
        assert_eq!((after.mapped, after.delivered), (before.mapped, before.delivered));

        let again = forget(&store, name).await;
        assert_eq!((again.webhooks, again.bodies, again.referral_events), (2, 0, 0), "there is nothing left");
        assert!(!again.customers[0].in_directory);
    }
}

async fn without_the_order_nothing_is_erased(store: AnyStore) {
    let [told, _] = known(&store, "cus_1").await;
    try_one(&store, 3, Then::Delivered).await;
    let dry = Forgetting { apply: false, ..forgetting("cus_1") };
    assert_eq!(store.forget(dry, at(100)).await.unwrap().bodies, 2);
    assert!(has_body(&store, told).await);
    assert_eq!(store.customers("cus_1").await.unwrap()[0].customer, customer("cus_1"));
}

async fn what_is_not_over_keeps_everything(store: AnyStore) {
    let [told, _] = known(&store, "cus_1").await;
    let in_the_way = |forgotten: Forgotten| -> Vec<_> {
        forgotten.in_the_way.into_iter().map(|one| (one.referral_event.is_some(), one.state)).collect()
    };
    assert_eq!(in_the_way(forget(&store, "cus_1").await), [(true, "waiting")]);
    let dead = try_one(&store, 3, Then::Dead).await;
    assert_eq!(in_the_way(forget(&store, "cus_1").await), [(true, "dead")]);
    store.discard(discarding(vec![dead.id], "bob", "gone"), at(4)).await.unwrap();
    transact(&store, move |ledger| ledger.settle_webhook(told, WebhookState::Held, None)).await.unwrap();
    assert_eq!(in_the_way(forget(&store, "cus_1").await), [(false, "held")]);
    assert!(has_body(&store, told).await);
    assert_eq!(store.customers("cus_1").await.unwrap()[0].customer, customer("cus_1"));

    transact(&store, move |ledger| ledger.settle_webhook(told, WebhookState::Mapped, None)).await.unwrap();
    assert_eq!(in_the_way(forget(&store, "cus_1").await), []);
    assert!(!has_body(&store, told).await);
}

async fn nobody_else_is_forgotten(store: AnyStore) {
    known(&store, "cus_1").await;
    try_one(&store, 3, Then::Delivered).await;
    let [other, _] = known(&store, "cus_2").await;
    try_one(&store, 4, Then::Delivered).await;
    // An invoice of somebody else that is called as the customer is, and the customer of another account.
    let named_alike = stored(&store, "evt_alike").await;
    let elsewhere = Scope { account: "acct_1".into(), ..scope() };
    let of_another_account = elsewhere.clone();
    transact(&store, move |ledger| {
        let mentions = vec!["cus_1".into()];
        let customer_2 = Some("cus_2".into());
        let ignored = decision(named_alike, DecisionState::Ignore);
        ledger.put_decision(&DecisionRecord { customer: customer_2, mentions, ..ignored })?;
        ledger.settle_webhook(named_alike, WebhookState::Ignored, None)?;
        ledger.put_customer(&of_another_account, &KnownCustomer { user_id: None, ..customer("cus_3") })
    })
    .await
    .unwrap();

    assert_eq!(forget(&store, "cus_1").await.webhooks, 2);

    for id in [other, named_alike] {
        assert!(has_body(&store, id).await);
    }
    for id in ["cus_2", "cus_3"] {
        assert!(store.customers(id).await.unwrap()[0].customer.email.is_some(), "{id}");
    }
}

/// As where customers were merged, and the money of one goes back to the other.
async fn what_was_reported_for_a_person_is_found_whomever_its_webhook_names(store: AnyStore) {
    known(&store, "cus_1").await;
    try_one(&store, 3, Then::Delivered).await;
    let refund = stored(&store, "evt_refund").await;
    transact(&store, move |ledger| {
        ledger.put_decision(&DecisionRecord {
            customer: Some("cus_survivor".into()),
            ..decision(refund, DecisionState::Send)
        })?;
        let (body, customer) = (r#"{"price":1,"email":"ann"}"#.into(), Some("cus_1".into()));
        let event = event(refund, "usr_cus_1", "refund:1");
        ledger.add_referral_event(&NewReferralEvent { body, customer, ..event })?;
        ledger.settle_webhook(refund, WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    try_one(&store, 4, Then::Delivered).await;

    let forgotten = forget(&store, "cus_1").await;

    assert_eq!((forgotten.webhooks, forgotten.referral_events), (3, 2));
    assert!(!has_body(&store, refund).await);
}

async fn a_customer_of_whom_only_decisions_tell_is_forgotten_too(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        let ignored = decision(id, DecisionState::Ignore);
        ledger.put_decision(&DecisionRecord { customer: Some("cus_1".into()), ..ignored })?;
        ledger.settle_webhook(id, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    let forgotten = forget(&store, "cus_1").await;
    assert_eq!((forgotten.customers.len(), forgotten.bodies), (1, 1));
    assert!(!has_body(&store, id).await);
}

async fn nothing_is_found_under_the_name_of_a_thing(store: AnyStore) {
    let [_, other] = known(&store, "cus_1").await;
    transact(&store, move |ledger| ledger.mention(other, "in_1")).await.unwrap();
    for name in ["in_1", "1", "nobody", "purchase:cus_1"] {
        assert_eq!(forget(&store, name).await, Forgotten::default(), "{name}");
    }
    assert!(has_body(&store, other).await);
}
