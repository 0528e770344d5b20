//! Workflows and their versions.

use std::time::Duration;

use levqor_model::{AccountId, Timestamp, WorkflowId};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    cursor,
    event_triggers::NewEventTrigger,
    params, schedules, usage, webhooks,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    pub id: WorkflowId,
    pub account_id: AccountId,
    pub namespace: String,
    pub name: String,
    /// The version saved last.
    pub version: String,
    pub title: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub workflow_id: WorkflowId,
    pub version: String,
    /// The document as JSON.
    pub definition: String,
    /// The document as it was written, when it came as text.
    pub source: Option<String>,
    /// Functions of catalogs that it calls, as JSON by the addresses of their files.
    pub functions: Option<String>,
    pub created_at: Timestamp,
}

/// What a schedule of a saved version needs; None takes a schedule that was there away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    pub anchor_at: Timestamp,
    /// None for schedules without due times of their own.
    pub next_due_at: Option<Timestamp>,
    /// Events start it too.
    pub on: Option<NewEventTrigger>,
}

/// The columns of [`Workflow`], in the order in which [`Workflow::read`] takes them.
macro_rules! columns {
    () => {
        "workflow_id, account_id, namespace, name, version, title, created_at, updated_at"
    };
}

impl Workflow {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            namespace: row.take()?,
            name: row.take()?,
            version: row.take()?,
            title: row.take()?,
            created_at: row.take()?,
            updated_at: row.take()?,
        })
    }
}

impl Version {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            workflow_id: row.take()?,
            version: row.take()?,
            definition: row.take()?,
            source: row.take()?,
            functions: row.take()?,
            created_at: row.take()?,
        })
    }
}

pub(crate) fn insert(
    session: &Session,
    workflow: &Workflow,
    version: &Version,
    schedule: Option<&NewSchedule>,
) -> Result<(), Error> {
    session.execute(
        "INSERT INTO workflows
            (workflow_id, account_id, namespace, name, version, title, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            workflow.id,
            workflow.account_id,
            workflow.namespace,
            workflow.name,
            workflow.version,
            workflow.title,
            workflow.created_at,
            workflow.updated_at,
        ],
    )?;
    insert_version(session, version)?;
    let (namespace, name) = (&workflow.namespace, &workflow.name);
    audit::note(
        session,
        Note {
            kind: "workflow.created",
            at: workflow.created_at,
            account: Some(workflow.account_id),
            subject: &workflow.id.to_string(),
            details: json!({ "namespace": namespace, "name": name, "version": workflow.version }),
        },
    )?;
    schedules::replace(session, workflow.id, workflow.account_id, &version.version, schedule)?;
    usage::workflows_changed(session, workflow.account_id, workflow.created_at.date(), 1)
}

impl Store {
    /// # Errors
    /// [`Conflict::WorkflowName`](crate::Conflict::WorkflowName) when the name is taken.
    pub async fn create_workflow(
        &self,
        workflow: Workflow,
        version: Version,
        schedule: Option<NewSchedule>,
    ) -> Result<(), Error> {
        self.write(move |session| insert(session, &workflow, &version, schedule.as_ref())).await
    }

