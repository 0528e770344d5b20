//! A run from its journal.

use std::sync::Arc;

use super::{ApplyError, Effect, Event, Machine, Notes, Progress, Surroundings, entry::Lookout, step::Until};
use crate::definition::Workflow;

/// Tasks between two questions whether to go on.
const SLICE: u64 = 256;

pub(super) fn replay(
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    journal: &[Event],
    notes: &mut dyn Notes,
) -> Result<Machine, ApplyError> {
    let machine = Machine::start(workflow, surroundings, journal.first().ok_or(ApplyError::Start)?)?;
    // It is never told to stop.
    rebuild(machine, journal, notes, &mut || true)?.ok_or(ApplyError::Busy)
}

pub(super) fn replay_while(
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    journal: &[Event],
    notes: &mut dyn Notes,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Machine>, ApplyError> {
    let machine = Machine::start(workflow, surroundings, journal.first().ok_or(ApplyError::Start)?)?;
    rebuild(machine, journal, notes, go_on)
}

pub(super) fn looking_out(
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    journal: &[Event],
    lookout: Lookout,
) -> Result<Machine, ApplyError> {
    let mut machine = Machine::start(workflow, surroundings, journal.first().ok_or(ApplyError::Start)?)?;
    machine.look_out_for(lookout);
    rebuild(machine, journal, &mut (), &mut || true)?.ok_or(ApplyError::Busy)
}

fn rebuild(
    mut machine: Machine,
    journal: &[Event],
    notes: &mut dyn Notes,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Machine>, ApplyError> {
    machine.patient = true;
    for event in journal.iter().skip(1) {
        if !machine.work_up_to(event.place(), notes, go_on) {
            return Ok(None);
        }
        // What came before this event has been performed, or is still pending.
        machine.outbox.clear();
        machine.apply(event, notes)?;
    }
    machine.patient = false;
    // The same for what is too slow now: it is still in the queue when the caller calls `run`.
    if !machine.work_up_to(Until::IDLE, notes, go_on) {
        return Ok(None);
    }
    machine.outbox.retain(|effect| matches!(effect, Effect::Abandon { .. }));
    Ok(Some(machine))
}

impl Event {
    /// How far a run had come when the event was applied.
    pub(super) fn place(&self) -> Until<'_> {
        match self {
            Event::Cancelled { tasks_begun, .. } | Event::Suspended { tasks_begun, .. } => {
                Until { begun: *tasks_begun, reference: None }
            }
            Event::Aborted { tasks_begun, error, .. } => {
                Until { begun: *tasks_begun, reference: Some(&error.instance) }
            }
            _ => Until::IDLE,
        }
    }
}

impl Machine {
    /// False when it was told not to go on. A step that is too slow leaves work in the queue, which the next event then
    /// does not fit.
    pub(super) fn work_up_to(
        &mut self,
        place: Until<'_>,
        notes: &mut dyn Notes,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        loop {
            let slice_end = self.begun.saturating_add(SLICE);
            if place.begun <= slice_end {
                let _ = self.work(place, notes);
                return true;
            }
            match self.work(Until { begun: slice_end, reference: None }, notes) {
                Ok(Progress::More) => {}
                Ok(Progress::Idle) | Err(_) => return true,
            }
            if !go_on() {
                return false;
            }
        }
    }
}
