//! Secrets of accounts, for runs: which versions a run is given, their values, and what must not be shown of them.
//!
//! ```text
//! set ─► sealed version (store)          start, retry ─► versions into the journal
//!                  └──── opened ────► SecretBook ─► machine (live, replay), mask (whatever is shown)
//! ```

use std::{collections::BTreeSet, sync::Arc};

use levqor_flow::{
    definition::Workflow,
    machine::{Event, Surroundings},
    secrets::{SecretBook, SecretVersions},
};
use levqor_model::{AccountId, RunId, WorkflowId, limits::SUBRUN_DEPTH_MAX};
use levqor_store::{
    runs::Run,
    secrets::{SealedSecret, SecretSet},
};
use serde_json::Value;

use crate::{Engine, Error, RunDetail, SealError, Sealed, core::Core, keyring, mask::Mask, vault::Shelf};

/// Runs that led to a run, looked at for the secrets that they declare: as deep as sub-runs go, and that again for retries.
const LED_MAX: u32 = 2 * SUBRUN_DEPTH_MAX;
/// Looks at the newest version before giving up against others who set the same secret.
const TRIES: usize = 5;

impl Engine {
    /// Sets a secret; durable when this returns. `names_max` bounds the names of the account.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn set_secret(
        &self,
        account: AccountId,
        name: &str,
        value: &Value,
        names_max: usize,
    ) -> Result<SecretSet, Error> {
        let core = &self.core;
        let mut outcome = SecretSet::Overtaken;
        for _ in 0..TRIES {
            let now = core.clock.now();
            // The moment is a number that no version had before, also when all of them are forgotten.
            let newest = core.store.next_secret_version(account, name.to_owned()).await?;
            let version = newest.max(now.as_micros());
            let shelf = Shelf { account, name, version: version.cast_unsigned() };
            let Sealed { bytes, tag } = core.vault.seal(shelf, value, &*core.random).await?;
            let secret = SealedSecret {
                account_id: account,
                name: name.to_owned(),
                version,
                sealed: bytes,
                set_at: now,
            };
            outcome = core.store.set_secret(secret, tag.to_string(), names_max).await?;
            match outcome {
                SecretSet::Overtaken => {}
                SecretSet::KeyGone => core.vault.refresh().await?,
                _ => break,
            }
        }
        Ok(outcome)
    }

    /// False when there is no such secret; durable when this returns.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn delete_secret(&self, account: AccountId, name: &str) -> Result<bool, Error> {
        let core = &self.core;
        Ok(core.store.delete_secret(account, name.to_owned(), core.clock.now()).await?)
    }
}

impl Core {
    /// The versions that a run which begins now is given.
    pub(crate) async fn secret_versions(
        &self,
        account: AccountId,
        workflow: &Workflow,
    ) -> Result<SecretVersions, levqor_store::Error> {
        self.current_versions(account, &workflow.secrets).await
    }

    async fn current_versions(
        &self,
        account: AccountId,
        names: &[String],
    ) -> Result<SecretVersions, levqor_store::Error> {
        if names.is_empty() {
            return Ok(SecretVersions::new());
        }
        let found = self.store.current_secret_versions(account, names.to_vec()).await?;
        Ok(found.into_iter().map(|(name, version)| (name, version.cast_unsigned())).collect())
    }

    /// The secrets of these names as they are now, for what is done outside of runs.
    pub(crate) async fn secrets_now(
        &self,
        account: AccountId,
        names: &[String],
    ) -> Result<(SecretVersions, Arc<Surroundings>), levqor_store::Error> {
        let versions = self.current_versions(account, names).await?;
        if versions.is_empty() {
            return Ok((versions, Arc::clone(&self.surroundings)));
        }
        let secrets = Arc::new(self.secret_book(account, names.to_vec()).await?);
        Ok((versions, Arc::new(Surroundings { secrets, ..(*self.surroundings).clone() })))
    }

    /// The surroundings of a run of this workflow: with the values of the secrets that it declares.
    pub(crate) async fn surroundings(
        &self,
        account: AccountId,
        workflow: &Workflow,
    ) -> Result<Arc<Surroundings>, levqor_store::Error> {
        if workflow.secrets.is_empty() {
            return Ok(Arc::clone(&self.surroundings));
        }
        let secrets = Arc::new(self.secret_book(account, workflow.secrets.clone()).await?);
        Ok(Arc::new(Surroundings { secrets, ..(*self.surroundings).clone() }))
    }

