//! Errors on their way out, and what they leave behind.
//!
//! An error rises from the task that failed to the first `try` around it that catches it. Nothing is torn down before
//! it is known who that is: when nobody catches it, the frames stay, so that a retry of the run can go on from there.

use std::{sync::Arc, time::Duration};

use levqor_model::{TaskStatus, Timestamp};
use serde_json::Value;

use super::{
    ErrorKind, FlowError, Machine, Notes, RunState, TaskNote,
    arena::FrameId,
    catching::Verdict,
    effects::Purpose,
    frame::{Body, Branch, Frame, TryPhase},
    scope::{Scope, Trouble},
    step::{Next, Step, TIMEOUT},
};
use crate::definition::{TaskKind, TaskList, Try};

/// How a run that faulted ended, and how it can go on.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub error: FlowError,
    pub at: Timestamp,
    pub resume: Resume,
}

/// What a retry of the run does, besides entering again what was interrupted.
#[derive(Debug, Clone)]
pub(super) enum Resume {
    /// Enter this task again.
    Task(FrameId),
    /// Repeat a step of the workflow itself.
    Step(Box<Step>),
    /// Nothing: the fault was not of a task.
    Interrupted,
}

/// Whose fault a teardown is: the task that failed, and its error.
pub(super) type Blame<'a> = Option<(FrameId, &'a FlowError)>;

impl Machine {
    /// Takes an error out of `from`, up to the first place that has a say.
    pub(super) fn raise(
        &mut self,
        failed: FrameId,
        from: FrameId,
        error: &FlowError,
        notes: &mut dyn Notes,
    ) -> Option<Step> {
        let mut failed = failed;
        let mut child = from;
        loop {
            let Some(parent) = self.frames.get(child)?.parent else {
                self.fault(Resume::Task(failed), Some(failed), error.clone(), notes);
                return None;
            };
            let index = self.frames.get(child)?.index;
            let frame = self.frames.get_mut(parent)?;
            let compete = matches!(&frame.task().kind, TaskKind::Fork(fork) if fork.compete);
            match &mut frame.body {
                Body::Try(body) if matches!(body.phase, TryPhase::Attempting) => {
                    return Some(Step::Catch { frame: parent, failed, error: Box::new(error.clone()) });
                }
                // A race is lost only when every branch has faulted; then it is the race that failed.
                Body::Fork(body) if compete => {
                    if let Some(branch) = body.branches.get_mut(index) {
                        *branch = Branch::Faulted;
                    }
                    body.open = body.open.saturating_sub(1);
                    let lost = body.open == 0;
                    self.tear_down(child, Some((failed, error)), notes);
                    if !lost {
                        return None;
                    }
                    failed = parent;
                }
                _ => {}
            }
            child = parent;
        }
    }

