//! What is kept for a listener that doesn't read, such as that of a suspended run: not everything for ever.

use std::collections::BTreeMap;

use levqor_model::{RunId, Timestamp};

use super::Listener;
use crate::{Error, Store, params};

/// What is kept for a listener that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadBound {
    /// Of the events of its type that came before `counted_before`, the latest so many. What came since is kept anyway.
    pub count: usize,
    pub counted_before: Timestamp,
    /// No event that came before.
    pub kept_since: Timestamp,
}

impl Store {
    /// Lets the listener pass over what is more than is kept for it, and counts that: the number of events. 0 when somebody
    /// moved it meanwhile.
    pub async fn let_go_unread(&self, listener: &Listener, bound: UnreadBound) -> Result<u64, Error> {
        let (key, account, after) = (listener.key, listener.account_id, listener.after_seq);
        let Some(last) = self.last_to_let_go(listener, bound).await? else { return Ok(0) };
        let kind = listener.kind.clone();
        self.write(move |session| {
            let lost: Option<i64> = match &kind {
                None => session.scalar(
                    "SELECT count(*) FROM events WHERE account_id = $1 AND seq > $2 AND seq <= $3",
                    params![account, after, last],
                )?,
                Some(kind) => session.scalar(
                    "SELECT count(*) FROM events WHERE account_id = $1 AND type = $2 AND seq > $3 AND seq <= $4",
                    params![account, kind.as_str(), after, last],
                )?,
            };
            let lost = lost.unwrap_or_default();
            let moved = session.execute(
                "UPDATE listeners SET after_seq = $4, lost = lost + $5
                 WHERE run_id = $1 AND effect = $2 AND place = $3 AND after_seq = $6",
                params![key.run_id, key.effect, key.place, last, lost, after],
            )?;
            Ok(if moved > 0 { lost.unsigned_abs() } else { 0 })
        })
        .await
    }

    /// The newest event that is too old, or one too many.
    async fn last_to_let_go(&self, listener: &Listener, bound: UnreadBound) -> Result<Option<i64>, Error> {
        let (account, after, kind) = (listener.account_id, listener.after_seq, listener.kind.clone());
        self.read(move |session| {
            let UnreadBound { count, counted_before, kept_since } = bound;
            let (too_many, too_old): (Option<i64>, Option<Option<i64>>) = match &kind {
                None => (
                    session.scalar(
                        "SELECT seq FROM events WHERE account_id = $1 AND seq > $2 AND received_at < $3
                         ORDER BY seq DESC LIMIT 1 OFFSET $4",
                        params![account, after, counted_before, count],
                    )?,
                    session.scalar(
                        "SELECT max(seq) FROM events WHERE account_id = $1 AND seq > $2 AND received_at < $3",
                        params![account, after, kept_since],
                    )?,
                ),
                Some(kind) => (
                    session.scalar(
                        "SELECT seq FROM events
                         WHERE account_id = $1 AND type = $2 AND seq > $3 AND received_at < $4
                         ORDER BY seq DESC LIMIT 1 OFFSET $5",
                        params![account, kind.as_str(), after, counted_before, count],
                    )?,
                    session.scalar(
                        "SELECT max(seq) FROM events
                         WHERE account_id = $1 AND type = $2 AND seq > $3 AND received_at < $4",
                        params![account, kind.as_str(), after, kept_since],
                    )?,
                ),
            };
            Ok(too_many.max(too_old.flatten()))
        })
        .await
    }

    /// How many events were let go before the run's listening tasks had read them. One that several interests of a task
    /// were for counts once.
    pub async fn lost_events_of(&self, run: RunId) -> Result<i64, Error> {
        self.read(move |session| {
            let mut by_type: BTreeMap<(u64, String), i64> = BTreeMap::new();
            let rows: Vec<(u64, String, i64)> = session.rows(
                "SELECT effect, type, lost FROM listeners WHERE run_id = $1 ORDER BY effect, place LIMIT 200000",
                params![run],
                |row| Ok((row.take()?, row.take()?, row.take()?)),
            )?;
            for (effect, kind, lost) in rows {
                let most = by_type.entry((effect, kind)).or_default();
                *most = lost.max(*most);
            }
            Ok(by_type.into_values().sum())
        })
        .await
    }
}
