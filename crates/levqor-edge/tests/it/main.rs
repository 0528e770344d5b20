//! The edge as a whole, over real sockets.

mod config;
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
