//! Accounts, people, and who belongs where.

use levqor_model::{AccountId, Role, Timestamp, UserId, audit::masked_email};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    cursor,
    keys::{self, ApiKey},
    params,
    workflows::{self, Version, Workflow},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// A plan's code.
    pub plan: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Lower case.
    pub email: String,
    /// May see and do what operators of the platform may.
    pub operator: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub account_id: AccountId,
    pub user_id: UserId,
    pub role: Role,
}

/// An account, and how much it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    pub account: Account,
    pub members: i64,
    /// Without deleted ones.
    pub workflows: i64,
    /// API keys that were not revoked.
    pub keys: i64,
}

impl User {
    pub(crate) fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { id: row.take()?, email: row.take()?, operator: row.take()?, created_at: row.take()? })
    }
}

/// What an empty database gets, whole or not at all.
#[derive(Debug)]
pub struct Founding {
    pub account: Account,
    pub user: User,
    pub role: Role,
    pub key: ApiKey,
    pub workflow: Workflow,
    pub version: Version,
}

fn insert_account(session: &Session, account: &Account) -> Result<(), Error> {
    session.execute(
        "INSERT INTO accounts (account_id, name, plan, created_at) VALUES ($1, $2, $3, $4)",
        params![account.id, account.name, account.plan, account.created_at],
    )?;
    audit::note(
        session,
        Note {
            kind: "account.created",
            at: account.created_at,
            account: Some(account.id),
            subject: &account.id.to_string(),
            details: json!({ "plan": account.plan }),
        },
    )
}

pub(crate) fn insert_user(session: &Session, user: &User) -> Result<(), Error> {
    session.execute(
        "INSERT INTO users (user_id, email, operator, created_at) VALUES ($1, $2, $3, $4)",
        params![user.id, user.email, user.operator, user.created_at],
    )?;
    audit::note(
        session,
        Note {
            kind: "user.created",
            at: user.created_at,
            account: None,
            subject: &user.id.to_string(),
            details: json!({ "email": masked_email(&user.email), "operator": user.operator }),
        },
    )
}

pub(crate) fn put_membership(session: &Session, membership: &Membership, at: Timestamp) -> Result<(), Error> {
    session.execute(
        "INSERT INTO memberships (account_id, user_id, role, added_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role",
        params![membership.account_id, membership.user_id, membership.role, at],
    )?;
    audit::note(
        session,
        Note {
            kind: "member.added",
            at,
            account: Some(membership.account_id),
            subject: &membership.user_id.to_string(),
            details: json!({ "role": membership.role.as_str() }),
        },
    )
}

impl Store {
    /// Founds the first account in one transaction; false, and nothing is written, when there is an account already.
    pub async fn found(&self, founding: Founding) -> Result<bool, Error> {
        self.write(move |session| {
            let accounts: i64 = session.scalar("SELECT count(*) FROM accounts", &[])?.unwrap_or_default();
            if accounts > 0 {
                return Ok(false);
            }
            let (account_id, user_id) = (founding.account.id, founding.user.id);
            insert_account(session, &founding.account)?;
            insert_user(session, &founding.user)?;
            let membership = Membership { account_id, user_id, role: founding.role };
            put_membership(session, &membership, founding.account.created_at)?;
            keys::insert(session, &founding.key)?;
            workflows::insert(session, &founding.workflow, &founding.version, None)?;
            Ok(true)
        })
        .await
    }

    /// Opens an account for somebody who is new, whole or not at all.
    ///
    /// # Errors
    /// [`Conflict::UserEmail`](crate::Conflict::UserEmail) when somebody has that address.
    pub async fn open_account(
        &self,
        account: Account,
        user: User,
        membership: Membership,
    ) -> Result<(), Error> {
        self.write(move |session| {
            insert_account(session, &account)?;
            insert_user(session, &user)?;
            put_membership(session, &membership, account.created_at)
        })
        .await
    }

