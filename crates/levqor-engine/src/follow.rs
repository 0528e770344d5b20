//! Live updates of runs that another node drives: read from their rows and journals, for as long as somebody watches here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use levqor_model::{RunId, RunStatus};
use levqor_store::runs::Run;

use crate::{Error, RunUpdate, TaskRecord, core::Core, tasks::Window};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Tasks that are looked at, from the first that has not ended on.
const TASKS_MAX: usize = 500;

/// What watchers have been told.
#[derive(Debug, Default)]
struct Told {
    seen: Option<(i64, RunStatus)>,
    tasks: BTreeMap<u64, TaskRecord>,
    /// All tasks up to this one have ended, and that was told.
    through: u64,
}

/// Looks at the run until it has ended, or nobody watches it. While it is this node's, its driver tells.
pub(crate) async fn follow(core: Arc<Core>, run: RunId) {
    let Some(_only) = core.watchers.follow(run) else { return };
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if !core.watchers.wanted(run) {
            return;
        }
        match look(&core, run, &mut told).await {
            Ok(true) => {}
            Ok(false) => {
                core.watchers.close(run);
                return;
            }
            Err(reason) => {
                tracing::debug!(run.id = %run, error = %reason, "a run that is watched could not be looked at");
            }
        }
    }
}

/// False when the run has ended, or is gone.
async fn look(core: &Core, run: RunId, told: &mut Told) -> Result<bool, Error> {
    let Some(row) = core.store.run(None, run).await? else { return Ok(false) };
    if row.status.is_ended() {
        tell_of(core, &row, told).await?;
        return Ok(false);
    }
    let now = (row.next_seq, row.status);
    if row.owner != Some(core.node) && told.seen != Some(now) {
        tell_of(core, &row, told).await?;
        told.seen = Some(now);
    }
    Ok(true)
}

async fn tell_of(core: &Core, row: &Run, told: &mut Told) -> Result<(), Error> {
    let mask = core.mask(row).await?;
    let records = core.records(row, Window::Page { after: told.through, limit: TASKS_MAX }).await?;
    let mut updates = Vec::new();
    for record in records.into_iter().map(|record| mask.task(record)) {
        if told.tasks.get(&record.task) != Some(&record) {
            told.tasks.insert(record.task, record.clone());
            updates.push(RunUpdate::Task(Arc::new(record)));
        }
    }
    while let Some(first) = told.tasks.first_entry()
        && first.get().ended_at.is_some()
    {
        told.through = *first.key();
        first.remove();
    }
    updates.push(RunUpdate::Run { status: row.status, at: core.clock.now() });
    core.watchers.publish(row.id, updates);
    Ok(())
}
