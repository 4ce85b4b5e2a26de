//! What Cello refused is decided again by other rules or settings, on both stores: what it added to running totals is
//! replaced and never doubled, and what depends on it goes after it whatever a person does.

use std::sync::Arc;

use cello_relay::config::{Config, EmailPolicy};
use cello_relay::providers;
use cello_relay::relay::decide::Remade;
use cello_relay::relay::policy::Policy;
use cello_relay::relay::remaking::{Remaker, decide_what_was_discarded};
use cello_relay::rules::Rules;
use cello_relay::store::{Attempt, EventState, Sqlite, Store, Then, Wanted};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::person::{discarding, person};
use crate::postgres::{self, database, name, server};
use crate::relay::{Relay, Told, config};
use crate::webhooks::referred;
use crate::webhooks::stripe::*;

const PURCHASE: &str = "purchase:stripe:in_1";

fn customer_created() -> Value {
    event("customer.created", 0, customer(referred()))
}

fn invoice_paid() -> Value {
    event("invoice.paid", 40, basil_invoice("in_1", 40, 9900, 365))
}

fn linked() -> Value {
    event("invoice_payment.paid", 50, paid_by("in_1", "pi_1"))
}

/// In all so much of the payment was refunded, `before` of it earlier.
fn refunded(second: i64, before: i64, total: i64) -> Value {
    let charge = json!({
        "id": "ch_1", "object": "charge", "customer": "cus_1", "currency": "eur", "payment_intent": "pi_1",
        "amount": 9900, "amount_captured": 9900, "amount_refunded": total,
    });
    updated("charge.refunded", second, charge, json!({ "amount_refunded": before }))
}

/// On a store in memory, and on a server with its address.
fn relays() -> Vec<(Relay, Option<String>)> {
    let url = database();
    let on =
        |store: Arc<dyn Store>| Relay::on(store, &config(), providers::enabled(&config()), Rules::shipped().unwrap());
    let server = Arc::new(postgres::open(&url).unwrap());
    vec![(on(Arc::new(Sqlite::in_memory().unwrap())), None), (on(server), Some(url))]
}

/// By these settings, with the shipped rules, in the name of a person.
fn remaker(relay: &Relay, config: &Config) -> Remaker {
    Remaker {
        store: relay.store.clone(),
        policy: Arc::new(Policy::new(config, providers::enabled(config), Rules::shipped().unwrap())),
        by: "ada".into(),
        is_not_there: false,
        now: relay.now(),
    }
}

/// Settings by which every body with an address would be another.
fn without_addresses() -> Config {
    let mut config = config();
    config.privacy.email = EmailPolicy::Omit;
    config
}

/// By rules that report less of a purchase, and none of a small one.
fn cheaper() -> Arc<Policy> {
    let rules =
        Rules::shipped().unwrap().source().replace("= \"invoice.amount_paid\"", "= \"invoice.amount_paid - 1\"");
    let rules =
        Rules::load(&rules.replace("invoice.amount_paid > 0", "invoice.amount_paid > 5000"), "own.toml").unwrap();
    Arc::new(Policy::new(&config(), providers::enabled(&config()), rules))
}

/// Sends whatever can be sent to a Cello that refuses what has one of these keys; returns what it took.
async fn sent(relay: &Relay, refused: &[&str]) -> Vec<Told> {
    let mut taken = Vec::new();
    loop {
        let now = relay.now();
        let lease_until = now + SignedDuration::from_mins(1);
        let claimed = relay.store.claim(now, lease_until, Wanted::longest_due(9)).await.unwrap();
        assert!(relay.store.counts().await.unwrap().add_up());
        if claimed.is_empty() {
            return taken;
        }
        for event in claimed {
            let is_refused = refused.contains(&event.key.as_str());
            let attempt = Attempt {
                event_id: event.id,
                lease: event.lease,
                started_at: now,
                duration_ms: 1,
                outcome: if is_refused { "rejected" } else { "delivered" },
                status: Some(if is_refused { 400 } else { 200 }),
                message: "currency not allowed".into(),
                request_id: None,
                then: if is_refused { Then::Dead } else { Then::Delivered },
                counts: true,
            };
            relay.store.record(attempt).await.unwrap();
            if !is_refused {
                taken.push(Told { key: event.key, body: event.body });
            }
        }
    }
}

