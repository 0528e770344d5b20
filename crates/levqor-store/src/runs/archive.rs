//! Where runs go when they end: out of the way of those that live.
//!
//! ```text
//! the last append ─► archived_runs, archived_payloads, journal_segments       in the same transaction
//!        └─ much to move ─► stays where it is ─► archive_ended_runs, piece by piece
//! a run that has ended when it is accepted ─► there at once (short.rs)
//! retry ─► back into runs and run_payloads (its journal stays in its segments)
//! ```
//!
//! Invariant: a run is in `runs` or in `archived_runs`, never in both, after every transaction. Only runs that have ended
//! are archived. Both names of a run, its id and its parent's effect, are unique over both tables.

use levqor_model::RunId;

use super::{
    Payloads, Run, columns,
    pack::{Reader, pack, put_number, put_text, unpack},
    segments,
};
use crate::{Error, Session, Store, params};

/// What a run may hold (payloads and journal rows, in bytes) to be moved by the append that ends it: about a millisecond
/// of the writer's time.
pub(super) const AT_ONCE_BYTES: usize = 256 * 1024;

/// Runs that one transaction moves later.
const BATCH: usize = 32;

/// A row of `run_payloads`.
#[derive(Debug)]
struct Part {
    name: String,
    body: String,
}

impl Store {
    /// Moves the runs that have ended and still are among those that live: long ones, and those that ended before there was an
    /// archive. Gives how many. Small batches between other writes, and what is large is packed outside of the writer.
    ///
    /// Not atomic: when it is dropped or fails, what was moved stays moved and the next call goes on.
    pub async fn archive_ended_runs(&self) -> Result<u64, Error> {
        let (mut moved, mut after) = (0, String::new());
        loop {
            let ids = self.unmoved(after).await?;
            let Some(last) = ids.last() else { return Ok(moved) };
            after = last.clone();
            let (count, large) = self.write(move |session| move_small(session, &ids)).await?;
            moved += count;
            for run in large {
                moved += u64::from(self.move_large(run).await?);
            }
        }
    }

    async fn unmoved(&self, after: String) -> Result<Vec<String>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT run_id FROM runs WHERE ended_at IS NOT NULL AND run_id > $1 ORDER BY run_id LIMIT $2",
                params![after, BATCH],
                |row| row.take(),
            )
        })
        .await
    }

    /// Piece by piece; false when the run was taken up again meanwhile. What was moved by then stays a good journal.
    pub(super) async fn move_large(&self, run: RunId) -> Result<bool, Error> {
        loop {
            let piece = self
                .read(move |session| {
                    let entries = segments::rows(session, run, -1, usize::MAX, segments::BYTES * 4)?;
                    Ok(entries.last().map(|last| (last.seq, segments::pack_entries(&entries))))
                })
                .await?;
            let Some((last_seq, body)) = piece else { break };
            let goes_on = self
                .write(move |session| {
                    let is_there = has_ended(session, run)? && has_row(session, run, last_seq)?;
                    if is_there {
                        segments::replace(session, run, last_seq, &body)?;
                    }
                    Ok(is_there)
                })
                .await?;
            if !goes_on {
                return Ok(false);
            }
        }
        let body = self.read(move |session| Ok(pack_rows(&parts(session, run)?))).await?;
        self.write(move |session| {
            if !has_ended(session, run)? || !segments::rows(session, run, -1, 1, usize::MAX)?.is_empty() {
                return Ok(false);
            }
            put_away(session, run, &body)?;
            Ok(true)
        })
        .await
    }
}

/// Moves a run that has ended, unless it holds much; false then.
pub(super) fn move_ended(session: &Session, run: RunId) -> Result<bool, Error> {
    let parts = parts(session, run)?;
    let held: usize = parts.iter().map(|part| part.body.len()).sum();
    if held > AT_ONCE_BYTES {
        return Ok(false);
    }
    let entries = segments::rows(session, run, -1, usize::MAX, AT_ONCE_BYTES - held)?;
    if let Some(last) = entries.last() {
        segments::replace(session, run, last.seq, &segments::pack_entries(&entries))?;
        if !segments::rows(session, run, -1, 1, usize::MAX)?.is_empty() {
            return Ok(false);
        }
    }
    put_away(session, run, &pack_rows(&parts))?;
    Ok(true)
}

fn move_small(session: &Session, ids: &[String]) -> Result<(u64, Vec<RunId>), Error> {
    let (mut moved, mut large) = (0, Vec::new());
    for id in ids {
        // What is not an id stays where lists report it.
        let Ok(run) = id.parse() else { continue };
        if !has_ended(session, run)? {
            continue;
        }
        if move_ended(session, run)? {
            moved += 1;
        } else {
            large.push(run);
        }
    }
    Ok((moved, large))
}

fn has_ended(session: &Session, run: RunId) -> Result<bool, Error> {
    let found: Option<i64> =
        session.scalar("SELECT 1 FROM runs WHERE run_id = $1 AND ended_at IS NOT NULL", params![run])?;
    Ok(found.is_some())
}

