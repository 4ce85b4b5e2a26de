//! What settings and rules do to a decision: rules of one's own, triggers turned off, words for plans, privacy,
//! organizations, modes, and rules that fail while running.

mod failing_rules;
mod organizations;
mod own_rules;

use std::collections::BTreeMap;

use cello_relay::config::{Config, EmailPolicy, Environment, PlanWords};
use cello_relay::interval::Interval;
use cello_relay::providers;
use cello_relay::rules::Rules;
use cello_relay::store::WebhookState;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::{Relay, Told, config};
use crate::webhooks::{chargebee, referred, stripe};

fn signed_up() -> Value {
    stripe::event("customer.created", 0, stripe::customer(referred()))
}

fn paid(invoice: Value) -> Value {
    stripe::event("invoice.paid", 20, invoice)
}

/// Signup and one monthly purchase of 10.00, as told with these settings.
async fn told_with(change: impl FnOnce(&mut Config)) -> Vec<Told> {
    let mut config = config();
    change(&mut config);
    let relay = Relay::with(&config);
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    relay.told().await
}

const EMAIL: &str = "/context/newUser/email";
const INTERVAL: &str = "/context/subscription/interval";
const PRODUCT: &str = "/context/subscription/productKey";

#[tokio::test]
async fn a_rule_may_look_at_the_raw_webhook() {
    let rules = "
        [[rule]]
        name    = 'not-of-the-partner'
        on      = 'invoice-paid'
        when    = \"raw.data.object.?metadata.?channel.orValue('') != 'partner'\"
        trigger = 'invoice-paid'
        price   = 'raw.data.object.amount_paid'";
    let relay = Relay::ruled(&config(), Rules::load(rules, "own.toml").unwrap());
    relay.receive(&signed_up()).await;
    let mut partner = stripe::old_invoice("in_1", 20, 1000);
    partner["metadata"] = json!({ "channel": "partner" });
    relay.receive(&paid(partner)).await;
    relay.receive(&stripe::event("invoice.paid", 30, stripe::old_invoice("in_2", 30, 2000))).await;
    assert_eq!(relay.reason("evt_invoice.paid_20").await, "no_rule_matched");
    let told = relay.told().await;
    assert_eq!((told.len(), told[0].at("/payload/price")), (1, json!(2000)));
}

