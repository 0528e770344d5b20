//! A run from its journal.

use std::sync::Arc;

use super::{ApplyError, Effect, Event, Machine, Notes, Surroundings, step::Until};
use crate::definition::Workflow;

pub(super) fn replay(
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    journal: &[Event],
    notes: &mut dyn Notes,
) -> Result<Machine, ApplyError> {
    let (started, events) = journal.split_first().ok_or(ApplyError::Start)?;
    let mut machine = Machine::start(workflow, surroundings, started)?;
    machine.patient = true;
    for event in events {
        let until = match event {
            Event::Cancelled { tasks_begun, .. } => Until { begun: *tasks_begun, reference: None },
            Event::Aborted { tasks_begun, error, .. } => {
                Until { begun: *tasks_begun, reference: Some(&error.instance) }
            }
            _ => Until::IDLE,
        };
        // A step that is too slow here leaves work in the queue, which the event then does not fit.
        let _ = machine.work(until, notes);
        // What came before this event has been performed, or is still pending.
        machine.outbox.clear();
        machine.apply(event, notes)?;
    }
    machine.patient = false;
    // The same for what is too slow now: it is still in the queue when the caller calls `run`.
    let _ = machine.work(Until::IDLE, notes);
    machine.outbox.retain(|effect| matches!(effect, Effect::Abandon { .. }));
    Ok(machine)
}
