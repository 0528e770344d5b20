//! The roots: what `SECURITY_HMAC_SECRET` says, from which the keys come that seal the keyring.
//!
//! The first is the one that seals; the others only open, so that a new one can be put before an old one. A secret may have had
//! commas in it before they had a meaning, so the text is also taken whole, and what comes after the first comma in every way in
//! which it can be cut.
//!
//! Source: RFC 5869 (HKDF with SHA-256).

use std::fmt;

use hmac::{Hmac, Mac};
use levqor_model::{KeyPurpose, Random, RingKeyId, Secret};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    key::Material,
    seal::{self, Closed, Tag},
};

/// A comma ends a secret when it is at least this long.
pub const ROOT_BYTES_MIN: usize = 32;
/// Secrets that one text may list.
const ROOTS_MAX: usize = 8;

/// The secrets that an operator has given, the one that seals first.
#[derive(Clone)]
pub struct Roots {
    /// Never empty.
    roots: Vec<Root>,
}

/// Something is wrong with the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    #[error("it has more than {ROOTS_MAX} secrets")]
    TooMany,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Root {
    secret: Secret,
    tag: Tag,
    key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots(…)")
    }
}

impl Roots {
    /// The secrets in a text: one, or several with commas between them.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn parse(text: &Secret) -> Result<Self, RootsError> {
        let parts: Vec<&str> = text.expose().split(',').collect();
        let is_list = parts.len() > 1 && parts[0].len() >= ROOT_BYTES_MIN;
        if !is_list {
            return Ok(Self { roots: vec![Root::new(text.expose())] });
        }
        if parts.len() > ROOTS_MAX {
            return Err(RootsError::TooMany);
        }
        let mut roots = vec![Root::new(parts[0])];
        for from in 1..parts.len() {
            for to in from..parts.len() {
                roots.push(Root::new(&parts[from..=to].join(",")));
            }
        }
        roots.push(Root::new(text.expose()));
        Ok(Self { roots })
    }

    /// The secret that seals, for those who judge how good it is.
    pub fn first(text: &Secret) -> Secret {
        match text.expose().split_once(',') {
            Some((first, _)) if first.len() >= ROOT_BYTES_MIN => Secret::new(first),
            _ => text.clone(),
        }
    }

    /// The one that seals.
    pub(super) fn current(&self) -> &Root {
        &self.roots[0]
    }

    /// The whole text, as it was taken before lists had a meaning.
    pub(super) fn whole(&self) -> &Root {
        self.roots.last().unwrap_or(&self.roots[0])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    /// Opens a key of the ring.
    ///
    /// # Errors
    /// [`Closed::OtherKey`] when no root is the one that sealed it.
    pub(super) fn open(&self, place: KeyPlace<'_>, sealed: &[u8]) -> Result<Material, Closed> {
        let tag = seal::tag_of(sealed).ok_or(Closed::Damaged)?;
        let root = self.roots.iter().find(|root| root.tag == tag).ok_or(Closed::OtherKey)?;
        seal::open(&root.key[..], &place.label(), sealed)
    }
}

/// Where a key of the ring stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPlace<'a> {
    pub(super) id: RingKeyId,
    pub(super) purpose: KeyPurpose,
    pub(super) tag: &'a str,
}

impl KeyPlace<'_> {
    fn label(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.id, self.purpose, self.tag).into_bytes()
    }
}

impl Root {
    pub(super) fn new(secret: &str) -> Self {
        let extracted = hmac(b"levqor keyring", &[secret.as_bytes()]);
        Self {
            secret: Secret::new(secret),
            tag: Tag::of(&hmac(&*extracted, &[b"key id", &[1]])),
            key: hmac(&*extracted, &[b"key", &[1]]),
        }
    }

    /// Seals a key of the ring.
    pub(super) fn seal(&self, place: KeyPlace<'_>, material: &[u8], random: &dyn Random) -> Vec<u8> {
        seal::seal(&self.key[..], self.tag, &place.label(), material, random)
    }

    /// Whether it is the one that sealed this.
    pub(super) fn has_sealed(&self, sealed: &[u8]) -> bool {
        seal::tag_of(sealed) == Some(self.tag)
    }

    /// The key that sealed everything before there was a keyring, and its tag.
    pub(super) fn first_sealing(&self) -> (Tag, Material) {
        let extracted = hmac(b"levqor secrets", &[self.secret.expose().as_bytes()]);
        let key = hmac(&*extracted, &[b"key", &[1]]);
        (Tag::of(&hmac(&*extracted, &[b"key id", &[1]])), Zeroizing::new(key.to_vec()))
    }

    /// Names the secret without giving it away, as it was named before there was a keyring.
    pub(super) fn fingerprint(&self) -> String {
        self.first_sealing().0.to_string()
    }

    /// What signed everything before there was a keyring: the secret itself.
    pub(super) fn first_signing(&self) -> Material {
        Zeroizing::new(self.secret.expose().as_bytes().to_vec())
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length, so this cannot fail; an unkeyed hash would be the wrong fallback.
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        let roots = Roots::parse(&Secret::new(text)).unwrap();
        roots.iter().map(|root| root.secret.expose().to_owned()).collect()
    }

    #[test]
    fn a_comma_after_a_whole_secret_begins_another() {
        let (new, old) = ("n".repeat(32), "o".repeat(40));
        assert_eq!(parsed(&new), [new.as_str()]);
        assert_eq!(parsed("short,and not two"), ["short,and not two"], "one that has a comma in it");
        assert_eq!(parsed(&format!("{new},{old}")), [new.clone(), old.clone(), format!("{new},{old}")]);
        let three = parsed(&format!("{new},a,b"));
        assert_eq!((&three[0], &three[4]), (&new, &format!("{new},a,b")));
        assert_eq!(three[1..4], ["a", "a,b", "b"].map(str::to_owned));
        assert_eq!(Roots::first(&Secret::new(format!("{new},x"))), Secret::new(new.as_str()));
        assert_eq!(Roots::first(&Secret::new("short,x")), Secret::new("short,x"));
        let many = Secret::new(format!("{new}{}", ",x".repeat(ROOTS_MAX)));
        assert_eq!(Roots::parse(&many).err(), Some(RootsError::TooMany));
    }

    #[test]
    fn a_key_opens_by_its_root_and_in_its_row_only() {
        let random = levqor_model::SeededRandom::new(1);
        let id = RingKeyId::new(levqor_model::Timestamp::from_seconds(1), &random);
        let place = KeyPlace { id, purpose: KeyPurpose::Signing, tag: "t" };
        let (one, two) = ("1".repeat(32), "2".repeat(32));
        let of = |text: &str| Roots::parse(&Secret::new(text)).unwrap();
        let sealed = of(&one).current().seal(place, b"key", &random);
        assert_eq!(of(&one).open(place, &sealed).unwrap().as_slice(), b"key");
        assert_eq!(of(&format!("{two},{one}")).open(place, &sealed).unwrap().as_slice(), b"key");
        assert_eq!(of(&two).open(place, &sealed), Err(Closed::OtherKey));
        for elsewhere in [KeyPlace { purpose: KeyPurpose::Sealing, ..place }, KeyPlace { tag: "u", ..place }]
        {
            assert_eq!(of(&one).open(elsewhere, &sealed), Err(Closed::Damaged));
        }
        assert!(!format!("{:?}", of(&one)).contains("111"));
    }
}
