//! Where a request comes from, by what trusted proxies say of it. Pure.
//!
//! ```text
//! client ─► proxy A ─► proxy B ─► us        header: client, A        peer: B
//!                                            ◄──────────── walked from the right, while the sender is trusted
//! ```
//!
//! Each proxy adds who sent to it at the right end, so everything left of the first address that is not trusted was written by
//! a stranger. One header is read, the one that the operator's proxies write: the other may have come from the stranger.
//!
//! Invariant: without a trusted peer no header is looked at.
//!
//! Sources: RFC 7239; for `X-Forwarded-For`, what proxies do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};

use super::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies between a caller and us; a longer chain is somebody's game.
const HOPS_MAX: usize = 16;

/// The header in which trusted proxies name who sent to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which `levqor edge` writes.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The nearest address that no trusted proxy has, as far as trusted ones tell it. What cannot be read ends the walk at whoever
/// told it.
pub(super) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &Networks,
    header: ForwardedHeader,
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    if !trusted.contains(nearest) {
        return nearest;
    }
    let (name, read): (_, fn(&str) -> Option<IpAddr>) = match header {
        ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, |part| node(part.trim(), true)),
        ForwardedHeader::Forwarded => (header::FORWARDED, |part| node_of_element(part)),
    };
    let lines: Vec<_> = headers.get_all(name).iter().rev().collect();
    let parts = lines.into_iter().flat_map(|line| match line.to_str() {
        Ok(line) => PartsFromRight { rest: Some(line), separator: b',' },
        // A part that nobody can read.
        Err(_) => PartsFromRight { rest: Some("?"), separator: b',' },
    });
    for part in parts.take(HOPS_MAX) {
        let Some(address) = read(part) else { break };
        nearest = address;
        if !trusted.contains(nearest) {
            break;
        }
    }
    nearest
}

/// Parts of a list, the last one first. A separator within quotes is none; quotes are counted from the right, so that an open
/// one at the left, where strangers write, cannot hide what a proxy has added.
struct PartsFromRight<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for PartsFromRight<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let mut quoted = false;
        for (at, byte) in rest.bytes().enumerate().rev() {
            if byte == b'"' {
                quoted = !quoted;
            } else if byte == self.separator && !quoted {
                self.rest = Some(&rest[..at]);
                return Some(&rest[at + 1..]);
            }
        }
        self.rest = None;
        Some(rest)
    }
}

/// Who sent, in one element of `Forwarded`. None: hidden, unknown, not said, or not readable.
fn node_of_element(element: &str) -> Option<IpAddr> {
    // None of what names an address needs an escape.
    if element.contains('\\') {
        return None;
    }
    let mut found = None;
    for pair in (PartsFromRight { rest: Some(element), separator: b';' }) {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            // Said twice, it is said in two ways.
            if found.replace(value.trim()).is_some() {
                return None;
            }
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(rest) => node(rest.strip_suffix('"')?, false),
        // A colon or a bracket must be quoted.
        None if value.contains([':', '[']) => None,
        None => node(value, false),
    }
}

/// An address with or without a port. `bare` lets IPv6 stand without brackets, as it does in `X-Forwarded-For`.
fn node(text: &str, bare: bool) -> Option<IpAddr> {
    if bare && let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(address).to_canonical());
    }
    let (address, rest) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, rest) = text.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let (address, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), rest)
        }
    };
    let fits = match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some(port) => is_port(port),
    };
    fits.then(|| address.to_canonical())
}

