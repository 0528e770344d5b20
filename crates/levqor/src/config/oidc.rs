//! The system that signs people in besides links.

use std::time::Duration;

use levqor_model::Secret;
use levqor_server::features::oidc::{OidcSettings, Strength};
use url::{Host, Url};

use super::Reader;

/// Letters of a word that a token is to have.
const WORD_MAX: usize = 256;

impl Reader<'_> {
    pub(super) fn oidc(&mut self) -> Option<OidcSettings> {
        let issuer = self.text("oidc.issuer").to_owned();
        if issuer.is_empty() {
            if self.text("oidc.only") == "true" {
                let remedy = "name that system, or let people sign in by links";
                self.complain("oidc.only", "is set, and there is no oidc.issuer", remedy);
            }
            return None;
        }
        if !is_issuer(&issuer) {
            let remedy = "write it as the system's own documents do, like https://login.example.com; plain http only for this machine";
            self.complain("oidc.issuer", format!("{issuer:?} is no issuer"), remedy);
        }
        let mut missing = false;
        for name in ["oidc.client_id", "oidc.client_secret"] {
            if self.text(name).is_empty() {
                missing = true;
                self.complain(
                    name,
                    "is empty, and oidc.issuer is set",
                    "set what the system gave for this server",
                );
            }
        }
        let strength = Strength {
            contexts: self.words("oidc.acr"),
            methods: self.words("oidc.amr"),
            max_age: Some(self.number("oidc.max_age_seconds"))
                .filter(|age| *age > 0)
                .map(Duration::from_secs),
        };
        if missing {
            return None;
        }
        Some(OidcSettings {
            issuer,
            client_id: self.text("oidc.client_id").to_owned(),
            client_secret: Secret::new(self.text("oidc.client_secret").to_owned()),
            name: self.text("oidc.name").to_owned(),
            open_accounts: self.text("oidc.open_accounts") == "true",
            only: self.text("oidc.only") == "true",
            strength,
        })
    }

    /// What is wanted of a token: each one word, since a space separates them on their way.
    fn words(&mut self, name: &str) -> Vec<String> {
        let list = self.text(name).to_owned();
        let mut words = Vec::new();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if word.len() <= WORD_MAX && word.chars().all(|letter| letter.is_ascii_graphic()) {
                words.push(word.to_owned());
            } else {
                let remedy = "write each as the system's own documents do, without spaces, such as mfa or urn:example:gold";
                self.complain(name, format!("{word:?} is nothing that a token can say"), remedy);
            }
        }
        words
    }
}

/// Tokens and the secret go there, so over TLS, unless it stays on this machine.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    (url.scheme() == "https" || (url.scheme() == "http" && here))
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_by_tls_or_is_here() {
        let rows = [
            ("https://login.example.com", true),
            ("https://login.example.com/realms/work", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/realms/work", true),
            ("http://login.example.com", false),
            ("https://user:password@login.example.com", false),
            ("https://login.example.com?tenant=1", false),
            ("login.example.com", false),
            ("file:///etc/passwd", false),
        ];
        for (text, good) in rows {
            assert_eq!(is_issuer(text), good, "{text}");
        }
    }
}
