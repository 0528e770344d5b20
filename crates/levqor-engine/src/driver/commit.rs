//! The one append between thinking and doing.

use std::{collections::HashSet, sync::Arc};

use levqor_flow::{
    event::{CloudEvent, Interest},
    machine::{Effect, EffectId, Event, Machine, MustAbort, Progress},
};
use levqor_model::{RunStatus, Timestamp};
use levqor_store::{
    approvals::ApprovalChanges,
    listeners::{EventChanges, NewInterest, NewListener},
    queue::Gate,
    runs::Append,
};
use serde::Serialize;

use super::{Driver, Stop};
use crate::{
    RunUpdate, approvals,
    core::Backoff,
    events,
    fault::Point,
    pending::{Pending, describe, suspended, used_up},
    schedules,
};

/// What the driver computed and what must be durable before it is carried out.
#[derive(Debug)]
pub(crate) struct Step {
    turn: Turn,
    /// None when nothing changes.
    append: Option<Append>,
}

/// What changes with one append, besides the journal.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// To perform after the append.
    effects: Vec<Effect>,
    timers_set: Vec<(EffectId, Timestamp)>,
    timers_gone: Vec<(EffectId, Timestamp)>,
    pub(super) events: EventChanges,
    approvals: ApprovalChanges,
    /// What `events` publishes.
    pub(super) emitted: Vec<Arc<CloudEvent>>,
}

impl Step {
    pub(crate) fn append(&self) -> Option<&Append> {
        self.append.as_ref()
    }
}

impl Driver {
    /// Makes what was applied durable, then performs what was asked for.
    ///
    /// A failing store is waited for: the state stays in memory, and no effect is performed before the append is through.
    pub(super) async fn commit(&mut self) -> Result<(), Stop> {
        let Step { mut turn, append } = self.step();
        if let Some(append) = append {
            let written = self.write(append).await;
            if matches!(written, Err(Stop::Queued)) {
                // They are published, whoever goes on with the run.
                self.ring(&turn);
                self.announce(std::mem::take(&mut turn.emitted));
            }
            written?;
            self.core.reach(Point::AfterAppend).await;
        }
        self.carry_out(turn);
        Ok(())
    }

    /// The first steps of a run that is not durable yet, when they are few: they become durable with it, which spares a
    /// commit. None: drive it after the acceptance.
    pub(crate) fn begin(&mut self) -> Result<Option<Step>, Stop> {
        // Its end changes the schedule, which must not happen for a run that may be refused.
        if self.workflow.schedule.as_ref().is_some_and(|schedule| schedule.after.is_some()) {
            return Ok(None);
        }
        match self.slice_here()? {
            Ok(Progress::Idle) => Ok(Some(self.step())),
            Ok(Progress::More) => Ok(None),
            Err(MustAbort(error)) => {
                self.abort(error);
                Ok(None)
            }
        }
    }

    /// What [`Driver::begin`] gave is durable.
    pub(super) async fn begun(&mut self, Step { turn, append }: Step) {
        if let Some(append) = append {
            self.written(append);
            self.core.reach(Point::AfterAppend).await;
        }
        self.carry_out(turn);
    }

    fn step(&mut self) -> Step {
        let mut turn = self.turn();
        let status = self.status();
        self.tell(&mut turn, status);
        // Work of several slices, after which something is done that no entry but the acceptance stands for: the row says
        // so, and a run that comes back knows by it how far it had come.
        let is_told = !self.took_slices || self.run.waiting_for.is_some() || turn.effects.is_empty();
        let waiting_for = if self.events.is_empty() && status != RunStatus::Waiting && is_told {
            self.run.waiting_for.clone()
        } else {
            self.waiting_for()
        };
        let row_changes = status != self.run.status
            || waiting_for != self.run.waiting_for
            || !turn.timers_set.is_empty()
            || !turn.timers_gone.is_empty()
            || turn.events != EventChanges::default()
            || turn.approvals != ApprovalChanges::default();
        let append =
            (!self.events.is_empty() || row_changes).then(|| self.append(status, waiting_for, &turn));
        Step { turn, append }
    }

