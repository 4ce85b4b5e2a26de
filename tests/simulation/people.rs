//! What people do about referral events that are dead or unsure: retry, discard, confirm or remake them; now and then
//! two people at the same moment.

use std::sync::Arc;
use std::time::Duration;

use cello_relay::relay::policy::Policy;
use cello_relay::relay::remaking::{Remaker, decide_what_was_discarded};
use cello_relay::store::{Discarding, EventState, Store};
use jiff::Timestamp;
use tokio::join;

use crate::person::person;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Retry,
    Discard,
    Confirm,
    Remake,
    DecideAgain,
}

/// One person about to decide, with all that is needed for it.
struct Desk {
    store: Arc<dyn Store>,
    policy: Arc<Policy>,
    is_not_there: bool,
    by: &'static str,
    now: Timestamp,
}

impl Desk {
    /// Returns the events that were changed, as far as the disk says so.
    async fn change(&self, change: Change, ids: Vec<i64>, with: Vec<i64>) -> Vec<i64> {
        let done = match change {
            Change::Retry => self.store.retry(ids, self.now, Duration::ZERO).await,
            Change::Discard => {
                let person = person(self.by, "a test");
                self.store.discard(Discarding { ids, with, person }, self.now).await
            }
            Change::Confirm => self.store.confirm(ids, person(self.by, "it is in the portal"), self.now).await,
            Change::Remake => {
                let mut done = Vec::new();
                for id in ids {
                    if self.remake(id).await {
                        done.push(id);
                    }
                }
                Ok(done)
            }
            Change::DecideAgain => {
                let mut done = Vec::new();
                for id in ids {
                    let decided = decide_what_was_discarded(&self.store, &self.policy, id, false, self.now).await;
                    done.extend(matches!(decided, Ok(Ok(_))).then_some(id));
                }
                Ok(done)
            }
        };
        done.unwrap_or_default()
    }

    /// Looks at what would come of it, and has it done. Of most events the same would come, which is refused.
    async fn remake(&self, id: i64) -> bool {
        let remaker = Remaker {
            store: self.store.clone(),
            policy: self.policy.clone(),
            by: self.by.to_owned(),
            is_not_there: self.is_not_there,
            now: self.now,
        };
        match remaker.try_out(id).await {
            Ok(Ok(shown)) => matches!(remaker.apply(&shown).await, Ok(Ok(()))),
            _ => false,
        }
    }

    async fn open_refunds(&self, ids: &[i64]) -> Vec<i64> {
        let mut open = Vec::new();
        for id in ids {
            open.extend(self.store.open_refunds(*id).await.unwrap());
        }
        open
    }
}

