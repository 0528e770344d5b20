//! The ends of chains, and the checkpoints that sign them.

use levqor_model::{
    Timestamp,
    audit::{CHECKPOINT, Head, Record, RecordHash},
};

use super::{Writing, insert, next};
use crate::{Error, Row, Session, Store, params};

/// Ends of other chains that one checkpoint names; more are for the next.
const HEADS_MAX: usize = 256;
/// Ends of chains that are told at once: each start of a process makes one.
const CHAINS_MAX: usize = 100_000;

fn head(row: &mut Row<'_>) -> Result<Head, Error> {
    Ok(Head { chain: row.take()?, seq: row.take()?, hash: RecordHash(row.take()?) })
}

impl Store {
    /// Adds a checkpoint to this store's chain, unless nothing was written to any since the last one; whether it did. `details` makes
    /// them of the record so far and the ends of other chains that nobody has named yet.
    pub async fn add_checkpoint(
        &self,
        at: Timestamp,
        details: impl FnOnce(&Record, Vec<Head>) -> String + Send + 'static,
    ) -> Result<bool, Error> {
        self.write(move |session| checkpoint(session, at, details)).await
    }

    /// Every chain of which there is a record, listed or not.
    pub async fn audit_chains(&self) -> Result<Vec<String>, Error> {
        self.read(|session| {
            // Nobody has a chain without a name; whoever puts one in is to be found.
            let mut next: Option<String> = session.scalar(
                "SELECT chain FROM audit_records WHERE chain >= $1 ORDER BY chain LIMIT 1",
                params![""],
            )?;
            let mut chains: Vec<String> = Vec::new();
            // A step in the index for each chain, not for each record.
            while let Some(chain) = next {
                if chains.len() >= CHAINS_MAX {
                    break;
                }
                next = session.scalar(
                    "SELECT chain FROM audit_records WHERE chain > $1 ORDER BY chain LIMIT 1",
                    params![chain],
                )?;
                chains.push(chain);
            }
            Ok(chains)
        })
        .await
    }

    /// Numbers of records of a chain that are none, since chains count from 1.
    pub async fn audit_strays(&self, chain: String, limit: usize) -> Result<Vec<i64>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT seq FROM audit_records WHERE chain = $1 AND seq < 1 ORDER BY seq LIMIT $2",
                params![chain, limit],
                |row| row.take(),
            )
        })
        .await
    }

    /// The ends of all chains as of now.
    pub async fn audit_heads(&self) -> Result<Vec<Head>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT chain, seq, hash FROM audit_chains ORDER BY chain LIMIT $1",
                params![CHAINS_MAX],
                head,
            )
        })
        .await
    }
}

fn checkpoint(
    session: &Session,
    at: Timestamp,
    details: impl FnOnce(&Record, Vec<Head>) -> String,
) -> Result<bool, Error> {
    let bare = Record { at, kind: CHECKPOINT.to_owned(), ..next(session, &Writing::current())? };
    let heads = session.rows(
        "SELECT chain, seq, hash FROM audit_chains WHERE named_through < worked_through AND chain <> $1
         ORDER BY chain LIMIT $2",
        params![bare.chain, HEADS_MAX],
        head,
    )?;
    let last_kind: Option<String> = session.scalar(
        "SELECT kind FROM audit_records WHERE chain = $1 AND seq = $2",
        params![bare.chain, bare.seq - 1],
    )?;
    if heads.is_empty() && last_kind.as_deref() == Some(CHECKPOINT) {
        return Ok(false);
    }
    for head in &heads {
        session.execute(
            "UPDATE audit_chains SET named_through = $2 WHERE chain = $1",
            params![head.chain, head.seq],
        )?;
    }
    let details = details(&bare, heads);
    insert(session, Record { details, ..bare }.hashed())?;
    Ok(true)
}
