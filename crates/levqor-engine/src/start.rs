//! Accepting runs: the one way in, for people, schedules and other runs alike.
//!
//! Acceptance is one commit: the run's row with its first journal entry. The machine that was made for it goes on
//! from there, without reading anything back. When its first tasks are few and need nothing from outside, they are
//! executed before, and what they gave is in the same commit: a short run costs one wait for the disk instead of two.

use std::{sync::Arc, time::Duration};

use levqor_flow::machine::{EffectId, Entry, Event, FlowError, Machine};
use levqor_model::{
    AccountId, RegionCode, Residency, RunId, RunStatus, TriggerKind, WorkflowId, limits::NESTING_MAX,
};
use levqor_store::{
    idempotency::KeyClaim,
    runs::{Accepted, Firing, NewRun, Run},
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    Error, StartRun, core::Core, driver::Driver, fault::Point, payload::depth_exceeds,
    sub_run::look_again_later,
};

/// What came of a start.
#[derive(Debug)]
pub(crate) struct Started {
    /// The new run as it was accepted, unless it is [`Accepted::Already`] there.
    pub(crate) run: Run,
    pub(crate) accepted: Accepted,
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
    pub(crate) residency: Residency,
    pub(crate) home_region: Option<RegionCode>,
    pub(crate) parent: Option<(RunId, EffectId)>,
    pub(crate) depth: u32,
    pub(crate) retry_of: Option<RunId>,
    pub(crate) firing: Option<Firing>,
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
    /// As a caller asks for it, with the workflow's current version unless another is named.
    ///
    /// # Errors
    /// [`Error::WorkflowNotFound`], [`Error::Store`].
    pub(crate) async fn of(core: &Core, request: StartRun, firing: Option<Firing>) -> Result<Self, Error> {
        let StartRun { account_id, workflow_id, version, input, trigger, residency, home_region } = request;
        let workflow = core
            .store
            .workflow(account_id, workflow_id)
            .await?
            .ok_or(Error::WorkflowNotFound(workflow_id))?;
        Ok(Self {
            account_id,
            workflow_id,
            version: version.unwrap_or(workflow.version),
            input,
            trigger,
            residency,
            home_region,
            parent: None,
            depth: 0,
            retry_of: None,
            firing,
        })
    }

    /// Durable when this returns; the run is driven from then on.
    ///
    /// Cancel safe: an acceptance that has begun is finished, and its run driven, whether or not anyone waits for it.
    pub(crate) async fn accept(self, core: &Arc<Core>) -> Result<Started, Error> {
        self.accept_as(core, How::default()).await
    }

    /// [`Start::accept`], with what else there is to know. Cancel safe like it.
    pub(crate) async fn accept_as(self, core: &Arc<Core>, how: How) -> Result<Started, Error> {
        let How { claim, entry } = how;
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
        core.reserve_run(account_id).await?;
        let Some(mut seat) = core.registry.enter(id) else {
            core.quota.subtract(account_id);
            return Err(Error::Journal { id, reason: "its id is in use".to_owned() });
        };
        let place = Arc::clone(&core.places).try_acquire_owned().ok();
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
            region: core.region.clone(),
            home_region: self.home_region.unwrap_or_else(|| core.region.clone()),
            residency: self.residency,
            waiting_for: None,
            parent: self.parent,
            depth: self.depth,
            retry_of: self.retry_of,
            created_at: now,
            started_at: has_place.then_some(now),
            ended_at: None,
            owner: Some(core.node),
            epoch: core.epoch,
            next_seq: 1,
        };
        let new =
            NewRun { run: run.clone(), input, events: Some(events), firing: self.firing, day: now.date() };
        let driver = Driver::new(Arc::clone(core), seat, workflow, run, machine).masked(mask);
        let (reply, answer) = oneshot::channel();
        core.spawn(accept_and_drive(Arc::clone(core), new, claim, driver, has_place, reply));
        // Dropped without an answer: the engine stopped hard.
        answer.await.map_err(|_| Error::Draining)?
    }
}

async fn accept_and_drive(
    core: Arc<Core>,
    new: NewRun,
    claim: Option<KeyClaim>,
    mut driver: Driver,
    has_place: bool,
    reply: oneshot::Sender<Result<Started, Error>>,
) {
    let (id, account) = (new.run.id, new.run.account_id);
    core.reach(Point::BeforeAccept).await;
    let begun = if has_place { driver.begin().transpose() } else { None };
    let first = begun.as_ref().and_then(|begun| begun.as_ref().ok()?.append().cloned());
    let mut run = new.run.clone();
    if let Some(first) = &first {
        run.status = first.status;
        run.waiting_for.clone_from(&first.waiting_for);
        run.started_at = first.started_at;
        run.ended_at = first.ended_at;
    }
    if first.is_some() {
        core.reach(Point::BeforeAppend).await;
    }
    let accepted = match (claim, first) {
        (Some(claim), first) => core.faults.store(core.store.accept_run_once(new, first, claim)).await,
        (None, Some(first)) => core.faults.store(core.store.accept_begun_run(new, first)).await,
        (None, None) => core.faults.store(core.store.accept_run(new)).await,
    };
    core.reach(Point::AfterAccept).await;
    let is_new = matches!(accepted, Ok(Accepted::New));
    if !is_new {
        core.quota.subtract(account);
    }
    if accepted.as_ref().is_err_and(levqor_store::Error::is_retryable) {
        // It may be durable all the same.
        look_again_later(&core, id);
    }
    let (output, error) = driver.results();
    let started = accepted.map(|accepted| Started { run, accepted, output, error });
    // Whoever asked may have gone.
    let _ = reply.send(started.map_err(Error::from));
    if !is_new {
        return;
    }
    match begun {
        Some(begun) => driver.drive_on(begun).await,
        None if has_place => driver.drive().await,
        None => {
            drop(driver);
            core.backlog.push(id);
        }
    }
}

fn check_input_depth(input: &Value) -> Result<(), Error> {
    if depth_exceeds(input, NESTING_MAX) { Err(Error::InputTooDeep(NESTING_MAX)) } else { Ok(()) }
}
