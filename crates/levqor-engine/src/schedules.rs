//! Workflows that start by themselves.
//!
//! A due time starts one run in the whole cluster: the run is accepted together with the firing, which is unique. After a
//! pause of the service the latest missed due time fires once, if it is not older than an hour; the others are skipped.

use std::{sync::Arc, time::Duration};

use levqor_flow::{definition::Workflow, schedule::Schedule};
use levqor_model::{Timestamp, TriggerKind};
use levqor_store::{
    runs::{Accepted, Firing, Run},
    schedules::DueSchedule,
};
use serde_json::{Map, Value};

use crate::{Error, core::Core, start::Start};

const PAGE: usize = 100;
/// Missed due times older than this are not made up for.
const CATCH_UP: Duration = Duration::from_secs(60 * 60);
/// Schedules that others saved are noticed after at most this long.
const NAP_MAX: Duration = Duration::from_secs(1);
/// How long a schedule rests whose workflow this build cannot use.
const REST: Duration = Duration::from_secs(60 * 60);
/// Skipped due times are counted up to here, for the log.
const COUNT_MAX: usize = 1_000;

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
    // What could not be moved is still due: it waits for the next look too.
    let until = next.map_or(NAP_MAX, |next| if next > now { next.since(now) } else { NAP_MAX });
    Ok(until.min(NAP_MAX) + Duration::from_millis(1))
}

async fn fire(core: &Arc<Core>, due: &DueSchedule, now: Timestamp) -> Result<(), Error> {
    let workflow = match core.definition(due.workflow_id, &due.version).await {
        Ok(workflow) => workflow,
        Err(reason @ (Error::Definition { .. } | Error::VersionNotFound { .. })) => {
            move_on(core, due, Some(now + REST)).await?;
            return Err(reason);
        }
        Err(reason) => return Err(reason),
    };
    let Some(schedule) = &workflow.schedule else {
        return move_on(core, due, None).await;
    };
    let plan = plan(schedule, due.anchor_at, due.due_at, now);
    if plan.skipped > 0 {
        tracing::warn!(
            workflow.id = %due.workflow_id, skipped = plan.skipped,
            "{}{} due times of workflow {} passed while nobody was there to fire them",
            if plan.skipped == COUNT_MAX { "at least " } else { "" }, plan.skipped, due.workflow_id
        );
    }
    let Some(fires_at) = plan.fires_at else {
        return move_on(core, due, plan.next_at).await;
    };
    if fires_at != due.due_at {
        // The row names the due time that fires, so that the firing can be told from others.
        move_on(core, due, Some(fires_at)).await?;
    }
    let started = Start {
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
        firing: Some(Firing { due_at: fires_at, next_due_at: plan.next_at }),
    }
    .accept(core)
    .await;
    let current = DueSchedule { due_at: fires_at, ..due.clone() };
    match started.map(|started| started.accepted) {
        Ok(Accepted::New) => Ok(()),
        // Another node, or this one before it was interrupted.
        Ok(Accepted::Already(_)) => move_on(core, &current, plan.next_at).await,
        Err(reason @ Error::TooManyRuns { .. }) => {
            move_on(core, &current, plan.next_at).await?;
            Err(reason)
        }
        Err(reason) => Err(reason),
    }
}

async fn move_on(core: &Core, due: &DueSchedule, next: Option<Timestamp>) -> Result<(), Error> {
    // False: it was moved by another, or the workflow was saved anew.
    core.store.set_schedule_due(due.workflow_id, Some(due.due_at), next).await?;
    Ok(())
}

/// What to do with a due time that has come.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The due time that starts a run; None when the latest is too old.
    fires_at: Option<Timestamp>,
    next_at: Option<Timestamp>,
    /// Due times that start nothing, at most [`COUNT_MAX`].
    skipped: usize,
}

fn plan(schedule: &Schedule, anchor: Timestamp, due_at: Timestamp, now: Timestamp) -> Plan {
    let next_at = schedule.next(anchor, now);
    let latest = latest_due(schedule, anchor, due_at, now);
    let mut skipped = 0;
    let mut at = due_at;
    while at < latest && skipped < COUNT_MAX {
        skipped += 1;
        match schedule.next(anchor, at) {
            Some(later) if later > at => at = later,
            _ => break,
        }
    }
    let fires = now.since(latest) <= CATCH_UP;
    if !fires {
        skipped = (skipped + 1).min(COUNT_MAX);
    }
    Plan { fires_at: fires.then_some(latest), next_at, skipped }
}

/// The last due time at or before `now`, from `due_at` on. Looks back in doubling steps: a schedule of seconds that was missed for a
/// year is not walked through.
fn latest_due(schedule: &Schedule, anchor: Timestamp, due_at: Timestamp, now: Timestamp) -> Timestamp {
    let mut back = Duration::from_millis(100);
    let mut at = due_at;
    while now - back > due_at {
        if let Some(found) = schedule.next(anchor, now - back).filter(|found| *found <= now) {
            at = at.max(found);
            break;
        }
        back *= 2;
    }
    while let Some(later) = schedule.next(anchor, at).filter(|later| *later <= now && *later > at) {
        at = later;
    }
    at
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
