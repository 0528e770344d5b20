//! From text to a checked workflow, or to a list of places and reasons.
//!
//! ```text
//! text ─► read ─► plain data ─► check ─┬─► Workflow (expressions and schemas compiled, references resolved)
//!                 (bounded)            └─► errors and warnings, each with a JSON Pointer
//! ```
//!
//! The checks are written by hand, task by task, rather than left to the DSL's JSON Schema: that schema is a choice
//! of twelve tasks at every level, which takes exponential time on nested tasks and explains nothing when it fails.
//!
//! Invariant: neither step panics, fetches anything, or takes more than about linear time and memory, whatever it is given.

use std::sync::Arc;

use serde_json::Value;

use crate::definition::{Program, Workflow};

mod access;
mod ask;
mod call;
mod catalogs;
mod checker;
mod data;
mod duration;
mod emit;
mod fault;
mod flow;
mod functions;
mod issue;
mod json_schema;
mod kinds;
mod listen;
mod near;
mod openapi;
mod policy;
mod process;
mod read;
mod root;
mod schema_graph;
mod services;
pub mod support;
mod task;
mod tree;

pub use catalogs::{Fetched, Wanted};
pub use duration::duration;
pub use issue::Issue;
pub(crate) use issue::clip;
pub use json_schema::external as external_schema;
pub(crate) use json_schema::misfit;
pub use near::nearest;
pub(crate) use process::is_variable;
pub use read::{bounded, read};

/// What checking a document found. `workflow` is there exactly when `errors` and `wanted` are empty.
#[derive(Debug)]
pub struct Checked {
    pub workflow: Option<Arc<Workflow>>,
    pub errors: Vec<Issue>,
    pub warnings: Vec<Issue>,
    /// Functions of catalogs, to be fetched for [`check_with`].
    pub wanted: Vec<Wanted>,
}

impl Checked {
    fn refused(issue: Issue) -> Self {
        Self { workflow: None, errors: vec![issue], warnings: Vec::new(), wanted: Vec::new() }
    }

    /// For those who fetch nothing: what is wanted is an error.
    #[must_use]
    pub fn offline(mut self) -> Self {
        let missing = self.wanted.drain(..);
        self.errors
            .extend(missing.map(|wanted| Issue { message: wanted.refusal(), pointer: wanted.pointer }));
        self
    }
}

/// What the server allows and a document cannot know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    pub processes: Processes,
    /// It can send mail.
    pub mail: bool,
}

impl Host {
    /// Refuses nothing that a server could allow. Documents that were saved are read like this: what is allowed may have
    /// changed since, and is asked again when it is done.
    pub const fn permissive() -> Self {
        Self { processes: Processes { shell: true, javascript: true, python: true }, mail: true }
    }
}

/// The processes that tasks may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Processes {
    pub shell: bool,
    pub javascript: bool,
    pub python: bool,
}

impl Processes {
    pub fn allows(self, program: Program) -> bool {
        match program {
            Program::Shell => self.shell,
            Program::JavaScript => self.javascript,
            Program::Python => self.python,
        }
    }
}

/// Checks a document that was read, and compiles it, for a server that allows nothing special.
pub fn check(document: &Value) -> Checked {
    check_for(document, &Host::default())
}

/// [`check`] for a server that allows more.
pub fn check_for(document: &Value, host: &Host) -> Checked {
    check_with(document, host, &Fetched::default()).offline()
}

/// [`check_for`] for a document that may call functions of catalogs, of which these are known.
pub fn check_with(document: &Value, host: &Host, fetched: &Fetched) -> Checked {
    match bounded(document) {
        Ok(()) => checker::Checker::new(document, host, fetched).check(),
        Err(issue) => Checked::refused(issue),
    }
}

/// [`read()`] and [`check`] in one.
pub fn parse(text: &str) -> Checked {
    match read(text) {
        Ok(document) => check(&document),
        Err(issue) => Checked::refused(issue),
    }
}
