//! What rules of one's own may look at: the customer's metadata and country, the lines of an invoice, net refunds.

use cello_relay::rules::Rules;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::{Relay, config};
use crate::webhooks::{CODE, chargebee, stripe};

/// Purchases on these terms alone.
fn purchases(when: &str) -> Relay {
    let rules = format!(
        "[[rule]]\nname='signup'\non='customer-seen'\ntrigger='new-signup'\n\
         [[rule]]\nname='purchase'\non='invoice-paid'\nwhen=\"{when}\"\ntrigger='invoice-paid'\nprice='invoice.amount_paid'"
    );
    Relay::ruled(&config(), Rules::load(&rules, "own.toml").unwrap())
}

/// Purchases and refunds without tax.
fn net() -> Relay {
    let rules = "
        [[rule]]
        name    = 'purchase'
        on      = 'invoice-paid'
        trigger = 'invoice-paid'
        price   = 'invoice.amount_paid_net'

        [[rule]]
        name    = 'refund'
        on      = 'payment-refunded'
        trigger = 'charge-refunded'
        price   = 'refund.amount_net'";
    Relay::ruled(&config(), Rules::load(rules, "own.toml").unwrap())
}

fn metadata(tier: &str) -> Value {
    json!({ "cello_ucc": CODE, "new_user_id": "usr_1", "tier": tier })
}

fn customer(kind: &str, second: i64, tier: &str) -> Value {
    let mut customer = stripe::customer(metadata(tier));
    customer["address"] = json!({ "country": "de" });
    stripe::event(kind, second, customer)
}

fn paid(second: i64, amount: i64) -> Value {
    let id = format!("in_{second}");
    stripe::event("invoice.paid", second, stripe::old_invoice(&id, second, amount))
}

async fn told(relay: &Relay) -> Vec<String> {
    relay.told_keys().await
}

/// Prices of what is told now.
async fn prices(relay: &Relay) -> Vec<i64> {
    relay.told().await.iter().filter_map(|told| told.at("/payload/price").as_i64()).collect()
}

#[tokio::test]
async fn the_newest_metadata_counts_and_an_older_state_that_comes_late_changes_nothing() {
    let relay = purchases("customer.metadata.tier == 'pro' && customer.country == 'DE'");
    relay.receive(&customer("customer.created", 0, "free")).await;
    relay.receive(&paid(10, 1000)).await;
    assert_eq!(relay.reason("evt_invoice.paid_10").await, "no_rule_matched");
    relay.receive(&customer("customer.updated", 20, "pro")).await;
    relay.receive(&customer("customer.updated", 15, "basic")).await;
    relay.receive(&paid(30, 1000)).await;
    assert_eq!(told(&relay).await, ["signup:usr_1", "purchase:stripe:in_30"]);
}

#[tokio::test]
async fn metadata_never_leaves_and_is_kept_of_referred_customers_only() {
    let relay = purchases("customer.metadata.tier == 'pro'");
    relay.receive(&customer("customer.created", 0, "pro")).await;
    relay.receive(&paid(10, 1000)).await;
    for told in relay.told().await {
        assert!(!told.body.contains("pro\"") && !told.body.contains("DE"), "{}", told.body);
    }
    let mut other = stripe::event("customer.created", 20, stripe::customer(json!({ "tier": "pro" })));
    other["data"]["object"]["id"] = json!("cus_2");
    other["data"]["object"]["address"] = json!({ "country": "de" });
    relay.receive(&other).await;
    let kept = known(&relay, "cus_2").await;
    assert_eq!((kept.metadata.len(), kept.country), (0, None));
}

#[tokio::test]
async fn a_deleted_customer_leaves_no_metadata_behind() {
    let relay = purchases("customer.metadata.tier == 'pro'");
    relay.receive(&customer("customer.created", 0, "pro")).await;
    assert_eq!(known(&relay, "cus_1").await.metadata["tier"], "pro");
    relay.receive(&stripe::event("customer.deleted", 10, json!({ "id": "cus_1", "deleted": true }))).await;
    // A state from before comes late.
    relay.receive(&customer("customer.updated", 5, "pro")).await;
    let kept = known(&relay, "cus_1").await;
    assert_eq!((kept.metadata.len(), kept.country, kept.email), (0, None, None));
}

