//! Invitations to an account: a link that lets one person in, once, within its time. Only a hash of it is stored.

use levqor_model::{
    AccountId, InvitationId, Role, Timestamp, UserId, audit::masked_email, limits::MEMBERS_PER_ACCOUNT_MAX,
};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    accounts::{self, Membership, User},
    audit::{self, Note},
    params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub account_id: AccountId,
    /// Lower case.
    pub email: String,
    pub role: Role,
    pub hash: [u8; 32],
    /// The user or the key that invites.
    pub invited_by: String,
    /// The link goes to the mailbox and to nobody else, so whoever has it has the mailbox.
    pub mailed: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// How many an account may have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// That wait to be accepted.
    pub open: usize,
    /// That were made since then.
    pub since: Timestamp,
    pub made_since: usize,
}

/// One that somebody may accept by their address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub invitation: Invitation,
    /// The account's name.
    pub account: String,
}

/// What became of a new invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    Done,
    TooManyOpen,
    TooManyMade,
}

/// What became of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// They are a member now, or were one already and keep their role.
    Member { user: User, invitation: Box<Invitation> },
    /// Unknown, too old, used, taken back, or sent by somebody who may not invite like that any more.
    Spent,
    /// The account has as many members as it may.
    Full,
}

/// The columns of [`Invitation`], in the order in which [`Invitation::read`] takes them.
macro_rules! columns {
    () => {
        "invitation_id, account_id, email, role, hash, invited_by, mailed, created_at, expires_at"
    };
}

impl Invitation {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            email: row.take()?,
            role: row.take()?,
            hash: row.take()?,
            invited_by: row.take()?,
            mailed: row.take()?,
            created_at: row.take()?,
            expires_at: row.take()?,
        })
    }
}

fn note_revoked(
    session: &Session,
    account: AccountId,
    ids: &[InvitationId],
    at: Timestamp,
    why: &str,
) -> Result<(), Error> {
    for id in ids {
        audit::note(
            session,
            Note {
                kind: "invitation.revoked",
                at,
                account: Some(account),
                subject: &id.to_string(),
                details: json!({ "why": why }),
            },
        )?;
    }
    Ok(())
}

/// Takes back what a user or a key sent that may not invite like that any more.
pub(crate) fn revoke_sent_by(
    session: &Session,
    account: AccountId,
    sender: &str,
    at: Timestamp,
) -> Result<(), Error> {
    let revoked = session.rows(
        "UPDATE invitations SET revoked_at = $3
         WHERE account_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL
         RETURNING invitation_id",
        params![account, sender, at],
        |row| row.take(),
    )?;
    note_revoked(session, account, &revoked, at, "who sent it lost the right to")
}

/// Whether who sent it still may. What they have sent is taken back with their right, but they may have sent one more by a node that did
/// not know of that yet.
fn sender_may(session: &Session, invitation: &Invitation) -> Result<bool, Error> {
    let (account, sender) = (invitation.account_id, &invitation.invited_by);
    if let Ok(user) = sender.parse::<UserId>() {
        let role: Option<Role> = session.scalar(
            "SELECT role FROM memberships WHERE account_id = $1 AND user_id = $2",
            params![account, user],
        )?;
        return Ok(role.is_some_and(|role| role >= invitation.role.max(Role::Admin)));
    }
    let revoked: Option<i64> = session.scalar(
        "SELECT 1 FROM api_keys WHERE key_id = $1 AND account_id = $2 AND revoked_at IS NOT NULL",
        params![sender, account],
    )?;
    Ok(revoked.is_none())
}

/// Spends the invitation, if there is one.
fn accept(
    session: &Session,
    invitation: Option<Invitation>,
    new_user: UserId,
    now: Timestamp,
) -> Result<Accepted, Error> {
    let Some(invitation) = invitation else { return Ok(Accepted::Spent) };
    if !sender_may(session, &invitation)? {
        return Ok(Accepted::Spent);
    }
    let user = session.row(
        "SELECT user_id, email, operator, created_at FROM users WHERE email = $1",
        params![invitation.email],
        User::read,
    )?;
    let account_id = invitation.account_id;
    let is_member = match &user {
        Some(user) => session
            .scalar::<i64>(
                "SELECT 1 FROM memberships WHERE account_id = $1 AND user_id = $2",
                params![account_id, user.id],
            )?
            .is_some(),
        None => false,
    };
    if !is_member {
        let members: i64 = session
            .scalar("SELECT count(*) FROM memberships WHERE account_id = $1", params![account_id])?
            .unwrap_or_default();
        if members >= i64::try_from(MEMBERS_PER_ACCOUNT_MAX).unwrap_or(i64::MAX) {
            return Ok(Accepted::Full);
        }
    }
    session.execute(
        "UPDATE invitations SET accepted_at = $2 WHERE invitation_id = $1",
        params![invitation.id, now],
    )?;
    let user = match user {
        Some(user) => user,
        None => {
            let user =
                User { id: new_user, email: invitation.email.clone(), operator: false, created_at: now };
            accounts::insert_user(session, &user)?;
            user
        }
    };
    audit::note(
        session,
        Note {
            kind: "invitation.accepted",
            at: now,
            account: Some(account_id),
            subject: &invitation.id.to_string(),
            details: json!({ "user": user.id }),
        },
    )?;
    if !is_member {
        let membership = Membership { account_id, user_id: user.id, role: invitation.role };
        accounts::put_membership(session, &membership, now)?;
    }
    Ok(Accepted::Member { user, invitation: Box::new(invitation) })
}

