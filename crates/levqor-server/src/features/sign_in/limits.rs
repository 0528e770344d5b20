//! How often links may be asked for: by network, and by e-mail address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Links that one network may ask for at once, and how long it takes to earn another.
const PER_NETWORK: (u32, Duration) = (10, Duration::from_secs(60));
/// The same for one e-mail address, so that nobody's mailbox can be filled.
const PER_EMAIL: (u32, Duration) = (5, Duration::from_secs(180));
/// Networks and addresses that are remembered before the full ones are forgotten.
const REMEMBERED_MAX: usize = 50_000;

/// The limits of this node, in the app's memory.
#[derive(Debug)]
pub(super) struct Limits {
    networks: DefaultKeyedRateLimiter<IpAddr>,
    emails: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            networks: RateLimiter::keyed(quota(PER_NETWORK)),
            emails: RateLimiter::keyed(quota(PER_EMAIL)),
        }
    }

    /// Whether one more link may be asked for.
    pub(super) fn allow(&self, network: IpAddr, email: &str) -> bool {
        if self.networks.len() > REMEMBERED_MAX {
            self.networks.retain_recent();
        }
        if self.emails.len() > REMEMBERED_MAX {
            self.emails.retain_recent();
        }
        self.networks.check_key(&network).is_ok() && self.emails.check_key(&email.to_owned()).is_ok()
    }
}

fn quota((burst, every): (u32, Duration)) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(every).unwrap_or(Quota::per_minute(burst)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_gets_few_links_whoever_asks() {
        let limits = Limits::new();
        let allowed =
            (0..20u8).filter(|n| limits.allow(IpAddr::from([192, 0, 2, *n]), "a@b.example")).count();
        assert_eq!(allowed, 5);
        assert!(limits.allow(IpAddr::from([192, 0, 2, 1]), "c@b.example"));
    }

    #[test]
    fn one_network_asks_for_few_mailboxes() {
        let limits = Limits::new();
        let allowed =
            (0..20).filter(|n| limits.allow(IpAddr::from([192, 0, 2, 1]), &format!("{n}@b.example"))).count();
        assert_eq!(allowed, 10);
    }
}
