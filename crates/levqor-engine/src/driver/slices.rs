//! Pure work in slices: short ones here, long ones on the threads that are made for it.

use std::sync::Arc;

use levqor_flow::machine::{Event, Machine, MustAbort, Progress};

use super::{Driver, Stop};
use crate::pool::guarded;

/// Tasks that are executed right here: handing a run over costs more than a few of them.
const TASKS_INLINE: u64 = 8;
/// Steps of expressions that are made right here, some milliseconds: an async worker serves others, too.
const STEPS_INLINE: u64 = 20_000;
/// Tasks of one slice elsewhere; between slices other runs get their turn, and a cancel gets through.
const TASKS_A_SLICE: u64 = 256;

impl Driver {
    /// Runs the machine until it waits for an event or has ended.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let mut progress = self.slice_here()?;
        loop {
            match progress {
                Ok(Progress::Idle) => return Ok(()),
                // Its effects were performed: who stopped the run before them would take them out of its history.
                Ok(Progress::More) if self.does_again => {}
                Ok(Progress::More) => {
                    self.cancel_if_asked();
                    self.heed_wish();
                }
                Err(MustAbort(error)) => self.abort(error),
            }
            self.took_slices = true;
            progress = self.slice_elsewhere().await?;
        }
    }

    pub(super) fn abort(&mut self, error: levqor_flow::machine::FlowError) {
        let at = self.moment();
        let tasks_begun = self.machine().map_or(0, Machine::tasks_begun);
        self.apply(Event::Aborted { at, tasks_begun, error });
    }

    pub(super) fn slice_here(&mut self) -> Result<Result<Progress, MustAbort>, Stop> {
        let Some(machine) = &mut self.machine else { return Ok(Ok(Progress::Idle)) };
        let (effects, notepad) = (&mut self.effects, &mut self.notepad);
        Ok(guarded(|| machine.run_within(TASKS_INLINE, STEPS_INLINE, effects, notepad))?)
    }

    async fn slice_elsewhere(&mut self) -> Result<Result<Progress, MustAbort>, Stop> {
        let Some(mut machine) = self.machine.take() else { return Ok(Ok(Progress::Idle)) };
        let mut effects = std::mem::take(&mut self.effects);
        let mut notepad = std::mem::take(&mut self.notepad);
        let core = Arc::clone(&self.core);
        let (machine, effects, notepad, progress) = core
            .pool
            .run(move || {
                // Enough for any task, and not for many that take all they may.
                let steps = machine.steps_together().saturating_mul(2);
                let progress = machine.run_within(TASKS_A_SLICE, steps, &mut effects, &mut notepad);
                (machine, effects, notepad, progress)
            })
            .await?;
        self.machine = Some(machine);
        self.effects = effects;
        self.notepad = notepad;
        Ok(progress)
    }
}
