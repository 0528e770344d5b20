//! One key, opened: what it signs and seals.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use levqor_model::{KeyPurpose, KeyState, Random, RingKeyId, Timestamp};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::seal::{self, Closed, Tag};

/// A key as it is used. It is wiped from memory when it is dropped.
pub(crate) type Material = Zeroizing<Vec<u8>>;

/// A key of the ring that holds.
pub struct Key {
    pub(super) id: RingKeyId,
    pub(super) purpose: KeyPurpose,
    pub(super) tag: Tag,
    pub(super) state: KeyState,
    /// When what was signed with it ends.
    pub(super) retires_at: Option<Timestamp>,
    pub(super) material: Material,
}

/// The key itself is never shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, purpose, tag: _, state, retires_at: _, material: _ } = self;
        write!(f, "Key({id}, {purpose}, {state}, …)")
    }
}

impl Key {
    pub fn id(&self) -> RingKeyId {
        self.id
    }

    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// HMAC-SHA256 over the parts, each ended by a zero byte so that no two lists of parts give the same text, and a body after
    /// them.
    pub fn sign(&self, parts: &[&str], body: &[u8]) -> [u8; 32] {
        self.mac(parts, body).finalize().into_bytes().into()
    }

    /// A signature that names its key: `<tag>.<signature>`, and only the signature of a key from before there were several.
    pub fn token(&self, parts: &[&str]) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.sign(parts, &[]));
        if self.tag == Tag::ZERO { signature } else { format!("{}.{signature}", self.tag) }
    }

    /// Whether the signature is this key's; takes the same time whatever is wrong with it.
    pub(super) fn has_signed(&self, parts: &[&str], signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(parts, &[]).verify_slice(&signature).is_ok()
    }

    /// Whether it takes what it has signed for its own, and nothing else.
    pub(super) fn knows_its_own(&self, parts: &[&str]) -> bool {
        let signature = URL_SAFE_NO_PAD.encode(self.sign(parts, &[]));
        self.has_signed(parts, &signature) && !self.has_signed(&["other"], &signature)
    }

    fn mac(&self, parts: &[&str], body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.material).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.update(body);
        mac
    }

    /// [`number`] with this key.
    pub(super) fn number(&self, parts: &[&[u8]]) -> u64 {
        number(&self.material, parts)
    }

    pub(crate) fn seal(&self, label: &[u8], value: &[u8], random: &dyn Random) -> Vec<u8> {
        seal::seal(&self.material, self.tag, label, value, random)
    }

    pub(crate) fn open(&self, label: &[u8], sealed: &[u8]) -> Result<Material, Closed> {
        seal::open(&self.material, label, sealed)
    }

    /// Whether what was made with it holds at that time.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.state.holds() && self.retires_at.is_none_or(|at| now < at)
    }
}

/// The first 64 bits of an HMAC-SHA256 over the parts, each ended by a zero byte.
pub(super) fn number(key: &[u8], parts: &[&[u8]]) -> u64 {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
        mac.update(&[0]);
    }
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
