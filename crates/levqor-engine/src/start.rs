//! Accepting runs: the one way in, for people, schedules and other runs alike.
//!
//! Acceptance is one commit: the run's row with its first journal entry. The machine that was made for it goes on
//! from there, without reading anything back. When its first tasks are few and need nothing from outside, they are
//! executed before, and what they gave is in the same commit: a short run costs one wait for the disk instead of two.

use std::{sync::Arc, time::Duration};

use levqor_flow::{
    definition::Workflow,
    expression::Bounds,
    machine::{EffectId, Entry, Event, FlowError, Machine},
};
use levqor_model::{
    AccountId, RegionCode, Residency, RunId, RunStatus, TriggerKind, WorkflowId, limits::NESTING_MAX,
};
use levqor_store::{
    Conflict,
    idempotency::KeyClaim,
    queue::{Admitted, Assumed, ConcurrencyKey, Gate, QueueFull},
    runs::{Firing, NewRun, Run},
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    Error, StartRun, cluster::Host, core::Core, driver::Driver, fault::Point, payload::depth_exceeds,
    sub_run::look_again_later,
};

/// What came of a start.
#[derive(Debug)]
pub(crate) struct Started {
    /// The new run as it was accepted, if there is one.
    pub(crate) run: Run,
    pub(crate) admitted: Admitted,
    /// Of a run that has ended by then.
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<FlowError>,
}

/// A run to be, with its version chosen.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) account_id: AccountId,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) version: String,
    pub(crate) input: Value,
    pub(crate) trigger: TriggerKind,
    /// None: the workflow's, or anywhere.
    pub(crate) residency: Option<Residency>,
    pub(crate) home_region: Option<RegionCode>,
    pub(crate) parent: Option<(RunId, EffectId)>,
    pub(crate) depth: u32,
    pub(crate) retry_of: Option<RunId>,
    pub(crate) firing: Option<Firing>,
    /// What was not looked up for it.
    pub(crate) assumed: Option<Assumed>,
}

/// What else there is to know of a start.
#[derive(Debug, Default)]
pub(crate) struct How {
    /// The `Idempotency-Key` of the request.
    pub(crate) claim: Option<KeyClaim>,
    /// Where it begins, when that is not the beginning.
    pub(crate) entry: Option<Entry>,
}

impl Start {
    /// Starts what a caller asks for, with the workflow's current version unless another is named.
    ///
    /// The version that is remembered as the current one is tried first, and checked as the run is accepted; it is looked up when
    /// that was refused.
    ///
    /// # Errors
    /// [`Error::WorkflowNotFound`], and those of [`Start::accept`].
    pub(crate) async fn asked(
        core: &Arc<Core>,
        request: StartRun,
        firing: Option<Firing>,
        claim: Option<KeyClaim>,
    ) -> Result<Started, Error> {
        let (account, workflow) = (request.account_id, request.workflow_id);
        if let Some(current) = core.definitions.current(account, workflow) {
            let assumed = Assumed { version: request.version.is_none().then(|| current.to_string()) };
            let how = How { claim: claim.clone(), entry: None };
            let start = Self::of(request.clone(), firing.clone(), current.to_string(), Some(assumed));
            match start.accept_as(core, how).await {
                Err(Error::Store(levqor_store::Error::Conflict(Conflict::WorkflowMoved))) => {
                    core.definitions.forget_current(account, workflow);
                }
                started => return started,
            }
        }
        let found = core.store.workflow(account, workflow).await?;
        let current = found.ok_or(Error::WorkflowNotFound(workflow))?.version;
        core.definitions.remember_current(account, workflow, &current);
        Self::of(request, firing, current, None).accept_as(core, How { claim, entry: None }).await
    }

    fn of(request: StartRun, firing: Option<Firing>, current: String, assumed: Option<Assumed>) -> Self {
        let StartRun { account_id, workflow_id, version, input, trigger, residency, home_region } = request;
        Self {
            account_id,
            workflow_id,
            version: version.unwrap_or(current),
            input,
            trigger,
            residency,
            home_region,
            parent: None,
            depth: 0,
            retry_of: None,
            firing,
            assumed,
        }
    }

