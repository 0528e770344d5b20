//! Headers on their way through. Pure.
//!
//! What belongs to one hop stays there (RFC 9110, section 7.6.1). What a client says of itself (`X-Forwarded-*`,
//! `X-Levqor-*`) is believed only when a trusted proxy says it.

use std::{fmt::Write as _, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{self, Entry},
};

pub const REGION: HeaderName = HeaderName::from_static("x-levqor-region");
/// In an answer: the origin drains and wants no new requests. With status 503: it did not begin this one.
pub const DRAINING: HeaderName = HeaderName::from_static("x-levqor-draining");
/// The caller's country as the edge knows it, for nodes that trust the edge.
const COUNTRY: HeaderName = HeaderName::from_static("x-levqor-country");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Belong to one connection, also when `Connection` does not name them.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// `Connection` cannot take these away: others rely on them.
const END_TO_END: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::CACHE_CONTROL,
    HeaderName::from_static("idempotency-key"),
];
/// A chain of addresses is not passed on beyond this.
const FORWARDED_FOR_BYTES_MAX: usize = 2_048;

/// Who sent a request, and how.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    pub address: IpAddr,
    /// Its word on others is believed.
    pub trusted: bool,
    pub tls: bool,
    /// As the client wrote it, port included.
    pub host: &'a str,
    /// Two capital letters.
    pub country: Option<&'a str>,
    pub version: Version,
}

/// Makes the headers of a client's request those of the edge's request to an origin.
pub fn to_origin(headers: &mut HeaderMap, client: &Client<'_>, edge: &str) {
    drop_hop_by_hop(headers);
    headers.remove(header::EXPECT);
    for name in [REGION, DRAINING, COUNTRY] {
        headers.remove(name);
    }
    if !client.trusted {
        for name in [REAL_IP, header::FORWARDED, FORWARDED_PROTO, FORWARDED_HOST, FORWARDED_FOR] {
            headers.remove(name);
        }
    }
    let mut chain = chain(headers);
    // An address always makes a header value.
    let _ = write!(chain, "{}", client.address.to_canonical());
    set(headers, FORWARDED_FOR, chain);
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if client.tls { "https" } else { "http" }));
    }
    if !headers.contains_key(FORWARDED_HOST) {
        set(headers, FORWARDED_HOST, client.host.to_owned());
    }
    set(headers, header::HOST, client.host.to_owned());
    if let Some(country) = client.country {
        set(headers, COUNTRY, country.to_owned());
    }
    add_via(headers, client.version, edge);
}

/// Makes the headers of an origin's answer those of the edge's answer. `region` is told when the origin did not.
pub fn to_client(headers: &mut HeaderMap, version: Version, region: &HeaderValue, edge: &str) {
    drop_hop_by_hop(headers);
    headers.remove(DRAINING);
    if let Entry::Vacant(place) = headers.entry(REGION) {
        place.insert(region.clone());
    }
    add_via(headers, version, edge);
}

/// The caller's country, from a header that a trusted proxy set: two capital letters.
pub fn country<'a>(headers: &'a HeaderMap, name: Option<&HeaderName>, trusted: bool) -> Option<&'a str> {
    let value = headers.get(name.filter(|_| trusted)?)?.to_str().ok()?;
    (value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(value)
}

/// Where the caller is: the nearest address of the chain that no trusted proxy has, as far as trusted ones tell it.
pub fn caller(headers: &HeaderMap, peer: IpAddr, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut nearest = peer;
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    for word in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !trusts(nearest) {
            break;
        }
        let Ok(address) = word.trim().parse() else { break };
        nearest = address;
    }
    nearest
}

/// The protocol that a request wants to change to. Not plain HTTP/2 (`h2c`): requests in such a tunnel would pass unseen, and clients
/// that offer it go on without.
pub fn wanted_upgrade(headers: &HeaderMap, version: Version) -> Option<HeaderValue> {
    let wants = version == Version::HTTP_11
        && headers.get_all(header::CONNECTION).iter().any(|value| {
            value
                .to_str()
                .is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")))
        });
    let is_http_2 = |value: &HeaderValue| {
        value.as_bytes().get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"h2c"))
    };
    headers.get(header::UPGRADE).filter(|value| wants && !is_http_2(value)).cloned()
}

/// Whether the client's own words in `X-Levqor-Region` are there to be ignored.
pub fn claims_region(headers: &HeaderMap) -> bool {
    headers.contains_key(REGION)
}

