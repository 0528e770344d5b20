//! Loads runs into memory as places come free: those that were woken, and those that the database says should run.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use levqor_model::RunId;
use tokio::time::Instant;

use crate::{
    core::{Backoff, Core},
    driver::drive_stored,
    health::Unreadable,
};

const PAGE: usize = 256;
/// After a pass that found unreadable rows: somebody may repair them.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A pass over the runs that should be in memory, oldest first.
#[derive(Debug, Default)]
struct Scan {
    page: VecDeque<RunId>,
    after: Option<String>,
    /// There may be another page.
    more: bool,
    unreadable: Unreadable,
    /// When the next pass begins, if not on demand.
    again: Option<Instant>,
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
                scan = Scan::begin();
                core.timers.reload();
                core.events.miss();
                continue;
            }
            tokio::select! {
                () = core.soft.cancelled() => return,
                () = core.backlog.changed() => continue,
                () = scan.due_again() => continue,
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
    fn begin() -> Self {
        Self { more: true, ..Self::default() }
    }

    /// Waits until another pass should begin, maybe for ever. Cancel safe.
    async fn due_again(&self) {
        match self.again {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn next(&mut self, core: &Core) -> Option<RunId> {
        if self.page.is_empty() && self.again.is_some_and(|at| at <= Instant::now()) {
            *self = Self::begin();
        }
        let mut backoff = Backoff::new();
        while self.page.is_empty() && self.more {
            match core.store.runs_to_drive(self.after.clone(), PAGE).await {
                Ok(page) => {
                    self.page = page.runs.into_iter().map(|run| run.id).collect();
                    self.unreadable.add(page.unreadable);
                    core.health.page_read(&self.unreadable);
                    self.more = page.next.is_some();
                    self.after = page.next;
                    if !self.more {
                        core.health.pass_over(&self.unreadable);
                        self.again = (!self.unreadable.is_empty()).then(|| Instant::now() + LOOK_AGAIN);
                    }
                }
                Err(reason) => {
                    if core.soft.is_cancelled() {
                        return None;
                    }
                    core.health.scan_failed(&reason);
                    tracing::warn!(error = %reason, "runs could not be looked for; trying again");
                    backoff.pause().await;
                }
            }
        }
        self.page.pop_front()
    }
}
