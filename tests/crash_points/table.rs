//! What is expected after death at each point. The default, `delivery.unsure = "resend"`, unless said otherwise.
//!
//! The same is expected of every store. When it comes differs: a file has one relay, so what was in sending is taken back
//! at the start; what several share is taken back when its lease has ended, since another may be sending it.

use cello_relay::crash_points::CrashPoint;

use crate::cases::Case::{self, Duplicate, Fresh, Held, Ignored, Refund};

pub struct Line {
    pub point: CrashPoint,
    pub passed_by: &'static [Case],
    pub sender: AtTheSender,
    /// The webhook is on disk, so that its repetition is a duplicate.
    pub stored: bool,
    /// How often Cello receives the referral event, all in all.
    pub received: usize,
    /// The same with `delivery.unsure = "hold"`.
    pub received_when_held: usize,
    /// The store says that nobody knows whether Cello has it.
    pub unsure: bool,
}

#[derive(Clone, Copy)]
pub enum AtTheSender {
    NoAnswer,
    /// The answer goes out while the webhook is decided: it may or may not have arrived.
    PerhapsAnswered,
}

use AtTheSender::{NoAnswer, PerhapsAnswered};

const ALL: &[Case] = &[Fresh, Duplicate, Held, Refund, Ignored];
const DECIDED: &[Case] = &[Fresh, Held, Refund, Ignored];
const SENT: &[Case] = &[Fresh, Held, Refund];

#[rustfmt::skip]
pub static TABLE: [Line; 16] = [
    //   point                        passed by  sender           stored received when held  unsure
    line(CrashPoint::WebhookRead,     ALL,       NoAnswer,        false, 1,       1,         false),
    line(CrashPoint::WebhookWritten,  ALL,       NoAnswer,        false, 1,       1,         false),
    line(CrashPoint::WebhookStored,   ALL,       NoAnswer,        true,  1,       1,         false),
    line(CrashPoint::DecisionBegun,   DECIDED,   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::DecisionWritten, DECIDED,   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::DecisionStored,  DECIDED,   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::HoldDue,         &[Held],   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::HoldAsked,       &[Held],   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::HoldWritten,     &[Held],   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::HoldStored,      &[Held],   PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::ClaimWritten,    SENT,      PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::EventClaimed,    SENT,      PerhapsAnswered, true,  1,       0,         true),
    line(CrashPoint::EventAnswered,   SENT,      PerhapsAnswered, true,  2,       1,         true),
    line(CrashPoint::AttemptWritten,  SENT,      PerhapsAnswered, true,  2,       1,         true),
    line(CrashPoint::AttemptStored,   SENT,      PerhapsAnswered, true,  1,       1,         false),
    line(CrashPoint::RecoveryWritten, SENT,      PerhapsAnswered, true,  1,       0,         true),
];

const fn line(
    point: CrashPoint,
    passed_by: &'static [Case],
    sender: AtTheSender,
    stored: bool,
    received: usize,
    received_when_held: usize,
    unsure: bool,
) -> Line {
    Line { point, passed_by, sender, stored, received, received_when_held, unsure }
}
