//! Workflows as values: the CNCF Serverless Workflow DSL 1.0 read, checked and interpreted, with no I/O.
//!
//! ```text
//! text ─► document::read ─► document::check ─► Workflow ─► Machine ─► effects (performed by levqor-engine)
//!                                                ▲            ▲  └──► task notes (what the run page shows)
//! sentence ─► draft ─► Value ────────────────────┘            └────── events (the journal)
//! ```
//!
//! Invariant: nothing here reads a clock, a random source, the network or a file. The same events give the
//! same effects, notes and result, which is what makes a run survive its process.

pub mod access;
pub mod definition;
pub mod document;
pub mod draft;
pub mod event;
pub mod expression;
pub mod graph;
pub mod machine;
pub mod openapi;
pub mod policy;
pub mod schedule;
pub mod secrets;
pub mod services;