    fn carry_out(&mut self, turn: Turn) {
        self.publish(self.status());
        self.ring(&turn);
        self.announce(turn.emitted);
        for (effect, at) in turn.timers_gone {
            self.core.timers.clear(self.run.id, effect, at);
        }
        for (effect, at) in turn.timers_set {
            self.core.timers.set(self.run.id, effect, at);
        }
        self.perform(turn.effects);
    }

    fn ring(&self, turn: &Turn) {
        if !turn.events.told.is_empty() {
            self.core.sink.bell.notify_one();
        }
    }

    fn announce(&self, emitted: Vec<Arc<CloudEvent>>) {
        for event in emitted {
            // How far listeners have read is compared with the event's number, which only the store knows.
            self.core.events.announce(self.run.account_id, i64::MAX, event);
        }
    }

    /// Before the run leaves memory: its row says why it doesn't move.
    pub(super) async fn write_waiting_for(&mut self) -> Result<(), Stop> {
        let waiting_for = self.waiting_for();
        // Cursors too: else the sweep would find the run behind again.
        if waiting_for == self.run.waiting_for && self.listening.moved().is_empty() {
            return Ok(());
        }
        let mut turn = Turn::default();
        turn.events.listeners_read = self.listening.moved();
        let append = self.append(self.status(), waiting_for, &turn);
        self.write(append).await
    }

