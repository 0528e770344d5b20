//! Runs of nodes that are gone, taken over in bulk by those that live.

use levqor_model::{NodeId, RegionCode, Residency, RunId, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    nodes::must_live,
    nudges, params,
};

/// Live runs of a node that was stopped: those with the same home and the same residency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRuns {
    pub node: NodeId,
    /// Where that node was.
    pub region: RegionCode,
    pub home_region: RegionCode,
    pub residency: Residency,
    pub runs: i64,
}

/// Who takes runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    pub node: NodeId,
    pub epoch: i64,
    pub region: RegionCode,
}

/// Runs that changed hands at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    pub at: Timestamp,
    pub node: NodeId,
    pub region: RegionCode,
    pub from_node: NodeId,
    pub from_region: RegionCode,
    pub runs: i64,
}

impl Takeover {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            at: row.take()?,
            node: row.take()?,
            region: row.take()?,
            from_node: row.take()?,
            from_region: row.take()?,
            runs: row.take()?,
        })
    }
}

impl Store {
    /// What stopped nodes have left, by node, home and residency.
    pub async fn left_runs(&self) -> Result<Vec<LeftRuns>, Error> {
        self.read(move |session| {
            let nodes = session.rows(
                "SELECT node_id, region FROM nodes WHERE stopped_at IS NOT NULL AND emptied_at IS NULL
                 ORDER BY epoch LIMIT 100",
                &[],
                |row| Ok((row.take::<NodeId>()?, row.take::<RegionCode>()?)),
            )?;
            let mut left = Vec::new();
            for (node, region) in nodes {
                let groups = session.rows(
                    "SELECT home_region, residency, count(*) FROM runs WHERE ended_at IS NULL AND owner = $1
                     GROUP BY home_region, residency ORDER BY home_region, residency LIMIT 1000",
                    params![node],
                    |row| Ok((row.take::<RegionCode>()?, row.take::<Residency>()?, row.take::<i64>()?)),
                )?;
                if groups.is_empty() {
                    // The node is noted as empty by whoever sees it first.
                    let home_region = region.clone();
                    let residency = Residency::default();
                    left.push(LeftRuns { node, region, home_region, residency, runs: 0 });
                    continue;
                }
                left.extend(groups.into_iter().map(|(home_region, residency, runs)| LeftRuns {
                    node,
                    region: region.clone(),
                    home_region,
                    residency,
                    runs,
                }));
            }
            Ok(left)
        })
        .await
    }

