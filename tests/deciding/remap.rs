//! Deciding the past again: after whatever history nothing differs by the same rules and settings, and after a change
//! exactly what the change is about.

use std::path::Path;
use std::sync::Arc;

use cello_relay::cello::wire;
use cello_relay::config::{Config, EmailPolicy};
use cello_relay::providers;
use cello_relay::relay::code::FAULTS;
use cello_relay::relay::policy::Policy;
use cello_relay::relay::remap::{Again, Compared, Difference, Kind, Remap};
use cello_relay::rules::Rules;
use cello_relay::store::{Settled, Sqlite, WebhookState};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::relay::{Relay, config};
use crate::stripe_api::{KEY, StripeApi};
use crate::webhooks::stripe::*;
use crate::webhooks::{OTHER_CODE, chargebee, referred};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub struct Remapped {
    again: Again,
    pub same: usize,
    /// Would be sent if Cello counted their code.
    pub unasked: usize,
    /// Came of webhooks whose body is gone.
    unknown: usize,
    differences: Vec<Difference>,
}

impl Remapped {
    /// Key, kind, and for each field what was sent and what would be.
    pub fn lines(&self) -> Vec<String> {
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        let field = |difference: &Difference| {
            let each = difference.fields.iter();
            each.map(|field| format!(" {}: {} → {}", field.path, text(&field.sent), text(&field.now)))
                .collect::<String>()
        };
        self.differences
            .iter()
            .map(|one| {
                let reason = one.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
                format!("{} {}{reason}{}", one.difference, one.key, field(one))
            })
            .collect()
    }

    #[track_caller]
    fn finds_nothing(&self, same: usize) {
        assert_eq!(self.lines(), [""; 0]);
        assert_eq!((self.same, self.unknown), (same, 0));
    }
}

async fn remap(relay: &Relay) -> Remapped {
    remap_by(relay, relay.decider.policy.clone()).await
}

/// As another process with these settings and rules would.
async fn remap_with(relay: &Relay, config: &Config, rules: Rules) -> Remapped {
    remap_by(relay, Arc::new(Policy::new(config, providers::all(config), rules))).await
}

/// As the command does, which asks nobody.
pub async fn remap_asking_nobody(relay: &Relay, config: &Config, rules: Rules) -> Remapped {
    let mut policy = Policy::new(config, providers::all(config), rules);
    policy.asks_nobody = Some(relay.store.said_of_codes(FAULTS.to_vec()).await.unwrap());
    remap_by(relay, Arc::new(policy)).await
}

async fn remap_by(relay: &Relay, policy: Arc<Policy>) -> Remapped {
    let before = relay.store.counts().await.unwrap();
    let scratch = Arc::new(Sqlite::in_memory().unwrap());
    let mut remap = Remap::new(relay.store.clone(), scratch, policy, relay.now());
    let mut told = 0;
    let again = remap.decide(|| told += 1).await.unwrap();
    assert_eq!(told, again.webhooks + again.without_body + again.undecided, "progress is told of each");
    let (mut comparison, mut same, mut unasked, mut unknown, mut differences) = (remap.compare(), 0, 0, 0, vec![]);
    while let Some(compared) = comparison.next().await.unwrap() {
        match compared {
            Compared::Same { .. } => same += 1,
            Compared::Different(difference) => differences.push(*difference),
            Compared::Unasked { .. } => unasked += 1,
            Compared::Unknown { .. } => unknown += 1,
        }
    }
    assert_eq!(relay.store.counts().await.unwrap(), before, "the relay's own store stays as it is");
    Remapped { again, same, unasked, unknown, differences }
}

fn stories() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stories");
    let listed = |folder: &Path| {
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let story = |path: &Path| listed(path).iter().map(|file| read(file)).collect();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    listed(&folder).iter().map(|path| (name(path), story(path))).collect()
}