    /// Sorts what the machine asked for since the last append, and brings the list of pending effects up to date.
    fn turn(&mut self) -> Turn {
        let asked = std::mem::take(&mut self.effects);
        let abandoned: HashSet<EffectId> = asked
            .iter()
            .filter_map(|effect| match effect {
                Effect::Abandon { id } => Some(*id),
                _ => None,
            })
            .collect();
        let over = self.listens_over();
        let at = self.moment();
        let ended: HashSet<EffectId> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::EffectEnded { effect, .. } | Event::TimerFired { effect, .. } => Some(*effect),
                _ => None,
            })
            .collect();

        // Who gives up by the clock must not do so after an answer; who cancels may.
        let timed_out = self.events.iter().any(|event| matches!(event, Event::TimerFired { .. }))
            && !self.events.iter().any(|event| matches!(event, Event::Cancelled { .. }));
        let mut turn = Turn { timers_gone: std::mem::take(&mut self.timers_stray), ..Turn::default() };
        turn.events.listeners_cleared = std::mem::take(&mut self.listening.stray);
        let mut pending = self.seat.entry.pending();
        for effect in abandoned.iter().copied().chain(ended.iter().copied()).chain(over) {
            match pending.remove(&effect) {
                Some(Pending::Timer { at, .. }) => turn.timers_gone.push((effect, at)),
                Some(Pending::Approval { .. }) => {
                    turn.approvals.closed.push(effect);
                    if timed_out && !ended.contains(&effect) {
                        turn.approvals.unanswered.push(effect);
                    }
                }
                Some(Pending::Listen { .. }) => {
                    self.listening.cursors.remove(&effect);
                    turn.events.listeners_cleared.push(effect);
                }
                _ => {}
            }
        }
        for effect in asked {
            let (id, shown) = match &effect {
                Effect::CallHttp { id, call } => (*id, Pending::call(call)),
                Effect::RunWorkflow { id, call } => (*id, Pending::sub_run(call)),
                Effect::RunProcess { id, call } => (*id, Pending::process(call)),
                Effect::CallService { id, call } => (*id, Pending::service(call)),
                Effect::Timer { id, at } => (*id, Pending::timer(self.machine.as_ref(), *id, *at)),
                Effect::Emit { id, key, event } => (*id, Pending::emit(key, event)),
                Effect::Listen { id, interests } => {
                    (*id, Pending::listen(self.machine.as_ref(), *id, interests))
                }
                Effect::Abandon { .. } => {
                    turn.effects.push(effect);
                    continue;
                }
            };
            // What was abandoned before it could begin never happened.
            if abandoned.contains(&id) {
                if let (Effect::Timer { at, .. }, true) = (effect, self.resumed.is_some()) {
                    // Unless it was there before, and this asks again for what a row stands for.
                    turn.timers_gone.push((id, at));
                }
                continue;
            }
            // A run that came back before its first step may find that a timer which it asks for was due long ago.
            if let Effect::Timer { id, at } = effect
                && ended.contains(&id)
            {
                turn.timers_gone.push((id, at));
                continue;
            }
            if let (Pending::Approval { task, .. }, Effect::CallService { call, .. }) = (&shown, &effect) {
                turn.approvals.asked.push(approvals::question(
                    &self.core,
                    id,
                    task.clone(),
                    call,
                    &self.mask,
                ));
            }
            pending.insert(id, shown);
            match effect {
                Effect::Timer { id, at } => turn.timers_set.push((id, at)),
                Effect::Listen { id, interests } => {
                    let kinds = interests.iter().filter_map(|interest| interest.kind.as_deref());
                    self.core.lifecycle.add(self.run.account_id, kinds);
                    turn.events.listeners_set.push(new_listener(id, &interests));
                }
                effect => {
                    if let Effect::Emit { event, .. } = &effect {
                        turn.events.published.push(events::row(event, at));
                        turn.emitted.push(Arc::new(event.clone()));
                    }
                    turn.effects.push(effect);
                }
            }
        }
        drop(pending);
        if self.status().is_ended() {
            // The end clears all timers of the run.
            turn.timers_set.clear();
            turn.events.listeners_set.clear();
        }
        turn.events.listeners_read = self.listening.moved();
        turn
    }

    async fn write(&mut self, append: Append) -> Result<(), Stop> {
        self.core.reach(Point::BeforeAppend).await;
        if append.ended_at.is_some() {
            schedules::run_ends(&self.core, &self.run, &self.workflow, append.at).await;
        }
        let gate = self.gate_before(&append).await;
        let mut backoff = Backoff::new();
        let mut failures = 0_u32;
        loop {
            let written = async {
                match &gate {
                    None => self.core.store.append(append.clone()).await.map(|()| true),
                    Some(gate) => self.core.store.append_again(append.clone(), gate.clone()).await,
                }
            };
            match self.core.faults.store(written).await {
                Ok(true) => break,
                Ok(false) => {
                    self.core.ends.written(self.run.id);
                    self.publish(RunStatus::Pending);
                    return Err(Stop::Queued);
                }
                Err(levqor_store::Error::Stale(_)) => {
                    self.core.ends.written(self.run.id);
                    return Err(Stop::Stale);
                }
                Err(reason) if reason.is_retryable() => {
                    tracing::warn!(
                        run.id = %self.run.id, error = %reason,
                        "the journal of run {} could not be written; trying again", self.run.id
                    );
                    failures = failures.saturating_add(1);
                    // One failure may be a hiccup, of which nobody needs to hear.
                    if failures > 1 {
                        self.core.ends.refused(self.run.id, reason);
                    }
                    backoff.pause().await;
                }
                Err(reason) => {
                    self.core.ends.refused(self.run.id, reason.clone());
                    self.core.ends.written(self.run.id);
                    return Err(Stop::Store(reason));
                }
            }
        }
        self.core.ends.written(self.run.id);
        self.written(append);
        Ok(())
    }

    /// What a run that was suspended must pass to go on: it gave its turn back, or never had its key.
    async fn gate_before(&self, append: &Append) -> Option<Gate> {
        let goes_on = match append.status {
            RunStatus::Running => true,
            RunStatus::Waiting => self.run.concurrency_key.is_some(),
            _ => false,
        };
        // With a call in flight it never quite stood still, and the call must not be cut off.
        if self.run.status != RunStatus::Suspended || !goes_on || self.is_busy() {
            return None;
        }
        Some(self.core.gate_again(&self.run, &self.workflow, true).await)
    }

    fn written(&mut self, append: Append) {
        // Of a run that was queued; of others, the first entry came with the acceptance. One that is cancelled there never begins, and
        // one that is suspended there begins when it goes on.
        let is_new = self.run.next_seq == 0 || self.run.started_at.is_none();
        let begins = append.started_at.is_some() && append.status != RunStatus::Cancelled;
        if append.events.is_some() && is_new && begins {
            self.core.measures.started(self.run.created_at, self.core.clock.now());
        }
        if append.ended_at.is_some() {
            self.core.measures.ended(append.status);
        }
        if append.events.is_some() {
            self.run.next_seq += 1;
        }
        if self.events.iter().any(|event| matches!(event, Event::Suspended { .. })) {
            self.suspended_before = self.run.next_seq;
        }
        self.run.region = append.region;
        self.run.started_at = append.started_at;
        self.run.ended_at = append.ended_at;
        self.run.waiting_for = append.waiting_for;
        self.listening.written();
        self.events.clear();
        self.took_slices = false;
    }

    fn append(&mut self, status: RunStatus, waiting_for: Option<String>, turn: &Turn) -> Append {
        let at = match self.events.last() {
            Some(event) => event.at(),
            None => self.moment(),
        };
        // A place gives it one. Without, it was loaded from the queue for a wish, and to stand still or to end there begins nothing.
        let begins = !matches!(status, RunStatus::Pending | RunStatus::Suspended | RunStatus::Cancelled);
        let machine = self.machine();
        Append {
            run_id: self.run.id,
            epoch: self.run.epoch,
            seq: self.run.next_seq,
            at,
            region: self.core.region.clone(),
            events: (!self.events.is_empty()).then(|| json(&self.events)),
            status,
            waiting_for,
            started_at: self.run.started_at.or(begins.then_some(at)),
            ended_at: status.is_ended().then_some(at),
            output: machine.and_then(Machine::output).map(json),
            error: machine.and_then(Machine::error).map(json),
            timers_set: turn.timers_set.clone(),
            timers_cleared: turn.timers_gone.iter().map(|(effect, _)| *effect).collect(),
            event_changes: turn.events.clone(),
            approval_changes: turn.approvals.clone(),
        }
    }

    /// Tells watchers what is durable now.
    fn publish(&mut self, status: RunStatus) {
        if let Some(live) = &mut self.notepad.live {
            let updates = live.take_updates().into_iter().map(|update| self.mask.update(update));
            self.core.watchers.publish(self.run.id, updates);
        }
        if status != self.run.status {
            self.run.status = status;
            self.core.ends.turn(self.run.id);
            self.core.watchers.publish(self.run.id, [RunUpdate::Run { status, at: self.last_at }]);
        }
    }

    fn waiting_for(&self) -> Option<String> {
        if self.status().is_ended() {
            return None;
        }
        let words = match self.machine().and_then(Machine::suspended) {
            Some((since, by)) => {
                let to_allow = self.machine().and_then(Machine::budget_to_allow);
                to_allow.map_or_else(|| suspended(since, by), |parts| used_up(since, parts))
            }
            None => describe(&self.seat.entry.pending())?,
        };
        Some(self.mask.text(words))
    }
}

fn new_listener(effect: EffectId, interests: &[Interest]) -> NewListener {
    let interests = interests
        .iter()
        .map(|interest| NewInterest { kind: interest.kind.clone(), interest: json(interest) })
        .collect();
    NewListener { effect, interests }
}

/// Journals, outputs and errors hold plain data, which always has a JSON text.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