fn keys(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.key.as_str()).collect()
}

async fn number(relay: &Relay, key: &str) -> i64 {
    let events = relay.store.referral_events_after("", 99).await.unwrap();
    events.iter().find(|event| event.key == key).unwrap_or_else(|| panic!("{key} in {events:?}")).id
}

async fn tried(relay: &Relay, config: &Config, key: &str) -> Result<Box<Remade>, String> {
    remaker(relay, config).try_out(number(relay, key).await).await.unwrap()
}

async fn remade(relay: &Relay, config: &Config, key: &str) {
    let shown = tried(relay, config, key).await.unwrap();
    assert_eq!(remaker(relay, config).apply(&shown).await.unwrap(), Ok(()));
}

async fn receive(relay: &Relay, webhooks: &[Value]) {
    for webhook in webhooks {
        relay.receive(webhook).await;
    }
}

#[tokio::test]
async fn a_purchase_goes_before_its_refund_whatever_a_person_does_about_it() {
    for command in ["retry", "confirm", "remake", "discard"] {
        for (relay, _) in relays() {
            receive(&relay, &[customer_created(), linked(), invoice_paid(), refunded(60, 0, 4000)]).await;
            assert_eq!(keys(&sent(&relay, &[PURCHASE]).await), ["signup:usr_1"], "{command}");
            let purchase = number(&relay, PURCHASE).await;
            let refund = relay.store.open_refunds(purchase).await.unwrap();
            assert_eq!((relay.store.blocked().await.unwrap().events, refund.len()), (1, 1), "{command}");
            let refund_key = "refund:stripe:ch_1:4000";
            let wanted: &[&str] = match command {
                "retry" => {
                    relay.store.retry(vec![purchase], relay.now(), std::time::Duration::ZERO).await.unwrap();
                    &[PURCHASE, refund_key]
                }
                "confirm" => {
                    relay.store.confirm(vec![purchase], person("ada", "there"), relay.now()).await.unwrap();
                    &[refund_key]
                }
                "remake" => {
                    remade(&relay, &without_addresses(), PURCHASE).await;
                    &[PURCHASE, refund_key]
                }
                _ => {
                    let mut discarding = discarding(vec![purchase], "ada", "a test");
                    discarding.with = refund;
                    assert_eq!(relay.store.discard(discarding, relay.now()).await.unwrap().len(), 2);
                    &[]
                }
            };
            assert_eq!(keys(&sent(&relay, &[]).await), wanted, "{command}");
            receive(&relay, &[refunded(70, 4000, 9900)]).await;
            let later = sent(&relay, &[]).await;
            let prices: Vec<Value> = later.iter().map(|told| told.at("/payload/price")).collect();
            let expected: &[i64] = if command == "discard" { &[] } else { &[5900] };
            assert_eq!(prices, expected, "{command}");
        }
    }
}

#[tokio::test]
async fn what_a_remade_refund_adds_takes_the_place_of_what_it_added_before() {
    for (relay, url) in relays() {
        receive(&relay, &[customer_created(), linked(), invoice_paid(), refunded(60, 0, 4000)]).await;
        let refund = "refund:stripe:ch_1:4000";
        sent(&relay, &[refund]).await;
        if let Some(url) = url {
            // As one that an earlier version decided.
            server().sql(name(&url), "UPDATE referral_event SET contribution = NULL");
        }
        let shown = tried(&relay, &without_addresses(), refund).await.unwrap();
        assert_eq!((shown.before.price, shown.now.price), (Some(4000), Some(4000)));
        assert!(!shown.now.body.contains("@") && shown.before.body.contains("@"));
        for _ in 0..2 {
            remade(&relay, &without_addresses(), refund).await;
            sent(&relay, &[refund]).await;
            remade(&relay, &config(), refund).await;
            sent(&relay, &[refund]).await;
        }
        remade(&relay, &without_addresses(), refund).await;
        assert_eq!(sent(&relay, &[]).await[0].at("/payload/price"), 4000);
        receive(&relay, &[refunded(70, 4000, 9900)]).await;
        assert_eq!(sent(&relay, &[]).await[0].at("/payload/price"), 5900);
        assert_eq!(relay.warnings("evt_charge.refunded_70").await, [""; 0], "as much went back as was paid");
    }
}