fn has_row(session: &Session, run: RunId, seq: i64) -> Result<bool, Error> {
    let found: Option<i64> =
        session.scalar("SELECT 1 FROM journal WHERE run_id = $1 AND seq = $2", params![run, seq])?;
    Ok(found.is_some())
}

/// Moves the row, and its payloads as `body`.
fn put_away(session: &Session, run: RunId, body: &[u8]) -> Result<(), Error> {
    session.execute("INSERT INTO archived_payloads (run_id, body) VALUES ($1, $2)", params![run, *body])?;
    session.execute("DELETE FROM run_payloads WHERE run_id = $1", params![run])?;
    session.execute(
        concat!(
            "INSERT INTO archived_runs (",
            columns!(),
            ") SELECT ",
            columns!(),
            " FROM runs WHERE run_id = $1"
        ),
        params![run],
    )?;
    session.execute("DELETE FROM runs WHERE run_id = $1", params![run]).map(drop)
}

/// Brings a faulted run back, if it stands at `next_seq`.
pub(super) fn bring_back(session: &Session, run: RunId, next_seq: i64) -> Result<(), Error> {
    let body: Option<Vec<u8>> = session.scalar(
        "SELECT archived_payloads.body FROM archived_runs
         JOIN archived_payloads ON archived_payloads.run_id = archived_runs.run_id
         WHERE archived_runs.run_id = $1 AND next_seq = $2 AND status = 'faulted'",
        params![run, next_seq],
    )?;
    let Some(body) = body else { return Ok(()) };
    session.execute(
        concat!(
            "INSERT INTO runs (",
            columns!(),
            ") SELECT ",
            columns!(),
            " FROM archived_runs WHERE run_id = $1"
        ),
        params![run],
    )?;
    session.execute("DELETE FROM archived_runs WHERE run_id = $1", params![run])?;
    for Part { name, body } in unpack_parts(run, &body)? {
        super::append::write_payload(session, run, &name, &body)?;
    }
    session.execute("DELETE FROM archived_payloads WHERE run_id = $1", params![run]).map(drop)
}

/// The archived run of that id or of that parent's effect.
pub(super) fn existing(session: &Session, run: &Run) -> Result<Option<RunId>, Error> {
    let found = session.scalar("SELECT run_id FROM archived_runs WHERE run_id = $1", params![run.id])?;
    match (found, run.parent) {
        (None, Some((parent, effect))) => session.scalar(
            "SELECT run_id FROM archived_runs
             WHERE parent_run_id IS NOT NULL AND parent_run_id = $1 AND parent_effect = $2 LIMIT 1",
            params![parent, effect],
        ),
        (found, _) => Ok(found),
    }
}

/// Payloads, wherever they are.
pub(super) fn payloads(session: &Session, run: RunId) -> Result<Option<Payloads>, Error> {
    let mut parts = parts(session, run)?;
    if parts.is_empty() {
        let body: Option<Vec<u8>> =
            session.scalar("SELECT body FROM archived_payloads WHERE run_id = $1", params![run])?;
        parts = body.map_or_else(|| Ok(Vec::new()), |body| unpack_parts(run, &body))?;
    }
    let mut payloads = Payloads::default();
    let mut has_input = false;
    for Part { name, body } in parts {
        match name.as_str() {
            "input" => {
                has_input = true;
                payloads.input = body;
            }
            "output" => payloads.output = Some(body),
            "error" => payloads.error = Some(body),
            _ => return Err(Error::Decode(format!("column part: unknown part of run {run}"))),
        }
    }
    Ok(has_input.then_some(payloads))
}

fn parts(session: &Session, run: RunId) -> Result<Vec<Part>, Error> {
    session.rows(
        "SELECT part, body FROM run_payloads WHERE run_id = $1 ORDER BY part LIMIT 3",
        params![run],
        |row| Ok(Part { name: row.take()?, body: row.take()? }),
    )
}

fn pack_rows(parts: &[Part]) -> Vec<u8> {
    let parts: Vec<(&str, &str)> =
        parts.iter().map(|part| (part.name.as_str(), part.body.as_str())).collect();
    pack_parts(&parts)
}

/// Names and bodies.
pub(super) fn pack_parts(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|(_, body)| body.len() + 16).sum());
    put_number(&mut out, parts.len() as u64);
    for (name, body) in parts {
        put_text(&mut out, name);
        put_text(&mut out, body);
    }
    pack(&out)
}

fn unpack_parts(run: RunId, body: &[u8]) -> Result<Vec<Part>, Error> {
    let read = || {
        let contents = unpack(body)?;
        let mut reader = Reader(&contents);
        let mut parts = Vec::new();
        for _ in 0..reader.number()? {
            parts.push(Part { name: reader.text()?.to_owned(), body: reader.text()?.to_owned() });
        }
        Ok(parts)
    };
    read().map_err(|reason: String| Error::Decode(format!("the archived payloads of run {run}: {reason}")))
}
