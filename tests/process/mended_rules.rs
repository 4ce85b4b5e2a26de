//! Rules that load and then fail on a webhook: `serve` goes on, holds the fact with the reason, and the next start,
//! with the rules mended, decides it.

use std::fs;

use cello_relay::cello::Sandbox;
use cello_relay::store::{Life, WebhookState};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::stage::{PATIENCE, Place, Serving, ended};

/// Each fails in another way on an invoice of 10.00 without the metadata it asks for.
const FAILING: [(&str, &str); 5] = [
    ("invoice.amount_paid / (invoice.amount_paid - 1000)", "division by zero"),
    ("invoice.amount_paid * 9223372036854775807", "does not fit a whole number of 64 bits"),
    ("raw.data.object.lines.data[7].amount", "the list is shorter than that"),
    ("raw.data.object.currency", "is no whole number but string"),
    (
        "int(customer.metadata.discount)",
        "there is no `discount`; test for it first, with `has(customer.metadata.discount)`",
    ),
];

fn rules(price: &str) -> String {
    format!(
        "[[rule]]\nname = 'signup'\non = 'customer-seen'\ntrigger = 'new-signup'\n\
         [[rule]]\nname = 'share'\non = 'invoice-paid'\ntrigger = 'invoice-paid'\nprice = '{price}'\n"
    )
}

fn event(id: &str, kind: &str, object: Value) -> String {
    json!({
        "id": id, "object": "event", "type": kind, "created": 1_767_225_600, "livemode": false,
        "data": { "object": object },
    })
    .to_string()
}

fn customer() -> String {
    let metadata = json!({ "cello_ucc": "AbC123dEf45", "new_user_id": "usr_1" });
    event("evt_customer", "customer.created", json!({ "id": "cus_1", "created": 1_767_225_600, "metadata": metadata }))
}

fn invoice(number: u8) -> String {
    let invoice = json!({
        "id": format!("in_{number}"), "customer": "cus_1", "currency": "eur", "status": "paid", "amount_paid": 1000, "total": 1000,
        "lines": { "data": [{ "amount": 1000, "quantity": 1 }] },
    });
    event(&format!("evt_invoice_{number}"), "invoice.paid", invoice)
}

/// The last invoice's life as soon as it stands there.
async fn life(place: &Place, state: WebhookState) -> Life {
    let stands = async {
        loop {
            match place.life("evt_invoice_2").await {
                Some(life) if life.state == state => return life,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, stands).await.unwrap_or_else(|_| panic!("it never was {state}"))
}

/// However often it failed, and with nothing of what it failed on.
#[track_caller]
fn assert_one_warning(log: &[String]) {
    let parsed = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let warnings: Vec<Value> =
        parsed.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("a rule failed"))).collect();
    let [warning] = &*warnings else { panic!("{log:#?}") };
    assert_eq!([&warning["level"], &warning["rule"]], ["WARN", "share"], "{warning}");
    assert!(warning["event_id"].as_str().unwrap().starts_with("evt_invoice_"), "{warning}");
    assert!(!log.concat().contains("AbC123dEf45") && !log.concat().contains("usr_1"), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_at_run_time_holds_the_fact_until_the_next_start_with_mended_rules() {
    for (price, problem) in FAILING {
        let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
        let place = Place::new();
        let file = place.folder.path().join("own.toml");
        fs::write(&file, rules(price)).unwrap();
        let serve = || {
            let mut command = place.serve(&cello);
            command.env("RELAY__RULES", &file);
            Serving::start(command)
        };

        let serving = serve().await;
        for body in [customer(), invoice(1), invoice(2)] {
            assert_eq!(serving.post.stripe(&body).await.unwrap(), 200, "{price}");
        }
        let held = life(&place, WebhookState::Held).await.decisions.remove(0);
        assert_eq!(held.reason.as_deref(), Some("rule_failed"), "{price}: {held:?}");
        assert!(held.message.contains("rule share failed: price:") && held.message.contains(problem), "{held:?}");
        let (code, shown, _) = ended(place.command(&["events", "show", "evt_invoice_2"]));
        assert!(code == 0 && shown.contains("rule_failed") && shown.contains(problem), "{shown}");
        let (_, found, _) = ended(place.command(&["check", "--offline"]));
        assert!(found.contains("2 facts are held because a rule failed on them"), "{found}");
        let (_, metrics) = serving.get_admin("/metrics").await;
        assert!(metrics.contains("cello_relay_held_facts{reason=\"rule_failed\"} 2"), "{metrics}");
        let (code, log) = serving.terminate().await;
        assert_eq!(code, Some(0));
        assert_one_warning(&log);

        fs::write(&file, rules("invoice.amount_paid")).unwrap();
        let serving = serve().await;
        let mapped = life(&place, WebhookState::Mapped).await;
        let keys: Vec<&str> = mapped.referral_events.iter().map(|event| event.key.as_str()).collect();
        assert_eq!(keys, ["purchase:stripe:in_2"], "{price}");
        assert_eq!(mapped.referral_events[0].body["payload"]["price"], 1000);
        assert_eq!(serving.terminate().await.0, Some(0));
    }
}