/// Receives it webhook by webhook, a minute apart, then lets 40 days pass.
async fn live(relay: &Relay, webhooks: &[Value]) {
    for webhook in webhooks {
        relay.receive(webhook).await;
        while relay.settle().await > 0 {}
        relay.pass(MINUTE);
    }
    for _ in 0..40 {
        relay.pass(DAY);
        while relay.settle().await > 0 {}
    }
}

#[tokio::test]
async fn after_every_story_in_and_against_its_order_nothing_differs() {
    let like = Relay::new();
    let mut sent = 0;
    for (name, mut story) in stories() {
        for direction in ["forth", "back"] {
            let relay = like.fresh();
            live(&relay, &story).await;
            let remapped = remap(&relay).await;
            assert_eq!(remapped.lines(), [""; 0], "{name} {direction}");
            assert_eq!(remapped.again.looked_up, 0, "{name} {direction}: every webhook was there");
            sent += remapped.same;
            story.reverse();
        }
    }
    assert!(sent > 200, "{sent}");
}

#[tokio::test]
async fn after_every_story_of_which_only_look_ups_told_the_customer_nothing_differs() {
    // A sale and the invoice that its payment was attached to: which of the two reports the money depends on what was
    // decided first, and the relay asked about the customers one after the other.
    let by_either = "stripe-attached-payment-invoice-first";
    let of_whom = |webhook: &Value, kind: &str| webhook["data"]["object"]["object"] == kind;
    let mut looked_up = 0;
    for (name, story) in stories().into_iter().filter(|(name, _)| name.starts_with("stripe") && name != by_either) {
        let (asking, relay) = asking().await;
        let (known, told): (Vec<&Value>, Vec<&Value>) = story
            .iter()
            .partition(|webhook| of_whom(webhook, "customer") || webhook["type"] == "customer.subscription.created");
        known.iter().for_each(|webhook| asking.knows(&webhook["data"]["object"]));
        let told: Vec<Value> = told.into_iter().cloned().collect();
        live(&relay, &told).await;

        let asked = asking.paths().len();
        let remapped = remap(&relay).await;

        assert_eq!(asking.paths().len(), asked, "{name}: nobody is asked");
        assert_eq!(remapped.lines(), [""; 0], "{name}");
        looked_up += remapped.again.looked_up;
    }
    assert!(looked_up > 20, "{looked_up}");
}

async fn asking() -> (StripeApi, Relay) {
    let stripe = StripeApi::start().await;
    let mut config = config();
    config.stripe.api_key = Some(KEY.to_owned().into());
    config.stripe.api_base = stripe.base_url.clone();
    config.stripe.api_rate = 1000;
    (stripe, Relay::with(&config))
}

fn signed_up() -> Value {
    event("customer.created", 0, customer(referred()))
}

fn without_code() -> Value {
    customer(json!({ "new_user_id": "usr_1" }))
}

fn paid(second: i64) -> Value {
    event("invoice.paid", second, old_invoice(&format!("in_{second}"), second, 1000))
}

#[tokio::test]
async fn what_a_look_up_told_counts_without_the_key_too() {
    let (asking, relay) = asking().await;
    asking.knows(&customer(referred()));
    live(&relay, &[paid(20), paid(30)]).await;
    let remapped = remap_with(&relay, &config(), Rules::shipped().unwrap()).await;
    remapped.finds_nothing(3);
    assert_eq!(remapped.again.looked_up, 1, "the second purchase finds the customer known");
}

#[tokio::test]
async fn a_code_that_came_after_a_look_up_counts_from_then_on_only() {
    let (asking, relay) = asking().await;
    asking.knows(&without_code());
    // A look-up has the time of this machine, so what happens after it must lie in the machine's future.
    let far = 20 * 365 * 86_400;
    relay.pass(SignedDuration::from_secs(far));
    relay.receive(&paid(far)).await;
    while relay.settle().await > 0 {}
    relay.pass(DAY);
    assert_eq!(relay.reason(&format!("evt_invoice.paid_{far}")).await, "not_referred");
    // Nothing in it says that the code is new: only that there was none at the look-up does.
    let late = updated("customer.updated", far + 30, customer(referred()), json!({ "currency": null }));
    relay.receive(&late).await;
    remap(&relay).await.finds_nothing(2);
}

