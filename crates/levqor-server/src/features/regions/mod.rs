//! Where Levqor runs, how it is there, and what operators do about it.
//!
//! `service` computes what a region is now, `measure` observes, `snapshot` tells edges, `checks` says whether a region could carry
//! more, `acts` does what operators want; `routes` is for everyone, `ops` for operators.

mod acts;
mod checks;
mod measure;
mod ops;
mod routes;
pub mod service;
mod snapshot;

use levqor_model::RegionCode;

use crate::{App, openapi::ApiRouter};

/// Tells the other nodes how this one is, and measures how far the other regions are.
///
/// # Errors
/// When the store cannot be reached.
pub async fn look_around(app: &App) -> Result<(), levqor_store::Error> {
    measure::round(app).await
}

/// Goes on with what operators want of regions.
///
/// # Errors
/// When the store cannot be reached.
pub async fn look_at_acts(app: &App) -> Result<(), levqor_store::Error> {
    acts::round(app).await
}

/// Whether a region could carry more than it does, check by check: name, whether it is good, and what was found.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn checks_of(
    app: &App,
    code: &RegionCode,
) -> Result<Vec<(&'static str, bool, String)>, levqor_store::Error> {
    let checks = acts::checks_of(app, code).await?;
    Ok(checks.into_iter().map(|check| (check.name, check.ok, check.detail)).collect())
}

pub fn api() -> ApiRouter {
    routes::api().merge(ops::api())
}
