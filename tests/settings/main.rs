//! The settings: what each refusal says in full, and that list, defaults, example and table agree.

mod refusals;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cello_relay::config::settings::SETTINGS;
use cello_relay::config::{Config, Environment, Purpose, example, settings_table};
use cello_relay::facts::Mode;
use cello_relay::interval::Interval;
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    // As in these texts the first line begins below the quotes.
    file.write_all(content.trim_start_matches('\n').as_bytes()).unwrap();
    file
}

fn load(toml: &str, environment: &[(&str, &str)], purpose: Purpose) -> Config {
    Config::load(Some(file(toml).path()), environment.iter().copied(), purpose).unwrap()
}

/// The whole message, with the file by the name it has in real life. No secret of these tests may be in it.
fn refusal(toml: &str, environment: &[(&str, &str)], purpose: Purpose) -> String {
    let file = file(toml);
    let error = Config::load(Some(file.path()), environment.iter().copied(), purpose).unwrap_err();
    let message = error.to_string().replace(&file.path().display().to_string(), "relay.toml");
    assert!(!message.contains("hush"), "a secret is in: {message}");
    assert!(!format!("{error:?}").contains("hush"), "a secret is in: {error:?}");
    message
}

#[test]
fn a_settings_file_that_was_named_must_exist() {
    let none: [(&str, &str); 0] = [];
    let error = Config::load(Some(Path::new("/nowhere/relay.toml")), none, Purpose::Offline).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].place, "/nowhere/relay.toml");
}

// --- what is taken ---

#[test]
fn without_any_setting_the_defaults_are_in_force() {
    let config = load("", &[], Purpose::Offline);
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn a_variable_wins_over_the_file() {
    let config =
        load("[server]\nbind = \"127.0.0.1:1\"\n", &[("RELAY__SERVER__BIND", "127.0.0.1:2")], Purpose::Offline);
    assert_eq!(config.server.bind, "127.0.0.1:2");
}

#[test]
fn a_mounted_secret_is_read_without_its_last_line_break() {
    for content in ["rk_live_1", "rk_live_1\n", "rk_live_1\r\n"] {
        let secret = file(content);
        let path = secret.path().to_str().unwrap();
        let config = load("", &[("RELAY__STRIPE__API_KEY_FILE", path)], Purpose::Offline);
        assert_eq!(config.stripe.api_key.unwrap().expose_secret(), "rk_live_1");
    }
}

#[test]
fn variables_divide_lists_by_commas_and_relay_toml_keeps_a_comma_in_a_password() {
    let environment =
        [("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_1,whsec_2"), ("RELAY__METADATA__UCC_KEYS", "cello, cello_ucc")];
    let config = load("[chargebee]\ncredentials = [\"relay:a,b:c d\"]\n", &environment, Purpose::Offline);
    let secrets: Vec<&str> = config.stripe.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["whsec_1", "whsec_2"]);
    assert_eq!(config.metadata.ucc, ["cello", "cello_ucc"]);
    assert_eq!(config.chargebee.credentials[0].expose_secret(), "relay:a,b:c d");
}

#[test]
fn a_secret_needs_no_prefix() {
    let config = load("", &[("RELAY__STRIPE__WEBHOOK_SECRETS", "anything")], Purpose::ServeSandbox);
    assert_eq!(config.stripe.webhook_secrets.len(), 1);
}

#[test]
fn both_listeners_may_ask_for_any_free_port() {
    let config = load("[server]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n", &[], Purpose::Offline);
    assert_eq!((config.server.bind.as_str(), config.admin.bind.as_str()), ("127.0.0.1:0", "127.0.0.1:0"));
}

#[test]
fn an_unencrypted_url_on_this_machine_is_taken_and_loses_its_last_slash() {
    for url in ["http://127.0.0.1:4000/", "http://localhost:4000/", "http://[::1]:4000/"] {
        let config = load("", &[("RELAY__CELLO__BASE_URL", url)], Purpose::Offline);
        assert_eq!(config.cello.base_url, url.trim_end_matches('/'));
    }
}

/// Name, pairs and mode of each site.
fn sites(config: &Config) -> Vec<(&str, Vec<&str>, Option<Mode>)> {
    let mut sites = Vec::new();
    for (name, site) in &config.chargebee.sites {
        sites.push((name.as_str(), site.credentials.iter().map(|pair| pair.expose_secret()).collect(), site.mode));
    }
    sites
}

#[test]
fn a_chargebee_site_is_named_in_upper_case_by_a_variable_which_wins_over_the_file() {
    let secret = file("eu:from-a-file\n");
    let config = load(
        r#"
[chargebee.sites.eu]
credentials = ["eu:old"]
mode = "test"

[chargebee.sites.us-2]
credentials = ["us:one", "us:two"]
"#,
        &[
            ("RELAY__CHARGEBEE__SITES__EU__CREDENTIALS_FILE", secret.path().to_str().unwrap()),
            ("RELAY__CHARGEBEE__SITES__US-2__MODE", "live"),
            ("RELAY__CHARGEBEE__SITES__A__1__CREDENTIALS", "a:1,a:2"),
            ("RELAY__CHARGEBEE__SITES__A__1__MODE", "live"),
        ],
        Purpose::ServeSandbox,
    );
    let expected = [
        ("a__1", vec!["a:1", "a:2"], Some(Mode::Live)),
        ("eu", vec!["eu:from-a-file"], Some(Mode::Test)),
        ("us-2", vec!["us:one", "us:two"], Some(Mode::Live)),
    ];
    assert_eq!(sites(&config), expected);
    assert!(config.chargebee.credentials.is_empty());
}

