//! Questions that runs ask people, and their answers.
//!
//! A row comes with the journal entry by which the run begins to wait, in one transaction, and is closed with the one by which
//! it stops waiting. The answer is written in between; the run finds it, or is told.

use levqor_model::{AccountId, ApprovalId, RunId, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    cursor, params,
};

/// A run that begins to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    pub id: ApprovalId,
    pub effect: u64,
    pub task: String,
    pub title: String,
    pub message: Option<String>,
    /// JSON.
    pub data: Option<String>,
}

/// What an append changes about approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalChanges {
    /// Those that are there already stay as they are.
    pub asked: Vec<NewApproval>,
    /// Effects whose wait is over.
    pub closed: Vec<u64>,
    /// Those of them that end without an answer, which must not have been given.
    pub unanswered: Vec<u64>,
    /// The run ends, and nobody can say what it waited for.
    pub all_closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub id: ApprovalId,
    pub account_id: AccountId,
    pub run_id: RunId,
    pub effect: u64,
    pub task: String,
    pub title: String,
    pub message: Option<String>,
    /// JSON.
    pub data: Option<String>,
    pub requested_at: Timestamp,
    pub decision: Option<Decision>,
    /// When the run stopped waiting, with the answer or without one.
    pub closed_at: Option<Timestamp>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub approved: bool,
    /// A person's address, or the id of an API key.
    pub by: String,
    pub comment: Option<String>,
    pub at: Timestamp,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// As it is now.
    Now(Approval),
    /// It was answered or closed before; as it is.
    Before(Approval),
    NotFound,
}

/// The columns of [`Approval`], in the order in which [`Approval::read`] takes them.
macro_rules! columns {
    () => {
        "approval_id, account_id, run_id, effect, task, title, message, data, requested_at, decided_at, approved, \
         decided_by, comment, closed_at"
    };
}

impl Approval {
    pub fn is_open(&self) -> bool {
        self.decision.is_none() && self.closed_at.is_none()
    }

    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            run_id: row.take()?,
            effect: row.take()?,
            task: row.take()?,
            title: row.take()?,
            message: row.take()?,
            data: row.take()?,
            requested_at: row.take()?,
            decision: {
                let at: Option<Timestamp> = row.take()?;
                let approved: Option<bool> = row.take()?;
                let (by, comment): (Option<String>, Option<String>) = (row.take()?, row.take()?);
                at.zip(approved).map(|(at, approved)| Decision {
                    approved,
                    by: by.unwrap_or_default(),
                    comment,
                    at,
                })
            },
            closed_at: row.take()?,
        })
    }
}

impl Store {
    pub async fn approval(&self, account: AccountId, id: ApprovalId) -> Result<Option<Approval>, Error> {
        self.read(move |session| find(session, account, id)).await
    }

