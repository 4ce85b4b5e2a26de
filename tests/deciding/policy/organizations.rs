//! Organization mode: the organization is credited, the person is named beside it.

use serde_json::{Value, json};

use super::{paid, stripe};
use crate::relay::{Relay, config};
use crate::webhooks::CODE;

fn member(user: &str, organization: Option<&str>) -> Value {
    json!({ "cello_ucc": CODE, "new_user_id": user, "new_user_organization_id": organization })
}

fn organized() -> Relay {
    let mut config = config();
    config.metadata.organization_mode = true;
    Relay::with(&config)
}

#[tokio::test]
async fn the_organization_is_credited_and_the_person_named() {
    let relay = organized();
    relay.receive(&stripe::event("customer.created", 0, stripe::customer(member("usr_1", Some("org_7"))))).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    let told = relay.told().await;
    assert_eq!(told[0].key, "signup:org_7");
    for told in told {
        assert_eq!(told.at("/payload/newUserId"), "org_7");
        assert_eq!(told.at("/context/newUser/organizationId"), "org_7");
        assert_eq!(told.at("/context/newUser/id"), "usr_1");
    }
}

#[tokio::test]
async fn the_key_alone_switches_nothing_on() {
    let relay = Relay::new();
    relay.receive(&stripe::event("customer.created", 0, stripe::customer(member("usr_1", Some("org_7"))))).await;
    let told = relay.told().await;
    assert_eq!(told[0].key, "signup:usr_1");
    assert_eq!(told[0].at("/payload/newUserId"), "usr_1");
    assert_eq!(told[0].at("/context/newUser/organizationId"), Value::Null);
}

#[tokio::test]
async fn a_missing_organization_is_waited_for_like_a_late_code() {
    let relay = organized();
    relay.receive(&stripe::event("customer.created", 0, stripe::customer(member("usr_1", None)))).await;
    relay.receive(&paid(stripe::old_invoice("in_1", 20, 1000))).await;
    assert_eq!(relay.reason("evt_customer.created_0").await, "organization_id_missing");
    assert_eq!(relay.reason("evt_invoice.paid_20").await, "organization_id_missing");
    let completed = stripe::customer(member("usr_1", Some("org_7")));
    let former = json!({ "metadata": { "new_user_organization_id": null } });
    relay.receive(&stripe::updated("customer.updated", 30, completed, former)).await;
    let told = relay.told().await;
    let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
    assert_eq!(keys, ["signup:org_7", "purchase:stripe:in_1"]);
    assert_eq!(told[0].at("/context/event/timestamp"), "2026-01-01T00:00:30Z");
}

#[tokio::test]
async fn an_organization_signs_up_once_however_many_of_its_people_do() {
    let relay = organized();
    relay.receive(&stripe::event("customer.created", 0, stripe::customer(member("usr_1", Some("org_7"))))).await;
    let mut second = stripe::customer(member("usr_2", Some("org_7")));
    second["id"] = json!("cus_2");
    relay.receive(&stripe::event("customer.created", 10, second)).await;
    assert_eq!(relay.told_keys().await, ["signup:org_7"]);
    assert_eq!(relay.reason("evt_customer.created_10").await, "nothing_new");
}
