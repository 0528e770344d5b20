//! The keys that hold, as a node knows them at one moment. Pure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use levqor_model::{KeyPurpose, KeyState, RingKeyId, Timestamp};

use super::{key::Key, seal::Tag};

/// How long values that were read are still opened after they were sealed again.
const LINGER: Duration = Duration::from_secs(60);

/// The keys that hold.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pub(super) revision: i64,
    keys: HashMap<(KeyPurpose, Tag), Arc<Key>>,
    /// Keys that no root of this node opens.
    pub(super) unreadable: usize,
    /// Keys that sealed and are gone from the ring, with when this node learned it: a value may have been read just before it was
    /// sealed again.
    gone: Vec<(Arc<Key>, Timestamp)>,
}

/// What a ring says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
    /// It names a key that the ring does not have. Another node may have made it just now.
    Unknown,
}

impl Ring {
    pub(super) fn new(revision: i64, keys: impl IntoIterator<Item = Arc<Key>>, unreadable: usize) -> Self {
        let keys = keys.into_iter().map(|key| ((key.purpose, key.tag), key)).collect();
        Self { revision, keys, unreadable, gone: Vec::new() }
    }

    /// The ring that follows on `before`, as it was read at that time.
    pub(super) fn after(self, before: &Ring, read_at: Timestamp) -> Self {
        let left =
            before.keys().filter(|key| key.purpose == KeyPurpose::Sealing && self.by_id(key.id).is_none());
        let left = left.map(|key| (Arc::clone(key), read_at));
        let lingering = before.gone.iter().filter(|(_, since)| read_at.since(*since) < LINGER).cloned();
        Self { gone: left.chain(lingering).collect(), ..self }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    pub(super) fn by_id(&self, id: RingKeyId) -> Option<&Arc<Key>> {
        self.keys.values().find(|key| key.id == id)
    }

    /// The key that new things are made with.
    pub(super) fn active(&self, purpose: KeyPurpose) -> Option<&Arc<Key>> {
        self.keys.values().find(|key| key.purpose == purpose && key.state == KeyState::Active)
    }

    /// The first key that was made, of those that hold.
    pub(super) fn oldest(&self, purpose: KeyPurpose, now: Timestamp) -> Option<&Arc<Key>> {
        let all = self.keys.values().filter(|key| key.purpose == purpose && key.holds(now));
        all.min_by_key(|key| key.id)
    }

    /// The key of a tag, when what was made with it holds.
    pub(super) fn find(&self, purpose: KeyPurpose, tag: Tag, now: Timestamp) -> Option<&Arc<Key>> {
        self.keys.get(&(purpose, tag)).filter(|key| key.holds(now))
    }

    /// The key that opens what is sealed under that tag.
    pub(super) fn opens(&self, tag: Tag, now: Timestamp) -> Option<&Arc<Key>> {
        let lingers = |(key, since): &&(Arc<Key>, Timestamp)| key.tag == tag && now.since(*since) < LINGER;
        self.find(KeyPurpose::Sealing, tag, now)
            .or_else(|| self.gone.iter().find(lingers).map(|(key, _)| key))
    }

    /// Whether a token is one that [`Key::token`] made of these parts.
    pub(super) fn verify(&self, token: &str, parts: &[&str], now: Timestamp) -> Verdict {
        let (tag, signature) = match token.split_once('.') {
            None => (Tag::ZERO, token),
            Some((tag, signature)) => match tag.parse() {
                Ok(tag) => (tag, signature),
                Err(_) => return Verdict::Bad,
            },
        };
        match self.find(KeyPurpose::Signing, tag, now) {
            Some(key) if key.has_signed(parts, signature) => Verdict::Good,
            Some(_) => Verdict::Bad,
            // It names none.
            None if tag == Tag::ZERO => Verdict::Bad,
            None => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

    fn key(random: &SeededRandom, tag: u8, state: KeyState) -> Key {
        Key {
            id: RingKeyId::new(NOW, random),
            purpose: KeyPurpose::Signing,
            tag: Tag::from_bytes([tag; 8]),
            state,
            retires_at: (state == KeyState::Retiring).then(|| NOW + Duration::from_secs(10)),
            material: Zeroizing::new(vec![tag; 32]),
        }
    }

    #[test]
    fn tokens_hold_as_long_as_their_key() {
        let random = SeededRandom::new(1);
        let all = KeyState::ALL.iter().zip(1..).map(|(state, tag)| Arc::new(key(&random, tag, *state)));
        let all: Vec<_> = all.collect();
        let ring = Ring::new(1, all.clone(), 0);
        let parts = ["csrf", "session"];
        for key in &all {
            let token = key.token(&parts);
            let expected = if key.state.holds() { Verdict::Good } else { Verdict::Unknown };
            assert_eq!(ring.verify(&token, &parts, NOW), expected, "{key:?}");
            let later = NOW + Duration::from_secs(10);
            let lasts = matches!(key.state, KeyState::Published | KeyState::Active);
            assert_eq!(ring.verify(&token, &parts, later) == Verdict::Good, lasts, "{key:?}");
        }
        let token = all[1].token(&parts);
        assert_eq!(ring.verify(&token, &["csrfs", "ession"], NOW), Verdict::Bad);
        let rows =
            ["", ".", "x.y", &token[17..], &token[..16], &token.replace('.', ""), &format!("{token}A")];
        for text in rows {
            assert_eq!(ring.verify(text, &parts, NOW), Verdict::Bad, "{text}");
        }
        assert_eq!(ring.active(KeyPurpose::Signing).unwrap().id, all[1].id);
        assert!(ring.active(KeyPurpose::Sealing).is_none());
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = key(&SeededRandom::new(1), 0x41, KeyState::Active);
        let shown = format!("{key:?}");
        assert!(
            shown.starts_with("Key(rky_") && !shown.contains("AAAA") && !shown.contains("65, 65"),
            "{shown}"
        );
    }
}
