//! Probes: looks from outside at regions and at whatever an operator names, and outside jobs that tell of themselves.
//!
//! ```text
//! probes.toml ─► definition ─► runner ─► look ─► board (a View for each target) ─┬─► judge ─► verdict ─► evidence, evidence log
//!                                 ▲                                              │     ▲
//!                             targets (regions as their nodes tell it)           └─► store ─► boards of other nodes
//! job, API, command line ─► service ─► look
//! GET /ping/{token} ─► heartbeats
//! ```
//!
//! Every node looks at everything, in its own time, and says what it sees; most nodes of a region are the region's word, and most
//! regions' words are the verdict (`verdict`). Journeys, which leave traces, are gone by one node of each region.
//!
//! Invariant: a look that cannot be taken is no look: nothing is up, or down, that nobody has seen lately.

mod account;
mod board;
mod conditions;
mod definition;
mod glance;
pub mod heartbeats;
mod judge;
mod look;
mod pages;
mod routes;
mod runner;
mod service;
mod targets;
mod verdict;

use std::sync::Arc;

use levqor_engine::egress::Network;

pub use conditions::conditions;
pub use definition::{Definitions, FILE_BYTES_MAX as DEFINITIONS_BYTES_MAX};
pub(crate) use glance::{Certificate, Glance, certificates, glance};
/// The only way to them for other features: the rows alone are as of the last look for those that are missed.
pub(crate) use heartbeats::service::all as heartbeats_now;
pub(crate) use judge::judge;
pub use pages::routes;
pub use routes::api;
pub(crate) use runner::run;
pub use service::{Journey, synthetic};
pub use verdict::State;

use crate::App;

/// What probes are told.
#[derive(Debug, Clone, Default)]
pub struct ProbeSettings {
    pub definitions: Definitions,
    /// Networks that workflows may reach besides the public internet: probes may, too.
    pub allow: Vec<Network>,
}

/// What the feature keeps in memory.
#[derive(Debug, Default)]
struct Memory {
    board: board::Board,
    targets: targets::Targets,
    verifiers: look::Verifiers,
    judged: judge::Judged,
    /// Held while somebody has probes run by hand.
    asked: tokio::sync::Mutex<()>,
}

fn memory(app: &App) -> Arc<Memory> {
    app.memory(|_| Memory::default())
}