impl Store {
    /// An open one to the same address is taken back: the newest link is the one that works.
    pub async fn create_invitation(&self, new: Invitation, bounds: Bounds) -> Result<Invited, Error> {
        self.write(move |session| {
            let account = new.account_id;
            let made: u64 = session
                .scalar(
                    "SELECT count(*) FROM invitations WHERE account_id = $1 AND created_at > $2",
                    params![account, bounds.since],
                )?
                .unwrap_or_default();
            if made >= bounds.made_since as u64 {
                return Ok(Invited::TooManyMade);
            }
            let open: u64 = session
                .scalar(
                    "SELECT count(*) FROM invitations WHERE account_id = $1 AND email <> $2
                     AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3",
                    params![account, new.email, new.created_at],
                )?
                .unwrap_or_default();
            if open >= bounds.open as u64 {
                return Ok(Invited::TooManyOpen);
            }
            let replaced = session.rows(
                "UPDATE invitations SET revoked_at = $3
                 WHERE account_id = $1 AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL
                 RETURNING invitation_id",
                params![account, new.email, new.created_at],
                |row| row.take(),
            )?;
            note_revoked(session, account, &replaced, new.created_at, "a newer one was sent")?;
            session.execute(
                concat!(
                    "INSERT INTO invitations (",
                    columns!(),
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                ),
                params![
                    new.id,
                    new.account_id,
                    new.email,
                    new.role,
                    new.hash,
                    new.invited_by,
                    new.mailed,
                    new.created_at,
                    new.expires_at,
                ],
            )?;
            audit::note(
                session,
                Note {
                    kind: "invitation.created",
                    at: new.created_at,
                    account: Some(account),
                    subject: &new.id.to_string(),
                    details: json!({
                        "email": masked_email(&new.email), "role": new.role.as_str(), "mailed": new.mailed,
                    }),
                },
            )?;
            Ok(Invited::Done)
        })
        .await
    }

    /// Those that were neither accepted nor taken back, oldest first.
    pub async fn invitations_of(
        &self,
        account: AccountId,
        after: Option<InvitationId>,
        limit: usize,
    ) -> Result<Vec<Invitation>, Error> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invitations WHERE account_id = $1 AND invitation_id > $2
                      AND accepted_at IS NULL AND revoked_at IS NULL ORDER BY invitation_id LIMIT $3"
                ),
                params![account, after, limit],
                Invitation::read,
            )
        })
        .await
    }

    /// One that can be accepted now.
    pub async fn invitation_by_hash(
        &self,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Invitation>, Error> {
        self.read(move |session| {
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invitations WHERE hash = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2"
                ),
                params![hash, now],
                Invitation::read,
            )
        })
        .await
    }

    /// False when the account has no such open invitation.
    pub async fn revoke_invitation(
        &self,
        account: AccountId,
        id: InvitationId,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let revoked = session.execute(
                "UPDATE invitations SET revoked_at = $3
                 WHERE invitation_id = $1 AND account_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
                params![id, account, at],
            )?;
            if revoked > 0 {
                note_revoked(session, account, &[id], at, "taken back")?;
            }
            Ok(revoked > 0)
        })
        .await
    }

    /// Spends the link. Who has no user gets one, with the id `new_user`.
    pub async fn accept_invitation(
        &self,
        hash: [u8; 32],
        new_user: UserId,
        now: Timestamp,
    ) -> Result<Accepted, Error> {
        self.write(move |session| {
            let invitation = session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invitations WHERE hash = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2"
                ),
                params![hash, now],
                Invitation::read,
            )?;
            accept(session, invitation, new_user, now)
        })
        .await
    }

    /// Those that whoever proves to have this address may accept now, newest first.
    pub async fn invitations_to(
        &self,
        email: String,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Offer>, Error> {
        self.read(move |session| {
            let open = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invitations WHERE email = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2
                      ORDER BY created_at DESC LIMIT $3"
                ),
                params![email, now, limit],
                Invitation::read,
            )?;
            let mut offers = Vec::new();
            for invitation in open {
                if !sender_may(session, &invitation)? {
                    continue;
                }
                let account: Option<String> = session.scalar(
                    "SELECT name FROM accounts WHERE account_id = $1",
                    params![invitation.account_id],
                )?;
                offers.extend(account.map(|account| Offer { invitation, account }));
            }
            Ok(offers)
        })
        .await
    }

    /// Accepts an open invitation to an address whose owner has proved, in another way, who they are.
    pub async fn accept_invitation_to(
        &self,
        id: InvitationId,
        email: String,
        new_user: UserId,
        now: Timestamp,
    ) -> Result<Accepted, Error> {
        self.write(move |session| {
            let invitation = session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invitations WHERE invitation_id = $1 AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL
                      AND expires_at > $3"
                ),
                params![id, email, now],
                Invitation::read,
            )?;
            accept(session, invitation, new_user, now)
        })
        .await
    }

    /// Forgets invitations that ended before then.
    pub async fn prune_invitations(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM invitations WHERE invitation_id IN
                (SELECT invitation_id FROM invitations WHERE expires_at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
