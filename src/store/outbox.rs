//! What moves a referral event from one state to another, the same for every kind of store: whose turn it is, what is
//! blocked, and what a person decides.
//!
//! Within a subject one event is in front: the one that is being sent, else the first that waits and is not blocked. An
//! event is blocked while its signup, or the purchase that it refunds, is dead or unsure. The state of an event changes in
//! [`move_to`] and nowhere else, save by claiming, so that both stay true. A kind of store only provides the [`Rows`].

use std::time::Duration;

use jiff::Timestamp;

use super::statements::{BLOCK_DEPENDENTS, BLOCK_ONE};
use super::values::millis;
use super::{ByPerson, Discarding, EventState, StoreError};

/// Reading and writing single events, within a transaction. Times are in milliseconds.
pub trait Rows {
    fn state(&self, id: i64) -> Result<Option<EventState>, StoreError>;
    /// Sets state and due time, ends the lease and whatever blocked it; only one that waits stays in front. Returns its
    /// subject.
    fn set_state(&self, id: i64, to: EventState, due_at: Option<i64>) -> Result<String, StoreError>;
    /// Runs one of the statements that compare events with what they depend on; the subjects of those that changed.
    fn block(&self, statement: &'static str, id: i64, at: i64) -> Result<Vec<String>, StoreError>;
    /// The event of a subject that is in front.
    fn front(&self, subject: &str) -> Result<Option<(i64, EventState)>, StoreError>;
    /// The first event of a subject that waits and is not blocked.
    fn first_waiting(&self, subject: &str) -> Result<Option<i64>, StoreError>;
    fn set_front(&self, id: i64, is_front: bool) -> Result<(), StoreError>;
    /// Forgets the attempts that count, as if it were first due then.
    fn forget_attempts(&self, id: i64, due_at: i64) -> Result<(), StoreError>;
    /// The refunds of a purchase that Cello does not have and that were not given up, oldest first.
    fn open_refunds(&self, purchase: i64) -> Result<Vec<(i64, EventState)>, StoreError>;
    fn put_discarded(&self, id: i64, person: &ByPerson, at: i64) -> Result<(), StoreError>;
    fn put_confirmed(&self, id: i64, person: &ByPerson, at: i64) -> Result<(), StoreError>;
    /// Events that their signup has blocked since `before` or longer.
    fn waiting_for_signup(&self, before: i64, limit: usize) -> Result<Vec<i64>, StoreError>;
    /// Lets an event go without its signup; says so with its decision.
    fn put_signup_passed(&self, id: i64, at: i64) -> Result<(), StoreError>;
}

/// A change of state.
pub struct Move {
    pub was: EventState,
    pub to: EventState,
    /// When one that waits from now on is to be sent.
    pub due_at: Option<i64>,
    /// When this happens.
    pub at: i64,
}

pub fn move_to(rows: &impl Rows, id: i64, Move { was, to, due_at, at }: Move) -> Result<(), StoreError> {
    let subject = rows.set_state(id, to, due_at)?;
    if to == EventState::Waiting {
        rows.block(BLOCK_ONE, id, at)?;
    }
    come_forward(rows, &subject)?;
    if was.blocks() || to.blocks() { block(rows, BLOCK_DEPENDENTS, id, at) } else { Ok(()) }
}

/// Blocks an event that was just added, if it is to be from the start.
pub fn joined(rows: &impl Rows, id: i64, at: i64) -> Result<(), StoreError> {
    rows.block(BLOCK_ONE, id, at).map(drop)
}

fn block(rows: &impl Rows, statement: &'static str, id: i64, at: i64) -> Result<(), StoreError> {
    let mut subjects = rows.block(statement, id, at)?;
    subjects.sort_unstable();
    subjects.dedup();
    subjects.iter().try_for_each(|subject| come_forward(rows, subject))
}

/// Lets the first of a subject's waiting events come to the front, unless one is being sent.
fn come_forward(rows: &impl Rows, subject: &str) -> Result<(), StoreError> {
    let front = match rows.front(subject)? {
        Some((_, EventState::Sending)) => return Ok(()),
        front => front.map(|(id, _)| id),
    };
    let first = rows.first_waiting(subject)?;
    if front == first {
        return Ok(());
    }
    // The one in front goes first: there is never more than one.
    for (id, is_front) in [(front, false), (first, true)] {
        if let Some(id) = id {
            rows.set_front(id, is_front)?;
        }
    }
    Ok(())
}

/// Lets events go that their signup has blocked since `before` or longer, with a warning; returns their numbers.
pub fn pass_signups(rows: &impl Rows, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<i64>, StoreError> {
    let waiting = rows.waiting_for_signup(millis(before), limit)?;
    for id in &waiting {
        rows.put_signup_passed(*id, millis(now))?;
        block(rows, BLOCK_ONE, *id, millis(now))?;
    }
    Ok(waiting)
}

/// A fresh start for dead, unsure and waiting events, and for those that a person confirmed; returns those it applied to.
pub fn retry(rows: &impl Rows, ids: &[i64], now: Timestamp, apart: Duration) -> Result<Vec<i64>, StoreError> {
    let mut applied = Vec::new();
    for id in ids {
        let Some(was) = rows.state(*id)?.filter(|was| was.is_open() || *was == EventState::Confirmed) else { continue };
        let pause = apart.saturating_mul(u32::try_from(applied.len()).unwrap_or(u32::MAX));
        start_afresh(rows, *id, was, now.saturating_add(pause).unwrap_or(Timestamp::MAX), now)?;
        applied.push(*id);
    }
    Ok(applied)
}

/// Lets an event wait again as if it had never been tried.
pub fn start_afresh(
    rows: &impl Rows,
    id: i64,
    was: EventState,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    rows.forget_attempts(id, millis(due_at))?;
    move_to(rows, id, Move { was, to: EventState::Waiting, due_at: Some(millis(due_at)), at: millis(now) })
}

/// Gives up on waiting, unsure and dead events; returns those it applied to.
pub fn discard(rows: &impl Rows, discarding: &Discarding, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let Discarding { ids, with, person } = discarding;
    let mut applied = Vec::new();
    for id in ids {
        let refunds = rows.open_refunds(*id)?;
        let may_go = |(refund, state): &(i64, EventState)| {
            *state != EventState::Sending && (with.contains(refund) || ids.contains(refund))
        };
        if applied.contains(id) || !refunds.iter().all(may_go) || !give_up(rows, *id, person, now)? {
            continue;
        }
        applied.push(*id);
        let reason = format!("its purchase, referral event {id}, was discarded: {}", person.reason);
        let person = ByPerson { by: person.by.clone(), reason };
        for (refund, _) in refunds {
            if give_up(rows, refund, &person, now)? {
                applied.push(refund);
            }
        }
    }
    Ok(applied)
}

fn give_up(rows: &impl Rows, id: i64, person: &ByPerson, now: Timestamp) -> Result<bool, StoreError> {
    let Some(was) = rows.state(id)?.filter(|was| was.is_open()) else { return Ok(false) };
    rows.put_discarded(id, person, millis(now))?;
    move_to(rows, id, Move { was, to: EventState::Discarded, due_at: None, at: millis(now) })?;
    Ok(true)
}

/// Takes waiting, unsure and dead events for delivered, because a person says so; returns those it applied to.
pub fn confirm(rows: &impl Rows, ids: &[i64], person: &ByPerson, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let mut applied = Vec::new();
    for id in ids {
        let Some(was) = rows.state(*id)?.filter(|was| was.is_open()) else { continue };
        rows.put_confirmed(*id, person, millis(now))?;
        move_to(rows, *id, Move { was, to: EventState::Confirmed, due_at: None, at: millis(now) })?;
        applied.push(*id);
    }
    Ok(applied)
}
