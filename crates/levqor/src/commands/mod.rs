//! The subcommands, a file each.

pub mod approvals;
pub mod ask;
pub mod audit;
pub mod blueprint;
pub mod check;
mod client;
pub mod completions;
pub mod demo;
pub mod drift;
pub mod edge;
pub mod given_secrets;
pub mod keys;
pub mod maintenance;
pub mod migrate;
pub mod nodes;
pub mod region;
pub mod regions;
pub mod run;
pub mod serve;
pub mod status;
pub mod tamper;
pub mod validate;
