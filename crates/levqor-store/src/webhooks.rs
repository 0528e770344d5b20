//! Addresses that start workflows, and the messages that came to them.

use levqor_model::{AccountId, KeyPurpose, RunId, Timestamp, WebhookId, WorkflowId};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    keyring, params,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub account_id: AccountId,
    pub workflow_id: WorkflowId,
    pub name: String,
    /// SHA-256 of the token; the token itself is never stored.
    pub hash: [u8; 32],
    /// Messages must be signed.
    pub signed: bool,
    /// Grows when the token and the secret are made anew.
    pub generation: i64,
    /// The tag of the key that its secret is derived from.
    pub secret_key: String,
    pub created_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// What became of a webhook's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookSet<T> {
    Done(T),
    /// The key that it is derived from is gone; take another one.
    KeyGone,
}

/// A message that starts a run, at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookMessage {
    pub webhook_id: WebhookId,
    pub message_id: String,
}

/// The columns of [`Webhook`], in the order in which [`Webhook::read`] takes them.
macro_rules! columns {
    () => {
        "webhook_id, account_id, workflow_id, name, hash, signed, generation, secret_key, created_at, rotated_at, last_used_at"
    };
}

impl Webhook {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            workflow_id: row.take()?,
            name: row.take()?,
            hash: row.take()?,
            signed: row.take()?,
            generation: row.take()?,
            secret_key: row.take()?,
            created_at: row.take()?,
            rotated_at: row.take()?,
            last_used_at: row.take()?,
        })
    }
}

impl Store {
    /// Done with false when the workflow has `max` of them already, or is not there.
    pub async fn create_webhook(&self, webhook: Webhook, max: usize) -> Result<WebhookSet<bool>, Error> {
        self.write(move |session| {
            if keyring::ended(session, KeyPurpose::Webhooks, &webhook.secret_key)? {
                return Ok(WebhookSet::KeyGone);
            }
            let created = session.execute(
                concat!(
                    "INSERT INTO webhooks (",
                    columns!(),
                    ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
                     WHERE EXISTS (SELECT 1 FROM workflows
                             WHERE workflow_id = $3 AND account_id = $2 AND deleted_at IS NULL)
                         AND (SELECT count(*) FROM webhooks WHERE workflow_id = $3) < $12"
                ),
                params![
                    webhook.id,
                    webhook.account_id,
                    webhook.workflow_id,
                    webhook.name,
                    webhook.hash,
                    webhook.signed,
                    webhook.generation,
                    webhook.secret_key,
                    webhook.created_at,
                    webhook.rotated_at,
                    webhook.last_used_at,
                    max,
                ],
            )?;
            if created == 0 {
                return Ok(WebhookSet::Done(false));
            }
            audit::note(
                session,
                Note {
                    kind: "webhook.created",
                    at: webhook.created_at,
                    account: Some(webhook.account_id),
                    subject: &webhook.id.to_string(),
                    details: json!({ "workflow": webhook.workflow_id, "signed": webhook.signed }),
                },
            )?;
            Ok(WebhookSet::Done(true))
        })
        .await
    }

    pub async fn webhook_by_hash(&self, hash: [u8; 32]) -> Result<Option<Webhook>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM webhooks WHERE hash = $1"),
                params![hash],
                Webhook::read,
            )
        })
        .await
    }

    /// Oldest first.
    pub async fn webhooks_of(
        &self,
        account: AccountId,
        workflow: WorkflowId,
        limit: usize,
    ) -> Result<Vec<Webhook>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM webhooks WHERE workflow_id = $1 AND account_id = $2 ORDER BY webhook_id LIMIT $3"
                ),
                params![workflow, account, limit],
                Webhook::read,
            )
        })
        .await
    }

    /// Another token, and another secret, derived from the key with the tag; the old ones are worth nothing from now on. None when
    /// it is not there.
    pub async fn rotate_webhook(
        &self,
        account: AccountId,
        workflow: WorkflowId,
        id: WebhookId,
        hash: [u8; 32],
        secret_key: String,
        at: Timestamp,
    ) -> Result<WebhookSet<Option<Webhook>>, Error> {
        self.write(move |session| {
            if keyring::ended(session, KeyPurpose::Webhooks, &secret_key)? {
                return Ok(WebhookSet::KeyGone);
            }
            let rotated = session.row(
                concat!(
                    "UPDATE webhooks SET hash = $4, rotated_at = $5, generation = generation + 1, secret_key = $6
                     WHERE webhook_id = $1 AND workflow_id = $2 AND account_id = $3 RETURNING ",
                    columns!()
                ),
                params![id, workflow, account, hash, at, secret_key],
                Webhook::read,
            )?;
            if rotated.is_some() {
                audit::note(
                    session,
                    Note {
                        kind: "webhook.rotated",
                        at,
                        account: Some(account),
                        subject: &id.to_string(),
                        details: json!({ "workflow": workflow }),
                    },
                )?;
            }
            Ok(WebhookSet::Done(rotated))
        })
        .await
    }

    /// False when it is not there.
    pub async fn delete_webhook(
        &self,
        account: AccountId,
        workflow: WorkflowId,
        id: WebhookId,
        at: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let deleted = session.execute(
                "DELETE FROM webhooks WHERE webhook_id = $1 AND workflow_id = $2 AND account_id = $3",
                params![id, workflow, account],
            )?;
            if deleted == 0 {
                return Ok(false);
            }
            audit::note(
                session,
                Note {
                    kind: "webhook.deleted",
                    at,
                    account: Some(account),
                    subject: &id.to_string(),
                    details: json!({ "workflow": workflow }),
                },
            )?;
            Ok(true)
        })
        .await
    }

    /// Notes the last use. An earlier use never hides a later one.
    pub async fn touch_webhook(&self, id: WebhookId, at: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "UPDATE webhooks SET last_used_at = $2
                     WHERE webhook_id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                    params![id, at],
                )
                .map(drop)
        })
        .await
    }

    /// The run that a message started.
    pub async fn webhook_run(&self, message: WebhookMessage) -> Result<Option<RunId>, Error> {
        self.read(move |session| started_by(session, &message)).await
    }

    /// Forgets messages that came before then: a repeat of one starts another run.
    pub async fn prune_webhook_messages(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM webhook_messages WHERE (webhook_id, message_id) IN
                (SELECT webhook_id, message_id FROM webhook_messages WHERE received_at < $1 LIMIT $2)",
            before,
        )
        .await
    }
}

/// Takes the message for this run; the run that has it already when there is one.
pub(crate) fn take(
    session: &Session,
    message: &WebhookMessage,
    run: RunId,
    at: Timestamp,
) -> Result<Option<RunId>, Error> {
    let taken = session.execute(
        "INSERT INTO webhook_messages (webhook_id, message_id, run_id, received_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (webhook_id, message_id) DO NOTHING",
        params![message.webhook_id, message.message_id, run, at],
    )?;
    if taken == 0 { started_by(session, message) } else { Ok(None) }
}

/// With its workflow.
pub(crate) fn delete_all(session: &Session, workflow: WorkflowId) -> Result<(), Error> {
    session.execute("DELETE FROM webhooks WHERE workflow_id = $1", params![workflow]).map(drop)
}

pub(crate) fn started_by(session: &Session, message: &WebhookMessage) -> Result<Option<RunId>, Error> {
    session.scalar(
        "SELECT run_id FROM webhook_messages WHERE webhook_id = $1 AND message_id = $2",
        params![message.webhook_id, message.message_id],
    )
}
