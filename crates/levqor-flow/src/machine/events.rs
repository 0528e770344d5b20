//! Events, taken in: what they mean for the tasks that waited for them.

use std::{sync::Arc, time::Duration};

use levqor_model::{RunStatus, TaskStatus, Timestamp};

use super::{
    ApplyError, Effect, EffectId, Event, FlowError, Machine, Notes, Outcome, RunState,
    arena::FrameId,
    effects::Purpose,
    fault::Resume,
    frame::{Body, Due, Frame, TryPhase},
    step::{Step, Until},
};
use crate::secrets::SecretVersions;

impl Machine {
    pub(super) fn take_in(&mut self, event: &Event, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        match event {
            Event::Started { .. } | Event::Forked { .. } => Err(ApplyError::Start),
            Event::EffectEnded { at, effect, outcome, credits } => {
                self.effect_ended(*at, *effect, outcome, notes)?;
                self.paid(*effect, *credits);
                Ok(())
            }
            Event::TimerFired { at, effect } => self.timer_fired(*at, *effect),
            // They are kept by who publishes them, and offered again when the run goes on.
            Event::Received { effect, .. } if self.suspension.is_some() => Err(ApplyError::Full(*effect)),
            Event::Received { at, effect, seq, event } => self.received(*at, *effect, *seq, event),
            Event::Cancelled { at, .. } => self.cancel(*at, notes),
            Event::Aborted { at, error, .. } => self.abort(*at, error, notes),
            Event::Retried { at, secrets } => self.retry(*at, secrets, notes),
            Event::Moved { at, secrets } => self.moved(*at, secrets, notes),
            Event::Suspended { at, by, budget, .. } => self.suspend(*at, by.as_deref(), *budget, notes),
            Event::Resumed { at } => self.resume_run(*at, notes),
        }
    }

    fn effect_ended(
        &mut self,
        at: Timestamp,
        effect: EffectId,
        outcome: &Outcome,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        match self.pending.get(&effect).map(|pending| pending.purpose) {
            Some(purpose) if purpose.has_result() && !self.is_held(effect) && !self.is_parked(effect) => {}
            _ => return Err(ApplyError::NotPending(effect)),
        }
        if self.suspension.is_some() {
            self.now = at;
            self.held.push_back((effect, outcome.clone()));
            return Ok(());
        }
        self.must_be_idle()?;
        self.now = at;
        let step = self.result(effect, outcome, notes);
        self.queue.extend(step);
        Ok(())
    }

    /// What the end of an effect means for the task that waits for it; the effect is not pending any more.
    pub(super) fn result(
        &mut self,
        effect: EffectId,
        outcome: &Outcome,
        notes: &mut dyn Notes,
    ) -> Option<Step> {
        let pending = self.pending.remove(&effect)?;
        let (frame, detached) = match (pending.purpose, &pending.effect) {
            (Purpose::SubRun(frame), Effect::RunWorkflow { call, .. }) => (frame, !call.wait),
            (Purpose::Call(frame), Effect::RunProcess { call, .. }) => (frame, !call.wait),
            (
                Purpose::Call(frame)
                | Purpose::SubRun(frame)
                | Purpose::Emit(frame)
                | Purpose::Decision(frame),
                _,
            ) => (frame, false),
            (Purpose::Leave(whose), _) => return self.decided(whose, outcome, notes),
            (Purpose::Schema, Effect::CallHttp { call, .. }) => {
                return self.schema_came(&call.uri, outcome, notes);
            }
            (Purpose::Resource(frame), Effect::CallHttp { call, .. }) => {
                return self.resource_came(frame, &call.uri, outcome);
            }
            _ => return None,
        };
        if Self::settles(outcome) {
            self.settle_key(frame);
        }
        match outcome {
            Outcome::Output(_) if detached => self.frames.get(frame).map(|entry| Step::Finish {
                frame,
                output: Arc::clone(&entry.input),
                then: None,
            }),
            Outcome::Output(output) => {
                Some(Step::Finish { frame, output: Arc::new(output.clone()), then: None })
            }
            Outcome::Failed { error, .. } => self.fail(frame, error.clone()),
        }
    }

