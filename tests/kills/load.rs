//! A payment provider with several users at a time: it posts until it is answered, to whatever relay there is.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};

use cello_relay::cello::Sandbox;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::stage::{PATIENCE, Post, Serving, charge_refunded, customer_created, invoice_paid};
use crate::told::arrivals;

const POSTERS: usize = 8;

/// So far Cello may be behind the answers. Relays receive faster than they send, and what is to be killed is the sending.
const BEHIND: usize = 90;

/// What each user does, in the order in which Cello must hear of it.
pub const STORY: [&str; 3] = ["new-signup", "invoice-paid", "charge-refunded"];

pub struct Load {
    provider: Arc<Provider>,
    posters: Mutex<JoinSet<()>>,
}

struct Provider {
    to_post: Mutex<ToPost>,
    relays: watch::Sender<Vec<Post>>,
    answered: watch::Sender<Vec<Told>>,
    cello: Sandbox,
    /// After how many answers somebody last looked how far Cello is behind.
    pace: tokio::sync::Mutex<usize>,
}

#[derive(Default)]
struct ToPost {
    webhooks: VecDeque<Webhook>,
    users: usize,
    /// What is there is still posted.
    no_more_users: bool,
}

struct Webhook {
    is: Told,
    body: String,
}

/// A user's number, and what is to be told of the user.
pub type Told = (usize, &'static str);

impl Load {
    pub fn begin(cello: &Sandbox) -> Self {
        let provider = Arc::new(Provider {
            to_post: Mutex::default(),
            relays: watch::Sender::default(),
            answered: watch::Sender::default(),
            cello: cello.clone(),
            pace: tokio::sync::Mutex::default(),
        });
        let mut posters = JoinSet::new();
        for _ in 0..POSTERS {
            posters.spawn(provider.clone().post());
        }
        Self { provider, posters: Mutex::new(posters) }
    }

    /// From now on, webhooks are posted to these alone, and no answer of others is waited for.
    pub fn is_taken_by(&self, relays: &[&Serving]) {
        self.provider.relays.send_replace(relays.iter().map(|serving| serving.post.clone()).collect());
    }

    /// Returns when so many more webhooks were answered.
    pub async fn answers(&self, more: usize) {
        let mut answered = self.provider.answered.subscribe();
        let count = answered.borrow().len() + more;
        patiently(answered.wait_for(|answered| answered.len() >= count)).await.unwrap();
    }

    /// What was answered so far.
    pub fn answered(&self) -> Vec<Told> {
        self.provider.answered.borrow().clone()
    }

    /// Returns when everything that was begun is answered.
    pub async fn end(&self) {
        self.provider.to_post.lock().unwrap().no_more_users = true;
        let mut posters = std::mem::take(&mut *self.posters.lock().unwrap());
        while let Some(poster) = patiently(posters.join_next()).await {
            poster.unwrap();
        }
    }
}

impl Provider {
    async fn post(self: Arc<Self>) {
        let mut relays = self.relays.subscribe();
        while let Some(webhook) = self.next() {
            self.keep_pace().await;
            let there = relays.wait_for(|there| !there.is_empty()).await.unwrap().clone();
            let status = tokio::select! {
                status = there[fastrand::usize(..there.len())].stripe(&webhook.body) => status.ok(),
                _ = relays.changed() => None,
            };
            match status {
                Some(200) => self.answered.send_modify(|answered| answered.push(webhook.is)),
                Some(503) | None => self.to_post.lock().unwrap().webhooks.push_back(webhook),
                Some(other) => panic!("{:?} was answered {other}", webhook.is),
            }
        }
    }

    async fn keep_pace(&self) {
        let mut looked_at = self.pace.lock().await;
        let answered = self.answered.borrow().len();
        if answered < *looked_at + BEHIND / 3 {
            return;
        }
        *looked_at = answered;
        loop {
            let arrived = arrivals(&self.cello);
            let behind = answered.saturating_sub(arrived.len() + BEHIND);
            if behind == 0 {
                return;
            }
            let calls: usize = arrived.values().map(Vec::len).sum();
            self.cello.wait_for(calls + behind).await;
        }
    }

    fn next(&self) -> Option<Webhook> {
        let mut to_post = self.to_post.lock().unwrap();
        if to_post.webhooks.is_empty() && !to_post.no_more_users {
            let user = to_post.users;
            to_post.users += 1;
            // Providers promise no order.
            let mut story = STORY;
            fastrand::shuffle(&mut story);
            to_post.webhooks.extend(story.map(|what| Webhook { is: (user, what), body: body(user, what) }));
        }
        to_post.webhooks.pop_front()
    }
}

fn body(user: usize, what: &str) -> String {
    match what {
        "new-signup" => customer_created(user, false),
        "invoice-paid" => invoice_paid(user, 1),
        _ => charge_refunded(user, 1),
    }
}

/// Fails when it takes longer than anything should.
pub async fn patiently<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it takes too long")
}
