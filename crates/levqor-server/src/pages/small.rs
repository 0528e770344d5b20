//! Bytes that are made small once, for those who take them so, instead of anew for each who asks.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};

/// Below this many bytes it is not worth it.
const SMALL: usize = 1_024;

pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// None: they are few as they are.
pub(crate) fn gzipped(plain: &[u8], level: Compression) -> Option<Bytes> {
    if plain.len() < SMALL {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether the answer may be compressed (RFC 9110, section 12.5.3).
pub(crate) fn takes_gzip(asked: &HeaderMap) -> bool {
    let all = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.trim_end_matches(['0', '.']).is_empty())
        });
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip_gets_it() {
        for (value, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("br", false),
            ("", false),
        ] {
            let asked = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(takes_gzip(&asked), takes, "{value}");
        }
    }

    #[test]
    fn few_bytes_stay_as_they_are() {
        assert_eq!(gzipped(&[b'x'; SMALL - 1], Compression::best()), None);
        assert!(gzipped(&[b'x'; SMALL], Compression::best()).unwrap().len() < 100);
    }
}
