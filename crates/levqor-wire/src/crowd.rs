//! How many connections one address has open.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// What a connection that is one too many is answered before it is closed, where no TLS is to be spoken first.
pub const CROWDED: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 74\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\ntoo many connections are open from your address; use those that you have\r\n";

/// Open connections by network.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts the connections of a listener by the addresses that they come from. It holds no more addresses than there are connections.
#[derive(Debug, Default)]
pub struct Crowd(Open);

/// One connection; when it is dropped, there is one less.
#[derive(Debug)]
pub struct One {
    /// None: it is not counted.
    of: Option<(IpAddr, Open)>,
}

impl Crowd {
    /// None: `max` are open already, and this one is not counted.
    pub fn enter(&self, peer: IpAddr, max: usize) -> Option<One> {
        let network = network(peer.to_canonical());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&network).copied().unwrap_or_default();
        if count >= max {
            return None;
        }
        open.insert(network, count + 1);
        Some(One { of: Some((network, Arc::clone(&self.0))) })
    }

    /// Of how many networks connections are counted now.
    pub fn networks(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl One {
    /// A connection of somebody who may have any number, as a proxy that has those of many people.
    pub fn uncounted() -> Self {
        Self { of: None }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let Some((network, open)) = &self.of else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(network);
            }
        }
    }
}

/// What strangers are counted by: one household has a whole IPv6 /64 to take addresses from.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let kept = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_so_many_and_nobody_is_remembered_who_is_gone() {
        let crowd = Crowd::default();
        let enter = |text: &str| crowd.enter(text.parse().unwrap(), 2);
        let (first, second) = (enter("2001:db8::1"), enter("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::3").is_none(), "one /64 is one address");
        assert!(enter("2001:db8:0:1::1").is_some());
        drop(first);
        let third = enter("2001:db8::3");
        assert!(third.is_some() && enter("2001:db8::4").is_none());
        let (mapped, plain) = (enter("::ffff:192.0.2.1"), enter("192.0.2.1"));
        assert!(mapped.is_some() && plain.is_some());
        assert!(enter("192.0.2.1").is_none(), "an address is the same in both forms");
        assert!(enter("192.0.2.2").is_some());
        assert_eq!(crowd.networks(), 2);
        drop((second, third, mapped, plain, One::uncounted()));
        assert_eq!(crowd.networks(), 0);
        assert!(crowd.enter("192.0.2.1".parse().unwrap(), 0).is_none());
        assert_eq!(crowd.networks(), 0, "who is refused takes no memory");
    }

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(CROWDED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    }
}
