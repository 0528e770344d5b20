//! Sign-in: magic links and sessions. Only hashes of their tokens are stored.

use levqor_model::{AccountId, LinkId, SessionId, Timestamp, UserId};
use serde_json::json;

use crate::{
    Error, Store,
    audit::{self, Note},
    params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub id: LinkId,
    pub user_id: UserId,
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub account_id: AccountId,
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Store {
    pub async fn create_link(&self, link: Link) -> Result<(), Error> {
        self.write(move |session| {
            session.execute(
                "INSERT INTO links (link_id, user_id, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
                params![link.id, link.user_id, link.hash, link.created_at, link.expires_at],
            )?;
            audit::note(
                session,
                Note {
                    kind: "sign_in_link.created",
                    at: link.created_at,
                    account: None,
                    subject: &link.id.to_string(),
                    details: json!({ "user": link.user_id }),
                },
            )
        })
        .await
    }

    /// Spends the link: gives its user once, only before it expires.
    pub async fn use_link(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<UserId>, Error> {
        self.write(move |session| {
            let used: Option<(LinkId, UserId)> = session.row(
                "UPDATE links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2
                 RETURNING link_id, user_id",
                params![hash, now],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let Some((link, user)) = used else { return Ok(None) };
            audit::note(
                session,
                Note {
                    kind: "sign_in_link.used",
                    at: now,
                    account: None,
                    subject: &link.to_string(),
                    details: json!({ "user": user }),
                },
            )?;
            Ok(Some(user))
        })
        .await
    }

    pub async fn create_session(&self, new: Session) -> Result<(), Error> {
        self.write(move |session| {
            session.execute(
                "INSERT INTO sessions (session_id, user_id, account_id, hash, created_at, last_seen_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                params![
                    new.id,
                    new.user_id,
                    new.account_id,
                    new.hash,
                    new.created_at,
                    new.last_seen_at,
                    new.expires_at,
                ],
            )?;
            audit::note(
                session,
                Note {
                    kind: "session.created",
                    at: new.created_at,
                    account: Some(new.account_id),
                    subject: &new.id.to_string(),
                    details: json!({ "user": new.user_id }),
                },
            )
        })
        .await
    }

    /// Only one that is neither expired nor revoked.
    pub async fn session_by_hash(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Session>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT session_id, user_id, account_id, hash, created_at, last_seen_at, expires_at
                 FROM sessions WHERE hash = $1 AND revoked_at IS NULL AND expires_at > $2",
                params![hash, now],
                |row| {
                    Ok(Session {
                        id: row.take()?,
                        user_id: row.take()?,
                        account_id: row.take()?,
                        hash: row.take()?,
                        created_at: row.take()?,
                        last_seen_at: row.take()?,
                        expires_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    pub async fn touch_session(&self, id: SessionId, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "UPDATE sessions SET last_seen_at = $2 WHERE session_id = $1 AND last_seen_at < $2",
                    params![id, now],
                )
                .map(drop)
        })
        .await
    }

    pub async fn revoke_session(&self, id: SessionId, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let account: Option<AccountId> = session.scalar(
                "UPDATE sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL
                 RETURNING account_id",
                params![id, now],
            )?;
            let Some(account) = account else { return Ok(()) };
            audit::note(
                session,
                Note {
                    kind: "session.revoked",
                    at: now,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({}),
                },
            )
        })
        .await
    }

    /// Forgets links and sessions that ended before then.
    pub async fn prune_sign_in(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM links WHERE link_id IN (SELECT link_id FROM links WHERE expires_at < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM sessions WHERE session_id IN
                (SELECT session_id FROM sessions WHERE expires_at < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM sessions WHERE session_id IN
                (SELECT session_id FROM sessions WHERE revoked_at IS NOT NULL AND revoked_at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
