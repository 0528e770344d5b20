//! What the engine notes while it drives a run: whole records of its tasks, when someone watches.

use levqor_flow::machine::{Notes, TaskNote};

use crate::{lifecycle::Life, watch::Live};

#[derive(Debug, Default)]
pub(crate) struct Notepad {
    pub(crate) live: Option<Live>,
    /// For events of the life of tasks, when somebody has named their types.
    pub(crate) life: Option<Life>,
}

impl Notepad {
    pub(crate) fn telling(life: Option<Life>) -> Self {
        Self { life, ..Self::default() }
    }
}

impl Notes for Notepad {
    fn note(&mut self, note: TaskNote<'_>) {
        if let Some(life) = &mut self.life {
            life.note(&note);
        }
        if let Some(live) = &mut self.live {
            live.note(note);
        }
    }
}
