//! Values of the wrong type, out of range, empty or not among the words.

use cello_relay::config::Purpose;

use crate::refusal;

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let refusal = refusal(
        r#"
database_url = 5

[server]
workers = "two"
read_timeout_seconds = 1.5

[stripe]
webhook_secrets = "whsec_hush"

[privacy]
name = "yes"

[metadata]
ucc_keys = ["a", 1]

[plans]
price_1 = "monthly"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 7 reasons:

`database_url` must be a text
  where: relay.toml:1
  fix:   write it in quotes

`server.workers` must be a whole number
  where: relay.toml:4
  fix:   write digits alone, without quotes or unit

`server.read_timeout_seconds` must be a whole number
  where: relay.toml:5
  fix:   write digits alone, without quotes or unit

`stripe.webhook_secrets` must be a list of texts
  where: relay.toml:8
  fix:   write it as ["one", "two"], also where it is only one

`privacy.name` must be true or false
  where: relay.toml:11
  fix:   write true or false, without quotes

`metadata.ucc_keys` must be a list of texts
  where: relay.toml:14
  fix:   write it as ["one", "two"], also where it is only one

`plans."price_1"` must be a table
  where: relay.toml:17
  fix:   write a line such as [plans."price_123"] and the plan's words below it
"#);
}

#[test]
fn a_variable_of_the_wrong_type_is_refused() {
    let refusal = refusal(
        "",
        &[("RELAY__SERVER__WORKERS", "two"), ("RELAY__PRIVACY__NAME", "yes"), ("RELAY__PLANS", "monthly")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

`plans` cannot be given in the environment
  where: RELAY__PLANS
  fix:   write a table for each plan into relay.toml

`privacy.name` must be true or false
  where: RELAY__PRIVACY__NAME
  fix:   write true or false, without quotes

`server.workers` must be a whole number
  where: RELAY__SERVER__WORKERS
  fix:   write digits alone, without quotes or unit
"#);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let refusal = refusal(
        r#"
[stripe]
tolerance_seconds = 0

[server]
workers = -1
body_limit_bytes = 99999999999

[delivery]
give_up_after_hours = 0
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 4 reasons:

`stripe.tolerance_seconds` cannot be 0
  where: relay.toml:2
  fix:   choose a number from 1 to 3600

`server.workers` cannot be -1
  where: relay.toml:5
  fix:   choose a number from 1 to 256

`server.body_limit_bytes` cannot be 99999999999
  where: relay.toml:6
  fix:   choose a number from 1024 to 67108864

`delivery.give_up_after_hours` cannot be 0
  where: relay.toml:9
  fix:   choose a number from 1 to 720
"#);
}

#[test]
fn a_lease_not_longer_than_twice_the_request_timeout_is_refused() {
    let refusal = refusal(
        r#"
[delivery]
lease_seconds = 40
"#,
        &[("RELAY__CELLO__REQUEST_TIMEOUT_SECONDS", "20")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`delivery.lease_seconds` (40) is not longer than twice `cello.request_timeout_seconds` (20), so that a referral event could be sent twice while Cello still answers
  where: relay.toml:2; RELAY__CELLO__REQUEST_TIMEOUT_SECONDS
  fix:   make the lease longer than 40 seconds, or the timeout shorter
"#);
}

#[test]
fn empty_lists_and_keys_are_refused() {
    let refusal = refusal(
        r#"
database_url = ""
rules = " "

[metadata]
ucc_keys = []
user_id_keys = ["id", ""]
"#,
        &[("RELAY__METADATA__ORGANIZATION_ID_KEYS", "")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 5 reasons:

`database_url` is empty
  where: relay.toml:1
  fix:   give it a value, or remove it

`rules` is empty
  where: relay.toml:2
  fix:   give it a value, or remove it

`metadata.ucc_keys` is an empty list
  where: relay.toml:5
  fix:   name at least one, or remove the setting

`metadata.user_id_keys` holds an empty entry
  where: relay.toml:6
  fix:   give the entry a value, or remove it

`metadata.organization_id_keys` is empty
  where: RELAY__METADATA__ORGANIZATION_ID_KEYS
  fix:   give it a value, or remove it
"#);
}

#[test]
fn unknown_words_are_refused_and_the_nearest_suggested() {
    let refusal = refusal(
        r#"
triggers = "curent"

[cello]
environment = "prod"

[delivery]
unsure = "maybe"

[privacy]
email = "signup_only"

[log]
format = "JSON"
level = "warning"

[chargebee]
mode = "Live"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 7 reasons:

`triggers` does not know the word "curent"
  where: relay.toml:1
  fix:   write `current`, if that is what was meant; the words are `all`, `current`

`cello.environment` does not know the word "prod"
  where: relay.toml:4
  fix:   write `production`, if that is what was meant; the words are `sandbox`, `production`

`delivery.unsure` does not know the word "maybe"
  where: relay.toml:7
  fix:   write one of `resend`, `hold`

`privacy.email` does not know the word "signup_only"
  where: relay.toml:10
  fix:   write `signup-only`, if that is what was meant; the words are `send`, `signup-only`, `omit`

`log.format` does not know the word "JSON"
  where: relay.toml:13
  fix:   write `json`, if that is what was meant; the words are `text`, `json`

`log.level` does not know the word "warning"
  where: relay.toml:14
  fix:   write `warn`, if that is what was meant; the words are `off`, `error`, `warn`, `info`, `debug`, `trace`

`chargebee.mode` does not know the word "Live"
  where: relay.toml:17
  fix:   write `live`, if that is what was meant; the words are `live`, `test`
"#);
}

#[test]
fn the_stand_in_cannot_be_chosen_as_environment() {
    let refusal = refusal("", &[("RELAY__CELLO__ENVIRONMENT", "local")], Purpose::Offline);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`cello.environment` does not know the word "local"
  where: RELAY__CELLO__ENVIRONMENT
  fix:   write one of `sandbox`, `production`
"#);
}

#[test]
fn unknown_words_for_plans_are_refused() {
    let refusal = refusal(
        r#"
[plans."price_1"]
interval = "annual"

[plans."price_2"]
intervall = "yearly"
product_key = ""
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

`plans."price_1".interval` does not know the word "annual"
  where: relay.toml:2
  fix:   write one of `one-time`, `weekly`, `bi-weekly`, `monthly`, `quarterly`, `semi-annual`, `yearly`, `biennial`, `triennial`, `lifetime`

`plans."price_2".intervall` is not a setting
  where: relay.toml:5
  fix:   a plan has an `interval` and a `product_key`

`plans."price_2".product_key` is empty
  where: relay.toml:6
  fix:   give it a value, or remove it
"#);
}
