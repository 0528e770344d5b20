//! Tests of the flow core through its public interface: a module per noun.

mod conformance;
mod document;
mod graph;
mod machine;
mod schedule;
