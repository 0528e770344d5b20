//! How a ring begins, and how it gets under another root.
//!
//! Before there was a keyring, one secret did everything: it signed, it was what webhooks' secrets are derived from, and a key
//! that was derived from it sealed. An installation from that time begins with these three as its keys, so that everything
//! that they made holds; then new ones take their place.

use levqor_model::{Clock, KeyPurpose, KeyState, Random, RingKeyId, Secret, SeededRandom, Timestamp};
use levqor_store::{
    Store,
    keyring::{KeptKey, NewKey, Traces},
};
use zeroize::Zeroizing;

use super::{
    Error, IDENTITY, LEARN, SEALED_AGREEMENTS,
    key::{Key, Material},
    root::{KeyPlace, Root, Roots},
    seal::{KEY_BYTES, Tag},
};

/// Makes the ring when there is none; gives its identity.
///
/// # Errors
/// [`Error::OtherRoot`] when other nodes have been using another secret.
pub(super) async fn found(
    store: &Store,
    roots: &Roots,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<String, Error> {
    let mut first = roots.current();
    let has_ring = store.keyring(Some(0)).await?.is_some();
    if !has_ring {
        let traces = store.keyring_traces(IDENTITY, SEALED_AGREEMENTS).await?;
        first = used_before(roots, &traces)?;
        let now = clock.now();
        let fresh = new_keys(roots, now, random);
        let known = first_materials(first)
            .into_iter()
            .map(|(purpose, tag, material)| kept(roots, purpose, tag, &material, now, random))
            .collect();
        if store.found_keyring(fresh, known, now, LEARN).await? {
            tracing::info!("the keyring of this database was made");
        }
    }
    Ok(store.agree(IDENTITY, first.fingerprint()).await?)
}

/// The root that was the secret before there was a keyring.
fn used_before<'a>(roots: &'a Roots, traces: &Traces) -> Result<&'a Root, Error> {
    if let Some(agreed) = &traces.agreed {
        return roots.iter().find(|root| root.fingerprint() == *agreed).ok_or(Error::OtherRoot);
    }
    let has_sealed = |root: &&Root| {
        let head = root.first_sealing().0.head(SEALED_AGREEMENTS);
        traces.heads.contains(&head.bytes) || traces.texts.contains(&head.text)
    };
    if let Some(root) = roots.iter().find(has_sealed) {
        return Ok(root);
    }
    if !traces.heads.is_empty() {
        tracing::warn!("nothing that is stored was sealed under SECURITY_HMAC_SECRET; it does not open");
    }
    Ok(roots.whole())
}

/// One fresh key of each purpose.
pub(super) fn new_keys(roots: &Roots, now: Timestamp, random: &dyn Random) -> Vec<NewKey> {
    KeyPurpose::ALL.iter().map(|purpose| new_key(roots, *purpose, now, random)).collect()
}

/// A fresh key, sealed under the current root.
pub(super) fn new_key(roots: &Roots, purpose: KeyPurpose, now: Timestamp, random: &dyn Random) -> NewKey {
    let mut material = Zeroizing::new(vec![0; KEY_BYTES]);
    random.fill(&mut material);
    kept(roots, purpose, Tag::random(random), &material, now, random)
}

fn kept(
    roots: &Roots,
    purpose: KeyPurpose,
    tag: Tag,
    material: &Material,
    now: Timestamp,
    random: &dyn Random,
) -> NewKey {
    let (id, tag) = (RingKeyId::new(now, random), tag.to_string());
    let sealed = roots.current().seal(KeyPlace { id, purpose, tag: &tag }, material, random);
    NewKey { id, purpose, tag, sealed }
}

/// The keys that one secret was.
fn first_materials(root: &Root) -> [(KeyPurpose, Tag, Material); 3] {
    let (tag, sealing) = root.first_sealing();
    [
        (KeyPurpose::Signing, Tag::ZERO, root.first_signing()),
        (KeyPurpose::Sealing, tag, sealing),
        (KeyPurpose::Webhooks, Tag::ZERO, root.first_signing()),
    ]
}

/// The same as keys that are used.
pub(super) fn first_keys(secret: &Secret) -> Vec<Key> {
    // Nobody else sees their ids.
    let random = SeededRandom::new(0);
    let key = |(purpose, tag, material)| Key {
        id: RingKeyId::new(Timestamp::default(), &random),
        purpose,
        tag,
        state: KeyState::Active,
        retires_at: None,
        material,
    };
    first_materials(&Root::new(secret.expose())).into_iter().map(key).collect()
}

/// Seals what is under an earlier root again, under the current one.
pub(super) async fn seal_under_current(
    store: &Store,
    roots: &Roots,
    kept: &[KeptKey],
    keys: &[Key],
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), Error> {
    let mut again = Vec::new();
    for (kept, key) in kept.iter().zip(keys) {
        let Some(was) = &kept.sealed else { continue };
        if !roots.current().has_sealed(was) {
            let place = KeyPlace { id: kept.id, purpose: kept.purpose, tag: &kept.tag };
            again.push((kept.id, was.clone(), roots.current().seal(place, &key.material, random)));
        }
    }
    if !again.is_empty() {
        let sealed = store.seal_keys_again(again, clock.now()).await?;
        tracing::info!(
            keys = sealed,
            "{sealed} keys are sealed under the first secret of SECURITY_HMAC_SECRET now; the others are needed no more once every node has it as its first"
        );
    }
    Ok(())
}
