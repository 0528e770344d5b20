//! The rules of API keys.

use std::time::Duration;

use levqor_model::{
    KeyId, ProblemCode, Role, Scopes, Secret, Timestamp,
    limits::{KEY_OVERLAP_DEFAULT, KEY_OVERLAP_MAX, KEYS_PER_ACCOUNT_MAX},
    shown_name,
};
use levqor_store::keys::{ApiKey, Revocation, Rotation};

use crate::{
    App, Problem,
    gateway::{Actor, new_key},
};

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct Wish {
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
    pub scopes: Option<Scopes>,
}

/// Scopes by their names.
///
/// # Errors
/// 422 for a name that is none, and for an empty list.
pub fn scopes(names: &[String]) -> Result<Scopes, Problem> {
    Scopes::parse_all(names.iter().map(String::as_str))
        .map_err(|error| Problem::field("/scopes", error.to_string()))
}

/// A key that is limited gives no more than it has: neither by a key that it makes nor by a secret that it asks for.
fn must_cover(actor: &Actor, wanted: Option<Scopes>) -> Result<(), Problem> {
    let Some(own) = actor.scopes else { return Ok(()) };
    if wanted.is_some_and(|wanted| wanted.within(own)) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::Forbidden,
        format!(
            "this API key is limited to {own}, and so must be what it gives away; use a key without limits"
        ),
    ))
}

/// Makes a key. The secret is not stored: this is the one time that it can be seen.
///
/// # Errors
/// 422 for a name or a time that is not allowed; 403 for a role above the caller's own, for more than a limited key may, and with too
/// many keys.
pub async fn create(app: &App, actor: &Actor, wish: Wish) -> Result<(ApiKey, Secret), Problem> {
    actor.require(Role::Admin)?;
    let name = shown_name(&wish.name).map_err(|error| Problem::field("/name", error.to_string()))?;
    actor.require(wish.role)?;
    must_cover(actor, wish.scopes)?;
    let now = app.now();
    if wish.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::field("/expires_at", format!("must be later than now ({now})")));
    }
    // As good as counting within the write: some that come at once may pass together.
    if app.store.live_keys(actor.account_id, now).await? >= KEYS_PER_ACCOUNT_MAX {
        let detail =
            format!("the account has {KEYS_PER_ACCOUNT_MAX} keys, which is the limit; revoke some first");
        return Err(Problem::new(ProblemCode::PlanLimit, detail));
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
        scopes: wish.scopes,
        previous: None,
        rotated_at: None,
        created_by: Some(actor.by.id()),
    };
    app.store.create_key(key.clone()).await?;
    Ok((key, new.key))
}

/// Revokes a key at once (on other nodes within seconds), and takes back the invitations that it sent.
///
/// # Errors
/// 404 when the account has no such live key; 403 for a key above the caller's role; 409 for the last owner key.
pub async fn revoke(app: &App, actor: &Actor, id: KeyId) -> Result<(), Problem> {
    actor.require(Role::Admin)?;
    let missing = || Problem::not_found(format!("API key {id} does not exist or is revoked already"));
    let key = app.store.key(actor.account_id, id).await?;
    let key = key.filter(|key| key.revoked_at.is_none()).ok_or_else(missing)?;
    actor.require(key.role)?;
    match app.store.revoke_key(actor.account_id, id, app.now()).await? {
        Revocation::Done => {
            app.forget_callers();
            Ok(())
        }
        Revocation::Missing => Err(missing()),
        Revocation::LastOwner => Err(Problem::new(
            ProblemCode::LastOwnerKey,
            "this is the account's last owner key; make another owner key first",
        )),
    }
}

fn is_live(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)
}

/// Gives a key another secret; the one of now goes on working for `overlap`, or for a day. A secret that was replaced before
/// opens nothing any more. The new one can be seen this one time.
///
/// # Errors
/// 404 when the account has no such live key; 403 for a key above the caller's role, an operator's, or one that may what a limited
/// caller may not; 422 for an overlap beyond 30 days.
pub async fn rotate(
    app: &App,
    actor: &Actor,
    id: KeyId,
    overlap: Option<Duration>,
) -> Result<(ApiKey, Secret), Problem> {
    actor.require(Role::Admin)?;
    let overlap = overlap.unwrap_or(KEY_OVERLAP_DEFAULT);
    if overlap > KEY_OVERLAP_MAX {
        let message = format!("must be at most {} (30 days)", KEY_OVERLAP_MAX.as_secs());
        return Err(Problem::field("/overlap_seconds", message));
    }
    let now = app.now();
    let missing = || Problem::not_found(format!("API key {id} does not exist, is revoked or has expired"));
    let key = app.store.key(actor.account_id, id).await?;
    let key = key.filter(|key| is_live(key, now)).ok_or_else(missing)?;
    actor.require(key.role)?;
    must_cover(actor, key.scopes)?;
    if key.operator && !actor.operator {
        return Err(Problem::new(
            ProblemCode::Forbidden,
            "this key may do what operators of the platform may; only they give it another secret",
        ));
    }
    let new = new_key(&*app.random);
    let previous_ends_at = key.expires_at.map_or(now + overlap, |end| end.min(now + overlap));
    let rotation = Rotation { prefix: new.prefix, hash: new.hash, at: now, previous_ends_at };
    let key = app.store.rotate_key(actor.account_id, id, rotation).await?.ok_or_else(missing)?;
    app.forget_callers();
    Ok((key, new.key))
}
