//! The rules of triggers: who may have how many webhooks, what a message must be, and that it starts one run.

use std::sync::Arc;

use levqor_engine::keyring::{Key, NoTag};
use levqor_flow::schedule::Schedule;
use levqor_model::{
    KeyPurpose, ProblemCode, Role, RunId, Secret, Timestamp, WebhookId, WorkflowId,
    limits::WEBHOOKS_PER_WORKFLOW_MAX, shown_name,
};
use levqor_store::webhooks::{Webhook, WebhookMessage, WebhookSet};
use serde_json::Value;

use super::signature::{self, Refusal, Signed};
use crate::{
    App, Problem,
    features::{runs, workflows},
    gateway::{Actor, new_token, token_hash},
};

/// Keys that are gone when a webhook is written, before giving up.
const TRIES: usize = 3;
/// The last use is noted at most this often.
const NOTE_USE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What starts a workflow.
#[derive(Debug)]
pub struct Triggers {
    /// With when it is due next.
    pub schedule: Option<(Schedule, Option<Timestamp>)>,
    /// Types of events; None among them: any. None: no events start it.
    pub events: Option<Vec<Option<String>>>,
    pub webhooks: Vec<Webhook>,
}

/// What was just made, with what is shown this once.
#[derive(Debug)]
pub struct Made {
    pub webhook: Webhook,
    pub token: Secret,
    /// None: messages need no signature.
    pub secret: Option<Secret>,
}

/// What starts the workflow's current version.
///
/// # Errors
/// 404.
pub async fn list(app: &App, actor: &Actor, id: WorkflowId) -> Result<Triggers, Problem> {
    let account = actor.account_id;
    let workflow = workflows::service::find(app, account, id).await?;
    let version = workflows::service::find_version(app, account, id, &workflow.version).await?;
    let checked = workflows::service::compiled(app, &version).await?;
    let schedule = checked.as_ref().and_then(|checked| checked.schedule.clone());
    let due = app.store.schedule_next(id).await?;
    Ok(Triggers {
        events: checked.as_ref().and_then(|checked| workflows::service::event_kinds(checked)),
        schedule: schedule.map(|schedule| (schedule, due)),
        webhooks: webhooks(app, actor, id).await?,
    })
}

/// The workflow's webhooks, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn webhooks(app: &App, actor: &Actor, id: WorkflowId) -> Result<Vec<Webhook>, Problem> {
    Ok(app.store.webhooks_of(actor.account_id, id, WEBHOOKS_PER_WORKFLOW_MAX).await?)
}

/// Makes a webhook. Token and secret are not stored: this is the one time that they can be seen.
///
/// # Errors
/// 404; 422 for a name that is not allowed; 403 when the workflow has as many as it may have.
pub async fn create(
    app: &App,
    actor: &Actor,
    id: WorkflowId,
    name: &str,
    signed: bool,
) -> Result<Made, Problem> {
    actor.require(Role::Editor)?;
    let name = shown_name(name).map_err(|error| Problem::field("/name", error.to_string()))?;
    workflows::service::find(app, actor.account_id, id).await?;
    let now = app.now();
    let token = new_token(&*app.random);
    let mut webhook = Webhook {
        id: WebhookId::new(now, &*app.random),
        account_id: actor.account_id,
        workflow_id: id,
        name: name.to_owned(),
        hash: token_hash(&token),
        signed,
        generation: 1,
        secret_key: String::new(),
        created_at: now,
        rotated_at: None,
        last_used_at: None,
    };
    for _ in 0..TRIES {
        let key = app.keyring.active(KeyPurpose::Webhooks).await?;
        webhook.secret_key = key.tag().to_string();
        match app.store.create_webhook(webhook.clone(), WEBHOOKS_PER_WORKFLOW_MAX).await? {
            WebhookSet::Done(true) => return Ok(made(&key, webhook, token)),
            WebhookSet::Done(false) => {
                return Err(Problem::new(
                    ProblemCode::PlanLimit,
                    format!(
                        "a workflow may have {WEBHOOKS_PER_WORKFLOW_MAX} webhooks; delete one that is not used"
                    ),
                ));
            }
            WebhookSet::KeyGone => app.keyring.refresh().await?,
        }
    }
    Err(keys_change())
}

/// Makes token and secret anew; the old ones are worth nothing from now on.
///
/// # Errors
/// 404.
pub async fn rotate(app: &App, actor: &Actor, workflow: WorkflowId, id: WebhookId) -> Result<Made, Problem> {
    actor.require(Role::Editor)?;
    let token = new_token(&*app.random);
    for _ in 0..TRIES {
        let key = app.keyring.active(KeyPurpose::Webhooks).await?;
        let (account, hash, tag) = (actor.account_id, token_hash(&token), key.tag().to_string());
        match app.store.rotate_webhook(account, workflow, id, hash, tag, app.now()).await? {
            WebhookSet::Done(Some(rotated)) => return Ok(made(&key, rotated, token)),
            WebhookSet::Done(None) => return Err(missing(id)),
            WebhookSet::KeyGone => app.keyring.refresh().await?,
        }
    }
    Err(keys_change())
}

