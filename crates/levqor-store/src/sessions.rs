//! Sign-in: magic links and sessions. Only hashes of their tokens are stored.

use levqor_model::{AccountId, LinkId, SessionId, Timestamp, UserId, limits::SESSIONS_PER_USER_MAX};
use serde_json::json;

use crate::{
    Error, Row, Store,
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
    /// Where it began, masked.
    pub network: Option<String>,
    /// The kind of browser that it began in.
    pub browser: Option<String>,
}

/// The columns of [`Session`], in the order in which [`Session::read`] takes them.
macro_rules! columns {
    () => {
        "session_id, user_id, account_id, hash, created_at, last_seen_at, expires_at, network, browser"
    };
}

impl Session {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            user_id: row.take()?,
            account_id: row.take()?,
            hash: row.take()?,
            created_at: row.take()?,
            last_seen_at: row.take()?,
            expires_at: row.take()?,
            network: row.take()?,
            browser: row.take()?,
        })
    }
}

fn insert(session: &crate::Session, new: &Session) -> Result<(), Error> {
    session
        .execute(
            concat!("INSERT INTO sessions (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
            params![
                new.id,
                new.user_id,
                new.account_id,
                new.hash,
                new.created_at,
                new.last_seen_at,
                new.expires_at,
                new.network,
                new.browser,
            ],
        )
        .map(drop)
}

/// Why a session ended that an operator ended.
const BY_OPERATOR: &str = "ended by an operator";

/// Sessions that have just ended: whose account each was in.
type Ended = Vec<(SessionId, AccountId)>;

fn read_ended(row: &mut Row<'_>) -> Result<(SessionId, AccountId), Error> {
    Ok((row.take()?, row.take()?))
}

fn note_ended(session: &crate::Session, ended: &Ended, at: Timestamp, why: &str) -> Result<(), Error> {
    for (id, account) in ended {
        audit::note(
            session,
            Note {
                kind: "session.revoked",
                at,
                account: Some(*account),
                subject: &id.to_string(),
                details: json!({ "why": why }),
            },
        )?;
    }
    Ok(())
}

/// Ends what somebody has open in an account, but for one session.
pub(crate) fn end_in_account(
    session: &crate::Session,
    account: AccountId,
    user: UserId,
    keep: Option<SessionId>,
    at: Timestamp,
    why: &str,
) -> Result<usize, Error> {
    let keep = keep.map_or_else(String::new, |keep| keep.to_string());
    let ended = session.rows(
        "UPDATE sessions SET revoked_at = $4
         WHERE user_id = $2 AND account_id = $1 AND session_id <> $3 AND revoked_at IS NULL
         RETURNING session_id, account_id",
        params![account, user, keep, at],
        read_ended,
    )?;
    note_ended(session, &ended, at, why)?;
    Ok(ended.len())
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

    /// Begins a session. `ends` is the one that the same browser had before; of the person's others the oldest end when there
    /// are too many.
    pub async fn create_session(&self, new: Session, ends: Option<SessionId>) -> Result<(), Error> {
        self.write(move |session| {
            if let Some(old) = ends {
                let ended = session.rows(
                    "UPDATE sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL
                     RETURNING session_id, account_id",
                    params![old, new.created_at],
                    read_ended,
                )?;
                note_ended(session, &ended, new.created_at, "signed in anew")?;
            }
            insert(session, &new)?;
            audit::note(
                session,
                Note {
                    kind: "session.created",
                    at: new.created_at,
                    account: Some(new.account_id),
                    subject: &new.id.to_string(),
                    details: json!({ "user": new.user_id, "browser": new.browser }),
                },
            )?;
            let ended = session.rows(
                "UPDATE sessions SET revoked_at = $2 WHERE session_id IN
                    (SELECT session_id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
                     ORDER BY session_id DESC LIMIT 1000 OFFSET $3)
                 RETURNING session_id, account_id",
                params![new.user_id, new.created_at, SESSIONS_PER_USER_MAX],
                read_ended,
            )?;
            note_ended(session, &ended, new.created_at, "too many")
        })
        .await
    }

    /// Puts a session with another id and token in the place of one that lives: in that account, until the same end. None
    /// when the old one has ended.
    pub async fn replace_session(
        &self,
        old: SessionId,
        new: SessionId,
        hash: [u8; 32],
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<Session>, Error> {
        self.write(move |session| {
            let ended = session.row(
                concat!(
                    "UPDATE sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL AND expires_at > $2
                     RETURNING ",
                    columns!()
                ),
                params![old, now],
                Session::read,
            )?;
            let Some(ended) = ended else { return Ok(None) };
            let from = ended.account_id;
            let new = Session { id: new, hash, account_id: account, last_seen_at: now, ..ended };
            insert(session, &new)?;
            audit::note(
                session,
                Note {
                    kind: "session.replaced",
                    at: now,
                    account: Some(account),
                    subject: &new.id.to_string(),
                    details: json!({ "user": new.user_id, "replaces": old, "from_account": from }),
                },
            )?;
            Ok(Some(new))
        })
        .await
    }

    /// Only one that is neither expired nor revoked.
    pub async fn session_by_hash(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Session>, Error> {
        self.read(move |session| {
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM sessions WHERE hash = $1 AND revoked_at IS NULL AND expires_at > $2"
                ),
                params![hash, now],
                Session::read,
            )
        })
        .await
    }

    /// What somebody has open in all their accounts and was used after `seen_after`, newest first.
    pub async fn sessions_of(
        &self,
        user: UserId,
        now: Timestamp,
        seen_after: Timestamp,
    ) -> Result<Vec<Session>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND last_seen_at > $3
                      ORDER BY session_id DESC LIMIT $4"
                ),
                params![user, now, seen_after, SESSIONS_PER_USER_MAX],
                Session::read,
            )
        })
        .await
    }

    /// Ends a session of that person; false when they have no such live one.
    pub async fn revoke_session_of(
        &self,
        user: UserId,
        id: SessionId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let ended = session.rows(
                "UPDATE sessions SET revoked_at = $3 WHERE session_id = $1 AND user_id = $2 AND revoked_at IS NULL
                 RETURNING session_id, account_id",
                params![id, user, now],
                read_ended,
            )?;
            note_ended(session, &ended, now, "ended by its person")?;
            Ok(!ended.is_empty())
        })
        .await
    }

    /// Ends all other sessions of that person; how many.
    pub async fn revoke_other_sessions(
        &self,
        user: UserId,
        keep: SessionId,
        now: Timestamp,
    ) -> Result<usize, Error> {
        self.write(move |session| {
            let ended = session.rows(
                "UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND session_id <> $2 AND revoked_at IS NULL
                 RETURNING session_id, account_id",
                params![user, keep, now],
                read_ended,
            )?;
            note_ended(session, &ended, now, "ended by its person")?;
            Ok(ended.len())
        })
        .await
    }

    /// Ends all that a member has open in the account; how many sessions that were.
    pub async fn revoke_sessions_in(
        &self,
        account: AccountId,
        user: UserId,
        now: Timestamp,
    ) -> Result<usize, Error> {
        self.write(move |session| {
            end_in_account(session, account, user, None, now, "ended by an admin of the account")
        })
        .await
    }

    /// Ends all that somebody has open, in all their accounts, on an operator's word; how many sessions that were.
    pub async fn end_sessions_of(&self, user: UserId, now: Timestamp) -> Result<usize, Error> {
        self.write(move |session| {
            let ended = session.rows(
                "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
                 RETURNING session_id, account_id",
                params![user, now],
                read_ended,
            )?;
            note_ended(session, &ended, now, BY_OPERATOR)?;
            Ok(ended.len())
        })
        .await
    }

    /// Ends some of what everybody has open, on an operator's word: those after an id, in the order of ids, but for one. Those that it
    /// has ended; none when nobody has any more.
    pub async fn end_sessions(
        &self,
        after: Option<SessionId>,
        keep: Option<SessionId>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SessionId>, Error> {
        self.write(move |session| {
            let text = |id: Option<SessionId>| id.map_or_else(String::new, |id| id.to_string());
            let ended = session.rows(
                "UPDATE sessions SET revoked_at = $3 WHERE session_id IN
                    (SELECT session_id FROM sessions
                     WHERE session_id > $1 AND session_id <> $2 AND revoked_at IS NULL AND created_at <= $3 AND expires_at > $3
                     ORDER BY session_id LIMIT $4)
                 RETURNING session_id, account_id",
                params![text(after), text(keep), now, limit],
                read_ended,
            )?;
            note_ended(session, &ended, now, BY_OPERATOR)?;
            Ok(ended.into_iter().map(|(id, _)| id).collect())
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
