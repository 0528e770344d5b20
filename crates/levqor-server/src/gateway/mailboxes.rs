//! How often strangers may have something sent or kept for a mailbox: by their network, and by the e-mail address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};

/// Networks and addresses that are remembered before the full ones are forgotten.
const REMEMBERED_MAX: usize = 50_000;

/// So many at once, and how long it takes to earn another.
pub(crate) type Allowance = (u32, Duration);

/// The limits of this node for one purpose; its owner keeps it in the app's memory.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    networks: DefaultKeyedRateLimiter<IpAddr>,
    emails: DefaultKeyedRateLimiter<String>,
}

impl Mailboxes {
    pub(crate) fn new(per_network: Allowance, per_email: Allowance) -> Self {
        Self {
            networks: RateLimiter::keyed(quota(per_network)),
            emails: RateLimiter::keyed(quota(per_email)),
        }
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
        if self.networks.len() > REMEMBERED_MAX {
            self.networks.retain_recent();
        }
        if self.emails.len() > REMEMBERED_MAX {
            self.emails.retain_recent();
        }
        let networks = &self.networks;
        networks.check_key(&network).map_err(|until| until.wait_time_from(networks.clock().now()))?;
        let emails = &self.emails;
        emails.check_key(&email.to_owned()).map_err(|until| until.wait_time_from(emails.clock().now()))
    }
}

fn quota((burst, every): Allowance) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(every).unwrap_or(Quota::per_minute(burst)).allow_burst(burst)
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