    /// Takes up to `limit` of these runs, those after `after` in order of id; how many, and the last of them. What was taken is
    /// noted in the same transaction.
    pub async fn take_over(
        &self,
        left: LeftRuns,
        taker: Taker,
        after: Option<RunId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(u64, Option<RunId>), Error> {
        self.take(left, true, taker, after, limit, now).await
    }

    /// [`Store::take_over`] from a node that lives, in a region that is drained: only runs that rest, so that no call is made
    /// again, unless `running` too. One that is suspended may have calls in flight. None once the drain is over.
    pub async fn take_drained(
        &self,
        left: LeftRuns,
        running: bool,
        taker: Taker,
        after: Option<RunId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(u64, Option<RunId>), Error> {
        self.take(left, running, taker, after, limit, now).await
    }

    async fn take(
        &self,
        left: LeftRuns,
        running: bool,
        taker: Taker,
        after: Option<RunId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(u64, Option<RunId>), Error> {
        self.write(move |session| {
            must_live(session, taker.node)?;
            // Whoever lives, and is not drained any more, keeps what it has.
            let is_left: Option<i64> = session.scalar(
                "SELECT epoch FROM nodes WHERE node_id = $1 AND (stopped_at IS NOT NULL
                     OR EXISTS (SELECT 1 FROM region_drains WHERE region_drains.region = nodes.region))",
                params![left.node],
            )?;
            if is_left.is_none() {
                return Ok((0, None));
            }
            let after = after.map(|run| run.to_string()).unwrap_or_default();
            let last: Option<Option<RunId>> = session.scalar(
                "SELECT max(page.run_id) FROM
                    (SELECT run_id FROM runs WHERE ended_at IS NULL AND owner = $1 AND home_region = $2
                         AND residency = $3 AND run_id > $4 AND ($6 OR status NOT IN ('running', 'suspended'))
                     ORDER BY run_id LIMIT $5) AS page",
                params![left.node, left.home_region, left.residency, after, limit, running],
            )?;
            let Some(last) = last.flatten() else { return Ok((0, None)) };
            let taken = session.execute(
                "UPDATE runs SET owner = $6, epoch = CASE WHEN epoch < $7 THEN $7 ELSE epoch + 1 END
                 WHERE ended_at IS NULL AND owner = $1 AND home_region = $2 AND residency = $3
                     AND run_id > $4 AND run_id <= $5 AND ($8 OR status NOT IN ('running', 'suspended'))",
                params![
                    left.node,
                    left.home_region,
                    left.residency,
                    after,
                    last,
                    taker.node,
                    taker.epoch,
                    running
                ],
            )?;
            let now = session.now(now)?;
            session.execute(
                "INSERT INTO takeovers (at, node_id, region, from_node, from_region, runs)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                params![now, taker.node, taker.region, left.node, left.region, taken],
            )?;
            audit::note(
                session,
                Note {
                    kind: "runs.taken_over",
                    at: now,
                    account: None,
                    subject: &left.node.to_string(),
                    details: json!({ "runs": taken, "by": taker.node, "home_region": left.home_region.as_str() }),
                },
            )?;
            Ok((taken, Some(last)))
        })
        .await
    }

    /// Notes that a stopped node owns no live run any more; false when it does.
    pub async fn node_emptied(&self, node: NodeId, now: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            // The row's lock first: the next statement sees a run that was given to the node until now.
            session.execute(
                "UPDATE nodes SET stopped_at = stopped_at WHERE node_id = $1 AND stopped_at IS NOT NULL",
                params![node],
            )?;
            let emptied = session.execute(
                "UPDATE nodes SET emptied_at = $2 WHERE node_id = $1 AND stopped_at IS NOT NULL
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE ended_at IS NULL AND owner = $1)",
                params![node, session.now(now)?],
            )?;
            Ok(emptied > 0)
        })
        .await
    }

    /// Regions where runs are at home that wait on this node, in another one.
    pub async fn regions_away(&self, node: NodeId, region: RegionCode) -> Result<Vec<RegionCode>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT DISTINCT home_region FROM runs WHERE ended_at IS NULL AND owner = $1 AND home_region <> $2
                     AND status IN ('waiting', 'suspended') ORDER BY home_region LIMIT 100",
                params![node, region],
                |row| row.take(),
            )
        })
        .await
    }

    /// Gives waiting runs that are at home elsewhere to a node there, except these, and leaves the same nudge for each; how
    /// many.
    #[expect(clippy::too_many_arguments, reason = "who gives what to whom, and what is said with it")]
    pub async fn hand_back(
        &self,
        from: NodeId,
        home: RegionCode,
        to: NodeId,
        except: Vec<RunId>,
        limit: usize,
        body: String,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.write(move |session| {
            must_live(session, to)?;
            let runs: Vec<RunId> = session.rows(
                "SELECT run_id FROM runs WHERE ended_at IS NULL AND owner = $1 AND home_region = $2
                     AND status IN ('waiting', 'suspended') ORDER BY run_id LIMIT $3",
                params![from, home, limit + except.len()],
                |row| row.take(),
            )?;
            let mut given = 0;
            for run in runs.into_iter().filter(|run| !except.contains(run)).take(limit) {
                session.execute(
                    "UPDATE runs SET owner = $3, epoch = epoch + 1 WHERE run_id = $1 AND owner = $2",
                    params![run, from, to],
                )?;
                nudges::leave(session, run, &body, now)?;
                given += 1;
            }
            Ok(given)
        })
        .await
    }

    /// How many live runs each node owns.
    pub async fn owned_runs(&self) -> Result<Vec<(NodeId, i64)>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT owner, count(*) FROM runs WHERE ended_at IS NULL AND owner IS NOT NULL
                 GROUP BY owner ORDER BY owner LIMIT 1000",
                &[],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// The latest takeovers, newest first.
    pub async fn takeovers(&self, limit: usize) -> Result<Vec<Takeover>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT at, node_id, region, from_node, from_region, runs FROM takeovers
                 ORDER BY takeover_seq DESC LIMIT $1",
                params![limit],
                Takeover::read,
            )
        })
        .await
    }
}