#[tokio::test]
async fn a_payment_that_a_remade_sale_reports_is_reported_once_and_keeps_what_was_given_back() {
    for (relay, _) in relays() {
        let completed = event("checkout.session.completed", 30, session("pi_1", "paid", 9900));
        receive(&relay, &[customer_created(), completed, refunded(60, 0, 4000)]).await;
        let sale = "purchase:stripe:pi_1";
        sent(&relay, &[sale]).await;
        remade(&relay, &without_addresses(), sale).await;
        let told = sent(&relay, &[]).await;
        assert_eq!(keys(&told), [sale, "refund:stripe:ch_1:4000"]);
        assert_eq!(told[0].at("/payload/price"), 9900);

        receive(&relay, &[linked(), invoice_paid(), refunded(70, 4000, 9900)]).await;
        let told = sent(&relay, &[]).await;
        assert_eq!(keys(&told), ["refund:stripe:ch_1:9900"], "the invoice's money is in the report of the sale");
        assert_eq!(relay.warnings("evt_charge.refunded_70").await, [""; 0]);
    }
}

#[tokio::test]
async fn a_signup_is_remade_whether_a_webhook_announced_it_or_a_purchase_brought_it_along() {
    for (relay, _) in relays() {
        receive(&relay, &[customer_created()]).await;
        sent(&relay, &["signup:usr_1"]).await;
        remade(&relay, &without_addresses(), "signup:usr_1").await;
        assert_eq!(keys(&sent(&relay, &[]).await), ["signup:usr_1"]);
    }
    for (relay, _) in relays() {
        // Of which no webhook of its own tells.
        let updated = event("customer.updated", 0, customer(referred()));
        receive(&relay, &[updated, invoice_paid()]).await;
        sent(&relay, &["signup:usr_1"]).await;
        assert_eq!(relay.store.blocked().await.unwrap().events, 1);
        remade(&relay, &without_addresses(), "signup:usr_1").await;
        assert_eq!(keys(&sent(&relay, &[]).await), ["signup:usr_1", PURCHASE]);
    }
}

#[tokio::test]
async fn what_would_be_for_another_organization_is_not_remade() {
    for (relay, _) in relays() {
        let mut metadata = referred();
        metadata["new_user_organization_id"] = json!("org_7");
        receive(&relay, &[event("customer.created", 0, customer(metadata)), invoice_paid()]).await;
        sent(&relay, &[PURCHASE]).await;
        let mut organizations = config();
        organizations.metadata.organization_mode = true;
        let why = tried(&relay, &organizations, PURCHASE).await.unwrap_err();
        assert!(why.starts_with("it would be for another user or organization now, `org_7`; `discard` it"), "{why}");
        let same = tried(&relay, &config(), PURCHASE).await.unwrap_err();
        assert!(same.starts_with("today's rules and settings make the same of it"), "{same}");
    }
}