#[test]
fn only_serving_needs_the_credentials_of_a_site() {
    let config = load("[chargebee.sites.eu]\nmode = \"test\"\n", &[], Purpose::Offline);
    assert_eq!(sites(&config), [("eu", vec![], Some(Mode::Test))]);
}

const CELLO: [(&str, &str); 3] = [
    ("RELAY__CELLO__ENVIRONMENT", "production"),
    ("RELAY__CELLO__ACCESS_KEY_ID", "id"),
    ("RELAY__CELLO__SECRET_ACCESS_KEY", "key"),
];

#[test]
fn the_environment_decides_about_cellos_address_unless_there_is_one() {
    let config = load("", &CELLO, Purpose::CelloOnly);
    assert_eq!(config.cello.environment, Environment::Production);
    assert_eq!(config.cello.base_url, "https://api.cello.so");
    assert_eq!(config.cello.secret_access_key.expose_secret(), "key");

    let config = load("[cello]\nbase_url = \"https://proxy.example\"\n", &CELLO, Purpose::CelloOnly);
    assert_eq!(config.cello.base_url, "https://proxy.example");
}

#[test]
fn with_the_stand_in_neither_cellos_address_nor_its_keys_are_in_force() {
    let provider = ("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_1");

    let config = load("", &[provider], Purpose::ServeSandbox);
    assert_eq!(config.cello.environment, Environment::Local);

    let config = load("", &[CELLO[0], CELLO[1], CELLO[2], provider], Purpose::ServeSandbox);
    assert_eq!(config.cello.environment, Environment::Production, "so that its mode rule stays in force");
    assert_eq!(config.cello.base_url, "");
    assert_ne!(config.cello.access_key_id, "id");
    assert_ne!(config.cello.secret_access_key.expose_secret(), "key");
}

// --- list, defaults, example and table ---

/// Every setting with a value that is not its default.
const EVERYTHING: &str = r#"
database_url = "sqlite:/var/lib/relay.db"
rules = "mine.toml"
triggers = "current"

[server]
bind = "0.0.0.0:1"
body_limit_bytes = 2048
read_timeout_seconds = 1
store_timeout_seconds = 1
workers = 5
shutdown_timeout_seconds = 1

[admin]
bind = "0.0.0.0:2"

[stripe]
webhook_secrets = ["whsec_1"]
tolerance_seconds = 1
api_key = "rk_live_1"
api_base = "https://stripe.example"
api_version = "2020-08-27"
api_requests_per_second = 1
sales_without_invoice = true

[chargebee]
credentials = ["user:password"]
mode = "test"

[chargebee.sites.eu]
credentials = ["eu:password"]
mode = "live"

[cello]
environment = "production"
base_url = "https://cello.example"
access_key_id = "id"
secret_access_key = "key"
request_timeout_seconds = 1
check_codes = "withhold"

[delivery]
concurrency = 1
requests_per_second = 7
lease_seconds = 3
give_up_after_hours = 1
retry_after_cap_seconds = 1
unsure = "hold"

[metadata]
ucc_keys = ["a"]
user_id_keys = ["b"]
organization_id_keys = ["c"]
organization_mode = true

[privacy]
email = "omit"
name = true

[retention]
bodies_days = 34

[log]
format = "json"
level = "debug"

[plans."price_1"]
interval = "lifetime"
product_key = "Pro"
"#;

#[test]
fn every_field_of_the_configuration_can_be_set() {
    let config = load(EVERYTHING, &[], Purpose::Serve);

    let (before, after) = (leaves(&Config::default()), leaves(&config));

    let untouched: Vec<&String> =
        before.iter().filter(|(path, value)| after.get(*path) == Some(value)).map(|(path, _)| path).collect();
    // Secrets look alike in `Debug`, so this one is compared by itself.
    assert_eq!(untouched, ["cello.secret_access_key"]);
    assert_eq!(config.cello.secret_access_key.expose_secret(), "key");
    assert_eq!(config.delivery.give_up_after, Duration::from_secs(3600));
    assert_eq!(config.plans["price_1"].interval, Some(Interval::Lifetime));
}