impl World<'_> {
    /// A person retries or remakes what is dead or unsure. One who may meddle also discards or confirms it, and touches
    /// events in other states.
    pub async fn ask_a_person(&mut self, may_meddle: bool) -> Result<(), String> {
        self.look().await?;
        let blocked: Vec<i64> = self.seen.iter().filter(|(_, seen)| seen.was_blocked).map(|(id, _)| *id).collect();
        self.set_aside.extend(blocked);
        let mut states = vec![EventState::Dead, EventState::Unsure];
        if may_meddle && self.rng.u8(..4) == 0 {
            states.extend([EventState::Waiting, EventState::Confirmed]);
        }
        if may_meddle && self.is_wild {
            states.push(EventState::Discarded);
        }
        for state in states {
            let mut ids = self.seen_in(&[state]);
            if state.blocks() {
                self.set_aside.extend(&ids);
            }
            if may_meddle {
                let some = self.rng.u8(1..4);
                ids.retain(|_| self.rng.u8(..3) < some);
            }
            self.set_aside.extend(&ids);
            match self.rng.u8(..10) {
                of if !may_meddle => {
                    let change = if of < 3 { Change::Remake } else { Change::Retry };
                    self.desk("Pat").change(change, ids, vec![]).await;
                }
                _ if state == EventState::Discarded => {
                    self.desk("Pat").change(Change::DecideAgain, ids, vec![]).await;
                }
                0..2 => drop(self.desk("Pat").change(Change::Retry, ids, vec![]).await),
                2 => self.discard_without_refunds(ids).await?,
                3 => {
                    let desk = self.desk("Pat");
                    let with = desk.open_refunds(&ids).await;
                    self.set_aside.extend(&with);
                    desk.change(Change::Discard, ids, with).await;
                }
                4 => drop(self.desk("Pat").change(Change::Confirm, ids, vec![]).await),
                5..8 => drop(self.desk("Pat").change(Change::Remake, ids, vec![]).await),
                _ => {
                    for id in ids {
                        self.two_people(id).await?;
                    }
                }
            }
            self.look().await?;
        }
        Ok(())
    }

    /// Nobody looked at what depends on these: of a purchase with refunds that Cello does not have, nothing may change.
    async fn discard_without_refunds(&mut self, ids: Vec<i64>) -> Result<(), String> {
        let desk = self.desk("Pat");
        let mut kept = Vec::new();
        for id in &ids {
            let open = desk.open_refunds(&[*id]).await;
            if open.iter().any(|refund| !ids.contains(refund)) {
                kept.push(*id);
                kept.extend(open.into_iter().filter(|refund| !ids.contains(refund)));
            }
        }
        let before = self.states(&kept).await;
        desk.change(Change::Discard, ids, vec![]).await;
        let after = self.states(&kept).await;
        if before != after {
            return Err(format!("a purchase was discarded without its refunds: {kept:?}, {before:?}, {after:?}"));
        }
        Ok(())
    }

    /// Two people decide about the same event at the same moment: one of them, or both one after the other, but never
    /// something that neither of them decided.
    async fn two_people(&mut self, id: i64) -> Result<(), String> {
        self.look().await?;
        if self.seen[&id].state == EventState::Discarded {
            // With its purchase, just before.
            return Ok(());
        }
        let all = [Change::Retry, Change::Discard, Change::Confirm, Change::Remake];
        let (one, other) = (all[self.rng.usize(..4)], all[self.rng.usize(..4)]);
        // What they are told is only told by a disk without moods.
        let store = self.store.real();
        let desk = |desk: Desk| Desk { store: store.clone(), ..desk };
        let (pat, sam) = (desk(self.desk("Pat")), desk(self.desk("Sam")));
        let with = pat.open_refunds(&[id]).await;
        self.set_aside.extend(&with);
        let was = &self.seen[&id];
        let (state, bodies) = (was.state, was.bodies.len());
        let (first, second) = join!(pat.change(one, vec![id], with.clone()), sam.change(other, vec![id], with));
        let done: Vec<(Change, &str)> = [(one, pat.by, first), (other, sam.by, second)]
            .into_iter()
            .filter(|(_, _, done)| done.contains(&id))
            .map(|(change, by, _)| (change, by))
            .collect();
        let by =
            |change: Change| done.iter().filter(|(done, _)| *done == change).map(|(_, by)| *by).collect::<Vec<_>>();
        let (discarded, confirmed) = (by(Change::Discard), by(Change::Confirm));
        let (retried, remade) = (by(Change::Retry), by(Change::Remake));

        let is = self.lives().await.into_iter().find(|event| event.id == id).unwrap();
        let is_right = match is.state {
            EventState::Discarded => discarded.len() == 1 && is.discarded_by.as_deref() == Some(discarded[0]),
            EventState::Confirmed if confirmed.is_empty() => state == EventState::Confirmed && done.is_empty(),
            EventState::Confirmed => is.confirmed_by.as_deref() == Some(confirmed[0]),
            EventState::Waiting => state == EventState::Waiting || retried.len() + remade.len() > 0,
            same => same == state && done.is_empty(),
        };
        let is_one = discarded.len() + confirmed.len() <= 1
            && remade.len() <= 1
            && is.former_bodies.len() + 1 == bodies + remade.len();
        if !is_right || !is_one {
            return Err(format!("of {one:?} and {other:?} of {} ({state}) came {done:?}: {is:?}", is.key));
        }
        Ok(())
    }

    async fn states(&self, ids: &[i64]) -> Vec<EventState> {
        self.lives().await.into_iter().filter(|event| ids.contains(&event.id)).map(|event| event.state).collect()
    }

    /// Of a person who starts the command line, perhaps after the settings were changed.
    fn desk(&mut self, by: &'static str) -> Desk {
        let relays = [&self.relays.shipped, &self.relays.reworded, &self.relays.reworded, &self.relay];
        Desk {
            store: self.store.clone(),
            policy: relays[self.rng.usize(..4)].decider.policy.clone(),
            is_not_there: self.rng.bool(),
            by,
            now: self.relay.now(),
        }
    }
}
