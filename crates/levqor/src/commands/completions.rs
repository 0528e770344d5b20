//! `levqor completions`: scripts that complete commands and options in a shell.

use clap::CommandFactory;

use crate::{Exit, cli::Cli, console::say};

pub fn completions(shell: clap_complete::Shell) -> Exit {
    // The generator panics when its writer fails, so that it writes to memory and never to a pipe that may close.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "levqor", &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Exit::Done
}
