//! What deciding writes and finds again.

use cello_relay::facts::{
    Carried, CodeAnswer, KnownCode, KnownCustomer, KnownPurchase, KnownSubscription, Payment, PaymentLink, Phase, Plan,
    Scope, Session, SessionState, Subscription,
};
use cello_relay::interval::{Period, Unit};
use cello_relay::money::Currency;
use cello_relay::store::{
    DecisionRecord, DecisionState, EventState, Ledger, Reported, Settled, StoreError, WebhookState,
};

use crate::given::{AnyStore, at, decision, event, link, scope, stored, transact};

contract! {
    work_that_fails_leaves_nothing_and_others_go_on,
    work_that_panics_leaves_nothing_and_the_store_goes_on,
    work_sees_what_it_wrote_and_reads_see_it_afterwards,
    the_directory_gives_back_what_it_was_given,
    payments_and_what_they_settle_are_given_back_as_they_were_put,
    what_was_reported_of_a_payment_is_known_from_both_sides,
    purchases_of_a_customer_are_found_by_their_time,
    of_the_customers_of_a_user_the_one_with_a_code_is_found,
    a_fact_is_found_by_either_of_the_topics_it_waits_for_and_once_in_order,
    the_directory_keeps_accounts_apart,
    a_pinned_code_stays,
    an_answer_about_a_code_is_kept_until_it_is_replaced_or_forgotten,
    a_decision_replaces_the_earlier_one_on_the_same_fact,
    the_newest_decision_on_a_key_is_found,
    a_held_fact_can_be_looked_after_before_its_deadline,
    facts_that_wait_for_a_topic_come_in_the_order_they_happened,
    holds_are_due_at_their_deadline_or_their_next_look_up,
    what_is_held_is_counted_by_reason,
    a_business_key_makes_one_referral_event,
    what_is_not_there_cannot_be_settled,
    how_often_the_deciding_of_a_webhook_was_begun_is_kept_until_it_is_decided,
    what_could_not_be_read_can_be_decided_again_unless_its_body_is_gone,
}

async fn work_that_fails_leaves_nothing_and_others_go_on(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    let failing = transact(&store, move |ledger| {
        ledger.pin_code("user", "code")?;
        ledger.settle_webhook(id, WebhookState::Ignored, None)?;
        Err::<(), _>(StoreError::Damaged("on purpose".into()))
    });
    let working = transact(&store, |ledger| ledger.pin_code("other", "code"));
    let (failed, worked) = tokio::join!(failing, working);

    assert!(matches!(failed, Err(StoreError::Damaged(_))));
    worked.unwrap();
    let pinned = transact(&store, |ledger| Ok((ledger.pinned_code("user")?, ledger.pinned_code("other")?)));
    assert_eq!(pinned.await.unwrap(), (None, Some("code".into())));
    assert_eq!(store.undecided(9).await.unwrap().len(), 1);
    assert!(store.counts().await.unwrap().add_up());
}

async fn work_that_panics_leaves_nothing_and_the_store_goes_on(store: AnyStore) {
    let panicking = transact::<()>(&store, |ledger| {
        ledger.pin_code("user", "code")?;
        panic!("on purpose");
    });
    assert!(matches!(panicking.await, Err(StoreError::Panicked)));

    let pinned = transact(&store, |ledger| ledger.pinned_code("user")).await.unwrap();
    assert_eq!(pinned, None);
    store.probe().await.unwrap();
}

async fn work_sees_what_it_wrote_and_reads_see_it_afterwards(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    let seen = transact(&store, move |ledger| {
        ledger.add_referral_event(&event(id, "user", "key"))?;
        ledger.reported("key")
    });
    assert_eq!(
        seen.await.unwrap(),
        Some(Reported {
            state: EventState::Waiting,
            at: at(0),
            ucc: Some("AbC123dEf45".into()),
            user_id: Some("usr_1".into()),
            organization_id: Some("org_1".into()),
            customer: Some("cus_1".into()),
            invoice_id: Some("in_key".into()),
            subscription_id: Some("sub_key".into()),
        })
    );
    assert_eq!(store.next_due().await.unwrap(), Some(at(2)));
}

