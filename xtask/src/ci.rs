//! The checks of a change, in the order of what fails fastest.

use std::{path::Path, time::Instant};

use crate::{
    packages,
    run::{is_there, run},
    tidy,
};

/// The version that CI installs when there is none.
const DENY: &str = "cargo-deny@0.20.2";

/// A named check.
type Step = (&'static str, fn(&Path) -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("packages", |_| packages::install()),
    ("format", |root| run(root, "cargo", &["fmt", "--all", "--check"], &[])),
    ("tidy", |root| tidy::tidy(root)),
    ("clippy", |root| {
        run(
            root,
            "cargo",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            &[],
        )
    }),
    ("test", |root| run(root, "cargo", &["test", "--workspace", "--locked"], &[])),
    // That the tool works; what it measures in a debug build on a shared machine says nothing.
    ("bench", |root| {
        run(
            root,
            "cargo",
            &["xtask", "bench", "--smoke", "--only", "runs-1", "--only", "fork", "--only", "start"],
            &[],
        )
    }),
    ("documentation", |root| {
        run(
            root,
            "cargo",
            &["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    }),
    ("deny", deny),
];

/// Runs every check; stops at the first that fails.
///
/// # Errors
/// The failed check's.
pub fn ci(root: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for (name, step) in STEPS {
        println!("\n== {name}");
        let step_begun = Instant::now();
        step(root)?;
        times.push((name, step_begun.elapsed().as_secs()));
    }
    println!("\n== all checks passed");
    for (name, seconds) in times {
        println!("{name:>14} {seconds:>5} s");
    }
    println!("{:>14} {:>5} s", "all", begun.elapsed().as_secs());
    Ok(())
}

/// Bans, licences and sources. The advisory database is a clone of a repository, which not every build machine can
/// fetch; `cargo deny check` by hand includes it.
fn deny(root: &Path) -> anyhow::Result<()> {
    if !is_there("cargo-deny") {
        run(root, "cargo", &["install", "--locked", "--quiet", DENY], &[])?;
    }
    run(root, "cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"], &[])
}