    /// Durable when this returns; the run is driven from then on, or queued.
    ///
    /// Cancel safe: an acceptance that has begun is finished, and its run driven, whether or not anyone waits for it.
    pub(crate) async fn accept(self, core: &Arc<Core>) -> Result<Started, Error> {
        self.accept_as(core, How::default()).await
    }

    /// [`Start::accept`], with what else there is to know. Cancel safe like it.
    pub(crate) async fn accept_as(self, core: &Arc<Core>, how: How) -> Result<Started, Error> {
        let How { claim, entry } = how;
        let keeps_first_entry = entry.is_some();
        if core.soft.is_cancelled() {
            return Err(Error::Draining);
        }
        check_input_depth(&self.input)?;
        let input = serde_json::to_string(&self.input).unwrap_or_default();
        let max = core.surroundings.payload_bytes_max;
        if input.len() > max {
            return Err(Error::InputTooLarge { bytes: input.len(), max });
        }
        let (queued, capacity) = core.store.queue_depth();
        if queued * 10 >= capacity * 9 {
            return Err(Error::Overloaded { retry_after: Duration::from_secs(1) });
        }
        let workflow = core.definition(self.workflow_id, &self.version).await?;

        let now = core.clock.now();
        let id = RunId::new(now, &*core.random);
        // Before the input is moved, and before anything is counted.
        let key = key_of(&workflow, &self.input)?;
        let (at, run, raw, seed) = (now, id, self.input, core.random.u64());
        let secrets = core.secret_versions(self.account_id, &workflow).await?;
        let started = match entry {
            None => Event::Started { at, run, input: raw, seed, secrets },
            Some(entry) => Event::Forked { at, run, input: raw, seed, entry: Box::new(entry), secrets },
        };
        let surroundings = core.surroundings(self.account_id, &workflow).await?;
        let machine = Machine::start(Arc::clone(&workflow), surroundings, &started)
            .map_err(|reason| Error::Journal { id, reason: reason.to_string() })?;
        let events = serde_json::to_string(&[&started])
            .map_err(|reason| Error::Journal { id, reason: reason.to_string() })?;

        let account_id = self.account_id;
        let led = self.parent.map(|(parent, _)| parent).into_iter().chain(self.retry_of);
        let mask = core.mask_of(account_id, self.workflow_id, self.version.clone(), led.collect()).await?;
        let residency = self.residency.or_else(|| workflow.policy.residency.clone()).unwrap_or_default();
        let host = core.host(&residency).await?;
        let (owner, region) = match &host {
            Host::Here | Host::Later => (Some(core.node), core.region.clone()),
            Host::There { region, node } => (Some(*node), region.clone()),
            Host::Nobody { region } => (None, region.clone().unwrap_or_else(|| core.region.clone())),
        };
        core.reserve_run(account_id).await?;
        let Some(mut seat) = core.registry.enter(id) else {
            core.quota.subtract(account_id);
            return Err(Error::Journal { id, reason: "its id is in use".to_owned() });
        };
        let place = match host {
            Host::Here => core.pump.place_for_a_start(core),
            // It is queued, and begins there, or here when that may be.
            Host::Later | Host::There { .. } | Host::Nobody { .. } => None,
        };
        let has_place = place.is_some();
        if let Some(place) = place {
            seat = seat.with_place(place);
        }
        let run = Run {
            id,
            account_id,
            workflow_id: self.workflow_id,
            namespace: workflow.namespace.clone(),
            name: workflow.name.clone(),
            version: self.version,
            status: if has_place { RunStatus::Running } else { RunStatus::Pending },
            trigger: self.trigger,
            home_region: self.home_region.unwrap_or_else(|| region.clone()),
            region,
            residency,
            waiting_for: None,
            parent: self.parent,
            depth: self.depth,
            retry_of: self.retry_of,
            created_at: now,
            started_at: has_place.then_some(now),
            ended_at: None,
            owner,
            epoch: core.epoch,
            next_seq: 1,
            priority: workflow.policy.priority,
            concurrency_key: key.as_ref().map(|key| key.text.clone()),
        };
        let gate = Gate { assumed: self.assumed, ..core.gate(account_id, key, has_place).await };
        let new = NewRun {
            run: run.clone(),
            input,
            events: Some(events),
            firing: self.firing,
            day: now.date(),
            claim,
            keeps_first_entry,
        };
        let driver = Driver::new(Arc::clone(core), seat, workflow, run, machine).masked(mask);
        let (reply, answer) = oneshot::channel();
        core.spawn(accept_and_drive(Arc::clone(core), new, gate, driver, reply));
        // Dropped without an answer: the engine stopped hard.
        answer.await.map_err(|_| Error::Draining)?
    }
}

