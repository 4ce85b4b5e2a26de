//! `events list`, `show`, `retry` and `discard`, beside a relay that has the store open.

use cello_relay::decision::Reason;
use cello_relay::store::{Erasing, Store, Then, Wanted};
use jiff::Timestamp;
use serde_json::json;

use crate::given::Installation;

const STORY: &str = "stories/stripe-invoice-before-customer";
const USER: &str = "usr_10351";
const INVOICE: &str = "in_18kd7jQ8hTzvKe3RTgSo0Qkp";
const WEBHOOK: &str = "evt_1bhdMPQ8hTzvKe3RtAvDs1Tn";
/// One webhook that settles two invoices.
const TWO_INVOICES: &str = "stories/chargebee-one-payment-two-invoices";

#[tokio::test]
async fn list_shows_what_became_of_each_webhook_newest_first() {
    let relay = Installation::new().with(STORY).await.delivered().await.with("stripe/invoice-paid-basil.json").await;

    let said = relay.run(&["events", "list"]);

    assert_eq!(said.code, 0, "{said:?}");
    let rows: Vec<Vec<&str>> = said.out.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    let shown: Vec<String> = rows.iter().map(|row| [&row[1..3], &row[4..]].concat().join(" ")).collect();
    assert_eq!(
        shown,
        [
            "stripe invoice.paid hold: customer_unseen",
            "stripe customer.created send 1 new-signup delivered 1",
            "stripe customer.subscription.created send 2 subscription-created 1900 GBP delivered 1",
            "stripe invoice.paid send 3 invoice-paid 1900 GBP delivered 1",
        ]
    );
}

#[tokio::test]
async fn list_can_be_limited_to_a_state_a_provider_and_a_number_of_lines() {
    let relay = Installation::new().with(STORY).await.with(TWO_INVOICES).await.dead().await;
    for (arguments, number) in [
        (vec![], 6),
        (vec!["--state", "dead"], 6),
        (vec!["--state", "mapped"], 6),
        (vec!["--state", "held"], 0),
        (vec!["--state", "dead", "--provider", "stripe"], 3),
        (vec!["--limit", "2"], 2),
    ] {
        let said = relay.run(&[&["events", "list", "--json"], arguments.as_slice()].concat());
        assert_eq!((said.code, said.lines().len()), (0, number), "{arguments:?}: {said:?}");
    }
}

#[tokio::test]
async fn list_as_json_is_one_object_on_each_line() {
    let relay = Installation::new().with(STORY).await.dead().await;

    let lines = relay.run(&["events", "list", "--json"]).lines();

    assert_eq!(lines[2]["event_id"], WEBHOOK);
    assert_eq!(lines[2]["webhook_state"], "mapped");
    assert_eq!(lines[2]["decision"], "send");
    assert_eq!(lines[2]["referral_event"]["price"], 1900);
    assert_eq!(lines[2]["referral_event"]["state"], "dead");
}

#[test]
fn an_empty_list_says_so_and_how_to_go_on() {
    let relay = Installation::new();
    let all = relay.run(&["events", "list"]);
    assert_eq!((all.code, all.out.as_str()), (0, ""));
    all.says(&["no webhook has been received yet", "cello-relay check"]);

    let dead = relay.run(&["events", "list", "--state", "dead", "--provider", "stripe"]);
    dead.says(&["nothing of stripe is dead", "`cello-relay events list` shows everything"]);
}

#[test]
fn an_unknown_state_is_refused_with_all_there_are_and_the_nearest() {
    let said = Installation::new().run(&["events", "list", "--state", "deda"]);
    assert_eq!(said.code, 2);
    said.says(&["undecided, held, ignored, unreadable, mapped, waiting, sending, delivered", "'dead'"]);
}

#[tokio::test]
async fn show_tells_the_whole_life_of_what_an_invoice_became() {
    let relay = Installation::new().with(STORY).await.dead().await;

    let said = relay.run(&["events", "show", INVOICE]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&[
        "evt_1bhdMPQ8hTzvKe3RtAvDs1Tn  invoice.paid  stripe, test mode",
        "mapped: it became referral events",
        "invoice-paid: send, by the rule `purchase`",
        "Referral event 3: invoice-paid, 1900 GBP, monthly, dead",
        "\n                   \"newUserId\": \"usr_10351\",\n",
        "rejected, HTTP 400 after 12 ms: payload.ucc must be a string (request id QvYxHgT7oAMEJ3A=)",
        "`cello-relay events retry 3`",
    ]);
}

