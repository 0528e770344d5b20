//! What keeps the engine from driving all that it should, for whoever asks whether it is well.

use std::sync::{Mutex, MutexGuard, PoisonError};

use levqor_store::runs::UnreadableRun;

use crate::sweep::Stuck;

#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Findings>);

#[derive(Debug, Default)]
struct Findings {
    unreadable: Unreadable,
    /// Why the runs that should be in memory cannot be looked for.
    scan_failure: Option<String>,
    stuck: Stuck,
}

/// Runs that should be driven and whose rows cannot be read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unreadable {
    runs: usize,
    first: Option<UnreadableRun>,
}

impl Unreadable {
    pub(crate) fn add(&mut self, found: Vec<UnreadableRun>) {
        self.runs += found.len();
        self.first = self.first.take().or_else(|| found.into_iter().next());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs == 0
    }
}

impl Health {
    /// A page of a pass over the runs was read: at least so many are unreadable.
    pub(crate) fn page_read(&self, so_far: &Unreadable) {
        let mut findings = self.findings();
        findings.scan_failure = None;
        if so_far.runs > findings.unreadable.runs {
            findings.unreadable = so_far.clone();
        }
    }

    /// A pass is over: what an earlier one found may have been repaired since.
    pub(crate) fn pass_over(&self, found: &Unreadable) {
        self.findings().unreadable = found.clone();
    }

    pub(crate) fn scan_failed(&self, reason: &levqor_store::Error) {
        self.findings().scan_failure = Some(reason.to_string());
    }

    /// A look over all live runs is over.
    pub(crate) fn swept(&self, stuck: Stuck) {
        self.findings().stuck = stuck;
    }

    pub(crate) fn stuck(&self) -> Stuck {
        self.findings().stuck.clone()
    }

    /// In one sentence; None: all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        let findings = self.findings();
        if let Some(reason) = &findings.scan_failure {
            return Some(format!("runs could not be looked for: {reason}"));
        }
        let UnreadableRun { id, reason } = findings.unreadable.first.as_ref()?;
        let others = match findings.unreadable.runs.saturating_sub(1) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!("the row of run {id} cannot be read ({reason}){others}; the run does not go on"))
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_wrong_until_a_whole_pass_finds_nothing() {
        let row = |id: &str| UnreadableRun { id: id.to_owned(), reason: "column region: no".to_owned() };
        let health = Health::default();
        assert_eq!(health.failure(), None);

        let mut found = Unreadable::default();
        found.add(vec![row("run_1")]);
        health.page_read(&found);
        let one = "the row of run run_1 cannot be read (column region: no); the run does not go on";
        assert_eq!(health.failure().as_deref(), Some(one));
        found.add(vec![row("run_2"), row("run_3")]);
        health.page_read(&found);
        health.pass_over(&found);
        assert!(health.failure().unwrap().contains("run_1 cannot be read (column region: no), and 2 more"));

        health.scan_failed(&levqor_store::Error::DiskFull);
        assert!(health.failure().unwrap().starts_with("runs could not be looked for: the disk is full"));
        health.page_read(&Unreadable::default());
        assert!(health.failure().is_some(), "the pass is not over");
        health.pass_over(&Unreadable::default());
        assert_eq!(health.failure(), None);
    }
}
