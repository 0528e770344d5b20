//! The binary as its users meet it: real processes, real sockets, a real browser.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

mod alerts;
mod api;
mod approvals;
mod audit;
mod browser;
mod command_line;
mod crash;
mod cut_off;
mod demo;
mod drift;
mod edge;
mod events;
mod examples;
mod incidents;
mod keys;
mod mail;
mod migrate;
mod nodes;
mod pages;
mod probes;
mod region_verbs;
mod regions;
mod replica;
mod secrets;
mod sentence;
mod site;
mod start;
mod status;
mod tamper;
mod telemetry;
