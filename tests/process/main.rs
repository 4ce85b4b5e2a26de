//! The built program as a process: its settings, its listeners, its exit codes, and its death at the worst moment.

mod codes;
mod commands;
mod flushed;
mod killed;
mod mended_rules;
mod refused;
mod serving;
mod stage;
