//! Outside jobs that say by a request that they are well: `GET /ping/{token}` when one has ended, `/start` when it begins, `/fail` or an exit
//! code when it failed.
//!
//! ```text
//! job elsewhere ─► /ping/{token} ─► hash ─► heartbeat ─► up | down
//! judge (a second) ─► deadline over? ─► down ─► evidence log, conditions
//! ```
//!
//! The token is shown once and kept as its hash. Nothing else is asked of the sender, and nothing but the state is told.

mod ping;
pub(super) mod routes;
pub(super) mod service;

use crate::openapi::ApiRouter;

pub fn api() -> ApiRouter {
    routes::api().merge(ping::api())
}