#[test]
fn every_setting_of_the_list_reaches_its_own_field() {
    let config = load(EVERYTHING, &[], Purpose::Serve);
    let mut section = "";
    for line in EVERYTHING.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if let Some((name, value)) = line.split_once(" = ") {
            let key = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else { continue };
            if !setting.is_secret() {
                assert_eq!(setting.show(&config).as_deref(), Some(value), "{key}");
            }
        }
    }
    let named = |key: &str| EVERYTHING.contains(&format!("\n{} = ", key.rsplit('.').next().unwrap()));
    let missing: Vec<&str> =
        SETTINGS.iter().map(|setting| setting.key).filter(|key| *key != "plans" && !named(key)).collect();
    assert!(missing.is_empty(), "not in this test: {missing:?}");
}

#[test]
fn the_environment_can_give_everything_that_the_file_can_but_plans() {
    let from_file = load(EVERYTHING.split("[plans").next().unwrap(), &[], Purpose::Serve);
    let table: toml::Table = EVERYTHING.parse().unwrap();
    let environment: Vec<(String, String)> = SETTINGS
        .iter()
        .filter(|setting| setting.key != "plans")
        .map(|setting| {
            // That of the one site there is.
            let key = setting.key.replace(".NAME.", ".eu.");
            let value = key.split('.').fold(&toml::Value::Table(table.clone()), |value, part| &value[part]).clone();
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Array(texts) => {
                    texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join(",")
                }
                other => other.to_string(),
            };
            (setting.variable().replace("__NAME__", "__EU__"), text)
        })
        .collect();

    let from_environment = Config::load(Some(file("").path()), environment, Purpose::Serve).unwrap();

    assert_eq!(format!("{from_environment:?}"), format!("{from_file:?}"));
}

#[test]
fn the_example_loads_to_the_defaults() {
    let config = load(&example(), &[], Purpose::Offline);
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_example_with_what_it_comments_out_loads_as_well() {
    let filled: String = example()
        .lines()
        .filter(|line| !line.starts_with("# ") || line.contains(" = ") || line.starts_with("# ["))
        .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line)))
        .collect();
    let config = load(&filled, &[], Purpose::Serve);
    assert_eq!(config.cello.environment, Environment::Sandbox);
    assert_eq!(config.plans["price_123"].product_key.as_deref(), Some("Pro"));
    assert_eq!(config.chargebee.sites["eu"].mode, Some(Mode::Live));
}

#[test]
fn the_example_shows_every_setting_with_its_meaning() {
    let example = example();
    for setting in SETTINGS {
        let first = setting.doc.lines().next().unwrap();
        assert!(example.contains(&format!("# {first}\n")), "{}", setting.key);
    }
}

#[test]
fn the_table_has_one_line_for_each_setting_and_no_secret_has_a_default() {
    let table = settings_table();
    assert_eq!(table.lines().count(), SETTINGS.len() + 2);
    for line in [
        "| `RELAY__SERVER__BIND` | `server.bind` | `127.0.0.1:8080` | Where webhooks are taken: IP address and port. TLS ends at the proxy in front. |",
        "| `RELAY__DATABASE_URL` | `database_url` | `sqlite:relay.db` | Where webhooks and referral events are kept: `sqlite:` and the path of a file, or the address of a database, `postgres://user:password@host:5432/database?sslmode=verify-full`. |",
        "| `RELAY__METADATA__UCC_KEYS` (comma-separated) | `metadata.ucc_keys` | `cello_ucc` |",
        "| `RELAY__STRIPE__API_KEY` | `stripe.api_key` | none: no look-ups |",
        "| `RELAY__CHARGEBEE__SITES__NAME__CREDENTIALS` (comma-separated) | `chargebee.sites.NAME.credentials` | none: no site of this name |",
    ] {
        assert!(table.contains(line), "{line} is not in\n{table}");
    }
    assert!(table.lines().skip(2).all(|line| line.matches(" | ").count() == 3), "{table}");
    assert!(SETTINGS.iter().filter(|setting| setting.is_secret()).all(|setting| setting.default().is_none()));
}

#[test]
fn debug_output_of_the_settings_shows_no_secret() {
    let secrets = EVERYTHING.replace("whsec_1", "hush").replace("rk_live_1", "hush").replace(":password", ":hush");
    let config = load(&secrets.replace("\"key\"", "\"hush\""), &[], Purpose::Serve);
    assert!(!format!("{config:?}").contains("hush"), "{config:?}");
}

/// The fields of a configuration by path, told from its `Debug` output, so that none can be forgotten.
fn leaves(config: &Config) -> BTreeMap<String, String> {
    let text = format!("{config:#?}");
    let mut leaves = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    let mut field = String::new();
    for line in text.lines().skip(1) {
        let depth = (line.len() - line.trim_start().len()) / 4;
        let line = line.trim();
        if depth == 0 || (depth <= path.len() && line.starts_with('}')) {
            path.pop();
        } else if depth == path.len() + 1 && line.contains(": ") {
            let (name, value) = line.split_once(": ").unwrap();
            if value.ends_with(" {") && !value.starts_with("Some") && value != "{" {
                path.push(name.to_owned());
            } else {
                field = path.iter().map(|part| format!("{part}.")).collect::<String>() + name;
                leaves.insert(field.clone(), value.to_owned());
            }
        } else {
            leaves.get_mut(&field).unwrap().push_str(line);
        }
    }
    leaves
}
