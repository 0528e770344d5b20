//! Letting runs go: when their time is over, or because someone says so.
//!
//! Only runs that have ended, in small batches between other writes, the disk space given back. What they were counted for (usage,
//! schedules that fired) stays.
//!
//! Invariant: a run whose row is gone has no payload. Segments of a long journal may outlive it for a moment: they are listed in
//! `journal_leftovers` until they are gone too.

use levqor_model::{AccountId, RunId, RunStatus, Timestamp, WorkflowId};
use serde::Deserialize;
use serde_json::json;

use super::{archive, counts, lists::last_id};
use crate::{
    Error, Session, Store, approvals,
    audit::{self, Note},
    params,
};

/// Runs that one transaction deletes.
const BATCH: usize = 64;

/// A transaction that has deleted this much (payloads, in bytes) takes no further run.
const BATCH_BYTES: i64 = 512 * 1024;

/// Segments that one transaction deletes for one run; long journals have more.
const SEGMENTS: usize = 16;

/// Pages that one transaction gives back to the disk.
const PAGES: u32 = 256;

/// Free pages that are kept for what comes next, so that the file does not shrink and grow all the time.
const PAGES_KEPT: i64 = 1_024;

/// A workflow, and what its current version says about how long its runs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBy {
    pub workflow_id: WorkflowId,
    /// `document.metadata.levqor.retention`, when it is a number.
    pub days: Option<i64>,
}

/// The one member of a definition that says for how many days its runs are kept.
fn days(definition: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Definition {
        document: Document,
    }
    #[derive(Deserialize)]
    struct Document {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        levqor: Policy,
    }
    #[derive(Deserialize)]
    struct Policy {
        retention: i64,
    }
    let definition: Definition = serde_json::from_str(definition).ok()?;
    Some(definition.document.metadata.levqor.retention)
}

/// What became of a run that someone wants deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Yes,
    Missing,
    /// It has not ended.
    Lives(RunStatus),
    /// This run started it and goes on: without it, it might be started again.
    NeededBy(RunId),
}

/// Runs that were looked at.
struct Batch {
    ids: Vec<RunId>,
    last: Option<RunId>,
}

impl Store {
    /// All workflows, deleted ones too: their runs are still there. By id, after that one.
    pub async fn retention_by_workflow(
        &self,
        after: Option<WorkflowId>,
        limit: usize,
    ) -> Result<Vec<KeptBy>, Error> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.read(move |session| {
            session.rows(
                "SELECT workflows.workflow_id, definition
                 FROM workflows LEFT JOIN workflow_versions
                     ON workflow_versions.workflow_id = workflows.workflow_id
                         AND workflow_versions.version = workflows.version
                 WHERE workflows.workflow_id > $1 ORDER BY workflows.workflow_id LIMIT $2",
                params![after, limit],
                |row| {
                    let workflow_id = row.take()?;
                    let definition: Option<String> = row.take()?;
                    Ok(KeptBy { workflow_id, days: definition.as_deref().and_then(days) })
                },
            )
        })
        .await
    }

    /// Deletes the runs of a workflow that ended before then, and remembers for their account that runs as old as these are gone.
    /// Gives how many.
    ///
    /// Not atomic: when it is dropped or fails, what was deleted stays deleted and the next call goes on.
    pub async fn prune_runs(&self, workflow: WorkflowId, before: Timestamp) -> Result<u64, Error> {
        let (mut deleted, mut after) = (0, None);
        loop {
            let Batch { ids, last } = self.ended_before(workflow, before, after).await?;
            let mut rest = ids;
            while !rest.is_empty() {
                let (count, left) = self
                    .write(move |session| {
                        let result = delete_some(session, rest, before)?;
                        session.release_pages(PAGES)?;
                        Ok(result)
                    })
                    .await?;
                deleted += count;
                rest = left;
            }
            self.delete_leftovers().await?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(deleted),
            }
        }
    }

    /// Deletes a run that has ended, now.
    pub async fn delete_run(&self, account: AccountId, id: RunId, at: Timestamp) -> Result<Deleted, Error> {
        loop {
            let found = self
                .write(move |session| {
                    let live: Option<RunStatus> = session.scalar(
                        "SELECT status FROM runs WHERE run_id = $1 AND account_id = $2",
                        params![id, account],
                    )?;
                    match live {
                        Some(status) if !status.is_ended() => return Ok(Some(Deleted::Lives(status))),
                        // Too large to be moved in one go.
                        Some(_) if !archive::move_ended(session, id)? => return Ok(None),
                        _ => {}
                    }
                    let owner: Option<AccountId> = session
                        .scalar("SELECT account_id FROM archived_runs WHERE run_id = $1", params![id])?;
                    if owner != Some(account) {
                        return Ok(Some(Deleted::Missing));
                    }
                    if let Some(parent) = live_parent(session, id)? {
                        return Ok(Some(Deleted::NeededBy(parent)));
                    }
                    delete(session, id)?;
                    audit::note(
                        session,
                        Note {
                            kind: "run.deleted",
                            at,
                            account: Some(account),
                            subject: &id.to_string(),
                            details: json!({}),
                        },
                    )?;
                    Ok(Some(Deleted::Yes))
                })
                .await?;
            match found {
                Some(Deleted::Yes) => {
                    self.delete_leftovers().await?;
                    return Ok(Deleted::Yes);
                }
                Some(other) => return Ok(other),
                None => self.move_large(id).await.map(drop)?,
            }
        }
    }

    /// The newest run of the account that was deleted because its time was over.
    pub async fn newest_pruned_run(&self, account: AccountId) -> Result<Option<RunId>, Error> {
        self.read(move |session| {
            session.scalar("SELECT run_id FROM pruned_runs WHERE account_id = $1", params![account])
        })
        .await
    }

    /// Deletes what is left of the journals of deleted runs.
    pub async fn delete_leftovers(&self) -> Result<(), Error> {
        while self.write(delete_leftover).await? {}
        Ok(())
    }

    /// Gives the free space of the database file back to the disk, in small steps, but for a little that is used again soon.
    pub async fn release_disk(&self) -> Result<(), Error> {
        loop {
            let free = self
                .write(|session| {
                    session.release_pages(PAGES)?;
                    session.free_pages()
                })
                .await?;
            if free <= PAGES_KEPT {
                return Ok(());
            }
        }
    }

    /// A page of the workflow's archived runs, oldest first; of these, those that ended before then.
    async fn ended_before(
        &self,
        workflow: WorkflowId,
        before: Timestamp,
        after: Option<RunId>,
    ) -> Result<Batch, Error> {
        // A run ends after it was made, so that newer ids need not be looked at.
        let end = last_id(before);
        let after = after.map_or_else(String::new, |run| run.to_string());
        self.read(move |session| {
            let rows: Vec<(RunId, Timestamp)> = session.rows(
                "SELECT run_id, ended_at FROM archived_runs
                 WHERE workflow_id = $1 AND run_id > $2 AND run_id <= $3 ORDER BY run_id LIMIT $4",
                params![workflow, after, end, BATCH],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let last = rows.last().map(|(id, _)| *id).filter(|_| rows.len() == BATCH);
            let ids = rows.into_iter().filter(|(_, ended)| *ended < before).map(|(id, _)| id).collect();
            Ok(Batch { ids, last })
        })
        .await
    }
}

