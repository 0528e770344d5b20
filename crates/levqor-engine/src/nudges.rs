//! What nodes ask of each other's runs, and what they hear of each other's events.
//!
//! A run is driven by its owner only. What this node has for a run that turns out to be another's goes there as a nudge: the
//! owner looks for nudges often, and does what it would have done for a caller of its own. Nothing depends on one:
//! whoever asked looks at the run's row, and asks again.
//!
//! Where the store brings hints of other nodes, all of this happens at once instead of at the next look, and looks are rarer.

use std::{sync::Arc, time::Duration};

use levqor_flow::{event::CloudEvent, machine::EffectId};
use levqor_model::{AccountId, RunId};
use levqor_store::events::StoredEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, broadcast, oneshot, watch};

use crate::{
    approvals,
    core::Core,
    pending::Pending,
    registry::{Entry, Wish},
    sub_run,
};

/// How often a node looks for what others want of its runs, and for their events.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// And while it hears hints of them.
const LOOK_EVERY_TOLD: Duration = Duration::from_millis(500);
/// How long the answer to a nudge is waited for, to be told to whoever left it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Answers that are waited for at once; others are seen by whoever looks.
const ANSWERS_MAX: usize = 64;
const PAGE: usize = 256;
/// Types that accounts have named on other nodes are known here after so long.
const SUBSCRIBERS_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Nudge {
    /// Something that it waits for may be there.
    Look,
    /// Events were published that it may want.
    Events,
    Cancel,
    Suspend {
        by: String,
    },
    Resume {
        before: i64,
    },
}

/// The nudge to look at what the run waits for.
pub(crate) fn look() -> String {
    body(&Nudge::Look)
}

fn body(nudge: &Nudge) -> String {
    // Names and texts always have a JSON form.
    serde_json::to_string(nudge).unwrap_or_default()
}

/// Sends what somebody here wants of a run that another node drives.
pub(crate) async fn forward(core: &Core, run: RunId, entry: &Entry) {
    let mut nudges = Vec::new();
    if entry.cancel_requested() {
        nudges.push(Nudge::Cancel);
    }
    match entry.take_wish() {
        Some(Wish::Suspend { by }) => nudges.push(Nudge::Suspend { by }),
        Some(Wish::Resume { before }) => nudges.push(Nudge::Resume { before }),
        None => {}
    }
    if entry.take_events() {
        nudges.push(Nudge::Events);
    }
    if nudges.is_empty() {
        nudges.push(Nudge::Look);
    }
    for nudge in nudges {
        if let Err(reason) = core.store.nudge(run, body(&nudge), core.clock.now()).await {
            tracing::warn!(run.id = %run, error = %reason, "the owner of run {run} could not be told what is wanted of it");
        }
    }
}

/// Does what others want of this node's runs, until the engine stops taking work.
pub(crate) async fn take(core: Arc<Core>) {
    let mut told = core.store.hints().nudges();
    let answers = Arc::new(Semaphore::new(ANSWERS_MAX));
    loop {
        // What is told from here on asks for another look.
        told.mark_unchanged();
        match core.store.take_nudges(core.node, PAGE).await {
            Ok(nudges) => {
                let full = nudges.len() == PAGE;
                for nudge in nudges {
                    match serde_json::from_str(&nudge.body) {
                        Ok(wanted) => {
                            answer(&core, &answers, nudge.run_id, &wanted).await;
                            heed(&core, nudge.run_id, wanted).await;
                        }
                        Err(reason) => {
                            // Of a newer build; whoever asked asks again, or does without.
                            tracing::warn!(run.id = %nudge.run_id, %reason, "another node wants something that this one does not know");
                        }
                    }
                }
                if full {
                    continue;
                }
            }
            Err(reason) => {
                tracing::warn!(error = %reason, "what other nodes want could not be looked at; trying again")
            }
        }
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = pause(&core, &mut told) => {}
        }
    }
}

