//! Going through the past page by page, and asking the directory.

use cello_relay::decision::{Reason, Warning, WarningCode};
use cello_relay::facts::{KnownCustomer, Plan, Scope};
use cello_relay::store::{
    About, DecisionRecord, DecisionState, EventState, Known, PastDecision, Then, WebhookState, known_tables,
};
use jiff::Timestamp;
use serde_json::json;

use crate::given::{AnyStore, at, decision, event, link, scope, stored, transact, try_one};

contract! {
    what_is_known_is_read_row_by_row_in_the_order_of_its_key,
    webhooks_come_page_by_page_in_order_of_arrival_with_body_and_decisions,
    referral_events_come_page_by_page_in_the_byte_order_of_their_keys,
    the_directory_tells_what_it_knows_and_leaves_out_the_rest,
    customers_are_found_by_every_name_they_have,
    what_was_said_of_codes_is_found_whatever_else_is_said_beside_it,
}

async fn webhooks_come_page_by_page_in_order_of_arrival_with_body_and_decisions(store: AnyStore) {
    assert!(store.webhooks_after(0, 9).await.unwrap().is_empty());
    let ids = [stored(&store, "evt_3").await, stored(&store, "evt_1").await, stored(&store, "evt_2").await];
    transact(&store, move |ledger| {
        ledger.put_decision(&DecisionRecord { fact: 1000, ..decision(ids[1], DecisionState::Send) })?;
        ledger.put_decision(&DecisionRecord { decided_at: at(9), ..decision(ids[1], DecisionState::Hold) })?;
        ledger.settle_webhook(ids[1], WebhookState::Held, None)
    })
    .await
    .unwrap();

    let first = store.webhooks_after(0, 2).await.unwrap();
    let second = store.webhooks_after(first[1].id, 2).await.unwrap();

    assert_eq!(first.iter().chain(&second).map(|past| past.id).collect::<Vec<_>>(), ids);
    assert!(store.webhooks_after(ids[2], 2).await.unwrap().is_empty());
    assert_eq!(first.iter().map(|past| past.state).collect::<Vec<_>>(), [WebhookState::Undecided, WebhookState::Held]);
    let webhook = first[0].webhook.as_ref().unwrap();
    assert_eq!((webhook.event_id.as_str(), webhook.body.as_slice()), ("evt_3", br#"{"id":"evt_3"}"#.as_slice()));
    assert_eq!((webhook.scope.clone(), webhook.at, webhook.received_at), (scope(), at(0), at(1)));
    assert_eq!((webhook.kind.as_str(), webhook.mode), ("invoice.paid", None));
    assert_eq!(first[0].decisions, []);
    assert_eq!(
        first[1].decisions,
        [
            PastDecision { fact: 0, state: DecisionState::Hold, decided_at: at(9) },
            PastDecision { fact: 1000, state: DecisionState::Send, decided_at: at(2) },
        ]
    );
    assert_eq!(second[0].decisions, []);
}

async fn referral_events_come_page_by_page_in_the_byte_order_of_their_keys(store: AnyStore) {
    let id = stored(&store, "evt_1").await;
    transact(&store, move |ledger| {
        for key in ["b", "a", "B", "ä"] {
            ledger.add_referral_event(&event(id, "user", key))?;
        }
        Ok(())
    })
    .await
    .unwrap();
    try_one(&store, 2, Then::Dead).await;

    let first = store.referral_events_after("", 3).await.unwrap();
    let second = store.referral_events_after("b", 3).await.unwrap();

    let keys: Vec<&str> = first.iter().chain(&second).map(|event| event.key.as_str()).collect();
    assert_eq!(keys, ["B", "a", "b", "ä"]);
    let dead = &first[2];
    assert_eq!((dead.id, dead.webhook_id, dead.state), (1, id, EventState::Dead));
    assert_eq!((dead.at, dead.created_at, dead.trigger.as_str()), (at(0), at(2), "invoice-paid"));
    assert_eq!(dead.body, json!({ "key": "b" }));
    assert_eq!(first[0].state, EventState::Waiting);
}

fn customer(id: &str, user: &str) -> KnownCustomer {
    KnownCustomer {
        id: id.into(),
        user_id: Some(user.into()),
        organization_id: Some("org".into()),
        version: 7,
        ..KnownCustomer::default()
    }
}

async fn the_directory_tells_what_it_knows_and_leaves_out_the_rest(store: AnyStore) {
    let plan = Plan { price_id: Some("price_1".into()), ..Plan::default() };
    let kept = plan.clone();
    transact(&store, move |ledger| {
        ledger.put_customer(&scope(), &customer("cus_1", "user"))?;
        ledger.put_price(&scope(), &kept)?;
        ledger.put_link(&scope(), &link("pi_2", "in_1", None))?;
        ledger.put_link(&scope(), &link("pi_1", "in_1", Some(5)))
    })
    .await
    .unwrap();
    let about = About {
        customer: Some("cus_1".into()),
        subscription: Some("sub_1".into()),
        prices: vec!["price_2".into(), "price_1".into()],
        payments: vec!["ch_1".into(), "pi_1".into()],
        invoice: None,
    };

    let known = store.known(scope(), about.clone()).await.unwrap();

    assert_eq!(
        known,
        Known {
            customer: Some(customer("cus_1", "user")),
            subscription: None,
            prices: vec![plan],
            links: vec![link("pi_1", "in_1", Some(5))],
        }
    );
    let of_invoice = About { invoice: Some("in_1".into()), ..About::default() };
    let links = store.known(scope(), of_invoice).await.unwrap().links;
    assert_eq!(links, [link("pi_1", "in_1", Some(5)), link("pi_2", "in_1", None)]);
    let elsewhere = Scope { account: "acct_1".into(), ..scope() };
    assert_eq!(store.known(elsewhere, about).await.unwrap(), Known::default());
    assert_eq!(store.known(scope(), About::default()).await.unwrap(), Known::default());
}

async fn customers_are_found_by_every_name_they_have(store: AnyStore) {
    let account = Scope { account: "acct_1".into(), ..scope() };
    let other = account.clone();
    transact(&store, move |ledger| {
        ledger.put_customer(&other, &customer("cus_1", "user_1"))?;
        ledger.put_customer(&scope(), &customer("cus_1", "user_2"))?;
        ledger.put_customer(&scope(), &customer("cus_2", "user_2"))
    })
    .await
    .unwrap();
    for (name, found) in [
        ("cus_1", vec![("", "cus_1"), ("acct_1", "cus_1")]),
        ("user_2", vec![("", "cus_1"), ("", "cus_2")]),
        ("org", vec![("", "cus_1"), ("", "cus_2"), ("acct_1", "cus_1")]),
        ("", vec![]),
        ("cus", vec![]),
    ] {
        let customers = store.customers(name).await.unwrap();
        let names: Vec<_> =
            customers.iter().map(|known| (known.scope.account.as_str(), known.customer.id.as_str())).collect();
        assert_eq!(names, found, "{name}");
    }
    assert_eq!(store.customers("user_1").await.unwrap()[0].customer, customer("cus_1", "user_1"));
}

async fn what_is_known_is_read_row_by_row_in_the_order_of_its_key(store: AnyStore) {
    transact(&store, |ledger| {
        // As numbers and not as texts.
        for (from, to) in [(900, 1000), (0, 900), (1000, 20_000)] {
            ledger.put_refunded(&scope(), "ch_1", from, to)?;
        }
        ledger.put_customer(&scope(), &KnownCustomer { id: "cus\0_1".into(), deleted: true, ..Default::default() })?;
        let created_at = Some(Timestamp::MAX);
        ledger.put_customer(&scope(), &KnownCustomer { id: "cus_2".into(), created_at, ..Default::default() })
    })
    .await
    .unwrap();

    let mut found = Vec::new();
    for table in known_tables() {
        let mut after = Vec::new();
        while let Some(row) = store.known_rows(table, after, 1).await.unwrap().pop() {
            let row_as_json = table.as_json(&row).unwrap();
            found.push(["id", "deleted", "from_total"].map(|name| row_as_json.get(name).cloned().unwrap_or_default()));
            after = table.key_of(&row);
        }
    }

    assert_eq!(
        json!(found),
        json!([
            ["cus\0_1", true, null],
            ["cus_2", false, null],
            [null, null, 0],
            [null, null, 900],
            [null, null, 1000],
        ])
    );
}

async fn what_was_said_of_codes_is_found_whatever_else_is_said_beside_it(store: AnyStore) {
    let webhook = stored(&store, "evt_1").await;
    let warning = |code, message: &str| Warning::new(code, message);
    let decisions = [
        (DecisionState::Send, None, vec![warning(WarningCode::CodeMalformed, "`a\0b` is no code")]),
        (
            DecisionState::Send,
            None,
            vec![warning(WarningCode::CodeChanged, "`a\0b`"), warning(WarningCode::CodeUnknown, "a typing error")],
        ),
        (DecisionState::Send, None, vec![warning(WarningCode::CodeChanged, r#"{"code":"code_unknown"}"#)]),
        (DecisionState::Ignore, Some(Reason::CodeBlocked), vec![]),
        (
            DecisionState::Ignore,
            Some(Reason::NotReferred),
            vec![warning(WarningCode::CodeUnknown, "of another object")],
        ),
    ];
    transact(&store, move |ledger| {
        for (fact, (state, reason, warnings)) in decisions.into_iter().enumerate() {
            let reason = reason.map(|reason| reason.as_str().to_owned());
            let key = Some(format!("key/{fact}"));
            ledger.put_decision(&DecisionRecord { fact, key, reason, warnings, ..decision(webhook, state) })?;
        }
        Ok(())
    })
    .await
    .unwrap();

    let said = store.said_of_codes(vec![Reason::CodeUnknown, Reason::CodeBlocked]).await.unwrap();

    let faults = [("key/1".to_owned(), Reason::CodeUnknown), ("key/3".to_owned(), Reason::CodeBlocked)];
    assert_eq!(said.faults.into_iter().collect::<Vec<_>>(), faults);
}