#[tokio::test]
async fn a_customer_of_whom_a_webhook_told_late_is_not_known_before() {
    let relay = Relay::new();
    relay.receive(&paid(20)).await;
    relay.pass(DAY);
    relay.receive(&signed_up()).await;
    relay.pass(DAY);
    let moved = json!({ "email": "referred@example.com" });
    let mut newer = customer(referred());
    newer["email"] = json!("new@example.com");
    relay.receive(&updated("customer.updated", 40, newer, moved)).await;
    // By then a key was set: it would ask, and must not be told the newer address.
    let (asking, with_key) = asking().await;
    let remapped = remap_by(&relay, with_key.decider.policy.clone()).await;
    remapped.finds_nothing(2);
    assert_eq!((remapped.again.looked_up, asking.paths().len()), (0, 0));
}

#[tokio::test]
async fn an_interval_that_was_told_from_the_stretch_is_told_from_it_again() {
    let relay = Relay::new();
    let basil = event("invoice.paid", 20, basil_invoice("in_1", 20, 1000, 30));
    let later =
        event("customer.subscription.created", 30, subscription("active", price("price_m", "month", 3, 1000), 7));
    live(&relay, &[signed_up(), basil, later]).await;
    remap(&relay).await.finds_nothing(3);
}

#[tokio::test]
async fn the_link_from_a_payment_to_its_invoice_that_a_look_up_told_is_used_again() {
    let (asking, relay) = asking().await;
    let mut payment = invoice_payment(0, "in_20")["data"]["object"].clone();
    payment["object"] = json!("invoice_payment");
    asking.knows(&payment);
    let basil = event("invoice.paid", 20, basil_invoice("in_20", 20, 1000, 30));
    live(&relay, &[signed_up(), basil, refund(40, "in_20", 1000, Some(0))]).await;
    let remapped = remap(&relay).await;
    remapped.finds_nothing(3);
    assert_eq!(remapped.again.looked_up, 1);
}

#[tokio::test]
async fn that_a_look_up_found_no_link_between_a_sale_and_an_invoice_counts_again() {
    let (asking, relay) = asking().await;
    let sale = event("checkout.session.completed", 10, session("pi_1", "paid", 1000));
    let started = event("customer.subscription.created", 15, subscription("active", monthly("price_m", 1000), 1));
    for webhook in [signed_up(), sale, started, event("invoice.paid", 20, basil_invoice("in_20", 20, 1000, 30))] {
        relay.receive(&webhook).await;
        while relay.settle().await > 0 {}
    }
    assert_eq!((relay.reason("evt_invoice.paid_20").await.as_str(), asking.paths().len()), ("", 1));
    remap(&relay).await.finds_nothing(4);
}

#[tokio::test]
async fn facts_that_waited_in_vain_still_do() {
    let relay = Relay::new();
    live(&relay, &[paid(20), signed_up(), refund(40, "in_unknown", 500, Some(0))]).await;
    live(&relay, &[event("invoice.paid", 50, old_invoice("in_stranger", 50, 1))]).await;
    assert_eq!(relay.reason("evt_charge.refunded_40").await, "purchase_unknown");
    remap(&relay).await.finds_nothing(3);
}

