//! The stand-in for Cello as any client sees it: what it answers and what it keeps.

use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use reqwest::{Client, Response};
use serde_json::{Value, json};

#[tokio::test]
async fn a_login_answers_201_with_both_tokens_and_their_lifetimes() {
    let (sandbox, http) = start().await;
    let answer = log_in(&sandbox, &http, keys(&sandbox)).await;
    assert_eq!(answer.status(), 201);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["expiresIn"], &body["refreshTokenExpiresIn"]), (&json!(18000), &json!(432000)));
    assert!(body["accessToken"].is_string() && body["refreshToken"].is_string());
}

#[tokio::test]
async fn a_login_without_its_fields_is_a_400_and_with_wrong_keys_a_401() {
    let (sandbox, http) = start().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "accessKeyId": "x" }), 400),
        (json!({ "accessKeyId": "", "secretAccessKey": "" }), 400),
        (json!({ "productId": "x", "productSecret": "y" }), 400),
        (json!({ "accessKeyId": "x", "secretAccessKey": "y" }), 401),
        (json!({ "refreshToken": "x" }), 401),
    ] {
        let answer = log_in(&sandbox, &http, body.clone()).await;
        assert_eq!(answer.status(), status, "{body}");
        let said: Value = answer.json().await.unwrap();
        assert!(said["message"].is_string(), "{body}");
        assert_eq!(said["path"].is_string(), status == 401, "{body}");
    }
}

#[tokio::test]
async fn every_other_call_needs_a_token_that_lives() {
    let (sandbox, http) = start().await;
    let token = access_token(&sandbox, &http).await;
    for path in ["referral-codes/AbC123dEf45", "referral-codes/active-link/u_1", "new-users/u_1/reward"] {
        let url = format!("{}/{path}", sandbox.base_url);
        assert_eq!(http.get(&url).bearer_auth(&token).send().await.unwrap().status(), 200, "{path}");
        let refused = http.get(&url).bearer_auth("another").send().await.unwrap();
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(refused.json::<Value>().await.unwrap(), json!({ "message": "Unauthorized" }));
        assert_eq!(http.get(&url).send().await.unwrap().status(), 401, "{path}");
    }
    sandbox.expire_tokens(false);
    let events = format!("{}/events", sandbox.base_url);
    assert_eq!(http.post(events).bearer_auth(&token).body("{}").send().await.unwrap().status(), 401);
    assert!(sandbox.received().is_empty() && sandbox.refused().is_empty());
}

#[tokio::test]
async fn codes_that_begin_with_a_word_are_unknown_blocked_or_a_users_own() {
    let (sandbox, http) = start().await;
    let token = access_token(&sandbox, &http).await;
    for (code, valid, owner) in [
        ("AbC123dEf45", true, "referrer-AbC123dEf45"),
        ("Own0000u123", true, "u123"),
        ("Blocked0001", false, "referrer-Blocked0001"),
        ("Unknown0001", false, ""),
        ("test", false, ""),
    ] {
        let url = format!("{}/referral-codes/{code}", sandbox.base_url);
        let said: Value = http.get(&url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!((&said["valid"], &said["productUserId"]), (&json!(valid), &json!(owner)), "{code}");
    }
}

#[tokio::test]
async fn an_unknown_address_is_a_404_with_a_message() {
    let (sandbox, http) = start().await;
    let answer = http.post(format!("{}/v2/events/purchase-created", sandbox.base_url)).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.json::<Value>().await.unwrap()["message"].is_string());
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_and_kept_with_its_request_id() {
    let (sandbox, http) = start().await;
    let token = access_token(&sandbox, &http).await;
    let url = format!("{}/events", sandbox.base_url);
    let answer = http.post(url).bearer_auth(token).body("not json").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["apigw-requestid"], sandbox.refused()[0].request_id.as_str());
}

#[tokio::test]
async fn standing_trouble_lasts_until_it_is_ended_and_single_trouble_comes_first() {
    let (sandbox, http) = start().await;
    sandbox.fail_always(Some(Fault::status(503)));
    sandbox.fail_next(Endpoint::Token, Fault::status(429));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(log_in(&sandbox, &http, keys(&sandbox)).await.status().as_u16());
    }
    assert_eq!(statuses, [429, 503, 503]);
    sandbox.fail_always(None);
    assert_eq!(log_in(&sandbox, &http, keys(&sandbox)).await.status(), 201);
    assert_eq!(sandbox.calls(Endpoint::Token), 4);
}

#[tokio::test]
async fn a_stopped_stand_in_frees_its_port_although_a_call_is_still_silent() {
    let (sandbox, http) = start().await;
    sandbox.fail_next(Endpoint::Token, Fault::Silence);
    let silent = tokio::spawn(log_in_request(&sandbox, &http, keys(&sandbox)).send());
    while sandbox.calls(Endpoint::Token) == 0 {
        tokio::task::yield_now().await;
    }
    sandbox.stop().await;
    assert!(silent.await.unwrap().is_err());
    assert!(log_in_request(&sandbox, &http, keys(&sandbox)).send().await.unwrap_err().is_connect());
}

async fn start() -> (Sandbox, Client) {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let base = sandbox.base_url.parse().unwrap();
    (sandbox, cello_relay::http::client(&base, Duration::from_secs(30)).unwrap())
}

fn keys(sandbox: &Sandbox) -> Value {
    let settings = sandbox.settings();
    json!({ "accessKeyId": settings.access_key_id, "secretAccessKey": settings.secret_access_key })
}

fn log_in_request(sandbox: &Sandbox, http: &Client, body: Value) -> reqwest::RequestBuilder {
    http.post(format!("{}/token", sandbox.base_url)).json(&body)
}

async fn log_in(sandbox: &Sandbox, http: &Client, body: Value) -> Response {
    log_in_request(sandbox, http, body).send().await.unwrap()
}

async fn access_token(sandbox: &Sandbox, http: &Client) -> String {
    let answer = log_in(sandbox, http, keys(sandbox)).await;
    answer.json::<Value>().await.unwrap()["accessToken"].as_str().unwrap().to_owned()
}
