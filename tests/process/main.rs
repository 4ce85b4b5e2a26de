//! The built program as a process: its settings, its listeners, its exit codes, and what it has flushed before it answers.

mod codes;
mod commands;
mod disk;
mod flushed;
mod mended_rules;
#[path = "../common/postgres.rs"]
mod postgres;
mod refused;
mod repaired;
mod restored;
mod serving;
#[allow(dead_code, reason = "shared with other tests of the process, which need more of it")]
mod stage;
mod under_load;