/// Both providers, with refunds by running totals, a plan change and a trial of both.
async fn long_history() -> Relay {
    let relay = Relay::new();
    let subscription = |price| subscription("active", price, 2);
    let refunded = |second, total, former| {
        let mut event = refund(second, "in_20", total, former);
        event["data"]["object"]["invoice"] = json!("in_20");
        event
    };
    let mut taxed = old_invoice("in_20", 20, 1190);
    taxed["total_excluding_tax"] = json!(1000);
    let chargebee_customer = chargebee::customer(1, json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_2" }));
    let mut chargebee_invoice = chargebee::invoice("cbin_1", "paid", 2380);
    chargebee_invoice["tax"] = json!(380);
    let history = [
        signed_up(),
        event("customer.subscription.created", 10, subscription(monthly("price_m", 1000))),
        event("invoice.paid", 20, taxed),
        chargebee::payment(60, chargebee_customer, chargebee_invoice),
        updated(
            "customer.subscription.updated",
            30,
            subscription(monthly("price_l", 2000)),
            json!({ "items": { "data": [{ "id": "si_1", "price": monthly("price_m", 1000), "quantity": 2 }] } }),
        ),
        refunded(50, 500, None),
        refunded(40, 300, None),
        event("customer.subscription.deleted", 70, self::subscription("canceled", monthly("price_l", 2000), 2)),
    ];
    live(&relay, &history).await;
    relay
}

#[tokio::test]
async fn a_changed_line_of_the_rules_shows_in_the_purchases_and_nowhere_else() {
    let relay = long_history().await;
    remap(&relay).await.finds_nothing(8);
    let shipped = Rules::shipped().unwrap();
    let net = shipped.source().replace("= \"invoice.amount_paid\"", "= \"invoice.amount_paid_net\"");
    assert_ne!(net, shipped.source());
    let remapped = remap_with(&relay, &config(), Rules::load(&net, "net.toml").unwrap()).await;
    assert_eq!(
        remapped.lines(),
        [
            "changed purchase:chargebee:cbin_1 payload.price: 2380 → 2000",
            "changed purchase:stripe:in_20 payload.price: 1190 → 1000",
        ]
    );
    assert_eq!(remapped.same, 6);
    let first = &remapped.differences[1];
    assert_eq!((first.event_id.as_deref(), first.trigger.as_str()), (Some("evt_invoice.paid_20"), "invoice-paid"));
    assert_eq!(first.state.map(|state| state.as_str()), Some("waiting"));
}

#[tokio::test]
async fn triggers_turned_off_would_not_be_sent_now_and_turned_on_would_be() {
    let relay = long_history().await;
    let current = || Rules::shipped().unwrap().limited_to_current();
    let off = remap_with(&relay, &config(), current()).await;
    let keys = [
        "subscription-canceled:stripe:sub_1",
        "subscription-created:stripe:sub_1",
        "subscription-updated:stripe:sub_1:evt_customer.subscription.updated_30",
    ];
    assert_eq!(off.lines(), keys.map(|key| format!("removed {key} trigger_off")));
    assert_eq!(off.same, 5);
    assert!(off.differences[0].message.as_ref().unwrap().contains("triggers = \"current\""));

    let without = Relay::ruled(&config(), current());
    live(
        &without,
        &[signed_up(), event("customer.subscription.created", 10, subscription("active", monthly("p", 5), 1))],
    )
    .await;
    let on = remap_with(&without, &config(), Rules::shipped().unwrap()).await;
    assert_eq!(on.lines(), ["added subscription-created:stripe:sub_1 trigger_off"]);
    assert_eq!(on.differences[0].body.as_ref().unwrap()["payload"]["price"], 5);
    assert_eq!(on.differences[0].referral_event, None);
}

#[tokio::test]
async fn settings_show_too_and_a_signup_that_a_purchase_brought_has_a_reason() {
    let relay = long_history().await;
    let mut omit = config();
    omit.privacy.email = EmailPolicy::Omit;
    let remapped = remap_with(&relay, &omit, Rules::shipped().unwrap()).await;
    assert_eq!(remapped.differences.len(), 8);
    for difference in &remapped.differences {
        let paths: Vec<&str> = difference.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!((difference.difference, paths), (Kind::Changed, vec!["context.newUser.email"]));
    }

    let relay = Relay::new();
    let code_on_create = chargebee::customer(1, json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_2" }));
    live(&relay, &[chargebee::payment(60, code_on_create, chargebee::invoice("cbin_1", "paid", 2380))]).await;
    let no_signup = "[[rule]]\nname = \"purchase\"\non = \"invoice-paid\"\ntrigger = \"invoice-paid\"\nprice = \"invoice.amount_paid\"";
    let remapped = remap_with(&relay, &config(), Rules::load(no_signup, "own.toml").unwrap()).await;
    assert_eq!(remapped.differences.len(), 1, "{:?}", remapped.lines());
    assert_eq!(remapped.differences[0].key, "signup:usr_2");
    assert!(remapped.differences[0].message.is_some());
}

#[tokio::test]
async fn what_is_undecided_is_left_out_and_what_cannot_be_read_is_counted() {
    let relay = Relay::new();
    live(
        &relay,
        &[
            signed_up(),
            json!({ "id": "evt_bad", "object": "event", "type": "invoice.paid", "created": 1_767_225_700,
        "livemode": false, "data": { "object": { "object": "invoice" } } }),
        ],
    )
    .await;
    relay.store_only(&paid(20)).await;
    let bad = relay.store.life("evt_bad").await.unwrap().remove(0);
    assert_eq!(bad.state, WebhookState::Unreadable);
    let remapped = remap(&relay).await;
    remapped.finds_nothing(1);
    assert_eq!(remapped.again, Again { webhooks: 2, unreadable: 1, without_body: 0, undecided: 1, looked_up: 0 });
}

#[tokio::test]
async fn what_a_failing_rule_holds_would_be_sent_by_one_that_works_and_the_other_way_round() {
    let shipped = Rules::shipped().unwrap();
    let failing =
        shipped.source().replace("= \"invoice.amount_paid\"", "= \"invoice.amount_paid / (invoice.tax - 0)\"");
    let failing = || Rules::load(&failing, "own.toml").unwrap();
    let relay = Relay::ruled(&config(), failing());
    let mut taxless = old_invoice("in_20", 20, 1000);
    taxless["total_excluding_tax"] = json!(1000);
    let history = [signed_up(), event("invoice.paid", 20, taxless)];
    for webhook in &history {
        relay.receive(webhook).await;
        relay.pass(MINUTE);
    }
    assert_eq!(relay.reason("evt_invoice.paid_20").await, "rule_failed");
    let mended = remap_with(&relay, &config(), Rules::shipped().unwrap()).await;
    assert_eq!(mended.lines(), ["added purchase:stripe:in_20 rule_failed"]);

    let relay = Relay::new();
    live(&relay, &history).await;
    let broken = remap_with(&relay, &config(), failing()).await;
    assert_eq!(broken.lines(), ["removed purchase:stripe:in_20 hold_expired"]);
    assert!(broken.differences[0].message.as_ref().unwrap().contains("failed for 30 days"));
}

#[tokio::test]
async fn what_came_of_an_erased_body_is_no_difference_though_another_webhook_tells_it_too() {
    let relay = Relay::new();
    relay.receive(&event("customer.created", 0, customer(referred()))).await;
    assert_eq!(relay.told().await.len(), 1);
    relay.pass(DAY);
    relay.receive(&event("invoice.paid", 20, old_invoice("in_1", 20, 1000))).await;
    let settled = Settled {
        state: WebhookState::Mapped,
        before: relay.now(),
        after: None,
        limit: 9,
        without_person: wire::without_person,
    };
    assert_eq!(relay.store.erase_settled(settled, relay.now()).await.unwrap().bodies, 1);
    let remapped = remap(&relay).await;
    assert_eq!(remapped.lines(), [""; 0]);
    assert_eq!((remapped.same, remapped.unknown), (1, 1));
}
