//! What one node wants of a run that another one drives.
//!
//! A nudge finds the run's owner by the run's row, whoever that is by then. It is a hint and no promise: it goes when it is
//! taken, and whoever asked looks at the run and asks again.

use std::time::Duration;

use levqor_model::{NodeId, RunId, Timestamp};

use crate::{Error, Row, Session, Store, hints::Hint, params};

/// Nobody took it for so long: the run has ended, or nobody drives it.
const KEPT: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nudge {
    pub seq: i64,
    pub run_id: RunId,
    /// JSON: what is wanted.
    pub body: String,
}

impl Nudge {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { seq: row.take()?, run_id: row.take()?, body: row.take()? })
    }
}

impl Store {
    /// Leaves a nudge for the run's owner. The same one again takes the place of the one before.
    pub async fn nudge(&self, run: RunId, body: String, at: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            session.execute("DELETE FROM nudges WHERE at < $1", params![at - KEPT])?;
            leave(session, run, &body, at)
        })
        .await
    }

    /// Takes the nudges for runs of this node, oldest first.
    pub async fn take_nudges(&self, node: NodeId, limit: usize) -> Result<Vec<Nudge>, Error> {
        // Asked first: nearly always there are none, and writers wait for each other.
        let nudges = self
            .read(move |session| {
                session.rows(
                    "SELECT nudge_seq, nudges.run_id, body FROM nudges JOIN runs ON runs.run_id = nudges.run_id
                     WHERE owner = $1 ORDER BY nudge_seq LIMIT $2",
                    params![node, limit],
                    Nudge::read,
                )
            })
            .await?;
        if nudges.is_empty() {
            return Ok(nudges);
        }
        let seqs: Vec<i64> = nudges.iter().map(|nudge| nudge.seq).collect();
        self.write(move |session| {
            for seq in &seqs {
                session.execute("DELETE FROM nudges WHERE nudge_seq = $1", params![seq])?;
            }
            Ok(())
        })
        .await?;
        Ok(nudges)
    }
}

pub(crate) fn leave(session: &Session, run: RunId, body: &str, at: Timestamp) -> Result<(), Error> {
    session.hint(Hint::Nudges);
    session.execute("DELETE FROM nudges WHERE run_id = $1 AND body = $2", params![run, body])?;
    session
        .execute("INSERT INTO nudges (run_id, body, at) VALUES ($1, $2, $3)", params![run, body, at])
        .map(drop)
}
