//! `cello-relay cello …` against the stand-in.

use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::cli::cello::{CelloCommand, Report, ask};
use cello_relay::cli::{Exit, Trouble};
use cello_relay::config::Config;
use clap::{CommandFactory, Parser};
use serde_json::json;

#[tokio::test]
async fn token_proves_the_login_and_hides_the_token_unless_it_is_asked_for() {
    let (_sandbox, config) = start().await;
    let hidden = ask(CelloCommand::Token { show: false }, &config).await.unwrap();
    assert_eq!(hidden.exit, Exit::Done);
    assert!(hidden.text().contains("lifetime  18000 s"), "{}", hidden.text());
    assert!(!format!("{hidden:?}").contains("stand-in-access"));
    let shown = ask(CelloCommand::Token { show: true }, &config).await.unwrap();
    assert!(shown.json["token"].as_str().unwrap().starts_with("stand-in-access"));
}

#[tokio::test]
async fn wrong_keys_are_a_finding_of_token_and_keep_the_other_commands_from_running() {
    let (_sandbox, mut config) = start().await;
    config.cello.access_key_id = "product-id".into();
    let report = ask(CelloCommand::Token { show: false }, &config).await.unwrap();
    assert_eq!(report.exit, Exit::Findings);
    assert!(report.text().contains("not the product id and secret"), "{}", report.text());

    let trouble = trouble(CelloCommand::Code { ucc: "AbC123dEf45".into() }, &config).await;
    assert_eq!(trouble.what, "Cello refused the login (401: Invalid access key id or secret access key)");
    assert!(trouble.place.starts_with("http://127.0.0.1:"), "{trouble}");
    assert!(trouble.fix.contains("not the product id and secret"), "{trouble}");
}

#[tokio::test]
async fn code_tells_an_unknown_code_from_one_whose_owner_is_blocked() {
    let (sandbox, config) = start().await;
    let blocked = json!({ "code": "AbC123dEf45", "valid": false, "productUserId": "u_1" }).to_string();
    let valid = code("AbC123dEf45", &config).await;
    let unknown = code("test", &config).await;
    sandbox.fail_next(Endpoint::Reads, Fault::answer(200, blocked));
    let blocked = code("AbC123dEf45", &config).await;

    assert_eq!([valid.exit, unknown.exit, blocked.exit], [Exit::Done, Exit::Findings, Exit::Findings]);
    insta::assert_snapshot!([valid, unknown, blocked].map(|report| report.text()).join("\n"), @r"
    code      AbC123dEf45
    valid     yes
    owner     referrer-AbC123dEf45
    campaign  stand-in

    code   test
    valid  no: Cello does not know it here; a typing error, or a code of the other environment

    code   AbC123dEf45
    valid  no: its owner is blocked
    owner  u_1
    ");
}

#[tokio::test]
async fn link_and_reward_show_what_cello_says() {
    let (_sandbox, config) = start().await;
    let link = ask(CelloCommand::Link { user: "u_1".into() }, &config).await.unwrap();
    assert_eq!((link.exit, link.lines.len()), (Exit::Done, 2));
    let reward = ask(CelloCommand::Reward { user: "u_1".into() }, &config).await.unwrap();
    assert_eq!((reward.exit, reward.text().as_str()), (Exit::Done, "eligible  no\n"));
}

#[tokio::test]
async fn send_sends_the_file_byte_for_byte_and_shows_the_answer() {
    let (sandbox, config) = start().await;
    let body = r#" {"eventName":"ReferralUpdated","payload":{"ucc":"AbC123dEf45","newUserId":"u_1"},
      "context":{"event":{"trigger":"new-signup","timestamp":"2026-05-01T09:30:00Z"},"newUser":{"id":"u_1"}}}"#;
    let good = send(body, &config).await.unwrap();
    let bad = send(&body.replace("new-signup", "signup"), &config).await.unwrap();

    assert_eq!(sandbox.received()[0].text, body);
    assert_eq!([good.exit, bad.exit], [Exit::Done, Exit::Findings]);
    insta::assert_snapshot!([good, bad].map(|report| report.text()).join("\n"), @r"
    outcome     delivered
    status      200
    message     accepted
    request id  stand-in-2

    outcome     rejected
    status      400
    message     context.event.trigger must be one of the following values: new-signup, demo-call-attended, invoice-paid, charge-refunded, subscription-created, subscription-updated, subscription-canceled
    request id  stand-in-4
    ");
}

#[tokio::test]
async fn send_sends_nothing_that_is_not_json() {
    let (sandbox, config) = start().await;
    let error = send("{\n  oops", &config).await.unwrap_err();
    let trouble: Trouble = error.downcast().unwrap();
    assert!(trouble.place.ends_with(":2:3"), "{trouble}");
    assert_eq!(sandbox.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn without_a_cello_in_the_settings_nothing_is_asked() {
    let trouble = trouble(CelloCommand::Token { show: false }, &Config::default()).await;
    assert_eq!(trouble.what, "there is no Cello to ask");
}

#[tokio::test]
async fn a_cello_that_is_not_there_is_told_apart_from_one_that_refuses() {
    let (sandbox, config) = start().await;
    sandbox.stop().await;
    let token = trouble(CelloCommand::Token { show: false }, &config).await;
    assert!(token.what.starts_with("Cello's login does not work now: could not connect"), "{token}");
    assert_eq!(send("{}", &config).await.unwrap().exit, Exit::CouldNotRun);
}

#[test]
fn the_commands_are_parsed_as_they_are_documented() {
    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: CelloCommand,
    }
    Cli::command().debug_assert();
    for (line, expected) in [
        ("cello token", "Token { show: false }"),
        ("cello token --show", "Token { show: true }"),
        ("cello code AbC", "Code { ucc: \"AbC\" }"),
        ("cello link u_1", "Link { user: \"u_1\" }"),
        ("cello reward u_1", "Reward { user: \"u_1\" }"),
        ("cello send -", "Send { file: \"-\" }"),
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(format!("{:?}", cli.command), expected);
    }
}

async fn start() -> (Sandbox, Config) {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let mut config = Config::default();
    config.cello.base_url = sandbox.base_url.clone();
    config.cello.access_key_id = sandbox.settings().access_key_id.clone();
    config.cello.secret_access_key = sandbox.settings().secret_access_key.clone().into();
    config.cello.request_timeout = Duration::from_secs(30);
    (sandbox, config)
}

async fn code(ucc: &str, config: &Config) -> Report {
    ask(CelloCommand::Code { ucc: ucc.into() }, config).await.unwrap()
}

async fn send(body: &str, config: &Config) -> anyhow::Result<Report> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), body).unwrap();
    ask(CelloCommand::Send { file: file.path().to_owned() }, config).await
}

async fn trouble(command: CelloCommand, config: &Config) -> Trouble {
    ask(command, config).await.unwrap_err().downcast().unwrap()
}
