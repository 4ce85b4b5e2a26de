//! What every store must keep, whatever it is built on: each sentence runs against each store there is.
//!
//! A new kind of store is one more function in `given.rs` and one more module in `contract!`. What only one kind can
//! be asked stands in a file of its own.

#[macro_use]
mod given;

mod blocking;
mod changing;
mod deciding;
mod delivering;
mod erasing;
mod forgetting;
mod history;
mod moving;
mod past;
#[path = "../common/person.rs"]
mod person;
#[path = "../common/postgres.rs"]
mod postgres;
mod postgres_only;
mod postgres_tables;
mod receiving;
mod several_relays;
mod sqlite_only;
mod upgrading;
