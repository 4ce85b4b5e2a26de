//! Codes that Cello is asked about before it is told anything: the stand-in over HTTP, the real store, a clock that is
//! set.

mod asking;
mod changing;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::cli::map::Mapper;
use cello_relay::config::{CheckCodes, Config};
use cello_relay::rules::Rules;
use cello_relay::store::DecisionState;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::order::orders;
use crate::relay::{Relay, config};
use crate::webhooks::CODE;
use crate::webhooks::stripe::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub const UNKNOWN: &str = "Unknown0001";
pub const BLOCKED: &str = "Blocked0001";
/// The stand-in says that it is the code of `u123`.
pub const OWN: &str = "Own0000u123";

pub const SIGNUP: &str = "signup:u123";
pub const PURCHASE: &str = "purchase:stripe:in_1";
pub const REFUND: &str = "refund:stripe:ch_in_1:300";

const CREATED: &str = "evt_customer.created_0";
const PAID: &str = "evt_invoice.paid_20";
const REFUNDED: &str = "evt_charge.refunded_40";

pub async fn checking(check: CheckCodes) -> (Sandbox, Relay) {
    let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
    let relay = Relay::with(&checks(&cello, check));
    (cello, relay)
}

pub fn checks(cello: &Sandbox, check: CheckCodes) -> Config {
    let mut config = config();
    config.cello.base_url = cello.base_url.clone();
    config.cello.access_key_id = cello.settings().access_key_id.clone();
    config.cello.secret_access_key = cello.settings().secret_access_key.clone().into();
    config.cello.check_codes = check;
    config
}

fn with_code(ucc: &str) -> Value {
    json!({ "cello_ucc": ucc, "new_user_id": "u123" })
}

pub fn signed_up(ucc: &str) -> Value {
    event("customer.created", 0, customer(with_code(ucc)))
}

pub fn paid() -> Value {
    paid_at("in_1", 20)
}

pub fn paid_at(invoice: &str, second: i64) -> Value {
    event("invoice.paid", second, old_invoice(invoice, second, 1000))
}

pub fn refunded() -> Value {
    refund(40, "in_1", 300, Some(0))
}

/// Stripe tells which invoice a charge paid; the refund names only its charge.
pub fn settled() -> Value {
    invoice_payment(21, "in_1")
}

/// Looks after held facts until none wants it.
pub async fn settle(relay: &Relay) {
    while relay.settle().await > 0 {}
}

pub fn next_answer(cello: &Sandbox, ucc: &str, valid: bool, owner: &str) {
    let answer = json!({ "code": ucc, "valid": valid, "productUserId": owner });
    cello.fail_next(Endpoint::Reads, Fault::answer(200, answer.to_string()));
}

#[tokio::test]
async fn by_default_nobody_asks() {
    let (cello, relay) = checking(Config::default().cello.check_codes).await;
    for webhook in [signed_up(UNKNOWN), paid()] {
        relay.receive(&webhook).await;
    }
    assert_eq!(relay.settle().await, 0);
    assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE]);
    assert_eq!(cello.calls(Endpoint::Reads), 0);
}

#[tokio::test]
async fn what_needs_the_answer_is_held_and_goes_on_in_order_whatever_came_first() {
    let webhooks = [signed_up(CODE), paid(), settled(), refunded()];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 1, 3, 0]] {
        for check in [CheckCodes::Warn, CheckCodes::Withhold] {
            let (cello, relay) = checking(check).await;
            for place in order {
                relay.receive(&webhooks[place]).await;
            }
            assert_eq!(relay.reason(PAID).await, "looking_up", "{order:?}");
            assert!(
                !relay.decision(PAID).await.trace.unwrap().rules.is_empty(),
                "the rule that would send it is shown"
            );
            assert_eq!(cello.calls(Endpoint::Reads), 0, "deciding asks nobody");
            assert_eq!(relay.told_keys().await, [""; 0], "{order:?}");
            settle(&relay).await;
            assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE, REFUND], "{order:?}");
            assert_eq!(cello.calls(Endpoint::Reads), 1, "all of it waits for one answer");
            assert!(relay.warnings(PAID).await.is_empty());
        }
    }
}

#[tokio::test]
async fn in_every_order_of_arrival_the_check_changes_nothing_of_what_is_told_with_a_valid_code() {
    let webhooks = [
        event("customer.created", 0, customer(json!({}))),
        event("customer.subscription.created", 10, subscription("active", monthly("price_m", 1000), 1)),
        paid(),
        updated("customer.updated", 30, customer(with_code(CODE)), json!({ "metadata": { "cello_ucc": null } })),
        refunded(),
    ];
    let (_cello, checking) = checking(CheckCodes::Withhold).await;
    let plain = Relay::new();
    for order in orders(webhooks.len()) {
        let mut told = Vec::new();
        // Answers come in between, or at the end.
        for (like, each) in [(&plain, false), (&checking, true), (&checking, false)] {
            let relay = like.fresh();
            for place in &order {
                relay.store_only(&webhooks[*place]).await;
                if each {
                    while relay.decider.decide_all().await.unwrap() > 0 {}
                    settle(&relay).await;
                }
            }
            while relay.decider.decide_all().await.unwrap() > 0 {}
            settle(&relay).await;
            let mut all = relay.told().await;
            let place = |key: &str| all.iter().position(|told| told.key == key).unwrap();
            assert_eq!((place(SIGNUP), all.len()), (0, 4), "{order:?} {each}");
            assert!(place(PURCHASE) < place(REFUND), "{order:?} {each}");
            all.sort();
            told.push(all);
        }
        assert!(told[0] == told[1] && told[0] == told[2], "{order:?}: {told:#?}");
    }
}

