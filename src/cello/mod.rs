//! Everything that is known of Cello's API, and nothing else.
//!
//! In reading order:
//!
//! - [`wire`]: a referral event as the body of `POST /events`
//! - [`answers`]: the table of what each answer means
//! - [`client`]: sends bodies, and asks Cello about codes, links and rewards
//! - [`token`], `keeper` and `login`: the one task that holds the access token, when it renews it, and how
//! - `exchange`: one request and its answer, bounded in size and time
//! - [`sandbox`]: a stand-in for Cello on this machine
//!
//! Nobody outside this folder knows the wire format. Others hold a [`ReferralEvent`](crate::referral_event) before, and
//! the text of a body, which they keep and never look into, after [`body`] was called. So Cello's v2 events can come as
//! one more file beside `wire.rs`.

pub mod answers;
pub mod client;
mod exchange;
mod keeper;
mod login;
mod reads;
pub mod sandbox;
pub mod token;
pub mod wire;

pub use answers::{ANSWERS, Class, Outcome};
pub use client::{Client, Sent, SetupError};
pub use reads::{ActiveLink, CallError, NewUserReward, ReferralCode};
pub use sandbox::Sandbox;
pub use token::{LoginError, Token};
pub use wire::body;
