//! Whether everything that was made with the ring still holds: every key is opened, tried, and everything sealed is opened.
//!
//! It reads all stored secrets, page by page, and keeps none of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_model::{KeyPurpose, KeyState, Random};
use levqor_store::{
    Store,
    keyring::{KeptKey, SecretPlace},
};

use super::{Closed, Error, Key, Keyring, SEALED_AGREEMENTS, SealError, Tag, opened};
use crate::vault::{Shelf, own_label};

/// Values read at once.
const PAGE: usize = 200;
/// Faults that are told.
const FAULTS_MAX: usize = 100;

/// What was looked at, and what of it does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// Keys that hold.
    pub keys: u64,
    /// Values that are sealed under them.
    pub sealed: u64,
    /// Signed webhooks.
    pub webhooks: u64,
    /// How many things do not hold.
    pub faults_total: u64,
    /// The first hundred of them.
    pub faults: Vec<Fault>,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub what: String,
    pub problem: String,
}

impl Check {
    pub fn is_good(&self) -> bool {
        self.faults_total == 0
    }

    fn fault(&mut self, what: impl Into<String>, problem: impl Into<String>) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { what: what.into(), problem: problem.into() });
        }
    }
}

impl Keyring {
    /// Looks at everything.
    ///
    /// # Errors
    /// When the store cannot be read. What does not open is no error but a [`Fault`].
    pub async fn check(&self, store: &Store) -> Result<Check, Error> {
        self.refresh().await?;
        let mut check = Check::default();
        self.check_keys(store, &mut check).await?;
        self.check_secrets(store, &mut check).await?;
        for name in SEALED_AGREEMENTS {
            let Some(text) = store.agreement(name).await? else { continue };
            check.sealed += 1;
            let sealed = STANDARD.decode(text).unwrap_or_default();
            if let Err(closed) = self.opens(&own_label(name), &sealed).await? {
                check.fault(*name, closed.to_string());
            }
        }
        for (tag, webhooks) in store.webhook_keys().await? {
            check.webhooks += webhooks;
            let key = match tag.parse::<Tag>() {
                Ok(tag) => self.key(KeyPurpose::Webhooks, tag).await?,
                Err(_) => None,
            };
            if key.is_none() {
                check.fault(
                    format!("the secrets of {webhooks} webhooks"),
                    "the key that they are derived from is gone; make these secrets anew",
                );
            }
        }
        Ok(check)
    }

    async fn check_keys(&self, store: &Store, check: &mut Check) -> Result<(), Error> {
        let source = self.source()?;
        let (_, kept) = store.keyring(None).await?.unwrap_or_default();
        for kept in &kept {
            check.keys += 1;
            let what = format!("key {} for {}", kept.id, kept.purpose);
            match opened(&source.roots, kept) {
                Ok(key) if works(&key, &*source.random) => {}
                Ok(_) => check.fault(what, "what it makes does not hold"),
                Err(reason) => check.fault(what, reason.to_string()),
            }
        }
        for purpose in KeyPurpose::ALL {
            let is_active = |kept: &KeptKey| kept.purpose == *purpose && kept.state == KeyState::Active;
            if !kept.iter().any(is_active) {
                check.fault(purpose.to_string(), "there is no active key for it");
            }
        }
        Ok(())
    }

    async fn check_secrets(&self, store: &Store, check: &mut Check) -> Result<(), Error> {
        let mut after: Option<SecretPlace> = None;
        loop {
            let page = store.all_sealed_secrets(after.take(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.place());
            for secret in &page {
                check.sealed += 1;
                let version = secret.version.cast_unsigned();
                let shelf = Shelf { account: secret.account_id, name: &secret.name, version };
                if let Err(closed) = self.opens(&shelf.label(), &secret.sealed).await? {
                    let what =
                        format!("version {version} of secret {} of {}", secret.name, secret.account_id);
                    check.fault(what, closed.to_string());
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn opens(&self, label: &[u8], sealed: &[u8]) -> Result<Result<(), Closed>, Error> {
        match self.sealing_key(sealed).await {
            Ok(key) => Ok(key.open(label, sealed).map(drop)),
            Err(SealError::Closed(closed)) => Ok(Err(closed)),
            Err(SealError::Keyring(error)) => Err(error),
        }
    }
}

/// Whether what the key makes is taken for what it is.
fn works(key: &Key, random: &dyn Random) -> bool {
    match key.purpose {
        KeyPurpose::Signing | KeyPurpose::Webhooks => key.knows_its_own(&["check", key.purpose.as_str()]),
        KeyPurpose::Sealing => {
            let sealed = key.seal(b"check", b"value", random);
            key.open(b"check", &sealed).is_ok_and(|value| value.as_slice() == b"value")
        }
    }
}
