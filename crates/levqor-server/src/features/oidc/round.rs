//! One way to the issuer and back: what the browser carries meanwhile, so that the server needs to keep nothing.

use std::time::Duration;

use levqor_engine::Keyring;
use levqor_model::{Random, Timestamp};
use serde::{Deserialize, Serialize};

use super::carried;
use crate::gateway::{new_token, token_hash};

/// How long somebody may take to sign in at the issuer.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// The longest place to go on to: cookies are bounded.
const NEXT_BYTES_MAX: usize = 1_000;
const PURPOSE: &str = "oidc";

/// What only this browser has. All of it is signed, so nobody begins a way for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) state: String,
    pub(super) nonce: String,
    /// The code verifier of PKCE (RFC 7636).
    pub(super) proof: String,
    /// Where to go on afterwards, on this site.
    pub(super) next: String,
    pub(super) ends_at: Timestamp,
}

impl Round {
    pub(super) fn new(next: &str, now: Timestamp, random: &dyn Random) -> Self {
        let next = if next.len() <= NEXT_BYTES_MAX { next } else { "/dashboard" };
        Self {
            state: new_token(random),
            nonce: new_token(random),
            proof: new_token(random),
            next: next.to_owned(),
            ends_at: now + LIFETIME,
        }
    }

    /// The value of the cookie.
    pub(super) async fn sealed(&self, keyring: &Keyring) -> Result<String, levqor_engine::keyring::Error> {
        carried::sealed(PURPOSE, self, keyring).await
    }

    /// What the cookie holds, when it is ours and its time is not over.
    pub(super) async fn open(
        cookie: &str,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<Option<Self>, levqor_engine::keyring::Error> {
        let round: Option<Self> = carried::opened(PURPOSE, cookie, keyring).await?;
        Ok(round.filter(|round| round.ends_at > now))
    }

    /// Whether the issuer sent this state back. Hashes are compared, so that the time tells nothing.
    pub(super) fn is(&self, state: &str) -> bool {
        token_hash(&self.state) == token_hash(state)
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        token_hash(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use levqor_model::{Secret, SeededRandom};

    use super::*;

    #[tokio::test]
    async fn a_round_is_read_as_it_was_written_in_its_time_and_under_its_key() {
        let now = Timestamp::from_seconds(1_795_502_901);
        let keyring = Keyring::fixed(&Secret::new("a secret that is long enough for tests"));
        let other = Keyring::fixed(&Secret::new("another secret that is long enough, too"));
        let round = Round::new("/dashboard/runs?status=faulted", now, &SeededRandom::new(1));
        let cookie = round.sealed(&keyring).await.unwrap();
        let open =
            async |cookie: &str, keyring: &Keyring, at| Round::open(cookie, keyring, at).await.unwrap();
        assert_eq!(open(&cookie, &keyring, now).await, Some(round.clone()));
        assert_eq!(open(&cookie, &keyring, now + LIFETIME).await, None, "too late");
        assert_eq!(open(&cookie, &other, now).await, None, "another key");
        let (payload, token) = cookie.split_once('~').unwrap();
        let mut other = round.clone();
        other.next = "/elsewhere".to_owned();
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&other).unwrap());
        for cookie in [
            format!("{forged}~{token}"),
            payload.to_owned(),
            format!("{payload}~"),
            "~".to_owned(),
            String::new(),
        ] {
            assert_eq!(open(&cookie, &keyring, now).await, None, "{cookie}");
        }
        assert!(round.is(&round.state) && !round.is(&round.nonce) && !round.is(""));
        let long = Round::new(&format!("/{}", "a".repeat(2_000)), now, &SeededRandom::new(1));
        assert!(long.sealed(&keyring).await.unwrap().len() < 4_000 && long.next == "/dashboard");
    }
}
