//! What each refusal says, in full.

use cello_relay::config::Purpose;

use crate::refusal;

#[test]
fn an_unknown_key_is_refused_and_the_nearest_name_suggested() {
    let refusal = refusal(
        r#"
[server]
bnd = "127.0.0.1:1"

[strip]
webhook_secrets = ["x"]

[paddle]
key = "x"

webhook_secrets = ["y"]
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

`server.bnd` is not a setting
  where: relay.toml:2
  fix:   write `server.bind`, if that is what was meant; else remove it

`strip` is not a setting
  where: relay.toml:4
  fix:   write `stripe`, if that is what was meant; else remove it

`paddle` is not a setting
  where: relay.toml:7
  fix:   remove it
"#);
}

#[test]
fn a_key_at_the_top_that_belongs_into_a_section_is_told_where() {
    let refusal = refusal(
        r#"
webhook_secrets = ["y"]
cello = "sandbox"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`webhook_secrets` is not a setting
  where: relay.toml:1
  fix:   write `stripe.webhook_secrets`, if that is what was meant; else remove it

`cello` is a section, not a setting
  where: relay.toml:2
  fix:   write [cello] and its settings below it
"#);
}

#[test]
fn an_unknown_variable_is_refused_and_the_nearest_name_suggested() {
    let refusal = refusal(
        "",
        &[
            ("RELAY__STRIPE_WEBHOOK_SECRETS", "x"),
            ("RELAY__NOTHING__LIKE_IT", "x"),
            ("RELAY__RULES_FILES", "x"),
            ("PATH", "/bin"),
            ("RELAYER", "x"),
        ],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

RELAY__NOTHING__LIKE_IT names no setting
  where: RELAY__NOTHING__LIKE_IT
  fix:   remove the variable

RELAY__RULES_FILES names no setting
  where: RELAY__RULES_FILES
  fix:   write RELAY__RULES, if that is what was meant; else remove the variable

RELAY__STRIPE_WEBHOOK_SECRETS names no setting
  where: RELAY__STRIPE_WEBHOOK_SECRETS
  fix:   write RELAY__STRIPE__WEBHOOK_SECRETS, if that is what was meant; else remove the variable
"#);
}

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
fn broken_toml_is_refused_with_line_and_column() {
    let refusal = refusal(
        r#"
[stripe]
webhook_secrets = ["whsec_hush]

[stripe
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

the file is not TOML: invalid basic string, expected `"`
  where: relay.toml:2:32
  fix:   correct the line; texts stand in quotes, sections in [brackets]
"#);
}

#[test]
fn an_empty_secret_is_refused() {
    let refusal = refusal(
        r#"
[stripe]
webhook_secrets = ["whsec_hush", ""]
api_key = " "

[chargebee]
credentials = []

[cello]
access_key_id = ""
"#,
        &[("RELAY__CELLO__SECRET_ACCESS_KEY", "")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 5 reasons:

`stripe.webhook_secrets` holds an empty entry
  where: relay.toml:2
  fix:   give the entry a value, or remove it

`stripe.api_key` is empty
  where: relay.toml:3
  fix:   give it a value, or remove it

`chargebee.credentials` is an empty list
  where: relay.toml:6
  fix:   name at least one, or remove the setting

`cello.access_key_id` is empty
  where: relay.toml:9
  fix:   give it a value, or remove it

`cello.secret_access_key` is empty
  where: RELAY__CELLO__SECRET_ACCESS_KEY
  fix:   give it a value, or remove it
"#);
}

#[test]
fn a_secret_with_white_space_is_refused() {
    let refusal = refusal(
        r#"
[stripe]
webhook_secrets = ["whsec_hush "]
api_key = "rk_ hush"
"#,
        &[("RELAY__CELLO__SECRET_ACCESS_KEY", "hush\n")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

`stripe.webhook_secrets` holds white space, which no such key or secret has
  where: relay.toml:2
  fix:   copy it again without spaces or line breaks, within it and at its ends

`stripe.api_key` holds white space, which no such key or secret has
  where: relay.toml:3
  fix:   copy it again without spaces or line breaks, within it and at its ends

`cello.secret_access_key` holds white space, which no such key or secret has
  where: RELAY__CELLO__SECRET_ACCESS_KEY
  fix:   copy it again without spaces or line breaks, within it and at its ends
"#);
}

#[test]
fn a_comma_and_a_space_between_secrets_is_told_and_not_guessed_at() {
    let refusal = refusal("", &[("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_hush, whsec_hush2")], Purpose::Offline);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`stripe.webhook_secrets` holds white space, which no such key or secret has
  where: RELAY__STRIPE__WEBHOOK_SECRETS
  fix:   copy it again without spaces or line breaks, within it and at its ends
"#);
}

#[test]
fn credentials_without_user_or_password_are_refused() {
    let refusal = refusal(
        r#"
[chargebee]
credentials = ["hush"]
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`chargebee.credentials` holds a pair without a colon
  where: relay.toml:2
  fix:   write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, so a password with a comma belongs into relay.toml
"#);
}

#[test]
fn credentials_with_an_empty_user_are_refused() {
    let refusal = refusal("", &[("RELAY__CHARGEBEE__CREDENTIALS", "user:hush,:hush")], Purpose::Offline);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`chargebee.credentials` holds a pair with an empty user name
  where: RELAY__CHARGEBEE__CREDENTIALS
  fix:   write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, so a password with a comma belongs into relay.toml
"#);
}

#[test]
fn credentials_with_an_empty_password_are_refused() {
    let refusal = refusal(
        r#"
[chargebee]
credentials = ["hush:"]
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`chargebee.credentials` holds a pair with an empty password
  where: relay.toml:2
  fix:   write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, so a password with a comma belongs into relay.toml
"#);
}

#[test]
fn credentials_with_a_line_break_are_refused() {
    let refusal = refusal(
        r#"
[chargebee]
credentials = ["user:hush\nuser:hush"]
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`chargebee.credentials` holds a pair with white space at its ends or a line break
  where: relay.toml:2
  fix:   write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, so a password with a comma belongs into relay.toml
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
fn urls_that_are_none_or_say_too_much_are_refused() {
    let refusal = refusal(
        r#"
[cello]
base_url = "api.cello.so"

[stripe]
api_base = "ftp://api.stripe.com"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`cello.base_url` is not a URL
  where: relay.toml:2
  fix:   write one that begins with https://

`stripe.api_base` is not a URL
  where: relay.toml:5
  fix:   write one that begins with https://
"#);
}

#[test]
fn urls_with_a_password_are_refused_without_quoting_it() {
    let refusal = refusal(
        r#"
[cello]
base_url = "https://user:hush@api.cello.so"

[stripe]
api_base = "https://api.stripe.com?key=hush"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`cello.base_url` holds more than a base URL
  where: relay.toml:2
  fix:   leave out user names, passwords, `?`, `#` and spaces

`stripe.api_base` holds more than a base URL
  where: relay.toml:5
  fix:   leave out user names, passwords, `?`, `#` and spaces
"#);
}

#[test]
fn an_unencrypted_url_off_this_machine_is_refused() {
    let refusal = refusal(
        r#"
[cello]
base_url = "http://api.cello.so"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`cello.base_url` would send keys unencrypted
  where: relay.toml:2
  fix:   write https://; http:// is for this machine alone
"#);
}

#[test]
fn addresses_that_cannot_be_parsed_are_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "localhost:8080"

[admin]
bind = ":9090"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`server.bind` is no address to listen on: "localhost:8080"
  where: relay.toml:2
  fix:   write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces

`admin.bind` is no address to listen on: ":9090"
  where: relay.toml:5
  fix:   write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces
"#);
}

#[test]
fn the_same_address_twice_is_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "127.0.0.1:9090"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`server.bind` and `admin.bind` are the same address, 127.0.0.1:9090
  where: relay.toml:2
  fix:   give `admin.bind` another port; health and metrics are not for the internet
"#);
}

#[test]
fn an_address_within_another_is_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "0.0.0.0:8443"

[admin]
bind = "127.0.0.1:8443"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`server.bind` and `admin.bind` are the same address, 127.0.0.1:8443
  where: relay.toml:2; relay.toml:5
  fix:   give `admin.bind` another port; health and metrics are not for the internet
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

#[test]
fn a_value_given_as_variable_and_as_file_is_refused() {
    let refusal = refusal(
        "",
        &[("RELAY__STRIPE__API_KEY", "hush"), ("RELAY__STRIPE__API_KEY_FILE", "/run/secrets/stripe")],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`stripe.api_key` is given twice, as RELAY__STRIPE__API_KEY and as RELAY__STRIPE__API_KEY_FILE
  where: RELAY__STRIPE__API_KEY_FILE
  fix:   remove one of the two variables
"#);
}

#[test]
fn a_mounted_secret_that_cannot_be_read_is_refused() {
    let refusal = refusal("", &[("RELAY__STRIPE__API_KEY_FILE", "/nowhere/stripe")], Purpose::Offline);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

the file for `stripe.api_key` cannot be read: /nowhere/stripe: No such file or directory (os error 2)
  where: RELAY__STRIPE__API_KEY_FILE
  fix:   correct the path, or let the user that runs this program read the file
"#);
}

#[test]
fn serving_needs_a_provider_and_cello() {
    let refusal = refusal("", &[], Purpose::Serve);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 4 reasons:

no payment provider is switched on, and this program never takes webhooks without proof
  where: RELAY__STRIPE__WEBHOOK_SECRETS or `stripe.webhook_secrets` in relay.toml; RELAY__CHARGEBEE__CREDENTIALS or `chargebee.credentials` in relay.toml
  fix:   give `stripe.webhook_secrets`, `chargebee.credentials` or both

`cello.environment` is not set
  where: RELAY__CELLO__ENVIRONMENT or `cello.environment` in relay.toml
  fix:   write `sandbox` for test-mode webhooks, or `production` for live ones; `serve --sandbox` works without an account

`cello.access_key_id` is not set
  where: RELAY__CELLO__ACCESS_KEY_ID or `cello.access_key_id` in relay.toml
  fix:   copy the access key id from Cello's portal

`cello.secret_access_key` is not set
  where: RELAY__CELLO__SECRET_ACCESS_KEY or `cello.secret_access_key` in relay.toml
  fix:   copy the secret access key from Cello's portal
"#);
}

#[test]
fn serving_with_the_stand_in_still_needs_a_provider() {
    let refusal = refusal("", &[], Purpose::ServeSandbox);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

no payment provider is switched on, and this program never takes webhooks without proof
  where: RELAY__STRIPE__WEBHOOK_SECRETS or `stripe.webhook_secrets` in relay.toml; RELAY__CHARGEBEE__CREDENTIALS or `chargebee.credentials` in relay.toml
  fix:   give `stripe.webhook_secrets`, `chargebee.credentials` or both
"#);
}

#[test]
fn talking_to_cello_needs_only_cello() {
    let refusal = refusal("", &[], Purpose::CelloOnly);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 3 reasons:

`cello.environment` is not set
  where: RELAY__CELLO__ENVIRONMENT or `cello.environment` in relay.toml
  fix:   write `sandbox` for test-mode webhooks, or `production` for live ones; `serve --sandbox` works without an account

`cello.access_key_id` is not set
  where: RELAY__CELLO__ACCESS_KEY_ID or `cello.access_key_id` in relay.toml
  fix:   copy the access key id from Cello's portal

`cello.secret_access_key` is not set
  where: RELAY__CELLO__SECRET_ACCESS_KEY or `cello.secret_access_key` in relay.toml
  fix:   copy the secret access key from Cello's portal
"#);
}

#[test]
fn a_refused_secret_is_not_also_reported_as_missing() {
    let refusal = refusal("", &[("RELAY__STRIPE__WEBHOOK_SECRETS", "")], Purpose::ServeSandbox);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`stripe.webhook_secrets` is empty
  where: RELAY__STRIPE__WEBHOOK_SECRETS
  fix:   give it a value, or remove it
"#);
}
