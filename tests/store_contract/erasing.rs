//! Bodies are erased, and nothing else.

use cello_relay::decision::Reason;
use cello_relay::facts::KnownCustomer;
use cello_relay::store::{
    Attempt, DecisionRecord, DecisionState, Erased, Erasing, EventState, NewReferralEvent, NewWebhook, Receipt,
    Settled, Then, Wanted, WebhookState,
};

use crate::given::{self, AnyStore, at, attempt, claim, decision, event, scope, stored, transact, try_one, webhook};
use crate::person::{discarding, person};

contract! {
    a_body_is_erased_and_everything_else_of_its_webhook_stays,
    only_what_arrived_before_is_erased,
    every_decision_of_a_webhook_must_have_a_reason_for_it,
    what_waits_or_was_told_or_could_not_be_read_is_never_erased,
    a_reason_of_strangers_counts_only_without_a_code,
    what_is_left_is_looked_at_once_in_each_round,
    of_what_is_settled_the_body_goes_and_what_was_told_stays_without_the_person,
    what_was_answered_about_a_person_loses_the_person_too,
    what_is_not_settled_keeps_its_body,
    a_discarded_event_is_settled_and_a_dead_one_is_not,
    what_was_confirmed_is_settled_and_a_body_that_was_replaced_loses_its_person_too,
    steps_over_what_is_settled_come_to_an_end,
}

/// With these reasons, up to and without `second`.
fn erasing(second: i64) -> Erasing {
    Erasing {
        before: at(second),
        after: None,
        limit: 9,
        reasons: vec![Reason::NotReferred, Reason::TooLate],
        reasons_of_strangers: vec![Reason::HoldExpired],
    }
}

/// Stores a webhook that was decided like this, each fact by its word and reason.
async fn ignored(store: &AnyStore, event_id: &str, facts: &'static [(&'static str, &'static str)]) -> i64 {
    let id = stored(store, event_id).await;
    transact(store, move |ledger| {
        for (fact, (kind, reason)) in facts.iter().enumerate() {
            ledger.put_decision(&DecisionRecord {
                fact,
                fact_kind: (*kind).into(),
                customer: Some("cus_1".into()),
                reason: Some((*reason).into()),
                mentions: vec![format!("in_{id}")],
                topic: Some("customer:stripe:cus_1".into()),
                ..decision(id, DecisionState::Ignore)
            })?;
        }
        ledger.settle_webhook(id, WebhookState::Ignored, None)
    })
    .await
    .unwrap();
    id
}

/// Whether the body is still there.
async fn has_body(store: &AnyStore, id: i64) -> bool {
    transact(store, move |ledger| Ok(ledger.webhook(id)?.is_some())).await.unwrap()
}

async fn a_body_is_erased_and_everything_else_of_its_webhook_stays(store: AnyStore) {
    let id = ignored(&store, "evt_1", &[("invoice-paid", "not_referred")]).await;
    let erased = store.erase_bodies(erasing(2), at(100)).await.unwrap();
    assert_eq!(erased, Erased { bodies: 1, last: Some((at(1), id)) });
    assert!(!has_body(&store, id).await);

    let life = store.life(&format!("in_{id}")).await.unwrap().remove(0);
    assert_eq!((life.event_id.as_str(), life.kind.as_str(), life.bytes), ("evt_1", "invoice.paid", 14));
    assert_eq!((life.state, life.body_erased_at), (WebhookState::Ignored, Some(at(100))));
    assert_eq!(life.decisions[0].reason.as_deref(), Some("not_referred"));
    assert_eq!(store.receive(webhook("evt_1")).await.unwrap(), Receipt::Duplicate, "it is still recognised");
    assert!(store.counts().await.unwrap().add_up());
    let waiting = transact(&store, |ledger| ledger.waiting_for("customer:stripe:cus_1")).await.unwrap();
    assert_eq!(waiting, [], "and cannot be decided again");
    assert_eq!(store.erase_bodies(erasing(2), at(200)).await.unwrap(), Erased { bodies: 0, last: None });
    assert_eq!(store.life("evt_1").await.unwrap()[0].body_erased_at, Some(at(100)));
}