    pub async fn create_account(&self, account: Account) -> Result<(), Error> {
        self.write(move |session| insert_account(session, &account)).await
    }

    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT account_id, name, plan, created_at FROM accounts WHERE account_id = $1",
                params![id],
                |row| {
                    Ok(Account {
                        id: row.take()?,
                        name: row.take()?,
                        plan: row.take()?,
                        created_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Newest first, those before the one that is named.
    pub async fn accounts(
        &self,
        before: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountSummary>, Error> {
        let before = cursor::below(before);
        self.read(move |session| {
            session.rows(
                "SELECT account_id, name, plan, created_at,
                     (SELECT count(*) FROM memberships WHERE memberships.account_id = accounts.account_id),
                     (SELECT count(*) FROM workflows
                      WHERE workflows.account_id = accounts.account_id AND deleted_at IS NULL),
                     (SELECT count(*) FROM api_keys
                      WHERE api_keys.account_id = accounts.account_id AND revoked_at IS NULL)
                 FROM accounts WHERE account_id < $1 ORDER BY account_id DESC LIMIT $2",
                params![before, limit],
                |row| {
                    Ok(AccountSummary {
                        account: Account {
                            id: row.take()?,
                            name: row.take()?,
                            plan: row.take()?,
                            created_at: row.take()?,
                        },
                        members: row.take()?,
                        workflows: row.take()?,
                        keys: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Gives the account another name; false when there is none.
    pub async fn rename_account(&self, id: AccountId, name: String, at: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let renamed =
                session.execute("UPDATE accounts SET name = $2 WHERE account_id = $1", params![id, name])?;
            if renamed == 0 {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "account.renamed",
                    at,
                    account: Some(id),
                    subject: &id.to_string(),
                    details: json!({ "name": name }),
                },
            )?;
            Ok(true)
        })
        .await
    }

    /// The accounts that somebody belongs to and what they are in them, oldest account first, at most 1,000.
    pub async fn accounts_of(&self, user: UserId) -> Result<Vec<(Account, Role)>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT accounts.account_id, name, plan, created_at, role
                 FROM memberships JOIN accounts ON accounts.account_id = memberships.account_id
                 WHERE user_id = $1 ORDER BY memberships.account_id LIMIT 1000",
                params![user],
                |row| {
                    let account = Account {
                        id: row.take()?,
                        name: row.take()?,
                        plan: row.take()?,
                        created_at: row.take()?,
                    };
                    Ok((account, row.take()?))
                },
            )
        })
        .await
    }

    pub async fn accounts_count(&self) -> Result<i64, Error> {
        self.read(|session| Ok(session.scalar("SELECT count(*) FROM accounts", &[])?.unwrap_or_default()))
            .await
    }

    /// # Errors
    /// [`Conflict::UserEmail`](crate::Conflict::UserEmail) when somebody has that address.
    pub async fn create_user(&self, user: User) -> Result<(), Error> {
        self.write(move |session| insert_user(session, &user)).await
    }

    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT user_id, email, operator, created_at FROM users WHERE user_id = $1",
                params![id],
                User::read,
            )
        })
        .await
    }

    /// `email` in lower case, as it is stored.
    pub async fn user_by_email(&self, email: String) -> Result<Option<User>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT user_id, email, operator, created_at FROM users WHERE email = $1",
                params![email],
                User::read,
            )
        })
        .await
    }

    /// Adds the user, or gives them that role when they are a member already.
    ///
    /// # Errors
    /// [`Conflict::Other`](crate::Conflict::Other) when the account or the user does not exist.
    pub async fn add_member(&self, membership: Membership, at: Timestamp) -> Result<(), Error> {
        self.write(move |session| put_membership(session, &membership, at)).await
    }

    /// Oldest account first, at most 1,000.
    pub async fn memberships_of(&self, user: UserId) -> Result<Vec<Membership>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT account_id, user_id, role FROM memberships WHERE user_id = $1
                 ORDER BY account_id LIMIT 1000",
                params![user],
                |row| Ok(Membership { account_id: row.take()?, user_id: row.take()?, role: row.take()? }),
            )
        })
        .await
    }
}
