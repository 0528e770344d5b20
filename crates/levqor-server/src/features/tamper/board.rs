//! What this node knows of its files at the moment: what is there, what was agreed, and what follows from the two.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use levqor_model::{
    Deviation, Severity, Timestamp,
    tamper::{Baseline, Entry, Seen, Subject, sha256},
};
use tokio::sync::Notify;

use super::{
    TamperSettings,
    guard::{Condition, Guard},
    text_of,
};

/// The name of what the database says of the baseline, where paths are named.
pub(super) const DATABASE: &str = "(database) baseline";
/// What is found where nobody looks any more.
const UNGUARDED: &str = "it is not guarded any more, by the configuration";
/// The name of the evidence log, where paths are named.
pub(super) const EVIDENCE: &str = "(database) evidence log";

/// What the feature keeps in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Held during a round, and while the baseline's file is replaced.
    pub(super) guard: tokio::sync::Mutex<Option<Guard>>,
    /// Ends the wait of a round.
    pub(super) wake: Notify,
    board: Mutex<Board>,
    /// Wishes are asked for with the next round.
    pub(super) hurry: AtomicBool,
    /// One at a time tells the database, and signs.
    pub(super) telling: tokio::sync::Mutex<super::teller::Told>,
}

impl Memory {
    /// There is something to do for the teller.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// For a short look or change, never across an await.
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    /// What is there; None: not everything was looked at yet.
    pub(super) seen: Option<Arc<BTreeMap<String, Entry>>>,
    /// The scanner's count of changes that `seen` is as of.
    pub(super) version: Option<u64>,
    pub(super) looked_at: Option<Timestamp>,
    pub(super) condition: Condition,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) agreed: Agreed,
    /// What verifying the evidence log gave last.
    pub(super) evidence: Option<Evidence>,
    /// What is not as agreed, by path.
    pub(super) deviations: BTreeMap<String, Deviation>,
    /// Grows when `deviations` change.
    pub(super) changes: u64,
}

/// What is known of the baseline.
#[derive(Debug, Clone, Default)]
pub(super) enum Agreed {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// There is none: this is the first start.
    Nothing,
    Known(Box<Trust>),
}

#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// With its text. None: no account of it can be believed.
    pub(super) baseline: Option<(Arc<Baseline>, Arc<str>)>,
    /// Who signs.
    pub(super) key: String,
    /// The highest number that anybody names.
    pub(super) sequence: u64,
    /// The number of the database's row.
    pub(super) row: Option<u64>,
    /// What the file should be seen as.
    pub(super) own: Entry,
    /// Why nothing can be believed, or what is wrong with the file's text.
    pub(super) file_problem: Option<String>,
    /// What is wrong with what the database says.
    pub(super) database_problem: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) at: Timestamp,
    /// What was found; None: the log is whole.
    pub(super) problem: Option<String>,
    /// What is to be known of a whole log, such as whose signatures were agreed to.
    pub(super) remark: Option<String>,
}

impl Trust {
    /// The file of a baseline, readable by its owner alone.
    pub(super) fn own(text: &str, owner: String) -> Entry {
        let seen = Seen::File {
            sha256: sha256(text.as_bytes()),
            bytes: text.len() as u64,
            mode: "600".to_owned(),
            owner,
        };
        Entry { subject: Subject::Baseline, seen }
    }
}

/// What changed of the deviations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) came: Vec<Deviation>,
    /// Paths.
    pub(super) went: Vec<String>,
}

impl Board {
    /// Whether there is a verdict at all.
    pub(super) fn is_known(&self) -> bool {
        self.seen.is_some() && matches!(self.agreed, Agreed::Known(_))
    }

    /// Takes note of what the baseline's file is by our own doing, until it is looked at again.
    pub(super) fn has_own(&mut self, file: &str, own: &Entry) {
        if let Some(seen) = &mut self.seen {
            Arc::make_mut(seen).insert(file.to_owned(), own.clone());
        }
    }

    /// Judges anew. Do it whenever `seen`, `agreed` or `evidence` change, before anybody else looks at the board.
    pub(super) fn judge(&mut self, settings: &TamperSettings) -> News {
        let own = text_of(&settings.baseline());
        let file = own.as_str();
        let (Some(seen), Agreed::Known(trust)) = (&self.seen, &self.agreed) else { return News::default() };
        let mut found = match &trust.baseline {
            Some((baseline, _)) => {
                let mut agreed = baseline.entries.clone();
                agreed.insert(file.to_owned(), trust.own.clone());
                let mut found = levqor_model::tamper::deviations(&agreed, seen);
                for (path, deviation) in found.iter_mut().filter(|(path, _)| !seen.contains_key(*path)) {
                    if !settings.guards(path) {
                        deviation.found = Some(UNGUARDED.to_owned());
                    }
                }
                found
            }
            None => {
                let problem = trust.file_problem.clone();
                BTreeMap::from([critical(file, "a baseline of this installation", problem)])
            }
        };
        if trust.database_problem.is_some() {
            found.extend([critical(
                DATABASE,
                "the baseline that was signed last",
                trust.database_problem.clone(),
            )]);
        }
        if let Some(Evidence { problem: Some(problem), .. }) = &self.evidence {
            found.extend([critical(EVIDENCE, "whole", Some(problem.clone()))]);
        }
        let came = found.iter().filter(|(path, deviation)| self.deviations.get(*path) != Some(*deviation));
        let went = self.deviations.keys().filter(|path| !found.contains_key(*path));
        let news =
            News { came: came.map(|(_, found)| found.clone()).collect(), went: went.cloned().collect() };
        if news != News::default() {
            self.deviations = found;
            self.changes += 1;
        }
        news
    }
}

fn critical(place: &str, expected: &str, found: Option<String>) -> (String, Deviation) {
    let deviation = Deviation {
        severity: Severity::Critical,
        place: place.to_owned(),
        expected: Some(expected.to_owned()),
        found,
    };
    (place.to_owned(), deviation)
}
