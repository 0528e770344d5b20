//! What requests of one program have in common: a keyed hash over what its headers tell of it.
//!
//! It groups requests in the log and helps a handler to tell an odd caller from a usual one. It is no identity: many people share
//! one, and whoever wants another one sends other headers. Nothing is stored at the caller's, no address is in it, and the key
//! changes every day (UTC), so that nobody can be followed by it for longer.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, header};
use levqor_model::{Secret, Timestamp};
use sha2::Sha256;

/// What programs send alike with each request.
const TRAITS: [HeaderName; 7] = [
    header::USER_AGENT,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("sec-ch-ua"),
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform"),
    header::DNT,
];
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Makes fingerprints.
#[derive(Clone)]
pub(crate) struct Fingerprints(Hmac<Sha256>);

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints(…)")
    }
}

impl Fingerprints {
    pub(crate) fn new(secret: &Secret) -> Self {
        // HMAC takes keys of any length.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(b"fingerprint\0");
        Self(mac)
    }

    pub(super) fn of(&self, headers: &HeaderMap, now: Timestamp) -> Fingerprint {
        let mut mac = self.0.clone();
        mac.update(&now.as_seconds().div_euclid(SECONDS_PER_DAY).to_be_bytes());
        for name in &TRAITS {
            for value in headers.get_all(name) {
                mac.update(value.as_bytes());
                mac.update(&[1]);
            }
            mac.update(&[0]);
        }
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let (first, _) = bytes.split_at(8);
        Fingerprint(first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_521_600);

    fn of(secret: &str, at: Timestamp, rows: &[(&'static str, &str)]) -> Fingerprint {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.append(*name, value.parse().unwrap());
        }
        Fingerprints::new(&Secret::new(secret)).of(&headers, at)
    }

    #[test]
    fn one_program_has_one_a_day_and_no_header_of_a_single_request_is_in_it() {
        let usual = [("user-agent", "curl/8"), ("accept-language", "en")];
        let first = of("s", NOON, &usual);
        let hour = std::time::Duration::from_secs(3_600);
        assert_eq!(first, of("s", NOON + hour, &usual));
        let more =
            [usual[0], usual[1], ("cookie", "a=b"), ("authorization", "x"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(first, of("s", NOON, &more));
        assert_ne!(first, of("s", NOON + hour * 12, &usual), "the next day");
        assert_ne!(first, of("t", NOON, &usual), "another server");
        assert_ne!(first, of("s", NOON, &usual[..1]));
        // One header's end is no other's beginning.
        let (left, right) = ([("user-agent", "ab")], [("user-agent", "a"), ("accept-language", "b")]);
        assert_ne!(of("s", NOON, &left), of("s", NOON, &right));
        assert_eq!(first.to_string().len(), 16);
    }
}
