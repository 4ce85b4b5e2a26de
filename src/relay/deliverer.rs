//! Sends referral events to Cello, one at a time for each user, until Cello has them or they are dead.
//!
//! Each event is claimed, sent and recorded. What lies between claim and record is the only time in which a crash leaves
//! it open whether Cello has the event; the lease tells the next start of it, and other relays. It must never begin to
//! send what it has no lease on any more: another relay may have sent that, and what comes after it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::breaker::{Breaker, Leave};
use super::pace::Pace;
use super::recovering::recover;
use super::schedule::pause_after;
use super::stopped;
use super::turns::Turns;
use crate::cello::{Client, Outcome, Sent, wire};
use crate::clock::Clock;
use crate::config::{Delivery, Unsure};
use crate::crash_points::{CrashPoint, reach, reach_with};
use crate::store::{Attempt, Claimed, Pause, Store, StoreError, Then};
use crate::telemetry::Metrics;

/// The longest sleep: the store may be changed by another process, such as `events retry`.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The shortest sleep, whatever the clock says: the loop must never spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);

/// Between two looks for what others left, while there is always something to send.
const TAKE_BACK_EVERY: Duration = Duration::from_secs(5);

/// Until the store is asked again when it could not do what it was asked.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What a dead or unsure signup has blocked for so long is sent without it: Cello takes nothing older than 30 days.
const LONGEST_BLOCKED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Between two looks for such events, and how many are let go at once.
const PASS_SIGNUPS_EVERY: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 100;

/// After trouble with the store nothing is taken back for so long: whoever was answered by Cello meanwhile records that
/// first.
const RECORD_FIRST: Duration = Duration::from_secs(3);

pub struct Deliverer {
    pub store: Arc<dyn Store>,
    pub client: Client,
    pub settings: Delivery,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Notified when there may be something to send.
    pub wake: Arc<Notify>,
    pub breaker: Mutex<Breaker>,
    pub turns: Mutex<Turns>,
    pub pace: Mutex<Pace>,
}

/// What is under way.
#[derive(Default)]
struct Sending {
    tasks: JoinSet<()>,
    /// Nothing may be sent beside it.
    is_alone: bool,
    /// When it was last looked for what others left.
    taken_back_at: Option<Instant>,
    /// When it was last looked for what signups have blocked for too long.
    signups_passed_at: Option<Instant>,
    /// When the store last could not do what it was asked.
    trouble_at: Option<Instant>,
}

