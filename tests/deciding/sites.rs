//! Two Chargebee sites on one relay: their webhooks are told apart by the credentials alone, over the real receiver.

use std::sync::Arc;

use cello_relay::config::{Config, Environment, Site};
use cello_relay::facts::Mode;
use cello_relay::providers::chargebee::basic;
use cello_relay::providers::{self, Provider};
use serde_json::{Value, json};

use crate::relay::{Relay, Told, config};
use crate::walks::server::{self, Serving};
use crate::webhooks::chargebee::{customer, event, invoice, payment, refund};

const UNNAMED: &str = "relay:test";
const EU: [&str; 2] = ["relay:eu-old", "relay:eu-new"];
const US: &str = "relay:us";

/// Three sites: the unnamed one, `eu` in the middle of a rotation, and `us`.
fn three_sites() -> Config {
    let mut config = config();
    let site = |pairs: &[&str]| Site { credentials: pairs.iter().map(|pair| (*pair).into()).collect(), mode: None };
    config.chargebee.sites = [("eu".to_owned(), site(&EU)), ("us".to_owned(), site(&[US]))].into();
    config
}

struct Sites {
    relay: Relay,
    server: Serving,
    chargebee: Arc<dyn Provider>,
}

impl Sites {
    async fn start(config: &Config) -> Self {
        let relay = Relay::with(config);
        let all = providers::enabled(config);
        let chargebee = all.iter().find(|provider| provider.name() == "chargebee").unwrap().clone();
        let server = server::serve(all, &relay).await;
        Self { relay, server, chargebee }
    }

    /// The status of the answer.
    async fn post(&self, pair: &str, webhook: &Value) -> u16 {
        let (user, password) = pair.split_once(':').unwrap();
        let header = basic::header(user, password);
        self.server.post(self.chargebee.as_ref(), &header, &webhook.to_string()).await
    }

    /// Key, code and user of everything Cello would be told.
    async fn told(&self) -> Vec<[String; 3]> {
        while self.relay.decider.decide_all().await.unwrap() > 0 {}
        let text = |told: &Told, place: &str| told.at(place).as_str().unwrap().to_owned();
        let mut all: Vec<_> = self.relay.told().await;
        all.sort();
        all.iter()
            .map(|told| [told.key.clone(), text(told, "/payload/ucc"), text(told, "/payload/newUserId")])
            .collect()
    }
}

/// What every site sends: the same ids, another person.
fn purchase(code: &str, user: &str) -> Value {
    let person = customer(10, json!({ "cello_ucc": code, "new_user_id": user }));
    payment(100, person, invoice("1", "paid", 4900))
}

fn refunded(code: &str, user: &str) -> Value {
    let person = customer(10, json!({ "cello_ucc": code, "new_user_id": user }));
    refund(200, person, "1", 900)
}

#[tokio::test]
async fn the_same_ids_of_two_sites_are_two_purchases_each_with_its_own_code_and_key() {
    let sites = Sites::start(&three_sites()).await;
    for (pair, code, user) in
        [(UNNAMED, "codeUnnamed", "user_0"), (EU[0], "codeOfEU001", "user_1"), (US, "codeOfUS001", "user_2")]
    {
        assert_eq!(sites.post(pair, &purchase(code, user)).await, 200);
        assert_eq!(sites.post(pair, &refunded(code, user)).await, 200);
    }
    let event = |key: &str, code: &str, user: &str| [key.to_owned(), code.to_owned(), user.to_owned()];
    assert_eq!(
        sites.told().await,
        [
            event("purchase:chargebee:1", "codeUnnamed", "user_0"),
            event("purchase:chargebee:eu:1", "codeOfEU001", "user_1"),
            event("purchase:chargebee:us:1", "codeOfUS001", "user_2"),
            event("refund:chargebee:eu:txn_200", "codeOfEU001", "user_1"),
            event("refund:chargebee:txn_200", "codeUnnamed", "user_0"),
            event("refund:chargebee:us:txn_200", "codeOfUS001", "user_2"),
            event("signup:user_0", "codeUnnamed", "user_0"),
            event("signup:user_1", "codeOfEU001", "user_1"),
            event("signup:user_2", "codeOfUS001", "user_2"),
        ]
    );
    let counts = sites.relay.store.counts().await.unwrap();
    assert_eq!((counts.received, counts.duplicate), (6, 0));
    sites.server.stop().await;
}

