//! Timers of runs: rows with a due time, so that waiting needs no memory.

use levqor_model::{RunId, Timestamp};

use crate::{Error, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    pub run_id: RunId,
    pub effect: u64,
    pub due_at: Timestamp,
}

impl Store {
    /// Timers due at or before `until`, in order of (due_at, run_id, effect), after `from`.
    pub async fn due_timers(
        &self,
        _from: Option<Timer>,
        _until: Timestamp,
        _limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        unimplemented!("due_timers")
    }

    pub async fn timers_of(&self, _run: RunId) -> Result<Vec<Timer>, Error> {
        unimplemented!("timers_of")
    }

    pub async fn timers_count(&self) -> Result<i64, Error> {
        unimplemented!("timers_count")
    }
}
