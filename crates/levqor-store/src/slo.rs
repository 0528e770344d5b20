//! How it stands with each objective, as the node that judges them saw it last, and how the budgets went.

use std::time::Duration;

use levqor_model::Timestamp;

use crate::{Error, Row, Store, params};

/// Objectives whose state is listed.
const LISTED_MAX: usize = 1_000;
/// One row of the history stands for this long.
pub const HISTORY_STEP: Duration = Duration::from_secs(600);

/// The last look at an objective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SloState {
    pub slo: String,
    pub at: Timestamp,
    /// JSON.
    pub report: String,
}

/// How a budget stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SloMoment {
    pub slo: String,
    /// The start of the [`HISTORY_STEP`].
    pub at: Timestamp,
    pub good: u64,
    pub total: u64,
    /// Parts per million of the budget; None: it is not known.
    pub left_ppm: Option<i64>,
    /// Thousandths of what the objective allows; None: it is not known.
    pub burn_milli: Option<u64>,
}

/// Observations of a component in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceStep {
    /// The start of the step.
    pub at: Timestamp,
    pub good: u64,
    pub total: u64,
}

impl SloMoment {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            slo: row.take()?,
            at: row.take()?,
            good: row.take()?,
            total: row.take()?,
            left_ppm: row.take()?,
            burn_milli: row.take()?,
        })
    }
}

impl Store {
    /// Keeps the last looks, in the place of those before, and moments of their history; a moment that is there takes the new numbers.
    pub async fn keep_slos(&self, states: Vec<SloState>, moments: Vec<SloMoment>) -> Result<(), Error> {
        self.write(move |session| {
            for SloState { slo, at, report } in &states {
                session.execute(
                    "INSERT INTO slo_states (slo, at, report) VALUES ($1, $2, $3)
                     ON CONFLICT (slo) DO UPDATE SET at = excluded.at, report = excluded.report",
                    params![slo, at, report],
                )?;
            }
            for SloMoment { slo, at, good, total, left_ppm, burn_milli } in &moments {
                session.execute(
                    "INSERT INTO slo_history (slo, at, good, total, left_ppm, burn_milli)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (slo, at) DO UPDATE SET good = excluded.good, total = excluded.total,
                         left_ppm = excluded.left_ppm, burn_milli = excluded.burn_milli",
                    params![slo, at, good, total, left_ppm, burn_milli],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// The last look at each objective, by name.
    pub async fn slo_states(&self) -> Result<Vec<SloState>, Error> {
        self.view(|session| {
            session.rows(
                "SELECT slo, at, report FROM slo_states ORDER BY slo LIMIT $1",
                params![LISTED_MAX],
                |row| Ok(SloState { slo: row.take()?, at: row.take()?, report: row.take()? }),
            )
        })
        .await
    }

    /// How a budget went, oldest first: from a moment to before another one, one row of each `step`.
    pub async fn slo_history(
        &self,
        slo: String,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
        limit: usize,
    ) -> Result<Vec<SloMoment>, Error> {
        let step_us = i64::try_from(step.max(HISTORY_STEP).as_micros()).unwrap_or(i64::MAX);
        self.view(move |session| {
            // The rows that begin a step of that size.
            session.rows(
                "SELECT slo, at, good, total, left_ppm, burn_milli FROM slo_history
                 WHERE slo = $1 AND at >= $2 AND at < $3 AND at % $4 = 0 ORDER BY at LIMIT $5",
                params![slo, from, to, step_us, limit],
                SloMoment::read,
            )
        })
        .await
    }

    /// Observations of a component by steps of time, oldest first, of one region or of all. Only what is kept of single samples.
    pub async fn evidence_steps(
        &self,
        component: String,
        region: Option<String>,
        (from, to): (Timestamp, Timestamp),
        step: Duration,
        limit: usize,
    ) -> Result<Vec<EvidenceStep>, Error> {
        let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
        self.read(move |session| {
            session.rows(
                "SELECT (at / $5) * $5 AS begun, CAST(sum(CASE WHEN good THEN 1 ELSE 0 END) AS bigint), count(*)
                 FROM samples
                 WHERE at >= $1 AND at < $2 AND component = $3 AND (CAST($4 AS text) IS NULL OR region = $4)
                 GROUP BY 1 ORDER BY 1 LIMIT $6",
                params![from, to, component, region, step_us, limit],
                |row| Ok(EvidenceStep { at: row.take()?, good: row.take()?, total: row.take()? }),
            )
        })
        .await
    }

    /// Forgets the history before a moment, and objectives that nobody judges any more.
    pub async fn prune_slos(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM slo_history WHERE (slo, at) IN
                (SELECT slo, at FROM slo_history WHERE at < $1 ORDER BY at, slo LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM slo_states WHERE slo IN (SELECT slo FROM slo_states WHERE at < $1 ORDER BY slo LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
