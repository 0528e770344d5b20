//! What is still to be told to the operator's sink: an outbox.
//!
//! Rows come with the journal entry that makes them true, in its transaction, and go when the sink has them. They are numbered
//! in the order in which they become visible, without gaps, so how many wait needs no counting.

use levqor_model::{AccountId, Timestamp};

use crate::{Conflict, Error, Row, Session, Store, params, prune::BATCH};

/// An event that the sink does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkEvent {
    pub seq: i64,
    pub account_id: AccountId,
    /// When it became true.
    pub at: Timestamp,
    /// The whole event as a JSON object.
    pub body: String,
}

impl SinkEvent {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { seq: row.take()?, account_id: row.take()?, at: row.take()?, body: row.take()? })
    }
}

/// How much the sink is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkLoad {
    pub waiting: i64,
    pub oldest_at: Option<Timestamp>,
}

impl Store {
    /// The oldest that wait, in order.
    pub async fn sink_events(&self, limit: usize) -> Result<Vec<SinkEvent>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT seq, account_id, at, body FROM sink_events WHERE seq > $1 ORDER BY seq LIMIT $2",
                params![0_i64, limit],
                SinkEvent::read,
            )
        })
        .await
    }

    /// The sink has all events up to this number.
    pub async fn sink_has(&self, through: i64) -> Result<(), Error> {
        self.write(move |session| {
            session.execute("DELETE FROM sink_events WHERE seq <= $1", params![through]).map(drop)
        })
        .await
    }

    pub async fn sink_load(&self) -> Result<SinkLoad, Error> {
        self.read(|session| {
            let newest: Option<i64> =
                session.scalar("SELECT value FROM sequences WHERE name = $1", params!["sink_seq"])?;
            let oldest = session.row(
                "SELECT seq, at FROM sink_events WHERE seq > $1 ORDER BY seq LIMIT 1",
                params![0_i64],
                |row| Ok((row.take::<i64>()?, row.take::<Timestamp>()?)),
            )?;
            Ok(oldest.map_or_else(SinkLoad::default, |(seq, at)| SinkLoad {
                // What was told between the two statements is counted the next time.
                waiting: (newest.unwrap_or_default() - seq + 1).max(1),
                oldest_at: Some(at),
            }))
        })
        .await
    }

    /// Forgets what became true before then, and the oldest of more than `most`, whether or not the sink has it. How many.
    pub async fn prune_sink_events(&self, before: Timestamp, most: i64) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let deleted = self
                .write(move |session| {
                    // Only the oldest are looked at: they became true in this order, but for a few.
                    session.execute(
                        "DELETE FROM sink_events WHERE seq IN
                            (SELECT seq FROM
                                (SELECT seq, at FROM sink_events WHERE seq > 0 ORDER BY seq LIMIT $3) AS page
                             WHERE at < $1
                                OR seq <= (SELECT value FROM sequences WHERE name = 'sink_seq') - $2)",
                        params![before, most, BATCH],
                    )
                })
                .await?;
            total += deleted;
            if deleted < BATCH as u64 {
                return Ok(total);
            }
        }
    }
}

/// Adds events that became true with what else this transaction writes.
pub(crate) fn add(
    session: &Session,
    account: AccountId,
    at: Timestamp,
    bodies: &[String],
) -> Result<(), Error> {
    if bodies.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(bodies.len()).unwrap_or(i64::MAX);
    let last: Option<i64> = session.scalar(
        "INSERT INTO sequences (name, value) VALUES ('sink_seq', $1)
         ON CONFLICT (name) DO UPDATE SET value = sequences.value + $1
         RETURNING value",
        params![count],
    )?;
    let last = last.ok_or(Error::Conflict(Conflict::Other))?;
    for (seq, body) in (last - count + 1..).zip(bodies) {
        session.execute(
            "INSERT INTO sink_events (seq, account_id, at, body) VALUES ($1, $2, $3, $4)",
            params![seq, account, at, body],
        )?;
    }
    Ok(())
}
