//! What operators and time do with the ring.
//!
//! The store is passed in: a node that was stopped writes nothing more, and only its own store knows that.

use std::sync::Arc;

use levqor_model::{KeyPurpose, RingKeyId};
use levqor_store::{
    Store,
    keyring::{KeptKey, Published, Revoked, Turn},
};

use super::{Error, Keyring, LEARN, OVERLAP, Roots, SEALED_AGREEMENTS, Tag, found, goes_when_unused, opened};

/// The step of the schema that brought keyrings.
const MIGRATION: u32 = 22;

/// What a rotation began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    pub key: KeptKey,
    /// It was published before: one rotation at a time.
    pub already: bool,
}

/// A key that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub key: KeptKey,
    /// What took its place, when it was the active one.
    pub successor: Option<KeptKey>,
}

impl Keyring {
    /// Publishes a new key, which becomes active when all nodes know it.
    ///
    /// # Errors
    /// [`Error::Full`]; when the store cannot be written.
    pub async fn rotate(&self, store: &Store, purpose: KeyPurpose) -> Result<Rotation, Error> {
        let source = self.source()?;
        let now = source.clock.now();
        let new = found::new_key(&source.roots, purpose, now, &*source.random);
        let rotation = match store.publish_ring_key(new, now, LEARN).await? {
            Published::Done(key) => Rotation { key, already: false },
            Published::There(key) => Rotation { key, already: true },
            Published::Full => return Err(Error::Full(purpose)),
        };
        self.refresh().await?;
        Ok(rotation)
    }

    /// Destroys a key: nothing that was made with it holds any more, here at once and elsewhere within [`super::FRESH`].
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::InUse`] and [`Error::Seals`] for a key without which something could not be opened.
    pub async fn revoke(&self, store: &Store, id: RingKeyId) -> Result<Revocation, Error> {
        let source = self.source()?;
        let now = source.clock.now();
        let key = store.ring_key(id).await?.ok_or(Error::Missing(id))?;
        let tag: Tag = key.tag.parse().map_err(|_| Error::Damaged(id))?;
        let successor = found::new_key(&source.roots, key.purpose, now, &*source.random);
        let revoked = store.revoke_ring_key(id, successor, tag.head(SEALED_AGREEMENTS), now).await?;
        let revocation = match revoked {
            Revoked::Done { key, successor } => Revocation { key, successor },
            Revoked::Ended(key) => Revocation { key, successor: None },
            Revoked::Missing => return Err(Error::Missing(id)),
            Revoked::InUse(uses) => return Err(Error::InUse { id, uses }),
            Revoked::Active => return Err(Error::Seals(id)),
        };
        self.refresh().await?;
        Ok(revocation)
    }

    /// All keys, newest first, each with how much needs it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, store: &Store) -> Result<Vec<(KeptKey, u64)>, Error> {
        let mut all = Vec::new();
        for key in store.keyring_history().await? {
            let uses = match key.tag.parse::<Tag>() {
                Ok(tag) if key.state.holds() => store.key_uses(&key, tag.head(SEALED_AGREEMENTS)).await?,
                _ => 0,
            };
            all.push((key, uses));
        }
        Ok(all)
    }

    /// Goes on with what time and rotations have begun: keys become active, values are sealed again, keys retire. Bounded; call it
    /// again and again.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn turn(&self, store: &Store) -> Result<(), Error> {
        let source = self.source()?;
        let turn = Turn { overlap: OVERLAP, migration: MIGRATION };
        let moved = store.turn_keyring(turn, source.clock.now()).await?;
        moved.iter().for_each(tell);
        // Also when another node has moved them.
        self.refresh().await?;
        let mut has_retired = false;
        let retiring: Vec<_> =
            self.ring().keys().filter(|key| goes_when_unused(key)).map(Arc::clone).collect();
        for key in retiring {
            if key.purpose == KeyPurpose::Sealing {
                self.seal_again(store, &key).await?;
            }
            let head = key.tag.head(SEALED_AGREEMENTS);
            if let Some(retired) = store.retire_ring_key(key.id, head, source.clock.now()).await? {
                tell(&retired);
                has_retired = true;
            }
        }
        if has_retired {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Gives up a ring that no root opens, with everything that only its keys can open, and begins another one. How many keys were
    /// given up.
    ///
    /// # Errors
    /// [`Error::Opens`] when there is no need to, [`Error::Lives`] when somebody still uses it.
    pub async fn abandon(
        store: &Store,
        roots: &Roots,
        clock: &dyn levqor_model::Clock,
        random: &dyn levqor_model::Random,
    ) -> Result<u64, Error> {
        let (_, kept) = store.keyring(None).await?.unwrap_or_default();
        if kept.iter().all(|kept| opened(roots, kept).is_ok()) {
            return Err(Error::Opens);
        }
        let now = clock.now();
        // With a database of its own nobody else can be there. In a shared one a node with the right secret may be: what is sealed is
        // lost for it, too.
        if store.is_shared()
            && let Some(node) = store.nodes(Some(now)).await?.first()
        {
            return Err(Error::Lives(node.id));
        }
        Ok(store.abandon_keyring(found::new_keys(roots, now, random), SEALED_AGREEMENTS, now).await?)
    }
}

fn tell(key: &KeptKey) {
    tracing::info!(
        key.id = %key.id, purpose = %key.purpose, state = %key.state,
        "key {} for {} is {} now", key.id, key.purpose, key.state
    );
}
