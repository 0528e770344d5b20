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

/// Longer than it takes to hand over any number of runs; what is left then needs a person. No act is open for longer, whatever its
/// phase.
const ACT_MAX: Duration = Duration::from_secs(600);
/// By then all nodes of the region have seen that it is drained, and begin nothing more there: they look twice a second.
const VERIFYING_MIN: Duration = Duration::from_secs(2);
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
    let late = seen.now.since(act.began_at) > ACT_MAX;
    match act.phase.as_str() {
        FENCING if !earlier_nodes_live(act, &seen) => advance(app, act, &seen, HANDING_OVER).await?,
        HANDING_OVER | VERIFYING => {
            let standing = standing(app, &act.region, &seen).await?;
            let lives = act.verb == "failover" && earlier_nodes_live(act, &seen);
            let empty = standing.leaving == 0 && !lives;
            match (act.phase.as_str(), empty) {
                (HANDING_OVER, true) => advance(app, act, &seen, VERIFYING).await?,
                // Looked at twice, from the database, with time between: nobody has what may not be there.
                (VERIFYING, true) if waited < VERIFYING_MIN => {}
                (VERIFYING, true) => end(app, act, &seen, standing, None).await?,
                (VERIFYING, false) => advance(app, act, &seen, HANDING_OVER).await?,
                _ if late => {
                    let why = stuck(&act.region, standing.leaving, lives);
                    end(app, act, &seen, standing, Some(why)).await?;
                }
                _ => {}
            }
        }
        OPENING if app.regions.find(act.region.as_str()).is_ok() => {
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
                        reason.unwrap_or_else(
                            || "the list of regions declares it so; change that there".to_owned()
                        )
                    );
                end(app, act, &seen, standing, Some(why)).await?;
            }
        }
        _ if late => {
            let standing = standing(app, &act.region, &seen).await?;
            let why = match act.phase.as_str() {
                FENCING => stuck(&act.region, standing.leaving, true),
                phase => format!("it was still in the phase {phase} after {} s", ACT_MAX.as_secs()),
            };
            end(app, act, &seen, standing, Some(why)).await?;
        }
        // Of a newer build, which goes on with it, or of a region that others know.
        _ => {}
    }
    Ok(())
}

/// Why a region did not become empty.
fn stuck(region: &RegionCode, leaving: i64, earlier_lives: bool) -> String {
    let seconds = ACT_MAX.as_secs();
    match (leaving, earlier_lives) {
        (0, true) => {
            format!(
                "a node of {region} that was there before still lived after {seconds} s; stop its process"
            )
        }
        (_, true) => format!(
            "a node of {region} that was there before still lived after {seconds} s, and {leaving} runs that may \
             leave were still there; stop its process"
        ),
        (_, false) => format!(
            "{leaving} runs that may leave were still there after {seconds} s; see which regions they may be in"
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kept_a_region_from_being_empty_is_told_apart() {
        let region: RegionCode = "us-east".parse().unwrap();
        assert!(stuck(&region, 3, false).starts_with("3 runs that may leave were still there"));
        let lives = stuck(&region, 0, true);
        assert!(lives.starts_with("a node of us-east") && !lives.contains("runs"), "{lives}");
        assert!(stuck(&region, 3, true).contains("and 3 runs"));
    }
}
