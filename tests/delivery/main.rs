//! Delivery as a whole: the real deliverer, store, client and stand-in for Cello, driven by hand and by a clock that
//! the test sets.

mod answers;
mod breaker;
mod clock;
#[path = "../common/cutting_proxy.rs"]
mod cutting_proxy;
#[path = "../common/in_front.rs"]
mod in_front;
mod leases;
mod login;
mod order;
#[path = "../common/person.rs"]
mod person;
mod running;
mod stage;
mod starting;
mod turns;
mod unsure;
mod watched;
