//! The drift monitor: is what was agreed, what is written, what is served and what is charged still the same?
//!
//! ```text
//! blueprint.lock ◄─ files ─► blueprint.toml ◄─┬─ pages ──► pages, headings, links      ┐
//!  (what was agreed)         (what is read)   ├─ api ────► /api/plans, /openapi.json    ├ what is really served
//!                                             ├─ limits ─► usage summary, rate headers  ┘
//!                                             └─ stripe ─► prices, when configured
//! ```
//!
//! One checker for everybody: the server looks at itself through its own router, `levqor drift` at any server over HTTP. Both give
//! a [`Look`]. This crate knows no server, no store and no clock.
//!
//! Invariant: what cannot be looked at is a deviation, never a pass. What comes from outside is bounded before it is read, and no
//! answer makes the checker panic.

mod agreed;
mod api;
pub mod catalogue;
mod files;
mod found;
pub mod html;
mod limits;
mod look;
mod pages;
mod report;
mod schema;
pub mod severity;
mod site;
mod stripe;

use levqor_model::{Deviation, Severity, Timestamp};

pub use agreed::{Agreed, Origin, read_blueprint, read_lock};
pub use look::{Answer, BODY_BYTES_MAX, Caller, Look};
pub use report::{Acknowledgement, Finding, LockName, Outcome, Part, Report, Section};
pub use site::Site;
pub use stripe::API as STRIPE_API;

/// What a look begins with.
#[derive(Debug)]
pub struct Circumstances<'a, S> {
    pub agreed: &'a Agreed,
    /// None: prices at Stripe are not configured.
    pub stripe: Option<&'a S>,
    pub now: Timestamp,
    /// What is looked at, for the report.
    pub looked_at: String,
    pub acknowledgements: &'a [Acknowledgement],
    /// What the look before this one has found.
    pub before: &'a [Finding],
}

/// Looks at everything. Cancel safe: nothing is changed anywhere.
pub async fn check<S: Look>(site: &impl Look, given: Circumstances<'_, S>) -> Report {
    let Circumstances { agreed, stripe, now, looked_at, acknowledgements, before } = given;
    let mut found = found::Found::default();
    files::compare(agreed, &mut found);
    let expected = agreed::expected(agreed);
    let expected = expected.as_ref();
    match site.get("/", Caller::Browser).await {
        // Nobody answers: to ask for each page and link would only take long.
        Err(problem) => {
            found.add(Deviation {
                severity: Severity::Critical,
                place: looked_at.clone(),
                expected: Some("a site that answers".to_owned()),
                found: Some(problem.clone()),
            });
            for part in [Part::Pages, Part::Links, Part::Api, Part::Limits] {
                found.part(part, Outcome::Unknown(problem.clone()));
            }
        }
        Ok(_) => {
            pages::look(site, expected, &mut found).await;
            api::look(site, expected, &mut found).await;
            limits::look(site, agreed, expected, &mut found).await;
        }
    }
    stripe::look(stripe, expected, &mut found).await;
    let lock = agreed.lock.as_ref().ok().and_then(Option::as_ref);
    let lock = lock.map(|lock| LockName { version: lock.version, digest: lock.digest() });
    Report::new(now, looked_at, lock, found, acknowledgements, before)
}
