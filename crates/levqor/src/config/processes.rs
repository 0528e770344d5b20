//! What workflows may run on this machine, and within which bounds.

use std::time::Duration;

use levqor_flow::document;

use super::Reader;

/// What workflows may run on this machine.
#[derive(Debug, Clone)]
pub struct Processes {
    pub allow: document::Processes,
    pub network: bool,
    pub timeout: Duration,
    pub memory_bytes_max: u64,
    pub output_bytes_max: usize,
    pub file_bytes_max: u64,
    pub at_once: usize,
}

impl Reader<'_> {
    pub(super) fn processes(&mut self) -> Processes {
        let mut allow = document::Processes::default();
        let list = self.text("processes.allow").to_owned();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "shell" => allow.shell = true,
                "js" => allow.javascript = true,
                "python" => allow.python = true,
                _ => self.complain(
                    "processes.allow",
                    format!("{word:?} is no kind of process"),
                    "use some of: shell, js, python",
                ),
            }
        }
        Processes {
            allow,
            network: self.text("processes.network") == "true",
            timeout: Duration::from_secs(self.number("processes.timeout_seconds")),
            memory_bytes_max: self.number("processes.memory_bytes_max"),
            output_bytes_max: self.size("processes.output_bytes_max"),
            file_bytes_max: self.number("processes.file_bytes_max"),
            at_once: self.size("processes.at_once"),
        }
    }
}
