//! People who are signed in by another system: which user each of them is here.

use levqor_model::{Timestamp, UserId};
use serde_json::json;

use crate::{
    Error, Store,
    audit::{self, Note},
    params,
};

/// Whom a system knows, by what it never gives to another person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignIdentity {
    pub issuer: String,
    pub subject: String,
    pub user_id: UserId,
    pub created_at: Timestamp,
}

impl Store {
    pub async fn foreign_user(&self, issuer: String, subject: String) -> Result<Option<UserId>, Error> {
        self.read(move |session| {
            session.scalar(
                "SELECT user_id FROM foreign_identities WHERE issuer = $1 AND subject = $2",
                params![issuer, subject],
            )
        })
        .await
    }

    /// False when the system has named that user by another subject, or that subject is another user's.
    pub async fn bind_foreign_user(&self, new: ForeignIdentity) -> Result<bool, Error> {
        self.write(move |session| {
            let bound = session.execute(
                "INSERT INTO foreign_identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                params![new.issuer, new.subject, new.user_id, new.created_at],
            )?;
            if bound == 0 {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "user.bound",
                    at: new.created_at,
                    account: None,
                    subject: &new.user_id.to_string(),
                    details: json!({ "issuer": new.issuer }),
                },
            )?;
            Ok(true)
        })
        .await
    }

    /// Marks a way as gone; false when it was before.
    pub async fn spend_state(&self, hash: [u8; 32], expires_at: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let spent = session.execute(
                "INSERT INTO spent_states (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                params![hash, expires_at],
            )?;
            Ok(spent > 0)
        })
        .await
    }

    /// Forgets ways that nobody could go any more before then.
    pub async fn prune_states(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM spent_states WHERE hash IN (SELECT hash FROM spent_states WHERE expires_at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