async fn accept_and_drive(
    core: Arc<Core>,
    new: NewRun,
    gate: Gate,
    mut driver: Driver,
    reply: oneshot::Sender<Result<Started, Error>>,
) {
    let (id, account) = (new.run.id, new.run.account_id);
    core.reach(Point::BeforeAccept).await;
    let has_place = gate.has_place;
    let begun = if has_place { driver.begin().transpose() } else { None };
    let first = begun.as_ref().and_then(|begun| begun.as_ref().ok()?.append().cloned());
    let mut run = new.run.clone();
    let queued = Run { status: RunStatus::Pending, started_at: None, next_seq: 0, ..new.run.clone() };
    if let Some(first) = &first {
        run.status = first.status;
        run.waiting_for.clone_from(&first.waiting_for);
        run.started_at = first.started_at;
        run.ended_at = first.ended_at;
    }
    if first.is_some() {
        core.reach(Point::BeforeAppend).await;
    }
    let admitted = core.faults.store(core.store.admit_run(new, gate, first)).await;
    core.reach(Point::AfterAccept).await;
    let begins = matches!(admitted, Ok(Admitted::Running));
    if begins {
        core.measures.started(run.created_at, core.clock.now());
    }
    if !begins && !matches!(admitted, Ok(Admitted::Queued)) {
        core.quota.subtract(account);
    }
    if admitted.as_ref().is_err_and(levqor_store::Error::is_retryable) {
        // It may be durable all the same.
        look_again_later(&core, id);
    }
    let started = match admitted {
        Ok(Admitted::QueueFull(which)) => Err(queue_full(&core, which)),
        // What was tried in memory has not happened; it begins anew when its turn comes.
        Ok(Admitted::Queued) => {
            Ok(Started { run: queued, admitted: Admitted::Queued, output: None, error: None })
        }
        Ok(admitted) => {
            let (output, error) = driver.results();
            Ok(Started { run, admitted, output, error })
        }
        Err(reason) => Err(Error::from(reason)),
    };
    // Whoever asked may have gone.
    let _ = reply.send(started);
    if !begins {
        return;
    }
    match begun {
        Some(begun) => driver.drive_on(begun).await,
        None => driver.drive().await,
    }
}

/// # Errors
/// [`Error::ConcurrencyKey`] when the input gives no key.
fn key_of(workflow: &Workflow, input: &Value) -> Result<Option<ConcurrencyKey>, Error> {
    /// Evaluated before anything is durable and while the caller waits: far less than a task may use.
    const BOUNDS: Bounds =
        Bounds { steps: 20_000, bytes: 16 * 1024 * 1024, time: Duration::from_millis(500) };
    let Some(concurrency) = &workflow.policy.concurrency else { return Ok(None) };
    let text = concurrency.key_of(input, &BOUNDS).map_err(Error::ConcurrencyKey)?;
    Ok(Some(ConcurrencyKey { text, limit: concurrency.limit }))
}

fn queue_full(core: &Core, which: QueueFull) -> Error {
    let (in_account, max, seconds) = match which {
        QueueFull::Account => (true, core.limits.queued_per_account, 5),
        QueueFull::All => (false, core.limits.queued, 10),
    };
    Error::QueueFull { in_account, max, retry_after: Duration::from_secs(seconds) }
}

fn check_input_depth(input: &Value) -> Result<(), Error> {
    if depth_exceeds(input, NESTING_MAX) { Err(Error::InputTooDeep(NESTING_MAX)) } else { Ok(()) }
}
