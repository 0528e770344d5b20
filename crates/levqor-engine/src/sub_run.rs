//! `run: workflow`: runs that other runs start and wait for.
//!
//! A sub-run is found by its parent and effect, so asking twice starts it once. Its end is reported to the parent when
//! that is in memory; otherwise the parent is loaded, asks again, and finds the end. Nothing depends on the report.

use std::{pin::Pin, sync::Arc, time::Duration};

use levqor_flow::machine::{EffectId, ErrorKind, Event, FlowError, Machine, Outcome, SubRun};
use levqor_model::{RunId, RunStatus, TriggerKind, WorkflowId, limits::SUBRUN_DEPTH_MAX};
use levqor_store::{
    queue::Admitted,
    runs::{Payloads, Run},
};
use serde_json::Value;

use crate::{
    Error,
    core::{Backoff, Core},
    driver::drive_stored,
    fault::Point,
    registry::{Entry, Mail},
    start::Start,
};

/// Versions of a workflow looked through for the highest.
const VERSIONS_MAX: usize = 10_000;
const PAGE: usize = 200;

/// Starts the sub-run (or finds it), and reports what can be reported at once. Gives its id.
pub(crate) async fn perform(core: Arc<Core>, parent: Run, effect: EffectId, call: SubRun) -> Option<RunId> {
    core.reach(Point::BeforeSubRun).await;
    let mut backoff = Backoff::new();
    let started = loop {
        match start(&core, &parent, effect, &call).await {
            Err(Error::Store(reason)) if reason.is_retryable() => {
                tracing::warn!(run.id = %parent.id, error = %reason, "a sub-run could not be started; trying again");
                backoff.pause().await;
            }
            started => break started,
        }
    };
    core.reach(Point::AfterSubRun).await;
    let (child, outcome) = match started {
        Ok((child, outcome)) => (Some(child), outcome),
        Err(Error::Draining) => return None,
        Err(reason) => (None, Some(Outcome::Failed { error: error_of(&call, &reason), answered: true })),
    };
    match outcome {
        // It is there, and that is all that was waited for, even if it has ended since.
        _ if !call.wait && child.is_some() => report(&core, parent.id, effect, Outcome::Output(Value::Null)),
        Some(outcome) => report(&core, parent.id, effect, outcome),
        None => {}
    }
    child
}

/// The sub-run, and its result when it has ended.
async fn start(
    core: &Arc<Core>,
    parent: &Run,
    effect: EffectId,
    call: &SubRun,
) -> Result<(RunId, Option<Outcome>), Error> {
    if parent.depth >= SUBRUN_DEPTH_MAX {
        return Err(Error::TooDeep { max: SUBRUN_DEPTH_MAX });
    }
    let (workflow_id, version) = match resolve(core, parent, call).await {
        Ok(found) => found,
        // The workflow may have been deleted since this effect started its run.
        Err(missing) => {
            let child = live_child(core, parent.id, effect).await?;
            return child.map(|child| (child, None)).ok_or(missing);
        }
    };
    let started = Start {
        account_id: parent.account_id,
        workflow_id,
        version,
        input: call.input.clone(),
        trigger: TriggerKind::Workflow,
        residency: Some(parent.residency.clone()),
        home_region: Some(parent.home_region.clone()),
        parent: Some((parent.id, effect)),
        depth: parent.depth + 1,
        retry_of: None,
        firing: None,
        assumed: None,
    }
    .accept(core)
    .await?;
    match started.admitted {
        Admitted::Already(child) => {
            let row = core.store.run(None, child).await?;
            match row {
                Some(row) if row.status.is_ended() => {
                    let payloads = core.store.payloads(child).await?.unwrap_or_default();
                    Ok((child, Some(stored_outcome(&row, &payloads))))
                }
                _ => {
                    core.registry.wake(child);
                    Ok((child, None))
                }
            }
        }
        _ => Ok((started.run.id, None)),
    }
}

