//! Records as they are looked at: newest first for people, in the order of their chains for verification.

use levqor_model::{AccountId, Timestamp, audit::Record};

use super::{columns, read};
use crate::{Error, Store, params};

/// Which records; None: any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub account: Option<AccountId>,
    /// Of this kind, or of all that begin with it and a dot.
    pub kind: Option<String>,
    /// Who did it, exactly as records name them.
    pub author: Option<String>,
    pub subject: Option<String>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// A record's place in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub at: Timestamp,
    pub chain: String,
    pub seq: u64,
}

impl Store {
    /// Newest first, those before `before`.
    pub async fn audit_records(
        &self,
        filter: Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let Filter { account, kind, author, subject, from, until } = filter;
        let from = from.map_or(i64::MIN, Timestamp::as_micros);
        let until = until.map_or(i64::MAX, Timestamp::as_micros);
        // No chain's name is empty, so nothing is before a place with an empty one but what is older.
        let (at, chain, seq) = before.map_or((until, String::new(), 0), |place| {
            (place.at.as_micros().min(until), place.chain, place.seq)
        });
        self.view(move |session| {
            let below = kind.as_ref().map(|kind| format!("{kind}."));
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM audit_records
                     WHERE (at, chain, seq) < ($1, $2, $3) AND at >= $4
                         AND (CAST($5 AS text) IS NULL OR account_id = $5)
                         AND (CAST($6 AS text) IS NULL OR kind = $6
                             OR substr(kind, 1, length(CAST($7 AS text))) = $7)
                         AND (CAST($8 AS text) IS NULL OR author = $8)
                         AND (CAST($9 AS text) IS NULL OR subject = $9)
                     ORDER BY at DESC, chain DESC, seq DESC LIMIT $10"
                ),
                params![at, chain, seq, from, account, kind, below, author, subject, limit],
                read,
            )
        })
        .await
    }

    /// How many records of each kind were written from `from` on, before `until`, the most first; at most 1,000 kinds.
    pub async fn audit_kinds(&self, from: Timestamp, until: Timestamp) -> Result<Vec<(String, i64)>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT kind, count(*) AS found FROM audit_records WHERE at >= $1 AND at < $2
                 GROUP BY kind ORDER BY found DESC, kind LIMIT 1000",
                params![from, until],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// A chain's records from behind a number on.
    pub async fn audit_chain(&self, chain: String, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM audit_records WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3"
                ),
                params![chain, after, limit],
                read,
            )
        })
        .await
    }
}
