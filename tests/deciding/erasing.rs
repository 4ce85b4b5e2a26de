//! What is kept of people who were not referred, and for how long.

use cello_relay::clock;
use cello_relay::relay::eraser::Eraser;
use cello_relay::store::{Receipt, WebhookState};
use cello_relay::trace::Source;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::Relay;
use crate::webhooks::stripe::*;
use crate::webhooks::{CODE, chargebee, referred};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const PAID: &str = "evt_invoice.paid_20";

async fn erase(relay: &Relay) -> usize {
    let settled_kept = DAY * 400;
    Eraser { store: relay.store.clone(), clock: clock::fixed(relay.now()), settled_kept }.erase().await.unwrap()
}

async fn is_erased(relay: &Relay, event_id: &str) -> bool {
    relay.store.life(event_id).await.unwrap()[0].body_erased_at.is_some()
}

fn created(metadata: Value) -> Value {
    event("customer.created", 0, customer(metadata))
}

fn paid() -> Value {
    event("invoice.paid", 20, old_invoice("in_1", 20, 1000))
}

#[tokio::test]
async fn bodies_of_a_customer_without_a_code_are_erased_when_no_code_can_come_any_more() {
    let relay = Relay::new();
    for webhook in [created(json!({ "new_user_id": "usr_1" })), paid(), refund(40, "in_1", 300, Some(0))] {
        relay.receive(&webhook).await;
    }
    relay.pass(DAY * 33);
    assert_eq!(erase(&relay).await, 0, "not a moment too soon");
    relay.pass(SignedDuration::from_secs(1));
    assert_eq!(erase(&relay).await, 3);
    assert_eq!(erase(&relay).await, 0);

    let life = relay.store.life(PAID).await.unwrap().remove(0);
    assert_eq!((life.state, life.body_erased_at), (WebhookState::Ignored, Some(relay.now())));
    assert_eq!(relay.reason(PAID).await, "not_referred");
    assert_eq!(relay.store_only(&paid()).await, Receipt::Duplicate);
    assert!(relay.store.counts().await.unwrap().add_up());
}

#[tokio::test]
async fn what_nobodys_referral_follows_from_is_erased_whatever_it_is() {
    let relay = Relay::new();
    let mut guest = old_invoice("in_2", 30, 1000);
    guest["customer"] = Value::Null;
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.x", "created": "2026-01-01T00:00:00Z",
        "livemode": false,
    });
    let webhooks = [
        event("customer.deleted", 50, json!({ "id": "cus_9", "object": "customer", "email": "gone@example.com" })),
        event("invoice.paid", 30, guest),
        event("payment_method.attached", 31, json!({ "id": "pm_1" })),
        event("invoice.payment_succeeded", 32, old_invoice("in_3", 30, 1000)),
        thin,
        chargebee::event("quote_created", 33, json!({ "customer": { "id": "cb_9", "email": "gone@example.com" } })),
    ];
    for webhook in &webhooks {
        relay.receive(webhook).await;
    }
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, webhooks.len());
}

#[tokio::test]
async fn subscriptions_of_strangers_that_have_not_started_are_erased() {
    let relay = Relay::new();
    let past_due = subscription("past_due", monthly("price_m", 1000), 1);
    relay.receive(&event("customer.subscription.created", 10, past_due)).await;
    assert_eq!(relay.reason("evt_customer.subscription.created_10").await, "not_started");
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, 1);
}

#[tokio::test]
async fn what_was_told_and_what_a_person_can_still_mend_is_kept() {
    let relay = Relay::new();
    // Told, and told before.
    relay.receive(&created(referred())).await;
    relay.receive(&paid()).await;
    relay.receive(&event("customer.updated", 30, customer(referred()))).await;
    // A code without a user id.
    let mut incomplete = customer(json!({ "cello_ucc": CODE }));
    incomplete["id"] = json!("cus_2");
    relay.receive(&event("customer.created", 40, incomplete)).await;
    relay.pass(DAY * 300);
    relay.settle().await;
    assert_eq!(erase(&relay).await, 0);
}

#[tokio::test]
async fn invoices_of_customers_nobody_has_ever_seen_are_erased_once_they_are_given_up() {
    let relay = Relay::new();
    relay.receive(&paid()).await;
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, 0, "what is held is never erased");
    relay.settle().await;
    assert_eq!(relay.reason(PAID).await, "hold_expired");
    assert_eq!(erase(&relay).await, 1);
}

#[tokio::test]
async fn a_code_that_comes_after_the_erasing_changes_nothing_and_breaks_nothing() {
    let relay = Relay::new();
    relay.receive(&created(json!({}))).await;
    relay.receive(&paid()).await;
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, 2);
    // By its own time the code is not too late: it was delivered late by far.
    relay.receive(&updated("customer.updated", 60, customer(referred()), json!({ "metadata": {} }))).await;
    relay.receive(&event("invoice.paid", 70, old_invoice("in_2", 70, 2000))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_2"]);
    assert_eq!(relay.reason(PAID).await, "not_referred");
}

