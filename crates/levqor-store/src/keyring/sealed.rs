//! What is sealed under which key, and sealing it again under another one.

use levqor_model::{AccountId, KeyPurpose};

use super::{KeptKey, ended};
use crate::{Error, Session, Store, params, secrets::SealedSecret};

/// What values begin with that are sealed under one key: as bytes, and as the text that agreements are kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealHead {
    pub bytes: Vec<u8>,
    pub text: String,
    /// The agreements that are sealed values.
    pub agreements: &'static [&'static str],
}

/// Where a page of sealed secrets ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    pub account_id: AccountId,
    pub name: String,
    pub version: i64,
}

/// A value that was opened and sealed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reseal {
    pub account_id: AccountId,
    pub name: String,
    pub version: i64,
    pub was: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// What tells which secret an installation has been using, from before there was a keyring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// The key that nodes have agreed on.
    pub agreed: Option<String>,
    /// What secrets begin with, at most 20 different ones.
    pub heads: Vec<Vec<u8>>,
    /// What agreements begin with that are sealed values.
    pub texts: Vec<String>,
}

impl Store {
    /// What tells which secret was used before there was a keyring.
    pub async fn keyring_traces(
        &self,
        agreed: &'static str,
        sealed: &'static [&'static str],
    ) -> Result<Traces, Error> {
        self.read(move |session| {
            let mut heads: Vec<Vec<u8>> = Vec::new();
            let mut last = Vec::new();
            while heads.len() < 20 {
                let next: Option<Vec<u8>> = session.scalar(
                    "SELECT substr(sealed, 1, 9) FROM secrets WHERE substr(sealed, 1, 9) > $1
                     ORDER BY substr(sealed, 1, 9) LIMIT 1",
                    params![last],
                )?;
                let Some(next) = next else { break };
                last.clone_from(&next);
                heads.push(next);
            }
            let agreed = agreement(session, agreed)?;
            let mut texts = Vec::new();
            for name in sealed {
                texts.extend(agreement(session, name)?.and_then(|text| Some(text.get(..12)?.to_owned())));
            }
            Ok(Traces { agreed, heads, texts })
        })
        .await
    }

    /// The tags of keys that secrets of webhooks are derived from, and of how many; at most 1,000.
    pub async fn webhook_keys(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT secret_key, count(*) FROM webhooks WHERE signed
                 GROUP BY secret_key ORDER BY secret_key LIMIT 1000",
                &[],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// How much needs the key: sealed values, or signed webhooks.
    pub async fn key_uses(&self, key: &KeptKey, head: SealHead) -> Result<u64, Error> {
        let (purpose, tag) = (key.purpose, key.tag.clone());
        self.read(move |session| uses(session, purpose, &tag, &head)).await
    }

    /// Secrets that are sealed under a key, after the one that is named.
    pub async fn secrets_sealed_under(
        &self,
        head: SealHead,
        after: Option<SecretPlace>,
        limit: usize,
    ) -> Result<Vec<SealedSecret>, Error> {
        self.read(move |session| {
            let (account, name, version) = place(after);
            session.rows(
                "SELECT account_id, name, version, sealed, set_at FROM secrets
                 WHERE substr(sealed, 1, 9) = $1 AND (account_id, name, version) > ($2, $3, $4)
                 ORDER BY account_id, name, version LIMIT $5",
                params![head.bytes, account, name, version, limit],
                SealedSecret::read,
            )
        })
        .await
    }

    /// All secrets of all accounts, after the one that is named.
    pub async fn all_sealed_secrets(
        &self,
        after: Option<SecretPlace>,
        limit: usize,
    ) -> Result<Vec<SealedSecret>, Error> {
        self.read(move |session| {
            let (account, name, version) = place(after);
            session.rows(
                "SELECT account_id, name, version, sealed, set_at FROM secrets
                 WHERE (account_id, name, version) > ($1, $2, $3)
                 ORDER BY account_id, name, version LIMIT $4",
                params![account, name, version, limit],
                SealedSecret::read,
            )
        })
        .await
    }

    /// Puts values that were sealed again in the place of what they were, unless they have changed since; how many. None: the key
    /// with the tag is gone.
    pub async fn seal_secrets_again(&self, tag: String, values: Vec<Reseal>) -> Result<Option<u64>, Error> {
        self.write(move |session| {
            if ended(session, KeyPurpose::Sealing, &tag)? {
                return Ok(None);
            }
            let mut sealed = 0;
            for value in &values {
                let Reseal { account_id, name, version, was, sealed: again } = value;
                sealed += session.execute(
                    "UPDATE secrets SET sealed = $5
                     WHERE account_id = $1 AND name = $2 AND version = $3 AND sealed = $4",
                    params![account_id, name, version, was, again],
                )?;
            }
            Ok(Some(sealed))
        })
        .await
    }

    /// What is agreed on under a name.
    pub async fn agreement(&self, name: &'static str) -> Result<Option<String>, Error> {
        self.read(move |session| agreement(session, name)).await
    }

    /// [`Store::agree`] on a value that is sealed under the key with the tag. None: that key is gone.
    pub async fn agree_sealed(
        &self,
        name: &'static str,
        value: String,
        tag: String,
    ) -> Result<Option<String>, Error> {
        self.write(move |session| {
            if ended(session, KeyPurpose::Sealing, &tag)? {
                return Ok(None);
            }
            crate::nodes::agree(session, name, &value).map(Some)
        })
        .await
    }

    /// Puts an agreement that was sealed again in the place of what it was, unless it has changed since. False: it has, or the key
    /// with the tag is gone.
    pub async fn seal_agreement_again(
        &self,
        name: &'static str,
        was: String,
        sealed: String,
        tag: String,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            if ended(session, KeyPurpose::Sealing, &tag)? {
                return Ok(false);
            }
            let changed = session.execute(
                "UPDATE agreements SET value = $3 WHERE name = $1 AND value = $2",
                params![name, was, sealed],
            )?;
            Ok(changed > 0)
        })
        .await
    }
}

