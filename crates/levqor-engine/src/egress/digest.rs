//! Digest authentication: reading a challenge, and the answer to it.
//!
//! Sources: RFC 7616; RFC 7235 §2.1 and RFC 9110 §11 for the grammar of challenges.

use levqor_model::Secret;
use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};

/// Challenges that are looked at; a callee that sends more wants something else than an answer.
const CHALLENGES_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn hex(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Hash::Md5 => hex(&Md5::digest(text.as_bytes())),
            Hash::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// A digest challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    hash: Hash,
    /// As the callee named it.
    algorithm: Option<String>,
    session: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// `qop=auth`; without it the callee speaks the older RFC 2069.
    qop: bool,
    /// The nonce was too old, and nothing else was wrong.
    pub(super) stale: bool,
}

/// The strongest challenge of an answer that can be answered here.
///
/// # Errors
/// Why none can.
pub(super) fn challenge(headers: &HeaderMap) -> Result<Challenge, String> {
    let mut best: Option<Challenge> = None;
    let mut reason = "it sends no digest challenge".to_owned();
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    for (scheme, members) in texts.flat_map(challenges).take(CHALLENGES_MAX) {
        if !scheme.eq_ignore_ascii_case("digest") {
            continue;
        }
        match read(&members) {
            Ok(found) if best.as_ref().is_none_or(|best| found.hash > best.hash) => best = Some(found),
            Ok(_) => {}
            Err(wrong) => reason = wrong,
        }
    }
    best.ok_or(reason)
}

fn read(members: &[(String, String)]) -> Result<Challenge, String> {
    let member = |name: &str| {
        members.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let algorithm = member("algorithm");
    let (hash, session) = match algorithm.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("MD5") => (Hash::Md5, false),
        Some("MD5-SESS") => (Hash::Md5, true),
        Some("SHA-256") => (Hash::Sha256, false),
        Some("SHA-256-SESS") => (Hash::Sha256, true),
        Some(_) => return Err("its digest challenge asks for an algorithm that is not supported".to_owned()),
    };
    let qop = match member("qop") {
        None => false,
        Some(offered) if offered.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) => true,
        Some(_) => return Err("its digest challenge does not offer qop=auth".to_owned()),
    };
    Ok(Challenge {
        hash,
        algorithm,
        session,
        realm: member("realm").ok_or("its digest challenge has no realm")?,
        nonce: member("nonce").ok_or("its digest challenge has no nonce")?,
        opaque: member("opaque"),
        qop,
        stale: member("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    })
}

/// Schemes with their members.
fn challenges(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for item in items(text) {
        let head = item.split('=').next().unwrap_or_default().trim_end();
        let member = match head.split_once(char::is_whitespace) {
            // `Digest realm="…"`: a scheme, and its first member.
            Some((scheme, _)) => {
                found.push((scheme.to_owned(), Vec::new()));
                item[scheme.len()..].trim_start()
            }
            None if item.contains('=') => item,
            None => {
                found.push((item.to_owned(), Vec::new()));
                continue;
            }
        };
        if let (Some((name, value)), Some((_, members))) = (member.split_once('='), found.last_mut()) {
            members.push((name.trim().to_owned(), unquoted(value.trim())));
        }
    }
    found
}

/// The parts between commas that are not in quotes.
fn items(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                items.push(text[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            text.push(c);
        }
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Challenge {
    /// The value of `Authorization`. `uri` is the request's target; the nonce is used this once.
    pub(super) fn answer(
        &self,
        username: &str,
        password: &Secret,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> String {
        const COUNT: &str = "00000001";
        let Self { hash, realm, nonce, .. } = self;
        let mut user = hash.hex(&format!("{username}:{realm}:{}", password.expose()));
        if self.session {
            user = hash.hex(&format!("{user}:{nonce}:{cnonce}"));
        }
        let request = hash.hex(&format!("{method}:{uri}"));
        let response = if self.qop {
            hash.hex(&format!("{user}:{nonce}:{COUNT}:{cnonce}:auth:{request}"))
        } else {
            hash.hex(&format!("{user}:{nonce}:{request}"))
        };
        let name = if username.is_ascii() {
            format!("username={}", quoted(username))
        } else {
            format!("username*=UTF-8''{}", utf8_percent_encode(username, NON_ALPHANUMERIC))
        };
        let mut value = format!(
            "Digest {name}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(realm),
            quoted(nonce),
            quoted(uri)
        );
        if let Some(algorithm) = &self.algorithm {
            value.push_str(&format!(", algorithm={algorithm}"));
        }
        if self.qop {
            value.push_str(&format!(", qop=auth, nc={COUNT}, cnonce={}", quoted(cnonce)));
        } else if self.session {
            value.push_str(&format!(", cnonce={}", quoted(cnonce)));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        headers
    }

    /// The example of RFC 7616, §3.9.1, with both algorithms.
    #[test]
    fn the_example_of_the_standard() {
        let text = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = challenge(&headers(&[&text(algorithm)])).unwrap();
            let answer =
                challenge.answer("Mufasa", &Secret::new("Circle of Life"), "GET", "/dir/index.html", cnonce);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains(&format!("algorithm={algorithm}, qop=auth, nc=00000001")), "{answer}");
            assert!(!answer.contains("Circle"), "{answer}");
        }
        // The stronger of two wins, wherever it stands.
        let both = challenge(&headers(&[&text("MD5"), &text("SHA-256")])).unwrap();
        assert_eq!(both.hash, Hash::Sha256);
        let joined = format!("Basic realm=\"a, b\", {}, {}", text("SHA-256"), text("MD5"));
        assert_eq!(challenge(&headers(&[&joined])).unwrap(), both);
    }

    #[test]
    fn the_older_form_and_sessions() {
        let old = challenge(&headers(&["Digest realm=r,nonce=\"a\\\"b\", stale=TRUE"])).unwrap();
        assert!(old.stale && !old.qop && old.nonce == "a\"b");
        let answer = old.answer("ä", &Secret::new("p"), "GET", "/", "c");
        assert!(
            answer.starts_with("Digest username*=UTF-8''%C3%A4, realm=\"r\", nonce=\"a\\\"b\""),
            "{answer}"
        );
        assert!(!answer.contains("cnonce"), "{answer}");
        let session =
            challenge(&headers(&["Digest realm=r, nonce=n, qop=auth, algorithm=MD5-sess"])).unwrap();
        let plain = Challenge { session: false, ..session.clone() };
        let answers =
            [&session, &plain].map(|challenge| challenge.answer("u", &Secret::new("p"), "GET", "/", "c"));
        assert_ne!(answers[0], answers[1]);
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        for (text, reason) in [
            ("Basic realm=x", "no digest challenge"),
            ("Negotiate", "no digest challenge"),
            ("", "no digest challenge"),
            ("Digest realm=x", "no nonce"),
            ("Digest nonce=x", "no realm"),
            ("Digest realm=x, nonce=y, qop=auth-int", "does not offer qop=auth"),
            ("Digest realm=x, nonce=y, algorithm=SHA-512-256", "not supported"),
        ] {
            let said = challenge(&headers(&[text])).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
