//! The affinity cookie: a caller stays in the region that answered first, for as long as that region is up.
//!
//! `v1.<region>.<expiry>.<mac>`: signed with HMAC-SHA256, so nobody can pin themselves elsewhere by writing one. A forged,
//! broken or expired cookie counts as none.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use levqor_model::{RegionCode, Timestamp};
use ring::hmac;

pub const COOKIE: &str = "levqor_edge";
/// The same over TLS: its name has browsers take it from this very host only, so that no neighbour under the same domain can
/// put one of its own there.
pub const HOST_COOKIE: &str = "__Host-levqor_edge";
/// Fewer bytes are no secret.
pub const SECRET_BYTES_MIN: usize = 32;
/// Cookie headers longer than this are not searched.
const COOKIES_BYTES_MAX: usize = 16 * 1024;
const CONTEXT: &str = "levqor edge affinity 1";

/// Signs and reads cookies.
#[derive(Debug)]
pub struct Affinity {
    key: hmac::Key,
    lifetime: Duration,
}

/// What a caller's cookie said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    None,
    Valid { region: RegionCode, expires: Timestamp },
    Expired,
    Forged,
}

impl Affinity {
    /// None when the secret is too short.
    pub fn new(secret: &[u8], lifetime: Duration) -> Option<Self> {
        (secret.len() >= SECRET_BYTES_MIN)
            .then(|| Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), lifetime })
    }

    /// The value of a new cookie.
    pub fn value(&self, region: &RegionCode, now: Timestamp) -> String {
        let expires = (now + self.lifetime).as_seconds();
        let mac = hmac::sign(&self.key, signed_text(region.as_str(), expires).as_bytes());
        format!("v1.{region}.{expires}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Judges the value of a cookie.
    pub fn read(&self, value: &str, now: Timestamp) -> Pin {
        let parts: Vec<&str> = value.splitn(5, '.').collect();
        let ["v1", code, expires, mac] = parts[..] else { return Pin::Forged };
        let (Ok(region), Ok(expires), Ok(mac)) =
            (code.parse::<RegionCode>(), expires.parse::<i64>(), URL_SAFE_NO_PAD.decode(mac))
        else {
            return Pin::Forged;
        };
        if hmac::verify(&self.key, signed_text(code, expires).as_bytes(), &mac).is_err() {
            return Pin::Forged;
        }
        let expires = Timestamp::from_seconds(expires);
        if expires <= now { Pin::Expired } else { Pin::Valid { region, expires } }
    }

    /// Whether an answer from `region` should bring a (new) cookie: the caller has no valid one, it names another region, or
    /// half of its time is over.
    pub fn wants_cookie(&self, pin: &Pin, region: &RegionCode, now: Timestamp) -> bool {
        match pin {
            Pin::Valid { region: pinned, expires } => pinned != region || *expires < now + self.lifetime / 2,
            Pin::None | Pin::Expired | Pin::Forged => true,
        }
    }

    /// `Set-Cookie` for an answer; `secure`: the caller speaks TLS.
    pub fn set_cookie(&self, region: &RegionCode, now: Timestamp, secure: bool) -> Option<HeaderValue> {
        let (name, flag) = (cookie_name(secure), if secure { "; Secure" } else { "" });
        let text = format!(
            "{name}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{flag}",
            self.value(region, now),
            self.lifetime.as_secs()
        );
        HeaderValue::try_from(text).ok()
    }
}

fn cookie_name(secure: bool) -> &'static str {
    if secure { HOST_COOKIE } else { COOKIE }
}

fn signed_text(region: &str, expires: i64) -> String {
    format!("{CONTEXT}\n{region}\n{expires}")
}

