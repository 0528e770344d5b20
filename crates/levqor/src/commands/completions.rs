//! `levqor completions`: scripts that complete commands and options in a shell.

use clap::CommandFactory;

use crate::{Exit, cli::Cli};

pub fn completions(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "levqor", &mut std::io::stdout());
    Exit::Done
}