/// The workflow and version that the call means now.
async fn resolve(core: &Core, parent: &Run, call: &SubRun) -> Result<(WorkflowId, String), Error> {
    let workflow = core
        .store
        .workflow_by_name(parent.account_id, call.namespace.clone(), call.name.clone())
        .await?
        .ok_or_else(|| Error::NoSuchWorkflow {
            namespace: call.namespace.clone(),
            name: call.name.clone(),
        })?;
    if call.version != "latest" {
        core.store
            .version(workflow.id, call.version.clone())
            .await?
            .ok_or_else(|| Error::VersionNotFound { workflow: workflow.id, version: call.version.clone() })?;
        return Ok((workflow.id, call.version.clone()));
    }
    let mut best: Option<((u64, u64, u64), String)> = None;
    let mut before = None;
    for _ in 0..VERSIONS_MAX / PAGE {
        let page = core.store.versions_of(parent.account_id, workflow.id, before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.created_at);
        let full = page.len() == PAGE;
        for version in page {
            if let Some(order) = release_order(&version.version)
                && best.as_ref().is_none_or(|(highest, _)| order > *highest)
            {
                best = Some((order, version.version));
            }
        }
        if !full {
            break;
        }
    }
    match best {
        Some((_, version)) => Ok((workflow.id, version)),
        None => Err(Error::VersionNotFound { workflow: workflow.id, version: "latest".to_owned() }),
    }
}

/// What a version sorts by; None for a pre-release. Build metadata is ignored.
///
/// Source: Semantic Versioning 2.0.0, §9 to §11.
fn release_order(version: &str) -> Option<(u64, u64, u64)> {
    let core = version.split('+').next()?;
    if core.contains('-') {
        return None;
    }
    let mut parts = core.split('.').map(|part| part.parse::<u64>().ok());
    let order = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(order)
}

async fn live_child(core: &Core, parent: RunId, effect: EffectId) -> Result<Option<RunId>, Error> {
    let mut after = None;
    loop {
        let page = core.store.children_of(parent, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.id);
        if let Some(child) = page.iter().find(|child| child.parent == Some((parent, effect))) {
            return Ok(Some(child.id));
        }
    }
}

/// Whether a sub-run has ended where nobody told its parent, which is told now.
pub(crate) async fn look(core: &Core, parent: RunId, effect: EffectId, child: RunId) {
    let outcome = async {
        let Some(row) = core.store.run(None, child).await?.filter(|row| row.status.is_ended()) else {
            return Ok(None);
        };
        let payloads = core.store.payloads(child).await?.unwrap_or_default();
        Ok::<_, levqor_store::Error>(Some(stored_outcome(&row, &payloads)))
    };
    match outcome.await {
        Ok(Some(outcome)) => report_end(core, parent, effect, outcome),
        Ok(None) => {}
        Err(reason) => {
            tracing::warn!(run.id = %parent, error = %reason, "the sub-run {child} could not be looked at");
        }
    }
}

/// Tells the parent how its effect ended, or has it loaded so that it looks.
pub(crate) fn report(core: &Core, parent: RunId, effect: EffectId, outcome: Outcome) {
    if !core.registry.deliver(parent, Mail::ended(effect, outcome)) {
        core.registry.wake(parent);
    }
}

/// Tells the parent that its sub-run has ended.
pub(crate) fn report_end(core: &Core, parent: RunId, effect: EffectId, outcome: Outcome) {
    let detached = core.registry.get(parent).is_some_and(|entry| entry.is_detached(effect));
    report(core, parent, effect, if detached { Outcome::Output(Value::Null) } else { outcome });
}

/// What the end of a run is for its parent.
pub(crate) fn outcome(run: RunId, machine: &Machine) -> Outcome {
    match (machine.output(), machine.error()) {
        (Some(output), _) => Outcome::Output(output.clone()),
        (None, Some(error)) => Outcome::Failed { error: error.clone(), answered: true },
        (None, None) => cancelled(run),
    }
}

