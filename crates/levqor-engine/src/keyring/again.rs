//! Sealing again, under the active key, what is sealed under one that was replaced.
//!
//! In batches, so that nobody waits; what was done stays done, so a node that dies leaves the rest to the next one. A value that
//! does not open is passed over and told of: its key then stays.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_model::{KeyPurpose, Random, Timestamp};
use levqor_store::{
    Store,
    keyring::{Reseal, SecretPlace},
    secrets::SealedSecret,
};

use super::{Closed, Error, Key, Keyring, SEALED_AGREEMENTS, Tag, seal};
use crate::vault::{Shelf, own_label};

/// Values of one transaction; each may have 64 KiB.
const BATCH: usize = 50;
/// Batches of one turn.
const BATCHES: usize = 20;
/// What was left, since it did not open, is looked at again after this time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How far this node has come, by the tag of the key that was replaced.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<HashMap<Tag, Come>>);

#[derive(Debug, Clone)]
enum Come {
    To(SecretPlace),
    /// Through all of them, at that time.
    Through(Timestamp),
}

impl Progress {
    fn get(&self, tag: Tag) -> Option<Come> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tag).cloned()
    }

    fn set(&self, tag: Tag, come: Come) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tag, come);
    }
}

impl Keyring {
    /// Some batches of what is sealed under `key`.
    pub(super) async fn seal_again(&self, store: &Store, key: &Arc<Key>) -> Result<(), Error> {
        let source = self.source()?;
        let target = self.active(KeyPurpose::Sealing).await?;
        let progress = &self.0.again;
        for _ in 0..BATCHES {
            let after = match progress.get(key.tag) {
                Some(Come::Through(at)) if source.clock.now().since(at) < LOOK_AGAIN_AFTER => break,
                Some(Come::Through(_)) | None => None,
                Some(Come::To(place)) => Some(place),
            };
            let head = key.tag.head(SEALED_AGREEMENTS);
            let page = store.secrets_sealed_under(head, after, BATCH).await?;
            let Some(last) = page.last() else {
                progress.set(key.tag, Come::Through(source.clock.now()));
                break;
            };
            let place = last.place();
            let (from, to) = (Arc::clone(key), Arc::clone(&target));
            let random = Arc::clone(&source.random);
            let values = tokio::task::spawn_blocking(move || all_again(&from, &to, page, &*random));
            // It does not panic, and a runtime that ends ends this as well.
            let values = values.await.unwrap_or_default();
            if store.seal_secrets_again(target.tag.to_string(), values).await?.is_none() {
                // Another node has gone on; the next turn sees it.
                return Ok(());
            }
            progress.set(key.tag, Come::To(place));
        }
        for name in SEALED_AGREEMENTS {
            let Some(was) = store.agreement(name).await? else { continue };
            let Ok(sealed) = STANDARD.decode(&was) else { continue };
            if seal::tag_of(&sealed) != Some(key.tag) {
                continue;
            }
            match again(key, &target, &own_label(name), &sealed, &*source.random) {
                Ok(sealed) => {
                    let (sealed, tag) = (STANDARD.encode(sealed), target.tag.to_string());
                    store.seal_agreement_again(name, was, sealed, tag).await?;
                }
                Err(reason) => tracing::warn!("{name} cannot be sealed again: {reason}"),
            }
        }
        Ok(())
    }
}

fn all_again(from: &Key, to: &Key, page: Vec<SealedSecret>, random: &dyn Random) -> Vec<Reseal> {
    let mut values = Vec::with_capacity(page.len());
    for secret in page {
        let SealedSecret { account_id, name, version, sealed: was, set_at: _ } = secret;
        let shelf = Shelf { account: account_id, name: &name, version: version.cast_unsigned() };
        match again(from, to, &shelf.label(), &was, random) {
            Ok(sealed) => values.push(Reseal { account_id, name, version, was, sealed }),
            Err(reason) => tracing::warn!(
                account.id = %account_id, secret = %name, version,
                "a version of the secret {name} of {account_id} cannot be sealed again: {reason}"
            ),
        }
    }
    values
}

fn again(from: &Key, to: &Key, label: &[u8], sealed: &[u8], random: &dyn Random) -> Result<Vec<u8>, Closed> {
    Ok(to.seal(label, &from.open(label, sealed)?, random))
}
