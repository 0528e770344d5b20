//! What requests of one program have in common: a keyed number of what its headers tell of it.
//!
//! It groups requests in the log and helps a handler to tell an odd caller from a usual one. It is no identity: many people share
//! one, and whoever wants another one sends other headers. Nothing is stored at the caller's, no address is in it, and it is
//! another one every day (UTC), so that nobody can be followed by it for longer.
//!
//! What a request with an `Idempotency-Key` is known by is something else: [`super::super::request_fingerprint`].

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use levqor_engine::Keyring;
use levqor_model::Timestamp;

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
pub struct ClientFingerprint(u64);

impl fmt::Display for ClientFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl ClientFingerprint {
    pub(super) fn of(headers: &HeaderMap, keyring: &Keyring, now: Timestamp) -> Self {
        let day = now.as_seconds().div_euclid(SECONDS_PER_DAY).to_be_bytes();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 + 2 * TRAITS.len());
        parts.extend([b"client fingerprint".as_slice(), &day]);
        for name in &TRAITS {
            parts.extend(headers.get_all(name).iter().map(HeaderValue::as_bytes));
            // No header has such a value.
            parts.push(&[1]);
        }
        Self(keyring.number(&parts))
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::Secret;

    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_521_600);

    fn of(secret: &str, at: Timestamp, rows: &[(&'static str, &str)]) -> ClientFingerprint {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.append(*name, value.parse().unwrap());
        }
        ClientFingerprint::of(&headers, &Keyring::fixed(&Secret::new(secret)), at)
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
