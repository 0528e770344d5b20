//! A run that stands still, and how it goes on.
//!
//! While a run is suspended it has no timers: they are let go when it stops and asked for again when it goes on. What it
//! waits for (a `wait`, the delay before a retry) is due when it was due, late rather than never; what bounds it (a
//! timeout) does not run, so its moment moves by the pause. Results of calls that were under way are held, in the order in
//! which they came, and taken in one by one after the pause.

use std::time::Duration;

use levqor_model::{TaskStatus, Timestamp};

use super::{
    ApplyError, Effect, EffectId, Machine, Notes,
    arena::FrameId,
    effects::Purpose,
    frame::{Body, Due, Frame, TryPhase},
    step::{Step, Until},
};
use crate::definition::TaskKind;

#[derive(Debug, Clone)]
pub(super) struct Suspension {
    pub at: Timestamp,
    pub by: Option<String>,
    /// The budget is used up, and going on allows as much again.
    pub budget: bool,
}

/// What a pending timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerUse<'a> {
    /// The task waits for the moment.
    Wait { task: &'a str },
    /// The task waits before its retry number `retry`, of at most `of`.
    Delay { task: &'a str, retry: u64, of: Option<u64> },
    /// It bounds what is going on; nobody waits for it.
    Bound,
}

impl Machine {
    /// Since when the run stands still, and who asked for that; None when it doesn't.
    pub fn suspended(&self) -> Option<(Timestamp, Option<&str>)> {
        self.suspension.as_ref().map(|suspension| (suspension.at, suspension.by.as_deref()))
    }

    /// None when the effect is no pending timer.
    pub fn timer_use(&self, effect: EffectId) -> Option<TimerUse<'_>> {
        let frame = |id: FrameId| self.frames.get(id);
        Some(match self.pending.get(&effect)?.purpose {
            Purpose::Wait(id) => TimerUse::Wait { task: &frame(id)?.task().name },
            Purpose::Delay(id) => {
                let frame = frame(id)?;
                let (Body::Try(body), TaskKind::Try(definition)) = (&frame.body, &frame.task().kind) else {
                    return None;
                };
                let of = definition.catch.retry.as_ref().and_then(|retry| retry.attempts_max);
                TimerUse::Delay { task: &frame.task().name, retry: body.retries, of }
            }
            Purpose::Deadline(_) | Purpose::Attempt(_) | Purpose::RunDeadline => TimerUse::Bound,
            Purpose::Call(_)
            | Purpose::Resource(_)
            | Purpose::Schema
            | Purpose::SubRun(_)
            | Purpose::Emit(_)
            | Purpose::Decision(_)
            | Purpose::Leave(_)
            | Purpose::Listen(_) => return None,
        })
    }

    pub(super) fn is_held(&self, effect: EffectId) -> bool {
        self.held.iter().any(|(held, _)| *held == effect)
    }

    /// The next held result that somebody still waits for.
    pub(super) fn take_held(&mut self, notes: &mut dyn Notes) -> Option<Step> {
        while let Some((effect, outcome)) = self.held.pop_front() {
            if let Some(step) = self.result(effect, &outcome, notes) {
                return Some(step);
            }
        }
        None
    }

    /// Nobody waits for this result any more; false when it is not held.
    pub(super) fn let_go_of_held(&mut self, effect: EffectId) -> bool {
        let place = self.held.iter().position(|(held, _)| *held == effect);
        place.and_then(|place| self.held.remove(place)).is_some()
    }

    pub(super) fn suspend(
        &mut self,
        at: Timestamp,
        by: Option<&str>,
        budget: bool,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        if self.status().is_ended() || self.suspension.is_some() {
            return Err(ApplyError::Status(self.status()));
        }
        // Up to the next task, so that a run stops at the same place live and in replay.
        if self.work(Until { begun: self.begun, reference: None }, notes).is_err() {
            return Err(ApplyError::Busy);
        }
        if self.status().is_ended() {
            return Err(ApplyError::Status(self.status()));
        }
        self.now = at;
        let timers: Vec<EffectId> = self
            .pending
            .iter()
            .filter(|(_, pending)| matches!(pending.effect, Effect::Timer { .. }))
            .map(|(effect, _)| *effect)
            .collect();
        for effect in timers {
            self.abandon(effect);
        }
        self.suspension = Some(Suspension { at, by: by.map(str::to_owned), budget });
        for id in self.subtree(self.root.child) {
            if self.frames.get(id).is_some_and(|frame| frame.number > 0) {
                self.note_became(id, TaskStatus::Suspended, notes);
            }
        }
        Ok(())
    }

    pub(super) fn resume_run(&mut self, at: Timestamp, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        let Some(suspension) = self.suspension.take() else {
            return Err(ApplyError::Status(self.status()));
        };
        let paused = at.since(suspension.at);
        self.now = at;
        if suspension.budget {
            self.allow_more();
        }
        if let Some((span, due)) = self.run_deadline {
            self.run_deadline = Some((span, self.ask_timer(Purpose::RunDeadline, due.at + paused)));
        }
        for id in self.subtree(self.root.child) {
            self.rearm(id, paused);
            if let Some(status) = self.stands_as(id) {
                self.note_became(id, status, notes);
            }
        }
        Ok(())
    }

    /// Asks for the timers of a task again.
    fn rearm(&mut self, id: FrameId, paused: Duration) {
        self.rearm_deadline(id, paused);
        let Some(frame) = self.frames.get(id) else { return };
        match &frame.body {
            Body::Wait(due) => {
                let due = self.ask_timer(Purpose::Wait(id), due.at);
                if let Some(frame) = self.frames.get_mut(id) {
                    frame.body = Body::Wait(due);
                }
            }
            Body::Try(body) => {
                let limit: Option<Timestamp> = body.limit.map(|due| due.at + paused);
                let delay: Option<Due> = match body.phase {
                    TryPhase::Delaying(due) => Some(due),
                    TryPhase::Attempting | TryPhase::Handling(_) => None,
                };
                let limit = limit.map(|at| self.ask_timer(Purpose::Attempt(id), at));
                let delay = delay.map(|due| self.ask_timer(Purpose::Delay(id), due.at));
                if let Some(Frame { body: Body::Try(body), .. }) = self.frames.get_mut(id) {
                    body.since = body.since + paused;
                    body.limit = limit;
                    if let Some(due) = delay {
                        body.phase = TryPhase::Delaying(due);
                    }
                }
            }
            _ => {}
        }
    }

    /// What a task that goes on is, as readers see it; None for one that has not begun.
    fn stands_as(&self, id: FrameId) -> Option<TaskStatus> {
        let frame = self.frames.get(id).filter(|frame| frame.number > 0)?;
        let waits = match &frame.body {
            Body::Wait(_) => true,
            Body::Effect(effect) => match self.pending.get(effect).map(|pending| &pending.effect) {
                Some(Effect::RunWorkflow { call, .. }) => call.wait,
                Some(Effect::CallService { call, .. }) => call.service.waits(),
                _ => false,
            },
            Body::Listen(body) => !body.busy,
            Body::Ready | Body::List(_) | Body::Loop(_) | Body::Fork(_) | Body::Try(_) => false,
        };
        Some(if waits { TaskStatus::Waiting } else { TaskStatus::Running })
    }
}
