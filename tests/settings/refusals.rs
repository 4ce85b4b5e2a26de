//! What each refusal says, in full.

mod addresses;
mod missing;
mod names;
mod secrets;
mod sites;
mod values;
