//! API keys. Only a hash of the secret is stored.

use levqor_model::{AccountId, KeyId, Role, Scopes, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    invitations, params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub account_id: AccountId,
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    pub role: Role,
    /// The key may use `/api/ops`.
    pub operator: bool,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// What it is limited to; None: all that its role may.
    pub scopes: Option<Scopes>,
    /// The secret that it had before, while that still opens.
    pub previous: Option<PreviousSecret>,
    pub rotated_at: Option<Timestamp>,
    /// The user or the key that made it, when that is known.
    pub created_by: Option<String>,
}

/// The secret of a key before its last rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSecret {
    pub hash: [u8; 32],
    pub ends_at: Timestamp,
}

/// A new secret for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    pub prefix: String,
    pub hash: [u8; 32],
    pub at: Timestamp,
    /// Until when the secret of now goes on working.
    pub previous_ends_at: Timestamp,
}

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    Done,
    /// There is no such live key in the account.
    Missing,
    /// The account would have no key that may all that owners may.
    LastOwner,
}

/// The columns of [`ApiKey`], in the order in which [`ApiKey::read`] takes them.
macro_rules! columns {
    () => {
        "key_id, account_id, name, prefix, hash, role, operator, created_at, expires_at, last_used_at, revoked_at, \
         scopes, previous_hash, previous_ends_at, rotated_at, created_by"
    };
}

impl ApiKey {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            name: row.take()?,
            prefix: row.take()?,
            hash: row.take()?,
            role: row.take()?,
            operator: row.take()?,
            created_at: row.take()?,
            expires_at: row.take()?,
            last_used_at: row.take()?,
            revoked_at: row.take()?,
            scopes: row.take()?,
            previous: {
                let (hash, ends_at) = (row.take::<Option<[u8; 32]>>()?, row.take::<Option<Timestamp>>()?);
                hash.zip(ends_at).map(|(hash, ends_at)| PreviousSecret { hash, ends_at })
            },
            rotated_at: row.take()?,
            created_by: row.take()?,
        })
    }
}

