//! What the engine notes while it drives a run: whole records of its tasks, when someone watches.

use levqor_flow::machine::{Notes, TaskNote};

use crate::watch::Live;

#[derive(Debug, Default)]
pub(crate) struct Notepad {
    pub(crate) live: Option<Live>,
}

impl Notes for Notepad {
    fn note(&mut self, note: TaskNote<'_>) {
        if let Some(live) = &mut self.live {
            live.note(note);
        }
    }
}
