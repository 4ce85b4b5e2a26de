//! The tables that are made from lists, and what a command prints.

use std::path::Path;
use std::process::Command;

use cello_relay::cello::answers::Row;
use cello_relay::cli::Cli;
use cello_relay::referral_event::Trigger;
use cello_relay::rules::Rules;
use clap::CommandFactory;

pub fn answers(rows: &[Row]) -> String {
    let mut table = String::from("| Cello's answer | Class | What the relay does |\n|---|---|---|\n");
    for row in rows {
        table.push_str(&format!("| {} | {} | {} |\n", row.answer, row.class.as_str(), row.then));
    }
    table
}

pub fn codes(codes: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let mut table = String::from("| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in codes {
        table.push_str(&format!("| `{code}` | {meaning} |\n"));
    }
    table
}

/// Everything Cello can be told of, and the shipped rule that does so.
pub fn triggers() -> String {
    let mut table = String::from(
        "| Trigger | Shipped rule | Fact | Price | With `triggers = \"current\"` |\n|---|---|---|---|---|\n",
    );
    let shipped = Rules::shipped().unwrap();
    for trigger in Trigger::ALL {
        let rows = shipped.summary().into_iter().filter(|row| row.trigger == trigger);
        let code = |word: &str| format!("`{word}`");
        let cells: Vec<[String; 3]> =
            rows.map(|row| [code(row.name), code(row.on), row.price.map_or("none".to_owned(), code)]).collect();
        let none = ["none; for rules of your own".to_owned(), String::new(), String::new()];
        for [rule, fact, price] in if cells.is_empty() { vec![none] } else { cells } {
            let on = if trigger.is_current() { "on" } else { "off" };
            table.push_str(&format!("| `{trigger}` | {rule} | {fact} | {price} | {on} |\n"));
        }
    }
    table
}

/// Every command that does something, in the order of the help.
pub fn commands() -> String {
    let mut table = String::from("| Command | Does |\n|---|---|\n");
    rows_of(&Cli::command(), "cello-relay", &mut table);
    table
}

fn rows_of(command: &clap::Command, path: &str, table: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if !sub.has_subcommands() || !sub.is_subcommand_required_set() {
            let names = sub.get_positionals().map(|argument| format!(" {argument}")).collect::<String>();
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            table.push_str(&format!("| `{path}{names}` | {about} |\n"));
        }
        rows_of(sub, &path, table);
    }
}

/// What `replay` prints for the files of this folder, as a block.
pub fn replay(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    printed(Command::new(env!("CARGO_BIN_EXE_cello-relay")).arg("replay").args(files).current_dir(folder))
}

/// How `map` explains this file, as a block without the table above it.
pub fn explained(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut map = Command::new(env!("CARGO_BIN_EXE_cello-relay"));
    let block = printed(map.arg("map").arg(file.file_name().unwrap()).current_dir(file.parent().unwrap()));
    let (_, explained) = block.split_once("\n\n").unwrap();
    format!("```text\n{explained}")
}

pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RELAY__")) {
        command.env_remove(name);
    }
}

/// Runs it where there is no `relay.toml` and names are short.
fn printed(command: &mut Command) -> String {
    without_settings(command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    format!("```text\n{}\n```\n", text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}