async fn only_what_arrived_before_is_erased(store: AnyStore) {
    let id = ignored(&store, "evt_1", &[("invoice-paid", "not_referred")]).await;
    assert_eq!(store.erase_bodies(erasing(1), at(100)).await.unwrap(), Erased { bodies: 0, last: None });
    assert!(has_body(&store, id).await);
    assert_eq!(store.life("evt_1").await.unwrap()[0].body_erased_at, None);
}

async fn every_decision_of_a_webhook_must_have_a_reason_for_it(store: AnyStore) {
    const CASES: [(&[(&str, &str)], bool); 6] = [
        (&[("invoice-paid", "not_referred"), ("invoice-paid", "too_late")], true),
        (&[("invoice-paid", "not_referred"), ("invoice-paid", "user_id_missing")], false),
        (&[("invoice-paid", "no_rule_matched")], false),
        (&[("", "not_of_interest")], true),
        (&[("invoice-paid", "not_of_interest")], false),
        (&[], false),
    ];
    for (number, (facts, erased)) in CASES.into_iter().enumerate() {
        let id = ignored(&store, &format!("evt_{number}"), facts).await;
        store.erase_bodies(erasing(2), at(100)).await.unwrap();
        assert_eq!(has_body(&store, id).await, !erased, "{facts:?}");
    }
}

async fn what_waits_or_was_told_or_could_not_be_read_is_never_erased(store: AnyStore) {
    let undecided = stored(&store, "evt_undecided").await;
    let mut kept = vec![undecided];
    for (event_id, decided, state) in [
        ("evt_held", DecisionState::Hold, WebhookState::Held),
        ("evt_mapped", DecisionState::Send, WebhookState::Mapped),
        ("evt_unreadable", DecisionState::Ignore, WebhookState::Unreadable),
        // Against all rules: the decision still counts.
        ("evt_odd", DecisionState::Hold, WebhookState::Ignored),
    ] {
        let id = stored(&store, event_id).await;
        transact(&store, move |ledger| {
            let reason = Some("not_referred".into());
            ledger.put_decision(&DecisionRecord { reason, ..decision(id, decided) })?;
            if decided == DecisionState::Send {
                ledger.add_referral_event(&event(id, "user", "key"))?;
            }
            ledger.settle_webhook(id, state, None)
        })
        .await
        .unwrap();
        kept.push(id);
    }
    assert_eq!(store.erase_bodies(erasing(1000), at(1000)).await.unwrap().bodies, 0);
    for id in kept {
        assert!(has_body(&store, id).await, "{id}");
    }
}

async fn a_reason_of_strangers_counts_only_without_a_code(store: AnyStore) {
    let id = ignored(&store, "evt_1", &[("invoice-paid", "hold_expired")]).await;
    let known = |ucc: Option<&str>| KnownCustomer {
        id: "cus_1".into(),
        ucc: ucc.map(Into::into),
        version: 1,
        ..KnownCustomer::default()
    };
    let with_code = known(Some("AbC123dEf45"));
    transact(&store, move |ledger| ledger.put_customer(&scope(), &with_code)).await.unwrap();
    assert_eq!(store.erase_bodies(erasing(2), at(100)).await.unwrap().bodies, 0);
    assert!(has_body(&store, id).await);

    let without = known(None);
    transact(&store, move |ledger| ledger.put_customer(&scope(), &without)).await.unwrap();
    assert_eq!(store.erase_bodies(erasing(2), at(100)).await.unwrap().bodies, 1);

    let unseen = ignored(&store, "evt_2", &[("invoice-paid", "hold_expired")]).await;
    let nobody = KnownCustomer { id: "cus_1".into(), ..KnownCustomer::default() };
    transact(&store, move |ledger| ledger.put_customer(&scope(), &nobody)).await.unwrap();
    store.erase_bodies(erasing(2), at(100)).await.unwrap();
    assert!(!has_body(&store, unseen).await, "and so does nothing known at all");
}

