//! The cases of `rules test`: files of webhooks, and beside them what is expected.
//!
//! Whatever is wrong with a case is a finding about that case and not the end of the others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::decision::Reason;

const EXPECTED: &str = ".expected.json";

/// One case: what is played, and what is expected of it.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    /// In the order in which they arrive.
    pub webhooks: Vec<PathBuf>,
    /// Where the expected result stands or would stand.
    pub expected: PathBuf,
    /// What is wrong with the files themselves.
    pub problem: Option<String>,
}

/// What became of one fact: an event for Cello or, in its place, an object with the one key `ignore` or `hold`.
pub type Entry = Value;

/// The cases of a folder, by name. An expected result without webhooks is one too, since it checks nothing.
pub fn cases(folder: &Path) -> io::Result<Vec<Case>> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    let mut expected = Vec::new();
    for path in listed(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(of) = name.strip_suffix(EXPECTED) {
            expected.push(of.to_owned());
            continue;
        }
        let is_folder = path.is_dir();
        let name = if is_folder { name } else { name.strip_suffix(".json").unwrap_or(&name).to_owned() };
        let (webhooks, mut problem) = match if is_folder { story(&path) } else { Ok(vec![path]) } {
            Ok(webhooks) if webhooks.is_empty() => (webhooks, Some("the folder holds no webhook, `….json`".to_owned())),
            Ok(webhooks) => (webhooks, None),
            Err(error) => (vec![], Some(format!("the folder cannot be read: {error}"))),
        };
        if cases.contains_key(&name) {
            problem = Some(format!("there are both a file `{name}.json` and a folder `{name}`; rename one of them"));
        }
        let expected = folder.join(format!("{name}{EXPECTED}"));
        cases.insert(name.clone(), Case { name, webhooks, expected, problem });
    }
    for name in expected {
        let file = folder.join(format!("{name}{EXPECTED}"));
        cases.entry(name.clone()).or_insert_with(|| {
            let problem =
                format!("there is neither a webhook `{name}.json` nor a folder `{name}` that this is expected of");
            Case { name, webhooks: vec![], expected: file, problem: Some(problem) }
        });
    }
    Ok(cases.into_values().collect())
}

/// The webhooks of a story.
fn story(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(listed(folder)?.into_iter().filter(|path| !path.is_dir()).collect())
}

/// Folders and `.json` files, by name; what is hidden is left alone.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') && (path.is_dir() || name.ends_with(".json")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

impl Case {
    /// What is expected; `None` where nobody has said so yet.
    ///
    /// # Errors
    /// What is wrong with the file, for a person to mend.
    pub fn expected(&self) -> Result<Option<Vec<Entry>>, String> {
        let text = match fs::read_to_string(&self.expected) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", self.expected.display())),
        };
        let wrong = |problem: String| format!("{}: {problem}", self.expected.display());
        let parsed: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("this is not JSON: {error}")))?;
        let Value::Array(entries) = parsed else {
            return Err(wrong("this has to be a list, `[ … ]`, with an entry for each event".to_owned()));
        };
        for (number, entry) in entries.iter().enumerate() {
            understood(entry).map_err(|problem| wrong(format!("entry {}: {problem}", number + 1)))?;
        }
        Ok(Some(entries))
    }
}

fn understood(entry: &Entry) -> Result<(), String> {
    if entry.get("eventName").is_some() {
        return Ok(());
    }
    let only = entry.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    match only {
        Some((kind, Value::String(code))) if kind == "ignore" || kind == "hold" => match Reason::parse(code) {
            Some(_) => Ok(()),
            None => {
                let codes = Reason::ALL.iter().map(|reason| reason.as_str());
                let near = crate::rules::nearest(code, codes);
                let help = near.map_or_else(
                    || "the README lists all of them".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(format!("there is no reason `{code}`; {help}"))
            }
        },
        _ => Err(
            "this is neither the body of a referral event, which has an `eventName`, nor `{\"ignore\": \"reason\"}` \
                  nor `{\"hold\": \"reason\"}`"
                .to_owned(),
        ),
    }
}

/// Whether an entry stands for something that is not sent.
pub fn is_unsent(entry: &Entry) -> bool {
    entry.get("eventName").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn cases_are_files_and_folders_and_everything_else_is_left_alone() {
        let folder = folder(&[
            ("b.json", ""),
            ("a/2.json", ""),
            ("a/10.json", ""),
            ("a/notes.txt", ""),
            ("a.expected.json", ""),
            ("README.md", ""),
            (".hidden.json", ""),
        ]);
        let cases = cases(folder.path()).unwrap();
        let told: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.webhooks.len(), &case.problem)).collect();
        assert_eq!(told, [("a", 2, &None), ("b", 1, &None)]);
        assert!(cases[0].webhooks[0].ends_with("a/10.json"), "by name, so that people number them 01, 02");
        assert!(cases[0].expected.ends_with("a.expected.json"));
    }

    #[test]
    fn a_case_that_cannot_be_played_says_why() {
        let folder = folder(&[("a.json", ""), ("a/1.json", ""), ("b.expected.json", ""), ("c/notes.txt", "")]);
        let problems: Vec<_> = cases(folder.path()).unwrap().into_iter().map(|case| case.problem.unwrap()).collect();
        assert!(problems[0].contains("both a file `a.json` and a folder `a`"), "{}", problems[0]);
        assert!(problems[1].contains("neither a webhook `b.json` nor a folder `b`"), "{}", problems[1]);
        assert!(problems[2].contains("holds no webhook"), "{}", problems[2]);
    }

    #[test]
    fn an_expected_file_with_a_mistake_says_where_and_what() {
        for (text, problem) in [
            ("[", "this is not JSON"),
            ("{}", "this has to be a list"),
            (
                "[{\"ignore\": \"no_rule_matchd\"}]",
                "entry 1: there is no reason `no_rule_matchd`; did you mean `no_rule_matched`?",
            ),
            ("[{\"hold\": \"lookup_failed\"}, {\"ignor\": \"x\"}]", "entry 2: this is neither"),
            ("[{\"hold\": \"lookup_failed\", \"why\": 1}]", "entry 1: this is neither"),
            ("[7]", "entry 1: this is neither"),
        ] {
            let folder = folder(&[("a.json", ""), ("a.expected.json", text)]);
            let message = cases(folder.path()).unwrap()[0].expected().unwrap_err();
            assert!(message.contains(problem) && message.contains("a.expected.json"), "{message}");
        }
    }
}
