//! Counters, windows, latencies: `/metrics` and `/api/metrics/app`.

mod counter;
mod latency;
mod memory;
mod totals;

use axum::Router;

pub use counter::Counter;
pub use memory::Metrics;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
}
