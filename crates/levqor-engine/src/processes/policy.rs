//! What the operator allows processes.

use std::{path::PathBuf, time::Duration};

use levqor_flow::document;

/// Which processes may run, and within which bounds.
#[derive(Debug, Clone)]
pub struct Policy {
    pub allow: document::Processes,
    /// Without it a process has a network of its own, in which nobody is; where the machine gives none, it is refused.
    pub network: bool,
    /// Longest time from start to end.
    pub timeout: Duration,
    /// Data that one process may have in memory.
    pub memory_bytes_max: u64,
    /// Largest standard output, and largest standard error.
    pub output_bytes_max: usize,
    /// Largest file that a process may write.
    pub file_bytes_max: u64,
    /// Processes at the same time; more wait for their turn.
    pub at_once: usize,
    /// Where each gets a folder of its own.
    pub directory: PathBuf,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: document::Processes::default(),
            network: false,
            timeout: Duration::from_secs(60),
            memory_bytes_max: 512 * 1024 * 1024,
            output_bytes_max: 1024 * 1024,
            file_bytes_max: 64 * 1024 * 1024,
            at_once: 4,
            directory: std::env::temp_dir().join("levqor-processes"),
        }
    }
}

impl Policy {
    pub(crate) fn allows_any(&self) -> bool {
        self.allow != document::Processes::default()
    }
}
