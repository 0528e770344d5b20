//! Looks for live runs that nothing moves.
//!
//! Every live run is in memory, or queued, or suspended, or has a timer that is not overdue, or a sub-run that has not ended, or
//! listens for events, or waits for the answer of a person. Its owner lives. One that is none of these lost what should have moved it (a wake that
//! was lost, a row that was damaged): it is woken, and loading it sets right what can be. One that cannot be loaded is reported,
//! whatever it waits for, and every process tries it once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use levqor_model::{RunId, RunStatus, Timestamp};
use levqor_store::runs::{LiveRun, Run};
use tokio::sync::Mutex;

use crate::{
    core::{Backoff, Core},
    driver::CANNOT_GO_ON,
};

const EVERY: Duration = Duration::from_secs(60);
const PAGE: usize = 500;
/// A timer that is due may be on its way this long.
const GRACE: Duration = Duration::from_secs(60);
/// Runs remembered from pass to pass; more are found again by the next.
const WOKEN_MAX: usize = 10_000;

/// How many runs nothing moves, and why the first of them doesn't.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stuck {
    /// Whether any look is over: before, nothing is known.
    pub looked: bool,
    pub runs: usize,
    /// The run's id as it stands in its row, and the reason.
    pub first: Option<(String, String)>,
}

impl Stuck {
    fn add(&mut self, run: impl ToString, reason: &str) {
        self.runs += 1;
        if self.first.is_none() {
            self.first = Some((run.to_string(), reason.to_owned()));
        }
    }

    /// In one sentence; None when there are none.
    pub fn sentence(&self) -> Option<String> {
        let (run, reason) = self.first.as_ref()?;
        Some(match self.runs.saturating_sub(1) {
            0 => format!("run {run} is stuck: {reason}"),
            more => format!("run {run} is stuck, and {more} more: {reason}"),
        })
    }
}

/// Runs that the last pass woke, each with the place of its next journal entry then.
#[derive(Debug, Default)]
pub(crate) struct Woken(Mutex<HashMap<RunId, i64>>);

/// Looks now and then until the engine stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        pass(&core).await;
    }
}

/// Takes what a process before this one has still accepted while this one began. Of nodes among several, the cluster takes care.
async fn take_late(core: &Core) {
    if core.is_shared() {
        return;
    }
    match core.store.own_live_runs(core.node, core.epoch, core.clock.now()).await {
        Ok(0) => {}
        Ok(runs) => {
            tracing::warn!(runs, "{runs} runs that a process before this one had accepted go on here");
            core.backlog.forget();
        }
        Err(reason) => tracing::warn!(error = %reason, "runs without an owner could not be looked for"),
    }
}

/// One look at every live run.
pub(crate) async fn pass(core: &Core) {
    take_late(core).await;
    let mut woken = core.woken.0.lock().await;
    let before = std::mem::take(&mut *woken);
    let mut stuck = Stuck { looked: true, ..Stuck::default() };
    let mut after = None;
    let mut backoff = Backoff::new();
    loop {
        let page = match core.store.live_runs(after.clone(), PAGE).await {
            Ok(page) => page,
            Err(reason) => {
                if core.soft.is_cancelled() || !reason.is_retryable() {
                    tracing::warn!(error = %reason, "live runs could not be looked over");
                    return;
                }
                backoff.pause().await;
                continue;
            }
        };
        for row in &page.unreadable {
            stuck.add(&row.id, &format!("its row cannot be read ({})", row.reason));
        }
        let now = core.clock.now();
        for live in page.runs.iter().filter(|live| !moves(core, live, now)) {
            let run = &live.run;
            let given_up = is_given_up(run);
            let was_woken = before.get(&run.id) == Some(&run.next_seq);
            if given_up {
                stuck.add(run.id, run.waiting_for.as_deref().unwrap_or_default());
            } else if was_woken {
                stuck.add(run.id, "nothing moves it, and it does not move when it is woken");
            }
            // What was given up is tried again by the next process, which may be of another build.
            if !(given_up && was_woken) {
                core.registry.wake(run.id);
            }
            if woken.len() < WOKEN_MAX {
                woken.insert(run.id, run.next_seq);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if let Some(sentence) = stuck.sentence() {
        tracing::error!(runs.stuck = stuck.runs, "{sentence}");
    }
    core.health.swept(stuck);
}

fn is_given_up(run: &Run) -> bool {
    run.waiting_for.as_ref().is_some_and(|why| why.starts_with(CANNOT_GO_ON))
}

/// Whether something will move the run.
fn moves(core: &Core, live: &LiveRun, now: Timestamp) -> bool {
    let run = &live.run;
    let is_driven = core.registry.contains(run.id) || core.backlog.ahead_of(run.id).is_some();
    if is_given_up(run) {
        // What it waits for would wake it in vain.
        return is_driven;
    }
    is_driven
        || run.status == RunStatus::Suspended
        || live.has_live_child
        || live.has_listener
        || live.is_queued
        || live.has_question
        || live.next_timer.is_some_and(|due| due + GRACE > now)
}
