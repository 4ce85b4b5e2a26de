//! Death at the worst moment: what was answered is never lost, and what is sent twice says so.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cello_relay::cello::Sandbox;
use cello_relay::cello::sandbox::Fault;
use cello_relay::store::EventState;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::stage::{PATIENCE, Place, Post, Serving, customer_created, event_id, user};

const WEBHOOKS: usize = 300;
const POSTERS: usize = 8;

/// What a payment provider has to deliver, by number.
struct Provider {
    to_post: Mutex<Vec<usize>>,
    answered: watch::Sender<HashSet<usize>>,
}

impl Provider {
    fn new() -> Arc<Self> {
        let to_post = Mutex::new((0..WEBHOOKS).rev().collect());
        Arc::new(Self { to_post, answered: watch::Sender::default() })
    }

    /// Posts with all posters until nothing is left or nobody answers any more.
    fn begin(self: &Arc<Self>, post: &Post) -> JoinSet<()> {
        let mut posters = JoinSet::new();
        for _ in 0..POSTERS {
            posters.spawn(self.clone().deliver(post.clone()));
        }
        posters
    }

    async fn deliver(self: Arc<Self>, post: Post) {
        while let Some(number) = self.next() {
            match post.stripe(&customer_created(number, false)).await {
                Ok(status) => {
                    assert_eq!(status, 200, "{number}");
                    self.answered.send_modify(|answered| assert!(answered.insert(number)));
                }
                // Whether it was taken is not known, so it is posted again, later.
                Err(_) => return self.to_post.lock().unwrap().push(number),
            }
        }
    }

    fn next(&self) -> Option<usize> {
        self.to_post.lock().unwrap().pop()
    }

    async fn answered(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        timeout(PATIENCE, answered.wait_for(|answered| answered.len() >= count)).await.expect("no answers").unwrap();
    }
}

#[tokio::test]
async fn killed_three_times_under_load_it_loses_nothing_that_it_answered_and_repeats_only_what_it_calls_unsure() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    // So that something is on its way to Cello at every moment.
    cello.fail_always(Some(Fault::Delay(Duration::from_millis(5))));
    let provider = Provider::new();

    for answers in [30, 100, 190] {
        let mut serving = Serving::start(place.serve(&cello)).await;
        let mut posters = provider.begin(&serving.post);
        provider.answered(answers).await;
        serving.kill();
        serving.killed().await;
        while let Some(poster) = posters.join_next().await {
            poster.unwrap();
        }
        for number in provider.answered.borrow().iter() {
            assert!(place.life(&event_id(*number)).await.is_some(), "{number} was answered and is not on disk");
        }
    }
    let serving = Serving::start(place.serve(&cello)).await;
    let mut posters = provider.begin(&serving.post);
    provider.answered(WEBHOOKS).await;
    while let Some(poster) = posters.join_next().await {
        poster.unwrap();
    }
    let times_received = timeout(PATIENCE, all_users_received(&cello)).await.expect("something never reached Cello");
    assert_eq!(serving.terminate().await.0, Some(0));

    let counts = place.store().counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    assert_eq!(counts.received - counts.duplicate, i64::try_from(WEBHOOKS).unwrap());
    assert_eq!(counts.delivered, i64::try_from(WEBHOOKS).unwrap());
    let store = place.store();
    for number in 0..WEBHOOKS {
        let life = store.life(&event_id(number)).await.unwrap().remove(0);
        let event = &life.referral_events[0];
        assert_eq!(event.state, EventState::Delivered, "{number}");
        let unsure = event.attempts.iter().filter(|attempt| attempt.outcome == "unsure").count();
        assert!(times_received[&user(number)] <= 1 + unsure, "{number}: {:?}", event.attempts);
    }
}

/// How often each user arrived, as soon as all have.
async fn all_users_received(cello: &Sandbox) -> HashMap<String, usize> {
    let mut expected = WEBHOOKS;
    loop {
        let received = cello.wait_for(expected).await;
        let mut times = HashMap::new();
        for one in &received {
            *times.entry(one.body["payload"]["newUserId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        if times.len() == WEBHOOKS {
            return times;
        }
        expected = received.len() + 1;
    }
}
