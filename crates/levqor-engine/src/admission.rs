//! Loads runs into memory as places come free: those that were woken, and those that the database says should run.

use std::{collections::VecDeque, sync::Arc};

use levqor_model::RunId;

use crate::{
    core::{Backoff, Core},
    driver::drive_stored,
};

const PAGE: usize = 256;

/// A pass over the runs that should be in memory, oldest first.
#[derive(Debug, Default)]
struct Scan {
    page: VecDeque<RunId>,
    after: Option<RunId>,
    /// There may be another page.
    more: bool,
}

/// Admits runs until the engine stops taking work.
pub(crate) async fn run(core: Arc<Core>) {
    let mut scan = Scan::default();
    let mut from_scan = false;
    loop {
        // Taking turns: neither a long scan nor a stream of wakes may starve the other.
        from_scan = !from_scan;
        let next = if from_scan {
            scan.next(&core).await.or_else(|| core.backlog.pop())
        } else {
            match core.backlog.pop() {
                Some(run) => Some(run),
                None => scan.next(&core).await,
            }
        };
        let Some(run) = next else {
            if core.backlog.take_forgot() {
                scan = Scan { more: true, ..Scan::default() };
                core.timers.reload();
                continue;
            }
            tokio::select! {
                () = core.soft.cancelled() => return,
                () = core.backlog.changed() => continue,
            }
        };
        if core.registry.contains(run) {
            continue;
        }
        let place = tokio::select! {
            () = core.soft.cancelled() => return,
            place = Arc::clone(&core.places).acquire_owned() => place,
        };
        // Never closed.
        let Ok(place) = place else { return };
        if let Some(seat) = core.registry.enter(run) {
            core.spawn(drive_stored(Arc::clone(&core), run, seat.with_place(place)));
        }
    }
}

impl Scan {
    async fn next(&mut self, core: &Core) -> Option<RunId> {
        let mut backoff = Backoff::new();
        while self.page.is_empty() && self.more {
            match core.store.runs_to_drive(self.after, PAGE).await {
                Ok(page) => {
                    self.more = page.len() == PAGE;
                    self.after = page.last().map(|run| run.id).or(self.after);
                    self.page = page.into_iter().map(|run| run.id).collect();
                }
                Err(reason) => {
                    if core.soft.is_cancelled() {
                        return None;
                    }
                    tracing::warn!(error = %reason, "runs could not be looked for; trying again");
                    backoff.pause().await;
                }
            }
        }
        self.page.pop_front()
    }
}
