//! Whose referral a customer is: keys, values, and data that comes in steps or changes.

use cello_relay::config::Config;
use serde_json::{Value, json};

use crate::relay::{Relay, START, config};
use crate::webhooks::{CODE, OTHER_CODE, chargebee, referred, stripe};

const DAY: i64 = 86_400;
const PURCHASES: [&str; 2] = ["purchase:stripe:in_1", "purchase:stripe:in_2"];

fn created(metadata: Value) -> Value {
    stripe::event("customer.created", 0, stripe::customer(metadata))
}

/// The customer's metadata became this, and was that.
fn changed(second: i64, metadata: Value, former: Value) -> Value {
    stripe::updated("customer.updated", second, stripe::customer(metadata), json!({ "metadata": former }))
}

fn paid(invoice: &str, second: i64) -> Value {
    stripe::event("invoice.paid", second, stripe::old_invoice(invoice, second, 1000))
}

/// The customer of either provider, with this metadata.
fn customers(metadata: &Value) -> [(&'static str, Value); 2] {
    let customer = chargebee::customer(0, metadata.clone());
    [
        ("evt_customer.created_0", created(metadata.clone())),
        ("ev_customer_created_0", chargebee::event("customer_created", 0, json!({ "customer": customer }))),
    ]
}

/// What Cello is told of a customer with this metadata, as code and user; else the reason why not.
async fn told_of(metadata: Value, config: &Config) -> Vec<Result<(Value, Value), String>> {
    let mut results = Vec::new();
    for (event_id, webhook) in customers(&metadata) {
        let relay = Relay::with(config);
        relay.receive(&webhook).await;
        let told = relay.told().await;
        results.push(match told.first() {
            Some(told) => Ok((told.at("/payload/ucc"), told.at("/payload/newUserId"))),
            None => Err(relay.reason(event_id).await),
        });
    }
    results
}

#[tokio::test]
async fn a_user_id_is_told_as_text_and_a_code_letter_for_letter() {
    let user = |id: Value| json!({ "cello_ucc": format!("  {CODE}\n"), "new_user_id": id });
    for (id, told) in [
        (json!(10231), "10231"),
        (json!(9_007_199_254_740_993_i64), "9007199254740993"),
        (json!("10231"), "10231"),
        (json!("007"), "007"),
        (json!(" usr_1\t"), "usr_1"),
        (json!("Üsér"), "Üsér"),
    ] {
        let expected = Ok((json!(CODE), json!(told)));
        assert_eq!(told_of(user(id.clone()), &config()).await, [expected.clone(), expected], "{id}");
    }
}

#[tokio::test]
async fn blank_values_are_absent() {
    for blank in [json!(""), json!("  \t"), json!(null), json!({}), json!([]), json!(true), json!(1.5)] {
        let not_referred = Err("not_referred".to_owned());
        let metadata = json!({ "cello_ucc": blank, "new_user_id": "usr_1" });
        assert_eq!(told_of(metadata, &config()).await, [not_referred.clone(), not_referred], "{blank}");
        let missing = Err("user_id_missing".to_owned());
        let metadata = json!({ "cello_ucc": CODE, "new_user_id": blank });
        assert_eq!(told_of(metadata, &config()).await, [missing.clone(), missing], "{blank}");
    }
}

#[tokio::test]
async fn other_names_of_the_user_id_are_known_and_the_first_with_a_value_wins() {
    for name in ["new_user_id", "productUserId", "newUserId", "product_user_id"] {
        let metadata = json!({ "cello_ucc": CODE, name: "usr_1" });
        let expected = Ok((json!(CODE), json!("usr_1")));
        assert_eq!(told_of(metadata, &config()).await, [expected.clone(), expected], "{name}");
    }
    let metadata = json!({
        "cello_ucc": CODE, "new_user_id": " ", "product_user_id": "third", "productUserId": "first", "newUserId": 2,
    });
    let expected = Ok((json!(CODE), json!("first")));
    assert_eq!(told_of(metadata, &config()).await, [expected.clone(), expected]);
}

#[tokio::test]
async fn every_name_can_be_another_and_then_the_usual_one_is_not_read() {
    let mut config = config();
    config.metadata.ucc = vec!["ref".into(), "referral".into()];
    config.metadata.user_id = vec!["uid".into()];
    config.metadata.organization_id = vec!["org".into()];
    config.metadata.organization_mode = true;
    let expected = Ok((json!(CODE), json!("org_1")));
    let metadata = json!({ "referral": CODE, "uid": "usr_1", "org": "org_1", "cello_ucc": OTHER_CODE });
    assert_eq!(told_of(metadata, &config).await, [expected.clone(), expected]);
    let not_referred = Err("not_referred".to_owned());
    assert_eq!(told_of(referred(), &config).await, [not_referred.clone(), not_referred]);
}

#[tokio::test]
async fn a_user_id_that_comes_after_the_code_brings_the_facts_of_thirty_days_along_oldest_first() {
    let code = json!({ "cello_ucc": CODE });
    let webhooks = [
        created(code.clone()),
        paid("in_0", DAY - 1),
        paid("in_2", 3 * DAY),
        paid("in_1", DAY),
        changed(31 * DAY, referred(), json!({ "new_user_id": null })),
    ];
    for order in [[0, 1, 2, 3, 4], [0, 3, 1, 2, 4], [4, 2, 1, 3, 0], [1, 4, 0, 3, 2]] {
        let relay = Relay::new();
        for place in order {
            relay.receive(&webhooks[place]).await;
        }
        let told = relay.told().await;
        let mut times: Vec<(&str, Value)> =
            told.iter().map(|told| (told.key.as_str(), told.at("/context/event/timestamp"))).collect();
        assert_eq!(times[0], ("signup:usr_1", json!("2026-02-01T00:00:00Z")), "{order:?}");
        if order[4] == 4 {
            assert_eq!([times[1].0, times[2].0], PURCHASES, "{order:?}");
        }
        times.sort_by_key(|(key, _)| key.to_owned());
        assert_eq!(
            times[..2],
            [(PURCHASES[0], json!("2026-01-02T00:00:00Z")), (PURCHASES[1], json!("2026-01-04T00:00:00Z"))],
            "{order:?}"
        );
        assert_eq!(times.len(), 3, "{order:?}");
        assert_eq!(relay.reason(&format!("evt_invoice.paid_{}", DAY - 1)).await, "too_late", "{order:?}");
    }
}

#[tokio::test]
async fn a_user_id_without_a_code_is_waited_with_like_no_code_at_all() {
    let relay = Relay::new();
    relay.receive(&created(json!({ "new_user_id": "usr_1" }))).await;
    relay.receive(&paid("in_1", DAY)).await;
    assert_eq!(relay.reason(&format!("evt_invoice.paid_{DAY}")).await, "not_referred");
    relay.receive(&changed(2 * DAY, referred(), json!({ "cello_ucc": null }))).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", PURCHASES[0]]);
}

#[tokio::test]
async fn a_code_that_changes_is_the_first_one_that_was_complete_whether_or_not_anything_was_told() {
    let other = json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_1" });
    // While the user id was missing, the first code was not complete.
    let half = json!({ "cello_ucc": CODE });
    for (first, webhook, code) in [
        (referred(), changed(10, other.clone(), json!({ "cello_ucc": CODE })), CODE),
        (referred(), changed(10, json!({ "new_user_id": "usr_1" }), json!({ "cello_ucc": CODE })), CODE),
        (referred(), changed(10, json!({}), json!({ "cello_ucc": CODE, "new_user_id": "usr_1" })), CODE),
        (half, changed(10, other.clone(), json!({ "cello_ucc": CODE, "new_user_id": null })), OTHER_CODE),
    ] {
        for told_first in [true, false] {
            let relay = Relay::new();
            let webhooks = [created(first.clone()), webhook.clone()];
            for place in if told_first { [0, 1] } else { [1, 0] } {
                relay.receive(&webhooks[place]).await;
            }
            relay.receive(&paid("in_1", 20)).await;
            let told = relay.told().await;
            assert_eq!(told.len(), 2, "{webhook}");
            assert!(told.iter().all(|told| told.at("/payload/ucc") == code), "{webhook}: {told:?}");
            if told_first && code == CODE && webhook["data"]["object"]["metadata"]["cello_ucc"] == OTHER_CODE {
                assert_eq!(relay.reason("evt_customer.updated_10").await, "code_changed");
            }
        }
    }
}

#[tokio::test]
async fn in_organization_mode_another_organization_later_is_told_as_a_change_that_is_not_followed() {
    let mut config = config();
    config.metadata.organization_mode = true;
    let relay = Relay::with(&config);
    let member = |organization: &str| {
        let mut metadata = referred();
        metadata["new_user_organization_id"] = json!(organization);
        metadata
    };
    relay.receive(&created(member("org_1"))).await;
    relay.receive(&changed(10, member("org_2"), json!({ "new_user_organization_id": "org_1" }))).await;
    relay.receive(&paid("in_1", 20)).await;
    assert_eq!(relay.reason("evt_customer.updated_10").await, "code_changed");
    assert!(relay.told().await.iter().all(|told| told.at("/payload/newUserId") == "org_1"));
}

#[tokio::test]
async fn a_code_on_another_object_is_worth_a_word_only_where_the_customer_has_none() {
    let stamped = |mut object: Value, place: &str| {
        *object.pointer_mut("/data/object").unwrap().as_object_mut().unwrap().entry(place).or_insert(json!(null)) =
            if place == "metadata" { referred() } else { json!({ "metadata": referred() }) };
        object
    };
    let subscription = stripe::subscription("active", stripe::monthly("price_m", 1000), 1);
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "customer": "cus_1",
        "amount_total": 1000, "currency": "eur", "payment_intent": "pi_1",
    });
    for webhook in [
        stamped(paid("in_1", 20), "metadata"),
        stamped(paid("in_1", 20), "subscription_details"),
        stamped(stripe::event("customer.subscription.created", 20, subscription), "metadata"),
        stamped(stripe::event("checkout.session.completed", 20, session), "metadata"),
    ] {
        let event_id = webhook["id"].as_str().unwrap();
        for (metadata, warnings) in [(json!({}), vec!["metadata_on_wrong_object"]), (referred(), vec![])] {
            let relay = Relay::new();
            relay.receive(&created(metadata.clone())).await;
            relay.receive(&webhook).await;
            let codes = relay.warnings(event_id).await;
            let codes: Vec<&str> = codes.iter().map(String::as_str).filter(|code| code.contains("metadata")).collect();
            assert_eq!(codes, warnings, "{event_id} {metadata}");
            if !warnings.is_empty() {
                let message = relay.decision(event_id).await.message;
                assert!(message.contains("`cello_ucc` stands in the metadata of the"), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn an_earlier_code_and_user_that_arrive_after_something_was_sent_change_nothing() {
    let relay = Relay::new();
    relay.receive(&changed(30, referred(), json!({ "cello_ucc": null }))).await;
    relay.receive(&paid("in_1", 40)).await;
    assert_eq!(relay.told_keys().await, ["signup:usr_1", PURCHASES[0]]);
    relay.receive(&created(json!({ "cello_ucc": OTHER_CODE, "new_user_id": "usr_2" }))).await;
    relay.receive(&paid("in_2", 50)).await;
    let told = relay.told().await;
    assert_eq!(
        (told.len(), told[0].at("/payload/newUserId"), told[0].at("/payload/ucc")),
        (1, json!("usr_1"), json!(CODE))
    );
}

#[tokio::test]
async fn the_end_of_a_subscription_is_for_whom_its_start_was_reported_whichever_comes_first() {
    let started = stripe::event(
        "customer.subscription.created",
        10,
        stripe::subscription("active", stripe::monthly("price_m", 1000), 1),
    );
    for (customer_id, reason, by_start) in [("cus_1", "", false), ("cus_2", "not_referred", true)] {
        let (mut stranger, mut ended) =
            (stripe::customer(json!({})), stripe::subscription("canceled", stripe::monthly("price_m", 1000), 1));
        stranger["id"] = json!("cus_2");
        ended["customer"] = json!(customer_id);
        ended["ended_at"] = json!(START + 40);
        let ended = stripe::event("customer.subscription.deleted", 40, ended);
        let strangers = stripe::event("customer.created", 1, stranger);
        for ends_first in [false, true] {
            let webhooks = if ends_first { [&ended, &started] } else { [&started, &ended] };
            let relay = Relay::new();
            relay.receive(&stripe::event("customer.created", 0, stripe::customer(referred()))).await;
            relay.receive(&strangers).await;
            relay.receive(webhooks[0]).await;
            if ends_first {
                assert_eq!(relay.reason("evt_customer.subscription.deleted_40").await, reason);
            }
            relay.receive(webhooks[1]).await;
            assert_eq!(relay.told_keys().await.len(), 3, "{customer_id}");
            let trace = relay.decision("evt_customer.subscription.deleted_40").await.trace.unwrap();
            let start = "the start of `sub_1` was reported for this user";
            assert_eq!(trace.values.iter().any(|value| value.told.by == start), by_start, "{trace:?}");
        }
    }
}
