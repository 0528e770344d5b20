//! A run that has ended when it is accepted: it goes straight to where ended runs are.
//!
//! Most runs are short. Written as one that lives and moved at once, such a run would cost three times the statements, and
//! what is packed for the archive would be packed on the writer's thread.

use super::{Append, JournalEntry, NewRun, Run, archive, segments};
use crate::{Error, Session, listeners, params};

/// What is written of a short run, ready.
#[derive(Debug)]
pub(crate) struct ShortRun {
    next_seq: i64,
    payloads: Vec<u8>,
    journal: Option<Journal>,
}

#[derive(Debug)]
struct Journal {
    last_seq: i64,
    segment: Vec<u8>,
}

impl ShortRun {
    /// None when the append does not end the run, is not its first, or there is too much to write at once.
    pub(crate) fn of(new: &NewRun, first: &Append) -> Option<Self> {
        let begun = &new.run;
        let next_seq = i64::from(new.events.is_some());
        let is_first = first.run_id == begun.id && first.epoch == begun.epoch && first.seq == next_seq;
        if !is_first || !first.status.is_ended() || begun.status.is_ended() {
            return None;
        }
        let parts = [
            ("error", first.error.as_deref()),
            ("input", Some(new.input.as_str())),
            ("output", first.output.as_deref()),
        ];
        let parts: Vec<(&str, &str)> =
            parts.into_iter().filter_map(|(name, body)| body.map(|body| (name, body))).collect();
        let entries: Vec<JournalEntry> = [
            new.events.as_ref().map(|events| (0, begun.created_at, &begun.region, events)),
            first.events.as_ref().map(|events| (next_seq, first.at, &first.region, events)),
        ]
        .into_iter()
        .flatten()
        .map(|(seq, at, region, events)| JournalEntry {
            seq,
            at,
            region: region.clone(),
            events: events.clone(),
        })
        .collect();
        let held = parts.iter().map(|(_, body)| body.len()).sum::<usize>()
            + entries.iter().map(|entry| entry.events.len()).sum::<usize>();
        if held > archive::AT_ONCE_BYTES {
            return None;
        }
        let journal = entries
            .last()
            .map(|last| Journal { last_seq: last.seq, segment: segments::pack_entries(&entries) });
        Some(Self {
            next_seq: next_seq + i64::from(first.events.is_some()),
            payloads: archive::pack_parts(&parts),
            journal,
        })
    }

    /// The row that the run ends with.
    pub(super) fn row(&self, begun: &Run, first: &Append) -> Run {
        Run {
            status: first.status,
            region: first.region.clone(),
            waiting_for: first.waiting_for.clone(),
            started_at: first.started_at.or(begun.started_at),
            ended_at: Some(first.ended_at.unwrap_or(first.at)),
            next_seq: self.next_seq,
            ..begun.clone()
        }
    }

    /// All but the row, which is there already.
    pub(super) fn write(&self, session: &Session, row: &Run, first: &Append) -> Result<(), Error> {
        session.execute(
            "INSERT INTO archived_payloads (run_id, body) VALUES ($1, $2)",
            params![row.id, *self.payloads],
        )?;
        if let Some(journal) = &self.journal {
            segments::insert(session, row.id, journal.last_seq, &journal.segment)?;
        }
        listeners::publish(session, row.account_id, first.at, &first.event_changes)
    }
}