/// As many as one transaction may delete; gives how many, and the rest.
fn delete_some(session: &Session, ids: Vec<RunId>, before: Timestamp) -> Result<(u64, Vec<RunId>), Error> {
    let (mut count, mut bytes) = (0, 0);
    let mut ids = ids.into_iter();
    for id in ids.by_ref() {
        // It may have been retried, and even have ended again, since it was looked at.
        let found = session.row(
            "SELECT account_id, coalesce(length(body), 0) FROM archived_runs
             LEFT JOIN archived_payloads ON archived_payloads.run_id = archived_runs.run_id
             WHERE archived_runs.run_id = $1 AND ended_at < $2",
            params![id, before],
            |row| Ok((row.take::<AccountId>()?, row.take::<i64>()?)),
        )?;
        let Some((account, size)) = found else { continue };
        if live_parent(session, id)?.is_some() {
            continue;
        }
        delete(session, id)?;
        note_pruned(session, account, id)?;
        count += 1;
        bytes += size;
        if bytes > BATCH_BYTES {
            break;
        }
    }
    Ok((count, ids.collect()))
}

/// The run that started this one, when it goes on.
fn live_parent(session: &Session, run: RunId) -> Result<Option<RunId>, Error> {
    session.scalar(
        "SELECT runs.run_id FROM archived_runs JOIN runs ON runs.run_id = archived_runs.parent_run_id
         WHERE archived_runs.run_id = $1 AND archived_runs.parent_run_id IS NOT NULL AND runs.ended_at IS NULL",
        params![run],
    )
}

/// Deletes an archived run and takes it out of the counts.
fn delete(session: &Session, run: RunId) -> Result<(), Error> {
    let row = session.row(
        "DELETE FROM archived_runs WHERE run_id = $1 RETURNING account_id, status",
        params![run],
        |row| Ok((row.take::<AccountId>()?, row.take::<RunStatus>()?)),
    )?;
    let Some((account, status)) = row else { return Ok(()) };
    counts::add(session, account, status, -1)?;
    session.execute("DELETE FROM archived_payloads WHERE run_id = $1", params![run])?;
    approvals::forget(session, run)?;
    if delete_segments(session, run)? {
        session.execute("INSERT INTO journal_leftovers (run_id) VALUES ($1)", params![run])?;
    }
    Ok(())
}

/// Some segments of a run; true when there may be more.
fn delete_segments(session: &Session, run: RunId) -> Result<bool, Error> {
    let deleted = session.execute(
        "DELETE FROM journal_segments WHERE run_id = $1 AND last_seq IN
            (SELECT last_seq FROM journal_segments WHERE run_id = $1 ORDER BY last_seq LIMIT $2)",
        params![run, SEGMENTS],
    )?;
    Ok(deleted == SEGMENTS as u64)
}

/// False when nothing is left.
fn delete_leftover(session: &Session) -> Result<bool, Error> {
    let run: Option<RunId> =
        session.scalar("SELECT run_id FROM journal_leftovers ORDER BY run_id LIMIT 1", &[])?;
    let Some(run) = run else { return Ok(false) };
    if !delete_segments(session, run)? {
        session.execute("DELETE FROM journal_leftovers WHERE run_id = $1", params![run])?;
    }
    session.release_pages(PAGES)?;
    Ok(true)
}

fn note_pruned(session: &Session, account: AccountId, run: RunId) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO pruned_runs (account_id, run_id) VALUES ($1, $2)
             ON CONFLICT (account_id) DO UPDATE SET run_id = excluded.run_id
             WHERE excluded.run_id > pruned_runs.run_id",
            params![account, run],
        )
        .map(drop)
}
