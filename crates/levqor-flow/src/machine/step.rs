//! The work that is left, in order, and the loop that does it.
//!
//! Tasks begin in the order of the queue, first in, first out, so the branches of a fork take turns. What follows from
//! a task (its end, the end of the list, an error on its way out) is done at once, up to the tasks that it leads to.
//!
//! Invariant: a step evaluates first and changes the run after, and asks for effects last. So a step that is too slow
//! can be put back, and the run is as if it had not been tried.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Effect, FlowError, Machine, MustAbort, Notes, Progress, arena::FrameId, fault::Resume, scope::Trouble,
};
use crate::{definition::Then, expression::allowance};

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The workflow's input.
    Open,
    /// Count and announce a task, then enter it.
    Begin(FrameId),
    /// Input, and what the task does.
    Enter(FrameId),
    /// A person has agreed that the task begins.
    Admitted(FrameId),
    /// What the task does, once the extensions before it are done.
    Perform(FrameId),
    /// The task goes on with a resource that it waited for.
    Resume(FrameId),
    /// The task's list (or one iteration of it) has come to its end.
    ListEnded { frame: FrameId, output: Arc<Value> },
    /// An event has come to a listener, or its `foreach` is done with one: what is next?
    Heard(FrameId),
    /// Output and export, then what comes next. `then` overrides the task's own.
    Finish { frame: FrameId, output: Arc<Value>, then: Option<Then> },
    /// An error on its way out: `failed` is the task that it comes from, `from` the task that it is leaving.
    Raise { failed: FrameId, from: FrameId, error: Box<FlowError> },
    /// A `try` looks at an error from inside it.
    Catch { frame: FrameId, failed: FrameId, error: Box<FlowError> },
    /// A `try` begins its next attempt.
    Attempt(FrameId),
    /// A task's time is up.
    Expire(FrameId),
    /// An attempt's time is up.
    ExpireAttempt(FrameId),
    /// The workflow's time is up.
    ExpireRun,
    /// The workflow's output.
    Close(Arc<Value>),
}

/// Where to stop before the work is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until<'a> {
    /// Do not begin a task after this many.
    pub begun: u64,
    /// With that many begun, stop before a step that may evaluate something for the task of this reference. This is
    /// how replay finds the place of an abortion.
    pub reference: Option<&'a str>,
}

impl Until<'_> {
    pub(super) const IDLE: Until<'static> = Until { begun: u64::MAX, reference: None };
}

/// How often the bound of one expression all expressions of a step may use together: the cases of a `switch`, the members
/// of a `set`.
const TOGETHER: u64 = 8;

/// The places that errors of the workflow itself have.
pub(super) const INPUT: &str = "/input";
pub(super) const OUTPUT: &str = "/output";
pub(super) const TIMEOUT: &str = "/timeout";

/// What a step leads to.
pub(super) type Next = Result<Option<Step>, Trouble>;

impl Machine {
    /// [`Machine::run`] that also ends when its expressions have used `steps`: a task whose expressions need more is tried
    /// again by the next call. To get past every task it takes [`Machine::steps_together`].
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub fn run_within(
        &mut self,
        tasks: u64,
        steps: u64,
        effects: &mut Vec<Effect>,
        notes: &mut dyn Notes,
    ) -> Result<Progress, MustAbort> {
        let _slice = allowance::slice(steps);
        self.run(tasks, effects, notes)
    }

    /// What the expressions of one task may use together.
    pub fn steps_together(&self) -> u64 {
        self.surroundings.bounds.steps.saturating_mul(TOGETHER)
    }

