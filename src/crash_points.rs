//! Moments at which a test can have the process die, named for what has happened last.
//!
//! With the feature `crash-points`, which only tests build with, the process ends at once where
//! `CELLO_RELAY_CRASH_AT` names a point: nothing is flushed, closed or said, as when the power fails. Without the
//! feature a point is compiled to nothing.

use crate::words::words;

words! {
    /// In the order in which a webhook passes them. The ones that say "written" lie before the flush.
    CrashPoint {
        /// A webhook was read and is genuine; nothing is stored.
        WebhookRead = "webhook-read",
        WebhookWritten = "webhook-written",
        /// It is on disk; its sender is not answered.
        WebhookStored = "webhook-stored",
        /// It is about to be decided.
        DecisionBegun = "decision-begun",
        DecisionWritten = "decision-written",
        /// What was decided is on disk; nobody is told that there is something to send.
        DecisionStored = "decision-stored",
        /// A held fact is about to be looked after.
        HoldDue = "hold-due",
        /// What it waits for was asked; nothing is written about it.
        HoldAsked = "hold-asked",
        HoldWritten = "hold-written",
        HoldStored = "hold-stored",
        ClaimWritten = "claim-written",
        /// A referral event is leased; nothing is sent.
        EventClaimed = "event-claimed",
        /// Cello answered; nothing is written about it.
        EventAnswered = "event-answered",
        AttemptWritten = "attempt-written",
        AttemptStored = "attempt-stored",
        /// At the start: what an earlier process was sending is taken back.
        RecoveryWritten = "recovery-written",
    }
}

/// Ends the process if this is the point it is to die at.
#[cfg(feature = "crash-points")]
pub fn reach(point: CrashPoint) {
    if std::env::var("CELLO_RELAY_CRASH_AT").is_ok_and(|name| name == point.as_str()) {
        std::process::abort();
    }
}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn reach(_: CrashPoint) {}

/// The same where `CELLO_RELAY_CRASH_ON`, if it is there, has to be the event id or key of what is being worked on.
#[cfg(feature = "crash-points")]
pub fn reach_with(point: CrashPoint, name: &str) {
    if std::env::var("CELLO_RELAY_CRASH_ON").is_ok_and(|on| on != name) {
        return;
    }
    reach(point);
}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn reach_with(_: CrashPoint, _: &str) {}
