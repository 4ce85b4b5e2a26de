//! What it will not start on: exit code 2, and a message that says what happened, where, and what to do.

use cello_relay::cello::Sandbox;

use crate::stage::{Place, SECRET, Serving, ended};

#[test]
fn without_a_provider_it_does_not_serve() {
    let place = Place::new();
    let mut command = place.command(&["serve"]);
    command
        .env("RELAY__CELLO__ENVIRONMENT", "sandbox")
        .env("RELAY__CELLO__ACCESS_KEY_ID", "id")
        .env("RELAY__CELLO__SECRET_ACCESS_KEY", "key");

    let (code, out, err) = ended(command);

    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no payment provider is switched on"), "{err}");
    assert!(err.contains("\n  where: RELAY__STRIPE__WEBHOOK_SECRETS"), "{err}");
    assert!(err.contains("\n  fix:   give `stripe.webhook_secrets`"), "{err}");
    assert_eq!(place.folder.path().read_dir().unwrap().count(), 0, "nothing was created");
}

#[test]
fn without_an_environment_of_cello_it_does_not_serve() {
    let place = Place::new();
    let mut command = place.command(&["serve"]);
    command
        .env("RELAY__STRIPE__WEBHOOK_SECRETS", SECRET)
        .env("RELAY__CELLO__ACCESS_KEY_ID", "id")
        .env("RELAY__CELLO__SECRET_ACCESS_KEY", "key");

    let (code, _, err) = ended(command);

    assert_eq!(code, 2);
    assert!(err.contains("`cello.environment` is not set\n  where: RELAY__CELLO__ENVIRONMENT"), "{err}");
    assert!(err.contains("`sandbox` for test-mode webhooks, or `production` for live ones"), "{err}");
    assert!(!err.contains(SECRET), "{err}");
}

#[test]
fn an_unknown_setting_and_an_empty_secret_are_refused() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--sandbox"]);
    command.env("RELAY__STRIPE__WEBHOOK_SECRET", SECRET).env("RELAY__CHARGEBEE__CREDENTIALS", "");

    let (code, _, err) = ended(command);

    assert_eq!(code, 2);
    assert!(err.contains("RELAY__STRIPE__WEBHOOK_SECRET"), "{err}");
    assert!(err.contains("RELAY__CHARGEBEE__CREDENTIALS"), "{err}");
    assert!(!err.contains(SECRET), "{err}");
}

#[tokio::test]
async fn a_store_in_memory_is_refused_since_it_would_lose_what_was_answered() {
    let (place, cello) = (Place::on("sqlite::memory:".to_owned()), Sandbox::start("127.0.0.1:0").await.unwrap());
    let command = place.serve(&cello);

    let (code, _, err) = tokio::task::spawn_blocking(move || ended(command)).await.unwrap();

    assert_eq!(code, 2);
    assert!(err.contains("in memory") && err.contains("sqlite:relay.db"), "{err}");
}

#[tokio::test]
async fn a_second_one_on_the_same_store_is_refused_with_a_sentence_and_the_first_goes_on() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let first = Serving::start(place.serve(&cello)).await;

    let second = place.serve(&cello);
    let (code, _, err) = tokio::task::spawn_blocking(move || ended(second)).await.unwrap();

    assert_eq!(code, 2);
    assert!(err.contains("another cello-relay is running on"), "{err}");
    assert!(err.contains("stop it first, or give this one a `database_url` of its own"), "{err}");
    assert_eq!(first.get_admin("/health/ready").await.0, 200);
}

#[tokio::test]
async fn a_damaged_store_is_refused_with_what_is_wrong_and_what_to_do_and_nothing_in_it_is_changed() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    drop(cello_relay::store::Sqlite::open(&place.database_url(), true).unwrap());
    let path = place.folder.path().join("relay.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The pages after the schema, as a bad disk would leave them.
    bytes[20 * 4096..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();

    let command = place.serve(&cello);
    let (code, _, err) = tokio::task::spawn_blocking(move || ended(command)).await.unwrap();

    assert_eq!(code, 2);
    assert!(err.contains(&format!("the store cannot be opened at {}: it is damaged (", path.display())), "{err}");
    assert!(err.contains("; restore a backup"), "{err}");
    assert!(std::fs::read(&path).unwrap() == bytes);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_its_setting() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let taken = cello.base_url.strip_prefix("http://").unwrap().to_owned();
    let mut command = place.serve(&cello);
    command.env("RELAY__SERVER__BIND", &taken);

    let (code, _, err) = tokio::task::spawn_blocking(move || ended(command)).await.unwrap();

    assert_eq!(code, 2);
    assert!(err.contains(&format!("server.bind = {taken:?} cannot be listened on")), "{err}");
}