    pub(super) fn work(&mut self, until: Until<'_>, notes: &mut dyn Notes) -> Result<Progress, MustAbort> {
        if self.suspension.is_some() {
            return Ok(Progress::Idle);
        }
        // What was held is taken in one by one, each when the run is idle, as it would have been when it came.
        while let Some(first) = self.queue.pop_front().or_else(|| self.take_held(notes)) {
            // A task that was torn down before its turn begins nothing, so nothing stops before it.
            let begins = matches!(&first, Step::Begin(frame) if self.frames.get(*frame).is_some());
            if begins && self.begun >= until.begun {
                self.queue.push_front(first);
                return Ok(Progress::More);
            }
            let mut next = Some(first);
            while let Some(step) = next {
                if self.begun >= until.begun
                    && until.reference.is_some_and(|reference| self.place(&step) == Some(reference))
                {
                    self.queue.push_front(step);
                    return Ok(Progress::More);
                }
                next = match self.step(&step, notes) {
                    Ok(next) => next,
                    Err(Trouble::Error(error)) => self.failure(&step, error, notes),
                    Err(Trouble::Later(_)) => {
                        self.queue.push_front(step);
                        return Ok(Progress::More);
                    }
                    Err(Trouble::Slow(mut error)) => {
                        error.instance = self.place(&step).unwrap_or_default().to_owned();
                        self.queue.push_front(step);
                        return Err(MustAbort(error));
                    }
                };
            }
        }
        self.ask_what_fits();
        Ok(Progress::Idle)
    }

    fn step(&mut self, step: &Step, notes: &mut dyn Notes) -> Next {
        let _together = allowance::step(self.steps_together());
        match step {
            Step::Open => self.open(notes),
            Step::Begin(frame) => Ok(self.begin(*frame, notes)),
            Step::Enter(frame) => self.enter(*frame, notes),
            Step::Admitted(frame) => self.admitted(*frame, notes),
            Step::Perform(frame) => self.perform_extended(*frame, notes),
            Step::Resume(frame) => self.resume_call(*frame),
            Step::ListEnded { frame, output } => self.list_ended(*frame, output),
            Step::Heard(frame) => self.heard(*frame, notes),
            Step::Finish { frame, output, then } => self.finish(*frame, output, *then, notes),
            Step::Raise { failed, from, error } => Ok(self.raise(*failed, *from, error, notes)),
            Step::Catch { frame, failed, error } => self.catch(*frame, *failed, error, notes),
            Step::Attempt(frame) => self.attempt(*frame),
            Step::Expire(frame) => Ok(self.expire(*frame, notes)),
            Step::ExpireAttempt(frame) => Ok(self.expire_attempt(*frame, notes)),
            Step::ExpireRun => Ok(self.expire_run(notes)),
            Step::Close(output) => self.close(output, notes),
        }
    }

    /// The task (or the part of the workflow) that a step evaluates for; None when it evaluates nothing.
    pub(super) fn place(&self, step: &Step) -> Option<&str> {
        match step {
            Step::Open => Some(INPUT),
            Step::Close(_) => Some(OUTPUT),
            Step::Enter(frame)
            | Step::Admitted(frame)
            | Step::Perform(frame)
            | Step::Resume(frame)
            | Step::ListEnded { frame, .. }
            | Step::Heard(frame)
            | Step::Finish { frame, .. }
            | Step::Catch { frame, .. }
            | Step::Attempt(frame) => self.frames.get(*frame).map(|frame| &*frame.task().reference),
            Step::Begin(_)
            | Step::Raise { .. }
            | Step::Expire(_)
            | Step::ExpireAttempt(_)
            | Step::ExpireRun => None,
        }
    }

    /// Where the error of a failed step goes.
    fn failure(&mut self, step: &Step, error: FlowError, notes: &mut dyn Notes) -> Option<Step> {
        match step {
            Step::Enter(frame)
            | Step::Admitted(frame)
            | Step::Perform(frame)
            | Step::Resume(frame)
            | Step::ListEnded { frame, .. }
            | Step::Heard(frame)
            | Step::Finish { frame, .. }
            | Step::Catch { frame, .. }
            | Step::Attempt(frame) => self.fail(*frame, error),
            Step::Open | Step::Close(_) => {
                let instance = self.place(step).unwrap_or_default().to_owned();
                let again = Resume::Step(Box::new(step.clone()));
                self.fault(again, None, FlowError { instance, ..error }, notes);
                None
            }
            Step::Begin(_)
            | Step::Raise { .. }
            | Step::Expire(_)
            | Step::ExpireAttempt(_)
            | Step::ExpireRun => None,
        }
    }

    /// Begins the way of an error out of the task where it came up.
    pub(super) fn fail(&self, frame: FrameId, error: FlowError) -> Option<Step> {
        let instance = self.frames.get(frame)?.task().reference.to_string();
        let error = Box::new(FlowError { instance, ..error });
        Some(Step::Raise { failed: frame, from: frame, error })
    }
}