#[tokio::test]
async fn two_people_at_once_make_one_change_and_only_what_was_shown_is_done() {
    for (relay, _) in relays() {
        receive(&relay, &[customer_created(), invoice_paid()]).await;
        sent(&relay, &[PURCHASE]).await;
        let (one, two) = (remaker(&relay, &without_addresses()), remaker(&relay, &without_addresses()));
        let shown = tried(&relay, &without_addresses(), PURCHASE).await.unwrap();
        let (first, second) = tokio::join!(one.apply(&shown), two.apply(&shown));
        let done = [first.unwrap(), second.unwrap()];
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        sent(&relay, &[PURCHASE]).await;
        // A third one has other rules.
        let third = Remaker { policy: cheaper(), ..remaker(&relay, &config()) };
        let shown_then = tried(&relay, &config(), PURCHASE).await.unwrap();
        let cheap = third.try_out(shown.before.id).await.unwrap().unwrap();
        assert_eq!(third.apply(&cheap).await.unwrap(), Ok(()));
        sent(&relay, &[PURCHASE]).await;
        let late = remaker(&relay, &config()).apply(&shown_then).await.unwrap();
        assert_eq!(late.unwrap_err(), "it changed meanwhile; look at it again");
        let life = relay.store.life(PURCHASE).await.unwrap().remove(0);
        let event = life.referral_events.iter().find(|event| event.key == PURCHASE).unwrap();
        assert_eq!((event.state, event.former_bodies.len()), (EventState::Dead, 2));
    }
}

#[tokio::test]
async fn what_was_discarded_and_is_decided_again_counts_once() {
    for (relay, _) in relays() {
        receive(&relay, &[customer_created(), linked(), invoice_paid(), refunded(60, 0, 4000)]).await;
        sent(&relay, &[PURCHASE]).await;
        let (purchase, refund) = (number(&relay, PURCHASE).await, "refund:stripe:ch_1:4000");
        let refund_id = number(&relay, refund).await;
        let mut both = discarding(vec![purchase], "ada", "wrong price");
        both.with = vec![refund_id];
        relay.store.discard(both, relay.now()).await.unwrap();
        receive(&relay, &[refunded(70, 4000, 9900)]).await;
        assert_eq!(relay.reason("evt_charge.refunded_70").await, "purchase_not_reported");

        let policy = Arc::new(Policy::new(&config(), providers::enabled(&config()), Rules::shipped().unwrap()));
        let again = |id| decide_what_was_discarded(&relay.store, &policy, id, false, relay.now());
        again(purchase).await.unwrap().unwrap();
        assert_eq!(again(purchase).await.unwrap().unwrap_err(), "it is not discarded, or was decided again since");
        again(refund_id).await.unwrap().unwrap();
        let told = sent(&relay, &[]).await;
        let sent: Vec<_> = told.iter().map(|told| (told.key.as_str(), told.at("/payload/price"))).collect();
        let expected = [(PURCHASE, json!(9900)), ("refund:stripe:ch_1:9900", json!(5900)), (refund, json!(4000))];
        assert_eq!(sent, expected, "what waited for the purchase goes on with it");
        assert!(relay.warnings("evt_charge.refunded_70").await.is_empty());
        receive(&relay, &[refunded(80, 9900, 10_000)]).await;
        assert_eq!(relay.warnings("evt_charge.refunded_80").await, ["refund_over_purchase"], "all of it is given back");
    }
}

#[tokio::test]
async fn a_discarded_signup_that_a_purchase_brought_along_can_be_decided_again() {
    for (relay, _) in relays() {
        let updated = event("customer.updated", 0, customer(referred()));
        receive(&relay, &[updated, invoice_paid()]).await;
        sent(&relay, &["signup:usr_1"]).await;
        let signup = number(&relay, "signup:usr_1").await;
        relay.store.discard(discarding(vec![signup], "ada", "a test"), relay.now()).await.unwrap();
        assert_eq!(keys(&sent(&relay, &[]).await), [PURCHASE]);
        let policy = Arc::new(Policy::new(&config(), providers::enabled(&config()), Rules::shipped().unwrap()));
        let tried = decide_what_was_discarded(&relay.store, &policy, signup, true, relay.now()).await.unwrap();
        assert_eq!((tried.unwrap().decisions.len(), sent(&relay, &[]).await.len()), (1, 0), "it was only tried");
        decide_what_was_discarded(&relay.store, &policy, signup, false, relay.now()).await.unwrap().unwrap();
        assert_eq!(keys(&sent(&relay, &[]).await), ["signup:usr_1"]);
    }
}