#[tokio::test]
async fn a_late_code_may_itself_be_delivered_late() {
    let relay = Relay::new();
    relay.receive(&created(json!({}))).await;
    relay.receive(&paid()).await;
    relay.pass(DAY * 33);
    erase(&relay).await;
    // Set on the thirtieth day, and repeated by Stripe for three days more.
    let mut late = updated("customer.updated", 30 * 86_400, customer(referred()), json!({ "metadata": {} }));
    late["data"]["previous_attributes"] = json!({ "metadata": { "cello_ucc": null, "new_user_id": null } });
    relay.receive(&late).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn nothing_is_erased_while_webhooks_pile_up_undecided() {
    let relay = Relay::new();
    relay.receive(&created(json!({}))).await;
    relay.pass(DAY * 34);
    relay.store_only(&paid()).await;
    relay.pass(SignedDuration::from_mins(2));
    assert_eq!(erase(&relay).await, 0);
    while relay.decider.decide_all().await.unwrap() > 0 {}
    assert_eq!(erase(&relay).await, 1);
    assert!(is_erased(&relay, "evt_customer.created_0").await && !is_erased(&relay, PAID).await);
}

#[tokio::test]
async fn more_than_fits_in_one_step_is_erased_all_the_same() {
    let relay = Relay::new();
    for number in 0..600 {
        relay.store_only(&event("payment_method.attached", number, json!({ "id": "pm_1" }))).await;
    }
    while relay.decider.decide_all().await.unwrap() > 0 {}
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, 600);
}

#[tokio::test]
async fn the_loops_erase_by_themselves() {
    let relay = Relay::new();
    relay.receive(&created(json!({}))).await;
    relay.pass(DAY * 34);
    let loops = relay.start_loops(&crate::relay::config()).await;
    while !is_erased(&relay, "evt_customer.created_0").await {
        tokio::task::yield_now().await;
    }
    loops.stop().await;
}

#[tokio::test]
async fn of_a_deleted_customer_the_directory_keeps_no_name_and_no_address_whatever_came_first() {
    let deleted = event("customer.deleted", 50, json!({ "id": "cus_1", "object": "customer", "deleted": true }));
    let updated = event("customer.updated", 30, customer(referred()));
    for webhooks in [[&created(referred()), &updated, &deleted], [&deleted, &created(referred()), &updated]] {
        let relay = Relay::new();
        for webhook in webhooks {
            relay.receive(webhook).await;
        }
        let known = known(&relay).await;
        assert!(known.deleted);
        assert_eq!((known.email, known.name), (None, None));
        // What a refund that comes afterwards still needs: ids without a person.
        assert_eq!((known.ucc.as_deref(), known.user_id.as_deref()), (Some(CODE), Some("usr_1")));
    }
}

#[tokio::test]
async fn a_decision_for_a_deleted_customer_does_not_say_that_the_invoices_address_was_taken() {
    let relay = Relay::new();
    let mut frozen = paid();
    frozen["data"]["object"]["customer_email"] = json!("referred@example.com");
    let deleted = event("customer.deleted", 10, json!({ "id": "cus_1", "object": "customer", "deleted": true }));
    for webhook in [created(referred()), deleted, frozen] {
        relay.receive(&webhook).await;
    }
    let trace = relay.decision(PAID).await.trace.unwrap();
    let email = trace.values.iter().find(|value| value.name == "e-mail").unwrap();
    assert_eq!((email.value.as_deref(), email.told.source), (Some("not sent"), Source::Directory), "{email:?}");
}

#[tokio::test]
async fn of_a_customer_without_a_code_the_directory_keeps_the_id_and_times_alone() {
    let relay = Relay::new();
    let metadata = json!({ "new_user_id": "usr_1", "new_user_organization_id": "org_7" });
    relay.receive(&created(metadata)).await;
    let known = known(&relay).await;
    assert_eq!((known.ucc, known.user_id, known.organization_id), (None, None, None));
    assert_eq!((known.email, known.name, known.completed_at), (None, None, None));
}

async fn known(relay: &Relay) -> cello_relay::facts::KnownCustomer {
    let (answer, known) = tokio::sync::oneshot::channel();
    let scope = cello_relay::facts::Scope { provider: "stripe".to_owned(), account: String::new() };
    let ask = relay.store.transact(Box::new(move |ledger| {
        answer.send(ledger.customer(&scope, "cus_1")?).unwrap();
        Ok(())
    }));
    ask.await.unwrap();
    known.await.unwrap().unwrap()
}

#[tokio::test]
async fn of_a_stranger_a_subscription_that_changed_nothing_is_erased_too() {
    let relay = Relay::new();
    for (kind, second) in [("subscription_created", 0), ("subscription_changed", 20)] {
        let customer = chargebee::customer(second, json!({}));
        let content = json!({ "customer": customer, "subscription": chargebee::subscription(second, "active", 3) });
        relay.receive(&chargebee::event(kind, second, content)).await;
    }
    assert_eq!(relay.reason("ev_subscription_changed_20").await, "no_commercial_change");
    relay.pass(DAY * 34);
    assert_eq!(erase(&relay).await, 2);
}

#[tokio::test]
async fn a_refund_finds_its_purchase_though_nothing_but_its_key_is_kept() {
    let relay = Relay::new();
    relay.receive(&created(referred())).await;
    relay.receive(&paid()).await;
    assert_eq!(relay.told().await.len(), 2);
    relay.pass(DAY * 400 + SignedDuration::from_secs(21));
    assert_eq!(erase(&relay).await, 2);
    assert!(is_erased(&relay, PAID).await);
    for life in relay.store.life("usr_1").await.unwrap() {
        for event in life.referral_events {
            assert_eq!(event.body.pointer("/context/newUser/email"), None, "{}", event.body);
            assert_eq!(event.body.pointer("/context/newUser/id"), Some(&json!("usr_1")), "{}", event.body);
        }
    }
    assert_eq!(relay.store_only(&paid()).await, Receipt::Duplicate);
    relay.receive(&refund(40, "in_1", 300, Some(0))).await;
    let told = relay.told().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].at("/payload/price"), told[0].at("/context/subscription/invoiceId")),
        (json!(300), json!("in_1"))
    );
    assert!(relay.store.counts().await.unwrap().add_up());
}
