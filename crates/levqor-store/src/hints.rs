//! What other nodes say has just been written.
//!
//! ```text
//! a transaction ─► its commit tells (`NOTIFY`) ─► each node's listener ─► bells ─► whoever would have looked a little later
//! ```
//!
//! A hint is never the truth: it may be late, double or lost, and whoever waits for one looks by itself as well, less often while
//! hints are heard. With SQLite there is nobody who could say anything, and no bell ever rings.

use std::sync::atomic::{AtomicBool, Ordering};

use levqor_model::RunId;
use tokio::sync::{broadcast, watch};

use crate::{Error, Session, Store, params};

/// Runs that a slow listener may be behind; it loses older ones.
const RUNS_MAX: usize = 256;

/// What a transaction has done that others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Somebody wants something of a run.
    Nudges,
    /// Events were published.
    Events,
}

impl Hint {
    pub(crate) const ALL: [Hint; 2] = [Hint::Nudges, Hint::Events];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Hint::Nudges => "nudges",
            Hint::Events => "events",
        }
    }
}

/// The bells of one process.
#[derive(Debug)]
pub struct Hints {
    nudges: watch::Sender<()>,
    events: watch::Sender<()>,
    runs: broadcast::Sender<RunId>,
    heard: AtomicBool,
}

impl Hints {
    pub(crate) fn new() -> Self {
        Self {
            nudges: watch::Sender::new(()),
            events: watch::Sender::new(()),
            runs: broadcast::Sender::new(RUNS_MAX),
            heard: AtomicBool::new(false),
        }
    }

    /// Whether hints come in now, as far as is known.
    pub fn are_heard(&self) -> bool {
        self.heard.load(Ordering::SeqCst)
    }

    /// Changes when some node left nudges.
    pub fn nudges(&self) -> watch::Receiver<()> {
        self.nudges.subscribe()
    }

    /// Changes when some node published events.
    pub fn events(&self) -> watch::Receiver<()> {
        self.events.subscribe()
    }

    /// Runs that did what another node wanted of them.
    pub fn runs(&self) -> broadcast::Receiver<RunId> {
        self.runs.subscribe()
    }

    /// From here on hints come in. What was said before is not known, so everybody looks.
    pub(crate) fn begin(&self) {
        Hint::ALL.into_iter().for_each(|hint| self.ring(hint));
        self.heard.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.heard.store(false, Ordering::SeqCst);
    }

    /// What somebody said, in words; those of a newer build are passed over.
    pub(crate) fn take(&self, said: &str) {
        for word in said.split(' ') {
            if let Some(hint) = Hint::ALL.into_iter().find(|hint| hint.word() == word) {
                self.ring(hint);
            } else if let Ok(run) = word.parse() {
                // An error means that nobody waits here.
                let _ = self.runs.send(run);
            }
        }
    }

    fn ring(&self, hint: Hint) {
        match hint {
            Hint::Nudges => self.nudges.send_replace(()),
            Hint::Events => self.events.send_replace(()),
        }
    }
}

impl Store {
    /// The bells; the first call begins to listen.
    pub fn hints(&self) -> &Hints {
        self.database.hints()
    }

    /// Tells other nodes that the run has changed, for those that asked for it. Nothing is written.
    pub async fn tell_of_run(&self, run: RunId) -> Result<(), Error> {
        if !self.is_shared() {
            return Ok(());
        }
        self.read(move |session| tell(session, &run.to_string())).await
    }
}

fn tell(session: &Session, words: &str) -> Result<(), Error> {
    session.scalar::<i64>("SELECT 1 FROM (SELECT pg_notify('levqor', $1)) AS told", params![words]).map(drop)
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};

    use super::*;

    #[test]
    fn each_word_rings_its_own_bell() {
        let hints = Hints::new();
        let (nudges, events, mut runs) = (hints.nudges(), hints.events(), hints.runs());
        let run = RunId::new(Timestamp::from_seconds(1), &SeededRandom::new(1));
        hints.take(&format!("events {run} what-a-newer-build-says"));
        assert_eq!(runs.try_recv(), Ok(run));
        assert!(events.has_changed().unwrap() && !nudges.has_changed().unwrap());
        hints.take("");
        hints.take("nudges nudges");
        assert!(nudges.has_changed().unwrap() && runs.try_recv().is_err());
    }

    #[test]
    fn who_begins_to_hear_looks_at_everything() {
        let hints = Hints::new();
        let (nudges, events) = (hints.nudges(), hints.events());
        assert!(!hints.are_heard());
        hints.begin();
        assert!(hints.are_heard() && nudges.has_changed().unwrap() && events.has_changed().unwrap());
        hints.end();
        assert!(!hints.are_heard());
    }
}
