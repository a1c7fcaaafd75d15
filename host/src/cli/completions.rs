//! `millstream completions`: a script that completes the command line.

use clap::CommandFactory;

use super::{Cli, Exit};

/// Prints the script for a shell.
pub fn print(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    clap_complete::generate(shell, &mut Cli::command(), "millstream", &mut std::io::stdout());
    Ok(Exit::Fine)
}
