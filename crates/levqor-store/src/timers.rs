//! Timers of runs: rows with a due time, so that waiting needs no memory.

use levqor_model::{RunId, Timestamp};

use crate::{Error, Row, Session, Store, params};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    pub run_id: RunId,
    pub effect: u64,
    pub due_at: Timestamp,
}

impl Timer {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { run_id: row.take()?, effect: row.take()?, due_at: row.take()? })
    }
}

impl Store {
    /// Timers due at or before `until`, in order of (due_at, run_id, effect), after `from`. Only those of its own runs, for a node
    /// among several.
    pub async fn due_timers(
        &self,
        from: Option<Timer>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        let node = self.node;
        self.read(move |session| match from {
            Some(from) => session.rows(
                "SELECT run_id, effect, due_at FROM timers
                 WHERE (due_at, run_id, effect) > ($1, $2, $3) AND due_at <= $4 AND (CAST($6 AS text) IS NULL OR EXISTS
                     (SELECT 1 FROM runs WHERE runs.run_id = timers.run_id AND owner = $6))
                 ORDER BY due_at, run_id, effect LIMIT $5",
                params![from.due_at, from.run_id, from.effect, until, limit, node],
                Timer::read,
            ),
            None => session.rows(
                "SELECT run_id, effect, due_at FROM timers
                 WHERE due_at <= $1 AND (CAST($3 AS text) IS NULL OR EXISTS
                     (SELECT 1 FROM runs WHERE runs.run_id = timers.run_id AND owner = $3))
                 ORDER BY due_at, run_id, effect LIMIT $2",
                params![until, limit, node],
                Timer::read,
            ),
        })
        .await
    }

    /// In order of effect.
    pub async fn timers_of(&self, run: RunId) -> Result<Vec<Timer>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT run_id, effect, due_at FROM timers WHERE run_id = $1 ORDER BY effect LIMIT 200000",
                params![run],
                Timer::read,
            )
        })
        .await
    }

    pub async fn timers_count(&self) -> Result<i64, Error> {
        self.read(|session| Ok(session.scalar("SELECT count(*) FROM timers", &[])?.unwrap_or_default())).await
    }
}

/// Sets the timer, also when the effect has one already.
pub(crate) fn set(session: &Session, run: RunId, effect: u64, due_at: Timestamp) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO timers (run_id, effect, due_at) VALUES ($1, $2, $3)
             ON CONFLICT (run_id, effect) DO UPDATE SET due_at = excluded.due_at",
            params![run, effect, due_at],
        )
        .map(drop)
}

pub(crate) fn clear(session: &Session, run: RunId, effect: u64) -> Result<(), Error> {
    session.execute("DELETE FROM timers WHERE run_id = $1 AND effect = $2", params![run, effect]).map(drop)
}

pub(crate) fn clear_all(session: &Session, run: RunId) -> Result<(), Error> {
    session.execute("DELETE FROM timers WHERE run_id = $1", params![run]).map(drop)
}
