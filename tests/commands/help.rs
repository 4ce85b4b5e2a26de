//! What the command line says of itself.

use std::path::Path;

use cello_relay::cli::Cli;
use clap::CommandFactory;

use crate::given::run;

#[test]
fn every_command_has_help_that_says_what_it_does() {
    let cli = Cli::command();
    cli.clone().debug_assert();
    let mut open = vec![(vec![], cli)];
    let mut seen = 0;
    while let Some((path, command)) = open.pop() {
        let about = command.get_about().unwrap_or_else(|| panic!("{path:?} does not say what it does")).to_string();
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let said = run(Path::new("."), &[("COLUMNS", "200")], &arguments);
        assert_eq!(said.code, 0, "{path:?}");
        assert!(said.out.contains(&about), "{path:?}: {about}\n{}", said.out);
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{path:?} does not say what {} is for", argument.get_id());
        }
        if !command.has_subcommands() {
            let more = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(more.contains("--json"), "{path:?} does not say what --json prints");
        }
        seen += 1;
        open.extend(command.get_subcommands().map(|child| {
            let path = path.iter().cloned().chain([child.get_name().to_owned()]).collect();
            (path, child.clone())
        }));
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_help_of_the_program_names_the_exit_codes() {
    run(Path::new("."), &[], &["--help"]).says(&["0 done, 1 done with findings, 2 could not run"]);
}

#[test]
fn a_command_that_takes_ids_or_all_of_them_says_so_where_neither_is_given() {
    for (arguments, both) in [
        (["events", "retry"], "<ID|--state <STATE>|--provider"),
        (["events", "discard"], "<ID|--state <STATE>|--provider"),
        (["events", "decide"], "<ID|--all>"),
    ] {
        run(Path::new("."), &[], &arguments).says(&[both]);
    }
}

#[test]
fn a_wrong_command_line_could_not_run() {
    for arguments in [
        vec![],
        vec!["sevre"],
        vec!["serve", "--sandbocks"],
        vec!["map"],
        vec!["events"],
        vec!["events", "show"],
        vec!["events", "retry"],
        vec!["events", "retry", "1", "--state", "dead"],
        vec!["events", "retry", "1", "--provider", "stripe"],
        vec!["events", "retry", "--state", "delivered"],
        vec!["events", "decide", "evt_1", "--all"],
        vec!["replay", "--to", "127.0.0.1:8080", "."],
        vec!["replay", "--to", "localhost:8080", "."],
        vec!["events", "list", "--limit", "0"],
        vec!["events", "list", "--provider", "paddle"],
        vec!["check", "--config"],
    ] {
        let said = run(Path::new("."), &[], &arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}: {said:?}");
        assert!(said.err.contains("--help") || said.err.contains("Usage:"), "{arguments:?}: {}", said.err);
    }
}