async fn known(relay: &Relay, id: &'static str) -> cello_relay::facts::KnownCustomer {
    let (answer, known) = tokio::sync::oneshot::channel();
    let scope = cello_relay::facts::Scope { provider: "stripe".into(), account: String::new() };
    let ask = move |ledger: &mut dyn cello_relay::store::Ledger| {
        let _ = answer.send(ledger.customer(&scope, id)?);
        Ok(())
    };
    relay.store.transact(Box::new(ask)).await.unwrap();
    known.await.unwrap().unwrap()
}

#[tokio::test]
async fn products_are_picked_out_by_the_lines() {
    let relay = purchases("invoice.lines.exists(line, line.product_id == 'prod_price_m' && line.recurring)");
    relay.receive(&customer("customer.created", 0, "pro")).await;
    relay.receive(&paid(10, 1000)).await;
    let mut other = paid(20, 1000);
    other["data"]["object"]["lines"]["data"][0]["price"]["product"] = json!("prod_other");
    relay.receive(&other).await;
    assert_eq!(told(&relay).await, ["signup:usr_1", "purchase:stripe:in_10"]);
}

#[tokio::test]
async fn chargebees_fields_and_lines_have_the_same_names() {
    let relay = purchases(
        "customer.metadata.cf_tier == 'pro' && customer.metadata.channel == 'web' && invoice.country == 'AT' \
         && invoice.lines.exists(line, line.price_id == 'seat-EUR-monthly' && line.recurring) && invoice.lines_complete",
    );
    let mut customer = chargebee::customer(0, json!({ "cello_ucc": CODE, "new_user_id": "usr_1", "channel": "web" }));
    customer["cf_tier"] = json!("pro");
    let mut invoice = chargebee::invoice("inv_1", "paid", 1000);
    invoice["billing_address"] = json!({ "country": "AT" });
    relay.receive(&chargebee::payment(10, customer, invoice)).await;
    assert_eq!(told(&relay).await, ["signup:usr_1", "purchase:chargebee:inv_1"]);
}

/// A purchase of 11.90, of which 1.90 is tax.
async fn with_tax() -> Relay {
    let relay = net();
    relay.receive(&customer("customer.created", 0, "pro")).await;
    let mut purchase = paid(10, 1190);
    purchase["data"]["object"]["total_excluding_tax"] = json!(1000);
    relay.receive(&purchase).await;
    assert_eq!(prices(&relay).await, [1000]);
    relay
}

#[tokio::test]
async fn refunds_in_parts_take_back_the_net_price_and_never_more_in_any_order() {
    let parts = [(397, 0), (794, 397), (1190, 794)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let relay = with_tax().await;
        for at in order {
            let (total, former) = parts[at];
            relay.receive(&stripe::refund(30 + at as i64, "in_10", total, Some(former))).await;
        }
        let mut prices = prices(&relay).await;
        prices.sort_unstable();
        assert_eq!((prices.iter().sum::<i64>(), prices), (1000, vec![333, 333, 334]), "{order:?}");
    }
}

#[tokio::test]
async fn chargebees_refunds_are_counted_up_here() {
    let relay = net();
    let customer = || chargebee::customer(0, json!({ "cello_ucc": CODE, "new_user_id": "usr_1" }));
    let mut invoice = chargebee::invoice("inv_1", "paid", 300);
    invoice["tax"] = json!(50);
    relay.receive(&chargebee::payment(10, customer(), invoice)).await;
    for second in [20, 30, 40] {
        relay.receive(&chargebee::refund(second, customer(), "inv_1", 100)).await;
        relay.receive(&chargebee::refund(second, customer(), "inv_1", 100)).await;
    }
    assert_eq!(prices(&relay).await, [250, 83, 84, 83]);
}

#[tokio::test]
async fn of_a_purchase_never_seen_here_the_net_refund_is_not_guessed() {
    let relay = net();
    relay.receive(&customer("customer.created", 0, "pro")).await;
    let mut refund = stripe::refund(30, "in_0", 300, Some(0));
    refund["data"]["object"]["invoice"] = json!("in_0");
    relay.receive(&refund).await;
    relay.pass(SignedDuration::from_hours(3 * 24));
    relay.settle().await;
    let decision = relay.decision("evt_charge.refunded_30").await;
    assert_eq!(decision.reason.as_deref(), Some("rule_failed"));
    assert!(decision.message.contains("`refund.amount_net` is not known for this fact"), "{}", decision.message);
}