async fn what_is_left_is_looked_at_once_in_each_round(store: AnyStore) {
    let mut ids = Vec::new();
    for (number, second) in [5, 3, 4, 4].into_iter().enumerate() {
        let event_id = format!("evt_{number}");
        store.receive(NewWebhook { received_at: at(second), ..webhook(&event_id) }).await.unwrap();
        let id = store.undecided(1).await.unwrap()[0].id;
        transact(&store, move |ledger| {
            let reason = if number == 3 { "not_referred" } else { "nothing_new" };
            ledger
                .put_decision(&DecisionRecord { reason: Some(reason.into()), ..decision(id, DecisionState::Ignore) })?;
            ledger.settle_webhook(id, WebhookState::Ignored, None)
        })
        .await
        .unwrap();
        ids.push(id);
    }
    let mut after = None;
    for (place, bodies) in [(1, 0), (2, 0), (3, 1), (0, 0)] {
        let one = Erasing { limit: 1, after, ..erasing(1000) };
        let erased = store.erase_bodies(one, at(1000)).await.unwrap();
        let second = [5, 3, 4, 4][place];
        assert_eq!(erased, Erased { bodies, last: Some((at(second), ids[place])) });
        after = erased.last;
    }
    let end = store.erase_bodies(Erasing { after, ..erasing(1000) }, at(1000)).await.unwrap();
    assert_eq!(end, Erased { bodies: 0, last: None });
}

fn settled(state: WebhookState, limit: usize) -> Settled {
    Settled { state, before: at(2), after: None, limit, without_person: given::without_ann }
}

