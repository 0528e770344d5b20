//! Extensions: the tasks that run before and after another task.
//!
//! ```text
//! enter ─► before of the 1st, 2nd, … ─► Perform ─► Finish ─► after of …, 2nd, 1st ─► Finish again: output, export
//! ```
//!
//! They nest as layers do. What they give is dropped, except where a task before goes to `exit`: the extended task and
//! the layers inside are passed over, and what the exiting task gave is the extended task's raw output.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Machine, Notes,
    arena::FrameId,
    frame::{Body, Frame, ListBody},
    scope::{Scope, Trouble},
    step::{Next, Step},
};
use crate::definition::{Task, TaskList, Then};

/// Where all extensions stand in a document.
pub(super) const EXTENSIONS: &str = "/use/extensions/";

/// The extensions around a task that is under way.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// Positions in the workflow's extensions, outermost first.
    layers: Vec<usize>,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    /// The tasks before, of the layer at this position.
    Before(usize),
    /// The task itself, inside this many layers.
    During(usize),
    /// The tasks after, with this many layers left.
    After { left: usize, raw: Arc<Value>, then: Option<Then> },
    /// Only the task's own output is left to do.
    Done,
}

impl Around {
    /// The extended task's raw output, once there is one.
    pub(super) fn raw_output(&self) -> Option<&Value> {
        if let Phase::After { raw, .. } = &self.phase { Some(raw) } else { None }
    }
}

impl Frame {
    /// What is inside this frame now are tasks of its extensions.
    pub(super) fn is_extending(&self) -> bool {
        self.around
            .as_ref()
            .is_some_and(|around| matches!(around.phase, Phase::Before(_) | Phase::After { .. }))
    }
}

impl Machine {
    /// The extensions that are around a task, now that its input is known.
    pub(super) fn extensions_of(
        &self,
        id: FrameId,
        task: &Task,
        scope: &Scope<'_>,
        input: &Value,
    ) -> Result<Vec<usize>, Trouble> {
        let mut layers = Vec::new();
        if self.workflow.extensions.is_empty() || self.frames.get(id).is_none_or(|frame| frame.bare) {
            return Ok(layers);
        }
        for (position, extension) in self.workflow.extensions.iter().enumerate() {
            if extension.extend.covers(&task.kind)
                && extension.when.as_ref().map_or(Ok(true), |when| scope.holds(when, input))?
            {
                layers.push(position);
            }
        }
        Ok(layers)
    }

    /// Begins with the first layer. The task's time counts from here.
    pub(super) fn begin_around(
        &mut self,
        id: FrameId,
        layers: Vec<usize>,
        input: &Arc<Value>,
        timeout: Option<Duration>,
    ) -> Option<Step> {
        self.opened(id, input, timeout, Body::Ready);
        let frame = self.frames.get_mut(id)?;
        frame.around = Some(Box::new(Around { layers, phase: Phase::Before(0) }));
        self.before(id, 0)
    }

    /// Does what the task itself does, inside its extensions.
    pub(super) fn perform_extended(&mut self, id: FrameId, notes: &mut dyn Notes) -> Next {
        let Some(frame) = self.frames.get(id) else { return Ok(None) };
        let (tasks, index, input) = (Arc::clone(&frame.tasks), frame.index, Arc::clone(&frame.input));
        self.perform(id, &tasks[index], input, None, notes)
    }

    /// The list of a frame has ended: if it was an extension's, its output is dropped and the next layer is next.
    pub(super) fn continue_around(&mut self, id: FrameId) -> Option<Option<Step>> {
        match &self.frames.get(id)?.around.as_ref()?.phase {
            Phase::Before(position) => Some(self.before(id, position + 1)),
            Phase::After { .. } => Some(self.after(id)),
            Phase::During(_) | Phase::Done => None,
        }
    }

    /// A task before goes to `exit`: its output is that of the task, which is passed over with the layers inside.
    pub(super) fn exit_around(&mut self, parent: Option<FrameId>, output: &Arc<Value>) -> Option<Step> {
        let id = parent?;
        let around = self.frames.get_mut(id)?.around.as_mut()?;
        let Phase::Before(position) = around.phase else { return None };
        around.phase = Phase::During(position + 1);
        Some(Step::Finish { frame: id, output: Arc::clone(output), then: None })
    }

    /// The task has its raw output: if there are tasks after it, they are next, and it finishes when they are done.
    pub(super) fn leave_around(
        &mut self,
        id: FrameId,
        raw: &Arc<Value>,
        then: Option<Then>,
        notes: &mut dyn Notes,
    ) -> Option<Option<Step>> {
        let around = self.frames.get_mut(id)?.around.as_mut()?;
        match &around.phase {
            Phase::During(began) => {
                around.phase = Phase::After { left: *began, raw: Arc::clone(raw), then };
                self.clear_body(id, None, notes);
                Some(self.after(id))
            }
            // One of the extension's tasks ends the workflow.
            Phase::Before(_) => {
                around.phase = Phase::Done;
                None
            }
            Phase::After { raw, .. } => {
                let output = Arc::clone(raw);
                around.phase = Phase::Done;
                Some(Some(Step::Finish { frame: id, output, then }))
            }
            Phase::Done => None,
        }
    }

    /// The tasks before of the next layer that has any, from `position` on; then the task itself.
    fn before(&mut self, id: FrameId, position: usize) -> Option<Step> {
        let around = self.frames.get_mut(id)?.around.as_mut()?;
        let next = around.layers.iter().enumerate().skip(position).find_map(|(position, layer)| {
            let tasks = &self.workflow.extensions.get(*layer)?.before;
            (!tasks.is_empty()).then(|| (position, Arc::clone(tasks)))
        });
        let Some((position, tasks)) = next else {
            around.phase = Phase::During(around.layers.len());
            return Some(Step::Perform(id));
        };
        around.phase = Phase::Before(position);
        let input = Arc::clone(&self.frames.get(id)?.input);
        self.begin_layer(id, &tasks, input);
        None
    }

    /// The tasks after of the next layer outwards that has any; then the end of the task.
    fn after(&mut self, id: FrameId) -> Option<Step> {
        let around = self.frames.get_mut(id)?.around.as_mut()?;
        let Phase::After { left, raw, then } = &mut around.phase else { return None };
        while let Some(position) = left.checked_sub(1) {
            *left = position;
            let extension =
                around.layers.get(position).and_then(|layer| self.workflow.extensions.get(*layer));
            if let Some(extension) = extension.filter(|extension| !extension.after.is_empty()) {
                let (tasks, raw) = (Arc::clone(&extension.after), Arc::clone(raw));
                self.begin_layer(id, &tasks, raw);
                return None;
            }
        }
        let step = Step::Finish { frame: id, output: Arc::clone(raw), then: *then };
        around.phase = Phase::Done;
        Some(step)
    }

    fn begin_layer(&mut self, id: FrameId, tasks: &TaskList, input: Arc<Value>) {
        if let Some(frame) = self.frames.get_mut(id) {
            frame.body = Body::List(ListBody::default());
        }
        self.begin_list(id, tasks, input);
    }

    /// The task that the extension of this frame is around.
    pub(super) fn extended(&self, frame: &Frame) -> Option<&Frame> {
        let mut next = frame.parent;
        while let Some(frame) = next.and_then(|id| self.frames.get(id)) {
            if frame.is_extending() {
                return Some(frame);
            }
            next = frame.parent;
        }
        None
    }
}
