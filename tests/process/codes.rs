//! Codes that Cello is asked about, through the program itself.

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::Endpoint;
use serde_json::{Value, json};

use crate::stage::{Place, Serving, customer_created, ended, event_id, json_lines, user};

/// A referred customer has appeared, with this code and user.
fn customer(number: usize, code: &str, user: &str) -> String {
    let mut body: Value = serde_json::from_str(&customer_created(number, false)).unwrap();
    body["data"]["object"]["metadata"] = json!({ "cello_ucc": code, "new_user_id": user });
    body.to_string()
}

#[tokio::test]
async fn only_what_carries_a_valid_code_of_somebody_else_reaches_cello() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let mut command = place.serve(&cello);
    command.env("RELAY__CELLO__CHECK_CODES", "withhold");
    let serving = Serving::start(command).await;

    for (number, code, user) in
        [(1, "Unknown0001", "u_1"), (2, "Blocked0001", "u_2"), (3, "Own0000u123", "u123"), (4, "AbC123dEf45", "u_4")]
    {
        assert_eq!(serving.post.stripe(&customer(number, code, user)).await.unwrap(), 200);
    }
    // Held facts are asked about in the order in which they were held.
    let received = cello.wait_for(1).await;
    assert_eq!(received[0].body["payload"]["newUserId"], user(4));
    assert_eq!(serving.terminate().await.0, Some(0));

    assert_eq!((cello.received().len(), cello.calls(Endpoint::Reads)), (1, 4));
    for (number, reason) in [(1, "code_unknown"), (2, "code_blocked"), (3, "self_referral")] {
        let (code, shown, _) = ended(place.command(&["events", "show", &event_id(number), "--json"]));
        assert_eq!((code, &json_lines(&shown)[0]["decisions"][0]["reason"]), (0, &json!(reason)));
    }
}
