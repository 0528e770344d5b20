//! The edge: a proxy before the regions that notices within a moment when one is gone, and whose callers do not.
//!
//! ```text
//! client ─► serve ─► (wire) ─► asked ─► live (route) ─► steering ─► attempt ─► origin
//!                                            ▲              ▲           │
//!                              config, snapshot           verdict ◄─────┴─── prober
//! ```
//!
//! It deliberately knows no store, no engine and no server: it starts, routes and tells of itself with the whole control
//! plane gone. It never decides who owns a run. Its verdicts are local and reversible.

mod affinity;
mod answer;
mod asked;
mod attempt;
mod body;
mod config;
mod countries;
mod crowd;
mod edge;
mod forward;
mod hold;
mod live;
mod material;
pub mod metrics;
mod origin;
mod origin_url;
mod prober;
mod problem;
mod proxy;
mod reload;
mod retry;
mod serve;
mod settings;
mod snapshot;
mod status;
mod steering;
mod tunnel;
mod upstream;
mod verdict;

pub use affinity::{Affinity, COOKIE};
pub use config::{Complaints, Config, Listen, OriginSpec, Route};
pub use countries::Countries;
pub use edge::Edge;
pub use live::Live;
pub use material::Material;
pub use origin::Origin;
pub use reload::{Loaded, apply, follow, load};
pub use serve::{Listener, listen, serve};
pub use snapshot::{Keeper, Refusal};
pub use verdict::Verdict;

impl Edge {
    /// What `/edge/health` says.
    pub fn health(&self) -> serde_json::Value {
        status::health(self)
    }

    /// What was counted.
    pub fn stats(&self) -> &metrics::Stats {
        &self.stats
    }
}
