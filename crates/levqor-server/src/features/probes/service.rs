//! What is known of probes, and looks that somebody asks for.

use std::time::Duration;

use futures_util::future::join_all;
use levqor_model::{ProblemCode, Timestamp};
use levqor_store::{
    Error,
    probes::{ProbeDay, ProbeFilter, ProbePlace, ProbeResult, ProbeVerdict},
};
use tokio::time::sleep_until;

use super::{
    board::{Observer, Seen},
    definition::{Definition, Kind},
    judge::Verdict,
    look::{Look, Shared, Step, Target, look},
    memory,
    verdict::CONFIRM,
};
use crate::{
    App, Problem,
    gateway::{Cursor, cut},
};

/// Looks that one request begins.
const TARGETS_MAX: usize = 50;
/// Seconds until it is worth to ask again.
const RETRY_AFTER: u64 = 5;
/// Changes of verdicts that are told.
const CHANGES_MAX: usize = 50;
/// Days that are told.
const DAYS: i64 = 90;
/// A journey that took longer to fail is not gone again: the job that goes them has other things to do.
const AGAIN_WITHIN: Duration = Duration::from_secs(120);

/// A probe, and what is known of its targets.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) definition: Shared,
    /// Target, verdict, this node's last looks.
    pub(super) targets: Vec<(String, Option<Verdict>, Vec<Seen>)>,
}

/// All probes with what is known now.
pub(super) fn all(app: &App) -> Vec<Known> {
    let memory = memory(app);
    let mut verdicts = memory.judged.verdicts();
    let known = |definition: &Shared| {
        let targets = memory.targets.of(definition).into_iter().map(|target| {
            let verdict = verdicts.remove(&(definition.name.clone(), target.name.clone()));
            let looks = memory.board.looks(&definition.name, &target.name);
            (target.name, verdict, looks)
        });
        Known { definition: definition.clone(), targets: targets.collect() }
    };
    app.settings.probes.definitions.probes.iter().map(known).collect()
}

/// # Errors
/// 404 with the names that there are.
pub(super) fn find(app: &App, name: &str) -> Result<Shared, Problem> {
    let definitions = &app.settings.probes.definitions;
    definitions.find(name).cloned().ok_or_else(|| {
        let names: Vec<_> = definitions.probes.iter().take(20).map(|probe| probe.name.as_str()).collect();
        let shown: String = name.chars().take(40).collect();
        Problem::not_found(format!("there is no probe {shown:?}; there are {}", names.join(", ")))
    })
}

/// A look that somebody asked for. `look` is None when this process stood still meanwhile.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) look: Option<Look>,
}

/// Looks at all targets of a probe now, or at one.
///
/// # Errors
/// 404 for a target that there is not; 503 while somebody else has a probe looked at.
pub(super) async fn run_now(
    app: &App,
    definition: &Shared,
    target: Option<&str>,
) -> Result<Vec<Asked>, Problem> {
    let memory = memory(app);
    let Ok(_turn) = memory.asked.try_lock() else {
        let words = "this node runs a probe for somebody already; ask again when that is done";
        return Err(Problem::new(ProblemCode::Overloaded, words).retry_after(RETRY_AFTER));
    };
    let mut targets = targets(app, definition).await?;
    if let Some(wanted) = target {
        targets.retain(|known| known.name == wanted);
        if targets.is_empty() {
            let shown: String = wanted.chars().take(80).collect();
            return Err(Problem::not_found(format!(
                "the probe {} has no target {shown:?}; leave it out for all",
                definition.name
            )));
        }
    }
    targets.truncate(TARGETS_MAX);
    Ok(looks(app, definition, targets).await)
}

/// Where the probe looks, also before the first round of this node.
async fn targets(app: &App, definition: &Definition) -> Result<Vec<Target>, Error> {
    let memory = memory(app);
    let known = memory.targets.of(definition);
    if !known.is_empty() {
        return Ok(known);
    }
    memory.targets.learn(app).await?;
    Ok(memory.targets.of(definition))
}

async fn looks(app: &App, definition: &Shared, targets: Vec<Target>) -> Vec<Asked> {
    let memory = memory(app);
    let own = Observer { node: app.node, region: app.region.code.clone() };
    let (own, board) = (&own, &memory.board);
    let one = |(number, target): (usize, Target)| async move {
        let seen = look(app, definition, &target, number).await;
        if let Some(seen) = &seen {
            board.see(own, definition, &target, seen);
        }
        Asked { target: target.name, look: seen }
    };
    join_all(targets.into_iter().enumerate().map(one)).await
}

