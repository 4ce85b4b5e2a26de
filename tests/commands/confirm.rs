//! `events confirm`, and `events discard` of what others depend on, beside a relay that has the store open.

use cello_relay::store::{Pause, Store, Then};
use jiff::{SignedDuration, Timestamp};

use crate::given::Installation;

/// Signup, start of a subscription, purchase and refund: referral events 1 to 4.
const STORY: &str = "stories/stripe-refund-basil";

const MARA: [&str; 4] = ["--by", "Mara", "--reason", "it is in the portal"];

impl Installation {
    fn person(&self, command: &str, arguments: &[&str]) -> crate::given::Said {
        self.run(&[&["events", command], arguments, &MARA[..]].concat())
    }
}

/// The purchase is dead or unsure, and the refund waits for it.
async fn stuck(then: Then) -> Installation {
    let relay = Installation::new().with(STORY).await.delivered_but("invoice-paid", then).await;
    assert_eq!(relay.store.blocked().await.unwrap().events, 1);
    relay
}

#[tokio::test]
async fn what_a_person_confirms_counts_as_delivered_and_lets_its_refund_go() {
    let relay = stuck(Then::Unsure).await;
    let id = relay.number_of("invoice-paid").await;

    let said = relay.person("confirm", &[&id]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["was unsure: confirmed", "1 referral event counted as delivered from now on"]);
    relay.run(&["events", "show", &id]).says(&["confirmed", "nothing: Mara says since ", "(it is in the portal)"]);
    let rows = relay.run(&["events", "list", "--state", "confirmed", "--json"]).lines();
    assert_eq!(rows[0]["referral_event"]["confirmed_by"], "Mara");
    assert_eq!(relay.store.blocked().await.unwrap().events, 0);
    let exported = relay.run(&["export"]);
    exported.says(&["\"confirmed\"", "\"confirm_reason\":\"it is in the portal\""]);

    let again = relay.person("confirm", &[&id]);
    assert_eq!(again.code, 1);
    again.says(&["it was confirmed by Mara: Cello has it"]);
    assert_eq!(relay.person("discard", &[&id]).code, 1, "what Cello has is not given up");
}

#[tokio::test]
async fn only_a_retry_undoes_it_and_not_without_a_yes() {
    let relay = stuck(Then::Dead).await;
    let id = relay.number_of("invoice-paid").await;
    assert_eq!(relay.person("confirm", &[&id]).code, 0);

    let unasked = relay.run(&["events", "retry", &id]);
    assert_eq!(unasked.code, 2);
    unasked.says(&["this would retry 1 referral event, and there is nobody to ask"]);
    let all = relay.run(&["events", "retry", "--state", "confirmed", "--reason", "another", "--yes"]);
    all.says(&["no referral event is confirmed and as you want it"]);
    let mine = relay.run(&["events", "retry", "--state", "confirmed", "--reason", "it is in the portal", "--yes"]);
    assert_eq!(mine.code, 0, "{mine:?}");
    mine.says(&["was confirmed: is sent again"]);
    assert_eq!(relay.store.counts().await.unwrap().confirmed, 0);
}

#[tokio::test]
async fn confirm_wants_to_know_who_and_why_and_asks_for_more_than_one() {
    let relay = stuck(Then::Unsure).await;
    let said = relay.run(&["events", "confirm", "--state", "unsure", "--by", "Mara"]);
    assert_eq!(said.code, 2);
    said.says(&["--reason"]);
    let said = relay.person("confirm", &["1", "2"]);
    assert_eq!(said.code, 1, "both are delivered: {said:?}");
    let waiting = Installation::new().with(STORY).await;
    let said = waiting.person("confirm", &["--state", "waiting"]);
    assert_eq!(said.code, 2);
    said.says(&["this would confirm 4 referral events, and there is nobody to ask"]);
}

#[tokio::test]
async fn discarding_a_purchase_shows_its_refund_and_takes_it_along() {
    let relay = stuck(Then::Dead).await;
    let (purchase, refund) = (relay.number_of("invoice-paid").await, relay.number_of("charge-refunded").await);

    let dry = relay.run(&["events", "discard", &purchase, "--dry-run"]);
    dry.says(&[
        &format!("referral event {refund}  charge-refunded"),
        &format!("was waiting, goes with referral event {purchase}: would be discarded"),
    ]);
    let unasked = relay.person("discard", &[&purchase]);
    assert_eq!(unasked.code, 2);
    unasked.says(&["this would discard 2 referral events, and there is nobody to ask"]);

    let said = relay.person("discard", &[&purchase, "--yes", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines = said.lines();
    assert_eq!((lines[0]["with"].as_i64(), lines[1]["with"].to_string()), (None, purchase.clone()));
    relay.run(&["events", "show", &refund]).says(&[&format!("its purchase, referral event {purchase}, was discarded")]);
}

#[tokio::test]
async fn a_list_and_a_show_say_what_a_blocked_event_waits_for() {
    let relay = stuck(Then::Dead).await;
    let (purchase, refund) = (relay.number_of("invoice-paid").await, relay.number_of("charge-refunded").await);
    relay.run(&["events", "list"]).says(&[&format!("waiting for {purchase}")]);
    relay.run(&["events", "show", &refund]).says(&[&format!("waits for referral event {purchase}, dead since 20")]);
    let said = relay.run(&["events", "retry", &refund]);
    assert_eq!(said.code, 1);
    said.says(&[&format!("it waits for referral event {purchase}, which is the one to decide about")]);
    let both = relay.run(&["events", "retry", &refund, &purchase, "--yes"]);
    assert_eq!(both.code, 0, "it goes on together with what it waits for: {both:?}");
}

#[tokio::test]
async fn while_cello_is_away_a_show_says_so_and_when_the_next_try_is() {
    let relay = Installation::new().with(STORY).await;
    let now = Timestamp::now();
    let until = now + SignedDuration::from_secs(290);
    let pause = Pause { since: now, until, problem: "503: down for maintenance".into() };
    relay.store.note_pause(Some(pause)).await.unwrap();
    let said = relay.run(&["events", "show", "1"]);
    said.says(&["Cello is unavailable since ", "503: down for maintenance; the next try is at ", "(in 4 min)"]);
    assert!(!said.out.contains("is `cello-relay serve` running"), "{said:?}");
    let why = relay.run(&["events", "why", "--user", "usr_10530"]);
    why.says(&["Not yet: ", "Cello is unavailable since "]);

    let long_ago = now - SignedDuration::from_hours(1);
    let pause = Pause { since: long_ago, until: long_ago, problem: "503".into() };
    relay.store.note_pause(Some(pause)).await.unwrap();
    relay.run(&["events", "show", "1"]).says(&["Cello is unavailable since "]);
}