pub(crate) fn insert(session: &Session, key: &ApiKey) -> Result<(), Error> {
    session.execute(
        concat!(
            "INSERT INTO api_keys (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        ),
        params![
            key.id,
            key.account_id,
            key.name,
            key.prefix,
            key.hash,
            key.role,
            key.operator,
            key.created_at,
            key.expires_at,
            key.last_used_at,
            key.revoked_at,
            key.scopes,
            key.previous.map(|previous| previous.hash),
            key.previous.map(|previous| previous.ends_at),
            key.rotated_at,
            key.created_by,
        ],
    )?;
    let (prefix, role) = (&key.prefix, key.role.as_str());
    let scopes = key.scopes.map(Scopes::names);
    audit::note(
        session,
        Note {
            kind: "key.created",
            at: key.created_at,
            account: Some(key.account_id),
            subject: &key.id.to_string(),
            details: json!({
                "prefix": prefix, "role": role, "operator": key.operator, "expires_at": key.expires_at, "scopes": scopes,
            }),
        },
    )
}

impl Store {
    /// # Errors
    /// [`Conflict::Other`](crate::Conflict::Other) when the account does not exist or the key is there.
    pub async fn create_key(&self, key: ApiKey) -> Result<(), Error> {
        self.write(move |session| insert(session, &key)).await
    }

    /// By its secret, or the one before that. Also revoked and expired ones: the caller decides.
    pub async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, Error> {
        self.read(move |session| {
            let by_hash = concat!("SELECT ", columns!(), " FROM api_keys WHERE hash = $1");
            if let Some(key) = session.row(by_hash, params![hash], ApiKey::read)? {
                return Ok(Some(key));
            }
            let by_previous = concat!("SELECT ", columns!(), " FROM api_keys WHERE previous_hash = $1");
            session.row(by_previous, params![hash], ApiKey::read)
        })
        .await
    }

    pub async fn key(&self, account: AccountId, id: KeyId) -> Result<Option<ApiKey>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM api_keys WHERE key_id = $1 AND account_id = $2"),
                params![id, account],
                ApiKey::read,
            )
        })
        .await
    }

    /// Gives a live key a new secret; the one of now is then the previous one, and the one before that opens nothing any
    /// more. The key as it is then; None when there is no such live key in the account.
    ///
    /// # Errors
    /// [`Conflict::Other`](crate::Conflict::Other) when another key has that secret.
    pub async fn rotate_key(
        &self,
        account: AccountId,
        id: KeyId,
        new: Rotation,
    ) -> Result<Option<ApiKey>, Error> {
        self.write(move |session| {
            let rotated = session.row(
                concat!(
                    "UPDATE api_keys SET previous_hash = hash, previous_ends_at = $3, hash = $4, prefix = $5, rotated_at = $6
                     WHERE key_id = $1 AND account_id = $2 AND revoked_at IS NULL RETURNING ",
                    columns!()
                ),
                params![id, account, new.previous_ends_at, new.hash, new.prefix, new.at],
                ApiKey::read,
            )?;
            let Some(key) = rotated else { return Ok(None) };
            audit::note(
                session,
                Note {
                    kind: "key.rotated",
                    at: new.at,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({ "prefix": new.prefix, "previous_ends_at": new.previous_ends_at }),
                },
            )?;
            Ok(Some(key))
        })
        .await
    }

    /// Oldest first.
    pub async fn keys_of(
        &self,
        account: AccountId,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<ApiKey>, Error> {
        let after = after.map_or_else(String::new, |key| key.to_string());
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM api_keys WHERE account_id = $1 AND key_id > $2 ORDER BY key_id LIMIT $3"
                ),
                params![account, after, limit],
                ApiKey::read,
            )
        })
        .await
    }

    /// Revokes a key, and takes back the invitations that it sent. The last key that may all that owners may stays, whoever else revokes
    /// one at the same time.
    pub async fn revoke_key(
        &self,
        account: AccountId,
        id: KeyId,
        at: Timestamp,
    ) -> Result<Revocation, Error> {
        self.write(move |session| {
            let found: Option<(Role, Option<Scopes>)> = session.row(
                "SELECT role, scopes FROM api_keys WHERE key_id = $1 AND account_id = $2 AND revoked_at IS NULL",
                params![id, account],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let Some(found) = found else { return Ok(Revocation::Missing) };
            if matches!(found, (Role::Owner, None)) {
                let another: Option<i64> = session.scalar(
                    "SELECT 1 FROM api_keys
                     WHERE account_id = $1 AND key_id <> $2 AND role = $3 AND scopes IS NULL
                     AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4) LIMIT 1",
                    params![account, id, Role::Owner, at],
                )?;
                if another.is_none() {
                    return Ok(Revocation::LastOwner);
                }
            }
            session.execute(
                "UPDATE api_keys SET revoked_at = $3 WHERE key_id = $1 AND account_id = $2",
                params![id, account, at],
            )?;
            audit::note(
                session,
                Note {
                    kind: "key.revoked",
                    at,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({}),
                },
            )?;
            invitations::revoke_sent_by(session, account, &id.to_string(), at)?;
            Ok(Revocation::Done)
        })
        .await
    }

    /// Forgets keys of the account that ended before that moment: where the platform makes one after the other for itself.
    pub async fn forget_ended_keys(&self, account: AccountId, before: Timestamp) -> Result<u64, Error> {
        self.write(move |session| {
            session.execute(
                "DELETE FROM api_keys WHERE account_id = $1 AND expires_at < $2",
                params![account, before],
            )
        })
        .await
    }

    /// Keys of the account that open something at that moment.
    pub async fn live_keys(&self, account: AccountId, at: Timestamp) -> Result<usize, Error> {
        let keys: Option<u64> = self
            .read(move |session| {
                session.scalar(
                    "SELECT count(*) FROM api_keys
                     WHERE account_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
                    params![account, at],
                )
            })
            .await?;
        Ok(keys.and_then(|keys| usize::try_from(keys).ok()).unwrap_or_default())
    }

    /// Notes the last use of several keys at once. An earlier use never hides a later one.
    pub async fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), Error> {
        self.write(move |session| {
            for (id, at) in &used {
                session.execute(
                    "UPDATE api_keys SET last_used_at = $2
                     WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                    params![id, at],
                )?;
            }
            Ok(())
        })
        .await
    }
}
