//! The answers to webhooks, line by line, over real HTTP.

#[path = "../common/in_front.rs"]
mod in_front;
mod limits;
mod logged;
mod refused;
mod support;
mod taken;
mod watching;

use cello_relay::providers::stripe::signature::sign;

use support::{SECRET, now};

const BODY: &str = r#"{"id":"evt_1","type":"invoice.paid"}"#;

fn signature(body: &[u8]) -> String {
    sign(SECRET, body, now())
}
