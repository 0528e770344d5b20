//! `levqor demo`: three regions on one machine, of which one is lost before your eyes.
//!
//! ```text
//! load (callers) ──► stage (edge, nodes, PostgreSQL with a standby)
//!   │ ledger           ▲ lose, promote, bring back
//!   └──► story ────────┘──► screen (picture) ──► report
//! ```

mod load;
mod picture;
mod report;
mod screen;
mod stage;
mod story;
mod watch;
mod words;

use std::{
    io::stdout,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use load::Load;
use report::Report;
use screen::Screen;
use stage::Stage;
use tokio_util::task::AbortOnDropHandle;
use watch::Watch;

use crate::{
    Exit,
    cli::DemoArgs,
    console::{Tone, paint, say},
};

/// Longest wait for what was begun when the demo is stopped; what is left then ends with this process.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

pub async fn demo(args: &DemoArgs, as_json: bool) -> Exit {
    let screen = Arc::new(Screen::new(as_json));
    let verdict = OnceLock::new();
    let exit = || if verdict.get() == Some(&true) { Exit::Done } else { Exit::Failed };
    let story = async {
        let (report, _stage) = play(args, &screen, as_json).await?;
        verdict.get_or_init(|| report.is_good());
        if args.stay {
            std::future::pending::<()>().await;
        }
        anyhow::Ok(())
    };
    let impatient = AbortOnDropHandle::new(tokio::spawn(ends_anyway()));
    let outcome = tokio::select! {
        outcome = story => outcome,
        _ = tokio::signal::ctrl_c() => {
            screen.leave();
            eprintln!("levqor: stopped; what the demo started is gone");
            return exit();
        }
    };
    drop(impatient);
    if let Err(error) = outcome {
        screen.leave();
        eprintln!("levqor: the demo cannot go on: {error:#}");
        return Exit::Failed;
    }
    exit()
}

/// The story stands still while a server starts and does not hear Ctrl-C then: it is heard here.
async fn ends_anyway() {
    if tokio::signal::ctrl_c().await.is_ok() {
        tokio::time::sleep(ENDS_WITHIN).await;
        eprintln!("levqor: stopped in the midst of a start; what the demo started ends now");
        std::process::exit(1);
    }
}

/// The report, and the stage as it is then.
async fn play(args: &DemoArgs, screen: &Arc<Screen>, as_json: bool) -> anyhow::Result<(Report, Stage)> {
    let begun = Instant::now();
    let mut stage = Stage::build(&|line| screen.tell(line), args.without_postgres).await?;
    screen.scene().regions = story::regions(stage.has_standby());
    screen.scene().url = stage.url();
    screen.tell(&format!("status page: {0}/status, regions: {0}/api/regions", stage.url()));
    let watch = Watch::new(stage.url(), stage.key().clone())?;
    let load = Arc::new(Load::begin(stage.url(), stage.key().clone()).await?);
    screen.tell("callers in three countries start runs and read, each sent to its own region");
    let observer = AbortOnDropHandle::new(tokio::spawn(story::observe(
        watch.clone(),
        Arc::clone(&load),
        Arc::clone(screen),
    )));
    let loss = story::play(&mut stage, &load, &watch, screen, Duration::from_secs(args.calm)).await?;
    let report = story::count(&load, screen, loss, begun).await;
    drop(observer);
    screen.leave();
    tell(&report, as_json);
    if args.stay {
        eprintln!(
            "\nIt stays until Ctrl-C. Look at it:\n  levqor nodes --url {0} --key {1}\n  open {0}/status",
            stage.url(),
            stage.key().expose()
        );
    }
    Ok((report, stage))
}

fn tell(report: &Report, as_json: bool) {
    if as_json {
        say(format_args!("{:#}", report.json()));
        return;
    }
    say(format_args!("\n{}", report.text()));
    if report.is_good() {
        say(format_args!("\n{}", paint("Nothing was lost, and no request failed.", Tone::Good, &stdout())));
    }
}