/// Until it is time to look again: at the next hint, or after a while.
async fn pause(core: &Core, told: &mut watch::Receiver<()>) {
    let hints = core.store.hints();
    let longest = if hints.are_heard() { LOOK_EVERY_TOLD } else { LOOK_EVERY };
    // Both are good: it is told, the time is over, or nobody tells any more.
    let _ = tokio::time::timeout(longest, async {
        if told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await;
}

/// Tells other nodes when the run has turned, for the one that wants it to. What comes after this call is not missed.
async fn answer(core: &Arc<Core>, answers: &Arc<Semaphore>, run: RunId, wanted: &Nudge) {
    if !matches!(wanted, Nudge::Cancel | Nudge::Suspend { .. } | Nudge::Resume { .. }) {
        return;
    }
    let Ok(place) = Arc::clone(answers).try_acquire_owned() else { return };
    let (waits, is_waiting) = oneshot::channel::<()>();
    let waiting = Arc::clone(core);
    core.spawn(async move {
        let core = waiting;
        let waiter = core.ends.waiter(run);
        let (mut ended, mut turned) = (std::pin::pin!(waiter.ended()), std::pin::pin!(waiter.turned()));
        ended.as_mut().enable();
        turned.as_mut().enable();
        drop(waits);
        tokio::select! {
            () = ended => {}
            () = turned => {}
            // Then it is seen by whoever looks.
            () = tokio::time::sleep(ANSWER_WITHIN) => return,
        }
        if let Err(reason) = core.store.tell_of_run(run).await {
            tracing::debug!(run.id = %run, error = %reason, "other nodes were not told of run {run}; they look");
        }
        drop(place);
    });
    // An error: it waits, or the engine stops.
    let _ = is_waiting.await;
}

/// Has those who wait here for a run of another node look at it when that says so, until the engine stops taking work.
pub(crate) async fn heed_answers(core: Arc<Core>) {
    let mut runs = core.store.hints().runs();
    loop {
        let told = tokio::select! {
            () = core.soft.cancelled() => return,
            told = runs.recv() => told,
        };
        match told {
            Ok(run) => {
                core.ends.announce(run);
                core.ends.turn(run);
            }
            // Whoever waits looks by itself.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn heed(core: &Arc<Core>, run: RunId, nudge: Nudge) {
    match nudge {
        Nudge::Cancel => sub_run::cancel(core, run).await,
        Nudge::Suspend { by } => {
            let wish = Wish::Suspend { by };
            sub_run::tell(core, run, |entry| entry.wish(wish.clone())).await;
        }
        Nudge::Resume { before } => {
            sub_run::tell(core, run, |entry| entry.wish(Wish::Resume { before })).await;
        }
        Nudge::Events => {
            if !core.registry.tell_of_events(run) {
                core.registry.wake(run);
            }
        }
        Nudge::Look => match core.registry.get(run) {
            // Loading looks by itself.
            None => core.registry.wake(run),
            Some(entry) => {
                let waits: Vec<(EffectId, Pending)> =
                    entry.pending().iter().map(|(effect, item)| (*effect, item.clone())).collect();
                for (effect, item) in waits {
                    match item {
                        Pending::Approval { .. } => approvals::look(core, run, effect).await,
                        Pending::SubRun { child: Some(child), .. } => {
                            sub_run::look(core, run, effect, child).await;
                        }
                        _ => {}
                    }
                }
                // It may have been on its way out.
                core.registry.wake(run);
            }
        },
    }
}

/// Announces events that other nodes have published, and learns whom they tell of the life of runs.
pub(crate) async fn hear(core: Arc<Core>) {
    let mut heard = None;
    let mut subscribers_at = None;
    let mut told = core.store.hints().events();
    loop {
        told.mark_unchanged();
        if let Err(reason) = listen(&core, &mut heard).await {
            tracing::warn!(error = %reason, "events of other nodes could not be looked for; trying again");
        }
        let now = tokio::time::Instant::now();
        if subscribers_at.is_none_or(|at| now.duration_since(at) >= SUBSCRIBERS_EVERY) {
            subscribers_at = Some(now);
            match core.store.lifecycle_subscribers().await {
                Ok(subscribers) => {
                    for (account, kind) in subscribers {
                        core.lifecycle.add(account, [kind.as_str()]);
                    }
                }
                Err(reason) => {
                    tracing::warn!(error = %reason, "who is told of runs could not be read; trying again")
                }
            }
        }
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = pause(&core, &mut told) => {}
        }
    }
}

/// Announces what came after `heard`: this node's own events too, which its listeners have read by then.
async fn listen(core: &Core, heard: &mut Option<i64>) -> Result<(), levqor_store::Error> {
    let Some(after) = *heard else {
        // The first sweep looks at all that was before.
        *heard = Some(core.store.newest_event().await?);
        return Ok(());
    };
    loop {
        let page = core.store.events_since(after.max(heard.unwrap_or(after)), PAGE).await?;
        let Some((_, last)) = page.last() else { return Ok(()) };
        *heard = Some(last.seq);
        let full = page.len() == PAGE;
        for (account, stored) in page {
            announce(core, account, &stored);
        }
        if !full || core.soft.is_cancelled() {
            return Ok(());
        }
    }
}

fn announce(core: &Core, account: AccountId, stored: &StoredEvent) {
    match serde_json::from_str::<CloudEvent>(&stored.body) {
        Ok(event) => core.events.announce(account, stored.seq, Arc::new(event)),
        // What cannot be read here can't be read by runs either, which pass it over.
        Err(_) => core.events.miss(),
    }
}
