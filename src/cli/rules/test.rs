//! `cello-relay rules test`: plays the operator's cases through the rules and settings in force, and shows what differs
//! from what is expected. Sends nothing, and writes nothing but expected files it was asked to accept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::case::{Case, Entry, cases};
use super::compare::{Difference, differences};
use crate::cello::wire;
use crate::cli::map::{Mapper, Shown};
use crate::cli::output::{Column, Table, Tone, number, plain, print, toned};
use crate::cli::{Exit, Trouble};
use crate::config::Config;
use crate::rules::Rules;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the cases; without it the one beside the rules file, named like it: `rules.cases` for `rules.toml`
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Write what is decided now as the expected result of cases that have none or differ
    #[arg(long)]
    pub accept: bool,
}

/// What became of one case; the `--json` form is one line of it.
#[derive(Debug, Serialize)]
struct Tried {
    case: String,
    result: Outcome,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
    /// What to do, or what is wrong with the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What is decided now, where nothing is expected yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<Vec<Entry>>,
    /// The expected file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrote: Option<String>,
    #[serde(skip)]
    came: Vec<Came>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Differs,
    NothingExpected,
    /// It could not be played, or its expected file could not be read.
    Broken,
}

/// One decision of a case.
#[derive(Debug)]
struct Came {
    webhook: String,
    entry: Entry,
    why: String,
}

/// Tries every case and shows what differs.
pub fn run(args: &Args, config: &Config, rules: Rules, json: bool) -> Result<Exit> {
    let folder = args.folder.clone().unwrap_or_else(|| beside(config.rules.as_deref()));
    let cases = match cases(&folder) {
        Ok(cases) if !cases.is_empty() => cases,
        Ok(_) => return Err(no_cases(&folder, "there are no cases in this folder".to_owned()).into()),
        Err(error) => return Err(no_cases(&folder, format!("the folder of the cases cannot be read: {error}")).into()),
    };
    let mut all = Vec::new();
    for case in &cases {
        let mut tried = tried(case, config, &rules, args.accept)?;
        if args.accept && matches!(tried.result, Outcome::Differs | Outcome::NothingExpected) {
            tried.wrote = Some(case.expected.display().to_string());
        }
        if json {
            anstream::println!("{}", serde_json::to_string(&tried)?);
        }
        all.push(tried);
    }
    if !json {
        print(&text(&all, args.accept))?;
    }
    // After they were shown.
    for (case, tried) in cases.iter().zip(&all).filter(|(_, tried)| tried.wrote.is_some()) {
        accept(case, &tried.came)?;
    }
    let done = |tried: &Tried| tried.result == Outcome::Ok || tried.wrote.is_some();
    Ok(if all.iter().all(done) { Exit::Done } else { Exit::Findings })
}

fn beside(rules: Option<&Path>) -> PathBuf {
    rules.unwrap_or(Path::new("rules.toml")).with_extension("cases")
}

fn no_cases(folder: &Path, what: String) -> Trouble {
    let place = folder.display().to_string();
    let fix = format!(
        "make the first one of a webhook's exact body, as Stripe or Chargebee posted it:\n           \
         mkdir -p {place}/first\n           \
         cp CUSTOMER.json {place}/first/01-customer.json   # the customer, with the referral code\n           \
         cp INVOICE.json {place}/first/02-invoice.json     # what is to be decided\n           \
         cello-relay rules test {place} --accept     # writes {place}/first.expected.json: read it"
    );
    Trouble { what, place, fix }
}

fn tried(case: &Case, config: &Config, rules: &Rules, accepting: bool) -> Result<Tried> {
    let mut tried = Tried {
        case: case.name.clone(),
        result: Outcome::Broken,
        differences: vec![],
        message: case.problem.clone(),
        decided: None,
        wrote: None,
        came: vec![],
    };
    if tried.message.is_some() {
        return Ok(tried);
    }
    let expected = match case.expected() {
        Ok(expected) => expected,
        Err(problem) => return Ok(Tried { message: Some(problem), ..tried }),
    };
    match play(case, config, rules)? {
        Ok(came) => tried.came = came,
        Err(problem) => return Ok(Tried { message: Some(problem), ..tried }),
    }
    let got: Vec<Entry> = tried.came.iter().map(|came| came.entry.clone()).collect();
    match expected {
        Some(expected) => {
            tried.differences = differences(&expected, &got);
            for difference in &mut tried.differences {
                difference.webhook = difference.came.map(|at| tried.came[at].webhook.clone());
            }
            tried.result = if tried.differences.is_empty() { Outcome::Ok } else { Outcome::Differs };
        }
        None => {
            tried.result = Outcome::NothingExpected;
            let file = case.expected.display();
            tried.message = Some(if accepting {
                "nothing was expected yet; this is decided now".to_owned()
            } else {
                format!(
                    "nothing is expected yet: write {file}, a list of the events that Cello should get, or let \
                     --accept write what is decided now:"
                )
            });
            tried.decided = Some(got);
        }
    }
    tried.message =
        [tried.message.take(), nobody_known(&tried)].into_iter().flatten().reduce(|a, b| format!("{a}; {b}"));
    Ok(tried)
}

