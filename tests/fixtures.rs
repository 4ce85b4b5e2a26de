//! Every fixture, mapped, against the snapshot of its decisions and exact requests, and every body that cannot be read
//! against that of its error. Dropping a file or a folder into `fixtures/`, or a file into `tests/unreadable`, adds a test; `INSTA_UPDATE=always cargo test --test fixtures` writes its snapshot, which a person then
//! reads.

use std::fs;
use std::path::{Path, PathBuf};

use cello_relay::cli::map::{Mapped, Mapper};
use cello_relay::config::Config;
use cello_relay::rules::Rules;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

fn main() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut trials = Vec::new();
    for provider in ["stripe", "chargebee"] {
        for file in listed(&fixtures.join(provider)) {
            trials.push(trial(provider, &file, single));
        }
    }
    for story in listed(&fixtures.join("stories")) {
        trials.push(trial("story", &story, |folder| play(&listed(folder), vec![])));
    }
    for file in listed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unreadable")) {
        trials.push(trial("unreadable", &file, unreadable));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(group: &str, path: &Path, play: fn(&Path) -> Value) -> Trial {
    let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
    let (name, path) = (format!("{group}/{stem}"), path.to_owned());
    Trial::test(name.clone(), move || {
        let told = play(&path);
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_json_snapshot!(name.replace('/', "--"), told);
        });
        Ok::<(), Failed>(())
    })
}

/// A webhook alone with an empty directory. Where it then waits for its customer, also with that customer referred.
fn single(file: &Path) -> Value {
    let alone = play(&[file.to_owned()], vec![]);
    if alone.pointer("/0/decisions/0/reason") != Some(&json!("customer_unseen")) {
        return json!({ "alone": alone });
    }
    let webhook: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let customer = json!({
        "id": "evt_the_customer", "object": "event", "type": "customer.created",
        "created": 1_500_000_000, "livemode": webhook["livemode"], "account": webhook["account"],
        "data": { "object": {
            "id": webhook["data"]["object"]["customer"], "object": "customer", "created": 1_500_000_000,
            "email": "referred@example.com", "metadata": { "cello_ucc": "Rf3rr3dAbcd", "new_user_id": "usr_referred" },
        } },
    });
    let known = play(&[file.to_owned()], vec![customer.to_string().into_bytes()]);
    json!({ "alone": alone, "with its customer referred": known })
}

fn unreadable(file: &Path) -> Value {
    let mapped = Mapper::new(&Config::default(), Rules::shipped().unwrap()).unwrap().file(file).unwrap();
    assert!(mapped.error.is_some());
    json!({ "type": mapped.kind, "error": mapped.error })
}

/// Maps files in order with one directory, `before` first; what came of `before` is not told.
fn play(files: &[PathBuf], before: Vec<Vec<u8>>) -> Value {
    let mut mapper = Mapper::new(&Config::default(), Rules::shipped().unwrap()).unwrap();
    for body in before {
        let mapped = mapper.body("before".to_owned(), body).unwrap();
        assert_eq!(mapped.error, None);
    }
    let mut told = Vec::new();
    for file in files {
        let mapped = mapper.file(file).unwrap();
        assert_eq!(mapped.error, None, "every fixture can be read");
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut mapped = serde_json::to_value(Mapped { file: name, ..mapped }).unwrap();
        ["decisions", "released"].iter().for_each(|list| without_traces(&mut mapped[*list]));
        told.push(mapped);
    }
    Value::Array(told)
}

/// Takes the traces out, which have snapshots of their own, and sees to it that each says something and shows nobody's
/// address or name.
fn without_traces(decisions: &mut Value) {
    for decision in decisions.as_array_mut().unwrap() {
        let trace = decision.as_object_mut().unwrap().shift_remove("trace").unwrap();
        assert_ne!(trace["recognised"], "");
        let text = trace.to_string();
        let user = decision.pointer("/referral_event/context/newUser").cloned().unwrap_or_default();
        for private in ["email", "name"] {
            let value = user[private].as_str().unwrap_or("@");
            assert!(!text.contains(value), "the trace shows the {private}: {text}");
        }
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|problem| panic!("{}: {problem}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
