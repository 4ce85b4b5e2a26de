//! A store that is not there, or not this relay's: `serve` begins with an empty one, and says so where that may be a loss;
//! it does not begin with one that is for another Cello.

use std::net::TcpListener;
use std::path::Path;

use crate::given::{Said, run};
use crate::postgres;

/// `serve` on an address that is taken, so that it ends once it has the store.
fn serve(folder: &Path, environment: &str, more: &[(&str, &str)], arguments: &[&str]) -> Said {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = [
        ("RELAY__SERVER__BIND", address.as_str()),
        ("RELAY__ADMIN__BIND", "127.0.0.1:0"),
        ("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_1"),
        ("RELAY__CELLO__ENVIRONMENT", environment),
        ("RELAY__CELLO__ACCESS_KEY_ID", "id"),
        ("RELAY__CELLO__SECRET_ACCESS_KEY", "key"),
    ];
    let said = run(folder, &[&settings, more].concat(), arguments);
    assert_eq!(said.code, 2, "{said:?}");
    said
}

const WARNING: &str = "there was no store, so an empty one was made";

#[test]
fn in_production_a_new_store_is_worth_a_warning_and_the_next_start_is_not() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path(), "production", &[], &["serve"]).says(&["WARN", WARNING, "relay.db"]);
    let next = serve(folder.path(), "production", &[], &["serve"]);
    assert!(!next.err.contains(WARNING), "{next:?}");

    let server = postgres::server();
    let url = server.url(&server.empty_database());
    let empty = [("RELAY__DATABASE_URL", url.as_str())];
    serve(folder.path(), "production", &empty, &["serve"]).says(&[WARNING, "schema public of postgres://"]);
}

#[test]
fn elsewhere_it_is_only_where_something_of_an_earlier_one_is_left() {
    let folder = tempfile::tempdir().unwrap();
    for (environment, arguments) in [("sandbox", &["serve"][..]), ("production", &["serve", "--sandbox"])] {
        let said = serve(folder.path(), environment, &[], arguments);
        assert!(!said.err.contains(WARNING), "{said:?}");
        for name in ["relay.db", "relay.db.lock"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
    std::fs::write(folder.path().join("relay.db.lock"), "").unwrap();
    serve(folder.path(), "sandbox", &[], &["serve"]).says(&[WARNING]);
}

#[test]
fn what_waits_for_one_cello_is_not_sent_to_another() {
    for (first, then, what) in [
        (
            ("sandbox", &["serve"][..]),
            ("production", &["serve"][..]),
            "for Cello's sandbox, and not for Cello's production",
        ),
        (("production", &["serve"]), ("production", &["serve", "--sandbox"]), "and not for the stand-in"),
        (("sandbox", &["serve", "--sandbox"]), ("sandbox", &["serve"]), "for the stand-in of `serve --sandbox`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        serve(folder.path(), first.0, &[], first.1);
        serve(folder.path(), then.0, &[], then.1).says(&[what, "where: database_url"]);
        let check = run(folder.path(), &[("RELAY__CELLO__ENVIRONMENT", then.0)], &["check", "--offline"]);
        assert_eq!(check.out.contains(what), then.1 == ["serve"], "{check:?}");
        let again = serve(folder.path(), first.0, &[], first.1);
        assert!(!again.err.contains("database_url"), "{again:?}");
    }
}
