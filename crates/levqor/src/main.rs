//! The `levqor` binary: reads the command line and the configuration, wires the crates, starts and stops the process.

mod cli;
mod commands;
mod config;
mod console;
mod data_dir;
mod error_layer;
mod first_start;
mod guarded;
mod moved;
mod panics;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended; the process's exit code (SPEC §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Wrong use or configuration.
    WrongUse,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::WrongUse => 2,
        })
    }
}

/// Stack of each worker thread; expressions recurse within their own bound, well below this.
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("levqor: another TLS provider is installed already");
        return Exit::Failed.into();
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(run(cli));
            // Threads that still read a slow disk must not keep the process.
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            exit.into()
        }
        Err(error) => {
            eprintln!("levqor: cannot start the runtime: {error}");
            Exit::Failed.into()
        }
    }
}

async fn run(cli: Cli) -> Exit {
    let flags = cli.settings.flags();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => commands::serve::serve(&flags, cli.json).await,
        Command::Edge(args) => commands::edge::edge(&flags, &args, cli.json).await,
        Command::Demo(args) => commands::demo::demo(&args, cli.json).await,
        Command::Run(args) => commands::run::run(&flags, &args, cli.json).await,
        Command::Validate(args) => commands::validate::validate(&args, cli.json),
        Command::Ask(args) => commands::ask::ask(&flags, &args, cli.json),
        Command::Check => commands::check::check(&flags, cli.json),
        Command::Blueprint(args) => commands::blueprint::blueprint(&flags, &args, cli.json).await,
        Command::Alerts(args) => commands::alerts::alerts(&args, cli.json).await,
        Command::Notifications(args) => commands::notifications::notifications(&args, cli.json).await,
        Command::SignOut(args) => commands::sign_out::sign_out(&args, cli.json).await,
        Command::Slo(args) => commands::slo::slo(&args, cli.json).await,
        Command::Drift(args) => commands::drift::drift(&flags, &args, cli.json).await,
        Command::Audit(args) => commands::audit::audit(&args, cli.json).await,
        Command::Approvals(args) => commands::approvals::approvals(&args, cli.json).await,
        Command::Jobs(args) => commands::jobs::jobs(&args, cli.json).await,
        Command::Heartbeats(args) => commands::heartbeats::heartbeats(&args, cli.json).await,
        Command::Incidents(args) => commands::incidents::incidents(&args, cli.json).await,
        Command::Postmortem(args) => commands::incidents::postmortem(&args, cli.json).await,
        Command::Keys(args) => commands::keys::keys(&flags, &args, cli.json).await,
        Command::Metrics(args) => commands::metrics::metrics(&args, cli.json).await,
        Command::Maintenance(args) => commands::maintenance::maintenance(&args, cli.json).await,
        Command::Nodes(args) => commands::nodes::nodes(&args, cli.json).await,
        Command::Probes(args) => commands::probes::probes(&args, cli.json).await,
        Command::Regions(args) => commands::regions::regions(&args, cli.json).await,
        Command::Region(args) => commands::region::region(&args, cli.json).await,
        Command::Status(args) => commands::status::status(&args, cli.json).await,
        Command::Tamper(args) => commands::tamper::tamper(&args, cli.json).await,
        Command::Migrate(args) => commands::migrate::migrate(&flags, &args, cli.json).await,
        Command::Completions { shell } => commands::completions::completions(shell),
    }
}
