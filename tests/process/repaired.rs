//! A Cello that refuses a purchase at first: its refund never overtakes it, whatever a person does, whenever the process
//! dies, and on whichever store.

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::{Endpoint, Fault};
use cello_relay::store::Counts;

use crate::postgres::database;
use crate::stage::{Place, Serving, charge_refunded, customer_created, ended, invoice_paid};

const PRICE: [(&str, &str); 1] = [("RELAY__PRIVACY__EMAIL", "omit")];

async fn counts(place: &Place) -> Counts {
    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    counts
}

/// Runs a command beside a relay that serves or not; what it printed.
fn person(place: &Place, arguments: &[&str]) -> String {
    let mut command = place.command(arguments);
    command.env("USER", "ada");
    if arguments[1] == "remake" {
        command.envs(PRICE);
    }
    let (code, out, err) = ended(command);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

/// The triggers that Cello took, in order.
fn taken(cello: &Sandbox) -> Vec<String> {
    let bodies = cello.received().into_iter().map(|received| received.body);
    bodies.map(|body| body["context"]["event"]["trigger"].as_str().unwrap().to_owned()).collect()
}

async fn refused_at_first(place: Place, arguments: &[&str], wanted: &[&str]) {
    let cello = Sandbox::start("127.0.0.1:0").await.unwrap();
    let mut serving = Serving::start(place.serve(&cello)).await;
    serving.post.stripe(&customer_created(1, false)).await.unwrap();
    cello.wait_for(1).await;
    cello.fail_next(Endpoint::Events, Fault::answer(400, r#"{"message":"currency not allowed"}"#));
    serving.post.stripe(&invoice_paid(1, 1)).await.unwrap();
    let line = serving.line("referral event dead-lettered").await;
    assert_eq!(line["said"], "currency not allowed");
    serving.post.stripe(&charge_refunded(1, 1)).await.unwrap();
    serving.line("charge.refunded ch_1_1:4900 mapped: charge-refunded").await;
    let (_, metrics) = serving.get_admin("/metrics").await;
    assert!(metrics.contains("cello_relay_blocked_events 1\n"), "{metrics}");
    let stuck = counts(&place).await;
    assert_eq!((stuck.delivered, stuck.dead, stuck.waiting), (1, 1, 1));
    let (_, refund, _) = ended(place.command(&["events", "show", "3"]));
    assert!(refund.contains("waits for referral event 2, dead since 20") && refund.contains("currency not allowed"));

    serving.kill();
    assert_eq!(counts(&place).await, stuck);
    person(&place, arguments);
    let changed = counts(&place).await;
    assert_eq!(changed.dead, 0);
    let serving = Serving::start(place.serve(&cello)).await;
    assert_eq!(cello.wait_for(wanted.len()).await.len(), wanted.len());
    assert_eq!(serving.terminate().await.0, Some(0));
    assert_eq!(taken(&cello), wanted, "{arguments:?}");
    let done = counts(&place).await;
    assert_eq!((done.waiting, done.sending, done.dead, done.unsure), (0, 0, 0, 0), "{done:?}");
    cello.stop().await;
}

async fn on_both_stores(arguments: &[&str], wanted: &[&str]) {
    refused_at_first(Place::new(), arguments, wanted).await;
    refused_at_first(Place::on(database()), arguments, wanted).await;
}

#[tokio::test]
async fn a_retried_purchase_goes_before_its_refund() {
    on_both_stores(&["events", "retry", "2"], &["new-signup", "invoice-paid", "charge-refunded"]).await;
}

#[tokio::test]
async fn a_remade_purchase_goes_before_its_refund() {
    let remake = ["events", "remake", "--state", "dead", "--yes"];
    on_both_stores(&remake, &["new-signup", "invoice-paid", "charge-refunded"]).await;
}

#[tokio::test]
async fn the_refund_of_a_confirmed_purchase_is_sent() {
    let confirm = ["events", "confirm", "2", "--reason", "entered by hand"];
    on_both_stores(&confirm, &["new-signup", "charge-refunded"]).await;
}

#[tokio::test]
async fn the_refund_of_a_discarded_purchase_is_not_sent() {
    let discard = ["events", "discard", "2", "--reason", "a test order", "--yes"];
    on_both_stores(&discard, &["new-signup"]).await;
}