/// # Errors
/// 404.
pub async fn delete(app: &App, actor: &Actor, workflow: WorkflowId, id: WebhookId) -> Result<(), Problem> {
    actor.require(Role::Editor)?;
    if app.store.delete_webhook(actor.account_id, workflow, id, app.now()).await? {
        Ok(())
    } else {
        Err(missing(id))
    }
}

fn missing(id: WebhookId) -> Problem {
    Problem::not_found(format!("webhook {id} does not exist"))
}

fn keys_change() -> Problem {
    Problem::new(ProblemCode::Overloaded, "the server's keys are being changed; try again").retry_after(1)
}

fn made(key: &Key, webhook: Webhook, token: String) -> Made {
    let secret = webhook.signed.then(|| Secret::new(signature::shown(&signing_secret(key, &webhook))));
    Made { webhook, token: Secret::new(token), secret }
}

/// Derived from the key that the webhook names, so that it need not be stored to be used, and stays what it is when keys are rotated.
fn signing_secret(key: &Key, webhook: &Webhook) -> [u8; 32] {
    key.sign(&["webhook", &webhook.id.to_string(), &webhook.generation.to_string()], &[])
}

/// The key that the webhook's secret is derived from; None: it was revoked.
async fn key_of(app: &App, webhook: &Webhook) -> Result<Option<Arc<Key>>, Problem> {
    match webhook.secret_key.parse() {
        Ok(tag) => Ok(app.keyring.key(KeyPurpose::Webhooks, tag).await?),
        Err(NoTag) => Ok(None),
    }
}

/// A message that came to an address.
#[derive(Debug)]
pub struct Message<'a> {
    pub token: &'a str,
    pub signed: Signed<'a>,
    pub body: &'a [u8],
}

/// The webhook that the message is for, when the message may start a run.
///
/// The same is done for a token that leads nowhere as for one that does, so that the time says nothing.
///
/// # Errors
/// 404 for an unknown token; 401 for a message that is not signed as the webhook asks.
pub async fn admit(app: &App, message: &Message<'_>) -> Result<Webhook, Problem> {
    let found = app.store.webhook_by_hash(token_hash(message.token)).await?;
    let secret = match &found {
        Some(webhook) => key_of(app, webhook).await?.map(|key| signing_secret(&key, webhook)),
        None => {
            let key = app.keyring.active(KeyPurpose::Webhooks).await?;
            Some(key.sign(&["webhook", WebhookId::PREFIX, "0"], &[]))
        }
    };
    let now = app.now().as_micros().div_euclid(1_000_000);
    let verdict = match secret {
        Some(secret) => signature::verify(&secret, message.signed, message.body, now),
        None => Err(Refusal::Revoked),
    };
    let webhook = found.ok_or_else(|| {
        Problem::not_found("no webhook has this address; it may have been deleted, or its token made anew")
    })?;
    if webhook.signed
        && let Err(refusal) = verdict
    {
        return Err(Problem::new(ProblemCode::WebhookSignature, refusal.to_string()));
    }
    Ok(webhook)
}

/// Starts the run of a message; durable when this returns. The run, and whether an earlier message with the same id had
/// started it.
///
/// # Errors
/// 403 when the plan's runs are used up; 422 for an input that is not allowed; 503.
pub async fn start(
    app: &App,
    webhook: &Webhook,
    message_id: Option<&str>,
    input: Value,
) -> Result<(RunId, bool), Problem> {
    let message = match message_id {
        None => None,
        Some(id) => {
            let id = signature::message_id(id)
                .map_err(|refusal| Problem::new(ProblemCode::BadParameter, refusal.to_string()))?;
            Some(WebhookMessage { webhook_id: webhook.id, message_id: id.to_owned() })
        }
    };
    if let Some(message) = &message
        && let Some(run) = app.store.webhook_run(message.clone()).await?
    {
        return Ok((run, true));
    }
    let started =
        runs::service::start_by_webhook(app, webhook.account_id, webhook.workflow_id, input, message).await?;
    let now = app.now();
    if webhook.last_used_at.is_none_or(|at| now.since(at) >= NOTE_USE_EVERY)
        && let Err(reason) = app.store.touch_webhook(webhook.id, now).await
    {
        // The run is accepted; when the webhook was used last is only a note.
        tracing::warn!(webhook.id = %webhook.id, error = %reason, "the use of a webhook was not noted");
    }
    Ok(started)
}

/// Where messages to a new webhook go.
pub fn address(app: &App, made: &Made) -> String {
    format!("{}/hooks/{}", app.settings.public_url, made.token.expose())
}
