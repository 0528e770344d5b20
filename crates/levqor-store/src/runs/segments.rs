//! Journals: rows while entries are young, packed segments of many entries later.
//!
//! ```text
//! append ─► journal (a row an entry) ── every so many entries, or at the run's end ─► journal_segments
//! ```
//!
//! A segment is read with one look-up, however many entries it holds.
//!
//! Invariant: the segments of a run hold its oldest entries without a gap, the rows those after them.

use levqor_model::{RegionCode, RunId, Timestamp};

use super::{
    JournalEntry,
    pack::{Reader, pack, put_number, put_signed, put_text, unpack},
};
use crate::{Error, Row, Session, Store, params};

/// Entries of a long run's journal that become a segment together.
pub(super) const ENTRIES: usize = 128;

/// A segment takes no further entry when it holds this much: bounds how long the writer is busy with one.
pub(super) const BYTES: usize = 256 * 1024;

impl JournalEntry {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { seq: row.take()?, at: row.take()?, region: row.take()?, events: row.take()? })
    }
}

impl Store {
    /// In order.
    pub async fn journal(
        &self,
        id: RunId,
        after_seq: Option<i64>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, Error> {
        self.view(move |session| session.snapshot(|| read(session, id, after_seq.unwrap_or(-1), limit))).await
    }
}

fn read(session: &Session, run: RunId, after: i64, limit: usize) -> Result<Vec<JournalEntry>, Error> {
    let mut entries: Vec<JournalEntry> = Vec::new();
    let mut last = after;
    while entries.len() < limit {
        let body: Option<Vec<u8>> = session.scalar(
            "SELECT body FROM journal_segments WHERE run_id = $1 AND last_seq > $2 ORDER BY last_seq LIMIT 1",
            params![run, last],
        )?;
        let Some(body) = body else { break };
        let segment = unpack_entries(&body)
            .map_err(|reason| Error::Decode(format!("a journal segment of run {run}: {reason}")))?;
        let end = segment.last().map_or(last, |entry| entry.seq);
        if end <= last {
            return Err(Error::Decode(format!("a journal segment of run {run}: it is out of order")));
        }
        let wanted = limit - entries.len();
        entries.extend(segment.into_iter().filter(|entry| entry.seq > after).take(wanted));
        last = end;
    }
    let wanted = limit - entries.len();
    if wanted > 0 {
        entries.extend(rows(session, run, last, wanted, usize::MAX)?);
    }
    Ok(entries)
}

/// Entries that are rows, in order, until there are so many or they hold so much; at least one when there is one.
pub(super) fn rows(
    session: &Session,
    run: RunId,
    after: i64,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<JournalEntry>, Error> {
    let (mut bytes, mut full) = (0, false);
    let mut entries = Vec::new();
    session.each_row(
        "SELECT seq, at, region, events FROM journal WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        params![run, after, limit],
        |row| {
            let entry = JournalEntry::read(row)?;
            full = bytes > 0 && bytes + entry.events.len() > bytes_max;
            if !full {
                bytes += entry.events.len();
                entries.push(entry);
            }
            Ok(!full)
        },
    )?;
    Ok(entries)
}

/// Makes the oldest rows of a run's journal a segment.
pub(super) fn compact(session: &Session, run: RunId) -> Result<(), Error> {
    let entries = rows(session, run, -1, ENTRIES, BYTES)?;
    match entries.last() {
        Some(last) => replace(session, run, last.seq, &pack_entries(&entries)),
        None => Ok(()),
    }
}

/// Puts a segment in the place of the rows up to its last entry.
pub(super) fn replace(session: &Session, run: RunId, last_seq: i64, body: &[u8]) -> Result<(), Error> {
    insert(session, run, last_seq, body)?;
    session.execute("DELETE FROM journal WHERE run_id = $1 AND seq <= $2", params![run, last_seq]).map(drop)
}

pub(super) fn insert(session: &Session, run: RunId, last_seq: i64, body: &[u8]) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO journal_segments (run_id, last_seq, body) VALUES ($1, $2, $3)",
            params![run, last_seq, *body],
        )
        .map(drop)
}

pub(super) fn pack_entries(entries: &[JournalEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.iter().map(|entry| entry.events.len() + 16).sum());
    let (mut seq, mut at, mut region) = (-1, 0, "");
    for entry in entries {
        // The usual step of one is a zero, and the usual region an empty text.
        put_signed(&mut out, entry.seq.wrapping_sub(seq).wrapping_sub(1));
        put_signed(&mut out, entry.at.as_micros().wrapping_sub(at));
        put_text(&mut out, if entry.region.as_str() == region { "" } else { entry.region.as_str() });
        put_number(&mut out, entry.events.len() as u64);
        out.extend_from_slice(entry.events.as_bytes());
        (seq, at, region) = (entry.seq, entry.at.as_micros(), entry.region.as_str());
    }
    pack(&out)
}

fn unpack_entries(body: &[u8]) -> Result<Vec<JournalEntry>, String> {
    let contents = unpack(body)?;
    let mut reader = Reader(&contents);
    let mut entries: Vec<JournalEntry> = Vec::new();
    let (mut seq, mut at, mut region) = (-1_i64, 0_i64, None::<RegionCode>);
    while !reader.is_at_end() {
        seq = seq.wrapping_add(reader.signed()?).wrapping_add(1);
        at = at.wrapping_add(reader.signed()?);
        match reader.text()? {
            "" => {}
            code => region = Some(code.parse().map_err(|error| format!("its region: {error}"))?),
        }
        let region = region.clone().ok_or("it has no region")?;
        let events = reader.text()?.to_owned();
        entries.push(JournalEntry { seq, at: Timestamp::from_micros(at), region, events });
    }
    if entries.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_survive_their_segment(
            first in 0..1_000_i64,
            rows in proptest::collection::vec((any::<i64>(), "[a-c]{2,4}-west", ".{0,40}"), 1..20),
        ) {
            let entries: Vec<JournalEntry> = rows
                .into_iter()
                .zip(first..)
                .map(|((at, region, events), seq)| JournalEntry {
                    seq,
                    at: Timestamp::from_micros(at),
                    region: region.parse().unwrap(),
                    events,
                })
                .collect();
            prop_assert_eq!(unpack_entries(&pack_entries(&entries)), Ok(entries));
        }

        #[test]
        fn no_segment_panics(contents in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = unpack_entries(&pack(&contents));
        }
    }
}
