//! The number of what edges are told.
//!
//! Invariant: two contents never have the same number, and a later content has a higher one, whichever node was asked. So the
//! content is put together within the transaction that numbers it.

use levqor_model::Timestamp;

use super::{Drain, NodeState, drains, states};
use crate::{Error, Store, nodes::Node, params};

const NAME: &str = "edges";

/// What all nodes know of the regions in one moment.
#[derive(Debug, Clone)]
pub struct Seen {
    /// By the database's clock.
    pub now: Timestamp,
    /// Those that live.
    pub nodes: Vec<Node>,
    pub states: Vec<NodeState>,
    pub drains: Vec<Drain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSnapshot {
    pub sequence: u64,
    pub content: String,
}

impl Store {
    /// What is known of the regions now.
    pub async fn seen_of_regions(&self, now: Timestamp) -> Result<Seen, Error> {
        self.read(move |session| seen(session, now)).await
    }

    /// The content that `compose` makes of what is known now, and its number.
    pub async fn number_snapshot(
        &self,
        now: Timestamp,
        compose: impl Fn(&Seen) -> String + Send + Sync + Clone + 'static,
    ) -> Result<KeptSnapshot, Error> {
        // Asked first: nearly always nothing has changed, and writers wait for each other.
        let composed = compose.clone();
        let kept = self
            .read(move |session| {
                let found = session.row(
                    "SELECT sequence, content FROM region_snapshots WHERE name = $1",
                    params![NAME],
                    |row| Ok(KeptSnapshot { sequence: row.take()?, content: row.take()? }),
                )?;
                let content = composed(&seen(session, now)?);
                Ok(found.filter(|kept| kept.content == content))
            })
            .await?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        self.write(move |session| {
            let content = compose(&seen(session, now)?);
            session.execute(
                "INSERT INTO region_snapshots (name, sequence, content) VALUES ($1, 1, $2)
                 ON CONFLICT (name) DO UPDATE SET sequence = region_snapshots.sequence + 1, content = excluded.content
                 WHERE region_snapshots.content <> excluded.content",
                params![NAME, content],
            )?;
            let sequence: Option<u64> =
                session.scalar("SELECT sequence FROM region_snapshots WHERE name = $1", params![NAME])?;
            Ok(KeptSnapshot { sequence: sequence.unwrap_or(1), content })
        })
        .await
    }
}

fn seen(session: &crate::Session, now: Timestamp) -> Result<Seen, Error> {
    let now = session.now(now)?;
    Ok(Seen {
        now,
        nodes: crate::nodes::live(session, now)?,
        states: states(session, now)?,
        drains: drains(session)?,
    })
}
