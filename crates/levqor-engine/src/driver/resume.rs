//! A run that comes back into memory: its journal is replayed, and what it waited for is begun again.

use std::{collections::HashSet, sync::Arc};

use levqor_flow::{
    definition::Workflow,
    machine::{ApplyError, Effect, EffectId, Event, Machine, Outcome, Surroundings},
};
use levqor_model::{RunId, RunStatus, TriggerKind};
use levqor_store::{
    approvals::ApprovalChanges,
    runs::{Append, Run},
};
use serde_json::Value;

use super::Driver;
use crate::{
    Error, RunUpdate,
    core::{Backoff, Core},
    lifecycle::{self, Life},
    notepad::Notepad,
    nudges,
    pending::Pending,
    registry::{Entry, Mail, Seat},
    sub_run,
    watch::Live,
};

/// A run as it was read.
struct Stored {
    run: Run,
    workflow: Arc<Workflow>,
    events: Vec<Event>,
}

enum Loaded {
    Run(Box<Stored>),
    /// It has ended.
    Over,
    /// Another node drives it.
    Elsewhere,
}

enum Trouble {
    /// The store can't be reached.
    Later(levqor_store::Error),
    /// Nothing will change by trying again, and there is no row to say it in.
    Lost(levqor_store::Error),
    /// Nothing will change by trying again.
    Stuck(Box<Run>, String),
}

impl From<levqor_store::Error> for Trouble {
    fn from(reason: levqor_store::Error) -> Self {
        if reason.is_retryable() { Trouble::Later(reason) } else { Trouble::Lost(reason) }
    }
}

/// Loads the run and drives it. Ends at once when the run has ended or has another owner.
pub(crate) async fn drive_stored(core: Arc<Core>, id: RunId, seat: Seat) {
    let mut backoff = Backoff::new();
    let stored = loop {
        match load(&core, id).await {
            Ok(Loaded::Run(stored)) => {
                let is_wanted = seat.entry.cancel_requested() || seat.entry.wants_suspension();
                let waits = stored.run.status == RunStatus::Pending && !is_wanted;
                match if waits { core.store.is_queued(id).await } else { Ok(false) } {
                    // Its turn has not come.
                    Ok(true) => return,
                    Ok(false) => break stored,
                    Err(reason) => {
                        tracing::warn!(run.id = %id, error = %reason, "run {id} could not be loaded; trying again");
                        if core.soft.is_cancelled() {
                            return;
                        }
                        backoff.pause().await;
                    }
                }
            }
            Ok(Loaded::Over) => {
                core.ends.announce(id);
                wake_parent(&core, id).await;
                return;
            }
            Ok(Loaded::Elsewhere) => {
                if core.is_shared() {
                    nudges::forward(&core, id, &seat.entry).await;
                }
                return;
            }
            Err(Trouble::Later(reason)) => {
                tracing::warn!(run.id = %id, error = %reason, "run {id} could not be loaded; trying again");
                if core.soft.is_cancelled() {
                    return;
                }
                backoff.pause().await;
            }
            Err(Trouble::Lost(reason)) => {
                tracing::error!(run.id = %id, error = %reason, "run {id} cannot be loaded");
                return;
            }
            Err(Trouble::Stuck(run, reason)) => {
                give_up(&core, &run, &seat.entry, &reason).await;
                return;
            }
        }
    };
    let (run, entry) = (stored.run.clone(), Arc::clone(&seat.entry));
    match restore(&core, seat, stored).await {
        Ok(driver) => driver.drive().await,
        Err(Some(reason)) => give_up(&core, &run, &entry, &reason).await,
        Err(None) => sub_run::look_again_later(&core, id),
    }
}

/// The run ended where nobody told its parent: on another node, or by a commit whose answer was lost. The parent looks
/// for itself.
async fn wake_parent(core: &Core, id: RunId) {
    let mut backoff = Backoff::new();
    loop {
        match core.store.run(None, id).await {
            Ok(Some(Run { status, parent: Some((parent, _)), .. })) if status.is_ended() => {
                core.registry.wake(parent);
                return;
            }
            Err(reason) if reason.is_retryable() && !core.soft.is_cancelled() => {
                tracing::warn!(run.id = %id, error = %reason, "whoever waits for run {id} is looked for again");
                backoff.pause().await;
            }
            _ => return,
        }
    }
}

