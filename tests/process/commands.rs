//! The commands that end by themselves: what they print and how they end.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use cello_relay::cello::Sandbox;
use serde_json::Value;

use crate::stage::{Place, SECRET, Serving, ended, fixtures, json_lines};

const STORY: &str = "stories/stripe-signup-and-first-purchase-basil";

#[test]
fn a_folder_that_is_replayed_ends_well_and_shows_a_row_for_each_decision() {
    let place = Place::new();

    let (code, out, err) = ended(place.command(&["replay", &fixtures(STORY)]));

    assert_eq!(code, 0, "{err}");
    let rows: Vec<&str> = out.lines().filter(|line| line.contains("delivered (200)")).collect();
    assert_eq!(rows.len(), 3, "{out}");
    for (row, trigger) in rows.iter().zip(["new-signup", "subscription-created", "invoice-paid"]) {
        assert!(row.contains(trigger), "{row}");
    }
    assert!(out.contains("3 webhooks: 3 mapped, 0 ignored, 0 held, 0 unreadable, 0 duplicate, 0 refused."), "{out}");
    assert!(out.ends_with("3 referral events: 3 delivered, 0 not.\n"), "{out}");
    assert_eq!(place.folder.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn all_fixtures_replayed_have_a_line_each_and_everything_is_delivered() {
    let files = json_files(&fixtures(""));

    let (code, out, err) = ended(Place::new().command(&["replay", "--json", &fixtures("")]));

    assert_eq!(code, 0, "{err}");
    let lines = json_lines(&out);
    assert_eq!(lines.len(), files);
    let events: Vec<&Value> =
        lines.iter().flat_map(|line| line["life"]["referral_events"].as_array().unwrap()).collect();
    assert!(events.len() > 50 && events.iter().all(|event| event["state"] == "delivered"), "{}", events.len());
}

/// The keys of the referral events that a replay of this one payment made.
fn business_keys(out: &str) -> Vec<String> {
    let lines = json_lines(out);
    let events = lines[0]["life"]["referral_events"].as_array().unwrap();
    events.iter().map(|event| event["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn chargebees_webhooks_are_replayed_as_the_site_that_is_named() {
    let payment = fixtures("chargebee/payment-succeeded-pc2-monthly-gbp.json");
    let with_sites = |mut command: Command| {
        command.env("RELAY__CHARGEBEE__SITES__EU__CREDENTIALS", "eu:one");
        command.env("RELAY__CHARGEBEE__SITES__US__CREDENTIALS", "us:two");
        command
    };
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let serving = Serving::start(with_sites(place.serve(&cello))).await;
    let url = serving.post.url.clone();
    for more in [vec![], vec!["--to", url.as_str()]] {
        for site in ["eu", "us"] {
            let arguments = [&["replay", "--json", "--site", site], more.as_slice(), &[payment.as_str()]].concat();
            let command = with_sites(place.command(&arguments));
            let (code, out, err) = tokio::task::spawn_blocking(move || ended(command)).await.unwrap();
            assert_eq!(code, 0, "{err}");
            let prefix = format!("purchase:chargebee:{site}:");
            assert!(business_keys(&out).iter().any(|key| key.starts_with(&prefix)), "{more:?} {site}: {out}");
        }
    }
}

#[tokio::test]
async fn a_folder_can_be_replayed_to_a_relay_that_runs() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let serving = Serving::start(place.serve(&cello)).await;
    let mut command = place.command(&["replay", "--json", "--to", &serving.post.url, &fixtures(STORY)]);
    command.env("RELAY__STRIPE__WEBHOOK_SECRETS", SECRET);

    let (code, out, err) = tokio::task::spawn_blocking(move || ended(command)).await.unwrap();

    assert_eq!(code, 0, "{err}");
    let lines = json_lines(&out);
    assert_eq!(lines.iter().map(|line| &line["answer"]).collect::<Vec<_>>(), ["stored"; 3]);
    assert!(lines.iter().all(|line| line["life"]["referral_events"][0]["state"] == "delivered"), "{out}");
    assert_eq!(cello.received().len(), 3);
}

#[tokio::test]
async fn a_replay_with_a_wrong_secret_is_refused_by_the_relay_and_is_a_finding_whatever_came_before() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let serving = Serving::start(place.serve(&cello)).await;
    let replayed = async |secret: &str, more: &[&str]| {
        let to = ["replay", "--to", &serving.post.url, "--stripe-secret", secret, &fixtures(STORY)];
        let command = place.command(&[&to, more].concat());
        tokio::task::spawn_blocking(move || ended(command)).await.unwrap()
    };
    assert_eq!(replayed(SECRET, &[]).await.0, 0);

    let (code, out, err) = replayed("whsec_other", &["--json"]).await;

    assert_eq!(code, 1, "{err}");
    assert!(json_lines(&out).iter().all(|line| line["status"] == 400 && line["life"].is_null()), "{out}");
    let (_, table, _) = replayed("whsec_other", &[]).await;
    assert_eq!(table.matches("HTTP 400").count(), 3, "{table}");
    assert!(!table.contains("delivered (200)"), "{table}");
    assert_eq!(cello.received().len(), 3);
}

#[test]
fn a_file_that_is_mapped_is_one_line_with_exactly_these_keys() {
    let folder = fixtures(STORY);
    let mut files: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    let args: Vec<&str> = ["map", "--json"].into_iter().chain(files.iter().map(String::as_str)).collect();

    let (code, out, err) = ended(Place::new().command(&args));

    assert_eq!((code, err.as_str()), (0, ""));
    let lines = json_lines(&out);
    assert_eq!(lines.iter().map(|line| line["file"].as_str().unwrap()).collect::<Vec<_>>(), files);
    for line in &lines {
        assert_eq!(keys(line), ["decisions", "event_id", "file", "provider", "released", "type"].into());
        assert_eq!(line["provider"], "stripe");
        assert_eq!(line["decisions"][0]["decision"], "send");
    }
}

#[test]
fn what_is_ignored_or_held_is_no_finding() {
    let args = ["map", "--json", &fixtures("stripe/customer-created-without-code.json")];
    let (code, out, err) = ended(Place::new().command(&args));
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(json_lines(&out)[0]["decisions"][0]["decision"], "ignore");
}

#[test]
fn a_file_that_cannot_be_read_is_a_line_that_says_why_and_a_finding() {
    let place = Place::new();
    let write = |name: &str, text: &str| {
        let path = place.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = fixtures("stripe/customer-created-with-code-basil.json");
    for (file, problem) in [
        (write("text.json", "{\"id\": "), "not JSON"),
        (write("foreign.json", r#"{"hello":"world"}"#), "no webhook of Stripe or Chargebee"),
        (write("list.json", "[1, 2]"), "no webhook of Stripe or Chargebee"),
    ] {
        let (code, out, err) = ended(place.command(&["map", "--json", &file, &good]));

        assert_eq!((code, err.as_str()), (1, ""), "{file}");
        let lines = json_lines(&out);
        assert_eq!(lines.len(), 2, "the good one is mapped all the same");
        let line = &lines[0];
        assert_eq!(keys(line), ["decisions", "error", "event_id", "file", "provider", "released", "type"].into());
        assert_eq!(line["file"], file);
        assert!(line["error"].as_str().unwrap().contains(problem), "{line}");
        assert_eq!(lines[1]["decisions"][0]["decision"], "send");
        assert_eq!(ended(place.command(&["map", &file])).0, 1, "as a table too");
    }
}

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn json_files(folder: &str) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => json_files(&path.display().to_string()),
            false => usize::from(path.extension().is_some_and(|extension| extension == "json")),
        })
        .sum()
}