/// Stores a webhook of which a referral event came, with a person in its body, and another fact that was ignored.
async fn mapped(store: &AnyStore, event_id: &'static str) -> i64 {
    let id = stored(store, event_id).await;
    transact(store, move |ledger| {
        ledger.put_decision(&decision(id, DecisionState::Send))?;
        let topic = Some(format!("payment:{event_id}"));
        ledger.put_decision(&DecisionRecord { fact: 1, topic, ..decision(id, DecisionState::Ignore) })?;
        let told = event(id, event_id, event_id);
        ledger.add_referral_event(&NewReferralEvent { body: r#"{"price":1,"email":"ann"}"#.into(), ..told })?;
        ledger.settle_webhook(id, WebhookState::Mapped, None)
    })
    .await
    .unwrap();
    id
}

async fn of_what_is_settled_the_body_goes_and_what_was_told_stays_without_the_person(store: AnyStore) {
    let id = mapped(&store, "evt_1").await;
    try_one(&store, 3, Then::Delivered).await;
    assert_eq!(store.erase_settled(settled(WebhookState::Ignored, 9), at(100)).await.unwrap().bodies, 0);
    let before = Settled { before: at(1), ..settled(WebhookState::Mapped, 9) };
    assert_eq!(store.erase_settled(before, at(100)).await.unwrap(), Erased { bodies: 0, last: None });
    let erased = store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap();
    assert_eq!(erased, Erased { bodies: 1, last: Some((at(1), id)) });
    assert!(!has_body(&store, id).await);

    let life = store.life("evt_1").await.unwrap().remove(0);
    assert_eq!((life.state, life.body_erased_at), (WebhookState::Mapped, Some(at(100))));
    assert_eq!(life.referral_events[0].body.to_string(), r#"{"price":1,"email":""}"#);
    assert_eq!(life.referral_events[0].attempts.len(), 1);
    assert_eq!(store.receive(webhook("evt_1")).await.unwrap(), Receipt::Duplicate, "it is still recognised");
    let again = transact(&store, |ledger| {
        assert_eq!(ledger.waiting_for("payment:evt_1")?, [], "and cannot be decided again");
        assert!(ledger.reported("evt_1")?.is_some(), "a refund finds it");
        ledger.add_referral_event(&event(1, "evt_1", "evt_1"))
    });
    assert!(!again.await.unwrap(), "and nothing is told of it twice");
    assert!(store.counts().await.unwrap().add_up());

    ignored(&store, "evt_2", &[("invoice-paid", "user_id_missing")]).await;
    assert_eq!(store.erase_settled(settled(WebhookState::Ignored, 9), at(100)).await.unwrap().bodies, 1);
}

async fn what_was_answered_about_a_person_loses_the_person_too(store: AnyStore) {
    mapped(&store, "evt_1").await;
    let claimed = claim(&store, 3).await.remove(0);
    let message = "ann is no address: Ann".to_owned();
    store.record(Attempt { message, ..attempt(&claimed, 3, Then::WaitUntil(at(4))) }).await.unwrap();
    try_one(&store, 4, Then::Delivered).await;
    assert_eq!(store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap().bodies, 1);
    let event = store.life("evt_1").await.unwrap().remove(0).referral_events.remove(0);
    let said: Vec<_> = event.attempts.iter().map(|attempt| attempt.message.as_str()).collect();
    assert_eq!(said, ["[erased] is no address: [erased]", "as it went"]);
}

async fn what_is_not_settled_keeps_its_body(store: AnyStore) {
    let undecided = stored(&store, "evt_undecided").await;
    let waiting = mapped(&store, "evt_waiting").await;
    for state in WebhookState::ALL {
        store.erase_settled(settled(state, 9), at(100)).await.unwrap();
    }
    assert!(has_body(&store, waiting).await, "it waits");
    let claimed = store.claim(at(3), at(60), Wanted::longest_due(1)).await.unwrap();
    store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap();
    assert!(has_body(&store, waiting).await, "it is being sent");
    store.give_back(claimed).await.unwrap();
    try_one(&store, 4, Then::Unsure).await;
    store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap();
    assert!(has_body(&store, waiting).await, "nobody knows whether Cello has it");

    let held = mapped(&store, "evt_held").await;
    try_one(&store, 5, Then::Delivered).await;
    let unreadable = stored(&store, "evt_unreadable").await;
    transact(&store, move |ledger| {
        ledger.put_decision(&DecisionRecord { fact: 2, ..decision(held, DecisionState::Hold) })?;
        ledger.settle_webhook(unreadable, WebhookState::Unreadable, None)
    })
    .await
    .unwrap();
    for state in WebhookState::ALL {
        store.erase_settled(settled(state, 9), at(100)).await.unwrap();
    }
    for id in [undecided, waiting, held, unreadable] {
        assert!(has_body(&store, id).await, "{id}");
    }
}

async fn a_discarded_event_is_settled_and_a_dead_one_is_not(store: AnyStore) {
    let id = mapped(&store, "evt_1").await;
    let dead = try_one(&store, 3, Then::Dead).await;
    assert_eq!(store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap().bodies, 0);
    store.discard(discarding(vec![dead.id], "bob", "old"), at(4)).await.unwrap();
    assert_eq!(store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap().bodies, 1);
    assert!(!has_body(&store, id).await);
    assert_eq!(store.life("evt_1").await.unwrap()[0].referral_events[0].state, EventState::Discarded);
}

async fn what_was_confirmed_is_settled_and_a_body_that_was_replaced_loses_its_person_too(store: AnyStore) {
    let id = mapped(&store, "evt_1").await;
    let dead = try_one(&store, 3, Then::Dead).await;
    let new = NewReferralEvent { body: r#"{"price":2}"#.into(), ..event(id, "evt_1", "evt_1") };
    transact(&store, move |ledger| ledger.replace_referral_event(dead.id, &new, "bob", at(4))).await.unwrap();
    let claimed = claim(&store, 5).await.remove(0);
    let message = "ann is no address".to_owned();
    store.record(Attempt { message, ..attempt(&claimed, 5, Then::Unsure) }).await.unwrap();
    assert_eq!(store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap().bodies, 0);
    store.confirm(vec![dead.id], person("bob", "there"), at(6)).await.unwrap();
    assert_eq!(store.erase_settled(settled(WebhookState::Mapped, 9), at(100)).await.unwrap().bodies, 1);

    let event = store.life("evt_1").await.unwrap().remove(0).referral_events.remove(0);
    assert_eq!(event.state, EventState::Confirmed);
    assert_eq!(event.former_bodies[0].body.to_string(), r#"{"price":1,"email":""}"#);
    assert_eq!(event.attempts[1].message, "[erased] is no address");
}

async fn steps_over_what_is_settled_come_to_an_end(store: AnyStore) {
    for (event_id, then) in [("evt_1", Then::Dead), ("evt_2", Then::Delivered), ("evt_3", Then::Delivered)] {
        mapped(&store, event_id).await;
        try_one(&store, 3, then).await;
    }
    let (mut after, mut bodies) = (None, Vec::new());
    loop {
        let step = Settled { after, ..settled(WebhookState::Mapped, 1) };
        let erased = store.erase_settled(step, at(100)).await.unwrap();
        bodies.push(erased.bodies);
        let Some(last) = erased.last else { break };
        after = Some(last);
    }
    assert_eq!(bodies, [0, 1, 1, 0]);
}
