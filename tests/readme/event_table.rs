//! Which webhook makes which referral event, found by running the relay's own deciding over all fixtures.
//!
//! A decision belongs to the webhook that stated the fact. Where another one let it go on, that one is shown as doing
//! so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cello_relay::cello::wire;
use cello_relay::cli::map::{Mapped, Mapper, Shown};
use cello_relay::config::Config;
use cello_relay::decision::Reason;
use cello_relay::referral_event::Trigger;
use cello_relay::rules::Rules;

/// Said of any webhook in the text above the table: a table of them would say nothing of the webhook.
const GENERAL: [Reason; 4] =
    [Reason::CustomerUnseen, Reason::NotReferred, Reason::UserIdMissing, Reason::AlreadyReceived];

const PROVIDERS: [&str; 2] = ["stripe", "chargebee"];

/// What came of all webhooks of one type. Triggers and reasons by their place in their list, which is their order.
#[derive(Default)]
struct Seen {
    sent: BTreeSet<usize>,
    let_go_on: BTreeSet<usize>,
    held: BTreeSet<usize>,
    ignored: BTreeSet<usize>,
}

type Table = BTreeMap<(usize, String), Seen>;

pub fn render() -> String {
    let mut table = Table::new();
    for story in stories() {
        play(&story, &mut table);
    }
    let mut text = String::from("| Provider | Webhook | Referral event | When not |\n|---|---|---|---|\n");
    // Those that tell Cello something first, then those that let others go on, then the rest, as one row for each
    // reason; all in order of name.
    let mut rows: BTreeMap<(usize, usize, &str), (String, &Seen)> = BTreeMap::new();
    let reasons: BTreeMap<_, _> = table.iter().map(|(row, seen)| (row, seen.reasons())).collect();
    for (row @ (provider, kind), seen) in &table {
        let name = format!("`{kind}`");
        let place = match (seen.sent.is_empty(), seen.let_go_on.is_empty()) {
            (false, _) => (*provider, 0, kind.as_str()),
            (true, false) => (*provider, 1, kind.as_str()),
            (true, true) => (*provider, 2, reasons[row].as_str()),
        };
        rows.entry(place).and_modify(|(names, _)| *names = format!("{names}, {name}")).or_insert((name, seen));
    }
    for ((provider, ..), (names, seen)) in rows {
        let provider = PROVIDERS[provider];
        text.push_str(&format!("| {provider} | {names} | {} | {} |\n", seen.events(), seen.reasons()));
    }
    text
}

/// The folders with several webhooks, each one story, and every single one as a story of its own; in order of name.
fn stories() -> Vec<Vec<PathBuf>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let singles = PROVIDERS.iter().flat_map(|provider| files(&fixtures.join(provider))).map(|file| vec![file]);
    let mut folders: Vec<PathBuf> = entries(&fixtures.join("stories"));
    folders.sort();
    singles.chain(folders.iter().map(|folder| files(folder))).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = entries(folder);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn play(story: &[PathBuf], table: &mut Table) {
    let mut mapper = Mapper::new(&Config::default(), Rules::shipped().unwrap()).unwrap();
    let mut kinds = BTreeMap::new();
    for file in story {
        let mapped = mapper.file(file).unwrap();
        assert_eq!(mapped.error, None, "{}", mapped.file);
        let row = row_of(&mapped);
        kinds.insert(mapped.event_id.clone().unwrap(), row.clone());
        let seen = table.entry(row.clone()).or_default();
        mapped.decisions.iter().for_each(|decision| seen.note(decision));
        for released in &mapped.released {
            let stated = kinds[&released.event_id].clone();
            table.entry(stated.clone()).or_default().note(&released.decision);
            if let Some(trigger) = sent(&released.decision).filter(|_| stated != row) {
                table.entry(row.clone()).or_default().let_go_on.insert(trigger);
            }
        }
    }
}

fn row_of(mapped: &Mapped) -> (usize, String) {
    let provider = mapped.provider.unwrap();
    let place = PROVIDERS.iter().position(|known| *known == provider);
    (place.unwrap_or_else(|| panic!("{provider} is missing in the event table's list")), mapped.kind.clone().unwrap())
}

fn sent(decision: &Shown) -> Option<usize> {
    let Shown::Send { referral_event, .. } = decision else { return None };
    let trigger = wire::view(referral_event).trigger;
    Trigger::ALL.iter().position(|known| known.as_str() == trigger)
}

impl Seen {
    fn note(&mut self, decision: &Shown) {
        let place = |reason: &Reason| Reason::ALL.iter().position(|known| known == reason).unwrap();
        match decision {
            Shown::Send { .. } => self.sent.extend(sent(decision)),
            Shown::Ignore { reason, .. } => drop(self.ignored.insert(place(reason))),
            Shown::Hold { reason, .. } => drop(self.held.insert(place(reason))),
        }
    }

    fn events(&self) -> String {
        let triggers =
            |set: &BTreeSet<usize>| list(set.iter().map(|place| Trigger::ALL[*place].as_str())).unwrap_or_default();
        let goes_on = format!("what waited goes on: {}", triggers(&self.let_go_on));
        match (self.sent.is_empty(), self.let_go_on.is_empty()) {
            (true, true) => "none".into(),
            (true, false) => format!("none; {goes_on}"),
            (false, true) => triggers(&self.sent),
            (false, false) => format!("{}; {goes_on}", triggers(&self.sent)),
        }
    }

    fn reasons(&self) -> String {
        let telling = |set: &BTreeSet<usize>| {
            list(
                set.iter()
                    .map(|place| Reason::ALL[*place])
                    .filter(|reason| !GENERAL.contains(reason))
                    .map(Reason::as_str),
            )
        };
        let held = telling(&self.held).map(|codes| format!("held: {codes}"));
        let parts: Vec<String> = telling(&self.ignored).into_iter().chain(held).collect();
        parts.join("; ")
    }
}

fn list(words: impl Iterator<Item = &'static str>) -> Option<String> {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
