//! The way out of a task: output, export, and what comes next.

use std::sync::Arc;

use levqor_model::TaskStatus;
use serde_json::Value;

use super::{
    Machine, Notes, RunState, TaskNote,
    arena::FrameId,
    enter::goes_on,
    frame::{Body, Branch, Frame, TryPhase},
    scope::{Scope, check_schema},
    step::{Next, Step},
};
use crate::definition::{TaskKind, Then, Try};

impl Machine {
    pub(super) fn finish(
        &mut self,
        id: FrameId,
        raw: &Arc<Value>,
        then: Option<Then>,
        notes: &mut dyn Notes,
    ) -> Next {
        if let Some(step) = self.leave_around(id, raw, then, notes) {
            return Ok(step);
        }
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let task = frame.task();
        let scope = Scope {
            input: Some(&frame.input),
            raw_output: Some(raw),
            authorization: frame.authorization.as_deref(),
            ..Scope::new(self, Some(id))
        };
        let output = match &task.output.shape {
            None => Arc::clone(raw),
            Some(shape) => scope.fill(shape, raw)?,
        };
        // What came in was checked when it came.
        let output = if Arc::ptr_eq(&output, &frame.input) || Arc::ptr_eq(&output, &frame.raw) {
            output
        } else {
            self.checked("the task's output", output)?
        };
        check_schema(self, task.output.schema.as_ref(), "the task's output", &output)?;
        let context = match &task.export.shape {
            None => None,
            Some(shape) => {
                let scope = Scope { output: Some(&output), ..scope };
                Some(self.checked("the context", scope.fill(shape, &output)?)?)
            }
        };
        check_schema(
            self,
            task.export.schema.as_ref(),
            "the context",
            context.as_ref().unwrap_or(&self.context),
        )?;

        if let Some(context) = context {
            self.context = context;
        }
        self.clear_body(id, None, notes);
        self.disarm(id);
        let Some(frame) = self.frames.remove(id) else { return Ok(None) };
        notes.note(TaskNote::Ended {
            at: self.now,
            task: frame.number,
            status: TaskStatus::Completed,
            output: Some(&output),
            error: None,
        });
        if frame.parent.is_none() {
            // Nothing around it can be tried again, so its keys can not be asked for again.
            self.key_groups.clear();
        }
        let then = then.unwrap_or(frame.task().then);
        Ok(self.follow(&frame, output, then))
    }

    /// Goes on after a task that has ended and left the tree.
    pub(super) fn follow(&mut self, ended: &Frame, output: Arc<Value>, then: Then) -> Option<Step> {
        if let Some(parent) = ended.parent
            && let Some(Frame { body: Body::Fork(_), .. }) = self.frames.get(parent)
        {
            return self.branch_ended(parent, ended.index, output, then);
        }
        if then == Then::Exit
            && let Some(step) = self.exit_around(ended.parent, &output)
        {
            return Some(step);
        }
        let index = match then {
            Then::Continue if ended.index + 1 < ended.tasks.len() => ended.index + 1,
            Then::Task(index) if index < ended.tasks.len() => index,
            Then::Continue | Then::Exit | Then::Task(_) => {
                return Some(match ended.parent {
                    Some(frame) => Step::ListEnded { frame, output },
                    None => Step::Close(output),
                });
            }
            // The workflow ends, by way of the outputs and exports of the tasks around.
            Then::End => {
                return Some(match ended.parent {
                    Some(frame) => Step::Finish { frame, output, then: Some(Then::End) },
                    None => Step::Close(output),
                });
            }
        };
        if index <= ended.index {
            match ended.parent {
                None => self.root.lap = ended.lap.saturating_add(1),
                Some(parent) => {
                    if let Some(list) = self.frames.get_mut(parent).and_then(|frame| frame.body.list_mut()) {
                        list.lap = ended.lap.saturating_add(1);
                    }
                }
            }
        }
        self.schedule(ended.parent, &ended.tasks, index, output, ended.attempt);
        None
    }

    fn branch_ended(&mut self, fork: FrameId, index: usize, output: Arc<Value>, then: Then) -> Option<Step> {
        let frame = self.frames.get_mut(fork)?;
        let compete = matches!(&frame.task().kind, TaskKind::Fork(definition) if definition.compete);
        let Body::Fork(body) = &mut frame.body else { return None };
        if then == Then::End {
            return Some(Step::Finish { frame: fork, output, then: Some(Then::End) });
        }
        if compete {
            return Some(Step::Finish { frame: fork, output, then: None });
        }
        if let Some(branch) = body.branches.get_mut(index) {
            *branch = Branch::Ended(output);
        }
        body.open = body.open.saturating_sub(1);
        if body.open > 0 {
            return None;
        }
        let outputs = std::mem::take(&mut body.branches)
            .into_iter()
            .map(|branch| match branch {
                Branch::Ended(output) => Arc::unwrap_or_clone(output),
                Branch::Open(_) | Branch::Faulted => Value::Null,
            })
            .collect();
        Some(Step::Finish { frame: fork, output: Arc::new(Value::Array(outputs)), then: None })
    }

    /// The list of a composite task (one iteration of a loop) has come to its end.
    pub(super) fn list_ended(&mut self, id: FrameId, output: &Arc<Value>) -> Next {
        if let Some(step) = self.continue_around(id) {
            return Ok(step);
        }
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index) = (Arc::clone(&frame.tasks), frame.index);
        let then = match (&tasks[index].kind, &frame.body) {
            (TaskKind::Try(Try { catch, .. }), Body::Try(body))
                if matches!(body.phase, TryPhase::Handling(_)) =>
            {
                catch.then
            }
            _ => None,
        };
        if let (TaskKind::Listen(definition), Body::Listen(_)) = (&tasks[index].kind, &frame.body) {
            return self.item_ended(id, definition, output);
        }
        if let (TaskKind::For(definition), Body::Loop(body)) = (&tasks[index].kind, &frame.body) {
            let position = body.position + 1;
            if let Some(item) = body.items.get(position) {
                let scope = Scope { input: Some(&frame.input), ..Scope::new(self, Some(id)) };
                if goes_on(&scope, definition, item, position, output)? {
                    if let Some(Frame { body: Body::Loop(body), .. }) = self.frames.get_mut(id) {
                        body.position = position;
                    }
                    self.begin_list(id, &definition.tasks, Arc::clone(output));
                    return Ok(None);
                }
            }
        }
        Ok(Some(Step::Finish { frame: id, output: Arc::clone(output), then }))
    }

    /// Shapes and checks the workflow's output, and completes the run.
    pub(super) fn close(&mut self, last: &Arc<Value>, notes: &mut dyn Notes) -> Next {
        let workflow = Arc::clone(&self.workflow);
        let scope = Scope::new(self, None);
        let output = match &workflow.output.shape {
            None => Arc::clone(last),
            Some(shape) => self.checked("the workflow's output", scope.fill(shape, last)?)?,
        };
        check_schema(self, workflow.output.schema.as_ref(), "the workflow's output", &output)?;
        self.end(RunState::Completed(output), notes);
        Ok(None)
    }
}
