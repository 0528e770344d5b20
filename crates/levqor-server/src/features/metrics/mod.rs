//! Counters, windows, latencies: `/metrics` and `/api/metrics/app`.
//!
//! Other features count with [`crate::App::count`]; the gateway counts requests.

mod conditions;
mod counter;
mod exposition;
mod latency;
mod memory;
mod routes;
mod totals;

pub(crate) use conditions::conditions;
pub use counter::Counter;
pub use memory::Metrics;
pub use routes::api;
