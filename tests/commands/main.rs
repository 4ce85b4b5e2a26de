//! The commands as people run them: the built binary, its words and its exit codes.

mod backup;
mod changing_many;
mod check;
mod confirm;
mod decide;
mod events;
mod explain;
mod export;
mod filters;
mod forget;
mod given;
mod help;
mod map;
mod move_store;
mod new_store;
#[path = "../common/postgres.rs"]
mod postgres;
mod remake;
mod remap;
mod rules;
mod tls;
mod why;
