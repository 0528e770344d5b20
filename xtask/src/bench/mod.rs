//! `cargo xtask bench`: what the release binary does on this machine, beside what the machine can do at all.
//!
//! ```text
//! machine, fsync ─► each workload: raw limits and the real server in turn ─► table, JSON, docs/PERFORMANCE.md
//! ```
//!
//! Load generator and server share the machine, so the figures are those of a small installation that also has clients.
//! A figure has a floor, which must hold, and an aim. The raw limits are taken in the same run: on a loaded machine they
//! suffer alike.

mod client;
mod effects;
mod exchange;
mod history;
mod list;
mod machine;
mod memory;
mod node;
mod report;
mod resume;
mod runs;
mod start;
mod times;
mod workflows;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use clap::Args;

use self::report::{Line, Report};
use crate::run::run;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Only this workload; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Small amounts and short loads: shows that all works, says little about speed.
    #[arg(long)]
    quick: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// As `--quick`, with the debug build, and no figure is judged: for continuous integration.
    #[arg(long)]
    smoke: bool,
    /// The binary to measure, in place of a build.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What workloads share.
pub struct Bench {
    binary: PathBuf,
    quick: bool,
    /// Where databases live during the run: on the disk that builds use, not in memory.
    scratch: PathBuf,
    runtime: tokio::runtime::Runtime,
}

type Workload = fn(&Bench) -> anyhow::Result<Vec<Line>>;

const WORKLOADS: &[(&str, Workload)] = &[
    ("runs-64", runs::many_clients),
    ("runs-1", runs::one_client),
    ("effects", effects::sequence),
    ("fork", effects::fork),
    ("start", start::start),
    ("memory", memory::memory),
    ("list", list::first_page),
    ("resume", resume::resume),
];

/// Measures, and writes down what a whole run found.
///
/// # Errors
/// When a floor is missed, a run gives a wrong result, or the server doesn't start.
pub fn bench(root: &Path, args: &BenchArgs) -> anyhow::Result<()> {
    let known: Vec<_> = WORKLOADS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = args.only.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no workload {unknown:?}; there are {}", known.join(", "));
    }
    if cfg!(debug_assertions) && !args.smoke {
        // The load generator and the raw limits must be optimised too.
        let mut again = vec!["run", "--release", "--locked", "--quiet", "--package", "xtask", "--"];
        let given: Vec<String> = std::env::args().skip(1).collect();
        again.extend(given.iter().map(String::as_str));
        return run(root, "cargo", &again, &[]);
    }
    let scratch = root.join("target/bench");
    std::fs::create_dir_all(&scratch)?;
    let bench = Bench {
        binary: match &args.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => crate::crash::build(root, args.smoke)?,
        },
        quick: args.quick || args.smoke,
        scratch,
        runtime: tokio::runtime::Runtime::new()?,
    };
    let mut report = Report::new(machine::look(root, &bench)?);
    for (name, workload) in WORKLOADS {
        if args.only.is_empty() || args.only.iter().any(|only| only == name) {
            eprintln!("measuring {name} (load {:.1}) …", machine::load_average());
            report.lines.extend(workload(&bench)?.into_iter().map(|line| line.of(name)));
        }
    }
    history::forget(&bench);
    if args.json {
        println!("{}", report.json()?);
    } else {
        println!("{}", report.table());
    }
    if args.smoke {
        return Ok(());
    }
    std::fs::write(bench.scratch.join("performance.json"), report.json()?)?;
    if args.only.is_empty() && !bench.quick {
        report.write_page(&root.join("docs/PERFORMANCE.md"))?;
    }
    let missed = report.missed();
    if !missed.is_empty() {
        bail!("{} figures miss their floor: {}", missed.len(), missed.join("; "));
    }
    Ok(())
}

impl Bench {
    /// How long a load lasts.
    fn span(&self) -> Duration {
        if self.quick { Duration::from_secs(1) } else { Duration::from_secs(8) }
    }

    /// The whole amount, or a small one.
    fn amount(&self, whole: usize, small: usize) -> usize {
        if self.quick { small } else { whole }
    }
}
