//! Chores of the project: `cargo xtask ci` is what continuous integration runs, nothing more and nothing less.

mod bench;
mod chaos;
mod checker;
mod ci;
mod contract;
mod crash;
mod outage;
mod packages;
mod run;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Chores of the Levqor project")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Everything that a change must pass: format, tidy, deny, clippy, tests, documentation.
    Ci,
    /// Walls that the compiler can't keep, checked as text.
    Tidy,
    /// Install the Debian packages that the tests need.
    Packages,
    /// Measure the release binary beside the machine's raw limits; fails when a floor is missed.
    Bench(bench::BenchArgs),
    /// Have schemathesis compare a real server with its API's description; by hand, it must be installed.
    Contract(contract::ContractArgs),
    /// Kill the real server under load, many times, and count what is left.
    Crash(crash::CrashArgs),
    /// Hurt regions that share a PostgreSQL, under load, and measure how the others go on.
    Chaos(chaos::ChaosArgs),
    /// Lose a region of three and watch it to the end: page, alert, messages, incident, return, postmortem; each step with its seconds.
    Outage(outage::OutageArgs),
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Xtask::parse().chore {
        Chore::Ci => ci::ci(&root),
        Chore::Tidy => tidy::tidy(&root),
        Chore::Packages => packages::install(),
        Chore::Bench(args) => bench::bench(&root, &args),
        Chore::Contract(args) => contract::contract(&root, &args),
        Chore::Crash(args) => crash::crash(&root, &args),
        Chore::Chaos(args) => chaos::chaos(&root, &args),
        Chore::Outage(args) => outage::outage(&root, &args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
