//! Several regions on one machine: PostgreSQL with a standby, nodes, an edge, as real processes on this machine alone.
//!
//! ```text
//!          ┌► node eu-west ──┐            ┌───────────┐
//! edge ────┼► node us-east ──┼──────────► │ primary   │
//!          └► node ap-south ─┘            │ ─► standby│
//!                                         └───────────┘
//! ```
//!
//! For whoever wants to see or to prove what a cluster does when a part of it dies: the command `levqor demo`, the tests of real
//! processes, `cargo xtask chaos`. The crate starts, stops and hurts processes; what they do is their own matter, so it knows
//! none of the others and no SQL. Failures are words for people, hence `anyhow`.
//!
//! Invariant: what is started here ends with this process, however that ends, and no directory stays ([`warden`]).

mod directory;
mod edge;
mod node;
mod pair;
mod ports;
mod postgres;
mod relay;
mod server;
mod wait;
pub mod warden;

pub use directory::Directory;
pub use edge::{Edge, EdgeSetup, Origin};
pub use node::{Node, NodeSetup};
pub use pair::Pair;
pub use ports::free_address;
pub use postgres::{Postgres, Shared};
pub use relay::{Direction, Passage, Relay};
pub use rustix::process::Signal;
pub use server::{Server, ServerSetup};
pub use wait::until;