async fn load(core: &Arc<Core>, id: RunId) -> Result<Loaded, Trouble> {
    let Some(row) = core.faults.store(core.store.run(None, id)).await? else { return Ok(Loaded::Over) };
    if row.status.is_ended() {
        return Ok(Loaded::Over);
    }
    let run = if row.owner == Some(core.node) {
        row
    } else if core.is_shared() {
        // Whoever is gone is looked after by the cluster: in bulk, and where the run may be.
        return Ok(Loaded::Elsewhere);
    } else {
        match core.faults.store(core.store.own_run(id, core.node, core.epoch)).await? {
            Some(run) => run,
            None => return Ok(Loaded::Elsewhere),
        }
    };
    let sort = |run: &Run, error: Error| match error {
        Error::Store(reason) => Trouble::from(reason),
        reason => Trouble::Stuck(Box::new(run.clone()), reason.to_string()),
    };
    let workflow = core.definition(run.workflow_id, &run.version).await.map_err(|error| sort(&run, error))?;
    let mut events = core.journal(id).await.map_err(|error| sort(&run, error))?.events;
    if events.is_empty() {
        events.push(first_event(core, &run, &workflow).await.map_err(|error| sort(&run, error))?);
    }
    Ok(Loaded::Run(Box::new(Stored { run, workflow, events })))
}

/// How a run begins that was accepted without a journal entry.
async fn first_event(core: &Core, run: &Run, workflow: &Workflow) -> Result<Event, Error> {
    let now = core.clock.now();
    let versions = core.secret_versions(run.account_id, workflow).await?;
    if let Some(kept) = core.store.first_entry(run.id).await? {
        let unreadable = |reason: String| Error::Journal { id: run.id, reason };
        let kept: Vec<Event> =
            serde_json::from_str(&kept).map_err(|reason| unreadable(reason.to_string()))?;
        let Ok([mut event]) = <[Event; 1]>::try_from(kept) else {
            return Err(unreadable("it begins with several events".to_owned()));
        };
        // Its time begins now, and with what is secret now.
        if let Event::Forked { at, secrets, .. } = &mut event {
            (*at, *secrets) = (now, versions);
        }
        return Ok(event);
    }
    let payloads = core.store.payloads(run.id).await?.unwrap_or_default();
    let input = serde_json::from_str(&payloads.input).unwrap_or(Value::Null);
    Ok(Event::Started { at: now, run: run.id, input, seed: core.random.u64(), secrets: versions })
}

