//! The account that journeys act as: nobody's, with a key that lives for a day and is known to this process alone.
//!
//! A journey that fails is no reason for another key: only one that was taken away is. So a platform that is ill for a week has as many
//! keys of journeys as one that is well.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use levqor_model::{AccountId, KeyId, Role, Scope, Scopes, Secret, Timestamp};
use levqor_store::{Conflict, Error, accounts::Account, keys::ApiKey};

use crate::{App, gateway::new_key};

/// The same on every installation, so that all nodes mean the same one.
static ACCOUNT: LazyLock<Option<AccountId>> = LazyLock::new(|| "acc_0000000000PR0BES0000000000".parse().ok());

/// A new key is made before the old one ends.
const RENEWED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
const KEY_LIVES: Duration = Duration::from_secs(26 * 60 * 60);
/// What a journey that broke off has left is taken away after this.
const LEFT_AFTER: Duration = Duration::from_secs(10 * 60);
/// Leftovers that are looked at in one go.
const LEFT_MAX: usize = 200;

#[derive(Debug, Default)]
struct Kept(Mutex<Option<Known>>);

/// The key of this process.
#[derive(Debug, Clone)]
struct Known {
    id: KeyId,
    key: Secret,
    since: Timestamp,
}

fn kept(app: &App) -> std::sync::Arc<Kept> {
    app.memory(|_| Kept::default())
}

/// A key of the probes' account, which is made when there is none.
pub(super) async fn key(app: &App) -> Result<Secret, String> {
    let (kept, now) = (kept(app), app.now());
    let known = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let failed = |error: Error| format!("no key could be made for the journey: {error}");
    if let Some(Known { id, key, since }) = known
        && now.since(since) < RENEWED_AFTER
        && is_live(app, id).await.map_err(failed)?
    {
        return Ok(key);
    }
    let known = make(app).await.map_err(failed)?;
    *kept.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
    Ok(known.key)
}

/// Whether nobody has revoked it, or given it another secret.
async fn is_live(app: &App, key: KeyId) -> Result<bool, Error> {
    let found = app.store.key(id()?, key).await?;
    Ok(found.is_some_and(|found| found.revoked_at.is_none() && found.rotated_at.is_none()))
}

fn id() -> Result<AccountId, Error> {
    (*ACCOUNT).ok_or_else(|| Error::Decode("the probes' account has no id".to_owned()))
}

async fn make(app: &App) -> Result<Known, Error> {
    let (id, now) = (id()?, app.now());
    if app.store.account(id).await?.is_none() {
        let plan = app.blueprint.plans.iter().max_by_key(|plan| plan.workflows);
        let plan = plan.map(|plan| plan.code.clone()).unwrap_or_default();
        let account = Account { id, name: "Probes of the platform".to_owned(), plan, created_at: now };
        match app.store.create_account(account).await {
            // Another node was quicker.
            Ok(()) | Err(Error::Conflict(Conflict::Other)) => {}
            Err(error) => return Err(error),
        }
    }
    let scopes = [Scope::WorkflowsRead, Scope::WorkflowsWrite, Scope::RunsRead, Scope::RunsWrite];
    let new = new_key(&*app.random);
    let key = ApiKey {
        id: KeyId::new(now, &*app.random),
        account_id: id,
        name: format!("journeys of {}", app.node),
        prefix: new.prefix,
        hash: new.hash,
        role: Role::Editor,
        operator: false,
        created_at: now,
        expires_at: Some(now + KEY_LIVES),
        last_used_at: None,
        revoked_at: None,
        // Without them it would be a key that may do all that editors may.
        scopes: Some(Scopes::of(scopes).map_err(|error| Error::Decode(error.to_string()))?),
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    let key_id = key.id;
    app.store.create_key(key).await?;
    Ok(Known { id: key_id, key: new.key, since: now })
}

/// Takes away what journeys left that broke off, and keys that ended long ago.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn tidy(app: &App) -> Result<(), Error> {
    let (id, now) = (id()?, app.now());
    app.store.forget_ended_keys(id, now - KEY_LIVES).await?;
    for workflow in app.store.workflows_of(id, None, LEFT_MAX).await? {
        if now.since(workflow.created_at) > LEFT_AFTER {
            app.store.delete_workflow(id, workflow.id, now).await?;
        }
    }
    Ok(())
}