    fn timer_fired(&mut self, at: Timestamp, effect: EffectId) -> Result<(), ApplyError> {
        let pending = self.pending.get(&effect).ok_or(ApplyError::NotPending(effect))?;
        let step = match pending.purpose {
            Purpose::Call(_)
            | Purpose::Resource(_)
            | Purpose::Schema
            | Purpose::SubRun(_)
            | Purpose::Emit(_)
            | Purpose::Decision(_)
            | Purpose::Leave(_)
            | Purpose::Listen(_) => {
                return Err(ApplyError::NotPending(effect));
            }
            Purpose::Wait(frame) => self.frames.get(frame).map(|entry| Step::Finish {
                frame,
                output: Arc::clone(&entry.input),
                then: None,
            }),
            Purpose::Deadline(frame) => Some(Step::Expire(frame)),
            Purpose::Attempt(frame) => Some(Step::ExpireAttempt(frame)),
            Purpose::Delay(frame) => Some(Step::Attempt(frame)),
            Purpose::RunDeadline => Some(Step::ExpireRun),
        };
        self.must_be_idle()?;
        self.now = at;
        self.pending.remove(&effect);
        self.queue.extend(step);
        Ok(())
    }

    pub(super) fn must_be_idle(&self) -> Result<(), ApplyError> {
        if self.queue.is_empty() && self.held.is_empty() { Ok(()) } else { Err(ApplyError::Busy) }
    }

    fn cancel(&mut self, at: Timestamp, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        self.settle(None, notes)?;
        self.now = at;
        self.end(RunState::Cancelled, notes);
        Ok(())
    }

    fn abort(&mut self, at: Timestamp, error: &FlowError, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        if self.suspension.is_some() {
            return Err(ApplyError::Status(RunStatus::Suspended));
        }
        self.settle(Some(&error.instance), notes)?;
        self.now = at;
        let resume = match self.queue.pop_front() {
            Some(step) if self.place(&step) == Some(&error.instance) => match step {
                Step::Enter(frame)
                | Step::Admitted(frame)
                | Step::Perform(frame)
                | Step::Resume(frame)
                | Step::ListEnded { frame, .. }
                | Step::Heard(frame)
                | Step::Finish { frame, .. }
                | Step::Catch { frame, .. }
                | Step::Attempt(frame) => Resume::Task(frame),
                step => Resume::Step(Box::new(step)),
            },
            _ => Resume::Interrupted,
        };
        let blamed = if let Resume::Task(frame) = &resume { Some(*frame) } else { None };
        self.fault(resume, blamed, error.clone(), notes);
        Ok(())
    }

    /// Does what is due before the next task begins, so that a run is interrupted at the same place live and in replay.
    fn settle(&mut self, reference: Option<&str>, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        if self.status().is_ended() {
            return Err(ApplyError::Status(self.status()));
        }
        // A step that is too slow stays where it is; the run ends anyway.
        let _ = self.work(Until { begun: self.begun, reference }, notes);
        if self.status().is_ended() { Err(ApplyError::Status(self.status())) } else { Ok(()) }
    }

    /// The run has another version of its workflow from now on; where that has not faulted, there is nothing to repeat.
    fn moved(
        &mut self,
        at: Timestamp,
        secrets: &SecretVersions,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        match &self.state {
            RunState::Faulted(_) => self.retry(at, secrets, notes),
            RunState::Live if self.suspension.is_none() => {
                self.must_be_idle()?;
                self.now = at;
                self.secrets = secrets.clone();
                Ok(())
            }
            RunState::Completed(_) => Ok(()),
            _ => Err(ApplyError::Status(self.status())),
        }
    }

    /// Goes on after a fault. Time that passed since then counts for no timer: deadlines and waits move by it.
    fn retry(
        &mut self,
        at: Timestamp,
        secrets: &SecretVersions,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let RunState::Faulted(fault) = &self.state else {
            return Err(ApplyError::Status(self.status()));
        };
        let fault = fault.clone();
        let paused = at.since(fault.at);
        self.state = RunState::Live;
        self.secrets = secrets.clone();
        self.now = at;
        if let Some((span, due)) = self.run_deadline {
            // Where it was the workflow's timeout that ended the run, it begins anew.
            let moment = if due.at > fault.at { due.at + paused } else { at + span };
            self.run_deadline = Some((span, self.ask_timer(Purpose::RunDeadline, moment)));
        }
        match fault.resume {
            Resume::Task(frame) => self.reset(frame),
            Resume::Step(step) => self.queue.push_back(*step),
            Resume::Interrupted => {}
        }
        for frame in self.subtree(self.root.child) {
            self.resume(frame, paused, notes);
        }
        Ok(())
    }