/// A driver that stands where the journal ends. `Err(None)`: the store failed; try again later.
async fn restore(core: &Arc<Core>, seat: Seat, stored: Box<Stored>) -> Result<Driver, Option<String>> {
    let Stored { run, workflow, events } = *stored;
    let last_at = events.last().map_or(run.created_at, Event::at);
    let unwritten = run.next_seq == 0;
    // Since its acceptance nothing was journalled, but its row tells what it waits for: that was asked for.
    let does_again = run.next_seq == 1
        && run.status != RunStatus::Pending
        && run.waiting_for.as_ref().is_some_and(|words| !words.starts_with(CANNOT_GO_ON));
    let ended: HashSet<EffectId> = events
        .iter()
        .filter_map(|event| match event {
            Event::EffectEnded { effect, .. } => Some(*effect),
            _ => None,
        })
        .collect();
    let first = (events.len() == 1).then(|| events[0].clone());
    let surroundings = core.surroundings(run.account_id, &workflow).await.map_err(|_| None)?;
    let mask = match core.mask(&run).await {
        Ok(mask) => mask,
        Err(Error::Store(_)) => return Err(None),
        Err(reason) => return Err(Some(reason.to_string())),
    };
    let compiled = Arc::clone(&workflow);
    // Once it stood still, all that it had done was told.
    let stood_still = matches!(run.status, RunStatus::Waiting | RunStatus::Suspended);
    let tells = !stood_still && lifecycle::wanted(&core.lifecycle, run.account_id, &workflow).is_some();
    let (machine, notepad) = match &first {
        // Nothing has been done yet; the driver does it in slices.
        Some(started) => {
            let life = tells.then(Life::default);
            (Machine::start(compiled, surroundings, started), Notepad::telling(life))
        }
        None => core
            .pool
            .run(move || {
                if tells && matches!(events.last(), Some(Event::Retried { .. } | Event::Moved { .. })) {
                    return reopened(&compiled, &surroundings, &events);
                }
                let mut notepad = Notepad::default();
                let machine = Machine::replay(compiled, surroundings, &events, &mut notepad);
                (machine, notepad)
            })
            .await
            .map_err(|panicked| Some(panicked.to_string()))?,
    };
    let machine = machine
        .map_err(|reason| Some(Error::Journal { id: run.id, reason: reason.to_string() }.to_string()))?;

    let asked = machine.pending();
    let id = run.id;
    let rows = core.faults.store(core.store.timers_of(id)).await.map_err(|_| None)?;
    let listens = core.faults.store(core.store.listeners_of(id)).await.map_err(|_| None)?;
    let asks_people = asked.iter().any(asks_a_person);
    // Before its first step the machine has not asked for what its rows may stand for.
    let questions = if asks_people || first.is_some() {
        core.faults.store(core.store.approval_effects_of(id)).await.map_err(|_| None)?
    } else {
        Vec::new()
    };
    let mut driver = Driver::new(Arc::clone(core), seat, workflow, run, machine);
    driver.mask = mask;
    driver.notepad = notepad;
    driver.has_started = stood_still;
    driver.last_at = last_at;
    driver.resumed = Some(ended);
    driver.does_again = does_again;
    if unwritten {
        driver.events.extend(first.clone());
    }

    let has_row = |effect: &Effect| match effect {
        Effect::Timer { id, .. } => rows.iter().any(|row| row.effect == *id),
        Effect::Listen { id, .. } => listens.iter().any(|(effect, _)| effect == id),
        Effect::CallService { id, .. } => questions.contains(id),
        _ => false,
    };
    let timers: HashSet<EffectId> = asked
        .iter()
        .filter_map(|effect| if let Effect::Timer { id, .. } = effect { Some(*id) } else { None })
        .collect();
    if first.is_none() {
        // Before the first step the machine has not asked for the timers that its rows may stand for.
        driver.timers_stray = rows
            .iter()
            .filter(|row| !timers.contains(&row.effect))
            .map(|row| (row.effect, row.due_at))
            .collect();
        let asks = |effect: u64| {
            asked.iter().any(|asked| matches!(asked, Effect::Listen { id, .. } if *id == effect))
        };
        driver.listening.stray =
            listens.iter().map(|(effect, _)| *effect).filter(|effect| !asks(*effect)).collect();
    }
    let (armed, rest): (Vec<Effect>, Vec<Effect>) = asked.into_iter().partition(has_row);
    if first.is_some() {
        driver.listening.rows = listens.iter().map(|(effect, _)| *effect).collect();
        driver.listening.questions = questions;
    }
    driver.listening.unread = true;
    let armed = Pending::of(driver.machine(), &armed);
    *driver.seat.entry.pending() = armed;
    driver.effects = rest;

    if driver.run.status == RunStatus::Pending && core.watchers.wanted(id) {
        driver.notepad.live = Some(Live::new(core.region.clone(), []));
    }
    if let Some((parent, effect)) = driver.run.parent
        && sub_run::is_orphan(core, parent, effect).await.map_err(|_| None)?
    {
        driver.seat.entry.cancel();
    }
    Ok(driver)
}

/// A run that goes on after its end: who opened it again wrote the last event, and what follows from that is still to be told.
fn reopened(
    workflow: &Arc<Workflow>,
    surroundings: &Arc<Surroundings>,
    events: &[Event],
) -> (Result<Machine, ApplyError>, Notepad) {
    let replayed = |events: &[Event]| {
        let mut notepad = Notepad::telling(Some(Life::default()));
        let machine = Machine::replay(Arc::clone(workflow), Arc::clone(surroundings), events, &mut notepad);
        (machine, notepad)
    };
    let (_, before) = replayed(&events[..events.len().saturating_sub(1)]);
    let (machine, mut notepad) = replayed(events);
    if let (Some(life), Some(before)) = (&mut notepad.life, &before.life) {
        life.pass_over(before);
    }
    (machine, notepad)
}

