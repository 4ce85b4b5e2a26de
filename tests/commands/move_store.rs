//! `move`: a filled SQLite store goes to PostgreSQL.

use crate::given::{Installation, run, run_on};
use crate::postgres;

const STORY: &str = "stories/stripe-invoice-before-customer";

#[tokio::test]
async fn move_takes_everything_along_and_says_what_to_do_next() {
    let Installation { folder, store } = Installation::new().with(STORY).await.delivered().await;
    let in_use = run(folder.path(), &[], &["move", "--to", &postgres::database()]);
    assert_eq!(in_use.code, 2, "{in_use:?}");
    in_use.says(&["another cello-relay is running on"]);
    drop(store);
    let server = postgres::server();
    let to = server.url(&server.empty_database());
    let wrong = run(folder.path(), &[], &["move", "--to", &format!("{to}?sslmode=perhaps")]);
    wrong.says(&["the address to move to: its `sslmode` is none of"]);

    let said = run_on(&to, folder.path(), &["move", "--to", "-"]);

    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["3 webhooks and 3 referral events are in postgres://", "Set `database_url` to the database"]);
    let there = run(folder.path(), &[("RELAY__DATABASE_URL", &to)], &["events", "list", "--json"]);
    assert_eq!(there.lines().len(), 3, "{there:?}");
    let here = run(folder.path(), &[], &["events", "list"]);
    assert_eq!(here.code, 2);
    here.says(&["its contents were moved to postgres://"]);
    let json = run(folder.path(), &[], &["move", "--to", &postgres::database(), "--json"]).lines().remove(0);
    assert_eq!(json["counts"]["delivered"], 3);
}

#[test]
fn move_needs_a_file_here_and_a_server_there() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, to, words) in [
        (&[][..], "sqlite:other.db", "it can only be moved to PostgreSQL"),
        (&[], "postgres://relay@127.0.0.1:9/relay", "there is nothing to move"),
        (&[("RELAY__DATABASE_URL", "postgres://a@b/c")], "postgres://relay@127.0.0.1:9/relay", "in PostgreSQL already"),
    ] {
        let said = run(folder.path(), variables, &["move", "--to", to]);
        assert_eq!(said.code, 2, "{said:?}");
        said.says(&[words]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    }
}
