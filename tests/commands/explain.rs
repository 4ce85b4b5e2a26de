//! How decisions came about, as `map` prints it: one snapshot for each kind of story, read by a person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::given::{Installation, run};

fn fixtures(path: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    let mut files: Vec<PathBuf> = match path.is_dir() {
        true => std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
        false => vec![path],
    };
    files.sort();
    files.into_iter().map(|file| file.display().to_string()).collect()
}

/// What `map --explain` prints below its table, by `settings`.
fn explained(path: &str, settings: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("relay.toml"), settings).unwrap();
    std::fs::write(folder.path().join("own.toml"), OWN_RULES).unwrap();
    let files = fixtures(path);
    let arguments: Vec<&str> = ["map", "--explain"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let said = run(folder.path(), &[], &arguments);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    said.out.split_once("\n\n").unwrap().1.to_owned()
}

/// The first leaves something out, the second fails on every purchase without seats.
const OWN_RULES: &str = r#"
[[rule]]
name = "only-yearly"
on = "invoice-paid"
when = "invoice.interval == 'yearly'"
trigger = "invoice-paid"
price = "invoice.amount_paid"

[[rule]]
name = "per-seat"
on = "invoice-paid"
when = "invoice.seats > 0"
trigger = "invoice-paid"
price = "invoice.amount_paid / invoice.seats"
interval = "'lifetime'"
"#;

#[test]
fn each_kind_of_story_is_explained_from_what_was_seen_to_what_was_sent() {
    for (name, path, settings) in [
        ("late-code", "stories/stripe-late-code-within-30-days", ""),
        ("basil", "stories/stripe-signup-and-first-purchase-basil", ""),
        ("refund-by-payment", "stories/stripe-refund-basil-link-comes-late", ""),
        ("running-totals", "stories/stripe-partial-refunds-second-first", ""),
        ("not-referred", "stories/stripe-not-referred", ""),
        ("subscription", "stories/chargebee-change-and-cancel", ""),
        ("organization", "stories/stripe-organization", "[metadata]\norganization_mode = true"),
        ("settings", "stories/stripe-every-four-weeks", SETTINGS),
        ("own-rules", "stories/stripe-yen", "rules = 'own.toml'"),
        ("trigger-off", "stories/stripe-canceled-at-once", "triggers = 'current'"),
    ] {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(format!("explained--{name}"), explained(path, settings));
        });
    }
}

const SETTINGS: &str =
    "[privacy]\nemail = 'omit'\n[plans.price_1eVmLIQ8hTzvKe3RsBUkdANR]\ninterval = 'monthly'\nproduct_key = 'Pro'";

#[test]
fn a_single_file_is_explained_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let [one] = fixtures("chargebee/payment-succeeded-pc2-monthly-gbp.json").try_into().unwrap();
    run(folder.path(), &[], &["map", &one]).says(&["saw ", "values ", "rules ", "purchase  matches"]);
    let several = run(folder.path(), &[], &["map", &one, &one]);
    assert!(!several.out.contains("rules "), "{}", several.out);
}

#[tokio::test]
async fn show_tells_the_same_of_what_is_stored() {
    let relay = Installation::new().with("chargebee/payment-succeeded-pc2-monthly-gbp.json").await;
    let [one] = fixtures("chargebee/payment-succeeded-pc2-monthly-gbp.json").try_into().unwrap();
    let id =
        serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&one).unwrap()).unwrap()["id"].to_string();
    let shown = relay.run(&["events", "show", id.trim_matches('"')]).out;
    let mapped = run(relay.folder.path(), &[], &["map", &one]).out;
    let parts = |page: &str| {
        let line = |line: &&str| line.contains("webhook: ") || line.contains("rule: ") || line.contains("matches");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        // In another order where the webhook brought a signup along.
        page.lines().filter(line).map(words).collect::<BTreeSet<_>>()
    };
    assert!(parts(&shown).len() > 5, "{shown}");
    assert_eq!(parts(&shown), parts(&mapped));
}
