//! What is personal is shown in part: enough to recognise it by, not enough to use it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ada@example.com` becomes `a…@example.com`.
pub fn masked_email(address: &str) -> String {
    let Some((name, domain)) = address.rsplit_once('@') else { return "…".to_owned() };
    let first: String = name.chars().take(1).collect();
    format!("{first}…@{domain}")
}

/// The network of an address: `192.0.2.0/24`, `2001:db8::/48`.
pub fn masked_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_of_it_is_left() {
        for (address, masked) in [
            ("ada@example.com", "a…@example.com"),
            ("@example.com", "…@example.com"),
            ("é@b@c.example", "é…@c.example"),
            ("nobody", "…"),
        ] {
            assert_eq!(masked_email(address), masked);
        }
        for (address, masked) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ] {
            assert_eq!(masked_address(address.parse().unwrap()), masked);
        }
    }
}