async fn the_directory_gives_back_what_it_was_given(store: AnyStore) {
    let customer = KnownCustomer {
        id: "cus_1".into(),
        ucc: Some("aBcDeFgHiJk".into()),
        user_id: Some("user".into()),
        organization_id: Some("org".into()),
        complete_version: Some(7),
        completed_at: Some(at(7)),
        email: Some("a@example.com".into()),
        name: Some("A".into()),
        metadata: [("tier".into(), "pro \" ü".into()), ("seats".into(), String::new())].into(),
        country: Some("DE".into()),
        created_at: Some(at(1)),
        version: 9,
        deleted: true,
        reported: true,
        known_by: Some("cus_9".into()),
    };
    let bare = KnownCustomer { id: "cus_2".into(), ..KnownCustomer::default() };
    let subscription = KnownSubscription {
        subscription: Subscription {
            id: "sub_1".into(),
            customer: Some("cus_1".into()),
            phase: Phase::Trial,
            amount: Some(0),
            currency: Currency::parse("eur"),
            plan: Plan {
                period: Some(Period { unit: Unit::Month, count: 3 }),
                price_id: Some("price_1".into()),
                product_id: None,
                metered: false,
            },
            seats: Some(2),
            version: 11,
            ended_at: None,
        },
        reported: Some("state".into()),
    };
    let (put, known) = ([customer.clone(), bare.clone()], subscription.clone());
    transact(&store, move |ledger| {
        for customer in &put {
            ledger.put_customer(&scope(), customer)?;
        }
        ledger.put_subscription(&scope(), &known)?;
        ledger.put_price(&scope(), &monthly())?;
        ledger.put_price(&scope(), &Plan::default())?;
        ledger.put_purchase(&scope(), "in_1", &KnownPurchase { refunded: 0, refunded_net: 0, ..purchase() })?;
        ledger.put_purchase(&scope(), "in_1", &purchase())?;
        ledger.put_refunded(&scope(), "ch_1", 500, 700)?;
        ledger.put_refunded(&scope(), "ch_1", 0, 500)?;
        ledger.put_refunded(&scope(), "ch_1", 0, 500)
    })
    .await
    .unwrap();

    transact(&store, move |ledger| {
        assert_eq!(ledger.customer(&scope(), "cus_1")?, Some(customer));
        assert_eq!(ledger.customer(&scope(), "cus_2")?, Some(bare));
        assert_eq!(ledger.customer(&scope(), "cus_3")?, None);
        assert_eq!(ledger.subscription(&scope(), "sub_1")?, Some(subscription));
        assert_eq!(ledger.price(&scope(), "price_month")?, Some(monthly()));
        assert_eq!(ledger.price(&scope(), "price_2")?, None);
        assert_eq!(ledger.purchase(&scope(), "in_1")?, Some(purchase()));
        assert_eq!(ledger.purchase(&scope(), "in_2")?, None);
        assert_eq!(ledger.refunded(&scope(), "ch_1")?, [(0, 500), (500, 700)]);
        Ok(())
    })
    .await
    .unwrap();
}

fn purchase() -> KnownPurchase {
    KnownPurchase {
        paid: 1190,
        net: 1000,
        refunded: 119,
        refunded_net: 100,
        customer: Some("cus_1".into()),
        currency: Currency::parse("eur"),
        at: Some(at(50)),
        reported_at: Some(at(60)),
        is_sale: true,
        unlinked: 190,
    }
}

