//! The server's own keys: what signs its tokens, seals the secrets that it keeps, and makes the secrets of webhooks.
//!
//! ```text
//! SECURITY_HMAC_SECRET ─► root ── seals ──► keys of the ring (database) ─┬─ signing ──► tokens of forms, fingerprints of requests, numbers of callers
//!                                                                        ├─ sealing ──► secrets of accounts, the server's own
//!                                                                        └─ webhooks ─► secrets of webhooks
//! ```
//!
//! A node keeps the ring in memory and asks every few seconds whether it has changed. It decides nothing by a ring that is older
//! than [`FRESH`], so a key that was revoked is worth nothing anywhere after that time. A token or a sealed value of a key that
//! it does not know has it ask at once.
//!
//! Invariant: a key is active only after every node has had [`LEARN`] to learn it, which is longer than [`FRESH`]; and a key goes
//! only when nothing that was made with it is left, or its time is over. So a rotation turns nobody away.

mod acts;
mod again;
mod check;
mod found;
mod key;
mod ring;
mod root;
mod seal;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use levqor_model::{Clock, KeyPurpose, KeyState, NodeId, Random, RingKeyId, Secret, Timestamp};
use levqor_store::{Store, keyring::KeptKey};

pub use acts::{Revocation, Rotation};
pub use check::{Check, Fault};
pub use key::Key;
use ring::{Ring, Verdict};
use root::KeyPlace;
pub use root::{ROOT_BYTES_MIN, Roots, RootsError};
pub use seal::{Closed, NoTag, Tag};

/// The oldest ring that anything is decided by.
pub const FRESH: Duration = Duration::from_secs(10);
/// How long a key is published before it is used.
pub const LEARN: Duration = Duration::from_secs(20);
/// How long what was signed with a key that was replaced holds: longer than a session can last, so that no open page is worth
/// nothing before its session has ended.
pub const OVERLAP: Duration = Duration::from_secs(15 * 24 * 60 * 60);
/// Unknown keys have the ring read again at most this often.
const LOOK_AGAIN_EVERY: Duration = Duration::from_millis(100);
/// What nodes of one database have in common: the first secret's fingerprint, which stays when the secret is replaced.
const IDENTITY: &str = "secret_key_id";

/// The agreement on what signs region snapshots.
pub const REGION_SNAPSHOT_SEED: &str = "region_snapshot_seed";
/// The agreement on what signs checkpoints of the evidence log.
pub const AUDIT_SEED: &str = "audit_seed";
/// The agreement on what signs the baselines of files.
pub const BASELINE_SEED: &str = "baseline_seed";
/// All agreements that are sealed values.
pub const SEALED_AGREEMENTS: &[&str] = &[REGION_SNAPSHOT_SEED, AUDIT_SEED, BASELINE_SEED];

/// The keys of the server; cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    /// None: the keys are always the same.
    source: Option<Source>,
    /// With when it was read, by the node's clock.
    ring: RwLock<(Arc<Ring>, Timestamp)>,
    /// Held while the ring is read; when it was read for a key that was not known.
    reading: tokio::sync::Mutex<Option<Timestamp>>,
    again: again::Progress,
}