    /// What the effect of a run waits for; for the engine.
    pub async fn approval_of(&self, run: RunId, effect: u64) -> Result<Option<Approval>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM approvals WHERE run_id = $1 AND effect = $2"),
                params![run, effect],
                Approval::read,
            )
        })
        .await
    }

    /// The effects of a run that wait, or waited, for an answer.
    pub async fn approval_effects_of(&self, run: RunId) -> Result<Vec<u64>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT effect FROM approvals WHERE run_id = $1 ORDER BY effect LIMIT 200000",
                params![run],
                |row| row.take(),
            )
        })
        .await
    }

    /// Answers that the run has not taken, in the order in which they were given.
    pub async fn answers_for(&self, run: RunId) -> Result<Vec<Approval>, Error> {
        let mut answers: Vec<Approval> = self
            .read(move |session| {
                session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM approvals WHERE run_id = $1 AND decided_at IS NOT NULL AND closed_at IS NULL
                         ORDER BY effect LIMIT 200000"
                    ),
                    params![run],
                    Approval::read,
                )
            })
            .await?;
        // A stable sort of the few that there are, which no index would serve better.
        answers.sort_by_key(|approval| approval.decision.as_ref().map(|decision| decision.at));
        Ok(answers)
    }

    /// Runs that have not taken an answer which is there, in order of the question. Only its own, for a node among several.
    pub async fn runs_with_answers(
        &self,
        after: Option<ApprovalId>,
        limit: usize,
    ) -> Result<Vec<(ApprovalId, RunId)>, Error> {
        let node = self.node;
        self.read(move |session| {
            let after = after.map_or_else(String::new, |after| after.to_string());
            session.rows(
                "SELECT approval_id, run_id FROM approvals
                 WHERE decided_at IS NOT NULL AND closed_at IS NULL AND approval_id > $1
                     AND (CAST($3 AS text) IS NULL OR EXISTS
                         (SELECT 1 FROM runs WHERE runs.run_id = approvals.run_id AND owner = $3))
                 ORDER BY approval_id LIMIT $2",
                params![after, limit, node],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Newest first: all, or those that wait for an answer.
    pub async fn approvals_of(
        &self,
        account: AccountId,
        open: bool,
        before: Option<ApprovalId>,
        limit: usize,
    ) -> Result<Vec<Approval>, Error> {
        let before = cursor::below(before);
        let sql = if open {
            concat!(
                "SELECT ",
                columns!(),
                " FROM approvals WHERE account_id = $1 AND approval_id < $2
                     AND decided_at IS NULL AND closed_at IS NULL
                 ORDER BY approval_id DESC LIMIT $3"
            )
        } else {
            concat!(
                "SELECT ",
                columns!(),
                " FROM approvals WHERE account_id = $1 AND approval_id < $2
                 ORDER BY approval_id DESC LIMIT $3"
            )
        };
        self.view(move |session| session.rows(sql, params![account, before, limit], Approval::read)).await
    }

    /// Answers, once: the first answer stays. Durable when this returns.
    pub async fn decide_approval(
        &self,
        account: AccountId,
        id: ApprovalId,
        decision: Decision,
    ) -> Result<Decided, Error> {
        self.write(move |session| {
            let updated = session.execute(
                "UPDATE approvals SET decided_at = $3, approved = $4, decided_by = $5, comment = $6
                 WHERE approval_id = $1 AND account_id = $2 AND decided_at IS NULL AND closed_at IS NULL",
                params![id, account, decision.at, decision.approved, decision.by, decision.comment],
            )?;
            if updated > 0 {
                audit::note(
                    session,
                    Note {
                        kind: "approval.decided",
                        at: decision.at,
                        account: Some(account),
                        subject: &id.to_string(),
                        details: json!({ "approved": decision.approved }),
                    },
                )?;
            }
            Ok(match find(session, account, id)? {
                None => Decided::NotFound,
                Some(approval) if updated > 0 => Decided::Now(approval),
                Some(approval) => Decided::Before(approval),
            })
        })
        .await
    }
}

fn find(session: &Session, account: AccountId, id: ApprovalId) -> Result<Option<Approval>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM approvals WHERE approval_id = $1 AND account_id = $2"),
        params![id, account],
        Approval::read,
    )
}

/// The part of an append that is about approvals.
pub(crate) fn change(
    session: &Session,
    run: RunId,
    account: AccountId,
    at: Timestamp,
    changes: &ApprovalChanges,
) -> Result<(), Error> {
    for new in &changes.asked {
        session.execute(
            "INSERT INTO approvals (approval_id, account_id, run_id, effect, task, title, message, data, requested_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (run_id, effect) DO NOTHING",
            params![new.id, account, run, new.effect, new.task, new.title, new.message, new.data, at],
        )?;
    }
    for effect in &changes.unanswered {
        let answered: Option<i64> = session.scalar(
            "SELECT 1 FROM approvals WHERE run_id = $1 AND effect = $2 AND decided_at IS NOT NULL",
            params![run, effect],
        )?;
        if answered.is_some() {
            // The writer did not know of the answer, which has come first.
            return Err(Error::Stale(run));
        }
    }
    for effect in &changes.closed {
        session.execute(
            "UPDATE approvals SET closed_at = $3 WHERE run_id = $1 AND effect = $2 AND closed_at IS NULL",
            params![run, effect, at],
        )?;
    }
    if changes.all_closed {
        session.execute(
            "UPDATE approvals SET closed_at = $2 WHERE run_id = $1 AND closed_at IS NULL",
            params![run, at],
        )?;
    }
    Ok(())
}

/// With its run, its questions go.
pub(crate) fn forget(session: &Session, run: RunId) -> Result<(), Error> {
    session.execute("DELETE FROM approvals WHERE run_id = $1", params![run]).map(drop)
}
