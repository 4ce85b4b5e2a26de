//! `map` over many webhooks in one input: in order, with one directory, one line of output for each, in little memory.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::given::{Said, command, files, run, run_on};

const LATE_CODE: &str = "stories/stripe-late-code-within-30-days";

/// The webhooks of fixtures, one on each line.
fn lines(fixtures: &str) -> Vec<String> {
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap().to_string();
    files(fixtures).iter().map(|file| parsed(fs::read_to_string(file).unwrap())).collect()
}

/// One webhook with an id of its own, of a customer with a code and an id of its own.
fn signup(number: usize) -> String {
    customer(number, "", &json!({ "cello_ucc": "Rf3rr3dAbcd", "new_user_id": format!("usr_{number}") }))
}

fn customer(number: usize, description: &str, metadata: &Value) -> String {
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "customer.created", "created": 1_760_000_000 + number,
        "livemode": false,
        "data": { "object": {
            "id": format!("cus_{number}"), "object": "customer", "created": 1_760_000_000 + number,
            "email": "somebody@example.com", "description": description, "metadata": metadata,
        } },
    })
    .to_string()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The line and the first decision of each webhook, or what was wrong with it.
fn told(said: &Said) -> Vec<String> {
    let told = |line: Value| match line["error"].as_str() {
        Some(error) => format!("{}:{} {error}", line["file"].as_str().unwrap(), line["line"]),
        None => format!("{} {}", line["line"], line["decisions"][0]["decision"].as_str().unwrap()),
    };
    said.lines().into_iter().map(told).collect()
}

