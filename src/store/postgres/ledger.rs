//! The inner contract in this kind of store.

use super::super::ledger::books;
use super::session::Session;
use super::{decisions, directory, outbox, payments, queue, webhooks};

books!(Session);