#[tokio::test]
async fn the_start_of_a_subscription_that_became_active_later_is_remade() {
    for (relay, _) in relays() {
        let at = |kind, second, status| event(kind, second, subscription(status, monthly("price_1", 1900), 1));
        let active = updated(
            "customer.subscription.updated",
            20,
            subscription("active", monthly("price_1", 1900), 1),
            json!({ "status": "past_due" }),
        );
        receive(&relay, &[customer_created(), at("customer.subscription.created", 10, "past_due"), active]).await;
        let key = "subscription-created:stripe:sub_1";
        sent(&relay, &[key]).await;
        remade(&relay, &without_addresses(), key).await;
        assert_eq!(keys(&sent(&relay, &[]).await), [key]);
    }
}

#[tokio::test]
async fn what_is_ignored_when_it_is_decided_again_reports_no_payment_any_more() {
    for (relay, _) in relays() {
        let completed = event("checkout.session.completed", 30, session("pi_1", "paid", 4900));
        receive(&relay, &[customer_created(), completed]).await;
        let sale = "purchase:stripe:pi_1";
        sent(&relay, &[sale]).await;
        let id = number(&relay, sale).await;
        relay.store.discard(discarding(vec![id], "ada", "too small"), relay.now()).await.unwrap();
        decide_what_was_discarded(&relay.store, &cheaper(), id, false, relay.now()).await.unwrap().unwrap();
        assert_eq!(relay.reason("evt_checkout.session.completed_30").await, "no_rule_matched");

        let invoice = event("invoice.paid", 40, basil_invoice("in_1", 40, 4900, 365));
        receive(&relay, &[linked(), invoice]).await;
        let told = sent(&relay, &[]).await;
        assert_eq!((keys(&told), told[0].at("/payload/price")), (vec![PURCHASE], json!(4900)));
    }
}

#[tokio::test]
async fn a_signup_is_remade_although_an_older_webhook_has_shown_its_code_since() {
    for (relay, _) in relays() {
        let updated = |second| event("customer.updated", second, customer(referred()));
        receive(&relay, &[event("customer.created", 0, customer(json!({}))), updated(50)]).await;
        sent(&relay, &["signup:usr_1"]).await;
        receive(&relay, &[updated(30)]).await;
        remade(&relay, &without_addresses(), "signup:usr_1").await;
        assert_eq!(keys(&sent(&relay, &[]).await), ["signup:usr_1"]);
    }
}

#[tokio::test]
async fn a_change_of_a_subscription_that_is_remade_is_reported_once() {
    for (relay, _) in relays() {
        let started = event("customer.subscription.created", 10, subscription("active", monthly("price_1", 1900), 1));
        receive(&relay, &[customer_created(), started]).await;
        let key = "subscription-created:stripe:sub_1";
        sent(&relay, &[key]).await;
        remade(&relay, &without_addresses(), key).await;
        assert_eq!(keys(&sent(&relay, &[]).await), [key]);
        let dearer = subscription("active", monthly("price_2", 2900), 1);
        let former =
            json!({ "items": { "data": [{ "id": "si_1", "price": monthly("price_1", 1900), "quantity": 1 }] } });
        receive(&relay, &[updated("customer.subscription.updated", 15, dearer, former)]).await;
        let key = "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_15";
        sent(&relay, &[key]).await;
        remade(&relay, &without_addresses(), key).await;
        assert_eq!(keys(&sent(&relay, &[]).await), [key]);
        let same = event("customer.subscription.updated", 20, subscription("active", monthly("price_2", 2900), 1));
        receive(&relay, &[same]).await;
        assert_eq!(keys(&sent(&relay, &[]).await), [""; 0]);
    }
}
