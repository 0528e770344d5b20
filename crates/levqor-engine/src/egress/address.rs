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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(address: &str) -> Option<&'static str> {
        refusal(address.parse().unwrap(), &[])
    }

    #[test]
    fn addresses_are_sorted_by_where_they_lead() {
        const PRIVATE: Option<&str> = Some("a private address");
        const LOOPBACK: Option<&str> = Some("a loopback address");
        const LINK_LOCAL: Option<&str> = Some("a link-local address");
        const UNSPECIFIED: Option<&str> = Some("an unspecified address");
        const MULTICAST: Option<&str> = Some("a multicast address");
        const DOCUMENTATION: Option<&str> = Some("a documentation address");
        const RESERVED: Option<&str> = Some("a reserved address");
        const CARRIER: Option<&str> = Some("a carrier's internal address");
        const PROTOCOL: Option<&str> = Some("a protocol assignment");
        let rows = [
            // IPv4, the edges of each network and the public neighbours of some.
            ("0.0.0.0", UNSPECIFIED),
            ("0.255.255.255", UNSPECIFIED),
            ("1.0.0.0", None),
            ("1.1.1.1", None),
            ("8.8.8.8", None),
            ("9.255.255.255", None),
            ("10.0.0.0", PRIVATE),
            ("10.255.255.255", PRIVATE),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", CARRIER),
            ("100.127.255.255", CARRIER),
            ("100.128.0.0", None),
            ("127.0.0.1", LOOPBACK),
            ("127.255.255.254", LOOPBACK),
            ("169.253.255.255", None),
            ("169.254.0.0", LINK_LOCAL),
            ("169.254.169.254", LINK_LOCAL),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", PRIVATE),
            ("172.31.255.255", PRIVATE),
            ("172.32.0.0", None),
            ("192.0.0.1", PROTOCOL),
            ("192.0.2.1", DOCUMENTATION),
            ("192.88.99.1", Some("a 6to4 relay")),
            ("192.167.255.255", None),
            ("192.168.0.1", PRIVATE),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some("a benchmark address")),
            ("198.19.255.255", Some("a benchmark address")),
            ("198.51.100.7", DOCUMENTATION),
            ("203.0.113.255", DOCUMENTATION),
            ("203.0.114.0", None),
            ("223.255.255.255", None),
            ("224.0.0.1", MULTICAST),
            ("239.255.255.255", MULTICAST),
            ("240.0.0.1", RESERVED),
            ("255.255.255.255", RESERVED),
            // IPv6.
            ("::", UNSPECIFIED),
            ("::1", LOOPBACK),
            ("::2", UNSPECIFIED),
            ("2606:4700:4700::1111", None),
            ("2a00:1450:4001:80e::200e", None),
            ("2000::1", None),
            ("3ffe:ffff::1", None),
            ("2001::1", PROTOCOL),
            ("2001:1ff:ffff::1", PROTOCOL),
            ("2001:200::1", None),
            ("2001:db8::1", DOCUMENTATION),
            ("2001:db9::1", None),
            ("3fff::1", DOCUMENTATION),
            ("3fff:1000::1", None),
            ("4000::1", RESERVED),
            ("1fff::1", RESERVED),
            ("100::1", RESERVED),
            ("5f00::1", RESERVED),
            ("fc00::1", PRIVATE),
            ("fd12:3456::1", PRIVATE),
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("fec0::1", RESERVED),
            ("ff02::1", MULTICAST),
            // IPv6 that carries IPv4.
            ("::ffff:127.0.0.1", LOOPBACK),
            ("::ffff:10.0.0.1", PRIVATE),
            ("::ffff:169.254.169.254", LINK_LOCAL),
            ("::ffff:8.8.8.8", None),
            ("::127.0.0.1", LOOPBACK),
            ("::10.0.0.1", PRIVATE),
            ("::ffff:0:192.168.0.1", PRIVATE),
            ("64:ff9b::7f00:1", LOOPBACK),
            ("64:ff9b::a00:1", PRIVATE),
            ("64:ff9b::808:808", None),
            ("64:ff9b:1::a00:1", RESERVED),
            ("2002:7f00:1::", LOOPBACK),
            ("2002:a00:1::1", PRIVATE),
            ("2002:808:808::1", None),
        ];
        for (address, expected) in rows {
            assert_eq!(why(address), expected, "{address}");
        }
    }

    #[test]
    fn the_operator_may_allow_networks() {
        let allow: Vec<Network> =
            ["10.1.0.0/16", "127.0.0.1", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("10.2.2.3", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:10.2.2.3", false),
            ("fd12::1", true),
            ("fc12::1", false),
            ("::1", false),
        ] {
            assert_eq!(refusal(address.parse().unwrap(), &allow).is_none(), allowed, "{address}");
        }
    }

    proptest! {
        /// However an IPv4 address is wrapped, the verdict is that of the address.
        #[test]
        fn wrapping_changes_nothing(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            let expected = refusal(IpAddr::V4(plain), &[]);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            let wrapped = [
                plain.to_ipv6_mapped(),
                Ipv6Addr::from([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
                Ipv6Addr::from([0x2002, high, low, 0, 0, 0, 0, 1]),
            ];
            for address in wrapped {
                prop_assert_eq!(refusal(IpAddr::V6(address), &[]), expected, "{}", address);
            }
        }

        /// What the standard library knows to be special is refused, too: two readings of the same registries.
        #[test]
        fn the_standard_library_agrees(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            if special {
                prop_assert!(refusal(IpAddr::V4(address), &[]).is_some(), "{}", address);
            }
        }

        /// Outside global unicast nothing is reached but what carries an IPv4 address.
        #[test]
        fn ipv6_outside_global_unicast_is_refused(bits: u128) {
            let address = Ipv6Addr::from(bits);
            if address.segments()[0] & 0xe000 != 0x2000 && carried_v4(address).is_none() {
                prop_assert!(refusal(IpAddr::V6(address), &[]).is_some(), "{}", address);
            }
        }

        /// Allowing everything refuses nothing; allowing one address allows it.
        #[test]
        fn what_is_allowed_is_reached(bits: u128, v4: bool) {
            let address = if v4 { IpAddr::V4(Ipv4Addr::from(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from(bits)) };
            let one = Network { address, prefix: if v4 { 32 } else { 128 } };
            prop_assert_eq!(refusal(address, &[one]), None);
        }
    }
}