fn stored_outcome(run: &Run, payloads: &Payloads) -> Outcome {
    let error = || payloads.error.as_deref().and_then(|text| serde_json::from_str::<FlowError>(text).ok());
    match run.status {
        RunStatus::Completed => {
            let output = payloads.output.as_deref().and_then(|text| serde_json::from_str(text).ok());
            Outcome::Output(output.unwrap_or(Value::Null))
        }
        RunStatus::Faulted => match error() {
            Some(error) => Outcome::Failed { error, answered: true },
            None => cancelled(run.id),
        },
        _ => cancelled(run.id),
    }
}

/// For its parent, a cancelled run is an error.
pub(crate) fn cancelled(run: RunId) -> Outcome {
    Outcome::Failed {
        error: ErrorKind::Runtime
            .error("Sub-run cancelled", format!("run {run} was cancelled before it ended")),
        answered: true,
    }
}

fn error_of(call: &SubRun, reason: &Error) -> FlowError {
    let target = format!("{}/{} {}", call.namespace, call.name, call.version);
    match reason {
        Error::NoSuchWorkflow { .. } | Error::VersionNotFound { .. } | Error::Definition { .. } => {
            ErrorKind::Configuration
                .error("Workflow not available", format!("{target} cannot be run: {reason}"))
        }
        _ => ErrorKind::Runtime.error("Sub-run not started", format!("{target} cannot be run: {reason}")),
    }
}

/// Whether nobody waits for this sub-run any more: its parent has ended, and its journal does not have the effect's end
/// (which it has when the parent did not wait for the run in the first place).
pub(crate) async fn is_orphan(core: &Core, parent: RunId, effect: EffectId) -> Result<bool, Error> {
    match core.store.run(None, parent).await? {
        Some(row) if row.status.is_ended() => {
            let journal = core.journal(parent).await?;
            let has_end = journal
                .events
                .iter()
                .any(|event| matches!(event, Event::EffectEnded { effect: ended, .. } if *ended == effect));
            Ok(!has_end)
        }
        _ => Ok(false),
    }
}

/// Has the run cancelled, wherever it is; does nothing when it has ended. Boxed: drivers cancel sub-runs, whose drivers
/// cancel theirs.
pub(crate) fn cancel(core: &Arc<Core>, run: RunId) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(tell(core, run, Entry::cancel))
}

/// Tells the run's driver something, and loads the run for that when it is not in memory.
pub(crate) async fn tell(core: &Arc<Core>, run: RunId, say: impl Fn(&Entry)) {
    while !core.registry.tell(run, &say) {
        let place = match Arc::clone(&core.places).try_acquire_owned() {
            Ok(place) => place,
            // Never closed.
            Err(_) => match Arc::clone(&core.urgent_places).acquire_owned().await {
                Ok(place) => place,
                Err(_) => return,
            },
        };
        // Taken by another since: it is in memory now.
        let Some(seat) = core.registry.enter(run) else { continue };
        say(&seat.entry);
        core.spawn(drive_stored(Arc::clone(core), run, seat.with_place(place)));
        return;
    }
}

/// After a commit that may or may not have gone through: the run is read again when that has settled.
pub(crate) fn look_again_later(core: &Arc<Core>, run: RunId) {
    const PAUSE: Duration = Duration::from_secs(1);
    let later = Arc::clone(core);
    core.spawn(async move {
        tokio::time::sleep(PAUSE).await;
        later.registry.wake(run);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_sort_by_number_and_pre_releases_do_not_count() {
        let highest = |versions: &[&str]| {
            versions
                .iter()
                .filter_map(|version| release_order(version).map(|order| (order, (*version).to_owned())))
                .max()
                .map(|(_, version)| version)
        };
        let rows: [(&[&str], Option<&str>); 4] = [
            (&["0.9.0", "0.10.0", "0.2.11"], Some("0.10.0")),
            (&["1.0.0", "2.0.0-rc.1"], Some("1.0.0")),
            (&["1.0.0+b1"], Some("1.0.0+b1")),
            (&["2.0.0-rc.1", "x", "1.2", "1.2.3.4"], None),
        ];
        for (versions, version) in rows {
            assert_eq!(highest(versions).as_deref(), version, "{versions:?}");
        }
    }
}
