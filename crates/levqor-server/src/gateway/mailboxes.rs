//! How often strangers may have something sent or kept for a mailbox: by their network, and by the e-mail address.

use std::{net::IpAddr, time::Duration};

use super::allowances::{Allowance, Allowances};

/// The limits of this node for one purpose; its owner keeps it in the app's memory.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    networks: Allowances,
    emails: Allowances,
}

impl Mailboxes {
    pub(crate) fn new(per_network: Allowance, per_email: Allowance) -> Self {
        Self { networks: Allowances::new(per_network), emails: Allowances::new(per_email) }
    }

    /// Whether one more may be asked for.
    pub(crate) fn allow(&self, network: IpAddr, email: &str) -> bool {
        self.take(network, email).is_ok()
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long it takes until one more may be asked for.
    pub(crate) fn take(&self, network: IpAddr, email: &str) -> Result<(), Duration> {
        self.networks.take(&network)?;
        self.emails.take(email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Mailboxes {
        Mailboxes::new((10, Duration::from_secs(60)), (5, Duration::from_secs(180)))
    }

    #[test]
    fn one_mailbox_gets_few_whoever_asks() {
        let limits = limits();
        let allowed =
            (0..20u8).filter(|n| limits.allow(IpAddr::from([192, 0, 2, *n]), "a@b.example")).count();
        assert_eq!(allowed, 5);
        assert!(limits.allow(IpAddr::from([192, 0, 2, 1]), "c@b.example"));
    }

    #[test]
    fn who_has_to_wait_learns_for_how_long() {
        let limits = limits();
        let network = IpAddr::from([192, 0, 2, 1]);
        assert_eq!((0..5).filter(|_| limits.take(network, "a@b.example").is_ok()).count(), 5);
        let wait = limits.take(network, "a@b.example").unwrap_err();
        assert!((170..=180).contains(&wait.as_secs()), "an address earns another in three minutes: {wait:?}");
        (0..4).for_each(|n| limits.take(network, &format!("{n}@b.example")).unwrap());
        let wait = limits.take(network, "c@b.example").unwrap_err();
        assert!((50..=60).contains(&wait.as_secs()), "a network earns another in a minute: {wait:?}");
    }

    #[test]
    fn one_network_asks_for_few_mailboxes() {
        let limits = limits();
        let allowed =
            (0..20).filter(|n| limits.allow(IpAddr::from([192, 0, 2, 1]), &format!("{n}@b.example"))).count();
        assert_eq!(allowed, 10);
    }
}
