//! Several relays on one database, of which one dies, one stands still for longer than its lease, and the database itself
//! goes down in between.

use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::load::Load;
use crate::postgres::Server;
use crate::stage::{Place, Serving};
use crate::{LEASE, cello, serve, told};

/// Webhooks between two events: enough that each relay is in the middle of something.
const SOME: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_relays_one_dies_one_stands_still_and_their_database_crashes_and_cello_is_told_everything_in_order() {
    let server = Server::start(None);
    let (place, cello) = (Place::on(server.url(&server.empty_database())), cello(Duration::from_millis(50)).await);
    let mut one = Serving::start(serve(&place, &cello)).await;
    let two = Serving::start(serve(&place, &cello)).await;
    let three = Serving::start(serve(&place, &cello)).await;
    let load = Load::begin(&cello);
    load.is_taken_by(&[&one, &two, &three]);
    load.answers(SOME).await;

    one.kill();
    one.killed().await;
    load.is_taken_by(&[&two, &three]);
    load.answers(SOME).await;

    two.signal("STOP");
    let stopped_at = Instant::now();
    load.is_taken_by(&[&three]);
    load.answers(SOME).await;
    // Also what the dead one and this one were sending: the third takes it, and is never idle.
    told::everything(&load, &cello, place.store().as_ref()).await;
    while stopped_at.elapsed() < 3 * LEASE {
        load.answers(1).await;
    }
    two.signal("CONT");
    load.is_taken_by(&[&two, &three]);
    load.answers(SOME).await;

    block_in_place(|| server.order("crash"));
    load.answers(SOME).await;

    load.end().await;
    told::everything(&load, &cello, place.store().as_ref()).await;
    assert_eq!(two.terminate().await.0, Some(0));
    assert_eq!(three.terminate().await.0, Some(0));
    let sums = told::compare(&load, &cello, place.store().as_ref()).await;
    println!("three relays on PostgreSQL: {sums}");
}
