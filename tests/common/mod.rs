//! What several test programs share.

pub mod cutting_proxy;