impl Driver {
    /// For a run that came back: timers that fired when it was not here only had it loaded.
    /// A suspended run has none.
    pub(super) fn catch_up(&mut self) {
        self.arm_listeners();
        // Somebody may have answered when the run was not here; a suspended run holds the answer.
        for effect in self.machine().map(Machine::pending).unwrap_or_default() {
            if let Effect::CallService { id, call } = effect
                && call.service.waits()
            {
                self.call_service(id, call);
            }
        }
        if self.status() == RunStatus::Suspended {
            return;
        }
        let now = self.core.clock.now().max(self.seat.entry.last_due().unwrap_or_default());
        for effect in self.machine().map(Machine::pending).unwrap_or_default() {
            match effect {
                Effect::Timer { id, at } if at <= now => self.seat.entry.push(Mail::Due { effect: id, at }),
                // It may have fired by a clock that was set back since.
                Effect::Timer { id, at } => self.core.timers.set(self.run.id, id, at),
                _ => {}
            }
        }
    }

    /// After the first append of a run that came back: sub-runs that nobody waits for any more are cancelled.
    pub(super) async fn cancel_orphans(&mut self) {
        let Some(ended) = self.resumed.take() else { return };
        let wanted: HashSet<EffectId> = self.seat.entry.pending().keys().copied().chain(ended).collect();
        let mut after = None;
        loop {
            let page = match self.core.store.children_of(self.run.id, after, 100).await {
                Ok(page) => page,
                Err(reason) => {
                    tracing::warn!(run.id = %self.run.id, error = %reason, "sub-runs could not be looked for");
                    return;
                }
            };
            let Some(last) = page.last() else { return };
            after = Some(last.id);
            for child in page {
                if child.parent.is_some_and(|(_, effect)| !wanted.contains(&effect)) {
                    let core = Arc::clone(&self.core);
                    self.core.spawn(async move { sub_run::cancel(&core, child.id).await });
                }
            }
        }
    }
}

fn asks_a_person(effect: &Effect) -> bool {
    matches!(effect, Effect::CallService { call, .. } if call.service.waits())
}

/// How the sentence of a run that this build can't move begins.
pub(crate) const CANNOT_GO_ON: &str = "cannot go on: ";

/// A run that this build can't move: its row says why, so that it is seen. When someone wants it cancelled it is ended;
/// for that it need not be understood.
pub(super) async fn give_up(core: &Core, run: &Run, entry: &Entry, reason: &str) {
    let id = run.id;
    tracing::error!(run.id = %id, reason, "run {id} cannot go on");
    let now = core.clock.now();
    let cancelled = entry.cancel_requested();
    let status = match run.status {
        _ if cancelled => RunStatus::Cancelled,
        // It waits for somebody to mend what it needs, and does not take the account's turns from others meanwhile.
        RunStatus::Pending | RunStatus::Running => RunStatus::Waiting,
        status => status,
    };
    let append = Append {
        run_id: id,
        epoch: run.epoch,
        seq: run.next_seq,
        at: now,
        region: core.region.clone(),
        events: None,
        status,
        waiting_for: (!cancelled).then(|| format!("{CANNOT_GO_ON}{reason}")),
        started_at: run.started_at,
        ended_at: cancelled.then_some(now),
        output: None,
        error: None,
        timers_set: Vec::new(),
        timers_cleared: Vec::new(),
        event_changes: Default::default(),
        approval_changes: ApprovalChanges { all_closed: cancelled, ..ApprovalChanges::default() },
    };
    match core.store.append(append).await {
        Ok(()) if cancelled => {
            core.measures.ended(status);
            core.watchers.publish(id, [RunUpdate::Run { status, at: now }]);
            conclude(core, run, sub_run::cancelled(id));
        }
        Ok(()) => {}
        Err(reason) => {
            tracing::warn!(run.id = %id, error = %reason, "could not write down why run {id} cannot go on");
        }
    }
}

/// The end is durable: tells everyone who waits for it.
pub(super) fn conclude(core: &Core, run: &Run, outcome: Outcome) {
    if run.trigger == TriggerKind::Schedule {
        // A due time may have been buffered until now.
        core.schedules_bell.notify_one();
    }
    core.quota.subtract(run.account_id);
    core.watchers.close(run.id);
    core.ends.announce(run.id);
    if let Some((parent, effect)) = run.parent {
        sub_run::report_end(core, parent, effect, outcome);
    }
}
