//! The inner contract in this kind of store.

use rusqlite::Connection;

use super::super::ledger::books;
use super::{decisions, directory, outbox, payments, queue, webhooks};

books!(Connection);
