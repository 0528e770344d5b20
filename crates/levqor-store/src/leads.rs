//! Addresses that people left: one row an address, and whoever comes again is counted.

use levqor_model::{LeadId, Timestamp, audit::masked_email};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    cursor, params,
};

/// Somebody who left an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    pub id: LeadId,
    /// Lower case.
    pub email: String,
    /// Where they came from first.
    pub source: String,
    /// Whether they agreed to be written to about more than what they asked for.
    pub consent: bool,
    pub created_at: Timestamp,
    pub last_at: Timestamp,
    pub times: i64,
}

/// The columns of [`Lead`], in the order in which [`Lead::read`] takes them.
macro_rules! columns {
    () => {
        "id, email, source, consent, created_at, last_at, times"
    };
}

impl Lead {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            email: row.take()?,
            source: row.take()?,
            consent: row.take()?,
            created_at: row.take()?,
            last_at: row.take()?,
            times: row.take()?,
        })
    }
}

impl Store {
    /// Keeps an address; one that is known is counted once more, keeps its first source, and its consent is what was said last, which
    /// leaves a record when it is another. True: it was not known.
    pub async fn keep_lead(
        &self,
        id: LeadId,
        email: String,
        source: String,
        consent: bool,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let before: Option<bool> =
                session.scalar("SELECT consent FROM leads WHERE email = $1", params![email])?;
            let kept: Option<(LeadId, i64)> = session.row(
                "INSERT INTO leads (id, email, source, consent, created_at, last_at, times)
                     VALUES ($1, $2, $3, $4, $5, $5, 1)
                     ON CONFLICT (email) DO UPDATE SET consent = excluded.consent, last_at = excluded.last_at,
                         times = leads.times + 1
                     RETURNING id, times",
                params![id, email, source, consent, at],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let (id, times) = kept.unwrap_or((id, 1));
            let (kind, details) = match before {
                _ if times == 1 => {
                    let email = masked_email(&email);
                    ("lead.kept", json!({ "email": email, "source": source, "consent": consent }))
                }
                Some(before) if before != consent => {
                    ("lead.consent_changed", json!({ "email": masked_email(&email), "consent": consent }))
                }
                _ => return Ok(false),
            };
            audit::note(session, Note { kind, at, account: None, subject: &id.to_string(), details })?;
            Ok(times == 1)
        })
        .await
    }

    /// Newest first, those before `before` when it is given.
    pub async fn leads(&self, before: Option<LeadId>, limit: usize) -> Result<Vec<Lead>, Error> {
        let before = cursor::below(before);
        self.view(move |session| {
            session.rows(
                concat!("SELECT ", columns!(), " FROM leads WHERE id < $1 ORDER BY id DESC LIMIT $2"),
                params![before, limit],
                Lead::read,
            )
        })
        .await
    }

    /// How many came by each source in that time, most first; at most 1,000 sources.
    pub async fn lead_sources(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(String, i64)>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT source, count(*) FROM leads WHERE created_at >= $1 AND created_at < $2
                 GROUP BY source ORDER BY count(*) DESC, source LIMIT 1000",
                params![from, to],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Forgets an address, as its owner may ask; false: it was not there.
    pub async fn forget_lead(&self, id: LeadId, at: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            if session.execute("DELETE FROM leads WHERE id = $1", params![id])? == 0 {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "lead.forgotten",
                    at,
                    account: None,
                    subject: &id.to_string(),
                    details: json!({}),
                },
            )?;
            Ok(true)
        })
        .await
    }
}