impl Deliverer {
    /// Sends until `stop` is true or its sender is gone; then finishes what is under way and claims nothing more.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut sending = Sending::default();
        while !*stop.borrow() {
            while sending.tasks.try_join_next().is_some() {}
            let sleep = self.start_due(&mut sending, &stop).await.unwrap_or_else(|problem| {
                tracing::error!(%problem, "nothing could be claimed for sending; it is tried again");
                sending.trouble_at = Some(Instant::now());
                STORE_PAUSE
            });
            tokio::select! {
                () = stopped(&mut stop) => break,
                _ = sending.tasks.join_next(), if !sending.tasks.is_empty() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // A store that stays away must not keep the process from ending.
        let _ = timeout(self.settings.lease, async { while sending.tasks.join_next().await.is_some() {} }).await;
    }

    /// Sends what is due at this moment, one after the other, and returns how many tries that were: for tests, which drive
    /// it by hand.
    pub async fn drain_due(&self) -> Result<usize, StoreError> {
        self.take_back().await?;
        self.pass_signups().await?;
        let mut count = 0;
        while self.may_claim(0) > 0 {
            let (claimed, lease_until) = self.claim(1, true).await?;
            let Some(event) = claimed.into_iter().next() else { break };
            self.deliver(event, lease_until).await;
            count += 1;
        }
        Ok(count)
    }

    /// Begins to send as much as may be sent now. Says how long nothing more can become of it, unless something that
    /// is under way ends or somebody wakes the loop.
    async fn start_due(
        self: &Arc<Self>,
        sending: &mut Sending,
        stop: &watch::Receiver<bool>,
    ) -> Result<Duration, StoreError> {
        let under_way = sending.tasks.len();
        if under_way == 0 {
            sending.is_alone = false;
        }
        let is_past = |at: Option<Instant>, pause: Duration| at.is_none_or(|at| at.elapsed() >= pause);
        let is_calm = is_past(sending.trouble_at, RECORD_FIRST);
        let others_may_leave_something = self.store.is_shared() && is_past(sending.taken_back_at, TAKE_BACK_EVERY);
        if is_calm && (under_way == 0 || others_may_leave_something) {
            self.take_back().await?;
            sending.taken_back_at = Some(Instant::now());
        }
        if is_past(sending.signups_passed_at, PASS_SIGNUPS_EVERY) {
            self.pass_signups().await?;
            sending.signups_passed_at = Some(Instant::now());
        }
        if sending.is_alone {
            return Ok(LONGEST_SLEEP);
        }
        let limit = self.may_claim(under_way);
        if limit == 0 {
            return Ok(self.until_it_may_send());
        }
        let (claimed, lease_until) = self.claim(limit, under_way == 0).await?;
        if *stop.borrow() {
            self.store.give_back(claimed).await?;
            return Ok(LONGEST_SLEEP);
        }
        let (nothing_was, all_due) = (claimed.is_empty(), claimed.len() < limit);
        for event in claimed {
            sending.is_alone = event.deaths > 0;
            let deliverer = self.clone();
            sending.tasks.spawn(async move { deliverer.deliver(event, lease_until).await });
        }
        if !all_due || sending.is_alone {
            return Ok(self.until_it_may_send());
        }
        Ok(self.until_next_due(nothing_was && under_way > 0).await)
    }

    /// What is in sending although its lease has ended was sent and could not be recorded, or its sender died or stands
    /// still. What this process is sending itself is answered within its lease, but a clock that jumps may end that: so
    /// who is alone on a store looks only when it sends nothing. A store that is shared has a clock of its own for this.
    async fn take_back(&self) -> Result<(), StoreError> {
        recover(self.store.as_ref(), self.settings.unsure, (self.clock)(), &self.metrics).await
    }

    /// Lets go what signups have blocked for too long.
    async fn pass_signups(&self) -> Result<(), StoreError> {
        loop {
            let now = (self.clock)();
            let before = now.saturating_sub(LONGEST_BLOCKED).unwrap_or(Timestamp::MIN);
            let passed = self.store.pass_signups(before, now, AT_ONCE).await?;
            for event in &passed {
                tracing::warn!(
                    event,
                    "referral event sent without its signup, which has not been delivered for 14 days"
                );
            }
            if passed.len() < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// How many more may be sent beside those under way.
    fn may_claim(&self, under_way: usize) -> usize {
        let now = (self.clock)();
        let limit = match self.breaker().leave(now) {
            Leave::All => self.settings.concurrency.saturating_sub(under_way),
            Leave::One if under_way == 0 => 1,
            Leave::One | Leave::NoneUntil(_) => 0,
        };
        limit.min(self.pace().room(now))
    }

    /// With the end of their lease. `alone`: nothing is under way.
    async fn claim(&self, limit: usize, alone: bool) -> Result<(Vec<Claimed>, Timestamp), StoreError> {
        let now = (self.clock)();
        let lease_until = later(now, self.settings.lease);
        let wanted = self.turns().next(limit, alone);
        let claimed = self.store.claim(now, lease_until, wanted).await?;
        // From now on they are sent, however long the store took.
        self.pace().sent(claimed.len(), (self.clock)());
        self.turns().claimed(wanted, claimed.first().map(|event| event.due_at), now);
        Ok((claimed, lease_until))
    }

    async fn deliver(&self, event: Claimed, lease_until: Timestamp) {
        let started_at = (self.clock)();
        let clock = Instant::now();
        reach_with(CrashPoint::EventClaimed, &event.key);
        let left = Duration::try_from(lease_until.duration_since(started_at)).unwrap_or_default();
        let Some(sent) = self.client.send_within(&event.body, left).await else {
            return self.give_back(event).await;
        };
        reach(CrashPoint::EventAnswered);
        let took = clock.elapsed();
        let now = (self.clock)();
        let pause = self.note_health(&sent, &event, now);
        self.metrics.attempted(sent.outcome.as_str(), took);
        let counts = !sent.login;
        let then = self.then(&event, &sent, now);
        tracing::info!(
            event = event.id,
            outcome = sent.outcome.as_str(),
            status = sent.status,
            request_id = sent.request_id,
            problem = sent.problem.as_deref(),
            "a referral event was {}",
            if matches!(sent.outcome, Outcome::Retry { .. }) { "tried in vain" } else { "sent" }
        );
        match then {
            Then::Dead => {
                tracing::error!(
                    event = event.id,
                    said = wire::impersonal(&sent.message, &event.body),
                    "referral event dead-lettered; `cello-relay events show {}` shows its whole life",
                    event.id
                );
            }
            Then::Unsure => {
                tracing::error!(event = event.id, "Cello may or may not have a referral event; it waits for a person");
            }
            Then::Delivered | Then::WaitUntil(_) => {}
        }
        let attempt = Attempt {
            event_id: event.id,
            lease: event.lease,
            started_at,
            duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            outcome: sent.outcome.as_str(),
            status: sent.status,
            message: sent.message,
            request_id: sent.request_id,
            then,
            counts,
        };
        self.record(attempt).await;
        // What Cello answered comes first: a store in trouble may not take both.
        if let Some(pause) = pause
            && let Err(problem) = self.store.note_pause(pause).await
        {
            tracing::warn!(%problem, "`events show` may not say whether delivery is paused");
        }
    }

    /// The store took too long, or this process stood still after it had claimed.
    async fn give_back(&self, event: Claimed) {
        let id = event.id;
        tracing::warn!(event = id, "a referral event was claimed too long ago to be sent; it is given back");
        if let Err(problem) = self.store.give_back(vec![event]).await {
            tracing::warn!(event = id, %problem, "it could not be given back; once its lease has ended it is unsure");
        }
    }

    /// Records what became of a try. A store that cannot write now is asked again until it can, also after the lease: an
    /// answer of Cello's that is lost makes an event unsure, and as long as the store is away nobody sends it again.
    async fn record(&self, attempt: Attempt) {
        let event = attempt.event_id;
        loop {
            match self.store.record(attempt.clone()).await {
                Ok(()) => return reach(CrashPoint::AttemptStored),
                Err(StoreError::Unavailable(problem)) => {
                    tracing::warn!(event, problem, "what Cello answered could not be recorded yet; it is tried again");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(problem) => {
                    tracing::error!(event, %problem, "what Cello answered could not be recorded; the event is unsure");
                    return;
                }
            }
        }
    }

    fn then(&self, event: &Claimed, sent: &Sent, now: Timestamp) -> Then {
        let tries = event.attempts + u32::from(!sent.login);
        let again = |after: Option<Duration>| {
            let pause = pause_after(tries, self.settings.give_up_after, fastrand::f64())?;
            Some(Then::WaitUntil(later(now, pause.max(self.capped(after)))))
        };
        match sent.outcome {
            Outcome::Delivered => Then::Delivered,
            Outcome::Rejected => Then::Dead,
            // Not tried at all: it waits for the breaker, and that uses up nothing.
            Outcome::Retry { .. } if sent.login => match self.breaker().leave(now) {
                Leave::NoneUntil(until) => Then::WaitUntil(until),
                Leave::All | Leave::One => Then::WaitUntil(now),
            },
            Outcome::Retry { after } => again(after).unwrap_or(Then::Dead),
            Outcome::Unsure if self.settings.unsure == Unsure::Hold => Then::Unsure,
            Outcome::Unsure => again(None).unwrap_or(Then::Dead),
        }
    }

    /// Lets the breaker know how Cello is. Returns what is to be kept of it for those who ask beside the relay: the pause,
    /// or that it has ended.
    fn note_health(&self, sent: &Sent, event: &Claimed, now: Timestamp) -> Option<Option<Pause>> {
        let mut breaker = self.breaker();
        let was_open = breaker.is_open();
        match sent.outcome {
            Outcome::Delivered | Outcome::Rejected => breaker.answered(),
            Outcome::Retry { after } => breaker.failed(now, sent.login, self.capped(after)),
            Outcome::Unsure => breaker.failed(now, sent.login, Duration::ZERO),
        }
        let pause = breaker.pause();
        self.metrics.breaker_open(pause.is_some());
        if pause.is_some() && !was_open {
            tracing::error!(
                login = sent.login,
                status = sent.status,
                problem = sent.problem.as_deref(),
                "Cello is unavailable; delivery paused, nothing is lost"
            );
        } else if was_open && pause.is_none() {
            tracing::info!("Cello takes referral events again");
        }
        (pause.is_some() || was_open).then(|| {
            let problem = wire::impersonal(&sent.message, &event.body);
            pause.map(|(since, until)| Pause { since, until, problem })
        })
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Retry-After` as far as it is obeyed.
    fn capped(&self, after: Option<Duration>) -> Duration {
        after.unwrap_or_default().min(self.settings.retry_after_cap)
    }

    fn until_it_may_send(&self) -> Duration {
        let now = (self.clock)();
        let mut pace = self.pace();
        match self.breaker().leave(now) {
            Leave::NoneUntil(until) => sleep_until(now, until),
            Leave::All | Leave::One if pace.room(now) == 0 => pace.wait(now).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
            Leave::All | Leave::One => LONGEST_SLEEP,
        }
    }

    /// What was due and could not be claimed has to be sent alone: it goes when what is under way has ended.
    async fn until_next_due(&self, waits_for_others: bool) -> Duration {
        let now = (self.clock)();
        match self.store.next_due().await {
            Ok(Some(due)) if due > now || !waits_for_others => sleep_until(now, due),
            Ok(_) | Err(_) => LONGEST_SLEEP,
        }
    }
}

fn sleep_until(now: Timestamp, then: Timestamp) -> Duration {
    let wait = Duration::try_from(then.duration_since(now)).unwrap_or_default();
    wait.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
