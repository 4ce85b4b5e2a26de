//! What goes first and how fast: neither do news wait behind a backlog, nor the backlog behind the news.

use std::time::Duration;

use cello_relay::config::{Config, Delivery};
use futures_util::future::join;

use crate::stage::{Setup, Stage};

#[tokio::test]
async fn while_a_backlog_drains_every_other_event_is_a_fresh_one_and_each_users_stay_in_order() {
    let stage = Stage::start().await;
    stage.add(&["a/signup", "b/signup", "c/signup", "d/signup", "e/signup"]).await;
    stage.pass(Duration::from_secs(600));
    stage.add(&["a/purchase", "x/signup"]).await;
    stage.pass(Duration::from_secs(1));
    stage.add(&["y/signup", "y/purchase"]).await;

    assert_eq!(stage.drain().await, 9);

    let wanted = [
        "a/signup",
        "y/signup",
        "b/signup",
        "y/purchase",
        "c/signup",
        "x/signup",
        "d/signup",
        "a/purchase",
        "e/signup",
    ];
    assert_eq!(stage.accepted(), wanted);
    stage.end().await;
}

#[tokio::test]
async fn what_keeps_up_is_sent_in_the_order_in_which_it_became_due() {
    let stage = Stage::start().await;
    stage.add(&["a/signup"]).await;
    stage.pass(Duration::from_secs(60));
    stage.add(&["b/signup", "c/signup"]).await;
    assert_eq!(stage.drain().await, 3);
    assert_eq!(stage.accepted(), ["a/signup", "b/signup", "c/signup"]);
    stage.end().await;
}

#[tokio::test]
async fn no_more_are_sent_in_a_second_than_the_settings_allow() {
    let delivery = Delivery { requests_per_second: Some(2), ..Config::default().delivery };
    let stage = Stage::start_with(Setup { delivery, ..Setup::default() }).await;
    stage.add(&["a/signup", "b/signup", "c/signup", "d/signup", "e/signup"]).await;

    let mut sent = Vec::new();
    for milliseconds in [0, 999, 1, 1000] {
        stage.pass(Duration::from_millis(milliseconds));
        sent.push(stage.drain().await);
    }

    assert_eq!(sent, [2, 0, 2, 1]);
    stage.end().await;
}

#[tokio::test]
async fn a_second_begins_when_a_slow_store_has_answered() {
    let delivery = Delivery { requests_per_second: Some(1), ..Config::default().delivery };
    let stage = Stage::start_with(Setup { delivery, ..Setup::default() }).await;
    stage.add(&["a/signup", "b/signup"]).await;
    let answer = stage.store.answer.lock().await;
    let slow = async {
        stage.store.claimed.notified().await;
        stage.pass(Duration::from_millis(900));
        drop(answer);
    };
    assert_eq!(join(stage.drain(), slow).await.0, 1);

    stage.pass(Duration::from_millis(999));
    assert_eq!(stage.drain().await, 0);
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.drain().await, 1);
    stage.end().await;
}

#[tokio::test]
async fn the_loop_goes_on_by_itself_when_the_second_is_over() {
    let delivery = Delivery { requests_per_second: Some(2), ..Config::default().delivery };
    let mut stage = Stage::start_with(Setup { delivery, ..Setup::default() }).await;
    std::sync::Arc::get_mut(&mut stage.deliverer).unwrap().clock = cello_relay::clock::system();
    stage.add(&["a/signup", "b/signup", "c/signup"]).await;
    let began = std::time::Instant::now();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let run = tokio::spawn(stage.deliverer.clone().run(stopped));

    stage.sandbox.wait_for(3).await;

    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    stop.send(true).unwrap();
    run.await.unwrap();
    stage.end().await;
}
