//! The evidence log: every write that matters adds a record of itself, in its own transaction.
//!
//! ```text
//! gateway, job: by(author, …) ─► service ─► Store::revoke_key ─► UPDATE api_keys …
//!                                                             └► note(…) ─► audit_records, chained by hash
//! ```
//!
//! Nobody can forget to say who it was, and nobody can write without the record: nouns call [`note`] where they write.
//!
//! Invariant: records of a chain are numbered without a gap, and are never changed or deleted.

mod accept;
mod author;
mod lists;
mod seal;

use levqor_model::{
    AccountId, RunId, Timestamp,
    audit::{CHECKPOINT, Record, RecordHash},
};
use serde_json::Value;

pub use author::{Author, by, current};
pub(crate) use author::{Chain, Writing};
pub use lists::{Filter, Place};

use crate::{Error, Row, Session, Store, params};

/// What a noun says of a write.
pub(crate) struct Note<'a> {
    /// What was done, such as `key.revoked`: the noun, and the verb in the past.
    pub(crate) kind: &'static str,
    pub(crate) at: Timestamp,
    /// Whose data it was about; None: the platform's.
    pub(crate) account: Option<AccountId>,
    /// The id or the name of what it was done to.
    pub(crate) subject: &'a str,
    /// An object; no secrets, and nothing personal unmasked.
    pub(crate) details: Value,
}

/// The columns of a [`Record`], in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "chain, seq, at, region, kind, author, account_id, subject, details, request_id, previous, hash"
    };
}
pub(crate) use columns;

pub(crate) fn read(row: &mut Row<'_>) -> Result<Record, Error> {
    Ok(Record {
        chain: row.take()?,
        seq: row.take()?,
        at: row.take()?,
        region: row.take()?,
        kind: row.take()?,
        author: row.take()?,
        account: row.take()?,
        subject: row.take()?,
        details: row.take()?,
        request_id: row.take()?,
        previous: RecordHash(row.take()?),
        hash: RecordHash(row.take()?),
    })
}

/// Adds a record to the chain of whoever writes.
pub(crate) fn note(session: &Session, note: Note<'_>) -> Result<(), Error> {
    let writing = Writing::current();
    let mut details = note.details;
    if let (Some(network), Value::Object(details)) =
        (writing.author.as_ref().and_then(|author| author.network.as_ref()), &mut details)
    {
        details.insert("network".to_owned(), Value::String(network.clone()));
    }
    let bare = Record {
        at: note.at,
        kind: note.kind.to_owned(),
        account: note.account,
        subject: note.subject.to_owned(),
        details: details.to_string(),
        ..next(session, &writing)?
    };
    insert(session, bare.hashed())
}

/// The record that comes next in the chain, still empty.
fn next(session: &Session, writing: &Writing) -> Result<Record, Error> {
    let chain = &writing.chain;
    let last =
        session.row("SELECT seq, hash FROM audit_chains WHERE chain = $1", params![chain.name], |row| {
            Ok((row.take::<u64>()?, RecordHash(row.take()?)))
        })?;
    let (last, previous) = last.unwrap_or((0, RecordHash::NONE));
    Ok(Record {
        chain: chain.name.clone(),
        seq: last + 1,
        at: Timestamp::from_micros(0),
        region: chain.region.clone(),
        kind: String::new(),
        author: writing.author_name().to_owned(),
        account: None,
        subject: String::new(),
        details: String::new(),
        request_id: writing.author.as_ref().and_then(|author| author.request_id.clone()),
        previous,
        hash: RecordHash::NONE,
    })
}

fn insert(session: &Session, record: Record) -> Result<(), Error> {
    session.execute(
        concat!(
            "INSERT INTO audit_records (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        ),
        params![
            record.chain,
            record.seq,
            record.at,
            record.region,
            record.kind,
            record.author,
            record.account,
            record.subject,
            record.details,
            record.request_id,
            record.previous.0,
            record.hash.0,
        ],
    )?;
    // Checkpoints about checkpoints would never end.
    let worked = if record.kind == CHECKPOINT { 0 } else { record.seq };
    session
        .execute(
            "INSERT INTO audit_chains (chain, seq, hash, worked_through, named_through) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
                 worked_through = CASE WHEN excluded.worked_through > 0
                     THEN excluded.worked_through ELSE audit_chains.worked_through END",
            params![record.chain, record.seq, record.hash.0, worked],
        )
        .map(drop)
}

impl Store {
    /// Notes what somebody wants of a run, which the engine then does.
    pub async fn note_wish(
        &self,
        account: AccountId,
        run: RunId,
        kind: &'static str,
        details: Value,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            note(session, Note { kind, at, account: Some(account), subject: &run.to_string(), details })
        })
        .await
    }
}
