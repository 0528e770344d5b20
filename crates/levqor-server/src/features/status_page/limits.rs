//! How often messages to confirm a subscription may be asked for: by network, and by address, so that nobody's mailbox or endpoint can
//! be filled. What all of them together may be is the store's bound.

use std::{net::IpAddr, time::Duration};

use crate::gateway::{Allowance, Allowances};

/// Wishes of one network at once, and how long it takes to earn another.
const PER_NETWORK: Allowance = (5, Duration::from_secs(120));
/// The same for one address.
const PER_ADDRESS: Allowance = (2, Duration::from_secs(600));
/// Seconds until it is worth to try again.
pub(super) const RETRY_AFTER: u64 = 120;

/// The limits of this node, in the app's memory.
#[derive(Debug)]
pub(super) struct Limits {
    networks: Allowances,
    addresses: Allowances,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { networks: Allowances::new(PER_NETWORK), addresses: Allowances::new(PER_ADDRESS) }
    }

    /// Whether the network may ask once more.
    pub(super) fn allow_network(&self, network: IpAddr) -> bool {
        self.networks.take(&network).is_ok()
    }

    /// Whether one more message may go to the address. Who asks is not told.
    pub(super) fn allow_address(&self, address: &str) -> bool {
        self.addresses.take(address).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_written_to_often_and_no_network_writes_to_many() {
        let limits = Limits::new();
        let address = (0..10).filter(|_| limits.allow_address("a@b.example")).count();
        let network = (0..10).filter(|_| limits.allow_network(IpAddr::from([192, 0, 2, 1]))).count();
        assert_eq!((address, network), (2, 5));
        assert!(limits.allow_address("c@b.example") && limits.allow_network(IpAddr::from([192, 0, 2, 2])));
    }
}
