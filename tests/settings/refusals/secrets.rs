//! Secrets and pairs of user and password that cannot be right; none is ever quoted.

use cello_relay::config::Purpose;

use crate::refusal;

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
