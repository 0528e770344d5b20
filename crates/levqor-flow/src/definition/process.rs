//! `run: shell` and `run: script`.

use serde::{Deserialize, Serialize};

use super::{Resource, Template};

/// A process to run.
#[derive(Debug)]
pub struct RunProcess {
    pub program: Program,
    pub code: Code,
    /// None: nothing to read.
    pub stdin: Option<Template>,
    /// Gives an array of texts, numbers and booleans.
    pub arguments: Option<Template>,
    /// Gives an object of them.
    pub environment: Option<Template>,
    /// False: go on at once with the transformed input.
    pub wait: bool,
    pub returns: Returns,
}

/// The command of a shell, or the code of a script.
#[derive(Debug)]
pub enum Code {
    /// Gives a text.
    Here(Template),
    /// Fetched when a run first needs it, and kept for that run.
    Elsewhere(Resource),
}

/// What runs the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// `sh`.
    Shell,
    /// `node`, as a module.
    JavaScript,
    /// `python3`.
    Python,
}

impl Program {
    /// The word for it in `processes.allow` and in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Program::Shell => "shell",
            Program::JavaScript => "js",
            Program::Python => "python",
        }
    }
}

/// `return`: what of a process is the task's raw output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    Stdout,
    Stderr,
    Code,
    /// `{ code, stdout, stderr }`.
    All,
    /// Null.
    None,
}
