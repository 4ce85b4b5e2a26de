//! What people ask.

use std::time::Duration;

use cello_relay::decision::{Warning, WarningCode};
use cello_relay::referral_event::Trigger;
use cello_relay::store::{
    Attempt, Counts, DecisionRecord, DecisionState, EventFilter, EventRow, EventState, NewReferralEvent, NewWebhook,
    Then, WebhookState,
};

use crate::given::{AnyStore, at, attempt, claim, decision, event, stored, transact, try_one, waiting, webhook};
use crate::person::discarding;

contract! {
    both_equations_hold_after_every_step,
    a_life_is_found_by_whatever_names_it,
    a_life_tells_everything,
    the_list_has_a_line_for_each_decision_newest_first,
    the_list_is_filtered_by_either_kind_of_state_and_by_provider,
    the_list_is_filtered_by_all_that_a_filter_names,
    lives_come_page_by_page_in_order_of_arrival,
}

async fn both_equations_hold_after_every_step(store: AnyStore) {
    let counted = async |expected: Counts| {
        let counts = store.counts().await.unwrap();
        assert!(counts.add_up(), "{counts:?}");
        assert_eq!(counts, expected);
    };
    let mut expected = Counts::default();
    counted(expected.clone()).await;

    let ids = [stored(&store, "evt_1").await, stored(&store, "evt_2").await, stored(&store, "evt_3").await];
    store.receive(webhook("evt_1")).await.unwrap();
    expected = Counts { received: 4, duplicate: 1, undecided: 3, ..expected };
    counted(expected.clone()).await;

    transact(&store, move |ledger| ledger.settle_webhook(ids[0], WebhookState::Held, None)).await.unwrap();
    transact(&store, move |ledger| ledger.settle_webhook(ids[1], WebhookState::Ignored, None)).await.unwrap();
    transact(&store, move |ledger| ledger.settle_webhook(ids[2], WebhookState::Unreadable, None)).await.unwrap();
    expected = Counts { undecided: 0, held: 1, ignored: 1, unreadable: 1, ..expected };
    counted(expected.clone()).await;

    transact(&store, move |ledger| {
        for key in ["a", "b", "c", "a"] {
            ledger.add_referral_event(&event(ids[0], key, key))?;
        }
        ledger.settle_webhook(ids[0], WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    expected = Counts { held: 0, mapped: 1, referral_events: 3, waiting: 3, ..expected };
    counted(expected.clone()).await;

    let claimed = claim(&store, 2).await;
    expected = Counts { waiting: 0, sending: 3, ..expected };
    counted(expected.clone()).await;

    store.record(attempt(&claimed[0], 2, Then::Delivered)).await.unwrap();
    store.record(attempt(&claimed[1], 2, Then::Unsure)).await.unwrap();
    store.record(attempt(&claimed[2], 2, Then::Dead)).await.unwrap();
    expected = Counts { sending: 0, delivered: 1, unsure: 1, dead: 1, ..expected };
    counted(expected.clone()).await;

    store.retry(vec![claimed[1].id], at(3), Duration::ZERO).await.unwrap();
    store.discard(discarding(vec![claimed[2].id], "ada", "wrong"), at(3)).await.unwrap();
    expected = Counts { unsure: 0, dead: 0, waiting: 1, discarded: 1, ..expected };
    counted(expected.clone()).await;

    claim(&store, 3).await;
    store.recover(at(1000), 1).await.unwrap();
    expected = Counts { waiting: 0, unsure: 1, ..expected };
    counted(expected).await;
}

async fn a_life_is_found_by_whatever_names_it(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    stored(&store, "evt_2").await;
    transact(&store, move |ledger| {
        ledger.put_decision(&DecisionRecord {
            customer: Some("cus_1".into()),
            key: Some("stripe:in_1".into()),
            mentions: vec!["in_1".into(), "sub_1".into()],
            ..decision(id, DecisionState::Send)
        })?;
        ledger.mention(id, "ch_1")?;
        ledger.mention(id, "ch_1")?;
        ledger.add_referral_event(&event(id, "user_1", "stripe:in_1"))
    })
    .await
    .unwrap();
    for name in ["evt_1", "cus_1", "stripe:in_1", "in_1", "sub_1", "ch_1", "user_1", "in_stripe:in_1", "1"] {
        let lives = store.life(name).await.unwrap();
        assert_eq!(lives.len(), 1, "{name}");
        assert_eq!((lives[0].event_id.as_str(), lives[0].webhook_id), ("evt_1", id), "{name}");
    }
    for name in ["", "evt", "cus_2", "2", "%"] {
        assert_eq!(store.life(name).await.unwrap().len(), 0, "{name}");
    }
}

async fn a_life_tells_everything(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    store.receive(webhook("evt_1")).await.unwrap();
    transact(&store, move |ledger| {
        ledger.put_decision(&DecisionRecord {
            rule: Some("purchase".into()),
            customer: Some("cus_1".into()),
            warnings: vec![Warning::new(WarningCode::EmailMissing, "no address")],
            topic: Some("topic".into()),
            deadline: Some(at(50)),
            ..decision(id, DecisionState::Send)
        })?;
        ledger.add_referral_event(&event(id, "user_1", "key"))?;
        ledger.settle_webhook(id, WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    try_one(&store, 2, Then::WaitUntil(at(7))).await;

    let life = store.life("evt_1").await.unwrap().remove(0);
    assert_eq!((life.duplicates, life.bytes, life.state), (1, 14, WebhookState::Mapped));
    assert_eq!((life.happened_at, life.received_at), (at(0), at(1)));
    let decided = &life.decisions[0];
    assert_eq!((decided.fact.as_str(), decided.rule.as_deref()), ("invoice-paid", Some("purchase")));
    assert_eq!((decided.happened_at, decided.customer.as_deref()), (at(0), Some("cus_1")));
    assert_eq!(decided.warnings[0].code, "email_missing");
    assert_eq!(decided.trace.as_ref().unwrap().recognised, "a paid invoice");
    assert_eq!((decided.waits_for.as_deref(), decided.deadline), (Some("topic"), Some(at(50))));
    let sent = &life.referral_events[0];
    assert_eq!((sent.state, sent.due_at), (EventState::Waiting, Some(at(7))));
    assert_eq!(sent.body, serde_json::json!({"key": "key"}));
    assert_eq!((sent.attempts[0].outcome.as_str(), sent.attempts[0].message.as_str()), ("retry", "as it went"));
}

/// Three webhooks: one undecided, one ignored, one that made two referral events of which one is dead.
async fn some_history(store: &AnyStore) {
    stored(store, "evt_1").await;
    let ignored = stored(store, "evt_2").await;
    let mapped = stored(store, "evt_3").await;
    transact(store, move |ledger| {
        ledger.put_decision(&DecisionRecord {
            key: Some("signup".into()),
            reason: Some("already_reported".into()),
            ..decision(ignored, DecisionState::Ignore)
        })?;
        ledger.settle_webhook(ignored, WebhookState::Ignored, None)?;
        for (fact, key) in [(0, "purchase"), (1000, "signup")] {
            let key = Some(key.to_owned());
            ledger.put_decision(&DecisionRecord { fact, key, ..decision(mapped, DecisionState::Send) })?;
        }
        ledger.add_referral_event(&event(mapped, "user", "signup"))?;
        ledger.add_referral_event(&event(mapped, "user", "purchase"))?;
        ledger.settle_webhook(mapped, WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    try_one(store, 2, Then::Dead).await;
}

fn lines(rows: &[EventRow]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let event = row.referral_event.as_ref();
            format!(
                "{} {} {}",
                row.event_id,
                row.decision.map_or("-", DecisionState::as_str),
                event.map_or("-".into(), |event| format!("{} {} {}", event.key, event.state.as_str(), event.attempts)),
            )
        })
        .collect()
}

async fn the_list_has_a_line_for_each_decision_newest_first(store: AnyStore) {
    some_history(&store).await;
    let all = EventFilter { limit: 9, ..EventFilter::default() };
    assert_eq!(
        lines(&store.list(all.clone()).await.unwrap()),
        ["evt_3 send purchase waiting 0", "evt_3 send signup dead 1", "evt_2 ignore -", "evt_1 - -"]
    );
    let row = &store.list(EventFilter { limit: 1, ..all }).await.unwrap()[0];
    let event = row.referral_event.as_ref().unwrap();
    assert_eq!(
        (event.price, event.currency.as_deref(), event.trigger.as_str()),
        (Some(1900), Some("EUR"), "invoice-paid")
    );
}

async fn the_list_is_filtered_by_either_kind_of_state_and_by_provider(store: AnyStore) {
    some_history(&store).await;
    let expected: [(Option<&str>, Option<&str>, &[&str]); 7] = [
        (Some("undecided"), None, &["evt_1 - -"]),
        (Some("ignored"), None, &["evt_2 ignore -"]),
        (Some("mapped"), Some("stripe"), &["evt_3 send purchase waiting 0", "evt_3 send signup dead 1"]),
        (Some("dead"), None, &["evt_3 send signup dead 1"]),
        (Some("waiting"), Some("stripe"), &["evt_3 send purchase waiting 0"]),
        (Some("waiting"), Some("chargebee"), &[]),
        (Some("lost"), None, &[]),
    ];
    for (state, provider, rows) in expected {
        let filter = EventFilter {
            state: state.map(Into::into),
            provider: provider.map(Into::into),
            limit: 9,
            ..EventFilter::default()
        };
        assert_eq!(lines(&store.list(filter).await.unwrap()), rows, "{state:?} {provider:?}");
    }
}

/// Two referral events of two people, one of them dead, and a decision that nothing came of.
async fn of_two_people(store: &AnyStore) {
    let of = |name: &str, webhook: i64| {
        let told = NewReferralEvent {
            trigger: if name == "ann" { Trigger::InvoicePaid } else { Trigger::NewSignup },
            ucc: format!("code_{name}"),
            user_id: format!("u_{name}"),
            organization_id: Some(format!("o_{name}")),
            customer: Some(format!("cus_{name}")),
            invoice_id: Some(format!("in_{name}")),
            ..event(webhook, &format!("s_{name}"), &format!("key_{name}"))
        };
        let warnings = vec![Warning::new(WarningCode::EmailMissing, format!("of {name}")); usize::from(name == "ann")];
        let decided =
            DecisionRecord { key: Some(told.key.clone()), warnings, ..decision(webhook, DecisionState::Send) };
        (decided, told)
    };
    for (name, second) in [("ann", 10), ("bob", 20)] {
        let webhook = NewWebhook { received_at: at(second), ..webhook(&format!("evt_{name}")) };
        store.receive(webhook).await.unwrap();
        let id = store.undecided(1).await.unwrap()[0].id;
        let (decided, told) = of(name, id);
        transact(store, move |ledger| {
            ledger.put_decision(&decided)?;
            ledger.add_referral_event(&told)?;
            ledger.settle_webhook(id, WebhookState::Mapped, None)
        })
        .await
        .unwrap();
    }
    let ignored = stored(store, "evt_ignored").await;
    transact(store, move |ledger| {
        ledger.put_decision(&DecisionRecord {
            customer: Some("cus_ann".into()),
            reason: Some("too_late".into()),
            mentions: vec!["in_late".into(), "u_ann".into()],
            ..decision(ignored, DecisionState::Ignore)
        })?;
        ledger.settle_webhook(ignored, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    let claimed = claim(store, 30).await;
    let ann = claimed.iter().find(|event| event.key == "key_ann").unwrap();
    store.record(Attempt { message: "Währung 100% unknown".into(), ..attempt(ann, 30, Then::Dead) }).await.unwrap();
    let bob = claimed.into_iter().filter(|event| event.key == "key_bob").collect();
    store.give_back(bob).await.unwrap();
    store.discard(discarding(vec![2], "ada", "a test order"), at(31)).await.unwrap();
}

async fn the_list_is_filtered_by_all_that_a_filter_names(store: AnyStore) {
    of_two_people(&store).await;
    let text = |text: &str| Some(text.to_owned());
    let any = EventFilter { limit: 9, ..EventFilter::default() };
    for (filter, found) in [
        (any.clone(), "evt_ignored evt_bob evt_ann"),
        (EventFilter { trigger: text("invoice-paid"), ..any.clone() }, "evt_ann"),
        (EventFilter { since: Some(at(20)), ..any.clone() }, "evt_bob"),
        (EventFilter { until: Some(at(20)), ..any.clone() }, "evt_ignored evt_ann"),
        (EventFilter { customer: text("cus_ann"), ..any.clone() }, "evt_ignored evt_ann"),
        (EventFilter { customer: text("cus_ann"), state: text("dead"), ..any.clone() }, "evt_ann"),
        (EventFilter { customer: text("cus_ann"), state: text("ignored"), ..any.clone() }, "evt_ignored"),
        (EventFilter { user: text("u_ann"), ..any.clone() }, "evt_ignored evt_ann"),
        (EventFilter { user: text("o_bob"), ..any.clone() }, "evt_bob"),
        (EventFilter { user: text("s_bob"), state: text("discarded"), ..any.clone() }, "evt_bob"),
        (EventFilter { code: text("code_ann"), ..any.clone() }, "evt_ann"),
        (EventFilter { invoice: text("in_bob"), ..any.clone() }, "evt_bob"),
        (EventFilter { invoice: text("in_late"), ..any.clone() }, "evt_ignored"),
        (EventFilter { message: text("WÄHRUNG 100%"), ..any.clone() }, "evt_ann"),
        (EventFilter { message: text("währung 10_"), ..any.clone() }, ""),
        (EventFilter { reason: text("too_late"), ..any.clone() }, "evt_ignored"),
        (EventFilter { reason: text("email_missing"), ..any.clone() }, "evt_ann"),
        (EventFilter { reason: text("a test order"), ..any.clone() }, "evt_bob"),
        (EventFilter { provider: text("chargebee"), user: text("u_ann"), ..any.clone() }, ""),
    ] {
        let rows = store.list(filter.clone()).await.unwrap();
        let events: Vec<&str> = rows.iter().map(|row| row.event_id.as_str()).collect();
        assert_eq!(events.join(" "), found, "{filter:?}");
        let one = store.list(EventFilter { limit: 1, ..filter }).await.unwrap();
        assert_eq!(one.len(), rows.len().min(1), "the limit is that of what is wanted");
    }
}

async fn lives_come_page_by_page_in_order_of_arrival(store: AnyStore) {
    for (event_id, second) in [("evt_1", 5), ("evt_2", 6), ("evt_3", 7)] {
        store.receive(NewWebhook { received_at: at(second), ..webhook(event_id) }).await.unwrap();
    }
    waiting(&store, &["a/1"]).await;
    let page = async |after, since: Option<i64>, limit| {
        let lives = store.lives_after(after, since.map(at), limit).await.unwrap();
        lives.into_iter().map(|life| (life.webhook_id, life.event_id)).collect::<Vec<_>>()
    };
    let all = page(0, None, 9).await;
    assert_eq!(
        all.iter().map(|(_, event_id)| event_id.as_str()).collect::<Vec<_>>(),
        ["evt_1", "evt_2", "evt_3", "evt_a/1"]
    );
    assert_eq!(page(0, None, 2).await, all[..2]);
    assert_eq!(page(all[1].0, None, 2).await, all[2..]);
    assert_eq!(page(all[3].0, None, 2).await, []);
    assert_eq!(page(0, Some(6), 9).await, all[1..3], "and the last one arrived at second 1");
    let life = store.lives_after(all[2].0, None, 1).await.unwrap().remove(0);
    assert_eq!(life.referral_events[0].key, "a/1", "with all that came of it");
}
