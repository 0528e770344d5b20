//! The rules of API keys.

use levqor_model::{KeyId, ProblemCode, Role, Secret, Timestamp};
use levqor_store::keys::ApiKey;

use crate::{
    App, Problem,
    gateway::{Actor, new_key},
};

const NAME_CHARS_MAX: usize = 100;
/// Keys of an account that one look for the last owner key reads at once.
const BATCH: usize = 200;

/// Held while a key is revoked.
#[derive(Debug, Default)]
struct Revoking(tokio::sync::Mutex<()>);

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct Wish {
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

/// Makes a key. The secret is not stored: this is the one time that it can be seen.
///
/// # Errors
/// 422 for a name or a time that is not allowed; 403 for a role above the caller's own.
pub async fn create(app: &App, actor: &Actor, wish: Wish) -> Result<(ApiKey, Secret), Problem> {
    actor.require(Role::Admin)?;
    let name = wish.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let message = format!("must have 1 to {NAME_CHARS_MAX} characters, none of them control characters");
        return Err(Problem::field("/name", message));
    }
    actor.require(wish.role)?;
    let now = app.now();
    if wish.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::field("/expires_at", format!("must be later than now ({now})")));
    }
    let new = new_key(&*app.random);
    let key = ApiKey {
        id: KeyId::new(now, &*app.random),
        account_id: actor.account_id,
        name: name.to_owned(),
        prefix: new.prefix,
        hash: new.hash,
        role: wish.role,
        operator: false,
        created_at: now,
        expires_at: wish.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    app.store.create_key(key.clone()).await?;
    Ok((key, new.key))
}

/// Revokes a key at once (on other nodes within seconds).
///
/// # Errors
/// 404 when the account has no such live key; 403 for a key above the caller's role; 409 for the last owner key.
pub async fn revoke(app: &App, actor: &Actor, id: KeyId) -> Result<(), Problem> {
    actor.require(Role::Admin)?;
    // Two that look at the same time would each take the other's key for the one that is left.
    let revoking = app.memory(|_| Revoking::default());
    let _one_at_a_time = revoking.0.lock().await;
    let now = app.now();
    let (mut found, mut other_owner) = (None, false);
    let mut after = None;
    loop {
        let keys = app.store.keys_of(actor.account_id, after, BATCH).await?;
        after = keys.last().map(|key| key.id);
        let full = keys.len() == BATCH;
        for key in keys {
            let live = key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now);
            if key.id == id {
                found = Some(key);
            } else if live && key.role == Role::Owner {
                other_owner = true;
            }
        }
        if !full {
            break;
        }
    }
    let missing = || Problem::not_found(format!("API key {id} does not exist or is revoked already"));
    let key = found.filter(|key| key.revoked_at.is_none()).ok_or_else(missing)?;
    actor.require(key.role)?;
    if key.role == Role::Owner && !other_owner {
        return Err(Problem::new(
            ProblemCode::LastOwnerKey,
            "this is the account's last owner key; make another owner key first",
        ));
    }
    if !app.store.revoke_key(actor.account_id, id, now).await? {
        return Err(missing());
    }
    app.forget_callers();
    Ok(())
}