async fn payments_and_what_they_settle_are_given_back_as_they_were_put(store: AnyStore) {
    let session = Session {
        id: "cs_1".into(),
        state: SessionState::Unpaid,
        customer: Some("cus_1".into()),
        total: 11900,
        tax: 1900,
    };
    let bare = Payment { id: "pi_1".into(), ..Payment::default() };
    let whole = Payment { id: "pi_1".into(), amount: Some(7000), session: Some(session) };
    let later = whole.clone();
    transact(&store, move |ledger| {
        assert_eq!(ledger.payment(&scope(), "pi_1")?, None);
        ledger.put_payment(&scope(), &bare)?;
        assert_eq!(ledger.payment(&scope(), "pi_1")?, Some(bare));
        ledger.put_payment(&scope(), &later)?;
        assert!(!ledger.has_links(&scope())?);
        ledger.put_link(&scope(), &link("pi_1", "in_2", Some(400)))?;
        ledger.put_link(&scope(), &PaymentLink { charge_of: Some("pi_1".into()), ..link("ch_1", "in_2", None) })?;
        ledger.put_link(&scope(), &link("pi_1", "in_1", None))?;
        // What says less changes nothing, and what says more is kept.
        ledger.put_link(&scope(), &link("pi_1", "in_2", None))?;
        ledger.put_link(&scope(), &link("ch_1", "in_2", Some(400)))
    })
    .await
    .unwrap();

    transact(&store, move |ledger| {
        let other = Scope { account: "acct_1".into(), ..scope() };
        assert_eq!(ledger.payment(&scope(), "pi_1")?, Some(whole));
        assert_eq!(ledger.payment(&other, "pi_1")?, None);
        let (first, second) = (link("pi_1", "in_1", None), link("pi_1", "in_2", Some(400)));
        let charge = PaymentLink { charge_of: Some("pi_1".into()), ..link("ch_1", "in_2", Some(400)) };
        assert_eq!(ledger.links_of_payment(&scope(), "pi_1")?, [first, second.clone()]);
        assert_eq!(ledger.links_of_invoice(&scope(), "in_2")?, [charge, second]);
        assert_eq!(ledger.links_of_payment(&other, "pi_1")?, []);
        assert!(ledger.has_links(&scope())? && !ledger.has_links(&other)?);
        Ok(())
    })
    .await
    .unwrap();
}

async fn what_was_reported_of_a_payment_is_known_from_both_sides(store: AnyStore) {
    let carried =
        |payment: &str, purchase: &str, amount| Carried { payment: payment.into(), purchase: purchase.into(), amount };
    transact(&store, move |ledger| {
        let (one, two, three) = (carried("a", "in_2", 5), carried("a", "in_1", 6), carried("b", "in_2", 7));
        for carried in [&one, &two, &three, &carried("a", "in_2", 4)] {
            ledger.put_carried(&scope(), carried)?;
        }
        let latest = carried("a", "in_2", 4);
        assert_eq!(ledger.carried_of_payment(&scope(), "a")?, [two, latest.clone()]);
        assert_eq!(ledger.carried_by_purchase(&scope(), "in_2")?, [latest, three]);
        assert_eq!(ledger.carried_of_payment(&scope(), "c")?, []);

        ledger.put_unreported_refund(&scope(), "a", "re_2", 3)?;
        ledger.put_unreported_refund(&scope(), "a", "re_1", 9)?;
        ledger.put_unreported_refund(&scope(), "a", "re_1", 8)?;
        assert_eq!(ledger.unreported_refunds(&scope(), "a")?, [("re_1".to_owned(), 8), ("re_2".to_owned(), 3)]);
        assert_eq!(ledger.unreported_refunds(&scope(), "b")?, []);
        Ok(())
    })
    .await
    .unwrap();
}

async fn purchases_of_a_customer_are_found_by_their_time(store: AnyStore) {
    transact(&store, |ledger| {
        for (id, customer, second) in [("c", "cus_1", 10), ("a", "cus_1", 20), ("b", "cus_1", 21), ("d", "cus_2", 15)] {
            let purchase = KnownPurchase { customer: Some(customer.into()), at: Some(at(second)), ..purchase() };
            ledger.put_purchase(&scope(), id, &purchase)?;
        }
        let found = ledger.purchases_between(&scope(), "cus_1", at(10), at(20))?;
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a"]);
        assert_eq!(found[0].1.paid, 1190);
        assert!(ledger.has_unlinked_before(&scope(), at(61))?);
        assert!(!ledger.has_unlinked_before(&scope(), at(60))?, "none is older");
        for id in ["a", "b", "c", "d"] {
            ledger.put_purchase(&scope(), id, &KnownPurchase { unlinked: 0, ..purchase() })?;
        }
        assert!(!ledger.has_unlinked_before(&scope(), at(61))?);
        Ok(())
    })
    .await
    .unwrap();
}