fn agreement(session: &Session, name: &str) -> Result<Option<String>, Error> {
    session.scalar("SELECT value FROM agreements WHERE name = $1", params![name])
}

/// The beginning, or where a page before has ended.
fn place(after: Option<SecretPlace>) -> (String, String, i64) {
    after.map_or_else(Default::default, |SecretPlace { account_id, name, version }| {
        (account_id.to_string(), name, version)
    })
}

/// How much needs the key. Tokens are not counted: nobody keeps them here.
pub(super) fn uses(session: &Session, purpose: KeyPurpose, tag: &str, head: &SealHead) -> Result<u64, Error> {
    let count = match purpose {
        KeyPurpose::Signing => None,
        KeyPurpose::Webhooks => session
            .scalar::<i64>("SELECT count(*) FROM webhooks WHERE secret_key = $1 AND signed", params![tag])?,
        KeyPurpose::Sealing => {
            let mut sealed = session.scalar::<i64>(
                "SELECT count(*) FROM secrets WHERE substr(sealed, 1, 9) = $1",
                params![head.bytes],
            )?;
            for name in head.agreements {
                let found: Option<i64> = session.scalar(
                    "SELECT count(*) FROM agreements WHERE name = $1 AND substr(value, 1, 12) = $2",
                    params![*name, head.text],
                )?;
                sealed = Some(sealed.unwrap_or_default() + found.unwrap_or_default());
            }
            sealed
        }
    };
    Ok(count.unwrap_or_default().unsigned_abs())
}

impl SealedSecret {
    /// Where it stands, for the page after it.
    pub fn place(&self) -> SecretPlace {
        SecretPlace { account_id: self.account_id, name: self.name.clone(), version: self.version }
    }
}