/// Where the ring comes from.
struct Source {
    store: Store,
    roots: Roots,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    identity: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
    #[error(
        "SECURITY_HMAC_SECRET is not the one that the keyring of this database is sealed under; set it to what it was on the other nodes or before, or put the new one before the old one: new,old"
    )]
    OtherRoot,
    #[error("key {0} of the keyring is damaged")]
    Damaged(RingKeyId),
    #[error("the keyring has no key for {0} that could be used")]
    NoKey(KeyPurpose),
    #[error("the keyring has no key {0}")]
    Missing(RingKeyId),
    #[error(
        "{uses} sealed values still need key {id}; rotate sealing first, and revoke it when nothing is sealed under it any more"
    )]
    InUse { id: RingKeyId, uses: u64 },
    #[error(
        "new secrets are sealed under key {0}; rotate sealing first, and revoke it when nothing is sealed under it any more"
    )]
    Seals(RingKeyId),
    #[error("there are too many keys for {0} that still hold; wait for some to retire, or revoke old ones")]
    Full(KeyPurpose),
    #[error("SECURITY_HMAC_SECRET opens the keyring; there is no need to give it up")]
    Opens,
    #[error(
        "{0} lives and uses the keyring: stop all servers first; one that was killed counts as alive until its lease is over, some seconds later"
    )]
    Lives(NodeId),
    #[error("these keys are always the same")]
    Fixed,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl Keyring {
    /// The ring of a database: made when there is none, and sealed under the current root when it was under an earlier one.
    ///
    /// # Errors
    /// [`Error::OtherRoot`] when no root opens it.
    pub async fn open(
        store: Store,
        roots: Roots,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let identity = found::found(&store, &roots, &*clock, &*random).await?;
        let read_at = clock.now();
        let (revision, kept) = store.keyring(None).await?.unwrap_or_default();
        let keys = kept.iter().map(|kept| opened(&roots, kept)).collect::<Result<Vec<_>, _>>()?;
        found::seal_under_current(&store, &roots, &kept, &keys, &*clock, &*random).await?;
        let keys = keys.into_iter().map(Arc::new);
        let ring = Arc::new(Ring::new(revision, keys, 0));
        Ok(Self::with(Some(Source { store, roots, clock, random, identity }), ring, read_at))
    }

    /// Keys that come from the secret alone and are always the same, for a store that dies with its process.
    pub fn fixed(secret: &Secret) -> Self {
        let ring = Ring::new(0, found::first_keys(secret).into_iter().map(Arc::new), 0);
        Self::with(None, Arc::new(ring), Timestamp::default())
    }

    fn with(source: Option<Source>, ring: Arc<Ring>, read_at: Timestamp) -> Self {
        Self(Arc::new(Inner {
            source,
            ring: RwLock::new((ring, read_at)),
            reading: tokio::sync::Mutex::default(),
            again: again::Progress::default(),
        }))
    }

    /// What nodes tell of themselves, to see that they have the same keys. A node that cannot read all of them says something else.
    pub fn identity(&self) -> String {
        match &self.0.source {
            Some(source) if self.ring().unreadable > 0 => source.roots.current().fingerprint(),
            Some(source) => source.identity.clone(),
            None => String::new(),
        }
    }

    /// Asks whether the ring has changed, and reads it when it has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _reading = self.0.reading.lock().await;
        self.read().await.map(drop)
    }

    /// A token over these parts, made with the active key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token(&self, parts: &[&str]) -> Result<String, Error> {
        Ok(self.active(KeyPurpose::Signing).await?.token(parts))
    }

    /// Whether a key that holds has made the token over these parts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn verify(&self, token: &str, parts: &[&str]) -> Result<bool, Error> {
        let mut verdict = self.fresh().await?.verify(token, parts, self.now());
        if verdict == Verdict::Unknown {
            verdict = self.look_again().await?.verify(token, parts, self.now());
        }
        Ok(verdict == Verdict::Good)
    }

    /// A number that stands for the parts and tells nobody what they are: for what is only grouped, such as requests by their
    /// caller, and proves nothing. All nodes make the same one, by whatever ring they have; the store is not asked.
    ///
    /// The oldest signing key that holds makes it, so a rotation changes nothing. When that key goes, [`OVERLAP`] after it was
    /// replaced or because it was revoked, all groups begin anew.
    pub fn number(&self, parts: &[&[u8]]) -> u64 {
        let ring = self.ring();
        match ring.oldest(KeyPurpose::Signing, self.now()) {
            Some(key) => key.number(parts),
            // No ring is ever without one. Groups must be the same on all nodes even so; it is only that they could be guessed.
            None => key::number(&[], parts),
        }
    }

    /// The key that new things of that purpose are made with.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn active(&self, purpose: KeyPurpose) -> Result<Arc<Key>, Error> {
        self.fresh().await?.active(purpose).cloned().ok_or(Error::NoKey(purpose))
    }

    /// The key of a tag; None when what was made with it does not hold any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn key(&self, purpose: KeyPurpose, tag: Tag) -> Result<Option<Arc<Key>>, Error> {
        if let Some(key) = self.fresh().await?.find(purpose, tag, self.now()) {
            return Ok(Some(Arc::clone(key)));
        }
        Ok(self.look_again().await?.find(purpose, tag, self.now()).cloned())
    }

    /// [`Keyring::key`] for sealing, by whatever ring there is: no key goes that something is sealed under.
    pub(crate) async fn sealing_key(&self, sealed: &[u8]) -> Result<Arc<Key>, SealError> {
        let tag = seal::tag_of(sealed).ok_or(Closed::Damaged)?;
        let find = |ring: &Ring| ring.opens(tag, self.now()).cloned();
        if let Some(key) = find(&self.ring()) {
            return Ok(key);
        }
        let ring = self.look_again().await?;
        find(&ring).ok_or(SealError::Closed(Closed::OtherKey))
    }

    fn source(&self) -> Result<&Source, Error> {
        self.0.source.as_ref().ok_or(Error::Fixed)
    }

    fn now(&self) -> Timestamp {
        self.0.source.as_ref().map_or_else(Timestamp::default, |source| source.clock.now())
    }

    fn state(&self) -> (Arc<Ring>, Timestamp) {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ring(&self) -> Arc<Ring> {
        self.state().0
    }

    /// The ring, not older than [`FRESH`].
    async fn fresh(&self) -> Result<Arc<Ring>, Error> {
        if let Some(ring) = self.if_fresh() {
            return Ok(ring);
        }
        let _reading = self.0.reading.lock().await;
        // Somebody else may have read it meanwhile.
        if let Some(ring) = self.if_fresh() {
            return Ok(ring);
        }
        self.read().await
    }

    fn if_fresh(&self) -> Option<Arc<Ring>> {
        let (ring, read_at) = self.state();
        let is_fresh = self.0.source.is_none() || self.now().since(read_at) < FRESH;
        is_fresh.then_some(ring)
    }

    /// The ring as it is now, for a key that it did not have; not more often than anybody could want.
    async fn look_again(&self) -> Result<Arc<Ring>, Error> {
        let mut last = self.0.reading.lock().await;
        let now = self.now();
        let lately = last.is_some_and(|at| at <= now && now.since(at) < LOOK_AGAIN_EVERY);
        if self.0.source.is_none() || lately {
            return Ok(self.ring());
        }
        *last = Some(now);
        self.read().await
    }

    /// Call it with `reading` held.
    async fn read(&self) -> Result<Arc<Ring>, Error> {
        let Some(source) = &self.0.source else { return Ok(self.ring()) };
        let before = self.ring();
        let read_at = source.clock.now();
        let ring = match source.store.keyring(Some(before.revision)).await? {
            None => before,
            Some((revision, kept)) => {
                Arc::new(read_anew(source, &before, revision, &kept).after(&before, read_at))
            }
        };
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(&ring), read_at);
        Ok(ring)
    }
}