#[tokio::test]
async fn show_finds_it_by_every_name_it_has() {
    let relay = Installation::new().with(STORY).await;
    for name in [WEBHOOK, "purchase:stripe:in_18kd7jQ8hTzvKe3RTgSo0Qkp", INVOICE, "cus_mnAKgEdNN32OMF", USER, "3"] {
        let said = relay.run(&["events", "show", name, "--json"]);
        let found = said.lines().iter().any(|life| life["event_id"] == WEBHOOK);
        assert!(said.code == 0 && found, "{name}: {said:?}");
    }
}

#[tokio::test]
async fn show_says_what_a_held_webhook_waits_for_and_how_long() {
    let relay = Installation::new().with("stripe/invoice-paid-basil.json").await;
    let event_id = relay.run(&["events", "list", "--json"]).lines()[0]["event_id"].as_str().unwrap().to_owned();

    let said = relay.run(&["events", "show", &event_id]);

    said.says(&[
        "held: something in it waits",
        "invoice-paid: hold, customer_unseen",
        "Held: no webhook or look-up has told of this customer yet.",
        "waits for  news of the customer `cus_",
        "(in 29 days) at the longest",
    ]);
}

#[tokio::test]
async fn show_says_why_a_webhook_was_ignored_in_words() {
    let relay = Installation::new().with("stories/stripe-not-referred").await;
    let event_id = relay.run(&["events", "list", "--json"]).lines()[0]["event_id"].as_str().unwrap().to_owned();
    let said = relay.run(&["events", "show", &event_id]);
    said.says(&["invoice-paid: ignore, not_referred", "decided again if a code appears within 30 days"]);
}

#[tokio::test]
async fn show_says_that_and_when_a_body_was_erased() {
    let relay = Installation::new().with("stories/stripe-not-referred").await;
    let event_id = relay.run(&["events", "list", "--json"]).lines()[0]["event_id"].as_str().unwrap().to_owned();
    let erasing = Erasing {
        before: Timestamp::MAX,
        after: None,
        limit: 9,
        reasons: vec![Reason::NotReferred],
        reasons_of_strangers: vec![],
    };
    let at = "2026-02-03T04:05:06Z".parse().unwrap();
    assert!(relay.store.erase_bodies(erasing, at).await.unwrap().bodies > 0);

    relay
        .run(&["events", "show", &event_id])
        .says(&["erased 2026-02-03T04:05:06Z", "invoice-paid: ignore, not_referred"]);
    assert_eq!(relay.run(&["events", "show", &event_id, "--json"]).lines()[0]["body_erased_at"], at.to_string());
}

#[tokio::test]
async fn nobodys_words_reach_the_terminal_as_commands_and_there_is_no_colour_without_one() {
    let relay = Installation::new().with(STORY).await.sent("rejected", "no\u{1b}[2J\r\nnext", Then::Dead).await;
    let said = relay.run(&["events", "show", "3"]);
    assert!(!said.out.contains(['\u{1b}', '\r']), "{said:?}");
    said.says(&["no [2J  next"]);
}