    /// Makes a task ready to be entered again, from its raw input.
    fn reset(&mut self, id: FrameId) {
        if let Some(frame) = self.frames.get_mut(id) {
            frame.attempt = frame.attempt.saturating_add(1);
            frame.number = 0;
            frame.input = Arc::clone(&frame.raw);
            frame.deadline = None;
            frame.around = None;
            frame.body = Body::Ready;
        }
    }

    fn resume(&mut self, id: FrameId, paused: Duration, notes: &mut dyn Notes) {
        let Some(frame) = self.frames.get(id) else { return };
        match &frame.body {
            Body::Ready => self.queue.push_back(Step::Begin(id)),
            Body::Effect(_) => {
                self.reset(id);
                self.queue.push_back(Step::Begin(id));
            }
            Body::Wait(due) => {
                let moment = due.at + paused;
                self.rearm_deadline(id, paused);
                let due = self.ask_timer(Purpose::Wait(id), moment);
                if let Some(frame) = self.frames.get_mut(id) {
                    frame.body = Body::Wait(due);
                }
                self.note_became(id, TaskStatus::Waiting, notes);
            }
            Body::List(_) | Body::Loop(_) | Body::Fork(_) => {
                self.rearm_deadline(id, paused);
                self.note_became(id, TaskStatus::Running, notes);
            }
            Body::Listen(_) => {
                self.rearm_deadline(id, paused);
                self.listen_again(id, notes);
            }
            Body::Try(body) => {
                let limit = body.limit.map(|due| due.at + paused);
                let delay = match body.phase {
                    TryPhase::Delaying(due) => Some(due.at + paused),
                    TryPhase::Attempting | TryPhase::Handling(_) => None,
                };
                self.rearm_deadline(id, paused);
                let limit = limit.map(|at| self.ask_timer(Purpose::Attempt(id), at));
                let delay = delay.map(|at| self.ask_timer(Purpose::Delay(id), at));
                if let Some(Frame { body: Body::Try(body), .. }) = self.frames.get_mut(id) {
                    body.since = body.since + paused;
                    body.limit = limit;
                    if let Some(due) = delay {
                        body.phase = TryPhase::Delaying(due);
                    }
                }
                self.note_became(id, TaskStatus::Running, notes);
            }
        }
    }

    pub(super) fn rearm_deadline(&mut self, id: FrameId, paused: Duration) {
        let Some(due) = self.frames.get(id).and_then(|frame| frame.deadline) else { return };
        let due: Due = self.ask_timer(Purpose::Deadline(id), due.at + paused);
        if let Some(frame) = self.frames.get_mut(id) {
            frame.deadline = Some(due);
        }
    }

    pub(super) fn status_now(&self) -> RunStatus {
        match &self.state {
            RunState::Completed(_) => RunStatus::Completed,
            RunState::Faulted(_) => RunStatus::Faulted,
            RunState::Cancelled => RunStatus::Cancelled,
            RunState::Live if self.suspension.is_some() => RunStatus::Suspended,
            RunState::Live => {
                let (is_moving, waits) = self.under_way();
                if !is_moving && waits && self.queue.is_empty() {
                    RunStatus::Waiting
                } else {
                    RunStatus::Running
                }
            }
        }
    }

    /// Whether anything is pending that goes on by itself, and whether anything is that may take long. Calls that have to
    /// wait for the budget are neither.
    pub(super) fn under_way(&self) -> (bool, bool) {
        let mut waits = false;
        for (effect, pending) in &self.pending {
            match pending.purpose {
                Purpose::Wait(_) | Purpose::Listen(_) | Purpose::Decision(_) | Purpose::Leave(_) => {
                    waits = true;
                }
                // These bound what is going on; nobody waits for them.
                Purpose::Deadline(_) | Purpose::Attempt(_) | Purpose::RunDeadline => {}
                Purpose::Call(_) if self.is_parked(*effect) => {}
                Purpose::Call(_)
                | Purpose::Resource(_)
                | Purpose::Schema
                | Purpose::SubRun(_)
                | Purpose::Emit(_)
                | Purpose::Delay(_) => return (true, waits),
            }
        }
        (false, waits)
    }
}
