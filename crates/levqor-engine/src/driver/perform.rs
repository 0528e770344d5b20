//! Performs effects that are allowed to happen: what led to them is durable.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use levqor_flow::machine::{
    Effect, EffectId, HttpRequest, Machine, Outcome, ProcessCall, ServiceCall, SubRun,
};
use levqor_model::{AccountId, RunId, RunStatus};
use serde_json::Value;
use tokio::task::{AbortHandle, JoinHandle};

use super::Driver;
use crate::{core::Core, fault::Point, registry::Mail, services, sub_run};

/// An effect that was begun.
#[derive(Debug)]
pub(super) enum InFlight {
    /// A call or a process. `claimed` by whoever comes first: it, to begin, or a suspension, to keep it from that.
    Call { task: AbortHandle, claimed: Arc<AtomicBool> },
    /// Ends when the sub-run is accepted, with its id; until then it is `busy`.
    SubRun { acceptance: JoinHandle<Option<RunId>>, busy: Arc<AtomicBool> },
}

impl InFlight {
    /// Whether somebody works on it here; a sub-run that was accepted needs nobody.
    fn is_busy(&self) -> bool {
        match self {
            InFlight::Call { task, .. } => !task.is_finished(),
            InFlight::SubRun { busy, .. } => busy.load(Ordering::SeqCst),
        }
    }
}

impl Driver {
    pub(super) fn perform(&mut self, mut effects: Vec<Effect>) {
        let suspended = self.status() == RunStatus::Suspended;
        if self.withheld && !suspended {
            self.withheld = false;
            effects.extend(self.not_begun(&effects));
        }
        for effect in effects {
            match effect {
                Effect::Abandon { id } => self.abandon(id),
                Effect::Timer { .. } | Effect::Listen { .. } => {}
                _ if suspended => self.withheld = true,
                // The next start performs it: it is pending in the journal.
                _ if self.core.soft.is_cancelled() => {}
                Effect::CallHttp { id, call } => {
                    let owner = (self.run.id, self.run.account_id);
                    let claimed = Arc::new(AtomicBool::new(false));
                    let work = perform_call(Arc::clone(&self.core), owner, id, call, Arc::clone(&claimed));
                    let task = self.core.spawn_task(work).abort_handle();
                    self.in_flight.insert(id, InFlight::Call { task, claimed });
                }
                Effect::RunProcess { id, call } => {
                    let claimed = Arc::new(AtomicBool::new(false));
                    let work =
                        perform_process(Arc::clone(&self.core), self.run.id, id, call, Arc::clone(&claimed));
                    let task = self.core.spawn_task(work).abort_handle();
                    self.in_flight.insert(id, InFlight::Call { task, claimed });
                }
                Effect::CallService { id, call } => self.call_service(id, call),
                Effect::RunWorkflow { id, call } => {
                    let busy = Arc::new(AtomicBool::new(true));
                    let acceptance = self.accept_sub_run(id, call, Arc::clone(&busy));
                    self.in_flight.insert(id, InFlight::SubRun { acceptance, busy });
                }
                // It was published with the entry that asked for it.
                Effect::Emit { id, event, .. } => {
                    let outcome = Outcome::Output(Value::Object(event.as_value().clone()));
                    self.seat.entry.push(Mail::ended(id, outcome));
                }
            }
        }
    }

    /// Pending effects that nobody works on, besides these.
    fn not_begun(&self, besides: &[Effect]) -> Vec<Effect> {
        let pending = self.machine().map(Machine::pending).unwrap_or_default();
        let is_begun = |effect: &Effect| {
            let id = effect.id();
            self.in_flight.contains_key(&id) || besides.iter().any(|other| other.id() == id)
        };
        pending.into_iter().filter(|effect| !is_begun(effect)).collect()
    }

    /// The run is suspended: calls that wait for their turn are not made.
    pub(super) fn hold_back_calls(&mut self) {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, in_flight| match in_flight {
            InFlight::Call { task, claimed } if !claimed.swap(true, Ordering::SeqCst) => {
                task.abort();
                false
            }
            _ => true,
        });
        self.withheld |= self.in_flight.len() < before;
    }

    pub(super) fn call_service(&mut self, id: EffectId, call: ServiceCall) {
        let owner = (self.run.id, self.run.account_id);
        let claimed = Arc::new(AtomicBool::new(false));
        let work = services::perform(Arc::clone(&self.core), owner, id, call, Arc::clone(&claimed));
        let task = self.core.spawn_task(work).abort_handle();
        self.in_flight.insert(id, InFlight::Call { task, claimed });
    }

    fn accept_sub_run(&self, id: EffectId, call: SubRun, busy: Arc<AtomicBool>) -> JoinHandle<Option<RunId>> {
        let work = sub_run::perform(Arc::clone(&self.core), self.run.clone(), id, call);
        let task = self.core.spawn_task(work);
        let entry = Arc::clone(&self.seat.entry);
        self.core.tracker.spawn(async move {
            let child = task.await.ok().flatten().flatten();
            if let Some(child) = child {
                entry.know_child(id, child);
            }
            busy.store(false, Ordering::SeqCst);
            // The driver may leave memory now.
            entry.bell.notify_one();
            child
        })
    }

    fn abandon(&mut self, effect: EffectId) {
        match self.in_flight.remove(&effect) {
            None => {}
            Some(InFlight::Call { task, .. }) => task.abort(),
            Some(InFlight::SubRun { acceptance, .. }) => {
                let core = Arc::clone(&self.core);
                // Not aborted: an acceptance that is on its way may still become durable, and then its run must be cancelled.
                self.core.spawn(async move {
                    if let Ok(Some(child)) = acceptance.await {
                        sub_run::cancel(&core, child).await;
                    }
                });
            }
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.values().any(InFlight::is_busy)
    }

    pub(super) fn abort_calls(&mut self) {
        for (_, in_flight) in self.in_flight.drain() {
            if let InFlight::Call { task, .. } = in_flight {
                task.abort();
            }
        }
    }
}

async fn perform_call(
    core: Arc<Core>,
    (run, account): (RunId, AccountId),
    effect: EffectId,
    call: HttpRequest,
    claimed: Arc<AtomicBool>,
) {
    // Never closed.
    let Ok(turn) = core.calls.acquire().await else { return };
    if claimed.swap(true, Ordering::SeqCst) {
        return;
    }
    core.reach(Point::BeforeCall).await;
    let outcome = core.faults.call(&core.client, account, &call).await;
    core.reach(Point::AfterCall).await;
    drop(turn);
    if !core.registry.deliver(run, Mail::ended(effect, outcome)) {
        // The run was dropped: whoever has it performs the call again, under the same key.
        tracing::debug!(run.id = %run, effect, "an answer came for a run that is not here any more");
    }
}

async fn perform_process(
    core: Arc<Core>,
    run: RunId,
    effect: EffectId,
    call: ProcessCall,
    claimed: Arc<AtomicBool>,
) {
    core.reach(Point::BeforeCall).await;
    let is_ours = || !claimed.swap(true, Ordering::SeqCst);
    let ended = core.processes.run(run, effect, call, &is_ours, (&core.tracker, &core.hard)).await;
    let Some(outcome) = ended else { return };
    core.reach(Point::AfterCall).await;
    if !core.registry.deliver(run, Mail::ended(effect, outcome)) {
        // The run was dropped: whoever has it runs the process again.
        tracing::debug!(run.id = %run, effect, "a process ended for a run that is not here any more");
    }
}
