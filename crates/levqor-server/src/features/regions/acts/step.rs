//! Looks at open acts, and writes down what is over.

use std::time::Duration;

use levqor_model::{RegionCode, RegionStatus};
use levqor_store::regions::{Act, LeftIn, Seen};

use super::{super::service, Report};
use crate::App;

pub(super) const FENCING: &str = "fencing";
pub(super) const HANDING_OVER: &str = "handing_over";
pub(super) const VERIFYING: &str = "verifying";
pub(super) const OPENING: &str = "opening";

/// Longer than it takes to hand over any number of runs; what is left then needs a person.
const HAND_OVER_MAX: Duration = Duration::from_secs(600);
/// Nodes look at themselves every 5 s.
const OPENING_MAX: Duration = Duration::from_secs(60);

/// What nodes of a region still own.
#[derive(Debug)]
pub(in super::super) struct Standing {
    /// Runs that another region may take, and that were not taken yet.
    pub(in super::super) leaving: i64,
    pub(in super::super) pinned: Vec<LeftIn>,
}

/// # Errors
/// When the store cannot be read.
pub(in super::super) async fn standing(
    app: &App,
    region: &RegionCode,
    seen: &Seen,
) -> Result<Standing, levqor_store::Error> {
    let is_open = |code: &RegionCode| {
        seen.nodes.iter().any(|node| node.region == *code)
            && !seen.drains.iter().any(|drain| drain.region == *code)
    };
    let others = app.regions.all().iter().map(|other| &other.code).filter(|code| *code != region);
    let mut hosts: Vec<&RegionCode> = others.clone().filter(|code| is_open(code)).collect();
    if hosts.is_empty() {
        // Then runs are not pinned: they wait for a region that may come back.
        hosts = others.collect();
    }
    let left = app.store.left_in(region.clone()).await?;
    let may_leave = |left: &LeftIn| hosts.iter().any(|code| app.regions.allows(&left.residency, code));
    let (leaving, pinned): (Vec<_>, Vec<_>) = left.into_iter().partition(may_leave);
    Ok(Standing { leaving: leaving.iter().map(|group| group.runs).sum(), pinned })
}

/// One look at all open acts.
///
/// # Errors
/// When the store cannot be reached.
pub(crate) async fn round(app: &App) -> Result<(), levqor_store::Error> {
    for act in app.store.open_acts().await? {
        step(app, &act).await?;
    }
    Ok(())
}

async fn step(app: &App, act: &Act) -> Result<(), levqor_store::Error> {
    let seen = app.store.seen_of_regions(app.now()).await?;
    let waited = seen.now.since(act.phase_at);
    match act.phase.as_str() {
        FENCING if earlier_nodes_live(act, &seen) => {}
        FENCING => advance(app, act, &seen, HANDING_OVER).await?,
        HANDING_OVER | VERIFYING => {
            let standing = standing(app, &act.region, &seen).await?;
            let empty = standing.leaving == 0 && (act.verb != "failover" || !earlier_nodes_live(act, &seen));
            match (act.phase.as_str(), empty) {
                (HANDING_OVER, true) => advance(app, act, &seen, VERIFYING).await?,
                // Looked at twice, from the database, with time between: nobody has what may not be there.
                (VERIFYING, true) => end(app, act, &seen, standing, None).await?,
                (VERIFYING, false) => advance(app, act, &seen, HANDING_OVER).await?,
                _ if seen.now.since(act.began_at) > HAND_OVER_MAX => {
                    let why = format!(
                        "{} runs that may leave were still there after {} s; see which regions they may be in",
                        standing.leaving,
                        HAND_OVER_MAX.as_secs()
                    );
                    end(app, act, &seen, standing, Some(why)).await?;
                }
                _ => {}
            }
        }
        OPENING => {
            let nodes = service::nodes_of(&seen, &act.region);
            let drained = seen.drains.iter().any(|drain| drain.region == act.region);
            let ready = nodes.iter().any(|node| node.ready);
            let Ok(region) = app.regions.find(act.region.as_str()) else { return Ok(()) };
            let (status, reason) = service::status(region, drained, nodes.len(), ready);
            let standing = Standing { leaving: 0, pinned: Vec::new() };
            if status == RegionStatus::Active {
                end(app, act, &seen, standing, None).await?;
            } else if waited > OPENING_MAX {
                let why = format!(
                    "it is {} after {} s: {}",
                    status.as_str(),
                    OPENING_MAX.as_secs(),
                    reason.unwrap_or_default()
                );
                end(app, act, &seen, standing, Some(why)).await?;
            }
        }
        // Of a newer build, which goes on with it.
        _ => {}
    }
    Ok(())
}

/// Whether a node lives that was there when the act began. One that has joined since knows of it.
fn earlier_nodes_live(act: &Act, seen: &Seen) -> bool {
    seen.nodes.iter().any(|node| node.region == act.region && node.started_at < act.began_at)
}

async fn advance(app: &App, act: &Act, seen: &Seen, to: &'static str) -> Result<(), levqor_store::Error> {
    let mut report = Report::of(act);
    report.over(act, seen.now);
    let advanced = app.store.advance_act(act.seq, act.phase.clone(), to, report.text(), app.now()).await?;
    if advanced {
        tracing::info!(region.of = %act.region, act = act.seq, "{} of {}: {to}", act.verb, act.region);
    }
    Ok(())
}

async fn end(
    app: &App,
    act: &Act,
    seen: &Seen,
    standing: Standing,
    failure: Option<String>,
) -> Result<(), levqor_store::Error> {
    let moved = match act.verb.as_str() {
        "activate" => Vec::new(),
        _ => app.store.moved_from(act.region.clone(), act.began_at).await?,
    };
    let mut report = Report::of(act);
    report.over(act, seen.now);
    report.measure(act, &moved, &standing.pinned);
    let outcome = if failure.is_some() { "failed" } else { "done" };
    let drilled = match failure {
        None => moved.iter().map(|moved| (moved.region.clone(), moved.runs)).collect(),
        Some(_) => Vec::new(),
    };
    if let Some(why) = failure {
        report.fail(why);
    }
    let text = report.text();
    let ended =
        app.store.end_act(act.seq, act.phase.clone(), outcome, text.clone(), drilled, app.now()).await?;
    if ended {
        tracing::warn!(region.of = %act.region, act = act.seq, report = text, "{} of {}: {outcome}", act.verb, act.region);
    }
    Ok(())
}