    pub(super) fn catch(
        &mut self,
        id: FrameId,
        failed: FrameId,
        error: &FlowError,
        notes: &mut dyn Notes,
    ) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        let (TaskKind::Try(definition), Body::Try(body)) = (&tasks[index].kind, &frame.body) else {
            return Ok(None);
        };
        let value = error.value();
        // Where the error comes from the `try` itself (an attempt out of time), nothing below is to blame.
        let blame = (failed != id).then_some((failed, error));
        let verdict = match self.verdict(id, definition, body, &value, &input) {
            Ok(verdict) => verdict,
            Err(Trouble::Error(error)) => {
                self.clear_body(id, blame, notes);
                return Err(Trouble::Error(error));
            }
            Err(slow) => return Err(slow),
        };
        match verdict {
            Verdict::Propagate => {
                return Ok(Some(Step::Raise { failed, from: id, error: Box::new(error.clone()) }));
            }
            Verdict::Swallow => {
                self.clear_body(id, blame, notes);
                return Ok(Some(Step::Finish { frame: id, output: input, then: None }));
            }
            Verdict::Handle => {
                self.clear_body(id, blame, notes);
                let handler = definition.catch.tasks.clone().unwrap_or_default();
                if handler.is_empty() {
                    let then = definition.catch.then;
                    return Ok(Some(Step::Finish { frame: id, output: input, then }));
                }
                if let Some(Frame { body: Body::Try(body), .. }) = self.frames.get_mut(id) {
                    body.phase = TryPhase::Handling(Arc::new(value));
                }
                self.begin_list(id, &handler, input);
            }
            Verdict::RetryIn(delay) => {
                self.clear_body(id, blame, notes);
                let due = (!delay.is_zero()).then(|| self.ask_timer_in(Purpose::Delay(id), delay));
                if let Some(Frame { body: Body::Try(body), .. }) = self.frames.get_mut(id) {
                    body.retries = body.retries.saturating_add(1);
                    if let Some(due) = due {
                        body.phase = TryPhase::Delaying(due);
                        return Ok(None);
                    }
                }
                return Ok(Some(Step::Attempt(id)));
            }
        }
        Ok(None)
    }

    /// Begins the next attempt of a `try`.
    pub(super) fn attempt(&mut self, id: FrameId) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        let TaskKind::Try(definition) = &tasks[index].kind else { return Ok(None) };
        let bound = self.attempt_bound(id, definition, &input)?;
        self.begin_attempt(id, &definition.tasks, bound);
        Ok(None)
    }

    pub(super) fn begin_attempt(&mut self, id: FrameId, list: &TaskList, bound: Option<Duration>) {
        let limit = bound.map(|bound| self.ask_timer_in(Purpose::Attempt(id), bound));
        let Some(frame) = self.frames.get_mut(id) else { return };
        let input = Arc::clone(&frame.input);
        if let Body::Try(body) = &mut frame.body {
            body.phase = TryPhase::Attempting;
            body.limit = limit;
        }
        self.begin_list(id, list, input);
    }

    /// How long one attempt may take.
    pub(super) fn attempt_bound(
        &self,
        id: FrameId,
        definition: &Try,
        input: &Value,
    ) -> Result<Option<Duration>, Trouble> {
        let scope = Scope { input: Some(input), ..Scope::new(self, Some(id)) };
        let retry = definition.catch.retry.as_ref();
        retry
            .and_then(|retry| retry.attempt_duration.as_ref())
            .map(|spec| scope.duration(spec, input))
            .transpose()
    }

    pub(super) fn expire(&mut self, id: FrameId, notes: &mut dyn Notes) -> Option<Step> {
        self.frames.get_mut(id)?.deadline = None;
        self.clear_body(id, None, notes);
        self.fail(
            id,
            ErrorKind::Timeout.error("the task timed out", "the task took longer than its timeout allows"),
        )
    }

    /// An attempt out of time is an error inside the `try`, for its own `catch` to see.
    pub(super) fn expire_attempt(&mut self, id: FrameId, notes: &mut dyn Notes) -> Option<Step> {
        let frame = self.frames.get_mut(id)?;
        let instance = frame.task().reference.to_string();
        if let Body::Try(body) = &mut frame.body {
            body.limit = None;
        }
        self.clear_body(id, None, notes);
        let error = ErrorKind::Timeout
            .error("the attempt timed out", "the attempt took longer than its retry policy allows");
        Some(Step::Catch { frame: id, failed: id, error: Box::new(FlowError { instance, ..error }) })
    }

    /// The workflow's timeout can be caught by nobody.
    pub(super) fn expire_run(&mut self, notes: &mut dyn Notes) -> Option<Step> {
        let error = ErrorKind::Timeout
            .error("the workflow timed out", "the run took longer than the workflow's timeout allows");
        let error = FlowError { instance: TIMEOUT.to_owned(), ..error };
        self.fault(Resume::Interrupted, None, error, notes);
        None
    }

    /// Ends the run as faulted, and keeps what a retry needs.
    pub(super) fn fault(
        &mut self,
        resume: Resume,
        blamed: Option<FrameId>,
        error: FlowError,
        notes: &mut dyn Notes,
    ) {
        if let Resume::Task(failed) = &resume {
            let blame = blamed.map(|blamed| (blamed, &error));
            self.clear_body(*failed, blame, notes);
        }
        self.abandon_all();
        self.queue.clear();
        let path = self.ancestors(blamed);
        for id in self.subtree(self.root.child).into_iter().rev() {
            let blame = path.contains(&id).then_some(&error);
            self.note_cut(id, blame, notes);
        }
        self.state = RunState::Faulted(Box::new(Fault { error, at: self.now, resume }));
    }

    /// Ends the run for good.
    pub(super) fn end(&mut self, state: RunState, notes: &mut dyn Notes) {
        if let Some(child) = self.root.child.take() {
            self.tear_down(child, None, notes);
        }
        self.abandon_all();
        self.queue.clear();
        self.frames.clear();
        self.suspension = None;
        self.held.clear();
        self.state = state;
    }

    /// Ends all that a task has begun inside it, and lets go of its effects; not of its own timeout.
    pub(super) fn clear_body(&mut self, id: FrameId, blame: Blame<'_>, notes: &mut dyn Notes) {
        let Some(frame) = self.frames.get_mut(id) else { return };
        let children = frame.body.children();
        let effects: Vec<_> = frame.body.effects().collect();
        match &mut frame.body {
            Body::List(list) => list.child = None,
            Body::Loop(body) => body.list.child = None,
            Body::Listen(body) => body.list.child = None,
            Body::Try(body) => {
                body.list.child = None;
                body.limit = None;
            }
            Body::Fork(body) => body.branches.clear(),
            Body::Ready | Body::Effect(_) | Body::Wait(_) => {}
        }
        for child in children {
            self.tear_down(child, blame, notes);
        }
        for effect in effects {
            self.abandon(effect);
        }
    }

    /// Lets go of a task's own timeout.
    pub(super) fn disarm(&mut self, id: FrameId) {
        if let Some(due) = self.frames.get_mut(id).and_then(|frame| frame.deadline.take()) {
            self.abandon(due.effect);
        }
    }

    /// Removes a task with all that is inside it, innermost first: what is on the way of the error has faulted, the
    /// rest is cancelled. Does not tell the parent.
    pub(super) fn tear_down(&mut self, top: FrameId, blame: Blame<'_>, notes: &mut dyn Notes) {
        let path = self.ancestors(blame.map(|(failed, _)| failed));
        for id in self.subtree(Some(top)).into_iter().rev() {
            let error = blame.filter(|_| path.contains(&id)).map(|(_, error)| error);
            self.note_cut(id, error, notes);
            self.disarm(id);
            let effects: Vec<_> =
                self.frames.get(id).map_or(Vec::new(), |frame| frame.body.effects().collect());
            for effect in effects {
                self.abandon(effect);
            }
            self.frames.remove(id);
        }
    }

    fn note_cut(&self, id: FrameId, error: Option<&FlowError>, notes: &mut dyn Notes) {
        let Some(frame) = self.frames.get(id).filter(|frame| frame.number > 0) else { return };
        let status = if error.is_some() { TaskStatus::Faulted } else { TaskStatus::Cancelled };
        notes.note(TaskNote::Ended { at: self.now, task: frame.number, status, output: None, error });
    }

    /// A frame and those around it.
    fn ancestors(&self, of: Option<FrameId>) -> Vec<FrameId> {
        let mut ids = Vec::new();
        let mut next = of;
        while let Some(id) = next
            && let Some(frame) = self.frames.get(id)
        {
            ids.push(id);
            next = frame.parent;
        }
        ids
    }

    /// A frame and those inside it, parents first, in declaration order.
    pub(super) fn subtree(&self, top: Option<FrameId>) -> Vec<FrameId> {
        let mut ids = Vec::new();
        let mut stack: Vec<FrameId> = top.into_iter().collect();
        while let Some(id) = stack.pop() {
            let Some(frame) = self.frames.get(id) else { continue };
            ids.push(id);
            stack.extend(frame.body.children().into_iter().rev());
        }
        ids
    }
}
