//! Tests of the flow core through its public interface: a module per noun.

#![expect(clippy::unwrap_used, reason = "what helpers of tests cannot unwrap fails the test")]

mod conformance;
mod document;
mod draft;
mod event;
mod graph;
mod machine;
mod schedule;
