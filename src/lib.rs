//! cello-relay turns the webhooks of Stripe and Chargebee into referral events for Cello, and delivers them until
//! Cello has them.

pub mod attribution;
pub mod cello;
pub mod clock;
pub mod config;
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
