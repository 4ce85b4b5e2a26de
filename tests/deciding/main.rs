//! Attribution, look-ups and deciding, over the real store and the real providers.

mod attribution;
mod codes;
mod erasing;
mod long_invoices;
mod look_up;
mod order;
mod payments;
#[path = "../common/person.rs"]
mod person;
mod policy;
#[path = "../common/postgres.rs"]
mod postgres;
mod refunds;
#[path = "../common/relay.rs"]
mod relay;
mod remaking;
mod remap;
mod remap_codes;
mod shared;
mod sites;
#[path = "../common/stripe_api.rs"]
mod stripe_api;
mod upgraded;
mod walks;
mod webhooks;