/// Why a sealed value is not there as what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Keyring(#[from] Error),
}

/// What is known by its id need not be opened again, and goes on to be used when its root is not one of ours any more.
fn read_anew(source: &Source, before: &Ring, revision: i64, kept: &[KeptKey]) -> Ring {
    let mut keys = Vec::with_capacity(kept.len());
    let mut unreadable = 0;
    for kept in kept {
        let key = match before.by_id(kept.id) {
            Some(known) if known.state == kept.state && known.retires_at == kept.retires_at => {
                Arc::clone(known)
            }
            Some(known) => Arc::new(Key {
                state: kept.state,
                retires_at: kept.retires_at,
                material: known.material.clone(),
                ..**known
            }),
            None => match opened(&source.roots, kept) {
                Ok(key) => Arc::new(key),
                Err(reason) => {
                    unreadable += 1;
                    tracing::error!(key.id = %kept.id, "key {} cannot be used here: {reason}", kept.id);
                    continue;
                }
            },
        };
        keys.push(key);
    }
    Ring::new(revision, keys, unreadable)
}

fn opened(roots: &Roots, kept: &KeptKey) -> Result<Key, Error> {
    let KeptKey { id, purpose, state, tag, sealed, retires_at, .. } = kept;
    let place = KeyPlace { id: *id, purpose: *purpose, tag };
    let material =
        roots.open(place, sealed.as_deref().unwrap_or_default()).map_err(|closed| match closed {
            Closed::OtherKey => Error::OtherRoot,
            Closed::Damaged => Error::Damaged(*id),
        })?;
    let tag = tag.parse().map_err(|_| Error::Damaged(*id))?;
    Ok(Key { id: *id, purpose: *purpose, tag, state: *state, retires_at: *retires_at, material })
}

/// Whether the key was replaced, and goes when nothing needs it any more.
fn goes_when_unused(key: &Key) -> bool {
    key.state == KeyState::Retiring && key.purpose != KeyPurpose::Signing
}
