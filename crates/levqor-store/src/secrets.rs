//! Secrets in versions, sealed by whoever has the key. What is superseded or deleted stays for the runs that began before.

use levqor_model::{AccountId, KeyPurpose, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    keyring, params,
};

/// Versions of one name that are kept at once; setting it more often has to wait until old ones are forgotten.
pub const VERSIONS_MAX: usize = 100;

/// A secret as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    pub name: String,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    pub account_id: AccountId,
    pub name: String,
    pub version: i64,
    pub sealed: Vec<u8>,
    pub set_at: Timestamp,
}

/// What became of setting a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSet {
    Done,
    /// Somebody else has set it since its version was chosen.
    Overtaken,
    /// The account has as many names as it may.
    TooManyNames,
    /// There are as many versions of this name as are kept.
    TooManyVersions,
    /// The key that it is sealed under is gone; seal it under another one.
    KeyGone,
}

impl SealedSecret {
    pub(crate) fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            account_id: row.take()?,
            name: row.take()?,
            version: row.take()?,
            sealed: row.take()?,
            set_at: row.take()?,
        })
    }
}

impl Store {
    /// The version that the next setting of a name must have at least.
    pub async fn next_secret_version(&self, account: AccountId, name: String) -> Result<i64, Error> {
        self.read(move |session| {
            let newest: Option<Option<i64>> = session.scalar(
                "SELECT max(version) FROM secrets WHERE account_id = $1 AND name = $2",
                params![account, name],
            )?;
            Ok(newest.flatten().map_or(1, |newest| newest + 1))
        })
        .await
    }

    /// Makes this version the current one. Versions only grow. `tag` names the key that it is sealed under.
    ///
    /// # Errors
    /// [`Conflict::Other`](crate::Conflict::Other) when the account does not exist.
    pub async fn set_secret(
        &self,
        secret: SealedSecret,
        tag: String,
        names_max: usize,
    ) -> Result<SecretSet, Error> {
        self.write(move |session| {
            if keyring::ended(session, KeyPurpose::Sealing, &tag)? {
                return Ok(SecretSet::KeyGone);
            }
            set(session, &secret, names_max)
        })
        .await
    }

    /// False when there is no such secret now.
    pub async fn delete_secret(
        &self,
        account: AccountId,
        name: String,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            if !end(session, account, &name, at)? {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "secret.deleted",
                    at,
                    account: Some(account),
                    subject: &name,
                    details: json!({}),
                },
            )?;
            Ok(true)
        })
        .await
    }

    /// Current secrets by name.
    pub async fn secrets_of(
        &self,
        account: AccountId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SecretName>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT name, version, created_at, set_at FROM secrets
                 WHERE account_id = $1 AND name > $2 AND ended_at IS NULL
                 ORDER BY name LIMIT $3",
                params![account, after.unwrap_or_default(), limit],
                |row| {
                    Ok(SecretName {
                        name: row.take()?,
                        version: row.take()?,
                        created_at: row.take()?,
                        updated_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// The current version of each of these names that is set.
    pub async fn current_secret_versions(
        &self,
        account: AccountId,
        names: Vec<String>,
    ) -> Result<Vec<(String, i64)>, Error> {
        self.read(move |session| {
            let mut found = Vec::new();
            for name in names {
                let version: Option<i64> = session.scalar(
                    "SELECT version FROM secrets WHERE account_id = $1 AND name = $2 AND ended_at IS NULL",
                    params![account, name],
                )?;
                found.extend(version.map(|version| (name, version)));
            }
            Ok(found)
        })
        .await
    }

    /// All versions of these names that are kept.
    pub async fn sealed_secrets(
        &self,
        account: AccountId,
        names: Vec<String>,
    ) -> Result<Vec<SealedSecret>, Error> {
        self.read(move |session| {
            let mut found = Vec::new();
            for name in names {
                found.extend(session.rows(
                    "SELECT account_id, name, version, sealed, set_at FROM secrets
                     WHERE account_id = $1 AND name = $2 ORDER BY version LIMIT $3",
                    params![account, name, VERSIONS_MAX],
                    SealedSecret::read,
                )?);
            }
            Ok(found)
        })
        .await
    }

    /// Forgets versions that ended before a moment, unless a run that has not ended began while they were current.
    pub async fn prune_secrets(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM secrets WHERE (account_id, name, version) IN
                (SELECT old.account_id, old.name, old.version FROM secrets AS old
                 WHERE old.ended_at < $1 AND NOT EXISTS
                    (SELECT 1 FROM runs
                     WHERE runs.account_id = old.account_id
                         AND runs.status IN ('pending', 'running', 'waiting', 'suspended')
                         AND runs.created_at <= old.ended_at)
                 LIMIT $2)",
            before,
        )
        .await
    }
}

fn set(session: &Session, secret: &SealedSecret, names_max: usize) -> Result<SecretSet, Error> {
    let (account, name) = (secret.account_id, &secret.name);
    let newest: Option<Option<i64>> = session.scalar(
        "SELECT max(version) FROM secrets WHERE account_id = $1 AND name = $2",
        params![account, name],
    )?;
    if newest.flatten().is_some_and(|newest| newest >= secret.version) {
        return Ok(SecretSet::Overtaken);
    }
    let kept: Option<i64> = session
        .scalar("SELECT count(*) FROM secrets WHERE account_id = $1 AND name = $2", params![account, name])?;
    if kept.unwrap_or(0) >= VERSIONS_MAX as i64 {
        return Ok(SecretSet::TooManyVersions);
    }
    let first: Option<Timestamp> = session.scalar(
        "SELECT created_at FROM secrets WHERE account_id = $1 AND name = $2 AND ended_at IS NULL",
        params![account, name],
    )?;
    if first.is_some() {
        end(session, account, name, secret.set_at)?;
    } else {
        let names: Option<i64> = session.scalar(
            "SELECT count(*) FROM secrets WHERE account_id = $1 AND ended_at IS NULL",
            params![account],
        )?;
        if names.unwrap_or(0) >= names_max as i64 {
            return Ok(SecretSet::TooManyNames);
        }
    }
    session.execute(
        "INSERT INTO secrets (account_id, name, version, sealed, created_at, set_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, NULL)",
        params![account, name, secret.version, secret.sealed, first.unwrap_or(secret.set_at), secret.set_at],
    )?;
    audit::note(
        session,
        Note {
            kind: "secret.set",
            at: secret.set_at,
            account: Some(account),
            subject: name,
            details: json!({ "version": secret.version }),
        },
    )?;
    Ok(SecretSet::Done)
}

fn end(session: &Session, account: AccountId, name: &str, at: Timestamp) -> Result<bool, Error> {
    let ended = session.execute(
        "UPDATE secrets SET ended_at = $3 WHERE account_id = $1 AND name = $2 AND ended_at IS NULL",
        params![account, name, at],
    )?;
    Ok(ended > 0)
}
