//! The real client against the real stand-in, over HTTP.

#[path = "common/cutting_proxy.rs"]
mod cutting_proxy;

use std::time::Duration;

use cello_relay::cello::sandbox::{Endpoint, Fault, Settings};
use cello_relay::cello::{ANSWERS, CallError, Class, Client, Outcome, Sandbox, SetupError};
use cutting_proxy::{Cut, CuttingProxy};
use serde_json::{Value, json};

/// Long enough for any machine; only tests of slowness set a shorter one.
const PATIENCE: Duration = Duration::from_secs(30);

// --- sending ---

#[tokio::test]
async fn an_event_arrives_byte_for_byte_and_is_delivered() {
    let (sandbox, client) = start().await;
    let text = format!(" {}\n", purchase("in_1"));

    let sent = client.send(&text).await;

    assert_eq!(sent.outcome, Outcome::Delivered);
    assert_eq!((sent.status, sent.login, sent.message.as_str()), (Some(200), false, "accepted"));
    let received = sandbox.wait_for(1).await;
    assert_eq!(received[0].text, text);
    assert_eq!(sent.request_id.as_deref(), Some(received[0].request_id.as_str()));
    assert_eq!(received[0].warnings, []);
}

#[tokio::test]
async fn a_rejection_keeps_the_message_and_names_the_field() {
    let (sandbox, client) = start().await;
    let mut body = purchase("in_1");
    body["payload"]["price"] = json!(49.99);
    body["context"]["subscription"]["interval"] = json!("month");

    let sent = client.send(&body.to_string()).await;

    assert_eq!((sent.outcome, sent.status), (Outcome::Rejected, Some(400)));
    assert!(sent.message.starts_with("payload.price must be an integer"), "{}", sent.message);
    assert!(sent.message.contains("context.subscription.interval"), "{}", sent.message);
    assert_eq!(sandbox.refused()[0].message, sent.message);
    assert!(sandbox.received().is_empty());
}

