//! Where Levqor runs, how it is there, and what operators do about it.
//!
//! `service` computes what a region is now, `measure` observes, `snapshot` tells edges; `routes` is for everyone, `ops` for
//! operators.

pub(crate) mod measure;
mod ops;
mod routes;
pub mod service;
mod snapshot;

use utoipa_axum::router::OpenApiRouter;

use crate::App;

pub fn api() -> OpenApiRouter<App> {
    routes::api().merge(ops::api())
}