/// Takes the edge's cookies out of a request's headers; origins have no use for them. Gives the value of the one that counts:
/// from a caller who speaks TLS (`secure`) only what has the name that this host alone can give.
pub fn take_cookie(headers: &mut HeaderMap, secure: bool) -> Option<String> {
    let present = headers
        .get_all(header::COOKIE)
        .iter()
        .any(|value| value.len() <= COOKIES_BYTES_MAX && contains(value.as_bytes(), COOKIE.as_bytes()));
    if !present {
        return None;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    let mut found = None;
    for line in lines {
        let Ok(text) = line.to_str() else {
            headers.append(header::COOKIE, line);
            continue;
        };
        let mut kept = Vec::new();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) if [COOKIE, HOST_COOKIE].contains(&name.trim()) => {
                    if name.trim() == cookie_name(secure) {
                        found.get_or_insert_with(|| value.trim().to_owned());
                    }
                }
                _ => kept.push(pair),
            }
        }
        if let Ok(line) = HeaderValue::try_from(kept.join("; "))
            && !line.is_empty()
        {
            headers.append(header::COOKIE, line);
        }
    }
    found
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_503_701);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn affinity(byte: u8) -> Affinity {
        Affinity::new(&[byte; 32], HOUR).unwrap()
    }

    fn region() -> RegionCode {
        "eu-west".parse().unwrap()
    }

    #[test]
    fn a_cookie_is_good_for_its_key_and_time_only() {
        let value = affinity(1).value(&region(), NOW);
        let expires = NOW + HOUR;
        assert_eq!(affinity(1).read(&value, NOW), Pin::Valid { region: region(), expires });
        assert_eq!(affinity(1).read(&value, expires), Pin::Expired);
        assert_eq!(affinity(2).read(&value, NOW), Pin::Forged);
        assert_eq!(affinity(1).read(&value.replace("eu-west", "us-east"), NOW), Pin::Forged);
        let later = value.replace(&expires.as_seconds().to_string(), "9795507301");
        assert_eq!(affinity(1).read(&later, NOW), Pin::Forged);
        for broken in ["", "v1", "v1.eu-west..", "v2.eu-west.1.AA", &format!("{value}.x"), &value[1..]] {
            assert_eq!(affinity(1).read(broken, NOW), Pin::Forged, "{broken}");
        }
        assert!(Affinity::new(&[1; 31], HOUR).is_none());
    }

    #[test]
    fn a_cookie_is_given_when_it_is_missing_wrong_or_half_over() {
        let affinity = affinity(1);
        let pin = |region: &str, seconds| Pin::Valid {
            region: region.parse().unwrap(),
            expires: NOW + Duration::from_secs(seconds),
        };
        for (pin, wanted) in [
            (Pin::None, true),
            (Pin::Forged, true),
            (Pin::Expired, true),
            (pin("us-east", 3_600), true),
            (pin("eu-west", 3_600), false),
            (pin("eu-west", 1_700), true),
        ] {
            assert_eq!(affinity.wants_cookie(&pin, &region(), NOW), wanted, "{pin:?}");
        }
    }

    #[test]
    fn over_tls_the_cookie_is_this_hosts_alone() {
        let text = |secure| {
            let cookie = affinity(1).set_cookie(&region(), NOW, secure).unwrap();
            cookie.to_str().unwrap().to_owned()
        };
        let (plain, guarded) = (text(false), text(true));
        assert!(plain.starts_with("levqor_edge=v1.eu-west.") && !plain.contains("Secure"), "{plain}");
        // What browsers ask of such a name.
        assert!(guarded.starts_with("__Host-levqor_edge=v1.eu-west."), "{guarded}");
        assert!(guarded.contains("; Path=/;") && guarded.ends_with("; Secure"), "{guarded}");
        assert!(!guarded.contains("Domain"), "{guarded}");
    }

    #[test]
    fn the_cookie_is_taken_out_and_the_others_stay() {
        for (secure, lines, found, left) in [
            (false, &["a=1; levqor_edge=v; b=2"][..], Some("v"), &["a=1; b=2"][..]),
            (false, &["levqor_edge=v"], Some("v"), &[]),
            (false, &["a=1", "levqor_edge=v; levqor_edge=w"], Some("v"), &["a=1"]),
            (false, &["a=1;b"], None, &["a=1;b"]),
            (false, &["not_levqor_edge=1"], None, &["not_levqor_edge=1"]),
            (true, &["levqor_edge=w; __Host-levqor_edge=v; b=2"], Some("v"), &["b=2"]),
            // A neighbour under the same domain could have set it.
            (true, &["levqor_edge=w; b=2"], None, &["b=2"]),
            // Browsers send it over TLS only.
            (false, &["__Host-levqor_edge=v; b=2"], None, &["b=2"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            assert_eq!(take_cookie(&mut headers, secure).as_deref(), found, "{lines:?}");
            let after: Vec<_> =
                headers.get_all(header::COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(after, left, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_valid_unless_it_was_signed(text in "(v1\\.)?[a-z-]{0,12}\\.?[0-9]{0,20}\\.?[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(affinity(1).read(&text, NOW), Pin::Forged);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), secure in any::<bool>()) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.append(header::COOKIE, value);
                let _ = take_cookie(&mut headers, secure).map(|value| affinity(1).read(&value, NOW));
            }
        }
    }
}