#[test]
fn webhooks_from_standard_input_are_one_story_and_a_late_code_lets_earlier_ones_go_on() {
    let said = run_on(&lines(LATE_CODE).join("\n"), folder().path(), &["map", "--json", "-"]);

    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let lines = said.lines();
    assert_eq!(lines.iter().map(|line| &line["line"]).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(lines.iter().all(|line| line["file"] == "-"), "{lines:?}");
    assert_eq!(lines[2]["decisions"][0]["reason"], "not_referred");
    assert_eq!(lines[3]["decisions"][0]["referral_event"]["context"]["event"]["trigger"], "new-signup");
    let released: Vec<&Value> = lines[3]["released"].as_array().unwrap().iter().collect();
    let purchase = released.iter().find(|released| released["event_id"] == lines[2]["event_id"]).unwrap();
    assert_eq!(purchase["referral_event"]["context"]["event"]["trigger"], "invoice-paid");
}

#[test]
fn what_one_input_says_is_what_its_files_would_say_each_on_its_own() {
    let folder = folder();
    let story: Vec<String> = files(LATE_CODE).iter().map(|file| file.display().to_string()).collect();
    let arguments: Vec<&str> = ["map", "--json"].into_iter().chain(story.iter().map(String::as_str)).collect();
    let mut apart = run(folder.path(), &[], &arguments).lines();
    let pretty: String = files(LATE_CODE).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    fs::write(folder.path().join("story.jsonl"), lines(LATE_CODE).join("\r\n")).unwrap();
    fs::write(folder.path().join("lines.txt"), lines(LATE_CODE).join("\n")).unwrap();
    fs::write(folder.path().join("pretty.json"), &pretty).unwrap();
    fs::write(folder.path().join("mixed.json"), lines(LATE_CODE)[0].clone() + "\n" + &pretty).unwrap();

    for line in &mut apart {
        assert_eq!(line["line"], Value::Null, "a webhook alone in its file needs no line");
        line.as_object_mut().unwrap().remove("file");
    }
    for (file, came_before) in [("story.jsonl", 0), ("lines.txt", 0), ("pretty.json", 0), ("mixed.json", 1)] {
        let said = run(folder.path(), &[], &["map", "--json", file]);
        let mut together = said.lines();
        for line in &mut together {
            let line = line.as_object_mut().unwrap();
            assert!(line.remove("line").unwrap().is_u64(), "{file}");
            assert_eq!(line.remove("file").unwrap(), file);
        }
        if came_before == 1 {
            assert_eq!(together[1]["decisions"][0]["reason"], "already_received");
            together.remove(1);
        }
        assert_eq!(together, apart, "{file}");
    }
}

#[test]
fn files_of_a_chargebee_site_are_mapped_as_its_own_account() {
    let folder = folder();
    fs::write(folder.path().join("relay.toml"), "[chargebee.sites.eu]\nmode = \"test\"\n").unwrap();
    let webhooks =
        [&lines("chargebee/payment-succeeded-pc2-monthly-gbp.json")[..], &lines(LATE_CODE)].concat().join("\n");
    let keys = |site: &[&str]| -> Vec<String> {
        let said = run_on(&webhooks, folder.path(), &[&["map", "--json", "-"], site].concat());
        assert_eq!(said.code, 0, "{said:?}");
        let decisions = said.lines().into_iter().flat_map(|line| line["decisions"].as_array().unwrap().clone());
        decisions.filter_map(|decision| decision["key"].as_str().map(str::to_owned)).collect()
    };
    let (unnamed, of_eu) = (keys(&[]), keys(&["--site", "eu"]));
    assert!(unnamed.iter().any(|key| key.starts_with("purchase:chargebee:")), "{unnamed:?}");
    let expected: Vec<String> =
        unnamed.iter().map(|key| key.replace("purchase:chargebee:", "purchase:chargebee:eu:")).collect();
    assert_eq!(of_eu, expected, "and Stripe's are as they were");

    let unknown = run_on("", folder.path(), &["map", "--site", "us", "-"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    unknown.says(&["the settings have no Chargebee site \"us\"", "name one of `eu`"]);
}

#[test]
fn a_line_that_is_no_webhook_is_named_by_its_number_and_the_others_are_mapped() {
    let folder = folder();
    let long = format!("{{\"id\": \"{}\"}}", "x".repeat(3 << 20));
    let bad = ["{\"id\": ", "nothing", "{\"hello\": \"world\"}", "", "[1, 2]", &long];
    let mut text = String::new();
    for (number, bad) in bad.iter().enumerate() {
        text += &format!("{}\n{bad}\n", signup(number));
    }
    text += &signup(bad.len());
    let expected = |name: &str| {
        let starts = [
            "1 send".to_owned(),
            format!("{name}:2 the body is not JSON"),
            "3 send".to_owned(),
            format!("{name}:4 the body is not JSON"),
            "5 send".to_owned(),
            format!("{name}:6 this is no webhook of Stripe or Chargebee"),
            "7 send".to_owned(),
            "9 send".to_owned(),
            format!("{name}:10 this is a list and no webhook"),
            "11 send".to_owned(),
            format!("{name}:12 it is longer than 1048576 bytes"),
            "13 send".to_owned(),
        ];
        starts.to_vec()
    };
    for name in ["bad.jsonl", "bad.txt", "-"] {
        if name != "-" {
            fs::write(folder.path().join(name), &text).unwrap();
        }
        let said = run_on(&text, folder.path(), &["map", "--json", name]);

        assert_eq!((said.code, said.err.as_str()), (1, ""), "{name}");
        let (told, expected) = (told(&said), expected(name));
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(&expected) {
            assert!(told.starts_with(expected), "{told}\n{expected}");
        }
    }
}

#[test]
fn an_empty_file_and_an_empty_standard_input_are_findings() {
    let folder = folder();
    fs::write(folder.path().join("empty.json"), "\n").unwrap();
    let said = run(folder.path(), &[], &["map", "empty.json"]);
    assert_eq!(said.code, 1);
    said.says(&["the file is empty"]);
    for arguments in [vec!["map", "-"], vec!["map", "--summary", "-"], vec!["map", "--json", "-"]] {
        let said = run(folder.path(), &[], &arguments);
        assert_eq!(said.code, 1, "{said:?}");
        said.says(&["the standard input is empty"]);
    }
}

#[test]
fn a_folder_is_all_the_webhooks_below_it_and_each_row_says_from_which_file_it_is() {
    let folder = folder();
    let write = |name: &str, number: usize| fs::write(folder.path().join(name), signup(number)).unwrap();
    for sub in ["all/a", "all/b"] {
        fs::create_dir_all(folder.path().join(sub)).unwrap();
    }
    write("all/a/one.json", 1);
    write("all/a/one.jsonl", 2);
    write("all/b/one.json", 3);
    fs::write(folder.path().join("all/read.me"), "no webhook").unwrap();
    let shown = |arguments: &[&str]| -> Vec<String> {
        let said = run(folder.path(), &[], &[&["map"], arguments].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.out.lines().skip(2).filter_map(|row| row.split_whitespace().next().map(str::to_owned)).collect()
    };

    assert_eq!(shown(&["all"]), ["a/one.json", "a/one.jsonl", "b/one.json"]);
    assert_eq!(shown(&["all/a"]), ["one.json", "one.jsonl"]);
    assert_eq!(shown(&["all/b/one.json", "all/a/one.json"]), ["b/one.json", "a/one.json"]);

    let json = run(folder.path(), &[], &["map", "--json", "all"]).lines();
    let files: Vec<&Value> = json.iter().map(|line| &line["file"]).collect();
    assert_eq!(files, ["all/a/one.json", "all/a/one.jsonl", "all/b/one.json"]);
}

#[test]
fn lines_of_many_files_stand_below_each_other_however_long_the_paths_are() {
    let all = format!("{}/fixtures", env!("CARGO_MANIFEST_DIR"));
    let said = run(folder().path(), &[], &["map", &all]);
    let types: Vec<usize> = said.out.lines().filter_map(|row| row.find(" customer.created  ")).collect();
    assert!(types.len() > 20 && types.iter().all(|column| *column == types[0]), "{}", said.out);
}

#[test]
fn a_path_with_nothing_to_read_is_said_before_anything_is_mapped() {
    let folder = folder();
    fs::write(folder.path().join("good.json"), signup(1)).unwrap();
    fs::create_dir_all(folder.path().join("empty/below")).unwrap();
    fs::write(folder.path().join("empty/read.me"), "no webhook").unwrap();
    for (path, what, fix) in [
        ("missing.json", "there is no such file or folder", "correct the path"),
        ("empty", "there is no file of webhooks (.json, .jsonl, .ndjson) in this folder", "name the folder that holds"),
    ] {
        for command in [vec!["map"], vec!["map", "--json"], vec!["map", "--summary"]] {
            let said = run(folder.path(), &[], &[&command[..], &["good.json", path]].concat());
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
            said.says(&[&format!("error: {what}"), &format!("where: {path}"), &format!("fix:   {fix}")]);
        }
    }
    let said = run(folder.path(), &[], &["replay", "good.json", "missing.json"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    said.says(&["where: missing.json"]);
}

#[test]
fn a_summary_names_the_first_of_what_could_not_be_read() {
    let folder = folder();
    let text: String = (0..9).map(|number| format!("{}\n{{\"broken\": \n", signup(number))).collect();
    fs::write(folder.path().join("bad.jsonl"), text).unwrap();

    let said = run(folder.path(), &[], &["map", "--summary", "bad.jsonl"]);

    assert_eq!(said.code, 1);
    said.says(&["not read:\n  bad.jsonl:2: the body is not JSON", "  bad.jsonl:10: ", "and 4 more"]);
    assert!(!said.out.contains("bad.jsonl:12:"), "{}", said.out);
    let summary = &run(folder.path(), &[], &["map", "--summary", "--json", "bad.jsonl"]).lines()[0];
    assert_eq!((&summary["unreadable"], &summary["problems"][4]["line"]), (&json!(9), &json!(10)));
    assert_eq!(summary["problems"].as_array().unwrap().len(), 5);
}

#[test]
fn a_summary_has_a_row_for_every_reason_and_every_currency() {
    let folder = folder();
    let all = format!("{}/fixtures", env!("CARGO_MANIFEST_DIR"));
    let summary = &run(folder.path(), &[], &["map", "--summary", "--json", &all]).lines()[0];
    let shown = run(folder.path(), &[], &["map", "--summary", &all]).out;

    let rows: Vec<String> = shown.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for (word, decision) in [("ignore", "ignored"), ("hold", "held")] {
        for (reason, count) in summary[decision].as_object().unwrap() {
            assert!(rows.contains(&format!("{word} {reason} {count}")), "{word} {reason} {count}\n{shown}");
        }
    }
    assert!(summary["ignored"].as_object().unwrap().len() > 6, "{summary}");
    let sums = summary["sent"]["invoice-paid"]["sums"].as_object().unwrap();
    assert!(sums.len() > 4, "{summary}");
    for (currency, sum) in sums {
        assert!(shown.contains(&format!("{sum} {currency}")), "{sum} {currency}\n{shown}");
    }
}

#[test]
fn few_webhooks_are_a_table_and_many_are_lines_with_the_sums_at_the_end() {
    let folder = folder();
    let write = |number: usize| {
        let text: String = (0..number).map(|number| signup(number) + "\n").collect();
        fs::write(folder.path().join("signups.jsonl"), text).unwrap();
        run(folder.path(), &[], &["map", "signups.jsonl"])
    };
    let (table, lines) = (write(100), write(101));

    assert_eq!(table.out.lines().count(), 102, "{}", table.out);
    assert!(table.out.starts_with(" file"), "{}", table.out);
    let rows: Vec<&str> = lines.out.lines().collect();
    assert!(rows[0].starts_with("signups.jsonl:1 ") && rows[100].starts_with("signups.jsonl:101 "), "{}", lines.out);
    assert!(rows[100].contains("send") && rows[100].contains("new-signup"), "{}", rows[100]);
    let end: Vec<Vec<&str>> = rows[102..].iter().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(end[2..], [vec!["webhooks", "101"], vec!["send", "new-signup", "101"]]);
}

#[test]
fn a_summary_counts_what_would_be_sent_ignored_and_held_as_it_stands_at_the_end() {
    let story = lines("stories/chargebee-late-code");
    let text = [story.join("\n"), story[0].clone(), "{}".to_owned(), lines("stripe/invoice-paid-basil.json").join("")];
    let text = text.join("\n");
    let json = run_on(&text, folder().path(), &["map", "--json", "-"]).lines();
    let summed = run_on(&text, folder().path(), &["map", "--json", "--summary", "-"]);

    assert_eq!((summed.code, summed.lines().len()), (1, 1));
    let summary = &summed.lines()[0];
    assert_eq!((&summary["webhooks"], &summary["unreadable"]), (&json!(story.len() + 3), &json!(1)));
    let late = json.iter().filter(|line| line["decisions"][0]["reason"] == "not_referred").count();
    assert!(late > 1, "{json:?}");
    let ignored = json!({ "already_received": 1, "not_referred": 1, "nothing_new": 1 });
    assert_eq!(summary["ignored"], ignored, "a purchase that a late code let go on is ignored no more");
    assert_eq!(summary["held"], json!({ "customer_unseen": 1 }));
    let mut sums = (0, 0);
    for line in &json {
        let decisions = line["decisions"].as_array().unwrap().iter().chain(line["released"].as_array().unwrap());
        for event in decisions.map(|decision| &decision["referral_event"]).filter(|event| event.is_object()) {
            if event["context"]["event"]["trigger"] == "invoice-paid" {
                sums = (sums.0 + 1, sums.1 + event["payload"]["price"].as_i64().unwrap());
            }
        }
    }
    assert_eq!(sums, (1, 4900));
    assert_eq!(summary["sent"]["invoice-paid"], json!({ "count": sums.0, "sums": { "EUR": sums.1 } }));

    let shown = run_on(&text, folder().path(), &["map", "--summary", "-"]);
    assert!(shown.out.lines().count() < 24, "it fits on a screen: {}", shown.out);
    shown.says(&["unreadable", "send invoice-paid", "ignore already_received", "hold customer_unseen"]);
}

#[test]
fn each_line_of_standard_input_is_answered_before_the_next_one_comes() {
    let mut child =
        command(Path::new("."), &["map", "--json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for number in 0..3 {
        writeln!(input, "{}", signup(number)).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["event_id"], format!("evt_{number}"));
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_who_has_heard_enough_ends_it_quietly() {
    let folder = folder();
    let text: String = (0..2_000).map(|number| signup(number) + "\n").collect();
    fs::write(folder.path().join("many.jsonl"), text).unwrap();
    for arguments in [vec!["map", "many.jsonl"], vec!["map", "--json", "many.jsonl"]] {
        let mut child = command(folder.path(), &arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        drop(output);
        let said = child.wait_with_output().unwrap();
        assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()), (Some(0), ""));
    }
}

/// Bodies that have to be kept until their customer is seen, more bytes than the process may hold.
#[cfg(target_os = "linux")]
#[test]
fn what_waits_is_kept_on_disk_and_not_in_memory() {
    const NUMBER: usize = 120;
    const LIMIT_KIB: u64 = 96 * 1024;
    let temporary = folder();
    let mut child = command(temporary.path(), &["map", "--json", "-"])
        .env("SQLITE_TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let long = "x".repeat(1_000_000);
    for number in 0..NUMBER {
        let (id, at) = (format!("evt_{number}"), 1_760_000_000 + number);
        let invoice = json!({
            "id": id, "object": "event", "type": "invoice.paid", "created": at, "livemode": false,
            "data": { "object": {
                "id": format!("in_{number}"), "object": "invoice", "customer": "cus_nobody", "status": "paid",
                "amount_paid": 100, "currency": "eur", "description": long,
            } },
        });
        writeln!(input, "{invoice}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["decisions"][0]["decision"], "hold", "{answer}");
    }

    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    assert!(peak.unwrap().parse::<u64>().unwrap() < LIMIT_KIB, "{peak:?} KiB");
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "the file has no name, so nothing can be left behind");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
