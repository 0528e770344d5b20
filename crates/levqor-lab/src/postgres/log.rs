//! The last lines of what a server says, to tell why it no longer answers.

use std::{
    collections::VecDeque,
    fmt,
    io::{BufRead as _, BufReader, Lines},
    process::ChildStderr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::bail;

const LINES_KEPT: usize = 30;

#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Reads until the server takes connections, and goes on reading.
    ///
    /// # Errors
    /// When it ends before; its words are in the message.
    pub(super) fn until_ready(said: ChildStderr) -> anyhow::Result<Self> {
        let mut said: Lines<_> = BufReader::new(said).lines();
        let log = Self::default();
        loop {
            let Some(line) = said.next().transpose()? else {
                bail!("it ended before it was ready; it says:\n{log}");
            };
            let ready = line.contains("ready to accept");
            log.keep(line);
            if ready {
                break;
            }
        }
        let kept = log.clone();
        std::thread::spawn(move || said.map_while(Result::ok).for_each(|line| kept.keep(line)));
        Ok(log)
    }

    fn keep(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > LINES_KEPT {
            lines.pop_front();
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
