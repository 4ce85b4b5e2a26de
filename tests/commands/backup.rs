//! `backup`: a copy of the store, beside a relay that has it open.

use std::process::Command;

use crate::given::{Installation, run};

const STORY: &str = "stories/stripe-invoice-before-customer";

#[tokio::test]
async fn backup_copies_the_store_and_says_what_is_in_it() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    relay.run(&["backup", "copy.db"]).says(&["copy.db: 3 webhooks and 3 referral events", "looked through"]);

    let copy = relay.run(&["backup", "other.db", "--json"]).lines().remove(0);
    assert_eq!((&copy["counts"]["delivered"], &copy["file"]), (&3.into(), &"other.db".into()));
    let copied = [("RELAY__DATABASE_URL", "sqlite:copy.db")];
    assert_eq!(run(relay.folder.path(), &copied, &["events", "list", "--json"]).lines().len(), 3);
    let again = relay.run(&["backup", "copy.db"]);
    assert_eq!(again.code, 2);
    again.says(&["there is such a file already"]);
}

#[tokio::test]
async fn where_there_is_no_room_for_a_copy_it_says_so_of_the_copy_and_nothing_is_left() {
    let relay = Installation::new().with(STORY).await;
    let program = env!("CARGO_BIN_EXE_cello-relay");
    let limited = format!("trap '' XFSZ; ulimit -f 8; exec {program} backup copy.db");

    let said = Command::new("sh").args(["-c", &limited]).current_dir(relay.folder.path()).output().unwrap();

    assert_eq!(said.status.code(), Some(2));
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(error.contains("no copy can be made at copy.db"), "{error}");
    let names = std::fs::read_dir(relay.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with("copy.db")));
}

#[test]
fn a_store_on_a_server_is_backed_up_with_the_servers_tools() {
    let folder = tempfile::tempdir().unwrap();
    let said =
        run(folder.path(), &[("RELAY__DATABASE_URL", "postgres://relay@db.example/relay")], &["backup", "copy.db"]);
    assert_eq!(said.code, 2);
    said.says(&["use `pg_dump --format=custom`"]);
}
