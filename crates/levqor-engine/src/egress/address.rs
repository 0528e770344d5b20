//! Which addresses belong to the public internet.
//!
//! IPv6 is refused unless it is global unicast; IPv4 is allowed unless it is set aside. An IPv6 address that carries
//! an IPv4 one (mapped, compatible, NAT64, 6to4) is judged by the IPv4 address, since that is where packets end.
//!
//! Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), RFC 6052 (NAT64), RFC 3056 (6to4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::policy::Network;

/// IPv4 networks that are not the public internet: first address, prefix length, what it is.
const SET_ASIDE_V4: &[([u8; 4], u8, &str)] = &[
    ([0, 0, 0, 0], 8, "an unspecified address"),
    ([10, 0, 0, 0], 8, "a private address"),
    ([100, 64, 0, 0], 10, "a carrier's internal address"),
    ([127, 0, 0, 0], 8, "a loopback address"),
    ([169, 254, 0, 0], 16, "a link-local address"),
    ([172, 16, 0, 0], 12, "a private address"),
    ([192, 0, 0, 0], 24, "a protocol assignment"),
    ([192, 0, 2, 0], 24, "a documentation address"),
    ([192, 88, 99, 0], 24, "a 6to4 relay"),
    ([192, 168, 0, 0], 16, "a private address"),
    ([198, 18, 0, 0], 15, "a benchmark address"),
    ([198, 51, 100, 0], 24, "a documentation address"),
    ([203, 0, 113, 0], 24, "a documentation address"),
    ([224, 0, 0, 0], 4, "a multicast address"),
    ([240, 0, 0, 0], 4, "a reserved address"),
];

/// Networks inside global unicast IPv6 (2000::/3) that are not the public internet.
const SET_ASIDE_V6: &[([u16; 3], u8, &str)] = &[
    ([0x2001, 0, 0], 23, "a protocol assignment"),
    ([0x2001, 0x0db8, 0], 32, "a documentation address"),
    ([0x3fff, 0, 0], 20, "a documentation address"),
];

/// Why a workflow may not reach `address`, such as `a private address`; None when it may.
pub fn refusal(address: IpAddr, allow: &[Network]) -> Option<&'static str> {
    let carried = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => carried_v4(address),
    };
    let target = carried.map_or(address, IpAddr::V4);
    let why = match target {
        IpAddr::V4(address) => set_aside_v4(address),
        IpAddr::V6(address) => set_aside_v6(address),
    }?;
    let allowed = allow.iter().any(|network| network.contains(target) || network.contains(address));
    (!allowed).then_some(why)
}

/// The IPv4 address that packets to this IPv6 address end at.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    // Neither carries anything: they are IPv6's own unspecified and loopback addresses.
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let segments = address.segments();
    let tail = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        // Mapped (::ffff:0:0/96), compatible (::/96), translated (::ffff:0:0:0/96).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low] => tail(high, low),
        // NAT64, the well-known prefix.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => tail(high, low),
        // 6to4.
        [0x2002, high, low, ..] => tail(high, low),
        _ => None,
    }
}

fn set_aside_v4(address: Ipv4Addr) -> Option<&'static str> {
    SET_ASIDE_V4.iter().find_map(|(first, prefix, what)| {
        let network = Network { address: IpAddr::V4(Ipv4Addr::from(*first)), prefix: *prefix };
        network.contains(IpAddr::V4(address)).then_some(*what)
    })
}

fn set_aside_v6(address: Ipv6Addr) -> Option<&'static str> {
    let first = address.segments()[0];
    if first & 0xe000 != 0x2000 {
        return Some(match first {
            _ if address.is_loopback() => "a loopback address",
            _ if address.is_unspecified() => "an unspecified address",
            0xfc00..=0xfdff => "a private address",
            0xfe80..=0xfebf => "a link-local address",
            0xff00..=0xffff => "a multicast address",
            _ => "a reserved address",
        });
    }
    SET_ASIDE_V6.iter().find_map(|([a, b, c], prefix, what)| {
        let network = Network { address: IpAddr::from([*a, *b, *c, 0, 0, 0, 0, 0]), prefix: *prefix };
        network.contains(IpAddr::V6(address)).then_some(*what)
    })
}
