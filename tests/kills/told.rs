//! What the senders were answered, beside what Cello was told.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cello_relay::cello::Sandbox;
use cello_relay::store::{EventFilter, EventState, Store};

use tokio::time::timeout;

use crate::load::{Load, STORY, Told};
use crate::stage::{PATIENCE, user};

/// Returns when Cello has been told of everything that was answered before this was called.
pub async fn everything(load: &Load, cello: &Sandbox, store: &dyn Store) {
    let answered: HashSet<Told> = load.answered().into_iter().collect();
    loop {
        let arrived = arrivals(cello);
        let missing: Vec<&Told> = answered.iter().filter(|told| !arrived.contains_key(told)).collect();
        if missing.is_empty() {
            return;
        }
        let so_far: usize = arrived.values().map(Vec::len).sum();
        if timeout(PATIENCE, cello.wait_for(so_far + 1)).await.is_err() {
            let counts = store.counts().await.unwrap();
            let aside = EventFilter { state: Some("unreadable".into()), limit: 9, ..EventFilter::default() };
            let aside = store.list(aside).await.unwrap();
            panic!("Cello is not told any more, and was never told of {missing:?}: {counts:?}, {aside:?}");
        }
    }
}

/// At which places among all arrivals something came.
pub fn arrivals(cello: &Sandbox) -> HashMap<Told, Vec<usize>> {
    let mut places: HashMap<Told, Vec<usize>> = HashMap::new();
    for (place, received) in cello.received().iter().enumerate() {
        let name = received.body["payload"]["newUserId"].as_str().unwrap();
        let user = name.strip_prefix("u_").unwrap().parse().unwrap();
        let trigger = received.body["context"]["event"]["trigger"].as_str().unwrap();
        let what = STORY.into_iter().find(|what| *what == trigger).unwrap();
        places.entry((user, what)).or_default().push(place);
    }
    places
}

pub struct Sums {
    webhooks: usize,
    posted_again: i64,
    doubled: usize,
    /// Attempts of which it is not known whether Cello has the event.
    unsure: usize,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { webhooks, posted_again, doubled, unsure } = self;
        write!(
            f,
            "{webhooks} webhooks answered, {posted_again} of them again; {unsure} unsure, {doubled} doubled, 0 lost"
        )
    }
}

/// Everything that was answered reached Cello, more often only as often as is recorded, and in order for each user. When
/// all has ended.
///
/// What comes again does not have to come in order: when Cello takes a request whose sender is dead, nobody can tell.
pub async fn compare(load: &Load, cello: &Sandbox, store: &dyn Store) -> Sums {
    let answered = load.answered();
    let arrived = arrivals(cello);
    assert_eq!(
        answered.iter().collect::<HashSet<_>>(),
        arrived.keys().collect(),
        "what was answered is what Cello has"
    );

    let mut sums = Sums { webhooks: answered.len(), posted_again: 0, doubled: 0, unsure: 0 };
    for number in answered.iter().map(|(number, _)| *number).collect::<HashSet<_>>() {
        let firsts = STORY.map(|what| arrived[&(number, what)][0]);
        assert!(firsts.is_sorted(), "{}: {STORY:?} arrived at {firsts:?}", user(number));
        let lives = store.life(&user(number)).await.unwrap();
        let events: HashMap<i64, _> =
            lives.into_iter().flat_map(|life| life.referral_events).map(|event| (event.id, event)).collect();
        assert_eq!(events.len(), STORY.len(), "{}", user(number));
        for event in events.values() {
            let what = STORY.into_iter().find(|what| *what == event.trigger).unwrap();
            assert_eq!(event.state, EventState::Delivered, "{}: {what}", user(number));
            let more = arrived[&(number, what)].len() - 1;
            let unsure = event.attempts.iter().filter(|attempt| attempt.outcome == "unsure").count();
            assert!(more <= unsure, "{}: {what} came {more} times more: {:?}", user(number), event.attempts);
            sums.doubled += more;
            sums.unsure += unsure;
        }
    }

    let counts = store.counts().await.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    let webhooks = i64::try_from(answered.len()).unwrap();
    assert_eq!((counts.received - counts.duplicate, counts.delivered), (webhooks, webhooks));
    sums.posted_again = counts.duplicate;
    sums
}
