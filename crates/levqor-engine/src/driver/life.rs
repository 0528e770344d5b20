//! Tells of the run's life, where somebody has named the types of such events.

use std::sync::Arc;

use levqor_flow::{event::Told, machine::Machine};
use levqor_model::RunStatus;

use super::{Driver, commit::Turn};
use crate::{
    events,
    lifecycle::{self, Life, Teller},
    sink,
    tasks::Window,
};

impl Driver {
    /// Begins to note what happens to the tasks when somebody has begun to want it.
    pub(super) async fn follow_subscribers(&mut self) {
        if !self.core.lifecycle.hear_of(self.run.account_id) {
            return;
        }
        self.told = lifecycle::wanted(&self.core.lifecycle, self.run.account_id, &self.workflow);
        if self.told.is_none() || self.notepad.life.is_some() {
            return;
        }
        // The machine is idle and all of it is in the journal, so the journal's open tasks are the machine's.
        match self.core.records(&self.run, Window::Open).await {
            Ok(open) => self.notepad.life = Some(Life::new(open)),
            Err(reason) => {
                tracing::warn!(run.id = %self.run.id, error = %reason, "the life of the run cannot be told now");
            }
        }
    }

    /// Adds what is to be told to what the next append publishes.
    pub(super) fn tell(&mut self, turn: &mut Turn, status: RunStatus) {
        let Some(audience) = self.told.clone() else { return };
        let at = self.moment();
        let machine = self.machine.as_ref();
        let results = (machine.and_then(Machine::output), machine.and_then(Machine::error));
        let teller = Teller {
            run: &self.run,
            has_started: std::mem::replace(&mut self.has_started, true),
            audience: &audience,
            mask: &self.mask,
            at,
        };
        let mut told = teller.of_beginning(status);
        if let Some(life) = &mut self.notepad.life {
            told.extend(teller.of_tasks(life));
        }
        for listener in &turn.events.listeners_set {
            told.extend(teller.of_listener(Told::CorrelationStarted, listener.effect));
        }
        for effect in &turn.events.listeners_cleared {
            told.extend(teller.of_listener(Told::CorrelationCompleted, *effect));
        }
        told.extend(teller.of_end(status, results));
        for event in told {
            if audience.sink {
                turn.events.told.push(sink::row(&event, self.run.account_id));
            }
            if audience.has_named(event.kind()) {
                turn.events.published.push(events::row(&event, at));
                turn.emitted.push(Arc::new(event));
            }
        }
    }
}