async fn of_the_customers_of_a_user_the_one_with_a_code_is_found(store: AnyStore) {
    transact(&store, |ledger| {
        for (id, ucc, version) in [("cus_1", None, 1), ("cus_2", Some("x"), 9), ("cus_3", Some("y"), 5)] {
            let customer = KnownCustomer {
                id: id.into(),
                ucc: ucc.map(str::to_owned),
                user_id: Some("usr_1".into()),
                complete_version: Some(version),
                ..KnownCustomer::default()
            };
            ledger.put_customer(&scope(), &customer)?;
        }
        assert_eq!(ledger.customer_of_user(&scope(), "usr_1")?.as_deref(), Some("cus_3"));
        assert_eq!(ledger.customer_of_user(&scope(), "usr_2")?, None);
        let other = Scope { account: "acct_1".into(), ..scope() };
        assert_eq!(ledger.customer_of_user(&other, "usr_1")?, None);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_fact_is_found_by_either_of_the_topics_it_waits_for_and_once_in_order(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        let waiting = |fact, second, topic: &str, other: Option<&str>| DecisionRecord {
            fact,
            at: at(second),
            topic: Some(topic.into()),
            other_topic: other.map(str::to_owned),
            ..decision(id, DecisionState::Hold)
        };
        ledger.put_decision(&waiting(0, 30, "a", Some("b")))?;
        ledger.put_decision(&waiting(1, 20, "b", None))?;
        ledger.put_decision(&waiting(2, 10, "c", Some("b")))?;
        let found = |ledger: &mut dyn Ledger, topic: &str| -> Result<Vec<usize>, StoreError> {
            Ok(ledger.waiting_for(topic)?.into_iter().map(|held| held.fact).collect())
        };
        assert_eq!(found(ledger, "a")?, [0]);
        assert_eq!(found(ledger, "b")?, [2, 1, 0]);
        ledger.put_decision(&DecisionRecord { state: DecisionState::Send, ..waiting(2, 10, "c", Some("b")) })?;
        ledger.put_decision(&DecisionRecord { state: DecisionState::Ignore, ..waiting(0, 30, "a", Some("b")) })?;
        assert_eq!(found(ledger, "b")?, [1, 0], "what is ignored may be decided again, what was sent may not");
        Ok(())
    })
    .await
    .unwrap();
}

fn monthly() -> Plan {
    Plan {
        period: Some(Period { unit: Unit::Month, count: 1 }),
        price_id: Some("price_month".into()),
        product_id: Some("prod_1".into()),
        metered: false,
    }
}

async fn the_directory_keeps_accounts_apart(store: AnyStore) {
    transact(&store, |ledger| {
        let other = Scope { account: "acct_1".into(), ..scope() };
        let customer = KnownCustomer { id: "cus_1".into(), ..KnownCustomer::default() };
        ledger.put_customer(&other, &customer)?;
        assert_eq!(ledger.customer(&scope(), "cus_1")?, None);
        ledger.put_purchase(&other, "in_1", &purchase())?;
        assert_eq!(ledger.purchase(&scope(), "in_1")?, None);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_pinned_code_stays(store: AnyStore) {
    let code = transact(&store, |ledger| {
        ledger.pin_code("user", "first")?;
        ledger.pin_code("user", "second")?;
        ledger.pinned_code("user")
    });
    assert_eq!(code.await.unwrap().as_deref(), Some("first"));
}

async fn an_answer_about_a_code_is_kept_until_it_is_replaced_or_forgotten(store: AnyStore) {
    let known = |ucc: &str, valid, owner: Option<&str>, second| KnownCode {
        answer: CodeAnswer { ucc: ucc.into(), valid, owner: owner.map(Into::into) },
        asked_at: at(second),
    };
    transact(&store, move |ledger| {
        assert_eq!(ledger.code("a")?, None);
        ledger.put_code(&known("a", false, None, 10))?;
        ledger.put_code(&known("b", true, Some("owner"), 20))?;
        assert_eq!(ledger.code("a")?, Some(known("a", false, None, 10)));
        assert_eq!(ledger.code("A")?, None, "upper and lower case are two codes");
        ledger.put_code(&known("a", true, Some("owner"), 30))?;
        ledger.forget_codes(at(30))?;
        assert_eq!(ledger.code("b")?, None);
        assert_eq!(ledger.code("a")?, Some(known("a", true, Some("owner"), 30)), "asked just then");
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_decision_replaces_the_earlier_one_on_the_same_fact(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        let held = DecisionRecord { topic: Some("customer:cus_1".into()), ..decision(id, DecisionState::Hold) };
        ledger.put_decision(&held)?;
        ledger.put_decision(&DecisionRecord { fact: 1, ..decision(id, DecisionState::Ignore) })?;
        ledger.put_decision(&decision(id, DecisionState::Send))?;
        assert_eq!(ledger.waiting_for("customer:cus_1")?, []);
        Ok(())
    })
    .await
    .unwrap();
    let life = &store.life("evt_1").await.unwrap()[0];
    let states: Vec<_> = life.decisions.iter().map(|decision| decision.decision).collect();
    assert_eq!(states, [DecisionState::Send, DecisionState::Ignore]);
}

async fn the_newest_decision_on_a_key_is_found(store: AnyStore) {
    let (first, second) = (stored(&store, "evt_1").await, stored(&store, "evt_2").await);
    transact(&store, move |ledger| {
        let keyed = |id, state, second| DecisionRecord {
            key: Some("key".into()),
            decided_at: at(second),
            ..decision(id, state)
        };
        assert_eq!(ledger.decision_on("key")?, None);
        ledger.put_decision(&keyed(second, DecisionState::Ignore, 10))?;
        assert_eq!(ledger.decision_on("key")?, Some(DecisionState::Ignore));
        ledger.put_decision(&keyed(first, DecisionState::Hold, 20))?;
        assert_eq!(ledger.decision_on("key")?, Some(DecisionState::Hold));
        assert_eq!(ledger.decision_states(second)?, [DecisionState::Ignore]);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_held_fact_can_be_looked_after_before_its_deadline(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        let held = DecisionRecord {
            topic: Some("rules".into()),
            deadline: Some(at(100)),
            ..decision(id, DecisionState::Hold)
        };
        ledger.put_decision(&held)?;
        for held in ledger.waiting_for("rules")? {
            ledger.look_up_at(&held, at(7))?;
        }
        Ok(())
    })
    .await
    .unwrap();
    assert!(store.due_holds(at(6), 9).await.unwrap().is_empty());
    assert_eq!(store.due_holds(at(7), 9).await.unwrap().len(), 1);
}

async fn facts_that_wait_for_a_topic_come_in_the_order_they_happened(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    let facts = transact(&store, move |ledger| {
        for (fact, second, state) in
            [(0, 30, DecisionState::Hold), (1, 10, DecisionState::Ignore), (2, 20, DecisionState::Hold)]
        {
            let record = DecisionRecord {
                fact,
                at: at(second),
                topic: Some("customer:cus_1".into()),
                deadline: Some(at(100)),
                ..decision(id, state)
            };
            ledger.put_decision(&record)?;
        }
        let other = DecisionRecord { fact: 3, topic: Some("other".into()), ..decision(id, DecisionState::Hold) };
        ledger.put_decision(&other)?;
        ledger.waiting_for("customer:cus_1")
    });
    let facts: Vec<_> = facts.await.unwrap().into_iter().map(|held| (held.fact, held.at, held.deadline)).collect();
    assert_eq!(facts, [(1, at(10), None), (2, at(20), Some(at(100))), (0, at(30), Some(at(100)))]);
}

async fn holds_are_due_at_their_deadline_or_their_next_look_up(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        let holds = [(Some(100), None), (Some(100), Some(20)), (None, Some(10)), (None, None)];
        for (fact, (deadline, look_up_at)) in holds.into_iter().enumerate() {
            let record = DecisionRecord {
                fact,
                topic: Some("customer:cus_1".into()),
                deadline: deadline.map(at),
                look_up_at: look_up_at.map(at),
                ..decision(id, DecisionState::Hold)
            };
            ledger.put_decision(&record)?;
        }
        let late_code = DecisionRecord { fact: 9, deadline: Some(at(5)), ..decision(id, DecisionState::Ignore) };
        ledger.put_decision(&late_code)
    })
    .await
    .unwrap();
    for (second, limit, expected) in
        [(9, 9, vec![]), (10, 9, vec![2]), (20, 9, vec![2, 1]), (100, 9, vec![2, 1, 0]), (100, 2, vec![2, 1])]
    {
        let due: Vec<_> = store.due_holds(at(second), limit).await.unwrap().into_iter().map(|held| held.fact).collect();
        assert_eq!(due, expected, "at {second}");
    }
}

async fn what_is_held_is_counted_by_reason(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    let decided = [
        (DecisionState::Hold, "rule_failed"),
        (DecisionState::Hold, "customer_unseen"),
        (DecisionState::Hold, "rule_failed"),
        (DecisionState::Ignore, "not_referred"),
    ];
    transact(&store, move |ledger| {
        decided.into_iter().enumerate().try_for_each(|(fact, (state, reason))| {
            ledger.put_decision(&DecisionRecord { fact, reason: Some(reason.to_owned()), ..decision(id, state) })
        })
    })
    .await
    .unwrap();

    let mut held = store.held().await.unwrap();
    held.sort();
    assert_eq!(held, [("customer_unseen".to_owned(), 1), ("rule_failed".to_owned(), 2)]);
}

async fn a_business_key_makes_one_referral_event(store: AnyStore) {
    let (first, second) = (stored(&store, "evt_1").await, stored(&store, "evt_2").await);
    let added = transact(&store, move |ledger| {
        assert_eq!(ledger.reported("key")?, None);
        Ok((
            ledger.add_referral_event(&event(first, "user", "key"))?,
            ledger.add_referral_event(&event(second, "other", "key"))?,
            ledger.reported("key")?.is_some(),
        ))
    });
    assert_eq!(added.await.unwrap(), (true, false, true));
    assert_eq!(store.counts().await.unwrap().referral_events, 1);
    assert_eq!(store.life("evt_2").await.unwrap()[0].referral_events.len(), 0);
}

async fn what_is_not_there_cannot_be_settled(store: AnyStore) {
    let settled = transact(&store, |ledger| ledger.settle_webhook(77, WebhookState::Ignored, None)).await;
    assert!(matches!(settled, Err(StoreError::Damaged(_))), "{settled:?}");
    let decided = transact(&store, |ledger| ledger.put_decision(&decision(77, DecisionState::Ignore))).await;
    assert!(matches!(decided, Err(StoreError::Damaged(_))), "{decided:?}");
    assert!(transact(&store, |ledger| Ok(ledger.webhook(77)?.is_none())).await.unwrap());
}

async fn how_often_the_deciding_of_a_webhook_was_begun_is_kept_until_it_is_decided(store: AnyStore) {
    let (one, other) = (stored(&store, "evt_1").await, stored(&store, "evt_2").await);
    transact(&store, move |ledger| {
        ledger.put_tries(one, 2)?;
        ledger.settle_webhook(other, WebhookState::Ignored, None)?;
        ledger.put_tries(other, 2)
    })
    .await
    .unwrap();
    let tries: Vec<u32> = store.undecided(9).await.unwrap().iter().map(|webhook| webhook.tries).collect();
    assert_eq!(tries, [2]);
    let decided = transact(&store, move |ledger| Ok(ledger.webhook(other)?.unwrap().tries)).await.unwrap();
    assert_eq!(decided, 0);
}

async fn what_could_not_be_read_can_be_decided_again_unless_its_body_is_gone(store: AnyStore) {
    let erased = stored(&store, "evt_erased").await;
    let unreadable = stored(&store, "evt_unreadable").await;
    let ignored = stored(&store, "evt_ignored").await;
    transact(&store, move |ledger| {
        ledger.put_tries(unreadable, 3)?;
        ledger.settle_webhook(erased, WebhookState::Ignored, None)?;
        ledger.settle_webhook(unreadable, WebhookState::Unreadable, Some("no JSON"))?;
        ledger.settle_webhook(ignored, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    let oldest =
        Settled { state: WebhookState::Ignored, before: at(9), after: None, limit: 1, without_person: |_| None };
    assert_eq!(store.erase_settled(oldest, at(10)).await.unwrap().bodies, 1);
    transact(&store, move |ledger| ledger.settle_webhook(erased, WebhookState::Unreadable, None)).await.unwrap();

    assert_eq!(store.decide_again(vec![erased, unreadable, ignored, 99]).await.unwrap(), [unreadable]);

    let undecided = store.undecided(9).await.unwrap();
    assert_eq!(undecided.iter().map(|webhook| (webhook.id, webhook.tries)).collect::<Vec<_>>(), [(unreadable, 0)]);
    assert_eq!(store.life("evt_unreadable").await.unwrap()[0].note, None);
    let counts = store.counts().await.unwrap();
    assert!(counts.add_up());
    assert_eq!((counts.undecided, counts.unreadable, counts.ignored), (1, 1, 1));
}
