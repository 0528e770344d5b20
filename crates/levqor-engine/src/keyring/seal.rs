//! The one form of everything that is sealed: which key did it, and the value as only that key opens it.
//!
//! ```text
//! form (1) │ tag (8 bytes) │ nonce (24) │ ciphertext and its proof (16 more than the value)
//! ```
//!
//! A label says where the value stands; it is not kept with it, so what is moved elsewhere does not open.
//!
//! Source: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), whose nonce is long enough to be random.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use levqor_model::Random;
use levqor_store::keyring::SealHead;
use zeroize::Zeroizing;

/// Says how the rest is to be read.
const FORM: u8 = 1;
const TAG_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
/// Bytes of a key that seals.
pub(crate) const KEY_BYTES: usize = 32;

/// What a key is named by in tokens and sealed values; it gives nothing of the key away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag([u8; TAG_BYTES]);

/// A text that is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tag has 16 hexadecimal digits")]
pub struct NoTag;

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("the keyring does not have the key that it was sealed under")]
    OtherKey,
    #[error("it is damaged, or stands in another place than it was made for")]
    Damaged,
}

impl Tag {
    /// Of the keys from before there was a keyring: what they made names no key.
    pub const ZERO: Tag = Tag([0; TAG_BYTES]);

    pub(crate) fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; TAG_BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The first bytes of a longer value.
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&bytes[..TAG_BYTES]);
        Self(tag)
    }

    pub const fn bytes(self) -> [u8; TAG_BYTES] {
        self.0
    }

    pub const fn from_bytes(bytes: [u8; TAG_BYTES]) -> Self {
        Self(bytes)
    }

    /// What values begin with that are sealed under the key.
    pub(crate) fn head(self, agreements: &'static [&'static str]) -> SealHead {
        let bytes = [&[FORM], &self.0[..]].concat();
        // Nine bytes are twelve characters, whatever comes after them.
        SealHead { text: STANDARD.encode(&bytes), bytes, agreements }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Tag {
    type Err = NoTag;

    fn from_str(text: &str) -> Result<Self, NoTag> {
        let canonical = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical || text.len() != 2 * TAG_BYTES {
            return Err(NoTag);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| NoTag)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// The key that a value says it is sealed under. None: it is no sealed value.
pub(crate) fn tag_of(sealed: &[u8]) -> Option<Tag> {
    sealed.strip_prefix(&[FORM])?.first_chunk::<TAG_BYTES>().map(|bytes| Tag(*bytes))
}

/// Seals under a key of [`KEY_BYTES`].
pub(crate) fn seal(key: &[u8], tag: Tag, label: &[u8], value: &[u8], random: &dyn Random) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    random.fill(&mut nonce);
    let payload = Payload { msg: value, aad: label };
    // Keys have their length, and the cipher refuses only what is longer than 256 GiB.
    let sealed = cipher(key).and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok());
    [&[FORM], &tag.0[..], &nonce[..], &sealed.unwrap_or_default()[..]].concat()
}

/// Opens what [`seal`] made under the same key and label.
///
/// # Errors
/// [`Closed::Damaged`].
pub(crate) fn open(key: &[u8], label: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let rest = sealed.get(1 + TAG_BYTES..).ok_or(Closed::Damaged)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Closed::Damaged)?;
    let payload = Payload { msg: sealed, aad: label };
    let cipher = cipher(key).ok_or(Closed::Damaged)?;
    cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Closed::Damaged)
}

fn cipher(key: &[u8]) -> Option<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(key).ok()
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    #[test]
    fn what_is_sealed_opens_by_its_key_and_in_its_place_only() {
        let random = SeededRandom::new(3);
        let (key, other) = ([1; KEY_BYTES], [2; KEY_BYTES]);
        let tag = Tag::random(&random);
        let sealed = seal(&key, tag, b"here", b"hush", &random);
        assert_eq!(tag_of(&sealed), Some(tag));
        assert_eq!(sealed[..9], tag.head(&[]).bytes);
        assert!(STANDARD.encode(&sealed).starts_with(&tag.head(&[]).text));
        assert_eq!(open(&key, b"here", &sealed).unwrap().as_slice(), b"hush");
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
        assert_ne!(sealed, seal(&key, tag, b"here", b"hush", &random), "a nonce is never used twice");
        assert_eq!(open(&other, b"here", &sealed), Err(Closed::Damaged));
        assert_eq!(open(&key, b"there", &sealed), Err(Closed::Damaged));
        for place in 9..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert_eq!(open(&key, b"here", &bent), Err(Closed::Damaged), "{place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&key, b"here", &sealed[..length]), Err(Closed::Damaged), "{length}");
        }
    }

    #[test]
    fn tags_survive_their_texts_and_nothing_else_is_one() {
        let tag = Tag([0, 1, 0xab, 0xff, 0, 9, 0x10, 0xf0]);
        assert_eq!(tag.to_string(), "0001abff000910f0");
        assert_eq!("0001abff000910f0".parse(), Ok(tag));
        for text in [
            "",
            "0001ABFF000910F0",
            "0001abff000910f",
            "0001abff000910f00",
            "+001abff000910f0",
            "é001abff000910f",
        ] {
            assert_eq!(text.parse::<Tag>(), Err(NoTag), "{text}");
        }
        assert_eq!([tag_of(&[]), tag_of(&[1; 8]), tag_of(&[2; 60])], [None; 3]);
    }
}
