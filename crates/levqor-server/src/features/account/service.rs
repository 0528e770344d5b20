//! The rules of accounts: their names, and who may be in which.

use levqor_model::{AccountId, Role, shown_name};
use levqor_store::{accounts::Account, members::Change};

use crate::{
    App, Problem,
    features::{
        members::service::last_owner,
        sessions::service::{self as sessions, Entered},
    },
    gateway::Actor,
};

/// The account of whoever asks.
///
/// # Errors
/// The store's.
pub async fn account(app: &App, actor: &Actor) -> Result<Account, Problem> {
    let account = app.store.account(actor.account_id).await?;
    account.ok_or_else(|| Problem::broken(format!("account {} is not there", actor.account_id)))
}

/// Gives the account another name.
///
/// # Errors
/// 422 for a name that is not allowed; 403 below admin.
pub async fn rename(app: &App, actor: &Actor, name: &str) -> Result<Account, Problem> {
    actor.require(Role::Admin)?;
    let name = shown_name(name).map_err(|error| Problem::field("/name", error.to_string()))?;
    // Invitations carry the name into the mail of people who do not know who wrote it.
    if name.contains("://") {
        return Err(Problem::field("/name", "must not be an address; write the name of a team or a company"));
    }
    let before = account(app, actor).await?;
    if before.name == name {
        return Ok(before);
    }
    app.store.rename_account(actor.account_id, name.to_owned(), app.now()).await?;
    Ok(Account { name: name.to_owned(), ..before })
}

/// The accounts that the person belongs to, oldest first.
///
/// # Errors
/// 403 for API keys.
pub async fn memberships(app: &App, actor: &Actor) -> Result<Vec<(Account, Role)>, Problem> {
    let (user, _) = actor.person()?;
    Ok(app.store.accounts_of(user).await?)
}

/// Goes on in another account, with another token.
///
/// # Errors
/// 404 when the person does not belong to it; 403 for API keys.
pub async fn switch(app: &App, actor: &Actor, to: AccountId) -> Result<Entered, Problem> {
    let (user, session) = actor.person()?;
    if app.store.member(to, user).await?.is_none() {
        return Err(Problem::not_found(format!("you do not belong to an account {to}")));
    }
    sessions::renew(app, session, to).await
}

/// Leaves the account. All sessions in it end, this one too.
///
/// # Errors
/// 409 for its last owner; 403 for API keys.
pub async fn leave(app: &App, actor: &Actor) -> Result<(), Problem> {
    let (user, _) = actor.person()?;
    loop {
        let member = app.store.member(actor.account_id, user).await?;
        let member =
            member.ok_or_else(|| Problem::not_found("you do not belong to this account any more"))?;
        let change = app.store.remove_member(actor.account_id, user, member.role, app.now()).await?;
        app.forget_callers();
        match change {
            Change::Done => return Ok(()),
            Change::LastOwner => return Err(last_owner()),
            // The role was changed in this moment; look again.
            Change::Differs | Change::Missing => {}
        }
    }
}
