//! The commands as people run them: the built binary, its words and its exit codes.

mod check;
mod events;
mod given;
mod help;
