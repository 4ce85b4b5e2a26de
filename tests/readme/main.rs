//! The README against the program: its tables are rendered from the lists in the code, its commands are parsed by the
//! real command line, and the files it names are there.
//!
//! A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. `UPDATE_README=1 cargo test --test readme`
//! writes all of them anew.

mod event_table;
mod tables;

use std::path::Path;
use std::process::Command;

use cello_relay::cello::ANSWERS;
use cello_relay::cli::Cli;
use cello_relay::config;
use cello_relay::decision::{Reason, WarningCode};
use cello_relay::rules::{Rules, fields_markdown};
use cello_relay::telemetry;
use clap::Parser;
use clap::error::ErrorKind;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const END: &str = "<!-- end -->";

#[test]
fn every_generated_table_is_what_the_program_says() {
    let readme = read();
    let mut written = readme.clone();
    let tables = [
        ("replay", tables::replay("fixtures/stories/stripe-refund-basil")),
        ("explained", tables::explained("fixtures/chargebee/payment-succeeded-pc2-monthly-gbp.json")),
        ("events", event_table::render()),
        ("triggers", tables::triggers()),
        ("fields", fields_markdown()),
        ("commands", tables::commands()),
        ("answers", tables::answers(ANSWERS)),
        ("reasons", tables::codes(Reason::ALL.iter().map(|code| (code.as_str(), code.meaning())))),
        ("warnings", tables::codes(WarningCode::ALL.iter().map(|code| (code.as_str(), code.meaning())))),
        ("settings", config::settings_table()),
        ("metrics", telemetry::metrics_table()),
    ];
    for (name, table) in &tables {
        written = replaced(&written, name, table);
    }

    let marked = readme.matches("<!-- generated: ").count();
    assert_eq!(marked, tables.len(), "README.md marks {marked} tables as generated, and {} are", tables.len());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, written).unwrap();
    } else if let Some((number, old, new)) = first_difference(&readme, &written) {
        panic!(
            "README.md differs from the program at line {number}:\n  README.md: {old}\n  program:   {new}\n\
             `UPDATE_README=1 cargo test --test readme` writes its tables anew"
        );
    }
}

#[test]
fn every_command_in_the_readme_is_one() {
    let readme = read();
    let mut checked = 0;
    for line in shell_lines(&readme) {
        let Some(words) = relay_command(line) else { continue };
        checked += 1;
        let parsed = Cli::try_parse_from(std::iter::once("cello-relay").chain(words));
        assert!(parsed.is_ok(), "README.md shows a command that does not exist: {line}\n{}", parsed.unwrap_err());
    }
    // Those in running text may leave out what they are about.
    for span in prose(&readme).split('`').skip(1).step_by(2).filter(|span| span.starts_with("cello-relay ")) {
        checked += 1;
        let parsed = Cli::try_parse_from(span.split_whitespace()).map(drop);
        let kind = parsed.err().map_or(ErrorKind::MissingRequiredArgument, |error| error.kind());
        assert_eq!(kind, ErrorKind::MissingRequiredArgument, "README.md names a command that does not exist: {span}");
    }
    assert!(checked >= 10, "only {checked} commands were found");
}

#[test]
fn every_rule_in_the_readme_loads() {
    let readme = read();
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let rules: Vec<String> = blocks.filter(|block| block.starts_with("[[rule]]")).map(str::to_owned).collect();
    let table = readme.split("| What | For example |\n|---|---|\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let conditions = table.unwrap().lines().map(|line| {
        let when = line.split('`').nth(1).unwrap();
        format!("[[rule]]\nname='a'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='1'\nwhen=\"{when}\"")
    });
    let all: Vec<String> = rules.into_iter().chain(conditions).collect();
    assert_eq!(all.len(), 10);
    for rule in all {
        if let Err(problem) = Rules::load(&rule, "README.md") {
            panic!("{problem}");
        }
    }
}

/// The block is pasted into a shell, in a folder with nothing but the fixtures.
#[test]
fn the_commands_that_change_a_rule_change_it() {
    let readme = read();
    let block = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = block.into_iter().find(|block| block.contains("> rules.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    std::os::unix::fs::symlink(fixtures, folder.path().join("fixtures")).unwrap();
    let script = block.replace("cargo run --", env!("CARGO_BIN_EXE_cello-relay"));

    let mut shell = Command::new("sh");
    tables::without_settings(&mut shell);
    let output = shell.args(["-e", "-c", &script]).current_dir(folder.path()).output().unwrap();

    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let purchases: Vec<&str> = text.lines().filter(|line| line.contains("rule purchase")).collect();
    assert!(purchases.len() == 2 && purchases[0].contains(" 5500 ") && purchases[1].contains(" 5000 "), "{text}");
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = read();
    let linked = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let linked = linked.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let named = readme.split(['`', ' ', '\n', '"', '@', '(', ')']).filter(|word| {
        ["src/", "fixtures/", "tests/"].iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', '…'])
    });
    let mut checked = 0;
    for name in linked.chain(named) {
        checked += 1;
        assert!(root.join(name).exists(), "README.md names `{name}`, which is not there");
    }
    assert!(checked >= 10, "only {checked} names were found");
}

#[test]
fn every_link_within_the_readme_leads_to_a_heading() {
    let readme = read();
    let headings: Vec<String> = readme.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for target in readme.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(headings.iter().any(|heading| heading == target), "README.md links to #{target}, which is no heading");
    }
}

fn read() -> String {
    std::fs::read_to_string(README).expect("README.md is readable")
}

/// The text with this table in place of what stands between its marks.
fn replaced(readme: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- generated: {name} -->\n");
    let (before, rest) = readme.split_once(&mark).unwrap_or_else(|| panic!("README.md lacks the mark {mark}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("README.md lacks {END} behind {mark}"));
    format!("{before}{mark}{}\n{END}{after}", table.trim_end())
}

fn first_difference<'a>(old: &'a str, new: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let ended = "(nothing)";
    let count = old.lines().count().max(new.lines().count());
    let mut lines = old.lines().chain(std::iter::repeat(ended)).zip(new.lines().chain(std::iter::repeat(ended)));
    let number = lines.by_ref().take(count).position(|(old, new)| old != new)?;
    let nth = |text: &'a str| text.lines().nth(number).unwrap_or(ended);
    Some((number + 1, nth(old), nth(new)))
}

/// Without blocks and tables.
fn prose(readme: &str) -> String {
    let outside = readme.split("```").step_by(2).flat_map(str::lines);
    outside.filter(|line| !line.starts_with('|')).collect::<Vec<_>>().join("\n")
}

/// The lines of all `sh` blocks.
fn shell_lines(readme: &str) -> impl Iterator<Item = &str> {
    readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(str::lines)
}

/// What a line hands to the program, if it runs it; without variables before and pipes behind.
fn relay_command(line: &str) -> Option<impl Iterator<Item = &str>> {
    let line = line.split(" #").next()?;
    let rest = match line.split_once("cargo run -- ") {
        Some((_, rest)) => rest,
        None => line
            .split_whitespace()
            .find(|word| !word.contains('='))
            .filter(|word| *word == "cello-relay")
            .and(line.split_once("cello-relay ").map(|(_, rest)| rest))?,
    };
    Some(rest.split_whitespace().take_while(|word| !["|", "&", ">", "\\", "&&"].contains(word)))
}

/// As GitHub makes the anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>().replace(' ', "-")
}
