//! Ports on this machine that nobody listens on.
//!
//! They are taken from below those that the system gives to outgoing connections: so the port of a server that is dead for a
//! moment is still there when it comes back. Each process looks from another place on and gives no port twice; whoever finds
//! one taken all the same asks for another.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::bail;

/// How often a server is started anew, elsewhere, because somebody was faster.
pub(crate) const PORTS_TRIED: usize = 10;

/// Above what is usual for services, below Linux's own choice (`net.ipv4.ip_local_port_range`).
const PORTS: Range<u16> = 10_000..32_000;

/// A local address that nobody listens on.
///
/// # Errors
/// When all are taken.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static BEGIN: OnceLock<u32> = OnceLock::new();
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    let begin = BEGIN.get_or_init(|| {
        let random = RandomState::new().hash_one(std::process::id());
        u32::try_from(random % u64::from(count)).unwrap_or_default()
    });
    for _ in 0..count {
        let place = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(place).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port from {} to {} is free on 127.0.0.1", PORTS.start, PORTS.end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_or_while_somebody_listens() {
        let mut seen = BTreeSet::new();
        let taken = free_address().unwrap();
        let _listener = TcpListener::bind(taken).unwrap();
        for _ in 0..200 {
            let address = free_address().unwrap();
            assert!(PORTS.contains(&address.port()) && address != taken && seen.insert(address), "{address}");
        }
    }
}