    /// Makes it the current version; false when the workflow is not there.
    ///
    /// # Errors
    /// [`Conflict::WorkflowVersion`](crate::Conflict::WorkflowVersion) when that version exists.
    pub async fn add_version(
        &self,
        account: AccountId,
        version: Version,
        title: Option<String>,
        schedule: Option<NewSchedule>,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let id = version.workflow_id;
            let updated = session.execute(
                "UPDATE workflows SET version = $3, title = $4, updated_at = $5
                 WHERE workflow_id = $1 AND account_id = $2 AND deleted_at IS NULL",
                params![id, account, version.version, title, version.created_at],
            )?;
            if updated == 0 {
                return Ok(false);
            }
            insert_version(session, &version)?;
            audit::note(
                session,
                Note {
                    kind: "workflow.version_added",
                    at: version.created_at,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({ "version": version.version }),
                },
            )?;
            schedules::replace(session, id, account, &version.version, schedule.as_ref())?;
            Ok(true)
        })
        .await
    }

    /// Not when deleted.
    pub async fn workflow(&self, account: AccountId, id: WorkflowId) -> Result<Option<Workflow>, Error> {
        self.read(move |session| {
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM workflows WHERE workflow_id = $1 AND account_id = $2 AND deleted_at IS NULL"
                ),
                params![id, account],
                Workflow::read,
            )
        })
        .await
    }

    pub async fn workflow_by_name(
        &self,
        account: AccountId,
        namespace: String,
        name: String,
    ) -> Result<Option<Workflow>, Error> {
        self.read(move |session| {
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM workflows WHERE account_id = $1 AND namespace = $2 AND name = $3 AND deleted_at IS NULL"
                ),
                params![account, namespace, name],
                Workflow::read,
            )
        })
        .await
    }

    /// Newest first.
    pub async fn workflows_of(
        &self,
        account: AccountId,
        before: Option<WorkflowId>,
        limit: usize,
    ) -> Result<Vec<Workflow>, Error> {
        let before = cursor::below(before);
        self.view(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM workflows WHERE account_id = $1 AND workflow_id < $2 AND deleted_at IS NULL
                     ORDER BY workflow_id DESC LIMIT $3"
                ),
                params![account, before, limit],
                Workflow::read,
            )
        })
        .await
    }

    /// Of one account, or of all.
    pub async fn workflows_count(&self, account: Option<AccountId>) -> Result<i64, Error> {
        self.read(move |session| count(session, account)).await
    }

    /// Also of a deleted workflow: runs keep their version.
    pub async fn version(&self, id: WorkflowId, version: String) -> Result<Option<Version>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT workflow_id, version, definition, source, functions, created_at FROM workflow_versions
                 WHERE workflow_id = $1 AND version = $2",
                params![id, version],
                Version::read,
            )
        })
        .await
    }

    /// Newest first; none of a deleted workflow.
    pub async fn versions_of(
        &self,
        account: AccountId,
        id: WorkflowId,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Version>, Error> {
        let before = before.map_or(i64::MAX, Timestamp::as_micros);
        self.view(move |session| {
            session.rows(
                "SELECT workflow_id, version, definition, source, functions, created_at FROM workflow_versions
                 WHERE workflow_id = $1 AND created_at < $2
                     AND EXISTS (SELECT 1 FROM workflows
                         WHERE workflows.workflow_id = $1 AND account_id = $3 AND deleted_at IS NULL)
                 ORDER BY created_at DESC LIMIT $4",
                params![id, before, account, limit],
                Version::read,
            )
        })
        .await
    }

    /// Takes its schedule, triggers and webhooks away too; its runs stay. False when it is not there.
    pub async fn delete_workflow(
        &self,
        account: AccountId,
        id: WorkflowId,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let deleted = session.execute(
                "UPDATE workflows SET deleted_at = $3
                 WHERE workflow_id = $1 AND account_id = $2 AND deleted_at IS NULL",
                params![id, account, at],
            )?;
            if deleted == 0 {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "workflow.deleted",
                    at,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({}),
                },
            )?;
            schedules::replace(session, id, account, "", None)?;
            webhooks::delete_all(session, id)?;
            usage::workflows_changed(session, account, at.date(), -1)?;
            Ok(true)
        })
        .await
    }
}

/// Workflows of one account, or of all.
pub(crate) fn count(session: &Session, account: Option<AccountId>) -> Result<i64, Error> {
    let count = match account {
        Some(account) => session.scalar(
            "SELECT count(*) FROM workflows WHERE account_id = $1 AND deleted_at IS NULL",
            params![account],
        )?,
        None => session.scalar("SELECT count(*) FROM workflows WHERE deleted_at IS NULL", &[])?,
    };
    Ok(count.unwrap_or_default())
}

/// The list of versions pages by their time, so a version that comes within the microsecond of the one before it is
/// dated one microsecond later.
fn insert_version(session: &Session, version: &Version) -> Result<(), Error> {
    let latest: Option<Option<Timestamp>> = session.scalar(
        "SELECT max(created_at) FROM workflow_versions WHERE workflow_id = $1",
        params![version.workflow_id],
    )?;
    let created_at = match latest.flatten() {
        Some(latest) => version.created_at.max(latest + Duration::from_micros(1)),
        None => version.created_at,
    };
    session
        .execute(
            "INSERT INTO workflow_versions (workflow_id, version, definition, source, functions, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            params![
                version.workflow_id,
                version.version,
                version.definition,
                version.source,
                version.functions,
                created_at
            ],
        )
        .map(drop)
}
