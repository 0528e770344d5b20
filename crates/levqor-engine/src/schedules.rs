//! Workflows that start by themselves.
//!
//! A due time starts at most one run in the whole cluster: the run is accepted together with the firing, which is unique.
//! Whether another run is in its way is decided in the same transaction, and a due time that waits for that run's end is
//! a row: the end of the run rings the bell, and a look now and then finds what a crash left.
//!
//! After a pause of the service, [`misfire`] decides which of the missed due times fire.

pub(crate) mod misfire;

use std::{sync::Arc, time::Duration};

use levqor_flow::definition::Workflow;
use levqor_model::{Overlap, Timestamp, TriggerKind};
use levqor_store::{
    queue::Admitted,
    runs::{Due, Firing, Run},
    schedules::{DueSchedule, Passed},
};
use serde_json::{Map, Value};

use crate::{Error, core::Core, start::Start, sub_run};

const PAGE: usize = 100;
/// Schedules that others saved are noticed after at most this long.
const NAP_MAX: Duration = Duration::from_secs(1);
/// How long a schedule rests whose workflow this build cannot use.
const REST: Duration = Duration::from_secs(60 * 60);

/// Fires schedules until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let nap = match fire_due(&core).await {
            Ok(nap) => nap,
            Err(Error::Draining) => return,
            Err(reason) => {
                tracing::warn!(error = %reason, "schedules could not be looked at; trying again");
                NAP_MAX
            }
        };
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            () = core.schedules_bell.notified() => {}
        }
    }
}

/// Fires what is due, and says how long it is until the next look.
async fn fire_due(core: &Arc<Core>) -> Result<Duration, Error> {
    release(core).await?;
    let now = core.clock.now();
    let due = core.store.due_schedules(now, PAGE).await?;
    let full = due.len() == PAGE;
    let mut moved = false;
    for schedule in due {
        match fire(core, &schedule, now).await {
            Ok(()) => moved = true,
            Err(Error::Draining) => return Err(Error::Draining),
            Err(reason) => {
                tracing::error!(
                    workflow.id = %schedule.workflow_id, error = %reason,
                    "the schedule of workflow {} could not fire at {}", schedule.workflow_id, schedule.due_at
                );
            }
        }
    }
    if full && moved {
        return Ok(Duration::ZERO);
    }
    let next = core.store.next_schedule_due().await?;
    let until = match next {
        Some(next) if next > now => next.since(now),
        // More of the missed due times of a schedule that fires them all.
        Some(_) if moved => return Ok(Duration::ZERO),
        // What could not be moved is still due: it waits for the next look too.
        _ => NAP_MAX,
    };
    Ok(until.min(NAP_MAX) + Duration::from_millis(1))
}

