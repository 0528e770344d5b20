//! A workflow as a picture: boxes and arrows, laid out in rows, for the console to draw.

use crate::definition::Workflow;

/// A laid-out graph; coordinates are in grid cells (column, row), sizes in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub columns: usize,
    pub rows: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub label: String,
    /// `start`, `end`, or the task's kind: call, do, for, fork, raise, run, set, switch, try, wait.
    pub kind: &'static str,
    /// A short line below the name: method and host, condition, duration.
    pub detail: String,
    /// The task's JSON Pointer; empty for start and end.
    pub reference: String,
    pub column: usize,
    pub row: usize,
    /// Composite tasks enclose their children: (columns, rows); plain tasks are (1, 1).
    pub span: (usize, usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub source: usize,
    pub target: usize,
    /// A condition, `error`, or empty.
    pub label: String,
}

/// Lays the workflow out, top to bottom.
pub fn graph(_workflow: &Workflow) -> Graph {
    unimplemented!("graph")
}