/// A number, or a name that hides it (`_…`).
fn is_port(text: &str) -> bool {
    let hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match text.strip_prefix('_') {
        Some(name) => hidden(name),
        None => !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8, 2001:db8:a::/48";

    fn found(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), line.parse().unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &TRUSTED.parse().unwrap(), header).to_string()
    }

    #[test]
    fn x_forwarded_for_is_walked_from_the_right_while_the_sender_is_trusted() {
        let rows: &[(&str, &[&str], &str)] = &[
            // Nobody trusted: a claim.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("2001:db8:a::7", &["198.51.100.1"], "198.51.100.1"),
            // What a stranger wrote before the first trusted hop is not reached.
            ("10.0.0.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1,10.0.0.3 ,  10.0.0.2"], "198.51.100.1"),
            // All of them are trusted: the farthest.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Ports, brackets, mapped addresses.
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // What cannot be read ends the walk.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1,, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.256"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:99999999"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:80x"], "10.0.0.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::1"], "10.0.0.1"),
            ("10.0.0.1", &["\"198.51.100.1\""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1 evil"], "10.0.0.1"),
            ("10.0.0.1", &["010.0.0.1"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ];
        for (peer, lines, expected) in rows {
            assert_eq!(
                found(ForwardedHeader::XForwardedFor, peer, lines),
                *expected,
                "{lines:?} from {peer}"
            );
        }
    }

    #[test]
    fn forwarded_is_walked_the_same_way() {
        let rows: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["for=198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &["for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["For=\"198.51.100.1:80\";proto=https;host=a.example"], "198.51.100.1"),
            ("10.0.0.1", &["proto=http;for=198.51.100.1 ; by=10.0.0.1"], "198.51.100.1"),
            ("10.0.0.1", &["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            ("10.0.0.1", &["for=\"[2001:db8::1]:_port\""], "2001:db8::1"),
            ("10.0.0.1", &["for=8.8.8.8, for=198.51.100.1, for=10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["for=8.8.8.8", "for=198.51.100.1", "for=10.0.0.2"], "198.51.100.1"),
            // Separators in quotes are part of a value.
            ("10.0.0.1", &["for=198.51.100.1;host=\"a,b;c\""], "198.51.100.1"),
            // A stranger's open quote does not swallow what the proxy added.
            ("10.0.0.1", &["for=\", for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["host=\"x, for=198.51.100.1;proto=http"], "198.51.100.1"),
            // Hidden, unknown, not said, said twice, badly said.
            ("10.0.0.1", &["for=198.51.100.1, for=_SEVKISEK"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1, for=unknown, for=10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["for=198.51.100.1, proto=http"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1;for=8.8.8.8"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1:80"], "10.0.0.1"),
            ("10.0.0.1", &["for=[2001:db8::1]"], "10.0.0.1"),
            ("10.0.0.1", &["for=\"2001:db8::1\""], "10.0.0.1"),
            ("10.0.0.1", &["for=\"198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", &["for=\"198.51.100.\\1\""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", &["for="], "10.0.0.1"),
        ];
        for (peer, lines, expected) in rows {
            assert_eq!(found(ForwardedHeader::Forwarded, peer, lines), *expected, "{lines:?} from {peer}");
        }
    }

    #[test]
    fn one_header_is_read_and_the_other_is_not() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, "198.51.100.1".parse().unwrap());
        headers.insert(header::FORWARDED, "for=8.8.8.8".parse().unwrap());
        let (peer, trusted) = ("10.0.0.1".parse().unwrap(), TRUSTED.parse().unwrap());
        let found = |header| client_address(peer, &headers, &trusted, header).to_string();
        assert_eq!(found(ForwardedHeader::XForwardedFor), "198.51.100.1");
        assert_eq!(found(ForwardedHeader::Forwarded), "8.8.8.8");
    }

    #[test]
    fn a_chain_that_is_too_long_is_not_followed_to_its_end() {
        let line = format!("198.51.100.1{}", ", 10.0.0.2".repeat(HOPS_MAX));
        assert_eq!(found(ForwardedHeader::XForwardedFor, "10.0.0.1", &[&line]), "10.0.0.2");
        let line = format!("198.51.100.1{}", ", 10.0.0.2".repeat(HOPS_MAX - 1));
        assert_eq!(found(ForwardedHeader::XForwardedFor, "10.0.0.1", &[&line]), "198.51.100.1");
    }

    proptest! {
        /// Whatever a stranger writes at the left, the address that a trusted proxy saw is the one that is found.
        #[test]
        fn nothing_at_the_left_changes_who_sent(left in "[ -~]{0,60}", both in any::<bool>()) {
            let header = if both { ForwardedHeader::Forwarded } else { ForwardedHeader::XForwardedFor };
            let right = if both { "for=203.0.113.9" } else { "203.0.113.9" };
            prop_assert_eq!(found(header, "10.0.0.1", &[&format!("{left}, {right}")]), "203.0.113.9");
            prop_assert_eq!(found(header, "10.0.0.1", &[left.trim(), right]), "203.0.113.9");
        }

        #[test]
        fn no_text_makes_it_panic(line in "[\\PC]{0,80}", header in any::<bool>()) {
            let header = if header { ForwardedHeader::Forwarded } else { ForwardedHeader::XForwardedFor };
            let mut headers = HeaderMap::new();
            for name in [X_FORWARDED_FOR, header::FORWARDED] {
                if let Ok(value) = http::HeaderValue::from_bytes(line.as_bytes()) {
                    headers.insert(name, value);
                }
            }
            let _ = client_address("10.0.0.1".parse().unwrap(), &headers, &TRUSTED.parse().unwrap(), header);
        }
    }
}
