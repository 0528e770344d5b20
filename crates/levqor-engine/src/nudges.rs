//! What nodes ask of each other's runs, and what they hear of each other's events.
//!
//! A run is driven by its owner only. What this node has for a run that turns out to be another's goes there as a nudge: the
//! owner looks for nudges often, and does what it would have done for a caller of its own. Nothing depends on one:
//! whoever asked looks at the run's row, and asks again.

use std::{sync::Arc, time::Duration};

use levqor_flow::{event::CloudEvent, machine::EffectId};
use levqor_model::{AccountId, RunId};
use levqor_store::events::StoredEvent;
use serde::{Deserialize, Serialize};

use crate::{
    approvals,
    core::Core,
    pending::Pending,
    registry::{Entry, Wish},
    sub_run,
};

/// How often a node looks for what others want of its runs, and for their events.
const LOOK_EVERY: Duration = Duration::from_millis(100);
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
    loop {
        match core.store.take_nudges(core.node, PAGE).await {
            Ok(nudges) => {
                let full = nudges.len() == PAGE;
                for nudge in nudges {
                    match serde_json::from_str(&nudge.body) {
                        Ok(wanted) => heed(&core, nudge.run_id, wanted).await,
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
            () = tokio::time::sleep(LOOK_EVERY) => {}
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
    loop {
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
            () = tokio::time::sleep(LOOK_EVERY) => {}
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