/// Who sent to those before, as a text to go on with: the right end of it, where proxies write. Strangers write at the left, and could
/// fill any bound with it. What cannot be read ends it.
fn chain(headers: &HeaderMap) -> String {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let readable = lines.map_while(|line| line.to_str().ok());
    let mut bytes = 0;
    let words: Vec<&str> = readable
        .flat_map(|line| line.rsplit(','))
        .map(str::trim)
        .take_while(|word| {
            bytes += word.len() + ", ".len();
            bytes <= FORWARDED_FOR_BYTES_MAX
        })
        .collect();
    words.iter().rev().flat_map(|word| [*word, ", "]).collect()
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .filter_map(|word| word.trim().parse::<HeaderName>().ok())
            .filter(|name| !END_TO_END.contains(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn add_via(headers: &mut HeaderMap, version: Version, edge: &str) {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    };
    if let Ok(via) = HeaderValue::try_from(format!("{version} {edge}")) {
        headers.append(header::VIA, via);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: String) {
    match HeaderValue::try_from(text) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(_) => {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn client(trusted: bool) -> Client<'static> {
        Client {
            address: "203.0.113.9".parse().unwrap(),
            trusted,
            tls: true,
            host: "api.example.com",
            country: None,
            version: Version::HTTP_11,
        }
    }

    fn map(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in text.split(" | ").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> String {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join(" | ")
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        let told = "host: api.example.com | via: 1.1 e | x-forwarded-for: 203.0.113.9 | \
                    x-forwarded-host: api.example.com | x-forwarded-proto: https";
        for lines in [
            "",
            "host: other",
            "x-forwarded-for: 1.2.3.4 | x-forwarded-proto: http | x-forwarded-host: evil | x-real-ip: 1.2.3.4",
            "forwarded: for=1.2.3.4 | x-levqor-region: us-east | x-levqor-draining: 1 | x-levqor-country: FR",
            "connection: close, x-secret | x-secret: 1 | keep-alive: 1 | te: trailers | upgrade: h2c",
            "transfer-encoding: chunked | trailer: x | proxy-authorization: a | expect: 100-continue",
        ] {
            let mut headers = map(lines);
            to_origin(&mut headers, &client(false), "e");
            assert_eq!(shown(&headers), told, "{lines}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_its_chain_goes_on() {
        let mut headers = map(
            "x-forwarded-for: 1.2.3.4 | x-forwarded-for: 5.6.7.8 | x-forwarded-proto: http | x-forwarded-host: h | via: 1.1 cdn",
        );
        to_origin(&mut headers, &client(true), "e");
        assert_eq!(
            shown(&headers),
            "host: api.example.com | via: 1.1 cdn | via: 1.1 e | x-forwarded-for: 1.2.3.4, 5.6.7.8, 203.0.113.9 | \
             x-forwarded-host: h | x-forwarded-proto: http"
        );
    }

    #[test]
    fn a_chain_that_is_too_long_keeps_what_proxies_wrote() {
        let made_up = ["6.6.6.6"; 226].join(", ");
        let (odd, longer) = (format!("{made_up}\u{e9}"), [made_up.as_str(); 3].join(", "));
        for lines in [
            // A line of the stranger's, and one of the proxy.
            vec![made_up.clone(), "198.51.100.1".to_owned()],
            // What the proxy has added to the stranger's line.
            vec![format!("{longer}, 198.51.100.1")],
            vec![odd, "198.51.100.1".to_owned()],
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            to_origin(&mut headers, &client(true), "e");
            let chain = headers[FORWARDED_FOR].to_str().unwrap();
            assert!(chain.ends_with("198.51.100.1, 203.0.113.9"), "{chain}");
            assert!(chain.len() < FORWARDED_FOR_BYTES_MAX + 50, "{}", chain.len());
        }
    }

    #[test]
    fn the_country_is_the_edges_word_alone() {
        for lines in ["", "x-levqor-country: FR", "x-levqor-country: FR | x-levqor-country: DE"] {
            let mut headers = map(lines);
            to_origin(&mut headers, &Client { country: Some("US"), ..client(true) }, "e");
            let found: Vec<_> = headers.get_all(COUNTRY).iter().collect();
            assert_eq!(found, ["US"], "{lines}");
        }
    }

    #[test]
    fn connection_cannot_take_away_what_others_rely_on() {
        let mut headers = map(
            "connection: authorization, host, content-length, x-forwarded-for | authorization: a | content-length: 3",
        );
        to_origin(&mut headers, &client(false), "e");
        assert_eq!(
            shown(&headers),
            "authorization: a | content-length: 3 | host: api.example.com | via: 1.1 e | x-forwarded-for: 203.0.113.9 | \
             x-forwarded-host: api.example.com | x-forwarded-proto: https"
        );
    }

    #[test]
    fn answers_name_their_region() {
        let region = HeaderValue::from_static("eu-west");
        let mut headers = map("connection: close | x-levqor-draining: 1 | content-type: text/plain");
        to_client(&mut headers, Version::HTTP_11, &region, "e");
        assert_eq!(shown(&headers), "content-type: text/plain | via: 1.1 e | x-levqor-region: eu-west");
        let mut headers = map("x-levqor-region: us-east");
        to_client(&mut headers, Version::HTTP_11, &region, "e");
        assert_eq!(shown(&headers), "via: 1.1 e | x-levqor-region: us-east");
    }

    #[test]
    fn a_country_is_two_letters_from_a_trusted_proxy() {
        let name = HeaderName::from_static("cf-ipcountry");
        for (value, trusted, expected) in [
            ("DE", true, Some("DE")),
            ("DE", false, None),
            ("de", true, None),
            ("DEU", true, None),
            ("", true, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), HeaderValue::from_static(value));
            assert_eq!(country(&headers, Some(&name), trusted), expected, "{value} {trusted}");
            assert_eq!(country(&headers, None, trusted), None);
        }
    }

    #[test]
    fn the_caller_is_the_nearest_that_no_trusted_proxy_has() {
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        for (lines, peer, expected) in [
            ("", "203.0.113.9", "203.0.113.9"),
            // From anybody else the chain is a claim.
            ("x-forwarded-for: 198.51.100.1", "203.0.113.9", "203.0.113.9"),
            ("x-forwarded-for: 198.51.100.1", "10.0.0.1", "198.51.100.1"),
            ("x-forwarded-for: 8.8.8.8, 198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.1"),
            ("x-forwarded-for: 8.8.8.8 | x-forwarded-for: 2001:db8::1", "10.0.0.1", "2001:db8::1"),
            ("x-forwarded-for: 198.51.100.1, unknown, 10.0.0.2", "10.0.0.1", "10.0.0.2"),
            ("", "10.0.0.1", "10.0.0.1"),
        ] {
            let found = caller(&map(lines), peer.parse().unwrap(), trusts);
            assert_eq!(found.to_string(), expected, "{lines} from {peer}");
        }
    }

    #[test]
    fn an_upgrade_is_wanted_by_both_headers_in_http_1_1() {
        for (lines, version, expected) in [
            ("connection: keep-alive, Upgrade | upgrade: websocket", Version::HTTP_11, true),
            ("connection: upgrade | upgrade: websocket", Version::HTTP_10, false),
            ("connection: upgrade", Version::HTTP_11, false),
            ("upgrade: websocket", Version::HTTP_11, false),
            ("connection: upgrade | upgrade: H2C", Version::HTTP_11, false),
        ] {
            assert_eq!(wanted_upgrade(&map(lines), version).is_some(), expected, "{lines}");
        }
    }

    const OURS: [&str; 6] =
        ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-levqor-region"];

    proptest! {
        /// Whatever comes: end-to-end headers pass in their order, nothing else appears but what the edge says itself.
        #[test]
        fn no_header_is_lost_or_invented(
            rows in prop::collection::vec(("(x-[a-z]{1,6}|accept|cookie|content-type|te|upgrade|x-real-ip|connection)", "[ -~]{0,20}"), 0..15),
            trusted in any::<bool>(),
            answer in any::<bool>(),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &rows {
                headers.append(name.parse::<HeaderName>().unwrap(), value.trim().parse().unwrap());
            }
            let named: Vec<String> = headers
                .get_all("connection").iter()
                .flat_map(|value| value.to_str().unwrap().split(',').map(|word| word.trim().to_ascii_lowercase()))
                .collect();
            let passes = |name: &HeaderName| {
                !HOP_BY_HOP.contains(name)
                    && !OURS.contains(&name.as_str())
                    && (answer || trusted || *name != REAL_IP)
                    && (!named.contains(&name.to_string()) || END_TO_END.contains(name))
            };
            let mut expected: BTreeMap<String, Vec<HeaderValue>> = BTreeMap::new();
            for (name, value) in headers.iter().filter(|(name, _)| passes(name)) {
                expected.entry(name.to_string()).or_default().push(value.clone());
            }
            if answer {
                to_client(&mut headers, Version::HTTP_11, &HeaderValue::from_static("eu-west"), "e");
            } else {
                to_origin(&mut headers, &client(trusted), "e");
            }
            let mut left: BTreeMap<String, Vec<HeaderValue>> = BTreeMap::new();
            for (name, value) in headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
                left.entry(name.to_string()).or_default().push(value.clone());
            }
            prop_assert_eq!(left, expected);
        }
    }
}
