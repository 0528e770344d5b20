//! What jobs watch of those who evaluate objectives: when they looked last, and what is left of budgets.

use levqor_model::Timestamp;

use crate::{Error, Store, params};

/// Objectives that are looked at.
const OBJECTIVES_MAX: usize = 1_000;

/// An objective, when it was reckoned, what is left of its budget (parts per million), how fast it is spent (thousandths).
pub type KeptBudget = (String, Timestamp, Option<i64>, Option<i64>);

/// Messages of one state that are looked at: of more, it is said that there are more.
const LOOKED_AT_MAX: usize = 10_000;

/// How messages get out, to whom they go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outbox {
    /// By routes, which operators configure.
    pub operators: OutboxState,
    /// To those who subscribed to the platform's state: their addresses are theirs, and anybody may name one that never answers.
    pub subscribers: OutboxState,
    /// There are more messages than were looked at.
    pub cut: bool,
}

/// How messages get out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxState {
    pub waiting: i64,
    /// Of them, those that wait since before a moment.
    pub late: i64,
    /// Given up.
    pub dead: i64,
}

/// How many messages of a state there are, how many of them are late, and of both those that go to operators.
macro_rules! counted {
    ($order:literal) => {
        concat!(
            "SELECT count(*), CAST(coalesce(sum(CASE WHEN created_at < $2 THEN 1 ELSE 0 END), 0) AS bigint),
                 CAST(coalesce(sum(CASE WHEN substr(target, 1, 6) = 'route:' THEN 1 ELSE 0 END), 0) AS bigint),
                 CAST(coalesce(sum(CASE WHEN substr(target, 1, 6) = 'route:' AND created_at < $2 THEN 1 ELSE 0 END), 0) AS bigint)
             FROM (SELECT target, created_at FROM notifications WHERE state = $1 ORDER BY ",
            $order,
            " LIMIT $3) AS page"
        )
    };
}

impl Store {
    /// How messages get out; those are late that were written before `since`. Of those that wait, the oldest are looked at; of those that
    /// were given up, the newest.
    pub async fn outbox_state(&self, since: Timestamp) -> Result<Outbox, Error> {
        self.read(move |session| {
            let count = |sql: &'static str, state: &str| {
                let found = session.row(sql, params![state, since, LOOKED_AT_MAX], |row| {
                    Ok((row.take::<i64>()?, row.take::<i64>()?, row.take::<i64>()?, row.take::<i64>()?))
                })?;
                Ok::<_, Error>(found.unwrap_or_default())
            };
            let (waiting, late, calls, calls_late) = count(counted!("created_at"), "waiting")?;
            let (dead, _, calls_dead, _) = count(counted!("created_at DESC"), "dead")?;
            let most = i64::try_from(LOOKED_AT_MAX).unwrap_or(i64::MAX);
            Ok(Outbox {
                operators: OutboxState { waiting: calls, late: calls_late, dead: calls_dead },
                subscribers: OutboxState {
                    waiting: waiting - calls,
                    late: late - calls_late,
                    dead: dead - calls_dead,
                },
                cut: waiting >= most || dead >= most,
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
