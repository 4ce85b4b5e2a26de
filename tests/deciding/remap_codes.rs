//! Deciding the past again where codes are checked: nobody is asked, so only what Cello said before counts.

use cello_relay::cello::Sandbox;
use cello_relay::config::CheckCodes;
use cello_relay::rules::Rules;
use jiff::SignedDuration;

use crate::codes::*;
use crate::relay::Relay;
use crate::remap::{Remapped, remap_asking_nobody};
use crate::webhooks::CODE;
use crate::webhooks::stripe::{event, old_invoice};

/// A signup, its purchase and a refund of it, all with the answers there are; then they are forgotten.
async fn lived(check: CheckCodes, ucc: &str) -> (Sandbox, Relay) {
    let (cello, relay) = checking(check).await;
    for webhook in [signed_up(ucc), paid(), settled(), refunded()] {
        relay.receive(&webhook).await;
    }
    settle(&relay).await;
    forget(&relay).await;
    (cello, relay)
}

async fn forget(relay: &Relay) {
    relay.pass(SignedDuration::from_mins(10));
    let now = relay.now();
    relay.store.transact(Box::new(move |ledger| ledger.forget_codes(now))).await.unwrap();
}

async fn again(relay: &Relay, cello: &Sandbox, check: CheckCodes) -> Remapped {
    remap_asking_nobody(relay, &checks(cello, check), Rules::shipped().unwrap()).await
}

#[tokio::test]
async fn what_was_withheld_for_its_code_is_not_shown_as_what_would_be_sent_nor_is_its_refund() {
    for ucc in [UNKNOWN, BLOCKED, OWN] {
        let (cello, relay) = lived(CheckCodes::Withhold, ucc).await;
        assert_eq!(relay.told_keys().await, [""; 0], "{ucc}");
        let remapped = again(&relay, &cello, CheckCodes::Withhold).await;
        assert_eq!((remapped.lines(), remapped.same, remapped.unasked), (vec![], 0, 0), "{ucc}");
    }
}

#[tokio::test]
async fn by_another_setting_the_answer_of_then_decides() {
    let withheld = |reason: &str| [PURCHASE, SIGNUP].map(|key| format!("added {key} {reason}"));
    for (ucc, reason) in [(UNKNOWN, "code_unknown"), (BLOCKED, "code_blocked")] {
        let (cello, relay) = lived(CheckCodes::Withhold, ucc).await;
        for check in [CheckCodes::Warn, CheckCodes::Off] {
            let lines = again(&relay, &cello, check).await.lines();
            assert_eq!([&lines[0], &lines[2]], [&withheld(reason)[0], &withheld(reason)[1]], "{check:?}");
            assert_eq!(lines[1], format!("added {REFUND} purchase_not_reported"));
        }
        let (cello, relay) = lived(CheckCodes::Warn, ucc).await;
        let lines = again(&relay, &cello, CheckCodes::Withhold).await.lines();
        assert_eq!(lines[0], format!("removed {PURCHASE} {reason}"));
        assert_eq!(lines[2], format!("removed {SIGNUP} {reason}"));
    }
    let (cello, relay) = lived(CheckCodes::Warn, OWN).await;
    assert!(again(&relay, &cello, CheckCodes::Withhold).await.lines().is_empty(), "neither tells a self-referral");
}

#[tokio::test]
async fn without_an_answer_what_was_not_sent_is_not_compared_and_its_refund_neither() {
    let (cello, relay) = checking(CheckCodes::Withhold).await;
    for webhook in [signed_up(CODE), paid(), settled(), refunded()] {
        relay.receive(&webhook).await;
    }
    assert_eq!(relay.told_keys().await, [""; 0], "all of it is held until Cello answers");
    let remapped = again(&relay, &cello, CheckCodes::Withhold).await;
    assert_eq!((remapped.lines(), remapped.unasked), (vec![], 3));
}

#[tokio::test]
async fn what_was_sent_is_compared_as_if_the_code_counted_unless_an_answer_says_otherwise() {
    let (cello, relay) = lived(CheckCodes::Withhold, CODE).await;
    let remapped = again(&relay, &cello, CheckCodes::Withhold).await;
    assert_eq!((remapped.lines(), remapped.same, remapped.unasked), (vec![], 3, 0));

    next_answer(&cello, CODE, false, "");
    relay.receive(&event("invoice.paid", 50, old_invoice("in_2", 50, 1000))).await;
    settle(&relay).await;
    let remapped = again(&relay, &cello, CheckCodes::Withhold).await;
    assert_eq!(
        remapped.lines(),
        [
            format!("removed {PURCHASE} code_unknown"),
            format!("removed {REFUND} purchase_not_reported"),
            format!("removed {SIGNUP} code_unknown"),
        ]
    );
}
