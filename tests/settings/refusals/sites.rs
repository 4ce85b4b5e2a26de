//! Chargebee sites that cannot be told apart, or cannot send anything.

use cello_relay::config::Purpose;

use crate::refusal;

#[test]
fn a_name_that_would_not_fit_into_a_business_key_is_refused() {
    let long = "x".repeat(41);
    let toml = format!(
        r#"
[chargebee.sites.EU]
credentials = ["a:hush1"]
[chargebee.sites."eu:1"]
credentials = ["b:hush2"]
[chargebee.sites.""]
credentials = ["c:hush3"]
[chargebee.sites.{long}]
credentials = ["d:hush4"]
"#
    );
    let refusal = refusal(&toml, &[("RELAY__CHARGEBEE__SITES____MODE", "live")], Purpose::ServeSandbox);
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 5 reasons:

"EU" cannot be the name of a Chargebee site
  where: relay.toml:1
  fix:   use 1 to 40 of the characters a-z, 0-9, `-` and `_`, as in [chargebee.sites.eu]

"eu:1" cannot be the name of a Chargebee site
  where: relay.toml:3
  fix:   use 1 to 40 of the characters a-z, 0-9, `-` and `_`, as in [chargebee.sites.eu]

"" cannot be the name of a Chargebee site
  where: relay.toml:5
  fix:   use 1 to 40 of the characters a-z, 0-9, `-` and `_`, as in [chargebee.sites.eu]

"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" cannot be the name of a Chargebee site
  where: relay.toml:7
  fix:   use 1 to 40 of the characters a-z, 0-9, `-` and `_`, as in [chargebee.sites.eu]

"" cannot be the name of a Chargebee site
  where: RELAY__CHARGEBEE__SITES____MODE
  fix:   use 1 to 40 of the characters a-z, 0-9, `-` and `_`, as in [chargebee.sites.eu]
"#);
}

#[test]
fn what_a_site_has_not_is_refused_with_what_it_has() {
    let refusal = refusal(
        r#"
[chargebee.sites]
us = "hush"

[chargebee.sites.eu]
credentials = "eu:hush"
mode = "Live"
api_key = "hush"
"#,
        &[
            ("RELAY__CHARGEBEE__SITES__EU__CREDENTIAL", "eu:hush"),
            ("RELAY__CHARGEBEE__SITES__eu__MODE", "live"),
            ("RELAY__CHARGEBEE__SITES", "eu"),
        ],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 7 reasons:

`chargebee.sites.us` is a site, not a setting
  where: relay.toml:2
  fix:   write [chargebee.sites.us] and its settings below it

`chargebee.sites.eu.credentials` must be a list of texts
  where: relay.toml:5
  fix:   write it as ["one", "two"], also where it is only one

`chargebee.sites.eu.mode` does not know the word "Live"
  where: relay.toml:6
  fix:   write `live`, if that is what was meant; the words are `live`, `test`

`chargebee.sites.eu.api_key` is not a setting
  where: relay.toml:7
  fix:   a site has `credentials` and a `mode`

RELAY__CHARGEBEE__SITES names no setting
  where: RELAY__CHARGEBEE__SITES
  fix:   write RELAY__CHARGEBEE__SITES__NAME__CREDENTIALS or RELAY__CHARGEBEE__SITES__NAME__MODE, the name in upper case

RELAY__CHARGEBEE__SITES__EU__CREDENTIAL names no setting
  where: RELAY__CHARGEBEE__SITES__EU__CREDENTIAL
  fix:   write RELAY__CHARGEBEE__SITES__EU__CREDENTIALS or RELAY__CHARGEBEE__SITES__EU__MODE, the name in upper case

RELAY__CHARGEBEE__SITES__eu__MODE names no setting
  where: RELAY__CHARGEBEE__SITES__eu__MODE
  fix:   write RELAY__CHARGEBEE__SITES__EU__CREDENTIALS or RELAY__CHARGEBEE__SITES__EU__MODE, the name in upper case
"#);
}

#[test]
fn sites_that_are_no_table_are_refused() {
    insta::assert_snapshot!(refusal("[chargebee]\nsites = [\"hush\"]\n", &[], Purpose::Offline), @r#"
the settings cannot be used:

`chargebee.sites` is a table of sites, not a setting
  where: relay.toml:2
  fix:   write a line such as [chargebee.sites.eu] and the site's `credentials` and `mode` below it
"#);
}

#[test]
fn credentials_of_a_site_are_checked_as_those_of_the_unnamed_one() {
    let refusal = refusal(
        r#"
[chargebee.sites.eu]
credentials = ["hush"]
[chargebee.sites.us]
credentials = []
"#,
        &[],
        Purpose::ServeSandbox,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`chargebee.sites.eu.credentials` holds a pair without a colon
  where: relay.toml:2
  fix:   write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, so a password with a comma belongs into relay.toml

`chargebee.sites.us.credentials` is an empty list
  where: relay.toml:4
  fix:   name at least one, or remove the setting
"#);
}

#[test]
fn a_pair_that_two_sites_have_is_refused_and_not_shown() {
    let refusal = refusal(
        r#"
[chargebee]
credentials = ["relay:hush1", "relay:hush2"]

[chargebee.sites.eu]
credentials = ["relay:hush3", "relay:hush3", "relay:hush2"]
"#,
        &[("RELAY__CHARGEBEE__SITES__US__CREDENTIALS", "relay:hush4,relay:hush3")],
        Purpose::Serve,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 5 reasons:

`cello.environment` is not set
  where: RELAY__CELLO__ENVIRONMENT or `cello.environment` in relay.toml
  fix:   write `sandbox` for test-mode webhooks, or `production` for live ones; `serve --sandbox` works without an account

`cello.access_key_id` is not set
  where: RELAY__CELLO__ACCESS_KEY_ID or `cello.access_key_id` in relay.toml
  fix:   copy the access key id from Cello's portal

`cello.secret_access_key` is not set
  where: RELAY__CELLO__SECRET_ACCESS_KEY or `cello.secret_access_key` in relay.toml
  fix:   copy the secret access key from Cello's portal

`chargebee.credentials` and `chargebee.sites.eu.credentials` have the same pair, so a webhook would not say its site
  where: relay.toml:2; relay.toml:5
  fix:   choose another password for one of the sites, here and in its Chargebee webhook

`chargebee.sites.eu.credentials` and `chargebee.sites.us.credentials` have the same pair, so a webhook would not say its site
  where: relay.toml:5; RELAY__CHARGEBEE__SITES__US__CREDENTIALS
  fix:   choose another password for one of the sites, here and in its Chargebee webhook
"#);
}

#[test]
fn serving_refuses_a_site_without_credentials() {
    let refusal = refusal(
        r#"
[chargebee.sites.eu-1]
mode = "live"
"#,
        &[("RELAY__CHARGEBEE__SITES__EU_1__CREDENTIALS", "eu:hush"), ("RELAY__CHARGEBEE__SITES__US__MODE", "test")],
        Purpose::ServeSandbox,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`chargebee.sites.eu-1.credentials` is not set
  where: relay.toml:1
  fix:   give `chargebee.sites.eu-1.credentials`, or remove the site; is its name spelled as everywhere else?

`chargebee.sites.us.credentials` is not set
  where: RELAY__CHARGEBEE__SITES__US__MODE
  fix:   give `chargebee.sites.us.credentials`, or remove the site; is its name spelled as everywhere else?
"#);
}
