//! Where the promises to customers come from, and who else knows the prices.

use std::path::PathBuf;

use levqor_drift::{Origin, STRIPE_API};
use levqor_model::Secret;
use levqor_server::StripeAccess;
use url::{Host, Url};

use super::{Complaints, Flags, Reader, layers, load};

/// What commands need that look at promises and at nothing else of a node.
#[derive(Debug, Clone)]
pub struct Promised {
    pub blueprint: Origin,
    /// None: Stripe is not asked.
    pub stripe: Option<StripeAccess>,
}

/// Reads what there is to read of a configuration about promises. The rest may be unfit for a node.
///
/// # Errors
/// Every complaint at once.
pub fn promised(flags: &Flags) -> Result<Promised, Complaints> {
    let layers = load(flags);
    let mut reader = Reader { layers: &layers, complaints: layers.complaints.clone() };
    let promised = Promised { blueprint: reader.blueprint(), stripe: reader.stripe() };
    if reader.complaints.is_empty() { Ok(promised) } else { Err(Complaints(reader.complaints)) }
}

impl Reader<'_> {
    pub(super) fn blueprint(&self) -> Origin {
        match self.text("blueprint.file") {
            "" => Origin::Shipped,
            file => Origin::File(PathBuf::from(file)),
        }
    }

    /// None: no key, or there is a complaint.
    pub(super) fn stripe(&mut self) -> Option<StripeAccess> {
        const ADDRESS: &str = "billing.stripe_api_base";
        let key = self.text("billing.stripe_secret_key").to_owned();
        let given = self.text(ADDRESS).trim_end_matches('/').to_owned();
        let address = if given.is_empty() { STRIPE_API.to_owned() } else { given };
        if !is_safe(&address) {
            let remedy =
                "write it like https://api.stripe.com, or leave it empty; http is for 127.0.0.1 only";
            self.complain(ADDRESS, "the address is none of https without user, query and fragment", remedy);
            return None;
        }
        (!key.is_empty()).then(|| StripeAccess { address, key: Secret::new(key) })
    }

    /// A number that somebody gave; None: what the blueprint says holds.
    pub(super) fn given(&self, name: &str) -> Option<u32> {
        match self.origin(name) {
            layers::Origin::Default => None,
            _ => Some(u32::try_from(self.number(name)).unwrap_or(u32::MAX)),
        }
    }
}

/// The key goes there: to nobody who could read it on the way.
fn is_safe(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    bare && url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::resolved;

    #[test]
    fn promises_come_from_a_file_and_prices_are_asked_for_with_a_key() {
        let none = resolved("", &[]).unwrap();
        assert_eq!((none.blueprint, none.stripe.is_none()), (Origin::Shipped, true));
        // What nobody sets is as the blueprint says.
        assert_eq!((none.limits.requests_per_minute, none.limits.running_per_account), (None, None));
        let file =
            "[blueprint]\nfile = \"/etc/levqor/blueprint.toml\"\n[limits]\nrequests_per_minute = 500\n";
        let set = resolved(file, &[("STRIPE_SECRET_KEY", "sk_1")]).unwrap();
        assert_eq!(set.blueprint, Origin::File(PathBuf::from("/etc/levqor/blueprint.toml")));
        assert_eq!(set.limits.requests_per_minute, Some(500));
        assert_eq!(set.stripe.unwrap().address, "https://api.stripe.com");
        let local = [("STRIPE_SECRET_KEY", "sk_1"), ("STRIPE_API_BASE", "http://127.0.0.1:9/")];
        assert_eq!(resolved("", &local).unwrap().stripe.unwrap().address, "http://127.0.0.1:9");
        let far = [("STRIPE_SECRET_KEY", "hunter2"), ("STRIPE_API_BASE", "http://stripe.example")];
        let refusal = resolved("", &far).unwrap_err();
        assert!(refusal.contains("environment STRIPE_API_BASE: billing.stripe_api_base: the address is none of https without user"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "a secret is shown");
    }
}