#[tokio::test]
async fn an_account_on_the_newest_schema_rejects_the_older_triggers_and_the_message_names_the_setting() {
    let settings = Settings { current_triggers_only: true, ..Settings::default() };
    let (_sandbox, client) = start_with(settings).await;
    let mut body = purchase("in_1");
    body["context"]["event"]["trigger"] = json!("subscription-updated");

    let sent = client.send(&body.to_string()).await;

    assert_eq!(sent.outcome, Outcome::Rejected);
    assert!(sent.message.contains(r#"`triggers = "current"`"#), "{}", sent.message);
}

#[tokio::test]
async fn a_purchase_sent_twice_is_taken_twice_and_pointed_out() {
    let (sandbox, client) = start().await;
    for _ in 0..2 {
        assert_eq!(client.send(&purchase("in_1").to_string()).await.outcome, Outcome::Delivered);
    }
    let received = sandbox.received();
    assert_eq!(received.iter().map(|one| one.warnings.len()).collect::<Vec<_>>(), [0, 1]);
}

// --- answers ---

#[tokio::test]
async fn every_class_of_answer_over_http_has_the_outcome_that_the_table_says() {
    let (sandbox, client) = start().await;
    let retry = Outcome::Retry { after: None };
    for (fault, outcome, message) in [
        (Fault::answer(200, r#"{"success":true}"#), Outcome::Delivered, "accepted"),
        (
            Fault::answer(200, r#"{"success":false}"#),
            Outcome::Rejected,
            r#"200 without `success: true`: {"success":false}"#,
        ),
        (Fault::answer(200, "<html>hi</html>"), Outcome::Rejected, "200 without `success: true`: <html>hi</html>"),
        (
            Fault::answer(202, r#"{"eventId":"e"}"#),
            Outcome::Rejected,
            r#"202 without `success: true`: {"eventId":"e"}"#,
        ),
        (Fault::answer(204, ""), Outcome::Rejected, "204 without `success: true`"),
        (Fault::answer(400, r#"{"message":"ucc is wrong"}"#), Outcome::Rejected, "ucc is wrong"),
        (Fault::answer(403, r#"{"message":"Forbidden"}"#), Outcome::Rejected, "403: Forbidden"),
        (Fault::status(404), Outcome::Rejected, "404: ordered 404"),
        (Fault::status(409), Outcome::Rejected, "409: ordered 409"),
        (Fault::status(410), Outcome::Rejected, "410: ordered 410"),
        (Fault::status(422), Outcome::Rejected, "422: ordered 422"),
        (Fault::status(408), retry, "408: ordered 408"),
        (Fault::status(425), retry, "425: ordered 425"),
        (Fault::status(429), retry, "429: ordered 429"),
        (Fault::status(500), retry, "500: ordered 500"),
        (Fault::answer(502, "<html>Bad Gateway</html>"), retry, "502: <html>Bad Gateway</html>"),
        (Fault::answer(503, ""), retry, "503 without a message"),
        (Fault::status(504), retry, "504: ordered 504"),
    ] {
        sandbox.fail_next(Endpoint::Events, fault.clone());
        let sent = client.send(&purchase("in_1").to_string()).await;
        assert_eq!((sent.outcome, sent.message.as_str(), sent.login), (outcome, message, false), "{fault:?}");
    }
    assert_eq!(sandbox.calls(Endpoint::Token), 1);
}

#[test]
fn the_table_of_answers_reads_as_the_readme_prints_it() {
    let lines: Vec<_> = ANSWERS.iter().map(|row| format!("{} -> {}", row.answer, row.class.as_str())).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    200 with `success: true` -> delivered
    any other 2xx: `success` not `true`, another status, not JSON -> rejected
    3xx -> rejected
    400 -> rejected
    401 -> login
    408, 425, 429, 5xx -> retry
    any other 4xx -> rejected
    no connection: name look-up, refused, TLS, connect timeout -> retry
    connection broken or time out after the request may have been written -> unsure
    ");
    assert!(ANSWERS.iter().all(|row| row.then.ends_with('.')));
    assert_eq!(ANSWERS.iter().filter(|row| row.class == Class::Delivered).count(), 1);
}

#[tokio::test]
async fn retry_after_is_handed_on_in_both_forms_and_nonsense_is_left_out() {
    let (sandbox, client) = start().await;
    let mut waits = Vec::new();
    for value in ["120", "Fri, 01 Jan 2100 00:00:00 GMT", "-1", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        sandbox.fail_next(Endpoint::Events, Fault::status(429).header("retry-after", value));
        match client.send(&purchase("in_1").to_string()).await.outcome {
            Outcome::Retry { after } => waits.push(after),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits[0], Some(Duration::from_secs(120)));
    assert!(waits[1].is_some_and(|wait| wait > Duration::from_secs(365 * 24 * 3600)));
    assert_eq!(waits[2..], [None, None, None]);
}

#[tokio::test]
async fn a_redirect_is_never_followed_so_the_token_goes_nowhere_else() {
    let (sandbox, client) = start().await;
    let elsewhere = Sandbox::start("127.0.0.1:0").await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let there = format!("{}/events", elsewhere.base_url);
        sandbox.fail_next(Endpoint::Events, Fault::status(status).header("location", &there));
        let sent = client.send(&purchase("in_1").to_string()).await;
        assert_eq!((sent.outcome, sent.status), (Outcome::Rejected, Some(status)));
        assert!(!sent.message.contains(&there), "{}", sent.message);
    }
    assert_eq!(elsewhere.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_and_does_not_hold_the_sender() {
    let (sandbox, client) = start().await;
    sandbox.fail_next(Endpoint::Events, Fault::Endless);

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.status), (Outcome::Rejected, Some(200)));
    assert!(sent.message.len() < 600);
    assert_eq!(client.send(&purchase("in_1").to_string()).await.outcome, Outcome::Delivered);
}

// --- the network ---

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_the_event_unsure() {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let client = client_of(&sandbox, &sandbox.base_url, Duration::from_millis(1000));
    client.token().await.unwrap();
    sandbox.fail_next(Endpoint::Events, Fault::Silence);

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.status), (Outcome::Unsure, None));
    assert!(sent.message.contains("time ran out"), "{}", sent.message);
    assert_eq!(sandbox.wait_for(1).await.len(), 1, "Cello had it all the same");
}

#[tokio::test]
async fn a_login_that_does_not_answer_in_time_is_a_matter_of_the_login() {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let client = client_of(&sandbox, &sandbox.base_url, Duration::from_millis(1000));
    sandbox.fail_next(Endpoint::Token, Fault::Silence);

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.login), (Outcome::Retry { after: None }, true));
    assert!(sent.message.contains("time ran out"), "{}", sent.message);
    assert_eq!(sandbox.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_was_written_leaves_the_event_unsure() {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let proxy = CuttingProxy::start(&sandbox.base_url).await;
    let client = client_of(&sandbox, &proxy.base_url, PATIENCE);
    for (cut, status, taken) in
        [(Cut::BeforeForwarding, None, 0), (Cut::BeforeAnswer, None, 1), (Cut::WithinAnswer, Some(200), 2)]
    {
        proxy.cut_next("/events", cut);
        let sent = client.send(&purchase("in_1").to_string()).await;
        assert_eq!((sent.outcome, sent.status), (Outcome::Unsure, status), "{cut:?}: {}", sent.message);
        assert_eq!(sandbox.received().len(), taken, "sent once, not again by itself: {cut:?}");
    }
    assert_eq!(client.send(&purchase("in_1").to_string()).await.outcome, Outcome::Delivered);
}

const TOKEN: &str = "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 19\r\n\r\n{\"accessToken\":\"a\"}";

#[tokio::test]
async fn a_connection_that_is_reset_before_or_within_the_answer_leaves_the_event_unsure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&base_url, "key", "secret".into(), PATIENCE).unwrap();
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"succ";
    let (login, ()) = tokio::join!(client.token(), answer_and_reset(&listener, true, TOKEN));
    login.unwrap();
    for (reads, answer, status) in [(false, "", None), (true, "", None), (true, half, Some(200))] {
        let body = purchase("in_1").to_string();
        let (sent, ()) = tokio::join!(client.send(&body), answer_and_reset(&listener, reads, answer));
        assert_eq!((sent.outcome, sent.login), (Outcome::Unsure, false), "{reads} {answer}: {}", sent.message);
        assert!(sent.status.is_none() || sent.status == status, "{:?}", sent.status);
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_answer_takes_nothing_back_and_the_next_event_gets_another() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&base_url, "key", "secret".into(), PATIENCE).unwrap();
    let (login, ()) = tokio::join!(client.token(), answer_and_reset(&listener, true, TOKEN));
    login.unwrap();
    for invoice in ["in_1", "in_2"] {
        let body = purchase(invoice).to_string();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"success\":true}";
        let (sent, stream) = tokio::join!(client.send(&body), answered(&listener, true, answer));
        assert_eq!(sent.outcome, Outcome::Delivered, "{}", sent.message);
        stream.set_zero_linger().unwrap();
        drop(stream);
        // So that the client has heard of it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Takes one connection, reads what comes first if it `reads` at all, says `answer`, and ends it with a reset.
async fn answer_and_reset(listener: &tokio::net::TcpListener, reads: bool, answer: &str) {
    let stream = answered(listener, reads, answer).await;
    if !answer.contains("connection: close") {
        stream.set_zero_linger().unwrap();
    }
}

/// A connection over which something was read, if it `reads` at all, and `answer` said.
async fn answered(listener: &tokio::net::TcpListener, reads: bool, answer: &str) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut stream, _) = listener.accept().await.unwrap();
    if reads {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_refused_connection_is_a_retry_since_nothing_was_written() {
    let (sandbox, client) = start().await;
    // Closed by the server: what is written to a connection from the pool that is just closing is unsure, and rightly.
    let login = Fault::answer(201, r#"{"accessToken":"a"}"#).header("connection", "close");
    sandbox.fail_next(Endpoint::Token, login);
    client.token().await.unwrap();
    sandbox.stop().await;

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.login), (Outcome::Retry { after: None }, false));
    assert!(sent.message.contains("no connection to Cello"), "{}", sent.message);
}

// --- the login ---

#[tokio::test]
async fn many_sends_at_once_share_one_login() {
    let (sandbox, client) = start().await;
    let bodies: Vec<_> = (0..20).map(|number| purchase(&format!("in_{number}")).to_string()).collect();

    let sent = futures_util::future::join_all(bodies.iter().map(|body| client.send(body))).await;

    assert!(sent.iter().all(|sent| sent.outcome == Outcome::Delivered));
    assert_eq!(sandbox.calls(Endpoint::Token), 1);
}

#[tokio::test]
async fn when_a_token_is_not_accepted_any_more_all_senders_share_one_renewal_and_each_event_is_taken_once() {
    let (sandbox, client) = start().await;
    client.token().await.unwrap();
    sandbox.expire_tokens(true);
    let bodies: Vec<_> = (0..20).map(|number| purchase(&format!("in_{number}")).to_string()).collect();

    let sent = futures_util::future::join_all(bodies.iter().map(|body| client.send(body))).await;

    assert!(sent.iter().all(|sent| sent.outcome == Outcome::Delivered));
    assert_eq!(sandbox.calls(Endpoint::Token), 2);
    assert_eq!(sandbox.received().len(), 20);
    assert!(sandbox.received().iter().all(|received| received.warnings.is_empty()));
}

#[tokio::test]
async fn a_second_401_is_a_matter_of_the_login_and_does_not_kill_the_event() {
    let (sandbox, client) = start().await;
    for _ in 0..2 {
        sandbox.fail_next(Endpoint::Events, Fault::answer(401, r#"{"message":"Unauthorized"}"#));
    }

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.login, sent.status), (Outcome::Retry { after: None }, true, Some(401)));
    assert_eq!(sent.message, "401: Unauthorized");
    assert_eq!((sandbox.calls(Endpoint::Token), sandbox.calls(Endpoint::Events)), (2, 2));
}

#[tokio::test]
async fn wrong_keys_are_a_retry_that_says_which_keys_are_meant() {
    let sandbox = Sandbox::start("127.0.0.1:0").await.unwrap();
    let client = Client::new(&sandbox.base_url, "product-id", "product-secret".into(), PATIENCE).unwrap();

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.login, sent.status), (Outcome::Retry { after: None }, true, None));
    assert!(sent.message.contains("Invalid access key id"), "{}", sent.message);
    assert!(sent.message.contains("not the product id and secret"), "{}", sent.message);
    assert!(!sent.message.contains("product-secret"), "{}", sent.message);
    assert_eq!(sandbox.calls(Endpoint::Events), 0);
}

#[tokio::test]
async fn a_login_that_is_down_hands_on_how_long_it_wants_to_be_left_alone_and_works_later() {
    let (sandbox, client) = start().await;
    sandbox.fail_next(Endpoint::Token, Fault::status(503).header("retry-after", "60"));

    let sent = client.send(&purchase("in_1").to_string()).await;

    assert_eq!((sent.outcome, sent.login), (Outcome::Retry { after: Some(Duration::from_secs(60)) }, true));
    assert_eq!(client.send(&purchase("in_1").to_string()).await.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn an_odd_stated_lifetime_does_not_cause_a_login_for_each_event() {
    for stated in [json!(null), json!(0), json!(-5), json!("soon"), json!(1e300)] {
        let settings = Settings { stated_lifetime: Some(stated.clone()), ..Settings::default() };
        let (sandbox, client) = start_with(settings).await;
        for number in 0..3 {
            let sent = client.send(&purchase(&format!("in_{number}")).to_string()).await;
            assert_eq!(sent.outcome, Outcome::Delivered, "{stated}");
        }
        assert_eq!(sandbox.calls(Endpoint::Token), 1, "{stated}");
    }
}

// --- the other calls ---

#[tokio::test]
async fn codes_links_and_rewards_are_read() {
    let (_sandbox, client) = start().await;

    assert_eq!(client.referral_code("AbC123dEf45").await.unwrap().valid, Some(true));
    let unknown = client.referral_code("test").await.unwrap();
    assert_eq!((unknown.valid, unknown.product_user_id), (Some(false), None));
    let link = client.active_link("u/1 ü?").await.unwrap();
    assert!(link.link.unwrap().ends_with(&link.active_ucc.unwrap()));

    let mut signup = purchase("in_1");
    signup["context"]["event"]["trigger"] = json!("new-signup");
    client.send(&signup.to_string()).await;
    let reward = client.new_user_reward("u_1001").await.unwrap();
    assert_eq!((reward.eligible, reward.referral_ucc.as_deref()), (Some(true), Some("AbC123dEf45")));
    client.send(&purchase("in_1").to_string()).await;
    assert_eq!(client.new_user_reward("u_1001").await.unwrap().eligible, Some(false));
}

#[tokio::test]
async fn an_id_never_leads_to_another_call() {
    let (sandbox, client) = start().await;
    for id in ["", ".", ".."] {
        assert_eq!(client.referral_code(id).await.unwrap_err(), CallError::Id(id.into()));
    }
    for id in ["../token", "%2e%2e", "active-link/u_1", "a?b=c", "a#b"] {
        assert_eq!(client.referral_code(id).await.unwrap().code.as_deref(), Some(id));
    }
    assert_eq!(sandbox.calls(Endpoint::Reads), 5);
}

#[tokio::test]
async fn trouble_with_a_read_tells_what_happened() {
    let (sandbox, client) = start().await;
    sandbox.fail_next(Endpoint::Reads, Fault::status(404));
    sandbox.fail_next(Endpoint::Reads, Fault::answer(200, "<html>"));
    let not_found = client.active_link("u_1").await.unwrap_err();
    assert_eq!(not_found, CallError::Answer { status: 404, message: "ordered 404".into() });
    let unreadable = client.active_link("u_1").await.unwrap_err();
    assert!(matches!(unreadable, CallError::Unreadable { status: 200, .. }), "{unreadable}");
    sandbox.expire_tokens(true);
    assert!(client.active_link("u_1").await.is_ok(), "a new token is fetched for reads too");
}

#[tokio::test]
async fn a_base_address_that_is_none_is_refused_and_a_path_in_it_is_kept() {
    for wrong in ["", "api.cello.so", "ftp://api.cello.so", "mailto:a@b"] {
        let client = Client::new(wrong, "key", "secret".into(), PATIENCE);
        assert!(matches!(client, Err(SetupError::BaseUrl(_))), "{wrong}");
    }
    let (sandbox, _) = start().await;
    let client = client_of(&sandbox, &format!("{}/below/", sandbox.base_url), PATIENCE);
    let error = client.token().await.unwrap_err();
    assert!(error.to_string().contains("Cannot POST /below/token"), "{error}");
}

// --- the stage ---

async fn start() -> (Sandbox, Client) {
    start_with(Settings::default()).await
}

async fn start_with(settings: Settings) -> (Sandbox, Client) {
    let sandbox = Sandbox::start_with("127.0.0.1:0", settings).await.unwrap();
    let client = client_of(&sandbox, &sandbox.base_url, PATIENCE);
    (sandbox, client)
}

fn client_of(sandbox: &Sandbox, base_url: &str, timeout: Duration) -> Client {
    let settings = sandbox.settings();
    Client::new(base_url, &settings.access_key_id, settings.secret_access_key.clone().into(), timeout).unwrap()
}

fn purchase(invoice: &str) -> Value {
    json!({
        "eventName": "ReferralUpdated",
        "payload": { "ucc": "AbC123dEf45", "newUserId": "u_1001", "price": 4900, "currency": "EUR" },
        "context": {
            "event": { "trigger": "invoice-paid", "timestamp": "2026-05-01T09:30:00Z" },
            "newUser": { "id": "u_1001", "email": "buyer@example.com" },
            "subscription": {
                "id": "sub_1", "invoiceId": invoice, "interval": "monthly", "productKey": "Pro", "seatsUsed": 3
            }
        }
    })
}
