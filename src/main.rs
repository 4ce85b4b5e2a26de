//! Parses the command line and runs one command.

use std::process::ExitCode;

use cello_relay::cli::{Cli, Exit};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(exit) => exit.into(),
        Err(problem) => {
            anstream::eprintln!("error: {problem:#}");
            Exit::CouldNotRun.into()
        }
    }
}