/// Looks, and looks a second time where that failed: nobody does so before the next round, and one look tells no blip from an outage.
async fn looks_twice(app: &App, definition: &Shared, targets: Vec<Target>) -> Vec<Asked> {
    let mut asked = looks(app, definition, targets.clone()).await;
    let failed = |one: &Asked| one.look.as_ref().filter(|look| !look.is_good()).map(|look| look.began);
    let Some(began) = asked.iter().filter_map(failed).max() else { return asked };
    if began.elapsed() > AGAIN_WITHIN {
        return asked;
    }
    let mut again = targets;
    again.retain(|target| asked.iter().any(|one| one.target == target.name && failed(one).is_some()));
    sleep_until(began + CONFIRM).await;
    for second in looks(app, definition, again).await {
        if second.look.is_some()
            && let Some(first) = asked.iter_mut().find(|first| first.target == second.target)
        {
            *first = second;
        }
    }
    asked
}

/// A journey that was gone, as jobs report it.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    pub probe: String,
    /// The region that it went to.
    pub region: String,
    pub at: Timestamp,
    /// Why it did not come to its end; None: it did.
    pub fault: Option<String>,
    pub latency_us: i64,
    /// Its steps in their order: name, status, how long in microseconds.
    pub steps: Vec<(String, String, i64)>,
}

/// Goes all journeys in every region that is known, those that fail twice, and notes what was seen. Empty: no region is known yet, or no journey is
/// defined; that is no good result.
///
/// # Errors
/// When the store cannot be asked where regions are.
pub async fn synthetic(app: &App) -> Result<Vec<Journey>, Error> {
    let mut gone = Vec::new();
    for definition in &app.settings.probes.definitions.probes {
        if !matches!(definition.kind, Kind::Journey(_)) {
            continue;
        }
        let mut targets = targets(app, definition).await?;
        targets.truncate(TARGETS_MAX);
        for Asked { target, look } in looks_twice(app, definition, targets).await {
            let at = look.as_ref().map_or_else(|| app.now(), |look| look.at);
            let (fault, latency_us, steps) = match look {
                Some(look) => (look.fault.clone(), micros(&look), told(look.steps)),
                None => (
                    Some("this process stood still meanwhile, so nothing was seen".to_owned()),
                    0,
                    Vec::new(),
                ),
            };
            gone.push(Journey {
                probe: definition.name.clone(),
                region: target,
                at,
                fault,
                latency_us,
                steps,
            });
        }
    }
    Ok(gone)
}

fn told(steps: Vec<Step>) -> Vec<(String, String, i64)> {
    steps.into_iter().map(|step| (step.name, step.status, step.latency_us)).collect()
}

pub(super) fn micros(look: &Look) -> i64 {
    i64::try_from(look.latency().as_micros()).unwrap_or(i64::MAX)
}

const LIST: &str = "probe-results";

/// A page of results, newest first.
///
/// # Errors
/// 400 for a cursor of another list.
pub(super) async fn results(
    app: &App,
    filter: ProbeFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<(Vec<ProbeResult>, Option<Cursor>), Problem> {
    let before = cursor.map(|cursor| cursor.last::<Last>(LIST)).transpose()?.map(|last| last.0);
    let found = app.store.probe_results(filter, before, limit + 1).await?;
    Ok(cut(found, limit, LIST, |last| format!("{} {} {}", last.at.as_micros(), last.node, last.target)))
}

/// A place as cursors hold it.
struct Last(ProbePlace);

impl std::str::FromStr for Last {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().ok_or(());
        let at = next()?.parse().map(Timestamp::from_micros).map_err(drop)?;
        let node = next()?.parse().map_err(drop)?;
        Ok(Self(ProbePlace { at, node, target: next()?.to_owned() }))
    }
}

/// Sums of the last days, and the last changes of verdicts, which are about targets and not about who sees them.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn history(
    app: &App,
    filter: &ProbeFilter,
) -> Result<(Vec<ProbeDay>, Vec<ProbeVerdict>), Error> {
    let ProbeFilter { probe, target, region } = filter;
    let from = app.now().date().plus_days(1 - DAYS);
    let mut days = app.store.probe_days(probe.clone(), from).await?;
    let mut changes = app.store.probe_changes(probe.clone(), CHANGES_MAX).await?;
    let is_asked_for = |one: &str| target.as_deref().is_none_or(|target| target == one);
    days.retain(|day| {
        is_asked_for(&day.target) && region.as_ref().is_none_or(|region| *region == day.region)
    });
    changes.retain(|change| is_asked_for(&change.target));
    Ok((days, changes))
}
