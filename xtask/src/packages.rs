//! Debian packages that the build and the tests need beside Rust.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::run::{is_there, run};

/// A program that must be on the PATH, and the package that brings it.
const NEEDED: &[(&str, &str)] = &[
    ("cc", "build-essential"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("initdb", "postgresql"),
];

/// Debian keeps the programs of a database server here, by version, and not on the PATH.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Installs what is missing when we may; says what to install when we may not.
///
/// # Errors
/// Names the missing packages.
pub fn install() -> anyhow::Result<()> {
    let missing: Vec<_> =
        NEEDED.iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root || !is_there("apt-get") {
        bail!(
            "these Debian packages are missing and only root can install them: {names}; run `sudo apt-get install {names}`",
            names = missing.join(" ")
        );
    }
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    run(Path::new("/"), "apt-get", &["update", "-qq"], &quiet)?;
    let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
    arguments.extend(&missing);
    run(Path::new("/"), "apt-get", &arguments, &quiet)
}

fn is_missing(program: &str) -> bool {
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    !is_there(program)
        && !versions.into_iter().any(|version| version.path().join("bin").join(program).is_file())
}