/// All decisions of a case in order, or what could not be read.
fn play(case: &Case, config: &Config, rules: &Rules) -> Result<Result<Vec<Came>, String>> {
    let mut mapper = Mapper::new(config, rules.clone())?;
    let mut came = Vec::new();
    for file in &case.webhooks {
        let mapped = mapper.file(file)?;
        if let Some(problem) = mapped.error {
            return Ok(Err(format!("{}: {problem}", file.display())));
        }
        let webhook = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let released = mapped.released.into_iter().map(|released| released.decision);
        came.extend(mapped.decisions.into_iter().chain(released).map(|decision| {
            let (entry, why) = match decision {
                Shown::Send { rule, referral_event, .. } => (referral_event, format!("rule {rule}")),
                Shown::Ignore { reason, message, .. } => (json!({ "ignore": reason }), message),
                Shown::Hold { reason, message, .. } => (json!({ "hold": reason }), message),
            };
            Came { webhook: webhook.clone(), entry, why }
        }));
    }
    Ok(Ok(came))
}

/// The commonest slip: a webhook that names its customer only by id, alone.
fn nobody_known(tried: &Tried) -> Option<String> {
    let unseen = json!({ "hold": "customer_unseen" });
    let is_alone = tried.came.iter().any(|came| came.entry == unseen) && tried.result != Outcome::Ok;
    is_alone.then(|| {
        "no webhook before it tells of the customer: make the case a folder and put the customer's webhook first"
            .to_owned()
    })
}

fn accept(case: &Case, came: &[Came]) -> Result<()> {
    let entries: Vec<&Entry> = came.iter().map(|came| &came.entry).collect();
    let text = format!("{}\n", serde_json::to_string_pretty(&entries)?);
    let file = &case.expected;
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

fn text(all: &[Tried], accepting: bool) -> String {
    // What is accepted was expected until now.
    let heads = if accepting { ["expected before", "expected now"] } else { ["expected", "got"] };
    let columns = ["case", "result", "where"].into_iter().chain(heads).map(Column::text).collect::<Vec<_>>();
    let mut table = Table::new(&columns);
    for tried in all {
        let (word, tone) = tried.shown();
        let mut first = vec![(tried.case.clone(), None), (word.to_owned(), Some(tone))];
        for difference in &tried.differences {
            // Only the first row of a case names it.
            first.resize(2, (String::new(), None));
            first.extend(cells(tried, difference).map(|cell| (cell, None)));
            table.toned_row(std::mem::take(&mut first));
        }
        if tried.differences.is_empty() {
            first.resize(columns.len(), (String::new(), None));
            table.toned_row(first);
        }
    }
    let mut text = format!("{table}\n\n");
    for tried in all {
        if let Some(message) = &tried.message {
            text.push_str(&format!("{}: {}\n", toned(&tried.case, Tone::Title), plain(message)));
        }
        for entry in tried.decided.iter().flatten() {
            text.push_str(&format!("    {}\n", plain(&entry.to_string())));
        }
    }
    for file in all.iter().filter_map(|tried| tried.wrote.as_ref()) {
        text.push_str(&format!("written: {file}\n"));
    }
    let count = |outcome| all.iter().filter(|tried| tried.result == outcome).count();
    text.push_str(&format!("{}: {} ok", number(all.len(), "case"), count(Outcome::Ok)));
    for (outcome, words, accepted) in [
        (Outcome::Differs, if count(Outcome::Differs) == 1 { "differs" } else { "differ" }, "accepted as changed"),
        (Outcome::NothingExpected, "without an expected result", "accepted as new"),
        (Outcome::Broken, "broken", "broken"),
    ] {
        if count(outcome) > 0 {
            text.push_str(&format!(", {} {}", count(outcome), if accepting { accepted } else { words }));
        }
    }
    text.push_str(".\n");
    if all.iter().any(|tried| tried.wrote.is_some()) {
        text.push_str("Read what was written before you keep it.\n");
    }
    if count(Outcome::Differs) > 0 && !accepting {
        text.push_str("If what came is right, --accept writes it as the expected result.\n");
    }
    text
}

impl Tried {
    fn shown(&self) -> (&'static str, Tone) {
        match self.result {
            Outcome::Ok => ("ok", Tone::Good),
            Outcome::Differs | Outcome::NothingExpected if self.wrote.is_some() => ("accepted", Tone::Open),
            Outcome::Differs => ("differs", Tone::Bad),
            Outcome::NothingExpected => ("new", Tone::Open),
            Outcome::Broken => ("broken", Tone::Bad),
        }
    }
}

/// Where, expected, got.
fn cells(tried: &Tried, difference: &Difference) -> [String; 3] {
    let came = difference.came.map(|at| &tried.came[at]);
    let place = match (difference.entry, came) {
        (_, Some(came)) => came.webhook.clone(),
        (Some(entry), None) => format!("entry {entry}"),
        (None, None) => String::new(),
    };
    let place = if difference.path.is_empty() { place } else { format!("{place} › {}", difference.path) };
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), one_line);
    let mut got = shown(&difference.got);
    if let (Some(came), true) = (came, difference.path.is_empty()) {
        got.push_str(&format!(" ({})", came.why));
    }
    [place, shown(&difference.expected), got].map(|cell| plain(&cell))
}

/// A whole entry in short; a field as its JSON.
fn one_line(value: &Value) -> String {
    if value.get("eventName").is_some() {
        let view = wire::view(value);
        return [view.trigger, view.price, view.currency, view.interval]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
    }
    for kind in ["ignore", "hold"] {
        if let Some(Value::String(reason)) = value.get(kind) {
            return format!("{kind} {reason}");
        }
    }
    value.to_string()
}
