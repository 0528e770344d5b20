//! Rows of runs that cannot be read: damaged, or written by another build. Reading many, one of them must not hide the rest.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::Run;
use crate::{Error, Row};

/// Rows that a list may pass over before it ends early.
pub(super) const PASSED_OVER_MAX: usize = 1_000;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRun {
    /// As it stands in the row: it need not be an id.
    pub id: String,
    pub reason: String,
}

impl Run {
    /// The run, or None when only this row is at fault, which `unreadable` gets then.
    pub(super) fn read_or_note(
        row: &mut Row<'_>,
        unreadable: &mut Vec<UnreadableRun>,
    ) -> Result<Option<Self>, Error> {
        match Self::read(row) {
            Err(Error::Decode(reason)) => {
                unreadable.push(UnreadableRun { id: shown(row), reason });
                Ok(None)
            }
            other => other.map(Some),
        }
    }
}

fn shown(row: &Row<'_>) -> String {
    const CHARS_MAX: usize = 64;
    row.first_text().map_or_else(|| "?".to_owned(), |id| id.chars().take(CHARS_MAX).collect())
}

/// Which unreadable rows the log has been told of: once each.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<String>>);

impl Told {
    const IDS_MAX: usize = 4_096;

    pub(super) fn tell(&self, unreadable: &[UnreadableRun]) {
        if unreadable.is_empty() {
            return;
        }
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for UnreadableRun { id, reason } in unreadable {
            if told.len() == Self::IDS_MAX {
                told.clear();
            }
            if told.insert(id.clone()) {
                tracing::error!(
                    run.id = %id, error = %reason,
                    "the row of run {id:?} cannot be read and is left out: {reason}; repair it or restore a backup"
                );
            }
        }
    }
}
