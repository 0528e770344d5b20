//! Runs other programs, and says what it runs.

use std::{path::Path, process::Command};

use anyhow::{Context, bail};

/// Runs `program` in `root` with its output on ours.
///
/// # Errors
/// When it cannot be started or ends with another status than 0.
pub fn run(root: &Path, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    println!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot start {program}; is it installed?"))?;
    if !status.success() {
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Whether `program` is on the PATH.
pub fn is_there(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
