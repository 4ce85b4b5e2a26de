//! `check`: what it finds, and that it finds nothing where there is nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::Endpoint;
use cello_relay::cli::serve::Running;
use cello_relay::config::{Config, Purpose};
use cello_relay::store::{self, Sqlite, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::given::{Installation, Said, run};
use crate::postgres;

/// Settings with nothing to find in them, against the stand-in for Cello.
#[derive(Clone)]
struct Settings {
    folder: Arc<TempDir>,
    variables: BTreeMap<&'static str, String>,
}

impl Settings {
    fn of(sandbox: &Sandbox) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let variables = [
            ("RELAY__SERVER__BIND", "127.0.0.1:0"),
            ("RELAY__ADMIN__BIND", "127.0.0.1:0"),
            ("RELAY__CHARGEBEE__CREDENTIALS", "hook:pass-4711"),
            ("RELAY__CHARGEBEE__MODE", "test"),
            ("RELAY__CELLO__ENVIRONMENT", "sandbox"),
            ("RELAY__CELLO__BASE_URL", &sandbox.base_url),
            ("RELAY__CELLO__ACCESS_KEY_ID", &sandbox.settings().access_key_id),
            ("RELAY__CELLO__SECRET_ACCESS_KEY", &sandbox.settings().secret_access_key),
        ];
        Self { folder, variables: variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.variables.remove(name);
        self
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(self.folder.path(), &variables, &[&["check"], arguments].concat())
    }

    /// The findings that are not in order: check, status, message and fix.
    fn findings(&self, arguments: &[&str]) -> Vec<[String; 4]> {
        let said = self.run(&[&["--json"], arguments].concat());
        let answer: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings: Vec<[String; 4]> = answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| ["check", "status", "message", "fix"].map(|key| text(&one[key])))
            .filter(|[_, status, ..]| status != "ok")
            .collect();
        assert_eq!(said.code, i32::from(!findings.is_empty()), "{said:?}");
        assert!(findings.iter().all(|[.., fix]| !fix.is_empty()), "a finding without a fix: {findings:?}");
        findings
    }

    /// The one finding there is.
    #[track_caller]
    fn finds(&self, check: &str, status: &str, words: &str) {
        let findings = self.findings(&[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!([findings[0][0].as_str(), findings[0][1].as_str()], [check, status], "{findings:?}");
        assert!(findings[0][2].contains(words), "{words}: {findings:?}");
    }
}

async fn stand_in() -> Sandbox {
    Sandbox::start("127.0.0.1:0").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_can_work_has_no_findings() {
    let settings = Settings::of(&stand_in().await);
    let said = settings.run(&[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.out.contains("WARN") && !said.out.contains("FAIL"), "{said:?}");
    said.says(&["the login works", "it agrees with Cello's", "`serve` creates it", "MiB free", "rules are on"]);
    assert!(!settings.folder.path().join("relay.db").exists(), "check must not create the store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_worth_a_look_in_production_or_where_there_was_one() {
    let stand_in = stand_in().await;
    let production =
        Settings::of(&stand_in).with("RELAY__CELLO__ENVIRONMENT", "production").with("RELAY__CHARGEBEE__MODE", "live");
    let missing = |settings: &Settings| {
        let findings = settings.findings(&["--offline"]);
        findings.iter().any(|[check, status, message, _]| {
            check == "database" && status == "warn" && message.contains("is not there yet")
        })
    };
    assert!(missing(&production));
    let sandbox = Settings::of(&stand_in);
    assert!(!missing(&sandbox));
    std::fs::write(sandbox.folder.path().join("relay.db.lock"), "").unwrap();
    assert!(missing(&sandbox));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_told_with_its_version_and_what_it_holds() {
    let server = postgres::server();
    let empty = server.empty_database();
    let settings = Settings::of(&stand_in().await);
    for (url, holds) in
        [(server.url(&empty), "no tables yet; `serve` creates them"), (postgres::database(), ": 0 webhooks")]
    {
        let settings = settings.clone().with("RELAY__DATABASE_URL", &url.replace("relay@", "relay:pass-4711@"));
        let said = settings.run(&[]);
        said.says(&["PostgreSQL 1", "schema public of postgres://", holds]);
        assert!(!said.out.contains("4711"), "{said:?}");
        // The tests' own server flushes nothing.
        settings.finds("disk", "fail", "does not flush to disk");
    }
    assert_eq!(server.sql(&empty, "SELECT count(*) FROM pg_class WHERE relname = 'webhook'"), "0", "check makes none");
    let nowhere = settings.with("RELAY__DATABASE_URL", "postgres://relay:pass-4711@localhost:1/relay");
    nowhere.finds("database", "fail", "is the server running");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_shown() {
    let sandbox = stand_in().await;
    let settings = Settings::of(&sandbox)
        .with("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_4711")
        .with("RELAY__CELLO__SECRET_ACCESS_KEY", "cello-4711");
    for arguments in [vec![], vec!["--json"]] {
        let said = settings.run(&arguments);
        assert_eq!(said.code, 1);
        assert!(!format!("{said:?}").contains("4711"), "{said:?}");
    }
}

#[test]
fn without_any_settings_each_missing_one_is_a_finding_and_the_rest_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &[], &["check"]);
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&[
        "FAIL  settings   no payment provider is switched on",
        "`cello.environment` is not set",
        "`cello.access_key_id` is not set",
        "`cello.secret_access_key` is not set",
        "OK    rules",
        "OK    disk",
        "fix: ",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_a_finding_with_the_usual_cause() {
    let settings = Settings::of(&stand_in().await).with("RELAY__CELLO__ACCESS_KEY_ID", "product-id");
    settings.finds("cello", "fail", "the login is refused");
    settings.run(&[]).says(&["not the product id and secret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_nobody_is_asked() {
    let sandbox = stand_in().await;
    let settings = Settings::of(&sandbox);
    assert!(settings.findings(&["--offline"]).is_empty());
    assert_eq!(sandbox.calls(Endpoint::Token) + sandbox.calls(Endpoint::Reads), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cello_that_is_not_there_is_told_apart_from_one_that_refuses() {
    let sandbox = stand_in().await;
    sandbox.stop().await;
    let findings = Settings::of(&sandbox).findings(&[]);
    let checks: Vec<_> = findings.iter().map(|[check, status, ..]| format!("{check} {status}")).collect();
    assert_eq!(checks, ["clock warn", "cello fail"], "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rules_file_with_an_error_is_shown_with_the_place() {
    let settings = Settings::of(&stand_in().await).with("RELAY__RULES", "rules.toml");
    let rules = "[[rule]]\nname = \"purchase\"\non = \"invoice-paid\"\nwhen = \"invoice.amount_payed > 0\"\ntrigger = \"invoice-paid\"\n";
    std::fs::write(settings.folder.path().join("rules.toml"), rules).unwrap();
    settings.finds("rules", "fail", "rules.toml:4:");
    settings.run(&[]).says(&["^^^", "amount_paid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chargebee_site_of_unknown_or_wrong_mode_is_a_finding() {
    let sandbox = stand_in().await;
    let unknown = Settings::of(&sandbox).without("RELAY__CHARGEBEE__MODE");
    unknown.finds("chargebee", "warn", "do not say whether their site is a test site");
    let live = Settings::of(&sandbox).with("RELAY__CHARGEBEE__MODE", "live");
    live.finds("chargebee", "fail", "all of them would be ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chargebee_site_has_its_own_findings() {
    let two = Settings::of(&stand_in().await)
        .with("RELAY__CHARGEBEE__SITES__EU__CREDENTIALS", "eu:pass-4712,eu:pass-4713")
        .with("RELAY__CHARGEBEE__SITES__EU__MODE", "test");
    assert!(two.findings(&[]).is_empty());
    let said = two.run(&[]);
    said.says(&["on, with 1 pair of credentials", "site `eu`: on, with 2 pairs of credentials"]);
    assert!(!said.out.contains("471"), "{said:?}");

    let unknown = two.clone().without("RELAY__CHARGEBEE__SITES__EU__MODE");
    unknown.finds("chargebee", "warn", "site `eu`: webhooks of Chargebee do not say");
    unknown.run(&[]).says(&["set `chargebee.sites.eu.mode` (RELAY__CHARGEBEE__SITES__EU__MODE) to `test` or `live`"]);

    let one_live = two.clone().with("RELAY__CHARGEBEE__SITES__EU__MODE", "live");
    one_live.finds("chargebee", "warn", "the site `eu` is a live site");
    let both_live = one_live.with("RELAY__CHARGEBEE__MODE", "live");
    let findings = both_live.findings(&[]);
    assert_eq!(findings.iter().map(|finding| finding[1].as_str()).collect::<Vec<_>>(), ["fail", "fail"]);

    let shared = two.with("RELAY__CHARGEBEE__SITES__US__CREDENTIALS", "eu:pass-4713");
    shared.run(&[]).says(&["`chargebee.sites.eu.credentials` and `chargebee.sites.us.credentials` have the same pair"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_without_an_api_key_is_a_finding_that_says_which_key_to_make() {
    let settings = Settings::of(&stand_in().await).with("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_a,whsec_b");
    let findings = settings.findings(&[]);
    assert_eq!([findings[0][0].as_str(), findings[0][1].as_str()], ["stripe", "warn"], "{findings:?}");
    settings.run(&[]).says(&["on, with 2 webhook secrets"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_without_invoice_that_nothing_can_ask_about_are_a_finding() {
    let settings = Settings::of(&stand_in().await).with("RELAY__STRIPE__SALES_WITHOUT_INVOICE", "true");
    settings.finds("stripe sales", "warn", "held for a day and then ignored");
    settings.run(&["--offline"]).says(&["set `stripe.api_key` to a restricted key that may read invoice payments"]);
    let able = settings.with("RELAY__STRIPE__API_KEY", "rk_test_4711");
    assert!(able.findings(&["--offline"]).iter().all(|[check, ..]| check != "stripe sales"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_secret_that_is_none_of_stripes_is_a_finding_that_does_not_show_it() {
    let settings = Settings::of(&stand_in().await).with("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_a,rk_test_4711");
    let settings = settings.with("RELAY__STRIPE__API_KEY", "rk_test_1");
    let settings = settings.with("RELAY__STRIPE__API_BASE", &answering("404 Not Found"));
    settings.finds("stripe", "warn", "does not begin with `whsec_`");
    assert!(!settings.run(&[]).out.contains("4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_key_of_stripe_is_tried_and_must_be_of_the_right_mode() {
    let settings = Settings::of(&stand_in().await).with("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_a");
    let settings = settings.with("RELAY__STRIPE__API_KEY", "rk_test_1");

    let settings = settings.with("RELAY__STRIPE__API_BASE", &answering("404 Not Found"));
    assert!(settings.findings(&[]).is_empty());
    settings.run(&[]).says(&["the key may read customers and subscriptions"]);

    let settings = settings.with("RELAY__STRIPE__API_BASE", &answering("403 Forbidden"));
    settings.finds("stripe", "fail", "refused the key (403)");

    let settings = settings.with("RELAY__STRIPE__API_KEY", "rk_live_1");
    let [_, status, message, _] = &settings.findings(&["--offline"])[0];
    assert_eq!((status.as_str(), message.contains("is of live mode")), ("fail", true), "{message}");
}

/// A relay on this store, and these settings with the ports that it listens on.
async fn beside_a_relay(settings: Settings, store: Arc<dyn Store>) -> (Settings, Running) {
    let mut config = Config::default();
    config.server.bind = "127.0.0.1:0".to_owned();
    config.admin.bind = "127.0.0.1:0".to_owned();
    let relay = Running::start(config, store, true).await.unwrap();
    let bind = |url: &str| url.trim_start_matches("http://").to_owned();
    let settings = settings.with("RELAY__SERVER__BIND", &bind(&relay.receive_url));
    (settings.with("RELAY__ADMIN__BIND", &bind(&relay.admin_url)), relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_relay_its_own_ports_are_in_order() {
    let settings = Settings::of(&stand_in().await);
    let url = format!("sqlite:{}", settings.folder.path().join("relay.db").display());
    let (settings, relay) = beside_a_relay(settings, store::open(&url, true).unwrap()).await;

    assert!(settings.findings(&[]).is_empty());

    settings.run(&[]).says(&["is in use by the relay that runs on this store"]);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_relay_on_postgresql_its_own_ports_are_no_findings() {
    let url = postgres::database();
    let settings = Settings::of(&stand_in().await).with("RELAY__DATABASE_URL", &url);
    let (settings, relay) = beside_a_relay(settings, store::open(&url, true).unwrap()).await;

    let findings = settings.findings(&[]);

    // The tests' own server flushes nothing.
    assert!(findings.iter().all(|[check, ..]| check == "disk"), "{findings:?}");
    settings.run(&[]).says(&["is in use by a relay; whether it runs on this database cannot be told from here"]);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ports_of_a_relay_on_another_store_are_findings() {
    let settings = Settings::of(&stand_in().await);
    let (settings, relay) = beside_a_relay(settings, Arc::new(Sqlite::in_memory().unwrap())).await;

    let findings = settings.findings(&[]);

    let checks: Vec<_> = findings.iter().map(|[check, status, ..]| format!("{check} {status}")).collect();
    assert_eq!(checks, ["webhooks fail", "admin fail"], "{findings:?}");
    assert!(findings.iter().all(|[_, _, message, _]| message.contains("a relay that runs on another store")));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_listener_for_everybody_is_a_finding() {
    let settings = Settings::of(&stand_in().await).with("RELAY__ADMIN__BIND", "0.0.0.0:0");
    settings.finds("admin", "warn", "other machines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_something_else_uses_is_a_finding() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let settings = Settings::of(&stand_in().await).with("RELAY__SERVER__BIND", &taken);
    settings.finds("webhooks", "fail", &format!("{taken} is in use by another program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_where_none_can_be_or_that_is_none_is_a_finding() {
    let sandbox = stand_in().await;
    let nowhere = Settings::of(&sandbox).with("RELAY__DATABASE_URL", "sqlite:nowhere/relay.db");
    assert!(nowhere.findings(&[]).iter().any(|[check, status, ..]| check == "disk" && status == "fail"));
    let memory = Settings::of(&sandbox).with("RELAY__DATABASE_URL", "sqlite::memory:");
    memory.finds("database", "fail", "lost when the relay stops");
    let text = Settings::of(&sandbox);
    std::fs::write(text.folder.path().join("relay.db"), "some text that is no database at all").unwrap();
    text.finds("database", "fail", "not a database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_relay_has_open_is_in_order_and_tells_what_it_holds() {
    let relay = Installation::new().with("stories/stripe-invoice-before-customer").await.delivered().await;
    let settings = of(&relay).await;
    assert!(settings.findings(&[]).is_empty());
    settings.run(&[]).says(&["3 webhooks, 3 referral events"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_unsure_or_blocked_is_a_finding_with_how_to_go_on() {
    let story = || Installation::new().with("stories/stripe-invoice-before-customer");
    let dead = story().await.refused("currency not allowed").await;
    of(&dead).await.finds(
        "delivery",
        "warn",
        "2 referral events are dead: Cello refused them, or they were tried too often",
    );
    let relay = story().await;
    relay.send_all("unsure", "the connection broke", cello_relay::store::Then::Unsure).await;
    let said = of(&relay).await.run(&[]);
    assert_eq!(said.code, 1);
    said.says(&[
        "1 referral event is unsure: Cello may have them or not",
        "2 referral events are blocked by these, the first since ",
    ]);
}

async fn of(relay: &Installation) -> Settings {
    let url = format!("sqlite:{}", relay.folder.path().join("relay.db").display());
    Settings::of(&stand_in().await).with("RELAY__DATABASE_URL", &url)
}

#[test]
fn the_example_is_a_settings_file_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &[], &["check", "--example"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, &said.out).unwrap();
    let nothing: [(&str, &str); 0] = [];
    Config::load(Some(file.as_path()), nothing, Purpose::Offline).unwrap();
}

/// Somebody who gives every request this answer: where.
fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        }
    });
    url
}
