//! What each command cannot do without.

use cello_relay::config::Purpose;

use crate::refusal;

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
