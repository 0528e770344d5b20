//! What jobs watch of those who evaluate objectives: when they looked last, and what is left of budgets.

use levqor_model::Timestamp;

use crate::{Error, Store, params};

/// Objectives that are looked at.
const OBJECTIVES_MAX: usize = 1_000;

/// An objective, when it was reckoned, what is left of its budget (parts per million), how fast it is spent (thousandths).
pub type KeptBudget = (String, Timestamp, Option<i64>, Option<i64>);

/// How messages get out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxState {
    pub waiting: i64,
    /// Of them, those that wait since before a moment.
    pub late: i64,
    /// Given up.
    pub dead: i64,
}

impl Store {
    /// How messages get out; those are late that were written before `since`.
    pub async fn outbox_state(&self, since: Timestamp) -> Result<OutboxState, Error> {
        self.read(move |session| {
            let count = |state: &str, before: i64| -> Result<i64, Error> {
                let found: Option<i64> = session.scalar(
                    "SELECT count(*) FROM notifications WHERE state = $1 AND created_at < $2",
                    params![state, before],
                )?;
                Ok(found.unwrap_or_default())
            };
            Ok(OutboxState {
                waiting: count("waiting", i64::MAX)?,
                late: count("waiting", since.as_micros())?,
                dead: count("dead", i64::MAX)?,
            })
        })
        .await
    }

    /// When each objective was evaluated last, by name.
    pub async fn objectives_evaluated(&self) -> Result<Vec<(String, Timestamp)>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT slo, at FROM slo_states ORDER BY slo LIMIT $1",
                params![OBJECTIVES_MAX],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// The newest budget of each objective that is evaluated.
    pub async fn last_budgets(&self) -> Result<Vec<KeptBudget>, Error> {
        let objectives = self.objectives_evaluated().await?;
        self.read(move |session| {
            let mut budgets = Vec::new();
            for (objective, _) in &objectives {
                budgets.extend(session.row(
                    "SELECT slo, at, left_ppm, burn_milli FROM slo_history WHERE slo = $1 ORDER BY at DESC LIMIT 1",
                    params![objective],
                    |row| Ok((row.take()?, row.take()?, row.take()?, row.take()?)),
                )?);
            }
            Ok(budgets)
        })
        .await
    }
}
