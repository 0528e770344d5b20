//! `run: shell` and `run: script`.

use serde::{Deserialize, Serialize};

use super::Template;

/// A process to run.
#[derive(Debug)]
pub struct RunProcess {
    pub program: Program,
    /// The command of a shell, or the code of a script; gives a text.
    pub text: Template,
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

/// What runs the text.
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
