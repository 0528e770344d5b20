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
