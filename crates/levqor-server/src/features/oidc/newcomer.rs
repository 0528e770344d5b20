//! Somebody who was never here and may come in several ways: what their browser carries until they have said which.
//!
//! The issuer has told who they are, and nothing has been made of it. Nobody is put into an account that they did not ask for: whoever
//! knows an address can invite it.

use std::time::Duration;

use levqor_engine::{Keyring, keyring::Error};
use levqor_model::{Random, Timestamp};
use serde::{Deserialize, Serialize};

use super::carried;
use crate::gateway::{new_token, token_hash};

/// How long somebody may look at their invitations.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);
const PURPOSE: &str = "oidc newcomer";

/// Whom the issuer has named, as only their browser has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Newcomer {
    /// Names this choice, which is made once.
    id: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    /// Verified by the issuer.
    pub(super) email: String,
    /// Where to go on afterwards, on this site.
    pub(super) next: String,
    pub(super) ends_at: Timestamp,
}

impl Newcomer {
    pub(super) fn new(
        issuer: &str,
        subject: String,
        email: String,
        next: String,
        now: Timestamp,
        random: &dyn Random,
    ) -> Self {
        Self {
            id: new_token(random),
            issuer: issuer.to_owned(),
            subject,
            email,
            next,
            ends_at: now + LIFETIME,
        }
    }

    /// The value of the cookie.
    pub(super) async fn sealed(&self, keyring: &Keyring) -> Result<String, Error> {
        carried::sealed(PURPOSE, self, keyring).await
    }

    /// What the cookie holds, when it is ours and its time is not over.
    pub(super) async fn open(cookie: &str, keyring: &Keyring, now: Timestamp) -> Result<Option<Self>, Error> {
        let opened: Option<Self> = carried::opened(PURPOSE, cookie, keyring).await?;
        Ok(opened.filter(|newcomer| newcomer.ends_at > now))
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        token_hash(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::{Secret, SeededRandom};

    use super::super::round::Round;
    use super::*;

    #[tokio::test]
    async fn somebody_is_known_again_for_ten_minutes_and_by_no_other_cookie() {
        let (now, random) = (Timestamp::from_seconds(1_795_502_901), SeededRandom::new(1));
        let keyring = Keyring::fixed(&Secret::new("a secret that is long enough for tests"));
        let (subject, email) = ("s".to_owned(), "eve@example.com".to_owned());
        let newcomer = Newcomer::new("https://id.example", subject, email, "/docs".to_owned(), now, &random);
        let cookie = newcomer.sealed(&keyring).await.unwrap();
        let open = async |cookie: &str, at| Newcomer::open(cookie, &keyring, at).await.unwrap();
        assert_eq!(open(&cookie, now).await, Some(newcomer.clone()));
        assert_eq!(open(&cookie, now + LIFETIME).await, None, "too late");
        // A way that is under way says of nobody who they are.
        let round = Round::new("/docs", now, &random).sealed(&keyring).await.unwrap();
        assert_eq!(open(&round, now).await, None);
        assert_eq!(Round::open(&cookie, &keyring, now).await.unwrap(), None);
        let (payload, token) = cookie.split_once('~').unwrap();
        for forged in [format!("{payload}A~{token}"), payload.to_owned(), String::new()] {
            assert_eq!(open(&forged, now).await, None, "{forged}");
        }
    }
}