#[tokio::test]
async fn current_triggers_turn_the_subscription_rules_off_and_nothing_else() {
    let relay = Relay::ruled(&config(), Rules::shipped().unwrap().limited_to_current());
    let subscription = |status| stripe::subscription(status, stripe::monthly("price_m", 1000), 1);
    relay.receive(&signed_up()).await;
    relay.receive(&stripe::event("customer.subscription.created", 10, subscription("active"))).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    relay.receive(&stripe::event("customer.subscription.deleted", 30, subscription("canceled"))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
    for event in ["evt_customer.subscription.created_10", "evt_customer.subscription.deleted_30"] {
        let decision = relay.decision(event).await;
        assert_eq!(decision.reason.as_deref(), Some("trigger_off"));
        assert!(decision.message.contains("triggers = \"current\""), "{}", decision.message);
    }
}

#[tokio::test]
async fn the_operators_words_for_a_plan_come_first() {
    let words = |interval, product: Option<&str>| PlanWords { interval, product_key: product.map(str::to_owned) };
    for (id, words, interval, product) in [
        ("price_m", words(Some(Interval::Lifetime), None), "lifetime", "prod_price_m"),
        ("prod_price_m", words(Some(Interval::Yearly), Some("Pro")), "yearly", "Pro"),
        ("price_m", words(None, Some("Pro")), "monthly", "Pro"),
        ("another", words(Some(Interval::Lifetime), Some("Pro")), "monthly", "prod_price_m"),
    ] {
        let told = told_with(|config| config.plans = BTreeMap::from([(id.to_owned(), words)])).await;
        assert_eq!((told[1].at(INTERVAL), told[1].at(PRODUCT)), (json!(interval), json!(product)), "{id}");
    }
}

#[tokio::test]
async fn the_words_for_a_price_come_before_those_for_its_product() {
    let words = |interval| PlanWords { interval: Some(interval), product_key: None };
    let told = told_with(|config| {
        config.plans = BTreeMap::from([
            ("prod_price_m".to_owned(), words(Interval::Yearly)),
            ("price_m".to_owned(), words(Interval::Lifetime)),
        ]);
    })
    .await;
    assert_eq!(told[1].at(INTERVAL), "lifetime");
}

#[tokio::test]
async fn a_word_for_the_plan_speaks_where_nothing_else_tells_the_interval() {
    let mut config = config();
    let words = PlanWords { interval: Some(Interval::Quarterly), product_key: None };
    config.plans = BTreeMap::from([("price_m".to_owned(), words)]);
    let relay = Relay::with(&config);
    relay.receive(&signed_up()).await;
    relay.receive(&paid(stripe::proration(stripe::basil_invoice("in_1", 20, 400, 12)))).await;
    assert_eq!(relay.told().await[1].at(INTERVAL), "quarterly");
}

#[tokio::test]
async fn a_one_off_charge_can_be_a_lifetime_offer() {
    let mut config = config();
    let words = PlanWords { interval: Some(Interval::Lifetime), product_key: None };
    config.plans = BTreeMap::from([("forever".to_owned(), words)]);
    let relay = Relay::with(&config);
    let mut invoice = chargebee::invoice("inv_1", "paid", 9900);
    invoice["recurring"] = json!(false);
    invoice["line_items"][0]["entity_type"] = json!("charge_item_price");
    invoice["line_items"][0]["entity_id"] = json!("forever");
    relay.receive(&chargebee::payment(10, chargebee::customer(0, referred()), invoice)).await;
    let told = relay.told().await;
    assert_eq!((told[1].at(INTERVAL), told[1].at(PRODUCT)), (json!("lifetime"), json!("forever")));
}

#[tokio::test]
async fn the_e_mail_address_is_sent_withheld_or_sent_with_the_signup_alone() {
    let address = json!("referred@example.com");
    for (setting, signup, purchase) in [
        (EmailPolicy::Send, &address, &address),
        (EmailPolicy::SignupOnly, &address, &Value::Null),
        (EmailPolicy::Omit, &Value::Null, &Value::Null),
    ] {
        let told = told_with(|config| config.privacy.email = setting).await;
        assert_eq!((&told[0].at(EMAIL), &told[1].at(EMAIL)), (signup, purchase), "{setting:?}");
    }
}

#[tokio::test]
async fn a_withheld_address_is_no_reason_for_a_warning_and_a_missing_one_is() {
    let mut unnamed = stripe::customer(referred());
    unnamed["email"] = Value::Null;
    for (setting, warnings) in [(EmailPolicy::Send, vec!["email_missing"]), (EmailPolicy::Omit, vec![])] {
        let mut config = config();
        config.privacy.email = setting;
        let relay = Relay::with(&config);
        relay.receive(&stripe::event("customer.created", 0, unnamed.clone())).await;
        relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
        assert_eq!(relay.warnings("evt_invoice.paid_20").await, warnings, "{setting:?}");
    }
}

#[tokio::test]
async fn the_name_is_sent_only_where_the_settings_say_so() {
    for (setting, name) in [(false, Value::Null), (true, json!("R. Eferred"))] {
        let told = told_with(|config| config.privacy.name = setting).await;
        assert!(told.iter().all(|told| told.at("/context/newUser/name") == name), "{told:?}");
    }
}

#[tokio::test]
async fn live_and_test_never_meet() {
    for (environment, livemode, told) in [
        (Environment::Sandbox, false, 1),
        (Environment::Sandbox, true, 0),
        (Environment::Production, true, 1),
        (Environment::Production, false, 0),
        (Environment::Local, true, 1),
    ] {
        let mut config = config();
        config.cello.environment = environment;
        let relay = Relay::with(&config);
        let mut webhook = signed_up();
        webhook["livemode"] = json!(livemode);
        relay.receive(&webhook).await;
        let id = "evt_customer.created_0";
        assert_eq!(relay.told().await.len(), told, "{environment:?} {livemode}");
        assert_eq!(relay.reason(id).await == "mode_mismatch", told == 0);
        let state = relay.store.life(id).await.unwrap().remove(0).state;
        assert_eq!(state, if told == 0 { WebhookState::Ignored } else { WebhookState::Mapped });
    }
}

#[tokio::test]
async fn what_a_webhook_of_the_wrong_mode_says_of_a_customer_is_not_learned() {
    let mut config = config();
    config.cello.environment = Environment::Sandbox;
    let relay = Relay::with(&config);
    let mut live = signed_up();
    live["livemode"] = json!(true);
    relay.receive(&live).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    assert_eq!(relay.reason("evt_invoice.paid_20").await, "customer_unseen");
}

#[tokio::test]
async fn what_was_held_of_another_mode_is_not_due_all_the_time_and_goes_on_where_its_mode_is_taken() {
    let in_environment = |environment| {
        let mut config = config();
        config.cello.environment = environment;
        config
    };
    let sandbox = Relay::with(&in_environment(Environment::Sandbox));
    sandbox.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    assert_eq!(sandbox.reason("evt_invoice.paid_20").await, "customer_unseen");

    let config = in_environment(Environment::Production);
    let production = Relay::on(sandbox.store.clone(), &config, providers::enabled(&config), Rules::shipped().unwrap());
    production.pass(SignedDuration::from_hours(24 * 31));
    assert_eq!((production.settle().await, production.settle().await), (1, 0));

    sandbox.receive(&signed_up()).await;
    assert_eq!(sandbox.told_keys().await, ["signup:usr_1", "purchase:stripe:in_1"]);
}
