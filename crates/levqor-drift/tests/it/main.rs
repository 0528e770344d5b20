//! The checker against sites and a Stripe that are made up: hostile, slow, gone. Against a real server: `levqor-server/tests/it/drift.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod hostile;
mod site;
mod stripe;

use levqor_drift::{Agreed, Answer, Caller, Circumstances, Look, Origin, Report, check};
use levqor_model::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_796_000_000);

/// A site that never answers.
struct Nobody;

impl Look for Nobody {
    async fn get(&self, _: &str, _: Caller) -> Result<Answer, String> {
        Err("no answer (nobody listens there)".to_owned())
    }

    fn has_account(&self) -> bool {
        false
    }
}

async fn checked(site: &impl Look, agreed: &Agreed, stripe: Option<&impl Look>) -> Report {
    let looked_at = "a site".to_owned();
    let given = Circumstances { agreed, stripe, now: NOW, looked_at, acknowledgements: &[], before: &[] };
    check(site, given).await
}

fn shipped() -> Agreed {
    Origin::Shipped.read()
}

fn start_tls() {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