#[tokio::test]
async fn what_one_site_says_of_a_customer_says_nothing_of_the_same_id_of_another() {
    let sites = Sites::start(&three_sites()).await;
    let seen = |meta_data: Value| event("customer_created", 1, json!({ "customer": customer(1, meta_data) }));
    sites.post(EU[0], &seen(json!({ "cello_ucc": "codeOfEU001", "new_user_id": "user_1" }))).await;
    sites.post(US, &seen(json!({}))).await;
    sites.post(US, &payment(100, json!({ "id": "cb_1" }), invoice("1", "paid", 4900))).await;
    let keys: Vec<String> = sites.told().await.into_iter().map(|[key, ..]| key).collect();
    assert_eq!(keys, ["signup:user_1"], "the customer of the other site was not referred");
    sites.server.stop().await;
}

#[tokio::test]
async fn both_pairs_of_a_rotation_are_the_same_site_and_no_other_pair_is_taken() {
    let sites = Sites::start(&three_sites()).await;
    let webhook = purchase("codeOfEU001", "user_1");
    for wrong in ["relay:wrong", "eu:eu-old", "relay:us-old", "us:us"] {
        assert_eq!(sites.post(wrong, &webhook).await, 401, "{wrong}");
    }
    assert_eq!(sites.post(EU[0], &webhook).await, 200);
    assert_eq!(sites.post(EU[1], &webhook).await, 200, "sent again after the password was changed");
    let counts = sites.relay.store.counts().await.unwrap();
    assert_eq!((counts.received, counts.duplicate), (2, 1));
    sites.server.stop().await;
}

#[tokio::test]
async fn only_the_webhooks_of_the_live_site_reach_cellos_production() {
    let mut config = three_sites();
    config.cello.environment = Environment::Production;
    config.chargebee.mode = Some(Mode::Test);
    config.chargebee.sites.get_mut("eu").unwrap().mode = Some(Mode::Live);
    config.chargebee.sites.get_mut("us").unwrap().mode = Some(Mode::Test);
    let sites = Sites::start(&config).await;
    for (pair, user) in [(UNNAMED, "user_0"), (EU[1], "user_1"), (US, "user_2")] {
        assert_eq!(sites.post(pair, &purchase("codeOfAll01", user)).await, 200);
    }
    let keys: Vec<String> = sites.told().await.into_iter().map(|[key, ..]| key).collect();
    assert_eq!(keys, ["purchase:chargebee:eu:1", "signup:user_1"]);
    let lives = sites.relay.store.life("ev_payment_succeeded_100").await.unwrap();
    let mut reasons: Vec<_> = lives
        .iter()
        .map(|life| (life.account.as_str(), life.decisions[0].reason.as_deref().unwrap_or_default()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [("", "mode_mismatch"), ("eu", ""), ("us", "mode_mismatch")]);
    sites.server.stop().await;
}

#[tokio::test]
async fn a_site_alone_switches_chargebee_on_and_has_no_unnamed_one_beside_it() {
    let mut config = three_sites();
    config.chargebee.credentials.clear();
    let sites = Sites::start(&config).await;
    assert_eq!(sites.post(UNNAMED, &purchase("codeUnnamed", "user_0")).await, 401);
    let signed = sites.chargebee.sign(b"", sites.relay.now());
    let body = purchase("codeOfEU001", "user_1").to_string();
    assert_eq!(sites.server.post(sites.chargebee.as_ref(), &signed, &body).await, 200, "as the first site");
    assert_eq!(sites.told().await[0][0], "purchase:chargebee:eu:1");
    sites.server.stop().await;
}