#[test]
fn a_name_that_is_nowhere_in_the_store_is_a_finding() {
    let said = Installation::new().run(&["events", "show", "evt_nowhere"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    said.says(&["nothing in this store is named `evt_nowhere`", "look there for the answer it got"]);
}

#[test]
fn without_a_store_the_commands_say_that_serve_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = crate::given::run(folder.path(), &[], &["events", "list"]);
    assert_eq!(said.code, 2);
    said.says(&["there is no such file; `cello-relay serve` creates it"]);
}

#[tokio::test]
async fn retry_sends_a_dead_referral_event_again_from_now_on() {
    let relay = Installation::new().with(STORY).await.refused("currency not allowed").await;

    let said = relay.run(&["events", "retry", INVOICE]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["is sent again", "a running relay notices within 5 seconds"]);
    assert_eq!(relay.states().await, [1, 0, 0, 1, 0]);
    let claimable =
        relay.store.claim(jiff::Timestamp::now(), jiff::Timestamp::MAX, Wanted::longest_due(9)).await.unwrap();
    assert_eq!(claimable.iter().map(|event| (event.id, event.attempts)).collect::<Vec<_>>(), [(3, 0)]);
}

#[tokio::test]
async fn retry_of_a_user_takes_all_that_is_the_users() {
    let relay = Installation::new().with(STORY).await.with(TWO_INVOICES).await.dead().await;
    let said = relay.run(&["events", "retry", USER, "1", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(relay.states().await, [3, 0, 0, 3, 0]);
}

#[tokio::test]
async fn one_invoice_of_a_webhook_does_not_take_the_other_along() {
    let relay = Installation::new().with(TWO_INVOICES).await.dead().await;
    let rows = relay.run(&["events", "list", "--json", "--state", "dead"]).lines();
    let key = rows[0]["referral_event"]["key"].as_str().unwrap();
    let invoice = key.rsplit(':').next().unwrap();

    let said = relay.run(&["events", "retry", invoice, "--json"]);

    assert_eq!(said.lines().len(), 1, "{said:?}");
    assert_eq!(said.lines()[0]["key"], key);
    assert_eq!(relay.states().await, [1, 0, 0, 2, 0]);
}

#[tokio::test]
async fn what_cannot_be_retried_is_told_with_the_reason_and_the_rest_is_done() {
    let relay = Installation::new().with(STORY).await.delivered().await.with(TWO_INVOICES).await.dead().await;

    let said = relay.run(&["events", "retry", "1", "4", "evt_nowhere", "--yes"]);

    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["was delivered: not applied, Cello has it already", "nothing in this store is named `evt_nowhere`"]);
    assert_eq!(relay.states().await, [1, 3, 0, 2, 0]);
}

#[tokio::test]
async fn a_webhook_that_nothing_came_of_cannot_be_retried_and_show_is_named() {
    let relay = Installation::new().with("stories/stripe-not-referred").await;
    let event_id = relay.run(&["events", "list", "--json"]).lines()[0]["event_id"].as_str().unwrap().to_owned();
    let said = relay.run(&["events", "retry", &event_id]);
    assert_eq!(said.code, 1);
    said.says(&["no referral event came of", &format!("`cello-relay events show {event_id}` tells why")]);
}

#[tokio::test]
async fn a_whole_state_is_retried_only_with_a_yes() {
    let relay = Installation::new().with(STORY).await.sent("unsure", "the connection broke", Then::Unsure).await;

    let unasked = relay.run(&["events", "retry", "--state", "unsure"]);
    assert_eq!(unasked.code, 2);
    unasked.says(&["this would retry 3 referral events, and there is nobody to ask", "--dry-run", "--yes"]);
    assert_eq!(relay.states().await, [0, 0, 3, 0, 0]);

    let of_other = relay.run(&["events", "retry", "--state", "unsure", "--provider", "chargebee", "--yes"]);
    assert_eq!(of_other.code, 0);
    of_other.says(&["no referral event of chargebee is unsure"]);

    let yes = relay.run(&["events", "retry", "--state", "unsure", "--provider", "stripe", "--yes"]);
    assert_eq!(yes.code, 0, "{yes:?}");
    assert_eq!(relay.states().await, [3, 0, 0, 0, 0]);
}

#[tokio::test]
async fn more_than_one_by_name_want_a_yes_as_well_and_a_single_one_of_a_state_does_not() {
    let relay = Installation::new().with(STORY).await.dead().await;
    let unasked = relay.run(&["events", "retry", USER]);
    assert_eq!(unasked.code, 2);
    unasked.says(&["this would retry 3 referral events, and there is nobody to ask"]);
    let one = relay.run(&["events", "retry", "--state", "dead", "--trigger", "invoice-paid"]);
    assert_eq!(one.code, 0, "{one:?}");
    assert_eq!(relay.states().await, [1, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_state_can_be_filtered_by_trigger_arrival_and_what_cello_said() {
    let relay = Installation::new().with(STORY).await.dead().await.with(TWO_INVOICES).await;
    let relay = relay.sent("rejected", "Currency is unknown", Then::Dead).await;
    for (arguments, number) in [
        (vec![], 6),
        (vec!["--trigger", "new-signup"], 2),
        (vec!["--message", "CURRENCY"], 3),
        (vec!["--message", "currency", "--trigger", "new-signup"], 1),
        (vec!["--message", "timeout"], 0),
        (vec!["--since", "2026-01-01"], 6),
        (vec!["--until", "2026-01-01"], 0),
        (vec!["--since", "2026-01-01", "--until", "2100-01-01", "--provider", "stripe"], 3),
    ] {
        let dry = ["events", "discard", "--json", "--state", "dead", "--dry-run"];
        let said = relay.run(&[&dry, arguments.as_slice()].concat());
        assert_eq!((said.code, said.lines().len()), (0, number), "{arguments:?}: {said:?}");
    }
    let none = relay.run(&["events", "retry", "--state", "dead", "--message", "timeout"]);
    none.says(&["no referral event is dead and as you want it"]);
    let alone = relay.run(&["events", "retry", "1", "--message", "timeout"]);
    assert_eq!(alone.code, 2, "a filter is no way to name events");
}

#[tokio::test]
async fn with_a_rate_they_are_due_one_after_the_other_the_oldest_first() {
    let relay = Installation::new().with(STORY).await.dead().await;

    let said = relay.run(&["events", "retry", "--state", "dead", "--yes", "--rate", "2"]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["3 referral events to be sent again, the last one 1 second after the first"]);
    let lives = relay.store.life(USER).await.unwrap();
    let mut due: Vec<_> =
        lives.iter().flat_map(|life| &life.referral_events).map(|event| (event.id, event.due_at.unwrap())).collect();
    due.sort_unstable();
    let after: Vec<_> = due.iter().map(|(_, at)| at.duration_since(due[0].1).as_millis()).collect();
    assert_eq!(after, [0, 500, 1000]);
}

#[tokio::test]
async fn of_many_their_number_and_a_few_examples_are_shown() {
    let mut relay = Installation::new();
    for number in 0..25 {
        let body = json!({
            "id": format!("evt_{number}"), "object": "event", "type": "customer.created", "created": 1_767_225_600,
            "livemode": false, "data": { "object": {
                "id": format!("cus_{number}"), "object": "customer", "created": 1_767_225_600,
                "metadata": { "cello_ucc": "AbC123dEf45", "new_user_id": format!("u_{number}") },
            } },
        });
        relay = relay.with_body(&body).await;
    }
    let relay = relay.dead().await;

    let said = relay.run(&["events", "discard", "--state", "dead", "--dry-run"]);

    said.says(&["     25  new-signup, dead\n", "would be discarded", "... and 20 more; --json shows all"]);
    assert_eq!(said.out.lines().filter(|line| line.starts_with("referral event")).count(), 5, "{said:?}");
}

#[tokio::test]
async fn a_dry_run_shows_what_it_would_apply_to_and_changes_nothing() {
    let relay = Installation::new().with(STORY).await.dead().await;
    for arguments in [vec!["retry", "--state", "dead"], vec!["discard", "--state", "dead"], vec!["discard", USER]] {
        let said = relay.run(&[&["events"], arguments.as_slice(), &["--dry-run"]].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.says(&["would be", "signup:usr_10351", "nothing was changed"]);

        let json = relay.run(&[&["--json", "events"], arguments.as_slice(), &["--dry-run"]].concat());
        assert!(json.lines().iter().all(|line| line["dry_run"] == true && line["applies"] == true), "{json:?}");
    }
    assert_eq!(relay.states().await, [0, 0, 0, 3, 0]);
}

#[tokio::test]
async fn discard_keeps_who_gave_up_and_why_and_a_retry_does_not_undo_it() {
    let relay = Installation::new().with(STORY).await.dead().await;

    let said = relay.run(&["events", "discard", INVOICE, "--by", "Mara", "--reason", "paid by mistake"]);

    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(relay.states().await, [0, 0, 0, 2, 1]);
    relay.run(&["events", "show", "3"]).says(&["nothing: Mara gave it up (paid by mistake)"]);
    let again = relay.run(&["events", "retry", "3"]);
    assert_eq!(again.code, 1);
    again.says(&["it was discarded by Mara; `cello-relay events decide` with the event id of its webhook"]);
}

#[tokio::test]
async fn discard_wants_to_know_who_and_why() {
    let relay = Installation::new().with(STORY).await.dead().await;
    let discard = ["events", "discard", "3"];
    for (arguments, words) in [
        (vec!["--by", "Mara"], "--reason"),
        (vec!["--by", "Mara", "--reason", " "], "the reason is empty"),
        (vec!["--reason", "twice"], "add --by and your name"),
    ] {
        let said = relay.run(&[&discard, arguments.as_slice()].concat());
        assert_eq!(said.code, 2, "{arguments:?}");
        said.says(&[words]);
    }
    assert_eq!(relay.states().await, [0, 0, 0, 3, 0]);

    let user = [("USER", "jo")];
    let said = crate::given::run(relay.folder.path(), &user, &[&discard[..], &["--reason", "twice"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    relay.run(&["events", "show", "3"]).says(&["jo gave it up (twice)"]);
}
