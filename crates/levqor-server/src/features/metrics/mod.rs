//! Counters, windows, latencies and stored series: `/metrics`, `/api/metrics/app`, `/api/metrics/query` and `/api/metrics/series`.
//!
//! ```text
//! requests, App::count, App::count_in, App::observe ─► tally (a part for each thread)
//!                                                        ├─► exposition ─► /metrics
//!                                                        ├─► latency, totals ─► /api/metrics/app
//!                          level (looked at once a step) ─► steps of 10 s ─► store ─► query ─► /api/metrics/query
//!                                                                      └─► telemetry (OpenTelemetry, when it is asked for)
//! ```
//!
//! Other features count with [`crate::App::count`] what has a total that survives restarts, and with [`crate::App::count_in`],
//! [`crate::App::observe`] and [`crate::App::look`] what is only a series; the gateway counts requests. Names of series are written in
//! the code and stand in `catalogue`; labels have few values, and what is too much goes to "other".

mod catalogue;
mod conditions;
mod counter;
mod exposition;
mod key;
mod latency;
mod level;
mod memory;
mod query;
mod record;
mod routes;
mod series;
mod steps;
mod tally;
mod totals;

pub(crate) use conditions::{conditions, load};
pub use counter::Counter;
pub use memory::Metrics;
pub(crate) use record::{record, roll_up};
pub use routes::api;
