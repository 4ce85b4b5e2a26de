//! Delivery as a whole: the real deliverer, store, client and stand-in for Cello, driven by hand and by a clock that
//! the test sets.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod breaker;
mod clock;
mod leases;
mod login;
mod order;
mod running;
mod stage;
mod starting;
mod turns;
mod unsure;
mod watched;