async fn fire(core: &Arc<Core>, due: &DueSchedule, now: Timestamp) -> Result<(), Error> {
    let workflow = match core.definition(due.workflow_id, &due.version).await {
        Ok(workflow) => workflow,
        Err(reason @ (Error::Definition { .. } | Error::VersionNotFound { .. })) => {
            core.store
                .pass_over(due.workflow_id, due.due_at, Some(now + REST), Passed { skipped: 1, missed: 0 })
                .await?;
            return Err(reason);
        }
        Err(reason) => return Err(reason),
    };
    let Some(schedule) = &workflow.schedule else {
        return pass_over(core, due, None, Passed::default()).await;
    };
    let policy = workflow.policy.schedule;
    let plan = misfire::plan(schedule, &policy, due.anchor_at, due.due_at, now);
    if plan.missed > 0 {
        tracing::warn!(
            workflow.id = %due.workflow_id, missed = plan.missed,
            "{}{} due times of workflow {} passed while nobody was there to fire them",
            if plan.missed == misfire::COUNT_MAX { "at least " } else { "" }, plan.missed, due.workflow_id
        );
    }
    let missed = Passed { missed: i64::try_from(plan.missed).unwrap_or(i64::MAX), skipped: 0 };
    let Some(fires_at) = plan.fires_at else {
        return pass_over(core, due, plan.next_at, missed).await;
    };
    if fires_at != due.due_at {
        // The row names the due time that fires, so that the firing can be told from others.
        pass_over(core, due, Some(fires_at), missed).await?;
    }
    let firing =
        Due { due_at: fires_at, next_due_at: plan.next_at, overlap: policy.overlap, was_buffered: false };
    let current = DueSchedule { due_at: fires_at, ..due.clone() };
    match start(core, &current, firing).await {
        // Another node, or this one before it was interrupted.
        Ok(Admitted::Already(_)) => pass_over(core, &current, plan.next_at, Passed::default()).await,
        Ok(Admitted::Buffered) => {
            // There may be a run to cancel for it, or it has just become free.
            core.schedules_bell.notify_one();
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(reason) if is_refusal(&reason) => {
            pass_over(core, &current, plan.next_at, Passed { skipped: 1, missed: 0 }).await?;
            Err(reason)
        }
        Err(reason) => Err(reason),
    }
}

/// Starts what was buffered and is free now, and cancels what is in the way of due times that want it so.
async fn release(core: &Arc<Core>) -> Result<(), Error> {
    for run in core.store.runs_in_the_way(PAGE).await? {
        sub_run::cancel(core, run).await;
    }
    for buffered in core.store.released_firings(PAGE).await? {
        let (workflow, due_at) = (buffered.workflow_id, buffered.due_at);
        // The overlap that was asked for has done its part: what waits starts alone, whatever the version says by now.
        let overlap = Overlap::BufferAll;
        let firing = Due { due_at, next_due_at: None, overlap, was_buffered: true };
        match start(core, &buffered, firing).await {
            Ok(_) => {}
            Err(Error::Draining) => return Err(Error::Draining),
            Err(reason) => {
                tracing::error!(
                    workflow.id = %workflow, error = %reason,
                    "the buffered due time {due_at} of workflow {workflow} could not start a run"
                );
                if is_refusal(&reason)
                    || matches!(reason, Error::Definition { .. } | Error::VersionNotFound { .. })
                {
                    core.store.drop_buffered(workflow, due_at).await?;
                }
            }
        }
    }
    Ok(())
}

/// Trying again soon would end in the same way.
fn is_refusal(reason: &Error) -> bool {
    matches!(reason, Error::TooManyRuns { .. } | Error::QueueFull { .. } | Error::ConcurrencyKey(_))
}

async fn start(core: &Arc<Core>, due: &DueSchedule, firing: Due) -> Result<Admitted, Error> {
    let start = Start {
        account_id: due.account_id,
        workflow_id: due.workflow_id,
        version: due.version.clone(),
        input: Value::Object(Map::new()),
        trigger: TriggerKind::Schedule,
        residency: None,
        home_region: None,
        parent: None,
        depth: 0,
        retry_of: None,
        firing: Some(Firing::Due(firing)),
        assumed: None,
    };
    start.accept(core).await.map(|started| started.admitted)
}

async fn pass_over(
    core: &Core,
    due: &DueSchedule,
    next: Option<Timestamp>,
    passed: Passed,
) -> Result<(), Error> {
    // False: it was moved by another, or the workflow was saved anew.
    core.store.pass_over(due.workflow_id, due.due_at, next, passed).await?;
    Ok(())
}

/// Before a run's end is written: the schedule that counts from ends learns its next due time. Before and not after,
/// so that a crash between the two fires early by a moment instead of never.
pub(crate) async fn run_ends(core: &Core, run: &Run, workflow: &Workflow, at: Timestamp) {
    let counts_from_ends =
        |workflow: &Workflow| workflow.schedule.as_ref().and_then(|schedule| schedule.after);
    if counts_from_ends(workflow).is_none() {
        return;
    }
    if let Err(reason) = set_after(core, run, at).await {
        tracing::warn!(
            run.id = %run.id, error = %reason,
            "the next start of workflow {} could not be set", run.workflow_id
        );
    }
}

async fn set_after(core: &Core, run: &Run, at: Timestamp) -> Result<(), Error> {
    // The version in force counts, not the one that ran.
    let Some(row) = core.store.workflow(run.account_id, run.workflow_id).await? else { return Ok(()) };
    let current = core.definition(row.id, &row.version).await?;
    let Some(after) = current.schedule.as_ref().and_then(|schedule| schedule.after) else { return Ok(()) };
    let next = at + after;
    let was = core.store.schedule_next(row.id).await?;
    if was.is_none_or(|was| next < was) && core.store.set_schedule_due(row.id, was, Some(next)).await? {
        core.schedules_bell.notify_one();
    }
    Ok(())
}