    /// All versions of these secrets that are kept and can be opened.
    async fn secret_book(
        &self,
        account: AccountId,
        names: Vec<String>,
    ) -> Result<SecretBook, levqor_store::Error> {
        let mut book = SecretBook::default();
        if names.is_empty() {
            return Ok(book);
        }
        for secret in self.store.sealed_secrets(account, names).await? {
            let version = secret.version.cast_unsigned();
            let shelf = Shelf { account, name: &secret.name, version };
            match self.vault.open(shelf, &secret.sealed).await {
                Ok(value) => book.insert(secret.name, version, value),
                Err(SealError::Keyring(keyring::Error::Store(reason))) => return Err(reason),
                Err(reason) => {
                    tracing::warn!(
                        account.id = %account, secret = %secret.name, version, error = %reason,
                        "a version of the secret {} of {account} cannot be opened: {reason}", secret.name
                    );
                }
            }
        }
        Ok(book)
    }

    /// What must not be shown of a run: the secrets that it and the runs that led to it may have seen.
    pub(crate) async fn mask(&self, run: &Run) -> Result<Mask, Error> {
        self.mask_of(run.account_id, run.workflow_id, run.version.clone(), led_by(run).collect()).await
    }

    /// [`Core::mask`], for a run that is no row yet. `led` are the runs whose data it begins with.
    pub(crate) async fn mask_of(
        &self,
        account: AccountId,
        workflow: WorkflowId,
        version: String,
        led: Vec<RunId>,
    ) -> Result<Mask, Error> {
        let mut names = BTreeSet::new();
        let mut open = led;
        let mut declares = Some((workflow, version));
        let mut seen = 0;
        loop {
            if let Some((workflow, version)) = declares.take() {
                match self.definition(workflow, &version).await {
                    Ok(workflow) => names.extend(workflow.secrets.iter().cloned()),
                    Err(Error::Store(reason)) => return Err(reason.into()),
                    Err(_) => self.all_secrets(account, &mut names).await?,
                }
            }
            let Some(id) = open.pop() else { break };
            seen += 1;
            match self.store.run(None, id).await? {
                Some(run) if seen <= LED_MAX => {
                    open.extend(led_by(&run));
                    declares = Some((run.workflow_id, run.version));
                }
                _ => {
                    self.all_secrets(account, &mut names).await?;
                    break;
                }
            }
        }
        if names.is_empty() {
            return Ok(Mask::default());
        }
        Ok(Mask::of(&self.secret_book(account, names.into_iter().collect()).await?))
    }

    /// Where it cannot be told what was declared, all that there is may have been seen.
    async fn all_secrets(&self, account: AccountId, names: &mut BTreeSet<String>) -> Result<(), Error> {
        let all = self.store.secrets_of(account, None, 1_000).await?;
        names.extend(all.into_iter().map(|secret| secret.name));
        Ok(())
    }
}

/// The runs whose data the run begins with: the one that it is part of, and the one that it runs again.
fn led_by(run: &Run) -> impl Iterator<Item = RunId> + use<> {
    run.parent.map(|(parent, _)| parent).into_iter().chain(run.retry_of)
}

impl Core {
    /// What whoever started a run is told. It is accepted, so nothing that fails from here on is their concern.
    pub(crate) async fn as_accepted(&self, detail: RunDetail) -> RunDetail {
        let mask = self.mask(&detail.run).await.unwrap_or_default();
        mask.run(detail)
    }
}

/// For looking at a run of the past: versions that are not kept any more get a stand-in, so that its tasks can still be
/// told from its journal.
pub(crate) fn with_stand_ins(surroundings: Arc<Surroundings>, journal: &[Event]) -> Arc<Surroundings> {
    let forgotten = forgotten(&surroundings, journal);
    if forgotten.is_empty() {
        return surroundings;
    }
    let mut secrets = (*surroundings.secrets).clone();
    for (name, version) in forgotten {
        secrets.insert(name, version, Value::from("***"));
    }
    Arc::new(Surroundings { secrets: Arc::new(secrets), ..(*surroundings).clone() })
}

/// The versions that a journal names and nobody has any more.
pub(crate) fn forgotten(surroundings: &Surroundings, journal: &[Event]) -> Vec<(String, u64)> {
    let mut forgotten = Vec::new();
    for event in journal {
        if let Event::Started { secrets, .. }
        | Event::Forked { secrets, .. }
        | Event::Retried { secrets, .. }
        | Event::Moved { secrets, .. } = event
        {
            let absent =
                |(name, version): &(&String, &u64)| surroundings.secrets.get(name, **version).is_none();
            forgotten.extend(secrets.iter().filter(absent).map(|(name, version)| (name.clone(), *version)));
        }
    }
    forgotten
}