#[tokio::test]
async fn with_warn_what_carries_an_unknown_or_blocked_code_is_told_with_a_warning() {
    for (ucc, code) in [(UNKNOWN, "code_unknown"), (BLOCKED, "code_blocked")] {
        let (_cello, relay) = checking(CheckCodes::Warn).await;
        for webhook in [signed_up(ucc), paid(), settled(), refunded()] {
            relay.receive(&webhook).await;
        }
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [SIGNUP, PURCHASE, REFUND]);
        for event in [CREATED, PAID] {
            assert_eq!(relay.warnings(event).await, [code]);
        }
        assert!(relay.warnings(REFUNDED).await.is_empty(), "it goes where its purchase went, and nobody is asked");
    }
}

#[tokio::test]
async fn with_withhold_nothing_with_an_unknown_or_blocked_code_is_told() {
    for (ucc, code) in [(UNKNOWN, "code_unknown"), (BLOCKED, "code_blocked")] {
        let (_cello, relay) = checking(CheckCodes::Withhold).await;
        for webhook in [signed_up(ucc), paid(), settled(), refunded()] {
            relay.receive(&webhook).await;
        }
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [""; 0]);
        for event in [CREATED, PAID] {
            let decision = relay.decision(event).await;
            assert_eq!((decision.decision, decision.reason.as_deref()), (DecisionState::Ignore, Some(code)));
            assert!(decision.message.contains(ucc), "{}", decision.message);
        }
        assert_eq!(relay.reason(REFUNDED).await, "purchase_not_reported");
    }
}

#[tokio::test]
async fn a_self_referral_is_never_told_nor_what_follows_it() {
    for check in [CheckCodes::Warn, CheckCodes::Withhold] {
        let (cello, relay) = checking(check).await;
        for webhook in [signed_up(OWN), paid()] {
            relay.receive(&webhook).await;
        }
        settle(&relay).await;
        relay.pass(DAY);
        relay.receive(&paid_at("in_2", 86_400)).await;
        settle(&relay).await;
        assert_eq!(relay.told_keys().await, [""; 0]);
        for event in [CREATED, PAID, "evt_invoice.paid_86400"] {
            assert_eq!(relay.reason(event).await, "self_referral", "{event}");
        }
        assert_eq!(cello.calls(Endpoint::Reads), 2, "each time it is asked anew");
    }
}

#[tokio::test]
async fn a_blocked_owner_who_refers_himself_is_a_self_referral_first() {
    let (cello, relay) = checking(CheckCodes::Warn).await;
    next_answer(&cello, CODE, false, "u123");
    relay.receive(&signed_up(CODE)).await;
    settle(&relay).await;
    assert_eq!(relay.reason(CREATED).await, "self_referral");
}

#[tokio::test]
async fn in_organization_mode_the_code_may_be_neither_the_persons_nor_the_organizations() {
    for (owner, organization_mode, reason) in [
        ("u123", true, "self_referral"),
        ("org7", true, "self_referral"),
        ("other", true, ""),
        ("org7", false, ""),
        ("u123", false, "self_referral"),
    ] {
        let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
        let mut config = checks(&cello, CheckCodes::Withhold);
        config.metadata.organization_mode = organization_mode;
        let relay = Relay::with(&config);
        next_answer(&cello, CODE, true, owner);
        let mut member = with_code(CODE);
        member["new_user_organization_id"] = json!("org7");
        relay.receive(&event("customer.created", 0, customer(member))).await;
        settle(&relay).await;
        assert_eq!(relay.reason(CREATED).await, reason, "{owner} {organization_mode}");
    }
}

#[tokio::test]
async fn map_asks_nobody_and_says_so_where_it_matters() {
    for (check, warnings) in [(CheckCodes::Withhold, json!(["code_unchecked"])), (CheckCodes::Off, json!([]))] {
        let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
        let mut mapper = Mapper::new(&checks(&cello, check), Rules::shipped().unwrap()).unwrap();
        for (webhook, warnings) in [(signed_up(CODE), &warnings), (paid(), &warnings), (settled(), &json!(null))] {
            let mapped = mapper.body("file".to_owned(), webhook.to_string().into_bytes()).unwrap();
            let decision = serde_json::to_value(&mapped.decisions[0]).unwrap();
            let codes = decision["warnings"].as_array();
            let codes: Value = codes.map(|all| all.iter().map(|one| one["code"].clone()).collect()).unwrap_or_default();
            assert_eq!(codes, *warnings, "{check:?}: {decision}");
        }
        let mapped = mapper.body("file".to_owned(), refunded().to_string().into_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&mapped.decisions[0]).unwrap()["warnings"], json!([]));
        assert_eq!(cello.calls(Endpoint::Reads), 0);
    }
}
