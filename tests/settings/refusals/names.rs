//! Names that are no settings, and files that are no TOML.

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
