//! Waiting for mail, and leaving memory when it will be long in coming.

use std::time::Duration;

use levqor_model::{RunStatus, Timestamp};

use super::{Driver, Stop};
use crate::{pending::Pending, tasks::Window, watch::Live};

/// A timer nearer than this is waited for in memory: loading the run again would cost more.
const NEAR: Duration = Duration::from_secs(5);
/// How long a run that waits for sub-runs only stays: most are short.
const LINGER: Duration = Duration::from_secs(1);

impl Driver {
    /// Returns when there is something to look at.
    pub(super) async fn wait(&mut self) -> Result<(), Stop> {
        loop {
            if self.seat.entry.has_mail() {
                return Ok(());
            }
            let busy = self.is_busy();
            let stopping = self.core.soft.is_cancelled();
            if stopping && !busy {
                return Err(Stop::Drained);
            }
            let linger = if busy { None } else { self.linger() };
            let waited = async {
                match linger {
                    None => std::future::pending().await,
                    Some(span) => tokio::time::sleep(span).await,
                }
            };
            tokio::select! {
                biased;
                () = self.seat.entry.bell.notified() => {
                    // Mail, or a watcher.
                    return Ok(());
                }
                () = self.core.soft.cancelled(), if !stopping => {}
                () = waited => {
                    self.write_waiting_for().await?;
                    if !self.is_busy() && self.seat.leave_if_quiet() {
                        return Err(Stop::Left);
                    }
                }
            }
        }
    }

    /// After how long of silence the run may leave memory; None when something is near.
    fn linger(&self) -> Option<Duration> {
        let near: Timestamp = self.core.clock.now() + NEAR;
        if self.status() == RunStatus::Suspended {
            return Some(Duration::ZERO);
        }
        let pending = self.seat.entry.pending();
        if pending.values().any(|item| matches!(item, Pending::Timer { at, .. } if *at <= near)) {
            return None;
        }
        let sub_runs = pending.values().any(|item| matches!(item, Pending::SubRun { .. }));
        Some(if sub_runs && self.core.backlog.is_empty() { LINGER } else { Duration::ZERO })
    }

    /// Begins to keep whole task records when somebody began to watch, and stops when nobody does.
    pub(super) async fn follow_watchers(&mut self) {
        let wanted = self.core.watchers.wanted(self.run.id);
        if !wanted {
            self.notepad.live = None;
        } else if self.notepad.live.is_none() {
            // The machine is idle and all of it is in the journal, so the journal's open tasks are the machine's.
            match self.core.records(&self.run, Window::Open).await {
                Ok(open) => self.notepad.live = Some(Live::new(self.core.region.clone(), open)),
                Err(reason) => {
                    tracing::warn!(run.id = %self.run.id, error = %reason, "the run cannot be watched now");
                }
            }
        }
    }
}
