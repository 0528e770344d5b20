//! The edge as a whole, over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

mod config;
mod countries;
mod crowd;
mod failover;
mod hold;
mod origin;
mod proxying;
mod reload;
mod smuggling;
mod snapshots;
mod streams;
mod tls;
mod world;
