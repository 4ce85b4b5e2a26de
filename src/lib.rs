//! cello-relay turns the webhooks of Stripe and Chargebee into referral events for Cello, and delivers them until
//! Cello has them.
//!
//! ```text
//!  Stripe ──┐
//!           ├─▶ receive ──▶ read ──▶ attribute ──▶ decide ──▶ deliver ──▶ Cello
//! Chargebee ┘     │          │          │            │           │
//!              webhook      fact   whose referral  decision   outcome
//! ```
//!
//! The modules, in reading order:
//!
//! - [`cli`]: the commands, one file each
//! - [`config`]: every setting, its default, its check
//! - [`server`]: receives webhooks and keeps them before it answers; health and metrics
//! - [`providers`]: verifying, reading and looking up, one folder for each payment provider
//! - [`facts`]: what a webhook says, the same for every provider; [`interval`] and [`money`] beside it
//! - [`attribution`]: whose referral a customer is, as the directory of earlier webhooks knows it
//! - [`rules`]: which fact becomes which trigger, with which price; the whole mapping is `default.toml`
//! - [`decision`]: send, hold or ignore, with every reason and warning there is
//! - [`trace`]: how a decision came about, for people
//! - [`referral_event`]: one message for Cello, in our own terms
//! - [`cello`]: Cello's wire format, client, token, answer table, and a stand-in for it on this machine
//! - [`store`]: what is on disk, and the only code that knows SQL
//! - [`relay`]: the loops that decide and deliver, and what they go by
//! - [`telemetry`]: log format, and every metric
//! - [`clock`], [`http`]: the time of day and HTTP clients, handed in
//! - [`crash_points`]: where tests have the process die
//!
//! `server`, `relay` and `cli` use `providers`, `attribution`, `rules`, `cello` and `store`; those know nothing of each
//! other but [`facts`] and [`referral_event`], save that `rules` asks for the names of the providers.

pub mod attribution;
pub mod cello;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash_points;
pub mod decision;
pub mod facts;
pub mod http;
pub mod interval;
pub mod money;
pub mod providers;
pub mod referral_event;
pub mod relay;
pub mod rules;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod trace;
mod words;
