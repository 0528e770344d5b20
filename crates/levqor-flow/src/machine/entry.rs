//! A run that begins at a task of another run: where it may begin, what it needs from there, and how it begins.
//!
//! It may begin at the tasks of the workflow's own list and of `do` tasks in it. Inside a loop, a fork, a `try` or a
//! handler a task stands in a state that only its run has (positions, branches, attempts, an error), which a new run could
//! only invent. Where a workflow has extensions, only the tasks of its own list are places: the tasks around others may have
//! extensions under way.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ApplyError, ErrorKind, Event, Machine, Notes, Surroundings,
    arena::FrameId,
    effects::Purpose,
    frame::{Body, ListBody},
    payload, replay,
    scope::Scope,
    step::Next,
};
use crate::definition::{TaskKind, TaskList, Workflow};

/// Where a run begins, with the data of that moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// JSON Pointer of the task, one of [`entry_points`].
    pub reference: String,
    /// The task's raw input.
    pub input: Value,
    pub context: Value,
    /// The tasks that it stands in, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<Around>,
}

/// A `do` task under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Around {
    pub reference: String,
    pub raw: Value,
    pub input: Value,
}

/// A task that a replay looks out for.
#[derive(Debug, Clone)]
pub(super) struct Lookout {
    reference: String,
    found: Option<Entry>,
}

/// The tasks at which a run of this workflow may begin, in the order of the document.
pub fn entry_points(workflow: &Workflow) -> Vec<Arc<str>> {
    let mut points = Vec::new();
    let mut open: Vec<&TaskList> = vec![&workflow.tasks];
    while let Some(list) = open.pop() {
        for task in list.iter() {
            points.push(Arc::clone(&task.reference));
            // What extensions do around a `do` would be left out.
            if let (TaskKind::Do(inner), true) = (&task.kind, workflow.extensions.is_empty()) {
                open.push(inner);
            }
        }
    }
    points.sort_unstable_by(|left, right| in_order(left).cmp(in_order(right)));
    points
}

/// References sort as their parts do, numbers as numbers.
fn in_order(reference: &str) -> impl Iterator<Item = (Option<u64>, &str)> {
    reference.split('/').map(|part| (part.parse().ok(), part))
}

/// What a run had when it began the task at `reference` for the last time; None when it never did.
///
/// # Errors
/// When the journal does not fit the workflow.
pub fn entry_at(
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    journal: &[Event],
    reference: &str,
) -> Result<Option<Entry>, ApplyError> {
    let lookout = Lookout { reference: reference.to_owned(), found: None };
    let machine = replay::looking_out(workflow, surroundings, journal, lookout)?;
    Ok(machine.lookout.and_then(|lookout| lookout.found))
}

impl Machine {
    pub(super) fn look_out_for(&mut self, lookout: Lookout) {
        self.lookout = Some(Box::new(lookout));
    }

    /// Remembers the task that begins, when it is the one looked out for.
    pub(super) fn look_out(&mut self, id: FrameId) {
        let Some(lookout) = &self.lookout else { return };
        let Some(frame) = self.frames.get(id) else { return };
        if *frame.task().reference != *lookout.reference {
            return;
        }
        let mut around = Vec::new();
        let mut next = frame.parent;
        while let Some(outer) = next.and_then(|id| self.frames.get(id)) {
            around.push(Around {
                reference: outer.task().reference.to_string(),
                raw: (*outer.raw).clone(),
                input: (*outer.input).clone(),
            });
            next = outer.parent;
        }
        around.reverse();
        let entry = Entry {
            reference: lookout.reference.clone(),
            input: (*frame.raw).clone(),
            context: (*self.context).clone(),
            around,
        };
        if let Some(lookout) = &mut self.lookout {
            lookout.found = Some(entry);
        }
    }

    /// Begins at a task in the middle. Timeouts of what is around it begin anew.
    pub(super) fn open_at(&mut self, entry: &Entry, notes: &mut dyn Notes) -> Next {
        let workflow = Arc::clone(&self.workflow);
        let bytes_max = self.surroundings.payload_bytes_max;
        payload::check("the workflow's input", &self.raw_input, bytes_max)?;
        payload::check("the task's input", &entry.input, bytes_max)?;
        let scope = Scope::new(self, None);
        let span = match &workflow.timeout {
            Some(spec) => Some(scope.duration(spec, &self.raw_input)?),
            None => None,
        };
        let missing = |reference: &str| {
            ErrorKind::Configuration.error(
                "there is no such task to begin at",
                format!("this version of the workflow has no task {reference} at which a run may begin"),
            )
        };
        let mut outer = Vec::new();
        let mut list = Arc::clone(&workflow.tasks);
        for around in &entry.around {
            let index = position(&list, &around.reference).ok_or_else(|| missing(&around.reference))?;
            let task = &list[index];
            let TaskKind::Do(inner) = &task.kind else { return Err(missing(&around.reference).into()) };
            let inner = Arc::clone(inner);
            let timeout = match &task.timeout {
                Some(spec) => {
                    let scope = Scope { input: Some(&around.input), ..scope };
                    Some(scope.duration(spec, &around.input)?)
                }
                None => None,
            };
            outer.push((std::mem::replace(&mut list, inner), index, around, timeout));
        }
        let index = position(&list, &entry.reference).ok_or_else(|| missing(&entry.reference))?;

        self.run_deadline = span.map(|span| (span, self.ask_timer_in(Purpose::RunDeadline, span)));
        let mut parent = None;
        for (tasks, index, around, timeout) in outer {
            let id = self.place_in_list(parent, &tasks, index, Arc::new(around.raw.clone()), 1);
            self.announce(id, notes);
            self.opened(id, &Arc::new(around.input.clone()), timeout, Body::List(ListBody::default()));
            parent = Some(id);
        }
        self.schedule(parent, &list, index, Arc::new(entry.input.clone()), 1);
        Ok(None)
    }
}

fn position(list: &TaskList, reference: &str) -> Option<usize> {
    list.iter().position(|task| *task.reference == *reference)
}
