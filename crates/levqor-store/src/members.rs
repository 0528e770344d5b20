//! Who belongs to an account, and as what.
//!
//! Invariant: an account that has an owner keeps one, whatever is done at the same time. What somebody had open in the
//! account ends in the same transaction that lowers, raises or removes them, and with it the invitations that they sent.

use levqor_model::{AccountId, Role, SessionId, Timestamp, UserId};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    invitations, params, sessions,
};

/// A person in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user_id: UserId,
    pub email: String,
    pub role: Role,
    /// None for those who were there before that was noted.
    pub added_at: Option<Timestamp>,
    /// The latest that any of their sessions in the account was used.
    pub last_seen_at: Option<Timestamp>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Done,
    /// Not a member.
    Missing,
    /// Their role is another one by now.
    Differs,
    /// The account would have no owner.
    LastOwner,
}

macro_rules! member {
    ($rest:literal) => {
        concat!(
            "SELECT memberships.user_id, email, role, added_at,
                (SELECT max(last_seen_at) FROM sessions
                 WHERE sessions.user_id = memberships.user_id AND sessions.account_id = memberships.account_id)
             FROM memberships JOIN users ON users.user_id = memberships.user_id ",
            $rest
        )
    };
}

impl Member {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            user_id: row.take()?,
            email: row.take()?,
            role: row.take()?,
            added_at: row.take()?,
            last_seen_at: row.take()?,
        })
    }
}

/// Whether the change may be made: their role is `from`, and the account keeps an owner.
fn refusal(
    session: &Session,
    account: AccountId,
    user: UserId,
    from: Role,
    to: Option<Role>,
) -> Result<Option<Change>, Error> {
    let role: Option<Role> = session.scalar(
        "SELECT role FROM memberships WHERE account_id = $1 AND user_id = $2",
        params![account, user],
    )?;
    let Some(role) = role else { return Ok(Some(Change::Missing)) };
    if role != from {
        return Ok(Some(Change::Differs));
    }
    if role != Role::Owner || to == Some(Role::Owner) {
        return Ok(None);
    }
    let another: Option<i64> = session.scalar(
        "SELECT 1 FROM memberships WHERE account_id = $1 AND user_id <> $2 AND role = $3 LIMIT 1",
        params![account, user, Role::Owner],
    )?;
    Ok(another.is_none().then_some(Change::LastOwner))
}

impl Store {
    /// In the order of their ids.
    pub async fn members_of(
        &self,
        account: AccountId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, Error> {
        let after = after.map_or_else(String::new, |user| user.to_string());
        self.read(move |session| {
            session.rows(
                member!(
                    "WHERE memberships.account_id = $1 AND memberships.user_id > $2
                     ORDER BY memberships.user_id LIMIT $3"
                ),
                params![account, after, limit],
                Member::read,
            )
        })
        .await
    }

    pub async fn member(&self, account: AccountId, user: UserId) -> Result<Option<Member>, Error> {
        self.read(move |session| {
            session.row(
                member!("WHERE memberships.account_id = $1 AND memberships.user_id = $2"),
                params![account, user],
                Member::read,
            )
        })
        .await
    }

    /// `email` in lower case.
    pub async fn member_by_email(&self, account: AccountId, email: String) -> Result<Option<Member>, Error> {
        self.read(move |session| {
            session.row(
                member!("WHERE memberships.account_id = $1 AND users.email = $2"),
                params![account, email],
                Member::read,
            )
        })
        .await
    }

    /// Gives a member whose role is `from` another one. All that they have open in the account ends, but for `keep`.
    pub async fn change_role(
        &self,
        account: AccountId,
        user: UserId,
        (from, to): (Role, Role),
        keep: Option<SessionId>,
        at: Timestamp,
    ) -> Result<Change, Error> {
        self.write(move |session| {
            if let Some(refusal) = refusal(session, account, user, from, Some(to))? {
                return Ok(refusal);
            }
            session.execute(
                "UPDATE memberships SET role = $3 WHERE account_id = $1 AND user_id = $2",
                params![account, user, to],
            )?;
            audit::note(
                session,
                Note {
                    kind: "member.role_changed",
                    at,
                    account: Some(account),
                    subject: &user.to_string(),
                    details: json!({ "from": from.as_str(), "to": to.as_str() }),
                },
            )?;
            if to < from {
                invitations::revoke_sent_by(session, account, &user.to_string(), at)?;
            }
            sessions::end_in_account(session, account, user, keep, at, "the role was changed")?;
            Ok(Change::Done)
        })
        .await
    }

    /// Takes a member whose role is `from` out of the account.
    pub async fn remove_member(
        &self,
        account: AccountId,
        user: UserId,
        from: Role,
        at: Timestamp,
    ) -> Result<Change, Error> {
        self.write(move |session| {
            if let Some(refusal) = refusal(session, account, user, from, None)? {
                return Ok(refusal);
            }
            session.execute(
                "DELETE FROM memberships WHERE account_id = $1 AND user_id = $2",
                params![account, user],
            )?;
            audit::note(
                session,
                Note {
                    kind: "member.removed",
                    at,
                    account: Some(account),
                    subject: &user.to_string(),
                    details: json!({ "role": from.as_str() }),
                },
            )?;
            invitations::revoke_sent_by(session, account, &user.to_string(), at)?;
            sessions::end_in_account(session, account, user, None, at, "the member was removed")?;
            Ok(Change::Done)
        })
        .await
    }
}
