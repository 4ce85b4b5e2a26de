//! The tables in PostgreSQL: who makes them, where, and which are refused, as is a database that cannot be used.

use std::io::{Read, Write};
use std::net::TcpListener;

use cello_relay::store::{self, StoreError};

use crate::given::{stored, webhook};
use crate::postgres::{Server, database, name, server};
use crate::postgres_only::open;

#[tokio::test]
async fn relays_that_start_together_make_the_tables_once() {
    let url = server().url(&server().empty_database());
    let stores: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| store::open(&url, true))).collect();
        starting.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    for store in stores {
        store.probe().await.unwrap();
    }
}

#[test]
fn tables_of_a_newer_version_are_refused_also_by_a_relay_that_connects_again() {
    let url = database();
    server().sql(name(&url), "UPDATE cello_relay_schema SET version = 999");
    for serves in [true, false] {
        let refused = store::open(&url, serves).err().unwrap();
        assert!(matches!(refused, StoreError::TooNew { found: 999, known } if known < 999), "{refused}");
    }
}

#[tokio::test]
async fn a_relay_whose_tables_were_changed_under_it_takes_nothing_more() {
    let server = Server::start(None);
    let database = server.empty_database();
    let store = open(&server.url(&database));
    server.sql(&database, "UPDATE cello_relay_schema SET version = 999");
    server.order("restart");
    assert!(store.receive(webhook("evt_1")).await.is_err());
    assert!(store.probe().await.is_err());
}

#[test]
fn a_command_makes_no_tables() {
    let database = server().empty_database();
    let message = store::open(&server().url(&database), false).err().unwrap().to_string();
    assert!(message.contains("no tables of cello-relay"), "{message}");
    assert_eq!(server().sql(&database, "SELECT count(*) FROM pg_class WHERE relname = 'webhook'"), "0");
}

#[test]
fn what_cannot_be_used_is_refused_with_the_place_and_what_to_do() {
    let foreign = server().empty_database();
    server().sql(&foreign, "CREATE TABLE webhook (x int)");
    server().sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let nowhere = server().url(&foreign).replace("relay@", "relay:hunter2@");
    for (url, problem) in [
        (server().url(&foreign), "a schema of its own"),
        (server().url("latin"), "encoding is not UTF8"),
        (format!("{nowhere}?options=-csearch_path%3Dmissing"), "no schema of its `search_path`"),
        (format!("{nowhere}_missing"), "create it, or correct its name"),
        ("postgres://relay:hunter2@localhost:1/relay".to_owned(), "is the server running"),
    ] {
        let message = store::open(&url, true).err().unwrap().to_string();
        assert!(message.contains(problem) && message.contains("postgres://"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn an_address_without_the_password_that_the_server_asks_for_is_what_is_wrong_and_not_the_store() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://relay@{}/relay?sslmode=disable", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 1024]).unwrap();
            // It asks for a password in clear text.
            connection.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
            let _ = connection.read(&mut [0; 1024]);
        }
    });
    let message = store::open(&url, false).err().unwrap().to_string();
    assert!(message.contains("password missing; are user and password in the address right"), "{message}");
}

#[tokio::test]
async fn the_tables_are_made_in_the_schema_that_the_address_names() {
    let database = server().empty_database();
    server().sql(&database, "CREATE SCHEMA relay");
    let store = open(&format!("{}?options=-csearch_path%3Drelay", server().url(&database)));
    stored(&store, "evt_1").await;
    assert_eq!(server().sql(&database, "SELECT event_id FROM relay.webhook"), "evt_1");
}
